"""How fast traffic steps and futures roll out, with ordinary and with busy streets: prints one JSON object."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._scenes import about, measured
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.forking import in_fork
from zoox_stack.simulation.population import FIRST_PEDESTRIAN
from zoox_stack.simulation.towns import Town, build_town
from zoox_stack.simulation.world import STEP, TrafficWorld, load_libsumo

ROLL_OUT = 80  # steps: 8 s
WARM_UP = 20.0  # [s]
CROWDS = {"ordinary": (60, 60), "busy": (100, 115)}  # moving vehicles, pedestrians


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--town", default="signal_grid")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--roll-outs", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="(always JSON)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        town = build_town(args.town, args.seed, Path(folder))
        crowds = {name: _measure(town, *crowd, args, Path(folder)) for name, crowd in CROWDS.items()}
    print(json.dumps({"town": town.name, "steps_per_roll_out": ROLL_OUT, **crowds, **about()}))


def _measure(town: Town, vehicles: int, pedestrians: int, args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Step a town with about so many moving vehicles and pedestrians."""
    config = _demand(town, vehicles, pedestrians, args.seed, folder)
    with TrafficWorld(town, config, args.seed, folder) as world:
        world.run(WARM_UP)
        counts: list[tuple[int, int]] = []

        def step() -> None:
            ids = world.step().ids
            counts.append((int((ids < FIRST_PEDESTRIAN).sum()), int((ids >= FIRST_PEDESTRIAN).sum())))

        start = time.perf_counter()
        steps = measured(step, args.steps)
        stepped = time.perf_counter() - start

        def work(result: np.ndarray) -> None:
            for k in range(ROLL_OUT):
                result[k] = len(world.step(lights=False).ids)

        def sumo_alone(result: np.ndarray) -> None:
            sumo, start = load_libsumo(), time.perf_counter()
            for _ in range(ROLL_OUT):
                sumo.simulationStep()
            result[0] = (time.perf_counter() - start) / ROLL_OUT

        alone = float(in_fork(sumo_alone, (1,))[0])
        start = time.perf_counter()
        for _ in range(args.roll_outs):
            in_fork(work, (ROLL_OUT,))
        rolled = time.perf_counter() - start
    seen = np.mean(counts, axis=0)
    return {
        "vehicles": round(float(seen[0]), 1),
        "others": round(float(seen[1]), 1),
        "step_ms": steps,
        "sumo_alone_ms": round(alone * 1e3, 3),
        "steps_per_s": round(len(counts) / stepped, 1),
        "times_real_time": round(len(counts) * STEP / stepped, 1),
        "rollouts_per_s": round(args.roll_outs / rolled, 2),
    }


def _demand(town: Town, vehicles: int, pedestrians: int, seed: int, folder: Path) -> DemandConfig:
    """Rates that bring about so many road users after the warm-up, found by trying and scaling."""
    config = DemandConfig(vehicles_per_km=12.0, pedestrians_per_km=25.0, duration=120.0)
    for _ in range(3):
        with TrafficWorld(town, config, seed, folder) as world:
            world.run(WARM_UP + 10.0)
            found = world.statistics()
        config = DemandConfig(
            vehicles_per_km=min(100.0, config.vehicles_per_km * vehicles / max(found.vehicles, 1)),
            pedestrians_per_km=min(300.0, config.pedestrians_per_km * pedestrians / max(found.pedestrians, 1)),
            duration=120.0,
        )
    return config


if __name__ == "__main__":
    main()
