"""Made-up drives on a straight road of two lanes along +x; lane 0 is y = 0, lane 1 is y = 3.5, 13.9 m/s allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, Blame, EventKind
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import Route
from zoox_stack.evaluation.closed_loop_drive import ClosedLoopDrive, DriveName, drive_of_scenes
from zoox_stack.evaluation.closed_loop_map import DriveMap
from zoox_stack.evaluation.closed_loop_score import ClosedLoopScore, Measures, ScoredDrive
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork

STEP = 0.1  # [s]
STEPS = 51
SIZE = (4.5, 1.8, 1.5)


@dataclass(frozen=True)
class Other:
    """Somebody who drives straight on; position of the middle at the first instant."""

    x: float
    y: float
    yaw: float = 0.0
    speed: float = 0.0
    kind: AgentClass = AgentClass.CAR
    id: int = 7


def straight(speed: float = 10.0, steps: int = STEPS, x: float = 10.0, y: float = 0.0) -> list[EgoState]:
    """An ego at constant speed along lane 0."""
    return [EgoState(stamp(k), x + k * STEP * speed, y, speed=speed) for k in range(steps)]


def stamp(step: int) -> int:
    """[ns]."""
    return step * 100_000_000


def collision(step: int, blame: Blame, kind: AgentClass = AgentClass.CAR, agent: int = 7) -> SimulationEvent:
    return SimulationEvent(stamp(step), EventKind.COLLISION, blame, 0.0, 0.0, 3.0, "", agent, kind)


def make_drive(
    egos: Sequence[EgoState] | None = None,
    *,
    others: Sequence[Other] = (),
    expert: Sequence[EgoState] | None = None,
    events: Sequence[SimulationEvent] = (),
    network: RoadNetwork | None = None,
    route: Any = "lane 0",
    duration: float | None = None,
    arrived: bool = False,
    planner: str = "what_if",
    town: str = "road",
    seed: int = 1,
    **more: Any,
) -> ClosedLoopDrive:
    egos = straight() if egos is None else egos
    network = straight_road(lanes=2, length=400.0) if network is None else network
    if isinstance(route, str):
        points = np.column_stack([np.linspace(0.0, 400.0, 401), np.zeros((401, 2))])
        route = Route(0, points, np.array([0, 100, 200, 300]))
    scenes = []
    for k, ego in enumerate(egos):
        table = np.array([[o.x, o.y, o.yaw, o.speed] for o in others]).reshape(-1, 4)
        heading = np.column_stack([np.cos(table[:, 2]), np.sin(table[:, 2])])
        velocity = heading * table[:, 3:]
        scenes.append(
            TrackedAgents.from_states(
                ego.stamp_ns,
                np.array([o.id for o in others], np.int64),
                np.array([o.kind for o in others], np.uint8),
                np.column_stack([table[:, :2] + k * STEP * velocity, np.full(len(others), 0.75)]),
                table[:, 2],
                velocity,
                np.tile(SIZE, (len(others), 1)),
                ego=ego,
            )
        )
    planned = (len(egos) - 1) * STEP if duration is None else duration
    name = DriveName(town, seed, planner, planned, arrived)
    return drive_of_scenes(name, scenes, egos if expert is None else expert, network, route, events, **more)


def scene_of(ego: EgoState, traffic: TrafficRecording, rows: np.ndarray) -> TrackedAgents:
    """Rows of a recording as a scene of the simulator."""
    agent, states = traffic.agent[rows], traffic.states[rows]
    place = np.column_stack([states[:, :2], np.zeros(len(states))])
    return TrackedAgents.from_states(
        ego.stamp_ns, traffic.ids[agent], traffic.classes[agent], place, states[:, 2], states[:, 3:],
        traffic.sizes[agent], ego=ego,
    )  # fmt: skip


@dataclass(frozen=True)
class Tools:
    """What the tests make drives with."""

    drive: Callable[..., ClosedLoopDrive] = make_drive
    straight: Callable[..., list[EgoState]] = straight
    collision: Callable[..., SimulationEvent] = collision
    other: type[Other] = Other
    stamp: Callable[[int], int] = stamp
    scene: Callable[..., TrackedAgents] = scene_of


@pytest.fixture(scope="session")
def make() -> Tools:
    return Tools()


@pytest.fixture(scope="session")
def road() -> DriveMap:
    return DriveMap(straight_road(lanes=2, length=400.0))


@pytest.fixture(scope="session")
def scored() -> Callable[..., ScoredDrive]:
    """A drive that is perfect but for what is given; 100 m driven of 100 m times its progress."""

    def make(
        planner: str, town: str, seed: int, *, progress: float = 1.0, latencies_ms: tuple[float, ...] = ()
    ) -> ScoredDrive:
        return ScoredDrive(
            town,
            seed,
            planner,
            60.0,
            ClosedLoopScore(1.0, 1.0, 1.0, 1.0, 1.0, progress, 1.0, 1.0),
            Measures(0.0, 0.0, 100.0 * progress, 100.0, float("inf"), 0.0, ()),
            (),
            {kind.name.lower(): 0 for kind in EventKind},
            0,
            latencies_ms,
            (),
        )

    return make
