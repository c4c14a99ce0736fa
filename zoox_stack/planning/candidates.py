"""Candidate plans: speed profiles along lateral shifts of the reference path, and the checks that rule some out.

Lateral motion is a quintic polynomial over arc length, so that a standing ego does not slide sideways and the plan
starts with the ego's offset, heading and curvature (after Werling, Ziegler, Kammel and Thrun, "Optimal trajectory
generation for dynamic street scenarios in a Frenet frame", 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import Rejection
from zoox_stack.core.collision import PlanArrays
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.path_agents import PathAgents, crossing_stops, lead_at
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.speed_profiles import LeadMotion, ProfileSpec, run_profiles, speed_caps
from zoox_stack.road_network.drivable import DrivableGrid

_GRID = 0.5  # [m] spacing of shifted paths
_MOST_STOP_LINES = 2
_SIGNAL_TOLERANCE = 0.3  # [m] the front may be this far over a stop line
_MOST_START_SLOPE = 1.5  # largest sideways slope a plan starts with


class Lateral(IntEnum):
    """Lateral manoeuvre of a candidate."""

    CENTRE = 0
    NUDGE_LEFT = 1
    NUDGE_RIGHT = 2
    LANE_LEFT = 3
    LANE_RIGHT = 4


_WORDS = {
    Lateral.CENTRE: "",
    Lateral.NUDGE_LEFT: " left in lane",
    Lateral.NUDGE_RIGHT: " right in lane",
    Lateral.LANE_LEFT: " to left lane",
    Lateral.LANE_RIGHT: " to right lane",
}
NUDGED = (
    "go",
    "brisk",
    "keep",
    "ease",
    "slow",
    "crawl",
    "slow then go",
    "follow",
)  # speed profiles that are also tried off the lane centre
CHANGED = ("go", "brisk", "keep", "ease", "slow then go", "follow")  # ... and with a lane change
STOPS = ("comfortable stop", "hard stop", "emergency stop")


@dataclass(frozen=True, eq=False)
class Candidates:
    """C candidate plans; column i is at ``(i + 1) * STEP``; poses of base_link, map frame.

    Attributes:
        names: C unique names.
        profiles: C names of the speed profiles.
        laterals: uint8 ``[C]`` `Lateral`.
        x: float64 ``[C, STEPS]`` [m].
        y: float64 ``[C, STEPS]`` [m].
        yaw: float64 ``[C, STEPS]`` [rad], -pi..pi.
        speed: float64 ``[C, STEPS]`` [m/s], >= 0.
        acceleration: float64 ``[C, STEPS]`` [m/s^2].
        curvature: float64 ``[C, STEPS]`` [1/m].
        s: float64 ``[C, STEPS]`` along the reference path [m].
        d: float64 ``[C, STEPS]`` to the left of it [m].
        distance: float64 ``[C, STEPS]`` travelled [m].
        target_d: float64 ``[C]`` centre of the lane driven to, relative to the reference path [m].
    """

    names: tuple[str, ...]
    profiles: tuple[str, ...]
    laterals: NDArray[np.uint8]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    curvature: NDArray[np.float64]
    s: NDArray[np.float64]
    d: NDArray[np.float64]
    distance: NDArray[np.float64]
    target_d: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def arrays(self) -> PlanArrays:
        """Poses for the collision check."""
        return PlanArrays(self.x, self.y, self.yaw, STEP)

    def plan(self, row: int) -> EgoPlan:
        """Candidate `row` as a plan whose id is the row."""
        return EgoPlan(
            row, self.names[row], STEP, self.x[row], self.y[row], self.yaw[row],
            self.speed[row], self.acceleration[row], self.curvature[row],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _ShiftedPath:
    """The way of one lateral manoeuvre; all arrays ``[G]`` over `travelled`."""

    travelled: NDArray[np.float64]
    s: NDArray[np.float64]
    d: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]  # unwrapped
    curvature: NDArray[np.float64]


def desired_speed(path: ReferencePath, config: PlannerConfig) -> NDArray[np.float64]:
    """Wanted speed at each point of the path: the limit, or the cruise speed where there is none; ``[P]`` [m/s]."""
    limit = np.where(np.isfinite(path.speed_limit), path.speed_limit, config.cruise_speed)
    return np.minimum(limit, config.max_speed)


def make_candidates(path: ReferencePath, ego: EgoState, agents: PathAgents, config: PlannerConfig) -> Candidates:
    """All candidate plans from the ego's present state along the path."""
    offsets: dict[Lateral, float] = {
        Lateral.CENTRE: 0.0,
        Lateral.NUDGE_LEFT: config.nudge,
        Lateral.NUDGE_RIGHT: -config.nudge,
    }
    if path.left is not None:
        offsets[Lateral.LANE_LEFT] = path.left
    if path.right is not None:
        offsets[Lateral.LANE_RIGHT] = path.right
    specs = _specs(path, ego, agents, config)
    jobs: list[tuple[Lateral, ProfileSpec]] = [(Lateral.CENTRE, spec) for spec in specs]
    for lateral in list(offsets)[1:]:
        wanted = NUDGED if lateral in (Lateral.NUDGE_LEFT, Lateral.NUDGE_RIGHT) else CHANGED
        jobs += [(lateral, s) for s in specs if s.name.split(" #")[0] in wanted and not s.name.startswith("follow")]
        if "follow" in wanted:
            lead = lead_at(agents, path, ego, offsets[lateral])
            if lead is not None:
                jobs.append((lateral, _follow(lead, _top(path, config), config)))
    ahead = path.line.s >= path.ego_s
    stations = path.line.s[ahead] - path.ego_s
    cap = speed_caps(stations, path.line.curvature[ahead], desired_speed(path, config)[ahead], config)
    profiles = run_profiles([spec for _, spec in jobs], ego.speed, ego.acceleration, stations, cap, config)
    length = float(profiles.distance[:, -1].max()) + 2 * _GRID
    along = np.arange(0.0, 1.15 * length + 4 * _GRID, _GRID)
    base = path.line.at(path.ego_s + along)
    shapes = (len(jobs), STEPS)
    arrays = {name: np.empty(shapes) for name in ("s", "d", "x", "y", "yaw", "curvature")}
    laterals = np.array([lateral for lateral, _ in jobs], np.uint8)
    for lateral, offset in offsets.items():
        rows = np.flatnonzero(laterals == lateral)
        if not len(rows):
            continue
        over = _manoeuvre_length(lateral, path, ego, offset)
        shifted = _shift(path, ego, along, base, offset, over, config)
        for name, array in arrays.items():
            array[rows] = np.interp(profiles.distance[rows], shifted.travelled, getattr(shifted, name))
    return Candidates(
        names=tuple(spec.name + _WORDS[lateral] for lateral, spec in jobs),
        profiles=tuple(spec.name for _, spec in jobs),
        laterals=laterals,
        x=arrays["x"],
        y=arrays["y"],
        yaw=wrap_angle(arrays["yaw"]),
        speed=profiles.speed,
        acceleration=profiles.acceleration,
        curvature=arrays["curvature"],
        s=arrays["s"],
        d=arrays["d"],
        distance=profiles.distance,
        target_d=np.array([offsets[lateral] if lateral >= Lateral.LANE_LEFT else 0.0 for lateral, _ in jobs]),
    )


