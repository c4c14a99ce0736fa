"""Make a training set of counterfactual samples: ``python -m zoox_stack.simulation.make_training_set --out DIR``.

The folder holds ``shard_*.npz`` (`zoox_stack.simulation.samples`), ``towns/*.npz`` (road networks) and
``manifest.json``. A run that was interrupted continues when started again with the same arguments; every shard depends
only on the seed and its number.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from zoox_stack.core.errors import ConfigurationError, ZooxStackError
from zoox_stack.simulation.counterfactuals import CounterfactualConfig, counterfactual_samples
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.episode import network_arrays, save_arrays
from zoox_stack.simulation.samples import (
    CounterfactualSample,
    affected_agents,
    is_plausible,
    load_samples,
    save_samples,
    shard_paths,
    without_jumps,
)
from zoox_stack.simulation.towns import LAYOUTS, build_town

SHARD_SIZE = 50
MANIFEST = "manifest.json"
_MOST_EPISODES = 200  # per shard, before giving up


@dataclass(frozen=True)
class TrainingSetPlan:
    """What to make.

    Attributes:
        samples: How many to simulate; about 1 % of them are dropped, see `is_plausible`.
        seed: Of demand, drivers, egos and behaviours.
        layouts: Keys of `LAYOUTS`.
        town_seeds: Every layout is drawn with each of these.
    """

    samples: int
    seed: int
    layouts: tuple[str, ...] = tuple(LAYOUTS)
    town_seeds: tuple[int, ...] = (1, 2, 3, 4, 5, 6)


def make_shard(plan: TrainingSetPlan, number: int, size: int, path: Path) -> None:
    """Simulate episodes until there are `size` samples; write the plausible ones to `path`."""
    with tempfile.TemporaryDirectory() as folder:
        samples: list[CounterfactualSample] = []
        for sample in _samples(plan, number, Path(folder)):
            samples.append(sample)
            if len(samples) == size:
                save_samples(path, [without_jumps(made) for made in samples if is_plausible(made)])
                return
    raise ZooxStackError(f"shard {number}: {len(samples)} of {size} samples after {_MOST_EPISODES} episodes")


def _samples(plan: TrainingSetPlan, number: int, folder: Path) -> Iterator[CounterfactualSample]:
    random = np.random.default_rng([plan.seed, number])
    config = CounterfactualConfig()
    duration = config.warm_up + config.instants * config.longest_gap + 8.0
    for episode in range(_MOST_EPISODES):
        layout = plan.layouts[(number + episode) % len(plan.layouts)]
        town = build_town(layout, int(random.choice(plan.town_seeds)), folder)
        demand = DemandConfig(float(random.uniform(5, 12.5)), float(random.uniform(3, 15)), duration)
        yield from counterfactual_samples(town, int(random.integers(2**31)), folder, demand=demand, config=config)


def make_training_set(plan: TrainingSetPlan, out: Path, jobs: int) -> None:
    """Make what is missing of a training set, with a progress bar on stderr.

    Raises:
        ConfigurationError: SUMO is not installed, or `out` holds a set made with other arguments.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    _prepare(plan, out)
    sizes = [min(SHARD_SIZE, plan.samples - first) for first in range(0, plan.samples, SHARD_SIZE)]
    paths = [out / f"shard_{number:05d}.npz" for number in range(len(sizes))]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True)) as bar,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
    ):
        task = bar.add_task("samples", total=plan.samples, completed=plan.samples - sum(sizes[n] for n in missing))
        running = {pool.submit(make_shard, plan, n, sizes[n], paths[n]): n for n in missing}
        for future in as_completed(running):
            future.result()
            bar.advance(task, sizes[running[future]])
    _finish(out)


def _prepare(plan: TrainingSetPlan, out: Path) -> None:
    manifest = {
        "plan": asdict(plan),
        "sumo": version("libsumo"),
        "shard_size": SHARD_SIZE,
        "towns": [f"{layout}_{seed}" for layout in plan.layouts for seed in plan.town_seeds],
        "complete": False,
    }
    manifest = json.loads(json.dumps(manifest))
    path = out / MANIFEST
    if path.exists():
        before = json.loads(path.read_text())
        if before["plan"] != manifest["plan"]:
            raise ConfigurationError(f"{out} holds a training set made with {before['plan']}; choose another folder")
    (out / "towns").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for layout in plan.layouts:
            for seed in plan.town_seeds:
                town = build_town(layout, seed, Path(folder))
                save_arrays(out / "towns" / f"{town.name}.npz", network_arrays(town.net.network))
    path.write_text(json.dumps(manifest, indent=2) + "\n")


def _finish(out: Path) -> None:
    """Add counts to the manifest."""
    agents: list[int] = []
    affected: list[int] = []
    for path in shard_paths(out):
        for sample in load_samples(path):
            agents.append(len(sample.ids))
            affected.append(int(affected_agents(sample).sum()))
    manifest = json.loads((out / MANIFEST).read_text())
    manifest |= {
        "complete": True,
        "samples": len(agents),
        "agents_per_sample": {f"p{q}": float(np.percentile(agents, q)) for q in (10, 50, 90)},
        "samples_with_affected_agents": float(np.mean(np.array(affected) > 0)),
        "affected_agents_per_sample": float(np.mean(affected)),
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make a training set of counterfactual samples with SUMO.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS))
    parser.add_argument("--town-seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5, 6])
    args = parser.parse_args(arguments)
    if args.samples < 1 or args.jobs < 1:
        parser.error("--samples and --jobs must be at least 1")
    plan = TrainingSetPlan(args.samples, args.seed, tuple(args.layouts), tuple(args.town_seeds))
    try:
        make_training_set(plan, args.out, args.jobs)
    except ZooxStackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
