"""What a candidate costs: one table of terms, one function that fills it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.collision import CollisionReport
from zoox_stack.core.geometry import box_corners
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.candidates import Candidates, Lateral, desired_speed
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.path_agents import SIDE_MARGIN, PathAgents
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.road_network.drivable import DrivableGrid

_SAFE_TIME_TO_COLLISION = 3.5  # [s]
_IMPOSED_UNIT = 10.0  # [m] of the way of others lost that counts as 1
_CORNER_STEPS = np.arange(3, STEPS, 4)


@dataclass(frozen=True)
class CostTerm:
    """One row of the cost table.

    Attributes:
        name: Name of the term; its weight is the parameter ``weight_<name>``.
        unit: Of the term before weighting, empty if dimensionless.
        meaning: One sentence.
    """

    name: str
    unit: str
    meaning: str


COST_TERMS = (
    CostTerm("progress", "", "Share of the way lost against driving at the wanted speed"),
    CostTerm("acceleration", "m^2/s^4", "Mean square of the longitudinal acceleration"),
    CostTerm("jerk", "m^2/s^6", "Mean square of the longitudinal jerk"),
    CostTerm("lateral", "m^2/s^4", "Mean square of the lateral acceleration"),
    CostTerm("lane_deviation", "m", "Mean distance from the nearest wanted lane centre"),
    CostTerm("speed_limit", "m^2/s^2", "Mean square of the speed above the wanted speed"),
    CostTerm("collision", "", "Probability of a collision, later ones discounted"),
    CostTerm("headway", "", "Square of the share by which the time headway falls short, worst moment"),
    CostTerm("time_to_collision", "", "Square of the share by which the time to collision falls short, worst moment"),
    CostTerm("off_road", "", "Share of the corners of the ego's box off the drivable ground"),
    CostTerm("lane_change", "", "1 for a change of lane, 0.2 for leaving the centre of the lane"),
    CostTerm("consistency", "m", "Mean distance from the last chosen plan over the next 4 s"),
    CostTerm("imposed_braking", "10 m", "Way the most affected agent loses because of the plan, by what_if"),
)
COST_NAMES = tuple(term.name for term in COST_TERMS)
_COLUMN = {name: i for i, name in enumerate(COST_NAMES)}


def weights(config: PlannerConfig) -> NDArray[np.float64]:
    """Weight of every term, ``[M]``."""
    return np.array([getattr(config, f"weight_{name}") for name in COST_NAMES])


def motion_costs(
    candidates: Candidates,
    path: ReferencePath,
    ego: EgoState,
    grid: DrivableGrid | None,
    last_plan: NDArray[np.float64] | None,
    config: PlannerConfig,
) -> NDArray[np.float64]:
    """Terms that depend on the ego alone; the others are 0.

    Args:
        candidates: C candidates.
        path: Reference path.
        ego: The ego.
        grid: Drivable ground, None without a map.
        last_plan: ``[STEPS, 2]`` positions of the last chosen plan at the times of the candidates, NaN beyond its
            end; None without one.
        config: Weights.

    Returns:
        Weighted terms, ``[C, M]``.
    """
    raw = np.zeros((len(candidates), len(COST_NAMES)))
    wanted = np.interp(candidates.s, path.line.s, desired_speed(path, config))
    here = float(np.interp(path.ego_s, path.line.s, desired_speed(path, config)))
    raw[:, _COLUMN["progress"]] = _lost_progress(candidates, here)
    raw[:, _COLUMN["acceleration"]] = (candidates.acceleration**2).mean(axis=1)
    before = np.full((len(candidates), 1), ego.acceleration)
    jerk = np.diff(np.concatenate([before, candidates.acceleration], axis=1), axis=1) / STEP
    raw[:, _COLUMN["jerk"]] = np.minimum((jerk**2).mean(axis=1), 400.0)
    raw[:, _COLUMN["lateral"]] = ((candidates.speed**2 * candidates.curvature) ** 2).mean(axis=1)
    off_centre = np.minimum(np.abs(candidates.d), np.abs(candidates.d - candidates.target_d[:, None]))
    raw[:, _COLUMN["lane_deviation"]] = off_centre.mean(axis=1)
    raw[:, _COLUMN["speed_limit"]] = (np.maximum(candidates.speed - wanted - 0.3, 0) ** 2).mean(axis=1)
    if grid is not None and grid.known:
        raw[:, _COLUMN["off_road"]] = _off_road(candidates, path, ego, grid)
    raw[:, _COLUMN["lane_change"]] = np.where(
        candidates.laterals >= Lateral.LANE_LEFT, 1.0, np.where(candidates.laterals == Lateral.CENTRE, 0.0, 0.2)
    )
    if last_plan is not None:
        near = slice(0, 40)
        gap = np.hypot(candidates.x[:, near] - last_plan[near, 0], candidates.y[:, near] - last_plan[near, 1])
        known = np.isfinite(last_plan[near, 0])
        if known.any():
            raw[:, _COLUMN["consistency"]] = np.minimum(gap[:, known].mean(axis=1), 10.0)
    return raw * weights(config)


def interaction_costs(
    candidates: Candidates,
    rows: NDArray[np.int64],
    ego: EgoState,
    agents: PathAgents,
    report: CollisionReport,
    config: PlannerConfig,
    imposed: NDArray[np.float64] | None = None,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Terms that depend on the futures of others; the others are 0.

    Args:
        candidates: All candidates.
        rows: ``[N]`` the candidates meant.
        ego: The ego.
        agents: Agents near the path in the futures meant.
        report: Collisions of these N candidates.
        config: Weights.
        imposed: ``[N]`` way lost by the most affected agent [m]; None: unknown, counts as 0.
        counted: ``[N, B]`` which of the agents count for which candidate; None: all for all.

    Returns:
        Weighted terms, ``[N, M]``.
    """
    raw = np.zeros((len(rows), len(COST_NAMES)))
    raw[:, _COLUMN["collision"]] = report.risk
    for column, shortfall in zip(
        ("headway", "time_to_collision"), _gaps(candidates, rows, ego, agents, config), strict=True
    ):
        of_counted = shortfall if counted is None else np.where(counted, shortfall, 0.0)
        raw[:, _COLUMN[column]] = of_counted.max(axis=1, initial=0.0)
    if imposed is not None:
        raw[:, _COLUMN["imposed_braking"]] = imposed / _IMPOSED_UNIT
    return raw * weights(config)


