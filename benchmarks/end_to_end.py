"""The whole graph in a simulated town or over a bag, sweep stamp to trajectory received: prints one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from benchmarks._scenes import about
from zoox_stack.evaluation.run import read_run
from zoox_stack.evaluation.stack_run import StackRun, result_of, run_stack


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bag", type=Path, help="replay this drive instead of simulating one")
    parser.add_argument("--rate", type=float, default=1.0, help="of a replay")
    parser.add_argument("--town", default="downtown")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=30.0, help="[s]")
    parser.add_argument("--sensors", default="compact", help="sensor rig, or none")
    parser.add_argument("--json", action="store_true", help="(always JSON)")
    args = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        record, report = Path(name) / "bag", Path(name) / "ticks.jsonl"
        if args.bag is not None:
            run = StackRun.replay(args.bag, record, report, rate=args.rate)
        else:
            run = StackRun.simulation(args.town, args.seed, args.duration, record, report, sensors=args.sensors)
        seconds = run_stack(run, Path(name) / "nodes.log")
        result = result_of(run, read_run(record), seconds)
    print(json.dumps(result | about() | {"load_before": round(load_before, 2)}))


if __name__ == "__main__":
    main()
