"""Make a training set of counterfactual scenes: ``python -m zoox_stack.simulation.make_training_set --out DIR``.

The folder is a set as ``zoox-stack simulate counterfactual`` makes it (docs/counterfactual-format.md), but of several
towns, with traffic of many densities, with egos that run red lights now and then, and with fewer scenes in which
nobody's future depends on the ego. A run that was interrupted continues when started again with the same arguments.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.simulation.counterfactual_set import SetPlan, make_set
from zoox_stack.simulation.counterfactuals import CounterfactualConfig
from zoox_stack.simulation.progress import progress_bar
from zoox_stack.simulation.town_definition import town_names
from zoox_stack.simulation.towns import LAYOUTS

KEEP_UNAFFECTED, RUNS_RED = 0.35, 0.15
VEHICLES_PER_KM, PEDESTRIANS_PER_KM = (5.0, 12.5), (3.0, 15.0)


def training_set_plan(
    samples: int, seed: int, towns: tuple[str, ...], town_seeds: tuple[int, ...], plans: int = 8
) -> SetPlan:
    """What a training set consists of.

    Args:
        samples: Scenes to simulate; a few plans in them are not plausible and are left out when they are read.
        seed: Of traffic, egos and instants.
        towns: Towns that take turns.
        town_seeds: Each town is drawn with these.
        plans: Of the ego, per scene.
    """
    config = CounterfactualConfig(plans=plans, keep_unaffected=KEEP_UNAFFECTED, runs_red=RUNS_RED)
    return SetPlan(towns, town_seeds, samples, seed, config, VEHICLES_PER_KM, PEDESTRIANS_PER_KM)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make a training set of counterfactual scenes with SUMO.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=town_names(), help="towns")
    parser.add_argument("--town-seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--plans", type=int, default=8, help="plans of the ego per scene (default: 8)")
    args = parser.parse_args(arguments)
    if args.samples < 1 or args.jobs < 1 or args.plans < 2:
        parser.error("--samples and --jobs must be at least 1, --plans at least 2")
    try:
        plan = training_set_plan(args.samples, args.seed, tuple(args.layouts), tuple(args.town_seeds), args.plans)
        with progress_bar("scenes", plan.scenes) as advance:
            report = make_set(plan, args.out, args.jobs, lambda done, _: advance(done))
    except ZooxStackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for part, reason in report.failures:
        print(f"error: {part}: {reason}", file=sys.stderr)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
