"""One drive in closed loop, in lock-step and without ROS: the world waits for every decision."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import Route, Trajectory
from zoox_stack.evaluation.planning_driver import Decided, Driver
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.closed_loop import ClosedLoop
from zoox_stack.simulation.expert import expert_route
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.world import STEP

SEEN = (
    100.0  # [m] from the ego: who is farther away is neither told to planners nor counted; as in ground truth of bags
)
_REPORT_EVERY = 20  # [steps]


@dataclass(frozen=True)
class DriveSettings:
    """What all drives of a benchmark have in common.

    Attributes:
        duration: Planned [s]; the end of the route ends a drive too.
        warm_up: Traffic before the ego appears [s].
        sensors: Name of a sensor rig or path of its file, whose LiDARs are all that is seen of others; empty: they are
            known as they really are.
        supervised: The supervisor stands between the stack's planners and the vehicle.
    """

    duration: float = 60.0
    warm_up: float = 20.0
    sensors: str = ""
    supervised: bool = False


@dataclass(eq=False)
class Driven:
    """What is known of a drive when it is over.

    Attributes:
        network: The map.
        route: The way.
        scenes: Everyone near the ego as they really were, from the first instant on.
        events: What happened.
        arrived: It ended because the ego came to the end of its route.
        interventions: Times at which something else than a decision began to drive.
        takeovers: When the supervisor began to drive [ns], and why.
        latencies: Of each decision [s].
        seconds: Time that each part of the work took [s], by its name, for each decision.
        failure: Why it broke off; empty if it did not.
        mishaps: Scenes of which nothing came, because the driver failed.
        first_mishap: What it said the first time.
    """

    network: RoadNetwork
    route: Route
    scenes: list[TrackedAgents] = field(default_factory=list)
    events: list[SimulationEvent] = field(default_factory=list)
    arrived: bool = False
    interventions: int = 0
    takeovers: list[tuple[int, str]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    failure: str = ""
    mishaps: int = 0
    first_mishap: str = ""

    @property
    def egos(self) -> list[EgoState]:
        """The true states of the ego."""
        return [scene.ego for scene in self.scenes if scene.ego is not None]


def drive(
    town_name: str,
    seed: int,
    driver: Driver,
    settings: DriveSettings,
    folder: Path,
    report: Callable[[float], None] = lambda _: None,
    watch: Callable[[ClosedLoop, TrackedAgents | None, Decided | None], None] | None = None,
) -> Driven:
    """Drive once; the same arguments give the same drive.

    Args:
        town_name: Name of a town or path of a town file.
        seed: Of town, traffic, route and sensor noise.
        driver: Who decides.
        settings: How long, and what is seen.
        folder: Where SUMO's files go.
        report: Told the seconds driven, now and then.
        watch: Shown the loop, what the driver saw (None: no sweep ended) and what it decided (None if it failed),
            before each step.

    Raises:
        ConfigurationError: Unknown town or rig, or SUMO is not installed.
        InvalidInputError: The town has no route.
        ZooxStackError: The drive could not begin.
    """
    town = build_town(town_name, seed, folder)
    network = town.net.network
    edges = expert_route(town, seed, settings.duration)
    loop = ClosedLoop(town, seed, folder, duration=settings.duration, warm_up=settings.warm_up, edges=edges)
    see = _senses(settings, loop, seed)
    driven = Driven(network, loop.route)
    driver.begin(network, loop.route)
    trajectory: Trajectory | None = None
    with loop:
        driven.scenes.append(near(loop.scene))
        try:
            for step in range(1, round(settings.duration / STEP) + 1):
                seen = see(loop.scene)
                decided = None if seen is None else _decide(driver, loop, seen, driven)
                if watch is not None:
                    watch(loop, seen, decided)
                if decided is not None:
                    began = trajectory is None or trajectory.source == TrajectorySource.DECISION
                    trajectory = decided.trajectory
                    began &= trajectory.source != TrajectorySource.DECISION
                    driven.interventions += began
                    if began and decided.taken_over:
                        driven.takeovers.append((loop.scene.stamp_ns, decided.taken_over))
                driven.events += loop.step(trajectory)
                driven.scenes.append(near(loop.scene))
                if step % _REPORT_EVERY == 0:
                    report(step * STEP)
                if loop.finished:
                    driven.arrived = True
                    break
        except ZooxStackError as error:
            driven.failure = str(error)
        driven.events += loop.finish()
    return driven


def near(scene: TrackedAgents) -> TrackedAgents:
    """Who is within `SEEN` of the ego."""
    assert scene.ego is not None
    return scene.take(np.flatnonzero(np.hypot(*(scene.position[:, :2] - scene.ego.centre).T) <= SEEN))


def _decide(driver: Driver, loop: ClosedLoop, seen: TrackedAgents, driven: Driven) -> Decided | None:
    """As in the planner's node: whatever fails costs this scene, not the drive."""
    try:
        decided = driver.decide(seen, loop.signals)
    except Exception as error:  # noqa: BLE001 - a drive is judged by what comes of it
        driven.mishaps += 1
        if not driven.first_mishap:
            place = traceback.extract_tb(error.__traceback__)[-1]
            driven.first_mishap = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        return None
    driven.latencies.append(decided.latency)
    for name in (*driven.seconds, *decided.seconds):
        known = driven.seconds.setdefault(name, [])
        known += [0.0] * (len(driven.latencies) - len(known))
        known[-1] = decided.seconds.get(name, 0.0)
    return decided


def _senses(settings: DriveSettings, loop: ClosedLoop, seed: int) -> Callable[[TrackedAgents], TrackedAgents | None]:
    """What makes of the true scene the one that the driver sees; None where no sweep ends."""
    if not settings.sensors:
        return near
    # Open3D and its scenes take a second to load, which drives without sensors save.
    from zoox_stack.perception.pipeline import Perception
    from zoox_stack.simulation.sensors.rig import load_sensor_rig
    from zoox_stack.simulation.sensors.simulated import SimulatedSensors

    rig = load_sensor_rig(settings.sensors)
    rig.check_rates(1 / STEP)
    rig = replace(rig, radars=(), cameras=())  # nothing of the stack looks at them
    network = loop.town.net.network
    sensors, perception = SimulatedSensors(rig, network, seed, loop.town.definition.terrain), Perception()

    def sense(scene: TrackedAgents) -> TrackedAgents | None:
        frame = sensors.observe(scene)
        return None if frame.lidar is None else perception.process_sweep(frame.lidar.cloud, frame.ego, network)

    return sense
