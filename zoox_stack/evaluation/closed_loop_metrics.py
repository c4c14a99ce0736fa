"""The metrics of nuPlan's closed-loop score, but for comfort and time to collision: each 0..1, 1 is best.

Definitions and thresholds after the description of nuPlan's metrics and the configuration that its published scores
come from (Karnchanachari et al., "Towards learning-based planning: the nuPlan benchmark for real-world autonomous
driving", ICRA 2024). docs/planning-evaluation.md writes them out and says where this differs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass, Blame, EventKind
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.geometry import box_corners
from zoox_stack.evaluation.closed_loop_drive import ClosedLoopDrive, EgoMotion
from zoox_stack.evaluation.closed_loop_map import DriveMap, LanesUnder

OFF_ROAD = 0.3  # [m] a corner this far off drivable ground is too far
AGAINST_HALF, AGAINST_ALL = 2.0, 6.0  # [m] driven against the lanes within `AGAINST_TIME`: half, none of the score
AGAINST_TIME = 1.0  # [s]
LEAST_PROGRESS = 0.2  # of the expert's
LEAST_WAY = 2.0  # [m] ways shorter than this count as this long
OVERSPEED = 2.23  # [m/s] all the time costs the whole score
AT_FAULT = (Blame.EGO, Blame.BOTH)
_OBJECTS = (AgentClass.UNKNOWN, AgentClass.HAZARD)


def collisions(events: Iterable[SimulationEvent]) -> tuple[SimulationEvent, ...]:
    """The first collision with each other road user, in the order of time."""
    first: dict[int, SimulationEvent] = {}
    for event in sorted(events, key=lambda event: event.stamp_ns):
        if event.kind is EventKind.COLLISION:
            first.setdefault(event.agent_id, event)
    return tuple(first.values())


def collision_score(events: Iterable[SimulationEvent]) -> float:
    """0 after any at-fault collision with somebody; with things 0.5 after one and 0 after two.

    Who is at fault is what the events say.
    """
    kinds = [event.agent_class for event in collisions(events) if event.blame in AT_FAULT]
    things = sum(kind in _OBJECTS for kind in kinds)
    vehicles = sum(kind in VEHICLE_CLASSES for kind in kinds)
    others = len(kinds) - things - vehicles
    return _share_left(others, 0) * _share_left(vehicles, 0) * _share_left(things, 1)


def farthest_off_road(ego: EgoMotion, place: DriveMap) -> float:
    """How far a corner of the ego was off drivable ground at most [m]."""
    corners = box_corners(ego.centre, ego.yaw, ego.length, ego.width)
    return float(place.off_road(corners.reshape(-1, 2)).max())


def drivable_area_score(farthest: float) -> float:
    """1 as long as no corner was as far as `OFF_ROAD` off drivable ground, else 0."""
    return float(farthest < OFF_ROAD)


def farthest_against(ego: EgoMotion, lanes: LanesUnder) -> float:
    """The longest way that the ego's middle went against the direction of its lanes within a second [m].

    The way of a step is the part of it along the lane at its end; without a lane there is no direction.
    """
    step = np.diff(ego.centre, axis=0)
    heading = lanes.heading[1:]
    along = np.where(lanes.rows[1:] >= 0, step[:, 0] * np.cos(heading) + step[:, 1] * np.sin(heading), 0.0)
    window = max(1, round(AGAINST_TIME / ego.step))
    total = np.concatenate([np.zeros(window), np.cumsum(along)])
    return float(max(0.0, -(total[window:] - total[:-window]).min()))


def driving_direction_score(against: float) -> float:
    """1 below 2 m against the direction within a second, 0.5 below 6 m, else 0."""
    return 1.0 if against < AGAINST_HALF else 0.5 if against < AGAINST_ALL else 0.0


def ways(drive: ClosedLoopDrive) -> tuple[float, float]:
    """Ways along the route of the ego and of the expert in the time of the drive [m].

    The time begins when both are there. It is the planned one, also if the drive broke off; if the ego arrived earlier,
    that until then.
    """
    ego, expert = drive.ego, drive.expert
    start = int(ego.stamps_ns[0])
    begin = max(0, int(expert.stamps_ns[0]) - start)
    until = int(ego.stamps_ns[-1]) - start if drive.arrived else round(drive.duration * 1e9)
    own = np.interp([begin, until], ego.stamps_ns - start, ego.station)
    others = np.interp([begin, until], expert.stamps_ns - start, expert.station)
    return float(own[1] - own[0]), float(others[1] - others[0])


def progress_ratio(ego: float, expert: float) -> float:
    """Way of the ego by that of the expert, 0..1; ways below 2 m count as 2 m, but going back by more counts as 0."""
    return 0.0 if ego < -LEAST_WAY else min(1.0, max(ego, LEAST_WAY) / max(expert, LEAST_WAY))


def making_progress_score(ratio: float) -> float:
    """1 if the ratio is 0.2 at least, else 0."""
    return float(ratio >= LEAST_PROGRESS)


def overspeed(ego: EgoMotion, lanes: LanesUnder, place: DriveMap) -> NDArray[np.float64]:
    """By how much the ego was too fast at each instant, ``[T]`` [m/s]; 0 without a lane or where no limit is known."""
    limit = np.where(lanes.rows >= 0, place.limits[lanes.rows], np.nan)
    return np.nan_to_num(np.maximum(ego.speed - limit, 0.0), nan=0.0)


def speed_limit_score(excess: NDArray[np.float64], step: float) -> float:
    """1 minus the mean overspeed by `OVERSPEED`, not below 0.

    Args:
        excess: ``[T]`` [m/s].
        step: [s].
    """
    duration = (len(excess) - 1) * step
    return max(0.0, 1.0 - float(excess.sum()) * step / (OVERSPEED * duration))


def _share_left(number: int, allowed: int) -> float:
    return max(0.0, 1.0 - number / (allowed + 1))