def check_feasibility(
    candidates: Candidates,
    path: ReferencePath,
    ego: EgoState,
    closed_stops: NDArray[np.float64],
    grid: DrivableGrid | None,
    config: PlannerConfig,
) -> NDArray[np.uint8]:
    """Rejection code of each candidate by geometry, dynamics and traffic signals; collisions are judged elsewhere.

    What the ego already violates at the start (over the lateral limit, off the road) does not rule a plan out while
    it does not get worse. Places where the reference path itself leaves the mapped ground do not count as off-road.

    Args:
        candidates: C candidates.
        path: Reference path.
        ego: The ego.
        closed_stops: Arc lengths of the stop lines that must not be crossed [m].
        grid: Drivable ground, None without a map.
        config: Limits.
    """
    codes = np.full(len(candidates), Rejection.KEPT, np.uint8)
    moving = candidates.speed > 0.3
    if grid is not None and grid.known:
        reach = ego.rear_axle_to_centre
        centre = np.stack(
            [candidates.x + reach * np.cos(candidates.yaw), candidates.y + reach * np.sin(candidates.yaw)], axis=-1
        )
        path_on_road = np.interp(candidates.s + reach, path.line.s, grid.contains(path.line.xy).astype(float)) > 0.99
        leaves = ~grid.contains(centre) & path_on_road & bool(grid.contains(ego.centre))
        codes[leaves.any(axis=1)] = Rejection.OFF_ROAD
    now = abs(ego.yaw_rate * ego.speed)
    lateral = np.abs(candidates.speed**2 * candidates.curvature)
    too_hard = lateral > max(config.max_lateral_acceleration, now + 0.5)
    too_hard |= candidates.acceleration > max(config.max_acceleration, ego.acceleration) + 0.01
    too_hard |= candidates.acceleration < min(-config.max_deceleration, ego.acceleration) - 0.01
    codes[too_hard.any(axis=1)] = Rejection.ACCELERATION
    codes[((np.abs(candidates.curvature) > config.max_curvature) & moving).any(axis=1)] = Rejection.CURVATURE
    front = candidates.s + ego.rear_axle_to_centre + ego.length / 2
    for stop in closed_stops:
        codes[(front > stop + _SIGNAL_TOLERANCE).any(axis=1)] = Rejection.SIGNAL
    return codes


