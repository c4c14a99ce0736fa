"""What is seen of SUMO's traffic obeys physics: smooth bodies that follow SUMO's positions.

SUMO turns vehicles at the corners of its lanes, shifts them sideways at once and lets pedestrians hop. Here everyone is
a body of bounded acceleration that follows the place SUMO gives. A vehicle does not move backwards, nor more sideways
than its wheels can be turned; it points where SUMO says, more to the side the more it drives there to make up a
deviation, and turns no tighter than it can steer. Whatever moves plausibly is followed without lag. Nobody exceeds
`zoox_stack.core.motion_limits`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.motion_limits import LimitColumn, limits_of

JUMP = 3.0  # [m] in one step: SUMO has put somebody elsewhere (it frees jammed pedestrians so)
LOST = 6.0  # [m] farther from its place no vehicle is shown
_SLIP, _SLIP_OFF = 0.5, 1.0  # tangent of the largest angle between a vehicle's course and its heading; if it is off
_TIGHTEST, _TIGHTEST_OFF = 0.75, 0.35  # of its length: the radius a vehicle can turn on; if it is off
_OFF = 0.4  # [m] from its place a vehicle is off: SUMO drives turns that are too tight for long ones
_ALONG = 2.0  # [1/s] share of a lag along the course that is made up per second
_SPRING, _DAMPER = 16.0, 7.0  # [1/s^2] [1/s] of the other corrections
_TURNING_GAIN = 5.0  # [1/s] of the heading
_DRIVES = 1.0  # [m/s] from where on a deviation from SUMO's course turns the body
_TURNING = 0.3  # [m/s] pedestrians turn to where they walk when they are faster
# shares of what `motion_limits` allows, so that their sum in the middle of a body stays within it
_BRAKING, _ACCELERATING = 0.88, 0.5
_GRIP = 0.97
_LEGS, _RUNNING, _TURN = 0.5, 0.65, 0.97


@dataclass(frozen=True, eq=False)
class Bodies:
    """What is moved; N agents.

    Attributes:
        kinds: uint8 ``[N]`` `AgentClass`.
        lengths: float64 ``[N]`` [m].
    """

    kinds: NDArray[np.uint8]
    lengths: NDArray[np.float64]


class Continuity:
    """Keeps the bodies of everyone present.

    Args:
        dt: Between two steps [s].
    """

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._ids = np.zeros(0, np.int64)
        self._given = np.zeros((0, 3))  # x, y, yaw of the middle as given
        self._state = np.zeros((0, 5))  # columns HistoryColumn, as followed

    def follow(
        self,
        ids: NDArray[np.int64],
        given: NDArray[np.float64],
        yaw: NDArray[np.float64],
        speed: NDArray[np.float64],
        bodies: Bodies,
        exact: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Advance everyone by one step; those not named are forgotten.

        Args:
            ids: ``[N]``, rising.
            given: ``[N, 2]`` front bumpers of vehicles and cycles, middles of others [m].
            yaw: ``[N]`` as given; those on legs turn to where they walk [rad].
            speed: ``[N]`` of newcomers [m/s].
            bodies: What they are.
            exact: ``[N]`` whose motion is taken as it is given.

        Returns:
            States ``[N, 5]``, columns `HistoryColumn`, and who was put elsewhere or got lost ``[N]``.
        """
        dt, n = self._dt, len(ids)
        rows = np.searchsorted(self._ids, ids).clip(max=max(len(self._ids) - 1, 0))
        known = self._ids[rows] == ids if len(self._ids) else np.zeros(n, bool)
        wheeled = _WHEELED[bodies.kinds]
        heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        middle = given - np.where(wheeled, bodies.lengths / 2, 0.0)[:, None] * heading
        place = np.concatenate([middle, yaw[:, None]], axis=1)
        state = np.concatenate([place, speed[:, None] * heading], axis=1)
        change = np.zeros((n, 3))
        change[known] = (place[known] - self._given[rows[known]]) / dt
        change[:, 2] = wrap_angle(change[:, 2] * dt) / dt
        jumped = np.zeros(n, bool)
        jumped[known] = np.hypot(*(change[known, :2] - self._state[rows[known], 3:]).T) * dt > JUMP
        state[known & exact, 3:] = change[known & exact, :2]
        for group, move in ((wheeled, self._drive), (~wheeled, self._walk)):
            pick = np.flatnonzero(known & ~exact & group)
            if len(pick):
                limits = limits_of(bodies.kinds[pick])
                state[pick] = move(self._state[rows[pick]], place[pick], change[pick], limits, bodies.lengths[pick])
        state[:, 2] = wrap_angle(state[:, 2])
        jumped |= np.hypot(*(state[:, :2] - middle).T) > np.where(wheeled, LOST, JUMP)
        self._ids, self._given, self._state = ids, place, state
        return state.copy(), jumped

    def _drive(
        self,
        state: NDArray[np.float64],
        place: NDArray[np.float64],
        change: NDArray[np.float64],
        limits: NDArray[np.float64],
        lengths: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """States of vehicles one step later; `place` is where SUMO has them then, `change` how that changed."""
        dt, yaw, velocity, moved = self._dt, state[:, 2], state[:, 3:], change[:, :2]
        heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        left = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
        lag = place[:, :2] - moved * dt - state[:, :2]
        off = place[:, :2] - velocity * dt - state[:, :2]
        v, v_left = _dot(velocity, heading), _dot(velocity, left)
        ahead = _dot(moved + _ALONG * lag, heading) - v
        aside = (_SPRING * _dot(off, left) + _DAMPER * (_dot(moved, left) - v_left)) * dt
        grip = limits[:, LimitColumn.ACCELERATION] * dt
        push = np.stack([np.clip(ahead, -_BRAKING * grip, _ACCELERATING * grip), aside], axis=1)
        push = _limited(push, _BRAKING * grip)
        v = np.maximum(v + push[:, 0], 0.0)
        is_off = np.hypot(off[:, 0], off[:, 1]) > _OFF
        most = np.where(is_off, _SLIP_OFF, _SLIP) * v
        v_left = np.clip(v_left + push[:, 1], -most, most)
        wanted = v[:, None] * heading + v_left[:, None] * left
        velocity = velocity + _limited(wanted - velocity, _GRIP * grip)
        speed, given_speed = np.hypot(velocity[:, 0], velocity[:, 1]), np.hypot(moved[:, 0], moved[:, 1])
        course = np.arctan2(velocity[:, 1], velocity[:, 0]) - np.arctan2(moved[:, 1], moved[:, 0])
        course = np.where((speed > _DRIVES) & (given_speed > _DRIVES), np.asarray(wrap_angle(course)), 0.0)
        turn = change[:, 2] + _TURNING_GAIN * wrap_angle(place[:, 2] - change[:, 2] * dt + course - yaw)
        tightest = np.where(is_off, _TIGHTEST_OFF, _TIGHTEST) * lengths
        most = np.minimum(_TURN * limits[:, LimitColumn.YAW_RATE], speed / tightest)
        yaw = yaw + np.clip(turn, -most, most) * dt
        return np.concatenate([state[:, :2] + velocity * dt, yaw[:, None], velocity], axis=1)

    def _walk(
        self,
        state: NDArray[np.float64],
        place: NDArray[np.float64],
        change: NDArray[np.float64],
        limits: NDArray[np.float64],
        _lengths: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """States of those on legs one step later; arguments as for `_drive`."""
        dt, yaw, velocity = self._dt, state[:, 2], state[:, 3:]
        off = place[:, :2] - velocity * dt - state[:, :2]
        pull = _SPRING * off + _DAMPER * (change[:, :2] - velocity)
        pull = _limited(pull, _LEGS * limits[:, LimitColumn.ACCELERATION])
        velocity = _limited(velocity + pull * dt, _RUNNING * limits[:, LimitColumn.SPEED])
        turn = wrap_angle(np.arctan2(velocity[:, 1], velocity[:, 0]) - yaw)
        turn = np.where(np.hypot(velocity[:, 0], velocity[:, 1]) > _TURNING, turn, 0.0)
        most = _TURN * limits[:, LimitColumn.YAW_RATE] * dt
        yaw = yaw + np.clip(turn, -most, most)
        return np.concatenate([state[:, :2] + velocity * dt, yaw[:, None], velocity], axis=1)


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((a * b).sum(axis=1))


def _limited(vectors: NDArray[np.float64], most: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.hypot(vectors[:, 0], vectors[:, 1])
    return vectors * np.minimum(1.0, most / np.maximum(size, 1e-9))[:, None]


_WHEELED = np.array([kind in (*VEHICLE_CLASSES, *CYCLIST_CLASSES) for kind in AgentClass])
