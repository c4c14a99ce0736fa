"""A running SUMO simulation in this process (libsumo). One at a time per process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass, Attribute, SignalState, TriState, TurnSignal
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.anticipation import BRAKING, must_brake
from zoox_stack.simulation.demand import FIRST_PEDESTRIAN, DemandConfig, RoadUser, write_demand
from zoox_stack.simulation.towns import Town

STEP = 0.1  # [s]
JUMP = 3.0  # [m] in one step: SUMO has moved someone (it frees jammed pedestrians so)
LOOK_EVERY = 3  # [steps] between two looks of anticipating drivers
_SIGNAL_STATES = {
    "r": SignalState.RED, "u": SignalState.RED, "y": SignalState.YELLOW, "Y": SignalState.YELLOW,
    "g": SignalState.GREEN, "G": SignalState.GREEN, "s": SignalState.FLASHING_RED, "o": SignalState.FLASHING_YELLOW,
    "O": SignalState.OFF,
}  # fmt: skip
_BLINK_RIGHT, _BLINK_LEFT, _BLINK_BOTH, _BRAKE = 1, 2, 4, 8  # bits of SUMO's vehicle signals


def load_libsumo() -> ModuleType:
    """The libsumo module.

    Raises:
        ConfigurationError: Not installed.
    """
    os.environ.setdefault("LIBSUMO_AS_TRACI", "quiet")  # no note about pyarrow, whose files we do not let SUMO write
    try:
        import libsumo
    except ImportError as error:
        raise ConfigurationError("SUMO is not installed: pip install 'zoox_stack[simulation]'") from error
    return libsumo


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everyone at one instant, ordered by id. N agents, S signals.

    Attributes:
        time: [s] since the start of the simulation.
        ids: int64 ``[N]``.
        states: float64 ``[N, 5]``, columns `HistoryColumn`, of the box centres.
        attributes: uint8 ``[N, 6]``, columns `Attribute`.
        signals: uint8 ``[S]`` `SignalState`, in the order of the network's signals.
    """

    time: float
    ids: NDArray[np.int64]
    states: NDArray[np.float64]
    attributes: NDArray[np.uint8]
    signals: NDArray[np.uint8]

    def rows(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Rows of `ids` and which of them are present (rows of absent ones are arbitrary)."""
        if not len(self.ids):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        rows = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        return rows, self.ids[rows] == ids


class TrafficWorld:
    """SUMO traffic in a town, stepped by 0.1 s. Use as a context manager.

    Args:
        town: Where.
        config: How busy.
        seed: Of demand and drivers; the same seed gives the same traffic.
        folder: Where the route file goes.

    Raises:
        ConfigurationError: SUMO is not installed or refuses its input.
    """

    def __init__(self, town: Town, config: DemandConfig, seed: int, folder: Path) -> None:
        self.town, self.config, self.seed = town, config, seed
        self._sumo = load_libsumo()
        folder.mkdir(parents=True, exist_ok=True)
        self._routes = folder / f"{town.name}_{seed}.rou.xml"
        self.users: dict[int, RoadUser] = write_demand(town, config, seed, self._routes)
        nobody = np.zeros(0, np.int64), np.zeros((0, len(HistoryColumn))), np.zeros((0, len(Attribute)), np.uint8)
        self.snapshot = Snapshot(0.0, *nobody, np.zeros(len(town.net.signal_links), np.uint8))
        self.controlled: set[int] = set()  # vehicles driven from outside: anticipation leaves them alone
        self._held: set[int] = set()
        self._steps = 0

    def __enter__(self) -> TrafficWorld:
        try:
            self._sumo.start([
                "sumo", "--net-file", str(self.town.net_path), "--route-files", str(self._routes),
                "--step-length", str(STEP), "--seed", str(self.seed % 2**31), "--lateral-resolution", "0.8",
                "--time-to-teleport", "-1", "--collision.action", "none", "--intermodal-collision.action", "none",
                "--ignore-route-errors", "--max-depart-delay", "8", "--no-step-log", "--no-warnings",
                "--duration-log.disable", "--xml-validation", "never", "--pedestrian.striping.jamtime", "30",
            ])  # fmt: skip
        except self._sumo.TraCIException as error:
            raise ConfigurationError(f"SUMO did not start in town {self.town.name}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sumo.close()

    @property
    def vehicle(self) -> Any:
        """SUMO's vehicle functions."""
        return self._sumo.vehicle

    def step(self, *, lights: bool = True) -> Snapshot:
        """Advance by 0.1 s; without `lights`, attributes and signals of the snapshot are zero (faster)."""
        self._anticipate()
        self._sumo.simulationStep()
        self._steps += 1
        self.snapshot = self._observe(lights)
        return self.snapshot

    def steer(self, identity: int, x: float, y: float, yaw: float, speed: float) -> None:
        """Put a vehicle, driven from outside, where it is to be at the end of the next step.

        Everyone else treats it like any other vehicle. It keeps its route where the place is on it.

        Args:
            identity: Of the vehicle, here taken out of SUMO's hands (`controlled`).
            x: Of the box centre [m].
            y: Of the box centre [m].
            yaw: [rad].
            speed: [m/s], what others see as its speed.
        """
        self.controlled.add(identity)
        front = self.users[identity].size[0] / 2
        name, angle = str(identity), 90.0 - np.rad2deg(yaw)
        self.vehicle.moveToXY(
            name, "", -1, x + front * np.cos(yaw), y + front * np.sin(yaw), angle=float(angle % 360), keepRoute=2
        )
        self.vehicle.setSpeed(name, max(0.0, speed))

    def run(self, seconds: float) -> Snapshot:
        """Advance by about `seconds`."""
        for _ in range(round(seconds / STEP)):
            self.step()
        return self.snapshot

    def _anticipate(self) -> None:
        """Make cautious drivers brake; they look up every `LOOK_EVERY` steps."""
        now, vehicle = self.snapshot, self.vehicle
        if self._steps % LOOK_EVERY == 0:
            rows = np.flatnonzero(now.ids < FIRST_PEDESTRIAN)
            ids = now.ids[rows].tolist()
            caution = np.array([np.inf if i in self.controlled else self.users[i].caution for i in ids])
            brake = must_brake(now.states[rows, :2], now.states[rows, HistoryColumn.VX :], caution)
            braking = {i for i, brakes in zip(ids, brake.tolist(), strict=True) if brakes}
        else:
            braking = self._held - self.controlled
        if not braking and not self._held:
            return
        alive = {int(name) for name in vehicle.getIDList()}
        for i in sorted(braking & alive):
            vehicle.setSpeed(str(i), max(0.0, vehicle.getSpeed(str(i)) - BRAKING * STEP))
        for i in sorted((self._held - braking - self.controlled) & alive):
            vehicle.setSpeed(str(i), -1)
        self._held = braking & alive

    def _observe(self, lights: bool) -> Snapshot:
        vehicle, person = self._sumo.vehicle, self._sumo.person
        rows = []
        for name in vehicle.getIDList():
            x, y = vehicle.getPosition(name)
            rows.append((int(name), x, y, vehicle.getAngle(name), vehicle.getSpeed(name), vehicle.getSignals(name)))
        for name in person.getIDList():
            x, y = person.getPosition(name)
            rows.append((int(name), x, y, person.getAngle(name), person.getSpeed(name), 0))
        rows.sort()
        table = np.array(rows, np.float64).reshape(-1, 6)
        ids = table[:, 0].astype(np.int64)
        users = [self.users[i] for i in ids.tolist()]
        yaw = wrap_angle(np.pi / 2 - np.deg2rad(table[:, 3]))  # SUMO: clockwise from north
        # SUMO gives the front bumper of vehicles but the middle of pedestrians
        back = np.array([0.0 if u.kind is AgentClass.PEDESTRIAN else u.size[0] / 2 for u in users])
        heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        centre = table[:, 1:3] - back[:, None] * heading
        velocity = table[:, 4:5] * heading
        before, known = self.snapshot.rows(ids)
        if known.any():
            moved = np.full_like(centre, np.inf)
            moved[known] = centre[known] - self.snapshot.states[before[known], :2]
            steady = np.hypot(moved[:, 0], moved[:, 1]) < JUMP
            velocity[steady] = moved[steady] / STEP
        attributes = np.zeros((len(ids), len(Attribute)), np.uint8)
        signals = np.zeros(len(self.town.net.signal_links), np.uint8)
        if lights:
            attributes, signals = _attributes(users, table[:, 5].astype(np.int64)), self._signals()
        return Snapshot(
            time=self.snapshot.time + STEP,
            ids=ids,
            states=np.concatenate([centre, yaw[:, None], velocity], axis=1),
            attributes=attributes,
            signals=signals,
        )

    def _signals(self) -> NDArray[np.uint8]:
        links = self.town.net.signal_links
        shown = {name: self._sumo.trafficlight.getRedYellowGreenState(name) for name in sorted({n for n, _ in links})}
        states = [_SIGNAL_STATES.get(shown[name][index], SignalState.UNKNOWN) for name, index in links]
        return np.array(states, np.uint8)


def _attributes(users: list[RoadUser], bits: NDArray[np.int64]) -> NDArray[np.uint8]:
    attributes = np.zeros((len(users), len(Attribute)), np.uint8)
    motor = np.array([u.kind not in (AgentClass.PEDESTRIAN, AgentClass.BICYCLE) for u in users], bool)
    turn = np.select(
        [bits & _BLINK_BOTH > 0, bits & _BLINK_LEFT > 0, bits & _BLINK_RIGHT > 0],
        [TurnSignal.HAZARD, TurnSignal.LEFT, TurnSignal.RIGHT],
        TurnSignal.OFF,
    )
    attributes[:, Attribute.TURN_SIGNAL] = np.where(motor, turn, TurnSignal.UNKNOWN)
    attributes[:, Attribute.BRAKE_LIGHT] = np.where(
        motor, np.where(bits & _BRAKE > 0, TriState.YES, TriState.NO), TriState.UNKNOWN
    )
    attributes[:, Attribute.EMERGENCY_LIGHT] = np.where(motor, TriState.NO, TriState.UNKNOWN)
    return attributes
