"""Made-up scenes and plans that benchmarks share, and how they measure."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.machine import machine
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.evaluation.replay_records import percentiles
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.ego_route import ego_route
from zoox_stack.simulation.expert import expert_steps, insert_expert
from zoox_stack.simulation.ground_truth import GroundTruth
from zoox_stack.simulation.lane_route import lane_route
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.world import TrafficWorld

START_NS = 10**15


CROWD = np.array([[-25.0, -60.0], [95.0, 60.0]])  # [m] corners of where it is, around the ego: within the scene image


def crowd(step: int, agents: int, seed: int = 0) -> TrackedAgents:
    """`agents` road users around an ego at 8 m/s, all with constant velocities; `step` tenths of a second on.

    They stay around the ego: who is left behind on one side of `CROWD` is taken out, and somebody else, with the same
    velocity, comes in on the other.
    """
    rng = np.random.default_rng(seed)
    start, yaw = rng.uniform(*CROWD, (agents, 2)), rng.uniform(-np.pi, np.pi, agents)
    classes = rng.choice([1, 1, 1, 2, 3, 6, 7, 7], agents).astype(np.uint8)
    speed = np.where(classes == 7, 1.3, rng.uniform(0, 12, agents))
    velocity = speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    stamp = START_NS + step * 100_000_000
    ego = EgoState(stamp_ns=stamp, x=0.8 * step, y=0.0, speed=8.0)
    times, inside = np.divmod(start + velocity * step * STEP - [ego.x, ego.y] - CROWD[0], CROWD[1] - CROWD[0])
    ids = np.arange(agents) + agents * np.abs(times).sum(axis=1).astype(np.int64)
    position = np.concatenate([inside + CROWD[0] + [ego.x, ego.y], np.zeros((agents, 1))], axis=1)
    size = np.where((classes == 7)[:, None], [0.6, 0.6, 1.7], [4.6, 1.9, 1.6]).astype(np.float32)
    return TrackedAgents.from_states(stamp, ids, classes, position, yaw, velocity, size, ego=ego)


def plans(ego: EgoState, count: int) -> tuple[EgoPlan, ...]:
    """Straight plans from full braking to full acceleration."""
    result = []
    time_s = STEP * np.arange(1, STEPS + 1)
    for number, acceleration in enumerate(np.linspace(-4, 2, count)):
        speed = np.maximum(ego.speed + acceleration * time_s, 0.0)
        zero = np.zeros(STEPS)
        x = ego.x + np.cumsum(speed) * STEP
        result.append(EgoPlan(number, f"{acceleration:+.1f}", STEP, x, zero + ego.y, zero, speed, zero, zero))
    return tuple(result)


def measured(function: Callable[[], Any], runs: int, warm_up: int = 5) -> dict[str, float | None]:
    """Wall time of `function` in milliseconds."""
    for _ in range(warm_up):
        function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return percentiles(times)


def about() -> dict[str, Any]:
    """Machine, date and how busy the machine was."""
    return {**machine(), "load": [round(x, 2) for x in os.getloadavg()]}


def town_scenes(town: str = "downtown", seed: int = 1, steps: int = 300) -> tuple[RoadNetwork, list[TrackedAgents]]:
    """A drive through a simulated town with SUMO's own driver: the map, and everyone at every tenth of a second."""
    with TemporaryDirectory() as folder:
        place = build_town(town, seed, Path(folder))
        edges = ego_route(place, seed)
        lane = LaneIndex(place.net.network).lines[lane_route(place.net, edges)[0]]
        demand = replace(place.demand, duration=steps * STEP + 30.0)
        with TrafficWorld(place, demand, seed, Path(folder)) as world:
            world.run(20.0)
            insert_expert(world, edges, lane)
            truth = GroundTruth(world)
            scenes = [truth.scene(step.snapshot, step.ego) for step in expert_steps(world, steps)]
        return place.net.network, scenes
