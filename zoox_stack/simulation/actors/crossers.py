"""Jaywalkers and animals: they come to the kerb, watch the traffic, cross the street and go on.

They wait for a gap that each of them judges in a way of its own. Bold ones go when drivers would have to brake for
them, but nobody steps in front of a vehicle that cannot stop any more. On the road they hesitate before a lane or run
out of it when a vehicle comes on all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.actors.streets import CrossingPlace
from zoox_stack.simulation.actors.traffic_view import TrafficView

_ON_THE_WAY = 6.0  # [m] along the street before and after the crossing
_AHEAD_OF_KERB = 0.3  # [m] they stop this far from the street
_LOOK = 80.0  # [m] vehicles farther away do not count
_CLEARANCE = 0.5  # [m] kept from the side of a vehicle
_PATIENCE = 45.0  # [s] after which they give up
_HARD = 5.0  # [m/s^2] braking, after `_NOTICE`, that the boldest expects of a driver
_NOTICE = 1.2  # [s]
_RUN = 1.7  # times faster than usual
_SLOWING = 2.5  # [m/s^2]


class Phase(IntEnum):
    """Where somebody is on the way."""

    COMING = 0  # walks to the kerb
    CROSSING = 1
    LEAVING = 2
    BACK = 3  # gave up and goes
    GONE = 4


@dataclass(frozen=True)
class Crosser:
    """Somebody who will cross a street.

    Attributes:
        id: Of the road user.
        start: When it appears [s].
        place: Where it crosses.
        side: +1 comes along the street with the street on its left, -1 on its right.
        speed: [m/s].
        gap: Time that a vehicle must be away before and after [s].
        bold: Trusts that drivers brake.
        hesitates: Stops for a moment at the kerb and on the road [s].
        radius: [m].
    """

    id: int
    start: float
    place: CrossingPlace
    side: int
    speed: float
    gap: float
    bold: bool
    hesitates: float
    radius: float


@dataclass
class _Walk:
    """One of them under way: `s` along the four points of the line."""

    who: Crosser
    line: NDArray[np.float64]
    marks: NDArray[np.float64]  # arc length at the points of the line
    kerb: float  # arc length
    far_kerb: float
    s: float = 0.0
    v: float = 0.0
    phase: Phase = Phase.COMING
    waited: float = 0.0

    def at(self) -> tuple[float, float, float]:
        """x, y, yaw."""
        piece = int(np.clip(np.searchsorted(self.marks, self.s, side="right") - 1, 0, 2))
        a, b = self.line[piece], self.line[piece + 1]
        along = (b - a) / (self.marks[piece + 1] - self.marks[piece])
        x, y = a + (self.s - self.marks[piece]) * along
        back = np.pi if self.phase is Phase.BACK else 0.0
        return float(x), float(y), float(np.arctan2(along[1], along[0]) + back)


class Crossers:
    """All of a town's jaywalkers and animals.

    Args:
        crossers: Who, in any order.
    """

    def __init__(self, crossers: tuple[Crosser, ...]) -> None:
        self._to_come = sorted(crossers, key=lambda who: (who.start, who.id), reverse=True)
        self._active: list[_Walk] = []

    def step(self, view: TrafficView, dt: float) -> None:
        """Advance by `dt` seconds, having seen `view`."""
        while self._to_come and self._to_come[-1].start <= view.time:
            self._active.append(_begin(self._to_come.pop()))
        for walk in self._active:
            _advance(walk, view, dt)
        self._active = [walk for walk in self._active if walk.phase is not Phase.GONE]

    def poses(self) -> list[tuple[int, float, float, float]]:
        """Id, x, y, yaw of everyone under way."""
        return [(walk.who.id, *walk.at()) for walk in self._active]

    def on_the_road(self) -> list[tuple[int, float]]:
        """Id and radius of those that drivers have to mind: on the street or about to step on it."""
        return [(walk.who.id, walk.who.radius) for walk in self._active if walk.phase is Phase.CROSSING]


def _begin(who: Crosser) -> _Walk:
    start, end = np.array(who.place.start), np.array(who.place.end)
    across = (end - start) / np.hypot(*(end - start))
    along = who.side * np.array([across[1], -across[0]])  # the street lies to the left of someone with side 1
    line = np.stack([start - _ON_THE_WAY * along, start, end, end + _ON_THE_WAY * along])
    marks = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    return _Walk(who, line, marks, float(marks[1] + who.place.kerb), float(marks[1] + who.place.far_kerb), v=who.speed)


def _advance(walk: _Walk, view: TrafficView, dt: float) -> None:
    who, stop = walk.who, walk.kerb - _AHEAD_OF_KERB - walk.who.radius
    wanted = who.speed
    if walk.phase is Phase.COMING:
        near = walk.s > stop - 1.0
        if near and walk.waited >= who.hesitates and _may_go(walk, view):
            walk.phase = Phase.CROSSING
        elif walk.s > walk.marks[1] - 0.3:  # at the corner: along the kerb one need not slow down
            wanted = min(wanted, np.sqrt(2 * _SLOWING * max(stop - walk.s, 0.0)))
        if near:
            walk.waited += dt
        if walk.waited > _PATIENCE:
            walk.phase = Phase.BACK
    elif walk.phase is Phase.CROSSING:
        wanted = _speed_on_the_road(walk, view)
        if walk.s > walk.far_kerb + who.radius:
            walk.phase = Phase.LEAVING
    if walk.phase is Phase.BACK:
        wanted = -who.speed
    walk.v += float(np.clip(wanted - walk.v, -_SLOWING * dt * 1.4, _SLOWING * dt * 1.4))
    walk.s = float(np.clip(walk.s + walk.v * dt, 0.0, walk.marks[3]))
    if walk.s >= walk.marks[3] or (walk.phase is Phase.BACK and walk.s <= 0):
        walk.phase = Phase.GONE


@dataclass(frozen=True, eq=False)
class _Bands:
    """Where and when vehicles will drive over somebody's line; M vehicles.

    Attributes:
        low: Begin of the strip that the vehicle covers, along the line [m].
        high: Its end [m].
        arrives: Time until the vehicle's front is there [s], below 0 if it is there now.
        leaves: Time until its rear has passed [s].
        way: Distance of the front to the line [m].
        speed: [m/s].
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    arrives: NDArray[np.float64]
    leaves: NDArray[np.float64]
    way: NDArray[np.float64]
    speed: NDArray[np.float64]


