"""Who is there, and SUMO's answers as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass, Attribute, SignalState, TriState, TurnSignal
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.simulation.actors.drivers import Temper
from zoox_stack.simulation.continuity import Bodies
from zoox_stack.simulation.population import RoadUser, Variety

_SIGNAL_STATES = {
    "r": SignalState.RED, "u": SignalState.RED, "y": SignalState.YELLOW, "Y": SignalState.YELLOW,
    "g": SignalState.GREEN, "G": SignalState.GREEN, "s": SignalState.FLASHING_RED, "o": SignalState.FLASHING_YELLOW,
    "O": SignalState.OFF,
}  # fmt: skip
_BLINK, _BRAKE = 7, 8  # bits of SUMO's vehicle signals; of blinking: right, left, both
_TURN_SIGNALS = np.array([
    TurnSignal.OFF, TurnSignal.RIGHT, TurnSignal.LEFT, TurnSignal.LEFT,
    TurnSignal.HAZARD, TurnSignal.HAZARD, TurnSignal.HAZARD, TurnSignal.HAZARD,
], np.uint8)  # fmt: skip
_MOTOR = np.array([kind in (*VEHICLE_CLASSES, AgentClass.MOTORCYCLE) for kind in AgentClass])
_WALKS = np.array([kind in (AgentClass.PEDESTRIAN, AgentClass.ANIMAL) for kind in AgentClass])
_DOORS = np.array([kind in (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS) for kind in AgentClass])


class Roster:
    """What does not change about road users, as columns; U road users in the order of their ids.

    Args:
        users: By id.
    """

    def __init__(self, users: Mapping[int, RoadUser]) -> None:
        known = [users[i] for i in sorted(users)]
        self.ids = np.array([u.id for u in known], np.int64)
        self.kinds = np.array([u.kind for u in known], np.uint8)
        self.varieties = np.array([u.variety for u in known], np.uint8)
        self.sizes = np.array([u.size[:2] for u in known]).reshape(-1, 2)
        self.caution = np.array([u.caution for u in known])
        self.reaction = np.array([u.reaction for u in known])
        self.attributes = _at_rest(self.kinds, self.varieties)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of `ids`.

        Raises:
            InvalidInputError: Somebody is not known.
        """
        rows = np.searchsorted(self.ids, ids)
        strangers = ids if not len(self) else ids[self.ids[rows.clip(max=len(self) - 1)] != ids]
        if len(strangers):
            raise InvalidInputError(
                "road user", "one of the demand's", f"id {strangers[0]}", "Add who it is to TrafficWorld.users first."
            )
        return rows


@dataclass(frozen=True, eq=False)
class Cast:
    """Who is there, with all that stays as it is until somebody comes or goes; N road users, ordered by id.

    Attributes:
        vehicles: SUMO's names of its V vehicles, in its order.
        people: SUMO's names of its P pedestrians, in its order.
        scripted: int64 ``[M]`` ids of those whom SUMO does not move.
        ids: int64 ``[N]``.
        order: int64 ``[N]`` places in SUMO's vehicles, its pedestrians and the scripted ones, one after the other.
        roster: Who is who.
        rows: int64 ``[N]`` rows of the roster.
        driving: Ids of SUMO's vehicles.
    """

    vehicles: tuple[str, ...]
    people: tuple[str, ...]
    scripted: NDArray[np.int64]
    ids: NDArray[np.int64]
    order: NDArray[np.int64]
    roster: Roster
    rows: NDArray[np.int64]
    driving: frozenset[int]

    @classmethod
    def of(
        cls, roster: Roster, vehicles: tuple[str, ...], people: tuple[str, ...], scripted: NDArray[np.int64]
    ) -> Cast:
        """Look everybody up.

        Raises:
            InvalidInputError: Somebody is not known.
        """
        driving, walking = numbers(vehicles), numbers(people)
        ids = np.array([*driving, *walking, *scripted.tolist()], np.int64)
        order = np.argsort(ids)
        ids = ids[order]
        return cls(vehicles, people, scripted, ids, order, roster, roster.rows(ids), frozenset(driving))

    def same(
        self, roster: Roster, vehicles: tuple[str, ...], people: tuple[str, ...], scripted: NDArray[np.int64]
    ) -> bool:
        """Whether nobody has come or gone since."""
        return (
            roster is self.roster
            and vehicles == self.vehicles
            and people == self.people
            and np.array_equal(scripted, self.scripted)
        )

    def without(self, gone: NDArray[np.bool_]) -> Cast:
        """Those who are not `gone` ``[N]``; only SUMO's may be."""
        names = {str(i) for i in self.ids[gone].tolist()}
        vehicles, people = (tuple(name for name in some if name not in names) for some in (self.vehicles, self.people))
        return Cast.of(self.roster, vehicles, people, self.scripted)

    @cached_property
    def by_sumo(self) -> NDArray[np.bool_]:
        """Bool ``[N]``: SUMO moves it."""
        return self.order < len(self.vehicles) + len(self.people)

    @cached_property
    def exact(self) -> NDArray[np.bool_]:
        """Bool ``[N]``: its motion is that of the script."""
        return self.roster.varieties[self.rows] == Variety.DOOR

    @cached_property
    def bodies(self) -> Bodies:
        """What they are."""
        return Bodies(self.roster.kinds[self.rows], self.roster.sizes[self.rows, 0])

    @cached_property
    def vehicle_rows(self) -> NDArray[np.int64]:
        """int64 ``[V]`` SUMO's vehicles."""
        return np.flatnonzero(self.order < len(self.vehicles))

    @cached_property
    def vehicle_ids(self) -> NDArray[np.int64]:
        """int64 ``[V]`` in the order of `vehicle_rows`, as are sizes and temper."""
        return self.ids[self.vehicle_rows]

    @cached_property
    def vehicle_sizes(self) -> NDArray[np.float64]:
        """float64 ``[V, 2]`` length, width [m]."""
        return self.roster.sizes[self.rows[self.vehicle_rows]]

    @cached_property
    def temper(self) -> Temper:
        """Of the drivers."""
        rows = self.rows[self.vehicle_rows]
        return Temper(self.roster.caution[rows], self.roster.reaction[rows])

    @cached_property
    def walker_rows(self) -> NDArray[np.int64]:
        """int64 ``[P]`` SUMO's pedestrians, in the order of `people`."""
        place = np.argsort(self.order)  # of each of SUMO's, then ours, in the order of ids
        return place[len(self.vehicles) : len(self.vehicles) + len(self.people)]

    @cached_property
    def on_foot(self) -> NDArray[np.int64]:
        """int64 ``[P]`` pedestrians and animals, whoever moves them."""
        return np.flatnonzero(_WALKS[self.bodies.kinds])

    @cached_property
    def _motor(self) -> NDArray[np.int64]:
        """Those with turn signals and brake lights."""
        return np.flatnonzero(self.roster.attributes[self.rows, Attribute.TURN_SIGNAL] != TurnSignal.UNKNOWN)

    def lights(self, vehicle: Any) -> NDArray[np.uint8]:
        """Attributes uint8 ``[N, 6]`` now; `vehicle` is SUMO's vehicle functions."""
        attributes, motor = self.roster.attributes[self.rows], self._motor
        given = np.zeros(len(self.ids), np.int64)
        given[: len(self.vehicles)] = np.fromiter(map(vehicle.getSignals, self.vehicles), np.int64, len(self.vehicles))
        bits = given[self.order[motor]]
        attributes[motor, Attribute.TURN_SIGNAL] = _TURN_SIGNALS[bits & _BLINK]
        attributes[motor[bits & _BRAKE > 0], Attribute.BRAKE_LIGHT] = TriState.YES
        return attributes