def _lost_progress(candidates: Candidates, wanted: float) -> NDArray[np.float64]:
    """Share of the way lost, ``[C]``, 0..1: half for the way at the end, half for the mean way until then.

    The mean makes an ego that has to stop anyway get there soon, instead of crawling. Measured against the wanted
    speed, or against the fastest candidate where even that cannot reach it.
    """
    lost = np.zeros(len(candidates))
    for way, usual in (
        (candidates.distance[:, -1], wanted * STEPS * STEP),
        (candidates.distance.mean(axis=1), wanted * (STEPS + 1) / 2 * STEP),
    ):
        farthest = float(way.max(initial=0.0))
        best = min(max(usual, 2.0), farthest) if farthest > 2.0 else max(usual, 2.0)
        lost += 0.5 * np.clip(1 - way / best, 0, None)
    return lost


def _off_road(candidates: Candidates, path: ReferencePath, ego: EgoState, grid: DrivableGrid) -> NDArray[np.float64]:
    """Share of box corners off the road, not counting places where the path itself leaves the mapped ground."""
    yaw = candidates.yaw[:, _CORNER_STEPS]
    forward = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    base = np.stack([candidates.x[:, _CORNER_STEPS], candidates.y[:, _CORNER_STEPS]], axis=-1)
    corners = box_corners(base + ego.rear_axle_to_centre * forward, yaw, ego.length, ego.width)
    mapped = np.interp(candidates.s[:, _CORNER_STEPS], path.line.s, grid.contains(path.line.xy).astype(float)) > 0.99
    return np.asarray((~grid.contains(corners) & mapped[..., None]).mean(axis=(1, 2)))


def _gaps(
    candidates: Candidates, rows: NDArray[np.int64], ego: EgoState, agents: PathAgents, config: PlannerConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shortfall of time headway and of time to collision to agents ahead in the way, ``[N, B]`` each, 0..1."""
    if not len(agents):
        none = np.zeros((len(rows), 0))
        return none, none
    columns = np.maximum(np.round(agents.time / STEP).astype(int) - 1, 0)
    s = candidates.s[rows][:, None, columns] + ego.rear_axle_to_centre + ego.length / 2
    d, v = candidates.d[rows][:, None, columns], candidates.speed[rows][:, None, columns]
    in_way = np.abs(agents.d - d) < agents.half_across + ego.width / 2 + SIDE_MARGIN
    gap = agents.s - agents.half_along - s
    counted = in_way & (agents.s > s - ego.length / 2)
    certainty = agents.probability[:, None] * np.exp(-agents.time / config.risk_discount_time)
    gap = np.maximum(gap, 0.0)
    headway = np.clip(1 - gap / np.maximum(v * config.time_headway, 0.1), 0, 1) ** 2
    closing = v - agents.speed()
    to_collision = np.clip(1 - gap / np.maximum(closing * _SAFE_TIME_TO_COLLISION, 0.1), 0, 1) ** 2
    moving = counted & (v > 0.5)
    return (
        np.where(moving, headway * certainty, 0.0).max(axis=2),
        np.where(moving & (closing > 0.3), to_collision * certainty, 0.0).max(axis=2),
    )
