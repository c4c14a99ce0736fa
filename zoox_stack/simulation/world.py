"""A running SUMO simulation in this process (libsumo), with those moved by scripts. One at a time per process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass, Attribute
from zoox_stack.core.errors import ConfigurationError, ZooxStackError
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.actors.drivers import Drivers
from zoox_stack.simulation.actors.scripts import Scripts
from zoox_stack.simulation.actors.stand_offs import StandOffs
from zoox_stack.simulation.actors.traffic_view import TrafficView
from zoox_stack.simulation.actors.walkers import Walkers, beside_vehicles
from zoox_stack.simulation.continuity import JUMP, Continuity
from zoox_stack.simulation.demand import DemandConfig, write_demand
from zoox_stack.simulation.observation import Cast, Roster, SignalReader, numbers, read_poses, read_speeds
from zoox_stack.simulation.population import EGO_ID, FIRST_SCRIPTED, RoadUser
from zoox_stack.simulation.towns import Town

__all__ = ["EGO_ID", "JUMP", "STEP", "Snapshot", "TrafficStatistics", "TrafficWorld", "load_libsumo"]
STEP = 0.1  # [s]
_HALTED = 0.1  # [m/s]


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


@dataclass(frozen=True)
class TrafficStatistics:
    """How the traffic has gone so far.

    Attributes:
        time: [s] since the start.
        vehicles: Moved by SUMO now.
        pedestrians: Now, scripted ones too.
        scripted: Moved by scripts now; parked cars are among them.
        halted: Vehicles of SUMO's that stand now.
        put_elsewhere: Road users that SUMO moved by more than `JUMP` in one step so far; they were taken out.
        collisions: Pairs of vehicles that SUMO found colliding so far.
    """

    time: float
    vehicles: int
    pedestrians: int
    scripted: int
    halted: int
    put_elsewhere: int
    collisions: int


_NOBODY = TrafficView(0.0, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)))


class TrafficWorld:
    """Traffic in a town, stepped by 0.1 s. Use as a context manager.

    SUMO moves vehicles and pedestrians, scripts of our own move jaywalkers, animals, parked cars and those who walk
    along with somebody (`zoox_stack.simulation.actors`). What is seen of all is smooth (`continuity`).

    Args:
        town: Where.
        config: How busy.
        seed: Of demand and drivers; the same seed gives the same traffic.
        folder: Where the route file goes.

    Attributes:
        users: Who is who, by id.
        snapshot: Everyone now.
        controlled: Vehicles driven from outside: they do not brake for anybody by themselves.
        asked: Speeds [m/s] asked of vehicles by id, whose drivers drive no faster, but slower where they have to.

    Raises:
        ConfigurationError: SUMO is not installed or refuses its input.
        InvalidInputError: The town does not allow any trip.
    """

    def __init__(self, town: Town, config: DemandConfig, seed: int, folder: Path) -> None:
        self.town, self.config, self.seed = town, config, seed
        self._sumo = load_libsumo()
        folder.mkdir(parents=True, exist_ok=True)
        self._routes = folder / f"{town.name}_{seed}.rou.xml"
        demand = write_demand(town, config, seed, self._routes)
        self.users: dict[int, RoadUser] = dict(demand.users)
        nobody = np.zeros(0, np.int64), np.zeros((0, len(HistoryColumn))), np.zeros((0, len(Attribute)), np.uint8)
        self.snapshot = Snapshot(0.0, *nobody, np.zeros(len(town.net.signal_links), np.uint8))
        self.controlled: set[int] = set()
        self.asked: dict[int, float] = {}
        self._roster, self._signals = Roster(self.users), SignalReader(town.net.signal_links)
        self._scripts, self._drivers, self._continuity = (
            Scripts(demand, town.net.network, STEP),
            Drivers(STEP),
            Continuity(STEP),
        )
        self._walkers, self._stand_offs, self._view = Walkers(), StandOffs(STEP), _NOBODY
        self._cast = Cast.of(self._roster, (), (), np.zeros(0, np.int64))
        self._steered: dict[int, tuple[float, float, float]] = {}  # x, y, yaw of front bumpers
        self._steps = 0
        self._put_elsewhere: set[int] = set()
        self._collisions: set[tuple[str, str]] = set()

    def __enter__(self) -> TrafficWorld:
        stops = [] if self.town.additional_path is None else ["--additional-files", str(self.town.additional_path)]
        try:
            self._sumo.start([
                "sumo", "--net-file", str(self.town.net_path), "--route-files", str(self._routes), *stops,
                "--step-length", str(STEP), "--seed", str(self.seed % 2**31), "--lateral-resolution", "0.8",
                "--time-to-teleport", "-1", "--time-to-impatience", "60",
                "--collision.action", "warn", "--intermodal-collision.action", "none",
                "--ignore-route-errors", "--max-depart-delay", "8", "--no-step-log", "--no-warnings",
                "--duration-log.disable", "--xml-validation", "never", "--pedestrian.striping.jamtime", "30",
            ])  # fmt: skip
        except (self._sumo.TraCIException, self._sumo.FatalTraCIError) as error:
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
        """Advance by 0.1 s; without `lights`, attributes and signals of the snapshot are zero (faster).

        Raises:
            ZooxStackError: SUMO ended or refused a command.
            InvalidInputError: SUMO moves somebody who is not in `users`.
        """
        with self._failures():
            self._react()
            self._sumo.simulationStep()
            self._turn_away()
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

        Raises:
            ZooxStackError: SUMO ended or has no such vehicle.
        """
        self.controlled.add(identity)
        reach = self.users[identity].size[0] / 2
        name, angle = str(identity), 90.0 - np.rad2deg(yaw)
        front = float(x + reach * np.cos(yaw)), float(y + reach * np.sin(yaw))
        with self._failures():
            self.vehicle.moveToXY(name, "", -1, *front, angle=float(angle % 360), keepRoute=2)
            self.vehicle.setSpeed(name, max(0.0, speed))
        self._steered[identity] = (*front, float(yaw))

    def insert(self, user: RoadUser, edges: Sequence[str], position: float, speed: float) -> None:
        """Add a car now; it is there after the next step.

        Args:
            user: Who; its id must be new.
            edges: Its route.
            position: Of its front bumper on the first edge [m].
            speed: [m/s].

        Raises:
            ZooxStackError: SUMO ended or refuses the car or its route.
        """
        name = str(user.id)
        length, width, height = user.size
        with self._failures():
            self._sumo.vehicletype.copy("DEFAULT_VEHTYPE", f"t{name}")
            self._sumo.vehicletype.setLength(f"t{name}", length)
            self._sumo.vehicletype.setWidth(f"t{name}", width)
            self._sumo.vehicletype.setHeight(f"t{name}", height)
            self._sumo.route.add(f"r{name}", list(edges))
            self.vehicle.add(
                name, f"r{name}", typeID=f"t{name}", departLane="best", departPos=f"{position:.2f}",
                departSpeed=f"{speed:.2f}",
            )  # fmt: skip
        self.users[user.id] = user

    def arrived(self, identity: int) -> bool:
        """Whether a vehicle came to the end of its route in the last step, and so has left."""
        with self._failures():  # SUMO also lists those whom we have taken out
            return identity not in self._put_elsewhere and str(identity) in self._sumo.simulation.getArrivedIDList()

    def run(self, seconds: float) -> Snapshot:
        """Advance by about `seconds`."""
        for _ in range(round(seconds / STEP)):
            self.step()
        return self.snapshot

    def statistics(self) -> TrafficStatistics:
        """How the traffic has gone so far."""
        view, now = self._view, self.snapshot
        kinds = self._roster.kinds[self._roster.rows(now.ids)]
        return TrafficStatistics(
            time=now.time,
            vehicles=len(view.ids),
            pedestrians=int((kinds == AgentClass.PEDESTRIAN).sum()),
            scripted=int((now.ids >= FIRST_SCRIPTED).sum() - (view.ids >= FIRST_SCRIPTED).sum()),
            halted=int((np.hypot(view.velocity[:, 0], view.velocity[:, 1]) < _HALTED).sum()),
            put_elsewhere=len(self._put_elsewhere),
            collisions=len(self._collisions),
        )

    def deviations(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far SUMO's vehicles ``[V]`` and pedestrians ``[P]`` are shown from where SUMO has them [m]."""
        cast, count = self._cast, len(self._cast.vehicles)
        xy, yaw = read_poses(self.vehicle, self._sumo.person, cast.vehicles, cast.people)
        rows = np.argsort(cast.order)[: len(xy)]
        middle = xy - cast.bodies.to_middle[rows, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        off = np.hypot(*(self.snapshot.states[rows, : HistoryColumn.YAW] - middle).T)
        return off[:count], off[count:]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """SUMO's errors become ours, which say when and where."""
        try:
            yield
        except (self._sumo.TraCIException, self._sumo.FatalTraCIError) as error:
            raise ZooxStackError(
                f"SUMO failed in town {self.town.name} with seed {self.seed} at {self._steps * STEP:.1f} s: "
                f"{str(error).rstrip('.')}. "
                "What was recorded so far is whole; go on with another seed, or repeat this one to look into it."
            ) from error

    def _react(self) -> None:
        """Let drivers and scripts decide what to do in the next step."""
        now, cast = self.snapshot, self._cast
        obstacles = self._scripts.obstacles(now.time, now.ids[cast.on_foot], now.states[cast.on_foot])
        self._drivers.step(self._view, cast.temper, obstacles, self.vehicle, self.controlled, self.asked)
        self._scripts.step(self._view, self.vehicle)
        self._stand_offs.step(self._view, self.vehicle, self._sumo.lane, self.controlled)
        self._walkers.step(self._view, cast.people, now.states[cast.walker_rows], self._sumo.person)

    def _observe(self, lights: bool) -> Snapshot:
        """Everyone now: SUMO's and ours, made smooth."""
        time, before, person = self._steps * STEP, self.snapshot, self._sumo.person
        vehicles, people = self.vehicle.getIDList(), person.getIDList()
        driving = self._cast.driving if vehicles == self._cast.vehicles else frozenset(numbers(vehicles))
        scripted, poses = self._scripts.poses(time, driving, before.ids, before.states)
        cast, nothing = self._present(vehicles, people, scripted), np.zeros(len(scripted))
        xy, yaw = read_poses(self.vehicle, person, vehicles, people)
        waits = [row for row, name in enumerate(people, len(vehicles)) if _waits(person, name)]
        xy[waits] = self._scripts.ground.beside_road(xy[waits])
        speed = np.zeros(len(cast.ids))
        if cast is not self._cast:  # only of newcomers
            speed = np.concatenate([read_speeds(self.vehicle, person, vehicles, people), nothing])[cast.order]
        given = np.concatenate([xy, poses[:, :2]])[cast.order]
        given[cast.on_foot] = beside_vehicles(given[cast.on_foot], self._view, STEP)
        yaw, exact = np.concatenate([yaw, poses[:, 2]])[cast.order], cast.exact
        if self._steered:
            exact = exact.copy()
            for identity in self._steered.keys() & driving:
                row = int(np.searchsorted(cast.ids, identity))
                given[row], yaw[row], exact[row] = self._steered[identity][:2], self._steered[identity][2], True
            self._steered.clear()
        states, jumped = self._continuity.follow(cast.ids, given, yaw, speed, cast.bodies, exact)
        jumped &= ~exact & (cast.ids < FIRST_SCRIPTED) & cast.by_sumo
        if jumped.any():
            self._take_out(cast.ids[jumped].tolist(), driving)
            cast, states = cast.without(jumped), states[~jumped]
        self._cast = cast
        self._collisions.update((c.collider, c.victim) for c in self._sumo.simulation.getCollisions())
        self._look(time, cast, states)
        attributes = np.zeros((len(cast.ids), len(Attribute)), np.uint8)
        signals = np.zeros(len(self.town.net.signal_links), np.uint8)
        if lights:
            attributes, signals = cast.lights(self.vehicle), self._signals.read(self._sumo.trafficlight)
            for identity, attribute, value in self._scripts.attributes(time):
                row = int(np.searchsorted(cast.ids, identity))
                if row < len(cast.ids) and cast.ids[row] == identity:
                    attributes[row, attribute] = value
        return Snapshot(time, cast.ids, states, attributes, signals)

    def _present(self, vehicles: tuple[str, ...], people: tuple[str, ...], scripted: NDArray[np.int64]) -> Cast:
        """Those of these names and ids; the same object as before while nobody comes or goes."""
        if len(self._roster) != len(self.users):
            self._roster = Roster(self.users)
        if self._cast.same(self._roster, vehicles, people, scripted):
            return self._cast
        return Cast.of(self._roster, vehicles, people, scripted)

    def _turn_away(self) -> None:
        """Keep vehicles out that have no way to their goal (bicycles, where a street bars them): they would block."""
        for name in self._sumo.simulation.getDepartedIDList():
            if not self.vehicle.isRouteValid(name):
                self.vehicle.remove(name)

    def _look(self, time: float, cast: Cast, states: NDArray[np.float64]) -> None:
        """Keep what drivers and scripts see when they decide the next time."""
        seen = states[cast.vehicle_rows]
        yaw, velocity = seen[:, HistoryColumn.YAW], seen[:, HistoryColumn.VX :]
        self._view = TrafficView(time, cast.vehicle_ids, seen[:, :2], yaw, velocity, cast.vehicle_sizes)

    def _take_out(self, ids: list[int], driving: frozenset[int]) -> None:
        """Let those leave whom SUMO has put elsewhere."""
        self._put_elsewhere.update(ids)
        for identity in ids:
            (self._sumo.vehicle if identity in driving else self._sumo.person).remove(str(identity))


def _waits(person: Any, name: str) -> bool:
    """Whether somebody is on a walking area or waits to leave it: there SUMO lets people stand where vehicles turn."""
    edge = person.getRoadID(name)
    if not edge.startswith(":"):
        return False
    return edge.rsplit("_", 1)[1].startswith("w") or person.getSpeed(name) < _HALTED
