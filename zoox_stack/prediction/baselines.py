"""Physics baselines: one future per road user from the last second alone, the yardstick of every learned prediction.

Velocity is the slope of the least-squares line through the six positions of the last half second, so that no baseline
depends on velocities that somebody else estimated (perhaps with a look at what came later). All start at the last
position. N agents, T = 80 steps of 0.1 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, LaneType
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.prediction.history import HISTORY_STEP, HistoryColumn
from zoox_stack.road_network.queries import DRIVING_TYPES, LaneIndex

WINDOW = 6  # positions that give a velocity: 0.5 s
STANDING = 0.5  # [m/s] slower ones keep their velocity: they have no direction
STRAIGHT = 1e-4  # [rad/s] turning less is driving straight on
_HALF_WINDOW = (WINDOW - 1) * HISTORY_STEP / 2  # [s] from the middle of the window to now
_TIMES = STEP * np.arange(1, STEPS + 1)


def constant_velocity(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Everyone goes on at the velocity of the last half second.

    Args:
        states: ``[N, 11, 5]``, columns `HistoryColumn`, all valid.

    Returns:
        Positions ``[N, T, 2]`` [m].
    """
    return np.asarray(states[:, -1, None, :2] + _slope(states[:, -WINDOW:, :2])[:, None] * _TIMES[:, None])


def constant_turn_rate(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Speed and turn rate stay; the turn rate is that of the direction of motion, from positions alone.

    It is the change of direction from the first to the second half of the last second. Who stood in either half keeps
    the velocity.

    Args:
        states: ``[N, 11, 5]``, columns `HistoryColumn`, all valid.

    Returns:
        Positions ``[N, T, 2]`` [m].
    """
    now, before = _slope(states[:, -WINDOW:, :2]), _slope(states[:, :WINDOW, :2])
    turn_rate = wrap_angle(_direction(now) - _direction(before)) / ((WINDOW - 1) * HISTORY_STEP)
    moving = (np.hypot(*now.T) >= STANDING) & (np.hypot(*before.T) >= STANDING)
    return _turning(states, np.asarray(turn_rate), moving)


def constant_turn_rate_of_heading(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """CTRV: speed and turn rate stay; the turn rate is that of the box's heading over the last half second.

    Args:
        states: ``[N, 11, 5]``, columns `HistoryColumn`, all valid.

    Returns:
        Positions ``[N, T, 2]`` [m].
    """
    yaw = np.unwrap(states[:, -WINDOW:, HistoryColumn.YAW], axis=1)
    moving = np.hypot(*_slope(states[:, -WINDOW:, :2]).T) >= STANDING
    return _turning(states, _slope(yaw), moving)


class LaneFollower:
    """Road users that keep their speed and follow their lane, the straightest way at every fork.

    A vehicle within 4 m of a driving lane that runs within 60 degrees of its heading follows it at its distance to the
    centre line; a cyclist the same, bike lanes included. The others, and who stands, keep the velocity. Where the lanes
    end it goes straight on.

    Args:
        lanes: Driving lanes of the map, None without one: then everyone keeps the velocity.
    """

    def __init__(self, lanes: LaneIndex | None) -> None:
        self._lanes = lanes

    def futures(self, states: NDArray[np.float64], classes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Positions ``[N, T, 2]`` [m] of agents with these states ``[N, 11, 5]`` and classes ``[N]``."""
        futures = constant_velocity(states)
        if self._lanes is None:
            return futures
        speed = np.hypot(*_slope(states[:, -WINDOW:, :2]).T)
        cycles = np.isin(classes, [int(kind) for kind in CYCLIST_CLASSES])
        drives = np.isin(classes, [int(kind) for kind in VEHICLE_CLASSES]) | cycles
        for row in np.flatnonzero(drives & (speed >= STANDING)).tolist():
            x, y, yaw = states[row, -1, : HistoryColumn.YAW + 1].tolist()
            index = self._with_bike_lanes if cycles[row] else self._lanes
            path = index.path_ahead(x, y, yaw, float(speed[row]) * _TIMES[-1] + 10.0)
            if path is None:
                continue
            start = path.line.project(np.array([[x, y]]))
            centre, heading, _ = path.line.at(start.s[0] + speed[row] * _TIMES)
            futures[row] = centre + start.d[0] * np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
        return futures

    @cached_property
    def _with_bike_lanes(self) -> LaneIndex:
        assert self._lanes is not None
        network = self._lanes.network
        if not (network.lane_types == LaneType.BIKE).any():
            return self._lanes
        return LaneIndex(network, types=(*DRIVING_TYPES, LaneType.BIKE))


def baseline_futures(
    states: NDArray[np.float64], classes: NDArray[np.uint8], follower: LaneFollower
) -> Mapping[str, NDArray[np.float64]]:
    """All baselines by the name they have in tables, positions ``[N, T, 2]`` [m] each."""
    return {
        "cv": constant_velocity(states),
        "ctrv": constant_turn_rate_of_heading(states),
        "ctr": constant_turn_rate(states),
        "lane": follower.futures(states, classes),
    }


def _slope(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope of the least-squares line through ``[N, W]`` or ``[N, W, 2]`` values every 0.1 s, per second."""
    width = values.shape[1]
    time = HISTORY_STEP * (np.arange(width) - (width - 1) / 2)
    return np.asarray(np.einsum("w,nw...->n...", time / (time**2).sum(), values))


def _direction(velocity: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.arctan2(velocity[:, 1], velocity[:, 0])


def _turning(
    states: NDArray[np.float64], turn_rate: NDArray[np.float64], moving: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Circular motion from the last position where `moving`, else constant velocity."""
    velocity = _slope(states[:, -WINDOW:, :2])
    speed = np.hypot(*velocity.T)[:, None]
    # The velocity belongs to the middle of its window, the direction has turned on since.
    heading = (_direction(velocity) + _HALF_WINDOW * turn_rate)[:, None]
    rate = turn_rate[:, None]
    straight = np.abs(rate) < STRAIGHT
    safe = np.where(straight, 1.0, rate)
    after = heading + rate * _TIMES
    along = np.stack(
        [
            np.where(straight, np.cos(heading) * _TIMES, (np.sin(after) - np.sin(heading)) / safe),
            np.where(straight, np.sin(heading) * _TIMES, (np.cos(heading) - np.cos(after)) / safe),
        ],
        axis=-1,
    )
    circle = states[:, -1, None, :2] + speed[..., None] * along
    return np.where(moving[:, None, None], circle, constant_velocity(states))
