"""``zoox-stack evaluate perception``: tracks made of the sweeps of logs, beside their ground truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.machine import machine
from zoox_stack.core.parameter_file import read_parameters
from zoox_stack.core.parameters import build
from zoox_stack.simulation.progress import progress_bar

_DESCRIPTION = (
    "Run perception over the LiDAR sweeps of bags with ground truth (`zoox-stack simulate --sensors RIG`) and compare "
    "its tracks with the road users, sweep by sweep. Road users with at least 10 points within 60 m have to be found; "
    "others may be. docs/perception-evaluation.md says what each number means."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", metavar="D", help="bags, or folders of bags, with sweeps"
    )
    parser.add_argument("--parameters", type=Path, metavar="YAML", help="parameters of the perception node")
    parser.add_argument("--per-log", action="store_true", help="also the numbers of every bag alone")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="bags at a time, each in a process (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ConfigurationError: An argument is out of range, or a parameter does not exist.
        InvalidInputError: There are no bags.
        ZooxStackError: A bag could not be evaluated.
    """
    if args.jobs < 1:
        raise ConfigurationError(f"--jobs: expected at least 1, found {args.jobs}")
    # SciPy and OpenCV take a second to import: not for a look at --help.
    from zoox_stack.datasets.bags import find_bags
    from zoox_stack.evaluation.perception_run import evaluate_logs
    from zoox_stack.evaluation.perception_scores import PerceptionScores, summarise
    from zoox_stack.perception.config import PerceptionConfig

    values = {} if args.parameters is None else read_parameters(args.parameters, "perception")
    config = build(PerceptionConfig, values, "perception")
    bags = list(dict.fromkeys(bag for path in args.data for bag in find_bags(path)))
    with progress_bar("perception", len(bags)) as advance:
        scores = evaluate_logs(bags, config, args.jobs, advance)
    result: dict[str, Any] = {"data": [str(path) for path in args.data]}
    result |= summarise(PerceptionScores.joined(list(scores.values())))
    if args.per_log:
        result["logs"] = {str(bag): summarise(part) for bag, part in scores.items()}
    result |= machine()
    if args.json:
        print(json.dumps(result))
    else:
        _print(result)
    return 0


def _print(result: dict[str, Any]) -> None:
    console = Console()
    console.print(f"{', '.join(result['data'])}: {result['sweeps']} sweeps", soft_wrap=True)
    table = Table(box=SIMPLE, padding=(0, 0, 0, 1))
    heads = ("", "n", "recall", "prec.", "class", "MOTA", "IDS", "m", "deg", "m/s", "young")
    for head in heads:
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    rows = {"all": result["all"], **result["classes"], **{f"{k} m": v for k, v in result["ranges"].items()}}
    rows |= {Path(name).stem: part["all"] for name, part in result.get("logs", {}).items()}
    for name, row in rows.items():
        errors = (row[key] for key in ("position_error", "heading_error_deg", "speed_error", "velocity_error_young"))
        table.add_row(
            name, str(row["road_users"]), _said(row["recall"]), _said(row["precision"]), _said(row["class_accuracy"]),
            _said(row.get("mota")), str(row["id_switches"]), *(_said(e and e["median"], 2) for e in errors),
        )  # fmt: skip
    console.print(table)
    for kind, counts in result["false_per_sweep"].items():
        said = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in counts.items())
        console.print(f"{kind}s per sweep: {said}")
    console.print(f"existence: ECE {_said(result['existence']['ece'])}; perception {result['ms']} ms")


def _said(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