def _top(path: ReferencePath, config: PlannerConfig) -> float:
    return float(desired_speed(path, config)[path.line.s >= path.ego_s].max())


def _follow(lead: LeadMotion, top: float, config: PlannerConfig) -> ProfileSpec:
    return ProfileSpec(
        f"follow #{lead.agent_id}", top, config.comfort_acceleration, config.comfort_deceleration,
        2 * config.comfort_jerk, lead=lead,
    )  # fmt: skip


def _specs(path: ReferencePath, ego: EgoState, agents: PathAgents, config: PlannerConfig) -> list[ProfileSpec]:
    """Speed profiles of this tick."""
    a, b, jerk = config.comfort_acceleration, config.comfort_deceleration, config.comfort_jerk
    v, top = max(ego.speed, 0.0), _top(path, config)
    specs = [
        ProfileSpec("go", top, a, b, jerk),
        ProfileSpec("brisk", top, config.max_acceleration, b, 1.5 * jerk),
    ]
    if v > 1.5:
        specs += [
            ProfileSpec("keep", v, a, b, jerk),
            ProfileSpec("ease", 0.75 * v, a, 0.6 * b, jerk),
            ProfileSpec("slow", 0.5 * v, a, b, jerk),
            ProfileSpec("crawl", 0.25 * v, a, 1.3 * b, jerk),
            ProfileSpec("slow then go", 0.5 * v, a, b, jerk, later_target=top, switch=3.0),
            ProfileSpec("wait then go", 0.1 * v, a, 1.5 * b, 1.5 * jerk, later_target=top, switch=4.0),
        ]
    else:
        specs += [
            ProfileSpec("creep", min(1.5, top), a, b, jerk),
            ProfileSpec("wait then go", 0.0, a, b, jerk, later_target=top, switch=3.0),
        ]
    specs += [
        ProfileSpec(STOPS[0], 0.0, a, b, jerk),
        ProfileSpec(STOPS[1], 0.0, a, 2 * b, 2 * jerk),
        ProfileSpec(STOPS[2], 0.0, a, config.max_deceleration, config.emergency_jerk),
    ]
    reach = v * STEPS * STEP + 40.0
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    for i, s in enumerate(path.stops.s[path.stops.s > front][:_MOST_STOP_LINES]):
        if s - front < reach:
            name = f"stop at line {i + 1}"
            specs.append(ProfileSpec(name, top, a, b, 2 * jerk, stop_at=float(s) - front - config.stop_line_margin))
    lead = lead_at(agents, path, ego, 0.0)
    if lead is not None:
        specs.append(_follow(lead, top, config))
    for agent_id, distance in crossing_stops(agents, path, ego, reach):
        specs.append(
            ProfileSpec(
                f"yield to #{agent_id}", top, a, b, 2 * jerk, stop_at=distance - config.standstill_gap
            )
        )  # fmt: skip
    return specs


