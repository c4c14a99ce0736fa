"""How long one simulated LiDAR sweep takes: prints one JSON object."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import time

import numpy as np

from zoox_stack.simulation.demo import agents_at, ego_states, load_demo_scene
from zoox_stack.simulation.lidar import LidarConfig, LidarWorld


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=200, help="sweeps measured, over the demo scene")
    parser.add_argument("--beams", type=int, default=LidarConfig().beams)
    parser.add_argument("--azimuth-steps", type=int, default=LidarConfig().azimuth_steps)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity; the output is always JSON")
    args = parser.parse_args()
    episode = load_demo_scene().episode
    egos = ego_states(episode)
    begin = time.perf_counter()
    world = LidarWorld(episode.network, LidarConfig(beams=args.beams, azimuth_steps=args.azimuth_steps))
    built = time.perf_counter() - begin
    scenes = [agents_at(episode, step, ego) for step, ego in enumerate(egos)]
    for scene in scenes[:5]:
        world.sweep(scene)
    times, points = [], []
    for i in range(args.sweeps):
        scene = scenes[i % len(scenes)]
        begin = time.perf_counter()
        sweep = world.sweep(scene)
        times.append((time.perf_counter() - begin) * 1e3)
        points.append(len(sweep.cloud))
    result = {
        "benchmark": "lidar",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "rays": args.beams * args.azimuth_steps,
        "points_median": int(np.median(points)),
        "agents_median": int(np.median([len(scene) for scene in scenes])),
        "scenery_ms": round(built * 1e3, 1),
        "sweep_ms": {f"p{q}": round(float(np.percentile(times, q)), 2) for q in (50, 95, 99)},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
