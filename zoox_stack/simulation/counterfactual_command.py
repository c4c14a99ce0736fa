"""``zoox-stack simulate counterfactual``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.machine import machine
from zoox_stack.simulation.counterfactual_set import SetPlan, SetReport, make_set
from zoox_stack.simulation.counterfactuals import CounterfactualConfig
from zoox_stack.simulation.progress import progress_bar
from zoox_stack.simulation.town_definition import load_town_definition, town_names

RADIUS, MOST_AGENTS, LEAST_AGENTS = 100.0, 128, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    towns = ", ".join(town_names())
    parser.add_argument("--town", required=True, help=f"{towns}, or a .yaml file")
    parser.add_argument("--seed", type=int, default=1, help="of town, traffic, egos and instants (default: 1)")
    parser.add_argument("--scenes", type=int, default=20, help="how many instants (default: 20)")
    parser.add_argument("--plans", type=int, default=16, help="plans of the ego at each, at least 2 (default: 16)")
    parser.add_argument("--out", type=Path, required=True, help="folder; an interrupted run goes on where it ended")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Make the set; 1 if a part failed or an identity branch differs.

    Raises:
        ConfigurationError: Unknown town, or the folder holds a set made with other arguments.
        InvalidInputError: An argument out of range, or the folder holds something else.
    """
    for name, least in (("scenes", 1), ("plans", 2), ("jobs", 1), ("seed", 0)):
        if getattr(args, name) < least:
            raise InvalidInputError(f"--{name}", f"at least {least}", str(getattr(args, name)))
    load_town_definition(args.town)
    config = CounterfactualConfig(
        radius=RADIUS, max_agents=MOST_AGENTS, min_agents=LEAST_AGENTS, plans=args.plans, keep_unaffected=1.0
    )
    plan = SetPlan((args.town,), (args.seed,), args.scenes, args.seed, config)
    try:
        with progress_bar("scenes", args.scenes) as advance:
            report = make_set(plan, args.out, args.jobs, lambda done, _: advance(done))
    except KeyboardInterrupt:
        print("Interrupted. Finished parts are kept; the same command goes on.", file=sys.stderr)
        raise
    for part, reason in report.failures:
        print(
            f"zoox-stack simulate counterfactual: {part} of town {args.town}, seed {args.seed}: {reason}",
            file=sys.stderr,
        )
    if report.failures:
        print(
            "Finished parts are kept, and the same command tries the others again. SUMO fails again where it failed; "
            "then choose another --seed and folder.",
            file=sys.stderr,
        )
    if report.identity_max_diff > 0:
        print(f"The identity branch differs by {report.identity_max_diff} m.", file=sys.stderr)
    summary = summarise(report)
    if args.json:
        print(json.dumps(summary))
    else:
        print(
            f"{args.out}: {report.scenes} scenes, {report.branches} plans driven, {report.refused} refused, "
            f"{report.affected_agents} agents affected; identity branches differ by {report.identity_max_diff} m; "
            f"{summary['rollouts_per_s']} roll-outs/s"
        )
    return 1 if report.failures or report.identity_max_diff > 0 else 0


def summarise(report: SetReport) -> dict[str, object]:
    """A report ready for JSON."""
    difference = report.identity_max_diff
    return {
        "scenes": report.scenes,
        "branches": report.branches,
        "rollouts_per_s": round(report.rollouts / report.seconds, 2) if report.seconds else 0.0,
        "identity_max_diff_m": difference if math.isfinite(difference) else None,
        "affected_agents": report.affected_agents,
        "refused_plans": report.refused,
        "failed_parts": len(report.failures),
        **machine(),
    }
