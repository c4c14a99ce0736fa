"""How long simulated LiDAR sweeps and whole sensor frames take: prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks._scenes import about, town_scenes
from zoox_stack.core.agents import TrackedAgents
from zoox_stack.evaluation.replay_records import percentiles
from zoox_stack.simulation.sensors.lidar import LidarWorld
from zoox_stack.simulation.sensors.lidar_pattern import LidarConfig
from zoox_stack.simulation.sensors.rig import load_sensor_rig, sensor_rigs
from zoox_stack.simulation.sensors.simulated import SimulatedSensors


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=200, help="sweeps measured, over a drive through a town")
    parser.add_argument("--agents", type=int, default=60, help="agents in the scene, those nearest to the ego")
    parser.add_argument("--beams", type=int, default=64)
    parser.add_argument("--azimuth-steps", type=int, default=1800)
    parser.add_argument("--rig", choices=sensor_rigs(), default="zoox", help="whose whole frames are measured")
    parser.add_argument("--json", action="store_true", help="accepted for uniformity; the output is always JSON")
    args = parser.parse_args()
    network, scenes = town_scenes()
    scenes = [_nearest(scene, args.agents) for scene in scenes]
    still = LidarConfig(beams=args.beams, azimuth_steps=args.azimuth_steps)
    begin = time.perf_counter()
    world = LidarWorld(network, still)
    built = time.perf_counter() - begin
    points = [len(world.sweep(scene).cloud) for scene in scenes[::20]]
    rolling = LidarWorld(network, replace(still, rolling=True))
    sensors = SimulatedSensors(load_sensor_rig(args.rig), network)
    result = {
        "benchmark": "lidar",
        **about(),
        "rays": args.beams * args.azimuth_steps,
        "points_median": int(np.median(points)),
        "agents_median": int(np.median([len(scene) for scene in scenes])),
        "scenery_ms": round(built * 1e3, 1),
        "sweep": _measured(world.sweep, scenes, args.sweeps),
        "rolling_sweep": _measured(rolling.sweep, scenes, args.sweeps),
        f"frame_of_rig_{args.rig}": _measured(sensors.observe, scenes, max(10, args.sweeps // 4)),
    }
    print(json.dumps(result, indent=2))


def _nearest(scene: TrackedAgents, count: int) -> TrackedAgents:
    """The agents nearest to the ego."""
    assert scene.ego is not None
    gap = np.hypot(*(scene.position[:, :2] - [scene.ego.x, scene.ego.y]).T)
    return scene.take(np.sort(np.argsort(gap)[:count]))


def _measured(function: Callable[[TrackedAgents], Any], scenes: list[TrackedAgents], runs: int) -> dict[str, Any]:
    """Wall time and processor time of a function of scenes."""
    for scene in scenes[:5]:
        function(scene)
    times, spent = [], time.process_time()
    for i in range(runs):
        scene = scenes[i % len(scenes)]
        begin = time.perf_counter()
        function(scene)
        times.append((time.perf_counter() - begin) * 1e3)
    spent = (time.process_time() - spent) / runs
    wall = float(np.mean(times))
    return {"ms": percentiles(times), "processor_ms": round(spent * 1e3, 2), "per_s": round(1e3 / wall, 1)}


if __name__ == "__main__":
    main()
