"""One simulated drive as a self-contained bag, written while it happens."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.plans import Route
from zoox_stack.core.topics import (
    DETECTIONS,
    GROUND_TRUTH,
    GROUND_TRUTH_EGO,
    KINEMATIC_STATE,
    ROAD_NETWORK,
    ROUTE,
    TRAFFIC_SIGNALS,
    Topic,
)
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.detections import perfect_detections
from zoox_stack.simulation.expert import expert_route, expert_steps, insert_expert
from zoox_stack.simulation.ground_truth import GroundTruth, signals_of, stamp_of
from zoox_stack.simulation.lane_route import lane_route
from zoox_stack.simulation.log_plan import LogPlan, LogResult
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.workers import Report
from zoox_stack.simulation.world import STEP, TrafficWorld, load_libsumo

if TYPE_CHECKING:
    from zoox_stack.simulation.log_sensors import LogSensors

RADIUS = 100.0  # [m] of the ground truth
_REPORT_EVERY = 20  # [steps]
_SPARE = 70.0  # [s] for which traffic starts beyond the end, should the ego have to wait for room
TOPICS = (ROAD_NETWORK, ROUTE, KINEMATIC_STATE, GROUND_TRUTH_EGO, TRAFFIC_SIGNALS, GROUND_TRUTH)


def write_log(plan: LogPlan, report: Report) -> LogResult:
    """Simulate and record one drive. The same plan gives the same bytes.

    Args:
        plan: What.
        report: Told the seconds recorded, now and then.

    Raises:
        ZooxStackError: No such town or rig, no room for the ego, or SUMO failed; says when.
        OSError: The disk is full. What was written stays.
    """
    sumo = load_libsumo()
    with tempfile.TemporaryDirectory() as folder:
        town = build_town(plan.town, plan.seed, Path(folder))
        network = town.net.network
        edges = expert_route(town, plan.seed, plan.duration + _SPARE)
        lanes = lane_route(town.net, edges)
        index = LaneIndex(network)
        line = index.path_of(lanes).line
        demand = replace(town.demand, duration=plan.warm_up + plan.duration + _SPARE)
        sensors = None if plan.sensors is None else _sensors(plan.sensors, network, plan.seed)
        done = 0
        # Chunks by size only: by time, the bytes would depend on the speed of the machine.
        with (
            TrafficWorld(town, demand, plan.seed, Path(folder)) as world,
            BagWriter(plan.out, flush_period=None) as bag,
        ):
            try:
                world.run(plan.warm_up)
                insert_expert(world, edges, index.lines[lanes[0]])
                truth = GroundTruth(world)
                for topic in (*TOPICS, *((DETECTIONS,) if sensors is None else sensors.topics)):
                    bag.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
                for step in expert_steps(world, round(plan.duration / STEP)):
                    stamp = stamp_of(step.snapshot)
                    if not done:
                        points = np.column_stack([line.xy, np.zeros(len(line.xy))])
                        bag.write(ROAD_NETWORK.name, stamp, encode(network, stamp))
                        bag.write(ROUTE.name, stamp, encode(Route(stamp, points, network.lane_ids[lanes])))
                        for topic, value in () if sensors is None else sensors.latched(stamp):
                            bag.write(topic.name, stamp, encode(value))
                    scene = truth.scene(step.snapshot, step.ego, RADIUS)
                    messages: list[tuple[Topic, Any]] = [(TRAFFIC_SIGNALS, signals_of(step.snapshot, network))]
                    if sensors is None:
                        messages += [
                            (GROUND_TRUTH_EGO, step.ego),
                            (GROUND_TRUTH, scene),
                            (KINEMATIC_STATE, step.ego),
                            (DETECTIONS, perfect_detections(scene)),
                        ]
                    else:
                        messages += sensors.observe(scene)
                    for topic, value in messages:
                        bag.write(topic.name, stamp, encode(value))
                    done += 1
                    if done % _REPORT_EVERY == 0:
                        report(done * STEP)
            except (ZooxStackError, sumo.TraCIException, sumo.FatalTraCIError) as error:
                raise ZooxStackError(f"{world.snapshot.time:.1f} s of simulated time: {error}") from error
    return LogResult(done * STEP, {name: topic.count for name, topic in bag.topics.items()})


def _sensors(rig: str, network: RoadNetwork, seed: int) -> LogSensors:
    from zoox_stack.simulation.log_sensors import LogSensors  # takes half a second, which logs without sensors save

    return LogSensors(rig, network, seed)
