"""Parked cars: they stand, open a door, pull out and become vehicles of SUMO's, or come from SUMO's lanes and park."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import Attribute, TriState, TurnSignal
from zoox_stack.simulation.actors.streets import ParkingPlace
from zoox_stack.simulation.actors.traffic_view import TrafficView

PULL_IN = 11.0  # [m] way from the lane into a parking place
_BLINKS = 2.0  # [s] before pulling out
_JOINS = 2.5  # [s] it goes on blinking when SUMO has it
_RETRY = 10.0  # [s] after which a car that found no gap asks SUMO again; SUMO forgets it after 8 s
_OPEN = np.deg2rad(65.0)  # [rad] of an open door
_SWINGS = 1.0  # [s] to open a door
_PARKS = 1.2  # [m/s^2] deceleration of one who parks
_SLOWEST = 0.6  # [m/s] of one who parks
_HARD, _NOTICE = 5.0, 1.2  # [m/s^2] [s] braking expected of those who pass when a door opens


@dataclass(frozen=True)
class ParkedCar:
    """A car that stands at the kerb, now or later.

    Attributes:
        id: Of the road user.
        place: Where.
        size: Length and width [m].
        ahead: Place before the middle of the place [m].
        left: Place to the left of it [m].
        leaves: When it pulls out [s], infinity: never; of one that comes, when it sets off.
        comes: It is a vehicle of SUMO's first, and parks.
    """

    id: int
    place: ParkingPlace
    size: tuple[float, float]
    ahead: float = 0.0
    left: float = 0.0
    leaves: float = float("inf")
    comes: bool = False

    def pose(self) -> tuple[float, float, float]:
        """x, y, yaw of the standing car's front bumper."""
        return self._pose

    @cached_property
    def _pose(self) -> tuple[float, float, float]:
        p, ahead = self.place, self.ahead + self.size[0] / 2
        c, s = np.cos(p.yaw), np.sin(p.yaw)
        return float(p.x + ahead * c - self.left * s), float(p.y + ahead * s + self.left * c), p.yaw


@dataclass(frozen=True)
class Door:
    """A door of a parked car, on the side of the traffic, that opens once.

    Attributes:
        id: Of the road user that the open door is.
        car: Id of the car.
        opens: When [s].
        open_for: [s].
        length: [m].
    """

    id: int
    car: int
    opens: float
    open_for: float
    length: float


class Stage(IntEnum):
    """What a parked car does."""

    STANDS = 0
    BLINKS = 1
    ASKED = 2  # SUMO is to put it into the lane when there is a gap
    DRIVES = 3  # SUMO moves it
    PARKS = 4


@dataclass
class _State:
    car: ParkedCar
    stage: Stage
    since: float = 0.0
    seen: bool = False  # by SUMO
    s: float = 0.0  # way driven into the place
    v: float = 0.0
    start: tuple[float, float] = (0.0, 0.0)


@dataclass
class _Swing:
    door: Door
    opened: float = -1.0  # [s], below 0: not yet


