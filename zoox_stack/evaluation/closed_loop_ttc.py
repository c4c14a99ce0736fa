"""Time to collision of the ego with those whom it has to mind, by nuPlan's definition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import boxes_overlap, wrap_angle
from zoox_stack.evaluation.closed_loop_drive import ClosedLoopDrive
from zoox_stack.evaluation.closed_loop_map import DriveMap, LanesUnder
from zoox_stack.evaluation.closed_loop_metrics import AT_FAULT, collisions
from zoox_stack.prediction.history import HistoryColumn

LEAST_TIME = 0.95  # [s] it must always be longer
HORIZON, _STEP = 3.0, 0.1  # [s]
_STANDS = 5e-3  # [m/s] an ego not faster than this drives into nobody
_AHEAD, _BEHIND = np.deg2rad(30), np.deg2rad(150)  # seen from the rear axle


def time_to_collision(drive: ClosedLoopDrive, lanes: LanesUnder, place: DriveMap) -> NDArray[np.float64]:
    """Time until the ego's box meets another if all keep speed and heading, ``[T]`` [s]; inf beyond the horizon.

    Counted are those ahead; while the ego is not wholly in one lane or is in an intersection, all but those behind.
    Whom the ego has collided with no longer counts; at an at-fault collision the time is 0.

    Args:
        drive: The drive.
        lanes: Under the middle of the ego.
        place: Its map.
    """
    ego, traffic = drive.ego, drive.traffic
    keeps = place.keeps_lane(ego.centre, ego.yaw, ego.length, ego.width)
    inside = (lanes.rows >= 0) & place.index.network.lane_in_intersection[lanes.rows]
    struck = collisions(drive.events)
    first_contact = {event.agent_id: event.stamp_ns for event in struck}
    gone_ns = np.array([first_contact.get(i, np.iinfo(np.int64).max) for i in traffic.ids.tolist()], np.int64)

    step, states = traffic.step, traffic.states
    velocity = states[:, HistoryColumn.VX :]
    yaw, speed = states[:, HistoryColumn.YAW], np.hypot(velocity[:, 0], velocity[:, 1])
    offset = states[:, :2] - np.column_stack([ego.x, ego.y])[step]
    angle = np.abs(wrap_angle(np.arctan2(offset[:, 1], offset[:, 0]) - ego.yaw[step]))
    size = traffic.sizes[traffic.agent, :2].astype(np.float64)
    reach = HORIZON * (ego.speed[step] + speed) + (np.hypot(*size.T) + np.hypot(ego.length, ego.width)) / 2
    minded = (angle < _AHEAD) | ((~keeps | inside)[step] & (angle <= _BEHIND))
    minded &= (ego.stamps_ns[step] < gone_ns[traffic.agent]) & (ego.speed[step] > _STANDS)
    minded &= np.hypot(*offset.T) < reach + ego.rear_axle_to_centre
    rows = np.flatnonzero(minded)

    times = _STEP * np.arange(1, round(HORIZON / _STEP))
    at = step[rows]
    own, others = (
        start[:, None] + times[:, None] * (pace * np.stack([np.cos(way), np.sin(way)])).T[:, None]
        for start, pace, way in (
            (ego.centre[at], ego.speed[at], ego.yaw[at]),
            (states[rows, :2], speed[rows], yaw[rows]),
        )
    )
    meet = boxes_overlap(
        own, ego.yaw[at][:, None], [ego.length, ego.width], others, yaw[rows][:, None], size[rows][:, None]
    )
    when = np.where(meet.any(axis=1), times[meet.argmax(axis=1)], np.inf)
    result = np.full(len(ego), np.inf)
    np.minimum.at(result, at, when)
    at_fault = [event.stamp_ns for event in struck if event.blame in AT_FAULT]
    result[np.isin(ego.stamps_ns, np.array(at_fault, np.int64))] = 0.0
    return result


def time_to_collision_score(times: NDArray[np.float64]) -> float:
    """1 if the time was always longer than `LEAST_TIME`, else 0."""
    return float((times > LEAST_TIME).all())
