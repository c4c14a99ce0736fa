"""``zoox-stack learn-costs``: weights of the planner's cost table from logs of good driving."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.machine import machine

if TYPE_CHECKING:
    from zoox_stack.planning.config import PlannerConfig
    from zoox_stack.planning.cost_learning import Choices, PolicyScore
    from zoox_stack.planning.cost_study import CostStudy

_DESCRIPTION = (
    "Learn the weights of the planner's cost table from logs of good driving, by inverse reinforcement learning with "
    "the stopped ego as anchor (docs/planning.md). Logs need a map, agents (ground truth or tracks) and the ego."
)
_WITHIN = ("1st", "of 5", "of 20")


def register(subparsers: Any) -> None:
    """Add ``learn-costs``."""
    parser = subparsers.add_parser(
        "learn-costs", help="learn the planner's cost weights from logs", description=_DESCRIPTION,
        epilog="Exit codes: 0 all well, 2 a wrong argument or log, or nothing to learn from.",
    )  # fmt: skip
    parser.add_argument("--logs", type=Path, nargs="+", required=True, metavar="PATH", help="bags, or folders of bags")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="YAML",
        help="parameter file to write, for the planner's node and for `evaluate planning --parameters`",
    )  # fmt: skip
    parser.add_argument(
        "--parameters", type=Path, metavar="YAML",
        help="parameters of the planner: its limits, and the weights to compare with (default: its defaults)",
    )  # fmt: skip
    parser.add_argument(
        "--held-out", type=float, default=0.3, metavar="SHARE", help="of the logs, to try weights on (default: 0.3)"
    )
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="from choice to choice [s] (default: 1)")
    parser.add_argument(
        "--nearest", type=float, default=2.0, metavar="M",
        help="the driver took the nearest candidate if that is this near on average over 8 s [m] (default: 2)",
    )  # fmt: skip
    parser.add_argument(
        "--discount", type=float, default=0.0, metavar="G",
        help="of what comes a choice later, 0 to below 1 (default: 0: the planner looks no farther than its plans)",
    )  # fmt: skip
    parser.add_argument(
        "--prior", type=float, default=1.0, metavar="N", help="pull towards known weights, in choices (default: 1)"
    )
    parser.add_argument("--draws", type=int, default=100, metavar="N", help="of logs, for the intervals (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the logs held out and of the draws (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Learn, write, say.

    Raises:
        ConfigurationError: An argument is wrong.
        InvalidInputError: There are no logs, one has no map, agents or ego, or there is nothing to learn from.
    """
    _check(args)
    from zoox_stack.core.parameter_file import read_parameters, write_parameters
    from zoox_stack.core.parameters import build  # SciPy and Numba take seconds
    from zoox_stack.planning.config import PlannerConfig
    from zoox_stack.planning.cost_learning import LearningSettings
    from zoox_stack.planning.cost_study import study_costs
    from zoox_stack.planning.costs import COST_NAMES, weights

    given = read_parameters(args.parameters, "planner") if args.parameters is not None else {}
    config = build(PlannerConfig, given, "planner")
    choices, left_out, logs = _choices(args, config)
    if choices is None or not len(choices.decided):
        found = ", ".join(f"{count} left out: {reason}" for reason, count in sorted(left_out.items())) or "no scenes"
        raise InvalidInputError("--logs", "logs with at least one choice of the driver", found)
    known = weights(config)
    settings = LearningSettings(discount=args.discount, prior=args.prior)
    study = study_costs(choices, known, settings, held_out=args.held_out, draws=args.draws, seed=args.seed)
    rounded = _in_range({name: float(f"{w:.4g}") for name, w in zip(COST_NAMES, study.learned.weights, strict=True)})
    about = machine()
    write_parameters(
        args.out,
        {name: value for name, value in given.items() if name not in rounded} | rounded,
        (
            f"Weights learned from {study.training[0].choices} choices of a driver by zoox-stack learn-costs,",
            f"{about['date']}; docs/planning.md says how. Other parameters are as they were given.",
        ),
    )
    summary = {
        "logs": logs,
        "scenes": len(choices),
        "choices": len(choices.decided),
        "anchors": int((choices.stands & (choices.anchor >= 0)).sum()),
        "left_out": dict(sorted(left_out.items())),
        "discount": args.discount,
        "temperature": study.learned.temperature,
        "draws": study.draws,
        "weights": {
            name: {
                "known": float(known[i]),
                "learned": rounded[f"weight_{name}"],
                "ci95": [_finite(study.low[i]), _finite(study.high[i])] if study.learned.seen[i] else None,
                "seen": bool(study.learned.seen[i]),
            }
            for i, name in enumerate(COST_NAMES)
        },
        "training": _both(study.training),
        "held_out": _both(study.held_out) if study.held_out else None,
        **about,
    }
    print(json.dumps(summary) if args.json else _text(summary, study, args.out))
    return 0


