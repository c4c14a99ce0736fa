"""Which candidates the ego could drive at all, and what their motion costs: one pass over all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import Rejection
from zoox_stack.core.compiled import plain
from zoox_stack.core.geometry import box_corners
from zoox_stack.core.predictions import STEP
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.lattice import Lateral, desired_speed
from zoox_stack.planning.motion_loop import Broken, Term, measure_motion
from zoox_stack.planning.path_sides import PathSides
from zoox_stack.planning.recent_motion import STEPS_BACK
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.road_network.drivable import DrivableGrid

_SIGNAL_ROOM = 0.3  # [m] the front stays before a stop line that must not be crossed
_ROLLS = 0.05  # [m] that an ego which is nearer, or over it, may still move
_GRAVITY = 9.81  # [m/s^2]
_JERK_TOLERANCE = 1.05
# Bounds of comfort of nuPlan's closed-loop metrics (docs/planning-evaluation.md), as `motion_loop.Comfort`.
COMFORT_BOUNDS = (2.40, 4.05, 4.89, 0.95, 1.93, 4.13)
# What counts where a candidate breaks several limits: the last in this order.
_CODES = (
    (Broken.OFF_ROAD, Rejection.OFF_ROAD),
    (Broken.JERK, Rejection.JERK),
    (Broken.STEERING, Rejection.STEERING),
    (Broken.FRICTION, Rejection.FRICTION),
    (Broken.ACCELERATION, Rejection.ACCELERATION),
    (Broken.CURVATURE, Rejection.CURVATURE),
)


@dataclass(frozen=True, eq=False)
class Motion:
    """What was found of C candidates.

    Attributes:
        rejections: uint8 ``[C]`` `Rejection` by geometry, dynamics and traffic signals.
        terms: float64 ``[C, 11]``, columns `motion_loop.Term`, before weighting.
    """

    rejections: NDArray[np.uint8]
    terms: NDArray[np.float64]


def check_motion(
    candidates: Candidates,
    path: ReferencePath,
    ego: EgoState,
    closed_stops: NDArray[np.float64],
    grid: DrivableGrid | None,
    last_plan: NDArray[np.float64] | None,
    config: PlannerConfig,
    sides: PathSides | None = None,
    sight_speed: NDArray[np.float64] | None = None,
    past: NDArray[np.float64] | None = None,
) -> Motion:
    """Rejections by geometry, dynamics and traffic signals, and the terms of the costs of the ego's own motion.

    What the ego already breaks at the start (over the lateral limit, off the road) does not rule a plan out while
    it does not get worse. Places where the reference path itself leaves the mapped ground do not count as off-road. Of
    plans along the middle of the lane only the middle of the box must stay on the road, of others the whole box.
    Only the steps until `PlannerConfig.judged_time` count; a closed stop line must not be crossed later either.

    Args:
        candidates: C candidates.
        path: Reference path.
        ego: The ego.
        closed_stops: Arc lengths of the stop lines that must not be crossed [m].
        grid: Drivable ground, None without a map.
        last_plan: ``[STEPS, 2]`` positions of the last chosen plan at the times of the candidates, NaN beyond its
            end; None without one.
        config: Limits.
        sides: What lies beside the path; None: nothing known.
        sight_speed: ``[P]`` from `occlusion.sight_speeds` [m/s]; None: nothing hidden.
        past: From `RecentAccelerations`; None: as now.
    """
    points = len(path.line.s)
    sides = PathSides.unknown(points) if sides is None else sides
    sight_speed = np.full(points, np.inf) if sight_speed is None else sight_speed
    known = grid is not None and grid.known
    on_path = np.ones(len(path.line.s))
    centre_known, box_known = False, False
    cells, raster = np.zeros((0, 0), np.uint8), np.zeros(3)
    if grid is not None and known:
        on_path = grid.contains(path.line.xy).astype(float)
        corners = box_corners(np.asarray(ego.centre), np.asarray(ego.yaw), ego.length, ego.width)
        centre_known, box_known = bool(grid.contains(np.asarray(ego.centre))), bool(grid.contains(corners).all())
        cells, raster = grid.depths, np.array([*grid.low, grid.cell])
    broken = np.zeros(len(candidates), np.uint8)
    terms = np.zeros((len(candidates), len(Term)))
    measure_motion(
        plain(candidates.motion[:, :, : config.judged_steps], np.float64),
        plain(candidates.target_d, np.float64),
        plain(candidates.laterals != int(Lateral.CENTRE), np.bool_),
        np.column_stack([
            path.line.s, desired_speed(path, config), on_path, sides.closed, sides.oncoming, sight_speed,
            path.in_intersection & (path.line.s > path.ego_s + room_beside(path)),
        ]),
        np.array([ego.acceleration, ego.yaw_rate * ego.speed, ego.rear_axle_to_centre, ego.length / 2, ego.width / 2]),
        plain(np.full(STEPS_BACK, ego.acceleration) if past is None else past, np.float64),
        np.array([
            config.max_acceleration, config.max_deceleration, config.max_lateral_acceleration, config.max_curvature,
            config.emergency_jerk * _JERK_TOLERANCE, config.max_steering_rate, config.friction * _GRAVITY,
            config.wheelbase,
        ]),
        np.array(COMFORT_BOUNDS),
        cells,
        raster,
        np.array([centre_known, box_known]),
        plain(np.zeros((0, 2)) if last_plan is None else last_plan, np.float64),
        STEP,
        broken,
        terms,
    )  # fmt: skip
    codes = np.full(len(candidates), int(Rejection.KEPT), np.uint8)
    for bit, code in _CODES:
        codes[(broken & int(bit)) > 0] = int(code)
    reach = ego.rear_axle_to_centre + ego.length / 2
    front = candidates.s[:, -1] + reach  # s never falls
    for stop in closed_stops:
        codes[front > max(stop - _SIGNAL_ROOM, path.ego_s + reach + _ROLLS)] = int(Rejection.SIGNAL)
    return Motion(codes, terms)


def room_beside(path: ReferencePath) -> float:
    """How far ahead of the ego a lane beside the path goes on [m], 0 without one."""
    left = 0.0 if path.left is None else path.left_room
    return max(left, 0.0 if path.right is None else path.right_room)
