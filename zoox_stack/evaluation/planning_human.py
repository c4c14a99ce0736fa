"""How SUMO's own driver drives the route of a benchmark: the reference for progress, and a driver like the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.plans import Route
from zoox_stack.evaluation.planning_drive import Driven, DriveSettings, near
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.closed_loop import END
from zoox_stack.simulation.ego_start import SPARE
from zoox_stack.simulation.events import EventDetector
from zoox_stack.simulation.expert import expert_route, expert_steps, insert_expert
from zoox_stack.simulation.ground_truth import GroundTruth, signals_of
from zoox_stack.simulation.lane_route import lane_route
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.world import STEP, TrafficWorld

_UNKNOWN = 0.8  # [s] at the begin, of which the driver's smoothed states are not known
_REPORT_EVERY = 20  # [steps]


def drive_human(
    town_name: str, seed: int, settings: DriveSettings, folder: Path, report: Callable[[float], None] = lambda _: None
) -> Driven:
    """Drive once; town, traffic, route and place of the start are those that `drive` has with the same arguments.

    Args:
        town_name: Name of a town or path of a town file.
        seed: Of town, traffic and route.
        settings: How long; sensors do not matter.
        folder: Where SUMO's files go.
        report: Told the seconds driven, now and then.

    Raises:
        ConfigurationError: Unknown town, or SUMO is not installed.
        InvalidInputError: The town has no route.
        ZooxStackError: The drive could not begin.
    """
    town = build_town(town_name, seed, folder)
    network, index = town.net.network, LaneIndex(town.net.network)
    edges = expert_route(town, seed, settings.duration)
    lanes = lane_route(town.net, edges)
    line = index.path_of(lanes).line
    route = Route(0, np.column_stack([line.xy, np.zeros(len(line.xy))]), network.lane_ids[lanes])
    demand = replace(town.demand, duration=settings.warm_up + settings.duration + SPARE)
    driven = Driven(network, route)
    detector = EventDetector(index, lanes)
    at = 0.0
    with TrafficWorld(town, demand, seed, folder) as world:
        world.run(settings.warm_up)
        insert_expert(world, edges, index.lines[lanes[0]])
        truth = GroundTruth(world)
        try:
            steps = expert_steps(world, round((settings.duration - _UNKNOWN) / STEP) + 1)
            for number, step in enumerate(steps, 1):
                scene = truth.scene(step.snapshot, step.ego)
                driven.events += detector.update(scene, signals_of(step.snapshot, network))
                driven.scenes.append(near(scene))
                if number % _REPORT_EVERY == 0:
                    report(number * STEP)
                found = line.project_pose(step.ego.x, step.ego.y, step.ego.yaw, at - 5.0, at + 15.0 if at else 100.0)
                at = at if found is None else max(at, float(found.s[0]))
                if at >= line.length - END:  # where the drives of all others end
                    driven.arrived = True
                    break
        except ZooxStackError as error:
            driven.failure = str(error)
        driven.events += detector.finish()
    return driven