class ParkedCars:
    """All of a town's parked cars and their doors.

    Args:
        cars: Who stands or will.
        doors: Which doors open.
    """

    def __init__(self, cars: tuple[ParkedCar, ...], doors: tuple[Door, ...]) -> None:
        self._cars = {c.id: _State(c, Stage.DRIVES if c.comes else Stage.STANDS) for c in cars}
        self._doors = [_Swing(door) for door in sorted(doors, key=lambda door: door.id)]
        self._moving = [state for state in self._cars.values() if state.car.comes or np.isfinite(state.car.leaves)]

    def step(self, view: TrafficView, vehicle: Any, dt: float) -> None:
        """Advance by `dt` seconds; ask SUMO to take those over that pull out.

        Args:
            view: The traffic.
            vehicle: SUMO's vehicle functions.
            dt: [s].
        """
        for state in self._moving:
            self._step_car(state, view.time, vehicle, dt)
        self._see(view)
        for swing in self._doors:
            standing = self._cars[swing.door.car].stage is Stage.STANDS
            if (
                swing.opened < 0
                and standing
                and view.time >= swing.door.opens
                and not _in_the_way(self._cars[swing.door.car].car, view)
            ):
                swing.opened = view.time
        self._doors = [s for s in self._doors if s.opened < 0 or view.time < s.opened + s.door.open_for + 2 * _SWINGS]

    def hand_over(self, driving: Set[int], time: float, dt: float) -> None:
        """SUMO has taken its step and moves the vehicles `driving` now: take over those that came to park."""
        for state in self._moving:
            if state.stage is Stage.ASKED and state.car.id in driving:
                state.stage, state.since = Stage.DRIVES, time
            elif state.stage is Stage.DRIVES and state.car.comes and state.seen and state.car.id not in driving:
                state.stage = Stage.PARKS
                self._roll(state, dt)

    def _see(self, view: TrafficView) -> None:
        """Remember where cars are that come to park."""
        coming = {s.car.id: s for s in self._moving if s.stage is Stage.DRIVES and s.car.comes}
        first = int(np.searchsorted(view.ids, min(coming, default=0)))
        for row, identity in enumerate(view.ids[first:].tolist() if coming else (), first):
            if identity not in coming:
                continue
            state, yaw = coming[identity], float(view.yaw[row])
            x, y = view.position[row] + view.size[row, 0] / 2 * np.array([np.cos(yaw), np.sin(yaw)])
            state.seen, state.start = True, (float(x), float(y))
            state.v = float(np.hypot(*view.velocity[row]))

    def _step_car(self, state: _State, time: float, vehicle: Any, dt: float) -> None:
        car = state.car
        match state.stage:
            case Stage.STANDS if time >= car.leaves - _BLINKS and not car.comes and not self._has_open_door(car.id):
                state.stage, state.since = Stage.BLINKS, time
            case Stage.BLINKS if time >= state.since + _BLINKS:
                state.stage, state.since = Stage.ASKED, time
                front = car.place.s + car.ahead + car.size[0] / 2
                vehicle.add(
                    str(car.id), f"r{car.id}", f"t{car.id}", departLane=str(car.place.lane), departPos=f"{front:.2f}",
                    departSpeed="0",
                )  # fmt: skip
            case Stage.ASKED if time >= state.since + _RETRY:
                state.stage, state.since = Stage.BLINKS, time
            case Stage.PARKS:
                self._roll(state, dt)

    def _roll(self, state: _State, dt: float) -> None:
        """Drive on into the place."""
        rest = self._way(state) - state.s
        state.v = max(min(state.v, float(np.sqrt(2 * _PARKS * max(rest, 0.0)))), _SLOWEST)
        state.s += min(state.v * dt, rest)
        if rest < 1e-3:
            state.stage = Stage.STANDS

    def _has_open_door(self, car: int) -> bool:
        return any(swing.door.car == car and swing.opened >= 0 for swing in self._doors)

    def _way(self, state: _State) -> float:
        x, y, yaw = state.car.pose()
        return float((x - state.start[0]) * np.cos(yaw) + (y - state.start[1]) * np.sin(yaw))

    def poses(self) -> list[tuple[int, float, float, float]]:
        """Id, x, y, yaw of the front bumpers of all that SUMO does not move."""
        poses = []
        for state in self._cars.values():
            if state.stage is Stage.PARKS:
                poses.append((state.car.id, *self._pulling_in(state)))
            elif state.stage is not Stage.DRIVES:
                poses.append((state.car.id, *state.car.pose()))
        return poses

    def _pulling_in(self, state: _State) -> tuple[float, float, float]:
        x, y, yaw = state.car.pose()
        c, s, way = np.cos(yaw), np.sin(yaw), max(self._way(state), 1e-3)
        aside = -(x - state.start[0]) * s + (y - state.start[1]) * c
        part = float(np.clip(state.s / (0.85 * way), 0, 1))
        shift, slope = aside * part * part * (3 - 2 * part), aside * 6 * part * (1 - part) / (0.85 * way)
        front = state.start[0] + state.s * c - shift * s, state.start[1] + state.s * s + shift * c
        return float(front[0]), float(front[1]), yaw + float(np.arctan(slope))

    def door_poses(self, time: float) -> list[tuple[int, float, float, float]]:
        """Id, x, y, yaw of the middles of open doors."""
        poses = []
        for swing in self._doors:
            if swing.opened >= 0:
                hinge, direction = self._door(swing, time)
                x, y = hinge + direction * swing.door.length / 2
                poses.append((swing.door.id, float(x), float(y), float(np.arctan2(direction[1], direction[0]))))
        return poses

    def _door(self, swing: _Swing, time: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Hinge, and direction from there to the edge of the door."""
        door, car = swing.door, self._cars[swing.door.car].car
        since = time - swing.opened
        part = min(since, door.open_for + 2 * _SWINGS - since) / _SWINGS
        angle = _OPEN * float(np.clip(part, 0.0, 1.0))
        x, y, yaw = car.pose()
        along = np.array([np.cos(yaw), np.sin(yaw)])
        left = np.array([-along[1], along[0]])
        hinge = np.array([x, y]) - 0.35 * car.size[0] * along + car.size[1] / 2 * left
        return hinge, -np.cos(angle) * along + np.sin(angle) * left

    def obstacles(self, time: float) -> list[tuple[float, float, float, float, float, bool]]:
        """Rows of `Obstacles`: edges of open doors, and cars that leave the lane."""
        rows = []
        for swing in self._doors:
            if swing.opened >= 0:
                hinge, direction = self._door(swing, time)
                x, y = hinge + direction * swing.door.length
                rows.append((float(x), float(y), 0.0, 0.0, 0.15, True))
        for state in self._moving:
            if state.stage is Stage.PARKS:
                x, y, yaw = self._pulling_in(state)
                back = state.car.size[0] - state.car.size[1] / 2
                c, s = float(np.cos(yaw)), float(np.sin(yaw))
                rows.append((x - back * c, y - back * s, state.v * c, state.v * s, state.car.size[1] / 2, False))
        return rows

    def attributes(self, time: float) -> list[tuple[int, Attribute, int]]:
        """Id, attribute and value of everything that is on or open."""
        found: list[tuple[int, Attribute, int]] = []
        for state in self._moving:
            joins = state.stage is Stage.DRIVES and not state.car.comes and time < state.since + _JOINS
            if joins or state.stage in (Stage.BLINKS, Stage.ASKED):
                found.append((state.car.id, Attribute.TURN_SIGNAL, TurnSignal.LEFT))
            elif state.stage is Stage.PARKS:
                found.append((state.car.id, Attribute.TURN_SIGNAL, TurnSignal.RIGHT))
                found.append((state.car.id, Attribute.BRAKE_LIGHT, TriState.YES))
        opened = (swing.door.car for swing in self._doors if swing.opened >= 0)
        return found + [(car, Attribute.DOOR_OPEN, TriState.YES) for car in opened]


def _in_the_way(car: ParkedCar, view: TrafficView) -> bool:
    """Whether somebody passes who could not stop any more."""
    x, y, yaw = car.pose()
    c, s = np.cos(yaw), np.sin(yaw)
    to_door = np.array([x, y]) - view.position
    way = to_door @ [c, s] - view.size[:, 0] / 2
    aside = to_door @ [-s, c]
    speed = view.velocity @ [c, s]
    near = (way > -8.0) & (way < 4.0 + _NOTICE * speed + speed**2 / (2 * _HARD)) & (np.abs(aside) < 4.0)
    return bool((near & (speed > 0.3)).any())