def numbers(names: tuple[str, ...]) -> list[int]:
    """Ids of SUMO's road users.

    Raises:
        InvalidInputError: An id of SUMO's is not a number: no road user of ours.
    """
    try:
        return [int(name) for name in names]
    except ValueError as error:
        raise InvalidInputError("SUMO vehicle or pedestrian", "a whole number as its id", str(error)) from error


def read_poses(
    vehicle: Any, person: Any, vehicles: tuple[str, ...], people: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where SUMO has its road users; N of them, vehicles first.

    Args:
        vehicle: SUMO's vehicle functions.
        person: SUMO's person functions.
        vehicles: Names of vehicles.
        people: Names of pedestrians.

    Returns:
        Front bumpers of vehicles and middles of pedestrians ``[N, 2]`` [m], and yaw ``[N]`` [rad].
    """
    count = len(vehicles) + len(people)
    places = chain.from_iterable(chain(map(vehicle.getPosition, vehicles), map(person.getPosition, people)))
    angles = chain(map(vehicle.getAngle, vehicles), map(person.getAngle, people))
    yaw = np.pi / 2 - np.deg2rad(np.fromiter(angles, np.float64, count))  # SUMO: clockwise from north
    return np.fromiter(places, np.float64, 2 * count).reshape(-1, 2), yaw


def read_speeds(vehicle: Any, person: Any, vehicles: tuple[str, ...], people: tuple[str, ...]) -> NDArray[np.float64]:
    """Speeds ``[N]`` [m/s]; arguments as for `read_poses`."""
    speeds = chain(map(vehicle.getSpeed, vehicles), map(person.getSpeed, people))
    return np.fromiter(speeds, np.float64, len(vehicles) + len(people))


def _at_rest(kinds: NDArray[np.uint8], varieties: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Attributes of road users of whom nothing blinks or brakes."""
    attributes = np.zeros((len(kinds), len(Attribute)), np.uint8)
    motor, people = _MOTOR[kinds], kinds == AgentClass.PEDESTRIAN
    attributes[:, Attribute.TURN_SIGNAL] = np.where(motor, TurnSignal.OFF, TurnSignal.UNKNOWN)
    nobody = np.zeros(len(kinds), bool)
    for column, applies, yes in (
        (Attribute.BRAKE_LIGHT, motor, nobody),
        (Attribute.EMERGENCY_LIGHT, motor, varieties == Variety.EMERGENCY),
        (Attribute.DOOR_OPEN, _DOORS[kinds], nobody),
        (Attribute.PHONE_IN_HAND, people, varieties == Variety.PHONE_USER),
        (Attribute.CHILD, people, varieties == Variety.CHILD),
    ):
        attributes[:, column] = np.where(applies, np.where(yes, TriState.YES, TriState.NO), TriState.UNKNOWN)
    return attributes


class SignalReader:
    """Reads the states of a town's signals.

    Args:
        links: SUMO traffic light and link of every signal, in the order of the network's signals.
    """

    def __init__(self, links: tuple[tuple[str, int], ...]) -> None:
        self._links = links
        self._names = sorted({name for name, _ in links})
        self._shown: list[str] = []
        self._states = np.zeros(0, np.uint8)

    def read(self, trafficlight: Any) -> NDArray[np.uint8]:
        """uint8 ``[S]`` `SignalState`; `trafficlight` is SUMO's traffic light functions."""
        shown = list(map(trafficlight.getRedYellowGreenState, self._names))
        if shown != self._shown:
            of = dict(zip(self._names, shown, strict=True))
            states = [_SIGNAL_STATES.get(of[name][index], SignalState.UNKNOWN) for name, index in self._links]
            self._shown, self._states = shown, np.array(states, np.uint8)
        return self._states.copy()
