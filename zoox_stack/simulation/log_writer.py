"""One simulated drive as a self-contained bag, written while it happens."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.plans import Route
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.qos import PROFILES
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.detections import NO_SENSORS
from zoox_stack.simulation.ego_start import SPARE
from zoox_stack.simulation.expert import expert_route, expert_steps, insert_expert
from zoox_stack.simulation.ground_truth import GroundTruth, signals_of, stamp_of
from zoox_stack.simulation.lane_route import lane_route
from zoox_stack.simulation.log_plan import LogPlan, LogResult
from zoox_stack.simulation.outputs import DriveOutputs
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.workers import Report
from zoox_stack.simulation.world import STEP, TrafficWorld

_REPORT_EVERY = 20  # [steps]


def write_log(plan: LogPlan, report: Report) -> LogResult:
    """Simulate and record one drive. The same plan gives the same bytes.

    Args:
        plan: What.
        report: Told the seconds recorded, now and then.

    Raises:
        ZooxStackError: No such town or rig, no room for the ego, or SUMO failed; says when.
        OSError: The disk is full. What was written stays.
    """
    with tempfile.TemporaryDirectory() as folder:
        town = build_town(plan.town, plan.seed, Path(folder))
        network = town.net.network
        edges = expert_route(town, plan.seed, plan.duration + SPARE)
        lanes = lane_route(town.net, edges)
        index = LaneIndex(network)
        line = index.path_of(lanes).line
        route = Route(0, np.column_stack([line.xy, np.zeros(len(line.xy))]), network.lane_ids[lanes])
        demand = replace(town.demand, duration=plan.warm_up + plan.duration + SPARE)
        outputs = DriveOutputs(plan.sensors or NO_SENSORS, network, plan.seed, town.definition.terrain)
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
                for topic in outputs.topics:
                    bag.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
                for step in expert_steps(world, round(plan.duration / STEP)):
                    stamp = stamp_of(step.snapshot)
                    for topic, data in () if done else outputs.latched(route, stamp):
                        bag.write(topic.name, stamp, data)
                    scene, signals = truth.scene(step.snapshot, step.ego), signals_of(step.snapshot, network)
                    for topic, data in outputs.messages(scene, signals):
                        bag.write(topic.name, stamp, data)
                    done += 1
                    if done % _REPORT_EVERY == 0:
                        report(done * STEP)
            except ZooxStackError as error:
                raise ZooxStackError(f"{world.snapshot.time:.1f} s of simulated time: {error}") from error
    return LogResult(done * STEP, {name: topic.count for name, topic in bag.topics.items()})
