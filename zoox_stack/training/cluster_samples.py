"""Clusters of simulated sweeps with what they are: what the classifier of clusters learns from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.perception.cluster_features import Feature, cluster_features
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.detector import Detector, Segments

WHOLE = 0.7  # least share of a road user's points, and of the cluster's own, of a cluster that is the road user
PART = 0.5  # with a smaller one it is none, or not a whole one; clusters in between teach nothing
_ABOUT_BEST = 0.9  # of the best cluster of a road user: as good as that one
_EVERY = 8  # [steps] from one sweep to the next
_WARM_UP = 20.0  # [s]


@dataclass(frozen=True, eq=False)
class ClusterSamples:
    """N clusters.

    Attributes:
        features: float32 ``[N, 29]``, columns `Feature`.
        labels: int64 ``[N]`` `AgentClass`; UNKNOWN: no road user, a part of one, or several.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: list[ClusterSamples]) -> ClusterSamples:
        """Of several parts together."""
        none = cls(np.zeros((0, len(Feature)), np.float32), np.zeros(0, np.int64))
        return cls(
            np.concatenate([part.features for part in (none, *parts)]),
            np.concatenate([part.labels for part in (none, *parts)]),
        )


@dataclass(frozen=True)
class SampleDrive:
    """A drive whose sweeps are taken.

    Attributes:
        town: Its name.
        seed: Of town, traffic, route and noise.
        rig: Sensor rig.
        seconds: How long.
    """

    town: str
    seed: int
    rig: str
    seconds: float = 20.0


def samples_of_drive(task: SampleDrive, report: Callable[[float], None]) -> ClusterSamples:
    """Drive as SUMO's own driver does, measure every second, cluster, and say what each cluster is.

    Raises:
        ZooxStackError: No such town or rig, or SUMO failed.
    """
    from zoox_stack.road_network.queries import LaneIndex
    from zoox_stack.simulation.ego_start import SPARE
    from zoox_stack.simulation.expert import expert_route, expert_steps, insert_expert
    from zoox_stack.simulation.ground_truth import GroundTruth
    from zoox_stack.simulation.lane_route import lane_route
    from zoox_stack.simulation.sensors.rig import load_sensor_rig
    from zoox_stack.simulation.sensors.simulated import SimulatedSensors
    from zoox_stack.simulation.towns import build_town
    from zoox_stack.simulation.world import STEP, TrafficWorld

    parts = []
    with tempfile.TemporaryDirectory() as folder:
        town = build_town(task.town, task.seed, Path(folder))
        network = town.net.network
        edges = expert_route(town, task.seed, task.seconds + SPARE)
        first = LaneIndex(network).lines[lane_route(town.net, edges)[0]]
        rig = replace(load_sensor_rig(task.rig), radars=(), cameras=())
        sensors = SimulatedSensors(rig, network, task.seed, town.definition.terrain)
        detector = Detector(PerceptionConfig(classifier="size"))  # the classes it says are not looked at
        demand = replace(town.demand, duration=_WARM_UP + task.seconds + SPARE)
        with TrafficWorld(town, demand, task.seed, Path(folder)) as world:
            world.run(_WARM_UP)
            insert_expert(world, edges, first)
            truth = GroundTruth(world)
            for number, step in enumerate(expert_steps(world, round(task.seconds / STEP))):
                if number % _EVERY:
                    continue
                frame = sensors.observe(truth.scene(step.snapshot, step.ego))
                if frame.lidar is None:
                    continue
                segments = detector.segment(frame.lidar.cloud, frame.ego)
                parts.append(labelled(segments, frame.lidar.agent_rows, frame.truth, detector.config))
                report(number * STEP)
    return ClusterSamples.joined(parts)


def labelled(
    segments: Segments, agent_rows: NDArray[np.int32], truth: TrackedAgents, config: PerceptionConfig
) -> ClusterSamples:
    """Clusters of all levels with what they are; those of which that is not clear are left out.

    Args:
        segments: Of a sweep.
        agent_rows: ``[P]`` row of the road user that each point of the sweep lies on, -1: none.
        truth: The road users.
        config: Of the detector.
    """
    s, clusters = segments, segments.tree.clusters
    who = agent_rows[s.rows]
    counts = np.zeros((len(clusters), len(truth) + 1))
    np.add.at(counts, (clusters.rows(), who[clusters.order]), 1)  # those of nobody go into the last column
    total = np.maximum(np.bincount(who[who >= 0], minlength=len(truth)), 1)
    match = np.minimum(counts[:, :-1] / total, counts[:, :-1] / np.maximum(clusters.counts, 1)[:, None])
    if len(truth) == 0 or len(clusters) == 0:
        match = np.zeros((len(clusters), 1))
    best = match.max(axis=0, initial=0.0)
    agent = match.argmax(axis=1)
    here = match[np.arange(len(clusters)), agent]
    whole = (here >= WHOLE) & (here >= _ABOUT_BEST * best[agent])
    other = (here < PART) | (here < 0.7 * best[agent])
    labels = np.full(len(clusters), int(AgentClass.UNKNOWN), np.int64)
    if len(truth):
        labels[whole] = truth.classes[agent[whole]]
    rows = np.flatnonzero(whole | other)
    features = cluster_features(s.xyz, s.height, clusters, s.boxes, (config.sensor_x, config.sensor_y), config.reach)
    return ClusterSamples(features[rows], labels[rows])
