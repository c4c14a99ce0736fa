"""What is seen of SUMO's traffic obeys physics: smooth bodies that follow SUMO's positions.

SUMO turns vehicles at the corners of its lanes, shifts them sideways at once and lets pedestrians hop. Here everyone is
a body of bounded acceleration that follows the place SUMO gives. A vehicle does not move backwards, nor more sideways
than its wheels can be turned; it points where SUMO says, more to the side the more it drives there to make up a
deviation, and turns no tighter than it can steer. Whatever moves plausibly is followed without lag. Nobody exceeds
`zoox_stack.core.motion_limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass
from zoox_stack.core.motion_limits import LimitColumn, limits_of
from zoox_stack.prediction.history import HistoryColumn

_COLUMNS = len(HistoryColumn)
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
class _Group:
    """Bodies that move alike; n of N.

    Attributes:
        rows: int64 ``[n]`` which of the N.
        lengths: float64 ``[n]`` [m].
        acceleration: float64 ``[n]`` bound of it [m/s^2].
        speed: float64 ``[n]`` bound of it [m/s].
        yaw_rate: float64 ``[n]`` bound of it [rad/s].
    """

    rows: NDArray[np.int64]
    lengths: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    speed: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bodies:
    """What is moved; N agents. Give the same object again while nobody comes or goes: it remembers what follows.

    Attributes:
        kinds: uint8 ``[N]`` `AgentClass`.
        lengths: float64 ``[N]`` [m].
    """

    kinds: NDArray[np.uint8]
    lengths: NDArray[np.float64]

    @cached_property
    def to_middle(self) -> NDArray[np.float64]:
        """``[N]`` way from the place that is given back to the middle [m]."""
        return np.where(_WHEELED[self.kinds], self.lengths / 2, 0.0)

    @cached_property
    def farthest(self) -> NDArray[np.float64]:
        """``[N]`` distance from its place from which on somebody is put elsewhere or lost [m]."""
        return np.where(_WHEELED[self.kinds], LOST, JUMP)

    @cached_property
    def everyone(self) -> tuple[_Group, _Group]:
        """`groups` of all."""
        return self.groups(np.ones(len(self.kinds), bool))

    def groups(self, free: NDArray[np.bool_]) -> tuple[_Group, _Group]:
        """Those on wheels and those on legs, of the bodies that are `free` ``[N]``."""
        wheeled, limits = _WHEELED[self.kinds], limits_of(self.kinds)
        parts = (np.flatnonzero(free & wheeled), np.flatnonzero(free & ~wheeled))
        columns = (LimitColumn.ACCELERATION, LimitColumn.SPEED, LimitColumn.YAW_RATE)
        wheels, legs = (_Group(k, self.lengths[k], *(limits[k, column] for column in columns)) for k in parts)
        return wheels, legs


class Continuity:
    """Keeps the bodies of everyone present.

    Args:
        dt: Between two steps [s].
    """

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._ids = np.zeros(0, np.int64)
        self._place = np.zeros((3, 0))  # x, y, yaw of the middle as given
        self._state = np.zeros((_COLUMNS, 0))  # as followed

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
        heading = np.empty((2, n))
        np.cos(yaw, out=heading[0])
        np.sin(yaw, out=heading[1])
        place, state = np.empty((3, n)), np.empty((_COLUMNS, n))
        place[:2] = given.T - bodies.to_middle * heading
        place[2] = yaw
        if ids is self._ids or np.array_equal(ids, self._ids):
            known, before, change = None, self._state, (place - self._place) / dt
            newcomers: slice | NDArray[np.int64] = slice(0, 0)
        else:
            rows = np.searchsorted(self._ids, ids).clip(max=max(len(self._ids) - 1, 0))
            known = self._ids[rows] == ids if len(self._ids) else np.zeros(n, bool)
            newcomers = np.flatnonzero(~known)
            if len(self._ids):
                before, change = self._state[:, rows], (place - self._place[:, rows]) / dt
            else:
                before, change = np.zeros_like(state), np.zeros_like(place)
            change[:, newcomers] = 0.0
        change[2] = _wrapped(change[2] * dt) / dt
        jumped = _size(change[:2] - before[3:]) * dt > JUMP
        jumped[newcomers] = False
        plain = known is None and not exact.any()
        for group, move in zip(
            bodies.everyone if plain else bodies.groups(~exact if known is None else known & ~exact),
            (self._drive, self._walk),
            strict=True,
        ):
            pick = group.rows
            if len(pick):
                state[:, pick] = move(before[:, pick], place[:, pick], change[:, pick], group)
        if not plain:
            self._take(state, place, change, exact if known is None else known & exact)
            state[:3, newcomers] = place[:, newcomers]
            state[3:, newcomers] = speed[newcomers] * heading[:, newcomers]
        state[2] = _wrapped(state[2])
        jumped |= _size(state[:2] - place[:2]) > bodies.farthest
        self._ids, self._place, self._state = ids, place, state
        return state.T.copy(), jumped

    @staticmethod
    def _take(
        state: NDArray[np.float64], place: NDArray[np.float64], change: NDArray[np.float64], exact: NDArray[np.bool_]
    ) -> None:
        """Write the motion of those that are moved exactly as given into `state`."""
        state[:3, exact] = place[:, exact]
        state[3:, exact] = change[:2, exact]

    def _drive(
        self,
        state: NDArray[np.float64],
        place: NDArray[np.float64],
        change: NDArray[np.float64],
        group: _Group,
    ) -> NDArray[np.float64]:
        """States ``[5, n]`` of vehicles one step later.

        Args:
            state: ``[5, n]``, rows `HistoryColumn`.
            place: ``[3, n]`` x, y, yaw: where SUMO has them then.
            change: ``[3, n]`` how that changed [1/s].
            group: What they are.
        """
        dt, yaw, velocity, moved = self._dt, state[2], state[3:], change[:2]
        c, s = np.cos(yaw), np.sin(yaw)
        lag = place[:2] - moved * dt - state[:2]
        off = place[:2] - velocity * dt - state[:2]
        v, v_left = velocity[0] * c + velocity[1] * s, velocity[1] * c - velocity[0] * s
        made_up = moved + _ALONG * lag
        ahead = made_up[0] * c + made_up[1] * s - v
        aside = _SPRING * (off[1] * c - off[0] * s) + _DAMPER * ((moved[1] * c - moved[0] * s) - v_left)
        grip = group.acceleration * dt
        push = np.empty_like(moved)
        push[0] = np.minimum(np.maximum(ahead, -_BRAKING * grip), _ACCELERATING * grip)
        push[1] = aside * dt
        push = _limited(push, _BRAKING * grip)
        v = np.maximum(v + push[0], 0.0)
        is_off = _size(off) > _OFF
        most = np.where(is_off, _SLIP_OFF, _SLIP) * v
        v_left = np.minimum(np.maximum(v_left + push[1], -most), most)
        wanted = np.empty_like(moved)
        wanted[0] = v * c - v_left * s
        wanted[1] = v * s + v_left * c
        velocity = velocity + _limited(wanted - velocity, _GRIP * grip)
        speed = _size(velocity)
        course = np.arctan2(velocity[1], velocity[0]) - np.arctan2(moved[1], moved[0])
        course = np.where((speed > _DRIVES) & (_size(moved) > _DRIVES), _wrapped(course), 0.0)
        turn = change[2] + _TURNING_GAIN * _wrapped(place[2] - change[2] * dt + course - yaw)
        tightest = np.where(is_off, _TIGHTEST_OFF, _TIGHTEST) * group.lengths
        most = np.minimum(_TURN * group.yaw_rate, speed / tightest)
        return self._moved(state, velocity, yaw + np.minimum(np.maximum(turn, -most), most) * dt)

    def _walk(
        self,
        state: NDArray[np.float64],
        place: NDArray[np.float64],
        change: NDArray[np.float64],
        group: _Group,
    ) -> NDArray[np.float64]:
        """States of those on legs one step later; arguments as for `_drive`."""
        dt, yaw, velocity = self._dt, state[2], state[3:]
        off = place[:2] - velocity * dt - state[:2]
        pull = _SPRING * off + _DAMPER * (change[:2] - velocity)
        pull = _limited(pull, _LEGS * group.acceleration)
        velocity = _limited(velocity + pull * dt, _RUNNING * group.speed)
        turn = _wrapped(np.arctan2(velocity[1], velocity[0]) - yaw)
        turn = np.where(_size(velocity) > _TURNING, turn, 0.0)
        most = _TURN * group.yaw_rate * dt
        return self._moved(state, velocity, yaw + np.minimum(np.maximum(turn, -most), most))

    def _moved(
        self, state: NDArray[np.float64], velocity: NDArray[np.float64], yaw: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        moved = np.empty_like(state)
        moved[:2] = state[:2] + velocity * self._dt
        moved[2] = yaw
        moved[3:] = velocity
        return moved


def _size(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths ``[n]`` of vectors ``[2, n]``."""
    return np.asarray(np.hypot(vectors[0], vectors[1]))


def _limited(vectors: NDArray[np.float64], most: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors ``[2, n]``, none longer than `most` ``[n]``."""
    return vectors * np.minimum(1.0, most / np.maximum(_size(vectors), 1e-9))


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


_WHEELED = np.array([kind in (*VEHICLE_CLASSES, *CYCLIST_CLASSES) for kind in AgentClass])
