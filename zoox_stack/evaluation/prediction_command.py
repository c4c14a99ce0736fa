"""``zoox-stack evaluate prediction``: how good predictions are on logs and counterfactual sets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.machine import machine
from zoox_stack.core.predictions import MODES
from zoox_stack.simulation.progress import progress_bar

_DESCRIPTION = (
    "Predict the road users of recorded scenes, one scene per second, and compare with what they did. A road user "
    "counts at a horizon of 3, 5 or 8 s if it was seen during the whole second before, is there at every step until "
    "the horizon and has moved more than 2 m by then; those outside the scene image count too. Beside the model, on "
    "the same road users: constant velocity (cv), constant turn rate from the box's heading (ctrv) and from positions "
    "(ctr), and following the lane at constant speed (lane)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--data", type=Path, required=True, metavar="D", help="a bag, a folder of bags, or a counterfactual set"
    )
    parser.add_argument(
        "--model", type=Path, metavar="M", help="folder with the two ONNX files (default: the ones shipped)"
    )
    parser.add_argument(
        "--past-motion", action="store_true",
        help="take velocities and accelerations from the poses before each scene, not from the log: fair where those "
        "of the log are differences that look ahead, as in converted data sets",
    )  # fmt: skip
    parser.add_argument("--per-source", action="store_true", help="also the numbers of every bag or town alone")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR",
        help="draw scenes, chosen by rule (best to worst of each class), and the reliability diagram as PNG",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="bags at a time, each in a process (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ConfigurationError: An argument is out of range.
        InvalidInputError: There is nothing to measure on.
        ZooxStackError: A source could not be evaluated, or the network not be used.
    """
    if args.jobs < 1:
        raise ConfigurationError(f"--jobs: expected at least 1, found {args.jobs}")
    # ONNX Runtime, SciPy and matplotlib take seconds to import: not for a look at --help or at other evaluations.
    from zoox_stack.evaluation.prediction_run import PredictionSettings, evaluate_sources
    from zoox_stack.evaluation.prediction_sources import find_sources
    from zoox_stack.evaluation.prediction_summary import summarise

    settings = PredictionSettings("" if args.model is None else str(args.model), args.past_motion)
    sources = find_sources(args.data)
    with progress_bar("predictions", len(sources)) as advance:
        evaluation = evaluate_sources(sources, settings, args.jobs, advance)
    result = (
        {"data": str(args.data), "past_motion": args.past_motion}
        | summarise(evaluation, per_source=args.per_source)
        | machine()
    )
    if args.pictures is not None:
        from zoox_stack.evaluation.prediction_pictures import write_pictures

        result["pictures"] = write_pictures(evaluation, settings, args.pictures)
    if args.json:
        print(json.dumps(result))
    else:
        _print(result)
    return 0


def _print(result: dict[str, Any]) -> None:
    console = Console()
    console.print(f"{result['data']}: {result['scenes']} scenes, model {result['model']}")
    for name, part in {"": result, **result.get("sources", {})}.items():
        for table in (_model_table(name, part), _baseline_table(part)):
            console.print(table)
        console.print(_summary_line(part))
    for path in result.get("pictures", ()):
        console.print(path, soft_wrap=True)


def _model_table(name: str, part: dict[str, Any]) -> Table:
    """Errors of the model, a row per class and horizon."""
    heads = {
        f"minADE{MODES}": f"minADE{MODES}", f"minFDE{MODES}": f"minFDE{MODES}", f"miss{MODES}": f"miss_rate{MODES}",
        "ADE1": "minADE1", "FDE1": "minFDE1", "Brier": f"brier_minFDE{MODES}", "NLL": "nll",
    }  # fmt: skip
    table = _empty_table(name or "model", heads)
    for kind, entry in part["classes"].items():
        for when, n in entry["samples"].items():
            table.add_row(kind, when, str(n), *(_said(entry["model"][f"{key}_{when}"], 2) for key in heads.values()))
    return table


def _baseline_table(part: dict[str, Any]) -> Table:
    """Mean and final distance of every baseline, a row per class and horizon."""
    names = list(dict.fromkeys(name for entry in part["classes"].values() for name in entry["baselines"]))
    table = _empty_table("baselines: ADE/FDE", names)
    for kind, entry in part["classes"].items():
        for when, n in entry["samples"].items():
            cells = [
                f"{_said(baseline[f'minADE1_{when}'], 2)}/{_said(baseline[f'minFDE1_{when}'], 2)}"
                for baseline in entry["baselines"].values()
            ]
            table.add_row(kind, when, str(n), *cells)
    return table


def _empty_table(title: str, heads: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1))
    for head in ("class", "for", "n", *heads):
        table.add_column(head, justify="left" if head == "class" else "right", no_wrap=True)
    return table


def _said(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _summary_line(part: dict[str, Any]) -> str:
    covered = ", ".join(f"{share} %: {_said(value)}" for share, value in part["coverage"].items())
    off_road = part["off_road"]
    return (
        f"ECE {_said(part['ece'])} (likeliest mode alone {_said(part['ece_likeliest'])}); NLL {_said(part['nll'])}; "
        f"truth inside ellipses of {covered}; off the road {_said(off_road['model']['steps'])} of the steps of "
        f"{off_road['n']} vehicles; {part['samples_by_rule']} of {part['samples']} samples at 8 s outside the image or "
        "beyond its most agents: predicted by rule"
    )
