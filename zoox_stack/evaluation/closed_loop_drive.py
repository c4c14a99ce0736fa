"""One finished drive in closed loop, as the data that it is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import Route
from zoox_stack.core.validation import checked_array
from zoox_stack.evaluation.closed_loop_route import follow_route
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.traffic_recording import EGO_ID, TrafficRecording
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline

LEAST_STEPS = 15  # the longest filter of the comfort bounds
_UNEVEN = 0.1  # share by which steps of time may differ
_PLANNER = "planner"  # the stage whose latency is that of decisions
_MOTION = ("x", "y", "yaw", "speed", "lateral_velocity", "acceleration", "yaw_rate", "station")


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """How one vehicle drove: poses of the rear axle in the map frame; T instants, arrays ``[T]``.

    Attributes:
        stamps_ns: int64, rising by steps of equal length [ns].
        x: [m].
        y: [m].
        yaw: [rad].
        speed: [m/s] along the heading.
        lateral_velocity: [m/s] to the left.
        acceleration: [m/s^2] along the heading.
        yaw_rate: [rad/s].
        station: Place along the route [m]; 0 without one.
        length: Of the box [m].
        width: Of the box [m].
        rear_axle_to_centre: [m] forward.
    """

    stamps_ns: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    lateral_velocity: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]
    station: NDArray[np.float64]
    length: float
    width: float
    rear_axle_to_centre: float

    def __post_init__(self) -> None:
        stamps = checked_array("EgoMotion.stamps_ns", self.stamps_ns, np.int64, (None,))
        object.__setattr__(self, "stamps_ns", stamps)
        for name in _MOTION:
            array = checked_array(f"EgoMotion.{name}", getattr(self, name), np.float64, (len(stamps),))
            object.__setattr__(self, name, array)
        if not len(stamps):
            raise InvalidInputError("EgoMotion", "at least one instant", "none")
        steps = np.diff(stamps)
        if len(steps) and not (steps.min() > 0 and np.ptp(steps) <= _UNEVEN * steps.mean()):
            found = f"{steps.min() * 1e-9:.3f} to {steps.max() * 1e-9:.3f} s"
            raise InvalidInputError("EgoMotion.stamps_ns", "steps of equal length", found)

    @classmethod
    def from_states(cls, states: Iterable[EgoState], line: Polyline | None) -> EgoMotion:
        """From states in the order of time, placed along the line of a route.

        Raises:
            InvalidInputError: No state, or steps of different lengths.
        """
        known = list(states)
        if not known:
            raise InvalidInputError("EgoMotion", "at least one instant", "none")
        columns = {name: np.array([getattr(state, name) for state in known]) for name in _MOTION[:-1]}
        poses = np.column_stack([columns["x"], columns["y"], columns["yaw"]])
        station = np.zeros(len(known)) if line is None else follow_route(line, poses)
        first = known[0]
        stamps = np.array([state.stamp_ns for state in known], np.int64)
        return cls(
            stamps, **columns, station=station, length=first.length, width=first.width,
            rear_axle_to_centre=first.rear_axle_to_centre,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def step(self) -> float:
        """Time from one instant to the next [s]; NaN for a single one."""
        return float(np.diff(self.stamps_ns).mean() * 1e-9) if len(self) > 1 else float("nan")

    @property
    def centre(self) -> NDArray[np.float64]:
        """Middle of the box, ``[T, 2]`` [m]."""
        reach = self.rear_axle_to_centre
        return np.column_stack([self.x + reach * np.cos(self.yaw), self.y + reach * np.sin(self.yaw)])

    def part(self, first: int, end: int, stamp_ns: int | None = None) -> EgoMotion:
        """The instants from `first` up to, not including, `end`; if given, its first stamp becomes `stamp_ns`."""
        rows = slice(first, end)
        shift = 0 if stamp_ns is None else stamp_ns - int(self.stamps_ns[first])
        columns = {name: getattr(self, name)[rows] for name in _MOTION}
        return replace(self, stamps_ns=self.stamps_ns[rows] + shift, **columns)


@dataclass(frozen=True, eq=False)
class ClosedLoopDrive:
    """A drive of one planner, and how a human drove the same route in the same traffic.

    Attributes:
        town: Where.
        seed: Of traffic and route.
        planner: Who decided.
        duration: Planned [s]; the drive may have ended earlier.
        arrived: It ended because the ego came to the end of its route.
        ego: How it drove; at least `LEAST_STEPS` instants.
        expert: How SUMO's own driver drove on the same town, seed and route.
        traffic: Everyone else at the instants of the ego, as they really were.
        network: The map.
        route: The way; None: nothing is known of progress.
        events: What happened, from `EventDetector`.
        interventions: Times at which something else than the planner's decision began to drive.
        latencies: float64 ``[K]`` time each decision took [s].
    """

    town: str
    seed: int
    planner: str
    duration: float
    arrived: bool
    ego: EgoMotion
    expert: EgoMotion
    traffic: TrafficRecording
    network: RoadNetwork
    route: Route | None
    events: tuple[SimulationEvent, ...] = ()
    interventions: int = 0
    latencies: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        latencies = checked_array("ClosedLoopDrive.latencies", self.latencies, np.float64, (None,), low=0)
        object.__setattr__(self, "latencies", latencies)
        if len(self.ego) < LEAST_STEPS:
            raise InvalidInputError("ClosedLoopDrive.ego", f"at least {LEAST_STEPS} instants", str(len(self.ego)))
        if not np.array_equal(self.traffic.stamps_ns, self.ego.stamps_ns):
            raise InvalidInputError("ClosedLoopDrive.traffic", "the instants of the ego", "others")
        ego, expert = self.ego.stamps_ns, self.expert.stamps_ns
        if expert[0] > ego[-1] or expert[-1] < ego[0]:
            found = f"{(expert[0] - ego[0]) * 1e-9:.1f} to {(expert[-1] - ego[0]) * 1e-9:.1f} s after its start"
            raise InvalidInputError("ClosedLoopDrive.expert", "instants in the time of the ego", found)
        if not len(self.network.lane_ids):
            raise InvalidInputError("ClosedLoopDrive.network", "a map with lanes", "none")
        if not (np.isfinite(self.duration) and self.duration > 0):
            raise InvalidInputError("ClosedLoopDrive.duration", "> 0 s", str(self.duration))

    def part(self, first: int, end: int) -> ClosedLoopDrive:
        """The instants from `first` up to, not including, `end`, as a drive of its own.

        The expert begins with the instant at which it comes to the place where the part begins; if it never does, it
        stands at the end of its drive.
        """
        ego = self.ego.part(first, end)
        begin, last = int(ego.stamps_ns[0]), int(ego.stamps_ns[-1])
        entry = int(np.searchsorted(np.maximum.accumulate(self.expert.station), ego.station[0]))
        expert = self.expert.part(min(entry, len(self.expert) - 1), len(self.expert), begin)
        traffic = self.traffic
        rows = (traffic.step >= first) & (traffic.step < end)
        return replace(
            self,
            duration=(last - begin) * 1e-9,
            arrived=False,
            ego=ego,
            expert=expert,
            traffic=replace(
                traffic, stamps_ns=ego.stamps_ns, agent=traffic.agent[rows], step=traffic.step[rows] - first,
                states=traffic.states[rows], signal_states=None,
            ),
            events=tuple(event for event in self.events if begin <= event.stamp_ns <= last),
        )  # fmt: skip


@dataclass(frozen=True)
class DriveName:
    """Which drive it is; fields as in `ClosedLoopDrive`."""

    town: str
    seed: int
    planner: str
    duration: float
    arrived: bool


def drive_of_scenes(
    name: DriveName,
    scenes: Sequence[TrackedAgents],
    expert: Sequence[EgoState],
    network: RoadNetwork,
    route: Route | None,
    events: Iterable[SimulationEvent],
    *,
    interventions: int = 0,
    latencies: NDArray[np.float64] | None = None,
) -> ClosedLoopDrive:
    """From the true scenes of a drive, each with the ego.

    Args:
        name: Which drive.
        scenes: Everyone with the ego, in the order of time.
        expert: The ego as SUMO's own driver drove it, in the order of time.
        network: The map.
        route: The way.
        events: What happened.
        interventions: As in `ClosedLoopDrive`.
        latencies: As in `ClosedLoopDrive`.

    Raises:
        InvalidInputError: A scene without ego, too few of them, or one is missing in between.
    """
    egos = [scene.ego for scene in scenes if scene.ego is not None]
    if len(egos) != len(scenes):
        raise InvalidInputError("scenes of a drive", "the ego in each", f"{len(scenes) - len(egos)} without")
    line = None if route is None else Polyline.from_points(route.points)
    return ClosedLoopDrive(
        **{f.name: getattr(name, f.name) for f in fields(name)},
        ego=EgoMotion.from_states(egos, line),
        expert=EgoMotion.from_states(expert, line),
        traffic=_others(TrafficRecording.from_scenes(name.town, scenes, network)),
        network=network,
        route=route,
        events=tuple(events),
        interventions=interventions,
        latencies=np.zeros(0) if latencies is None else latencies,
    )


def drive_of_run(name: DriveName, run: RecordedRun, expert: Sequence[EgoState]) -> ClosedLoopDrive:
    """From a recording of the stack in the simulator; instants count at which both the ego and the others are known.

    Raises:
        InvalidInputError: The recording lacks map, ground truth or instants in between.
    """
    if run.network is None:
        raise InvalidInputError(f"drive {name.town} {name.seed}", "a road network in the recording", "none")
    true = {ego.stamp_ns: ego for ego in run.true_egos}
    scenes = [replace(scene, ego=true[scene.stamp_ns]) for scene in run.labels if scene.stamp_ns in true]
    trajectories = [run.trajectories[stamp] for stamp in sorted(run.trajectories)]
    decided = np.array([trajectory.source == TrajectorySource.DECISION for trajectory in trajectories], bool)
    taken_over = ~decided & np.concatenate([[True], decided[:-1]])[: len(decided)]
    latencies = np.array([tick.latency for tick in run.timing if tick.stage == _PLANNER])
    return drive_of_scenes(
        name, scenes, expert, run.network, run.route, run.events,
        interventions=int(taken_over.sum()), latencies=latencies,
    )  # fmt: skip


def _others(traffic: TrafficRecording) -> TrafficRecording:
    """Without the ego."""
    rows = traffic.ids[traffic.agent] != EGO_ID
    states = traffic.states[rows].reshape(-1, len(HistoryColumn))
    return replace(traffic, agent=traffic.agent[rows], step=traffic.step[rows], states=states)
