"""Train the shipped model from nothing: simulate, convert, learn, export. What is there already is not made again.

``python scripts/train_shipped_model.py --work DIR --out MODELS``; NGSIM, of which the traffic alone is learned from, is
looked for in $ZOOX_STACK_DATA, else in ../shared/data. ``--without PART`` leaves a part out of the network or its
training (docs/prediction.md).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from common import KNOWN, RANDOM_SEEDS, command, converted, counterfactual_set, ngsim_cuts

SEEDS, SECONDS = range(1, 6), "120"
NAME = "zoox-bev-small"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for logs, sets and runs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the ONNX files")
    parser.add_argument("--epochs", default="15")
    parser.add_argument("--minutes", default="0", help="stop after so long; the same command goes on")
    parser.add_argument("--processes", type=int, default=2, help="that learn together, one thread each")
    parser.add_argument("--without", default="nothing", help="part to leave out")
    parser.add_argument("--only-data", action="store_true", help="make the data, and learn nothing")
    args = parser.parse_args()
    work: Path = args.work
    work.mkdir(parents=True, exist_ok=True)
    for town, seeds in [*((town, SEEDS) for town in KNOWN), ("random", RANDOM_SEEDS)]:
        for seed in seeds:
            bag = work / "bags_train" / f"{town}_{seed}"
            if not bag.exists():
                command("simulate", "--town", town, "--seed", str(seed), "--duration", SECONDS, "--no-sensors",
                        "--out", str(bag))  # fmt: skip
    jobs = str(args.processes)
    counterfactual_set(work / "cf_train", 1200, 5, jobs, KNOWN, range(1, 7))
    counterfactual_set(work / "cf_random", 160, 6, jobs, ("random",), range(11, 19))
    for cut in [cut for cuts in ngsim_cuts(work, held_out=False).values() for cut in cuts]:
        converted("ngsim-commonroad", cut, work / "ngsim_train", "--without-map")
    if not args.only_data:
        learn(args)
    return 0


def learn(args: argparse.Namespace) -> None:
    """Train, or go on, and export the best epoch."""
    weights = {"bags_train": 1, "cf_train": 2, "cf_random": 2, "ngsim_train": 6}
    present = {name: weight for name, weight in weights.items() if (args.work / name).exists()}
    run = args.work / ("run" if args.without == "nothing" else f"run_without_{args.without}")
    words = [
        "train", "--logs", *(str(args.work / name) for name in present), "--weights", *map(str, present.values()),
        "--out", str(run), "--epochs", args.epochs, "--every", "2", "--views", "1", "--rate", "0.002",
        "--without", args.without, "--threads", "1", "--jobs", str(args.processes), "--minutes", args.minutes,
        "--resume",
    ]  # fmt: skip
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(args.processes), "-m", "--", "zoox_stack.cli"]
    print("zoox-stack", *words, flush=True)
    subprocess.run([sys.executable, *launcher, *words], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    command("export", "--run", str(run), "--out", str(args.out), "--name", NAME, "--licence", "Apache-2.0")


if __name__ == "__main__":
    sys.exit(main())
