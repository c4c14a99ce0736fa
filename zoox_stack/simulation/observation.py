"""SUMO's answers as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass, Attribute, SignalState, TriState, TurnSignal
from zoox_stack.core.errors import InvalidInputError
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
class Reading:
    """SUMO's vehicles and pedestrians at one instant, in SUMO's order; N of them, vehicles first.

    Attributes:
        ids: int64 ``[N]``.
        xy: float64 ``[N, 2]`` front bumper of vehicles, middle of pedestrians [m].
        yaw: float64 ``[N]`` [rad].
        speed: float64 ``[N]`` [m/s].
        bits: int64 ``[N]`` SUMO's vehicle signals, 0 for pedestrians.
        vehicles: How many of them are vehicles.
    """

    ids: NDArray[np.int64]
    xy: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    bits: NDArray[np.int64]
    vehicles: int


def read_sumo(vehicle: Any, person: Any) -> Reading:
    """Ask SUMO for everyone.

    Raises:
        InvalidInputError: An id of SUMO's is not a number: no road user of ours.
    """
    vehicles, people = vehicle.getIDList(), person.getIDList()
    position, angle, speed, bits = vehicle.getPosition, vehicle.getAngle, vehicle.getSpeed, vehicle.getSignals
    rows = [(*position(name), angle(name), speed(name), bits(name)) for name in vehicles]
    position, angle, speed = person.getPosition, person.getAngle, person.getSpeed
    rows += [(*position(name), angle(name), speed(name), 0) for name in people]
    table = np.array(rows, np.float64).reshape(-1, 5)
    try:
        ids = np.array([int(name) for name in (*vehicles, *people)], np.int64)
    except ValueError as error:
        raise InvalidInputError("SUMO vehicle or pedestrian", "a whole number as its id", str(error)) from error
    yaw = np.pi / 2 - np.deg2rad(table[:, 2])  # SUMO: clockwise from north
    return Reading(ids, table[:, :2], yaw, table[:, 3], table[:, 4].astype(np.int64), len(vehicles))


def lights_of(roster: Roster, rows: NDArray[np.int64], bits: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Attributes ``[N, 6]`` of the road users in `rows` of the roster whose SUMO signals are `bits`."""
    attributes = roster.attributes[rows]
    motor = attributes[:, Attribute.TURN_SIGNAL] != TurnSignal.UNKNOWN
    attributes[motor, Attribute.TURN_SIGNAL] = _TURN_SIGNALS[bits[motor] & _BLINK]
    attributes[motor & (bits & _BRAKE > 0), Attribute.BRAKE_LIGHT] = TriState.YES
    return attributes


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

    def read(self, trafficlight: Any) -> NDArray[np.uint8]:
        """uint8 ``[S]`` `SignalState`; `trafficlight` is SUMO's traffic light functions."""
        shown = {name: trafficlight.getRedYellowGreenState(name) for name in self._names}
        states = [_SIGNAL_STATES.get(shown[name][index], SignalState.UNKNOWN) for name, index in self._links]
        return np.array(states, np.uint8)