def _bands(walk: _Walk, view: TrafficView) -> _Bands:
    start, end = walk.line[1], walk.line[2]
    across = (end - start) / (walk.marks[2] - walk.marks[1])
    along = np.array([across[1], -across[0]])
    to_vehicle = view.position - start
    away, closing = to_vehicle @ along, -(view.velocity @ along) * np.sign(to_vehicle @ along)
    speed = np.hypot(view.velocity[:, 0], view.velocity[:, 1])
    half = view.size[:, 0] / 2 + walk.who.radius
    there = np.abs(away) < half
    coming = there | ((closing > 0.5) & (np.abs(away) < _LOOK))
    rate = np.maximum(np.abs(closing), 0.3)
    arrives = np.where(there, -1.0, (np.abs(away) - half) / rate)
    passed = there & (closing <= 0)
    leaves = np.where(passed, (half - np.abs(away)) / rate, (np.abs(away) + half) / rate)
    time = np.where(there, 0.0, np.abs(away) / rate)
    middle = walk.marks[1] + (to_vehicle + view.velocity * time[:, None]) @ across
    side = view.size[:, 1] / 2 + walk.who.radius + _CLEARANCE
    coming &= (middle + side > walk.kerb) & (middle - side < walk.far_kerb)
    pick = np.flatnonzero(coming)
    way = np.maximum(np.abs(away) - half, 0.0)
    return _Bands((middle - side)[pick], (middle + side)[pick], arrives[pick], leaves[pick], way[pick], speed[pick])


def _may_go(walk: _Walk, view: TrafficView) -> bool:
    bands, who = _bands(walk, view), walk.who
    into = np.maximum(bands.low - walk.s, 0) / who.speed
    out = (bands.high - walk.s) / who.speed + 0.5
    conflict = (bands.arrives < out + who.gap) & (bands.leaves > into - 0.5)
    if who.bold:
        conflict &= bands.way < _NOTICE * bands.speed + bands.speed**2 / (2 * _HARD) + 3.0
    return not conflict.any()


def _speed_on_the_road(walk: _Walk, view: TrafficView) -> float:
    """Stops before a vehicle's way, or runs out of it, when the vehicle comes on."""
    bands, who = _bands(walk, view), walk.who
    stopping = bands.way < 0.5 * bands.speed + bands.speed**2 / (2 * _HARD)
    threat = (bands.arrives < 2.5) & (bands.speed > 1.0) & stopping | (bands.arrives < 0)
    inside = (walk.s > bands.low) & (walk.s < bands.high)
    if (threat & inside).any():
        return who.speed * _RUN
    ahead = bands.low[threat & (bands.low >= walk.s)]
    return float(min(who.speed, np.sqrt(2 * _SLOWING * max(ahead.min() - walk.s, 0.0)))) if len(ahead) else who.speed
