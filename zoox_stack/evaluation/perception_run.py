"""Perception over the sweeps of a log, beside its ground truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.core.sensors import PointCloud
from zoox_stack.evaluation.perception_matching import match_scene, points_on
from zoox_stack.evaluation.perception_scores import PerceptionScores, score_scene
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode
from zoox_stack.perception.drivable import DrivableTile
from zoox_stack.perception.pipeline import Perception, PerceptionConfig
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.workers import Job, run_jobs

_NEEDED = (topics.LIDAR_POINTS, topics.KINEMATIC_STATE, topics.GROUND_TRUTH)


@dataclass(frozen=True, eq=False)
class LoggedSweep:
    """A sweep with everything that belongs to its stamp.

    Attributes:
        sweep: In base_link.
        ego: As the stack knows it.
        truth: Everyone, with the true ego.
        network: The map, None without one.
    """

    sweep: PointCloud
    ego: EgoState
    truth: TrackedAgents
    network: RoadNetwork | None


def logged_sweeps(bag: Path) -> Iterator[LoggedSweep]:
    """Sweeps of a bag that have ground truth of the same stamp, in order.

    Raises:
        InvalidInputError: A topic is missing, or the bag is not readable.
    """
    with BagReader(bag) as reader:
        reader.require_topics({topic.name: topic.type_name for topic in _NEEDED})
        wanted = [
            topic for topic in (*_NEEDED, topics.GROUND_TRUTH_EGO, topics.ROAD_NETWORK) if topic.name in reader.topics
        ]
        types = {topic.name: topic.type_name for topic in wanted}
        found: dict[str, object] = {}
        network: RoadNetwork | None = None
        stamp = None
        for message in reader.messages(types):
            if stamp is not None and message.stamp_ns != stamp:
                yield from _complete(found, network)
                found = {}
            stamp = message.stamp_ns
            value = decode(types[message.topic], message.data)
            if isinstance(value, RoadNetwork):
                network = value
            else:
                found[message.topic] = value
        yield from _complete(found, network)


def _complete(found: dict[str, object], network: RoadNetwork | None) -> Iterator[LoggedSweep]:
    """The sweep of an instant if nothing it needs is missing."""
    sweep, ego, truth = (found.get(topic.name) for topic in _NEEDED)
    if not (isinstance(sweep, PointCloud) and isinstance(ego, EgoState) and isinstance(truth, TrackedAgents)):
        return
    exact = found.get(topics.GROUND_TRUTH_EGO.name, truth.ego or ego)
    assert isinstance(exact, EgoState)
    yield LoggedSweep(sweep, ego, replace(truth, ego=exact), network)


def evaluate_log(
    bag: Path, config: PerceptionConfig, log: int = 0, report: Callable[[float], None] = lambda _: None
) -> PerceptionScores:
    """Run perception over a bag and judge every scene.

    Args:
        bag: With sweeps, odometry and ground truth.
        config: Of perception.
        log: Number of the log in the rows.
        report: Told the sweeps done, now and then.

    Raises:
        InvalidInputError: The bag lacks something.
    """
    perception, tile, parts = Perception(config), DrivableTile(), []
    for logged in logged_sweeps(bag):
        begin = time.perf_counter()
        tracks = perception.process_sweep(logged.sweep, logged.ego, logged.network)
        seconds = time.perf_counter() - begin
        on_road = np.zeros(len(tracks), bool)
        if logged.network is not None:
            on_road = tile.distance(logged.network, np.array([logged.ego.x, logged.ego.y]), tracks.position[:, :2]) == 0
        match = match_scene(tracks, logged.truth)
        parts.append(
            score_scene(tracks, logged.truth, match, points_on(logged.truth, logged.sweep), on_road, seconds, log)
        )
        if len(parts) % 20 == 0:
            report(float(len(parts)))
    if not parts:
        raise InvalidInputError(str(bag), "sweeps with ground truth of the same stamps", "none")
    return PerceptionScores.joined(parts)


def evaluate_logs(
    bags: list[Path], config: PerceptionConfig, jobs: int, on_progress: Callable[[float], None]
) -> dict[Path, PerceptionScores]:
    """`evaluate_log` of several bags; the same numbers, times apart, whatever `jobs` is.

    Raises:
        ZooxStackError: A bag could not be evaluated; the text names it.
    """
    work = [Job(str(bag), evaluate_log, (bag, config, number)) for number, bag in enumerate(bags)]
    results: dict[str, PerceptionScores] = {}
    for outcome in run_jobs(work, jobs, lambda _job, _done: None):
        if outcome.failure:
            raise ZooxStackError(f"{outcome.job.name}: {outcome.failure}")
        results[outcome.job.name] = outcome.result
        on_progress(len(results))
    return {bag: results[str(bag)] for bag in bags}