def _check(args: argparse.Namespace) -> None:
    for name, value, low, high in (
        ("held-out", args.held_out, 0.0, 0.9), ("every", args.every, 0.1, 10.0), ("nearest", args.nearest, 0.1, 20.0),
        ("discount", args.discount, 0.0, 0.99), ("prior", args.prior, 0.0, 1e6), ("draws", args.draws, 0, 10_000),
        ("seed", args.seed, 0, 2**31),
    ):  # fmt: skip
        if not low <= value <= high:
            raise ConfigurationError(f"--{name}: expected {low:g} to {high:g}, found {value:g}")
    if not args.out.parent.is_dir():
        raise ConfigurationError(f"--out: expected a file in a folder that exists, found {args.out}")


def _choices(args: argparse.Namespace, config: PlannerConfig) -> tuple[Choices | None, Counter[str], int]:
    from zoox_stack.datasets.bags import LoggedScenes, find_bags
    from zoox_stack.planning.choices import choices_of_log
    from zoox_stack.planning.cost_learning import joined
    from zoox_stack.simulation.progress import progress_bar

    bags = list(dict.fromkeys(bag for path in args.logs for bag in find_bags(path)))
    left_out: Counter[str] = Counter()
    parts = []
    with progress_bar("logs", len(bags)) as advance:
        for number, bag in enumerate(bags):
            found = choices_of_log(LoggedScenes.read(bag), number, config, every=args.every, nearest=args.nearest)
            left_out += found.left_out
            parts += [found.choices] if found.choices is not None else []
            advance(number + 1)
    return joined(parts) if parts else None, left_out, len(bags)


def _in_range(by_term: dict[str, float]) -> dict[str, float]:
    """By parameter, no more than the parameter may be."""
    from zoox_stack.core.parameters import describe
    from zoox_stack.planning.config import PlannerConfig

    high = {info.name: info.high for info in describe(PlannerConfig)}
    return {f"weight_{n}": min(w, high[f"weight_{n}"] or w) for n, w in by_term.items()}


def _both(pair: tuple[PolicyScore, PolicyScore]) -> dict[str, dict[str, Any]]:
    return {name: vars(score) for name, score in zip(("known", "learned"), pair, strict=True)}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _text(summary: dict[str, Any], study: CostStudy, out: Path) -> str:
    found = f"{summary['choices']} choices in {summary['scenes']} scenes of {summary['logs']} logs"
    lines = [f"{found}, the ego stands in {summary['anchors']}"]
    lines += [f"  {count} scenes: {reason}" for reason, count in summary["left_out"].items()]
    lines += ["", f"{'weight':<20}{'known':>9}{'learned':>10}  95 %"]
    for name, row in summary["weights"].items():
        said = "not in these logs" if not row["seen"] else ""
        if row["ci95"] and row["ci95"][0] is not None:
            said = f"{row['ci95'][0]:.3g} .. {row['ci95'][1]:.3g}"
        lines.append(f"{name:<20}{row['known']:>9.3g}{row['learned']:>10.3g}  {said}")
    heads = "".join(f"{head:>8}" for head in (*_WITHIN, "m off"))
    lines += ["", f"{'':<28}{'choices':>8}{'nat':>8}{heads}"]
    for where, pair in (("learned from", study.training), ("held out", study.held_out)):
        for name, score in zip(("known", "learned"), pair or (), strict=False):
            shares = "".join(f"{share:>8.2f}" for share in score.within)
            lines.append(
                f"{where + ', ' + name:<28}{score.choices:>8}{score.log_likelihood:>8.2f}{shares}{score.distance:>8.2f}"
            )
    lines += [
        "nat: mean log-likelihood of a choice, each at its best temperature",
        "1st, of 5, of 20: share of the choices among the cheapest candidates",
        "m off: from the driver's way to the cheapest candidate, mean over 8 s",
        f"written: {out}",
    ]
    return "\n".join(lines)
