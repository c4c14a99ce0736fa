"""The whole graph on a made-up LiDAR drive, sweep stamp to trajectory received: prints one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from benchmarks._scenes import about
from zoox_stack.evaluation.run import read_run
from zoox_stack.evaluation.stack_run import StackRun, result_of, run_stack
from zoox_stack.logs.drive import write_drive
from zoox_stack.simulation.demo import render_demo_drive


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bag", type=Path, help="another drive than the bundled scene")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="(always JSON)")
    args = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bag = args.bag
        if bag is None:
            bag = folder / "scene.mcap"
            write_drive(render_demo_drive(), bag)
        run = StackRun(bag=bag, record=folder / "bag", report=folder / "ticks.jsonl", rate=args.rate)
        seconds = run_stack(run, folder / "nodes.log")
        result = result_of(run, read_run(run.record), seconds)
    print(json.dumps(result | about() | {"load_before": round(load_before, 2)}))


if __name__ == "__main__":
    main()