def _manoeuvre_length(lateral: Lateral, path: ReferencePath, ego: EgoState, offset: float) -> float:
    """Distance over which the ego moves sideways [m]: by speed for comfort, by offset and heading for curvature."""
    change = lateral >= Lateral.LANE_LEFT
    by_speed = max(25.0, 4.5 * ego.speed) if change else max(15.0, 3.0 * ego.speed)
    heading = float(path.line.at(path.ego_s)[1])
    turned = abs(float(wrap_angle(ego.yaw - heading)))
    return max(by_speed, 9.0 * float(np.sqrt(abs(offset - path.ego_d))) + 15.0 * turned)


def _shift(
    path: ReferencePath,
    ego: EgoState,
    along: NDArray[np.float64],
    base: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    offset: float,
    over: float,
    config: PlannerConfig,
) -> _ShiftedPath:
    """The path shifted sideways from the ego's offset to `offset` within `over` metres.

    Args:
        path: Reference path.
        ego: The ego.
        along: ``[G]`` distances ahead of the ego on the path [m].
        base: Position, heading and curvature of the path there.
        offset: [m] to the left.
        over: [m] of the path in which the offset is reached.
        config: Limits.
    """
    point, heading, curvature = base
    error = float(wrap_angle(ego.yaw - heading[0]))
    scale = max(1 - curvature[0] * path.ego_d, 0.2)
    slope = float(np.clip(scale * np.tan(np.clip(error, -1.3, 1.3)), -_MOST_START_SLOPE, _MOST_START_SLOPE))
    bend = ego.yaw_rate / ego.speed if ego.speed > 2.0 else curvature[0]
    second = float(np.clip(bend - curvature[0], -config.max_curvature, config.max_curvature)) * (1 + slope**2) ** 1.5
    d, d1 = _quintic(path.ego_d, slope, second, offset, over, along)
    lane_scale = np.maximum(1 - curvature * d, 0.1)
    yaw = heading + np.arctan2(d1, lane_scale)
    rate = np.hypot(lane_scale, d1)
    travelled = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2 * _GRID)])
    x = point[:, 0] - d * np.sin(heading)
    y = point[:, 1] + d * np.cos(heading)
    # The interpolated normal of a polyline differs slightly from that of the segment the ego was projected on.
    fade = np.exp(-travelled / 10.0)
    yaw = yaw + float(wrap_angle(ego.yaw - yaw[0])) * fade
    return _ShiftedPath(
        travelled=travelled,
        s=path.ego_s + along,
        d=d,
        x=x + (ego.x - x[0]) * fade,
        y=y + (ego.y - y[0]) * fade,
        yaw=yaw,
        curvature=np.gradient(yaw, travelled),
    )


def _quintic(
    d0: float, slope: float, second: float, d1: float, over: float, along: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quintic from (d0, slope, second) to (d1, 0, 0) over `over` metres: values and first derivatives at `along`."""
    u = np.clip(along / over, 0.0, 1.0)
    a0, a1, a2 = d0, slope * over, second * over**2 / 2
    rest = np.array([d1 - a0 - a1 - a2, -a1 - 2 * a2, -2 * a2])
    a3, a4, a5 = np.array([[10.0, -4.0, 0.5], [-15.0, 7.0, -1.0], [6.0, -3.0, 0.5]]) @ rest
    value = a0 + u * (a1 + u * (a2 + u * (a3 + u * (a4 + u * a5))))
    derivative = (a1 + u * (2 * a2 + u * (3 * a3 + u * (4 * a4 + u * 5 * a5)))) / over
    return value, np.where(along < over, derivative, 0.0)
