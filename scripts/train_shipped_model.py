"""Train the shipped model from nothing: simulate, convert, learn, export. What is there already is not made again.

``python scripts/train_shipped_model.py --work DIR --out MODELS``; NGSIM, of which the traffic alone is learned from, is
looked for in $ZOOX_STACK_DATA, else in ../shared/data. It is learned in two stages: long from little, then with more
towns. ``--ablations`` trains four small networks instead, alike but for a part that each is without
(docs/prediction.md); ``--out`` then gets a folder for each.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from common import KNOWN, command, converted, counterfactual_set, ngsim_cuts

SECONDS = "120"
NAME = "zoox-bev-small"
# Folder, towns, first seed and number of the drives in each.
DRIVES: tuple[tuple[str, tuple[str, ...], int, int], ...] = (
    ("bags_train", KNOWN, 1, 5),
    ("bags_train", ("random",), 11, 12),
    ("bags_train2", KNOWN, 6, 10),
    ("bags_train2", ("random",), 61, 20),
    ("bags_val", KNOWN, 16, 1),
    ("bags_val", ("random",), 81, 4),
)
# Folder, scenes, seed, towns, seeds of the towns.
SETS: tuple[tuple[str, int, int, tuple[str, ...], Iterable[int]], ...] = (
    ("cf_train", 1200, 5, KNOWN, range(1, 7)),
    ("cf_random", 160, 6, ("random",), range(11, 19)),
    ("cf_train2", 800, 7, KNOWN, range(7, 17)),
    ("cf_random2", 300, 8, ("random",), range(41, 61)),
    ("cf_val", 80, 9, (*KNOWN, "random"), (17, 18, 81, 82)),
)
VALIDATION = ("bags_val", "cf_val")


@dataclass(frozen=True)
class Stage:
    """A run, and how often each of its sources comes in an epoch."""

    run: str
    epochs: int
    rate: float
    seed: int
    weights: dict[str, float]


FIRST = Stage("run", 15, 0.002, 0, {"bags_train": 1, "cf_train": 2, "cf_random": 2, "ngsim_train": 6})
SECOND = Stage(
    "run_more", 8, 0.001, 1,
    {"bags_train": 0.35, "bags_train2": 0.35, "cf_train": 1.5, "cf_train2": 1.5, "cf_random": 1.5, "cf_random2": 1.5,
     "ngsim_train": 6},
)  # fmt: skip
SMALL = Stage("run_without", 4, 0.002, 1, {"bags_train2": 0.2, "cf_train2": 1.2, "cf_random2": 1.2})
PARTS = ("nothing", "graph", "map", "counterfactuals")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for logs, sets and runs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the ONNX files")
    parser.add_argument("--minutes", default="0", help="stop each run after so long; the same command goes on")
    parser.add_argument("--processes", type=int, default=2, help="that learn together, one thread each")
    parser.add_argument("--ablations", action="store_true", help="train four small networks without a part each")
    parser.add_argument("--only-data", action="store_true", help="make the data, and learn nothing")
    args = parser.parse_args()
    work: Path = args.work
    work.mkdir(parents=True, exist_ok=True)
    jobs = str(args.processes)
    for folder, towns, lowest, count in DRIVES:
        for town, seed in itertools.product(towns, range(lowest, lowest + count)):
            bag = work / folder / f"{town}_{seed}"
            if not bag.exists():
                drive(town, seed, bag)
    for folder, scenes, seed, towns, seeds in SETS:
        counterfactual_set(work / folder, scenes, seed, jobs, towns, seeds)
    for cut in [cut for cuts in ngsim_cuts(work, held_out=False).values() for cut in cuts]:
        converted("ngsim-commonroad", cut, work / "ngsim_train", "--without-map")
    if args.only_data:
        return 0
    if args.ablations:
        for part in PARTS:
            run = learn(args, replace(SMALL, run=f"{SMALL.run}_{part}"), without=part)
            export(run, args.out / f"without_{part}")
        return 0
    first = learn(args, FIRST)
    export(learn(args, SECOND, start=first), args.out)
    return 0


def drive(town: str, seed: int, bag: Path) -> None:
    """Simulate a drive; of one that breaks off what there is is kept, if anything."""
    words = ["simulate", "--town", town, "--seed", str(seed), "--duration", SECONDS, "--no-sensors", "--out", str(bag)]
    try:
        command(*words)
    except subprocess.CalledProcessError as error:
        if error.returncode != 1:
            raise
        print(f"{bag.name}: broke off; going on with what there is of it", flush=True)


def learn(args: argparse.Namespace, stage: Stage, start: Path | None = None, without: str = "nothing") -> Path:
    """Train a stage, or go on with it; the folder of its run. If time is up before its end, this command ends."""
    present = {name: weight for name, weight in stage.weights.items() if (args.work / name).exists()}
    run, samples = Path(args.work / stage.run), Path(args.work / f"samples_{stage.seed}").resolve()
    samples.mkdir(exist_ok=True)
    run.mkdir(exist_ok=True)
    if not (run / "samples").exists():
        (run / "samples").symlink_to(samples)  # runs with one seed have the same
    words = [
        "train", "--logs", *(str(args.work / name) for name in present), "--weights", *map(str, present.values()),
        "--val", *(str(args.work / name) for name in VALIDATION), "--out", str(run), "--epochs", str(stage.epochs),
        "--seed", str(stage.seed), "--every", "2", "--views", "1", "--rate", str(stage.rate), "--without", without,
        "--threads", "1", "--jobs", str(args.processes), "--minutes", args.minutes, "--resume",
        *(["--from", str(start)] if start else []),
    ]  # fmt: skip
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(args.processes), "-m", "--", "zoox_stack.cli"]
    print("zoox-stack", *words, flush=True)
    subprocess.run([sys.executable, *launcher, *words], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    log = run / "log.jsonl"
    done = len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0
    if done < stage.epochs:
        sys.exit(f"{run}: time was up after {done} of {stage.epochs} epochs. The same command goes on")
    return run


def export(run: Path, out: Path) -> None:
    """Write the ONNX files of a run."""
    command("export", "--run", str(run), "--out", str(out), "--name", NAME, "--licence", "Apache-2.0")


if __name__ == "__main__":
    sys.exit(main())
