"""``zoox-stack evaluate what-if``: answers to "if the ego does X" against what happens when it does X."""

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
from zoox_stack.evaluation.prediction_sources import find_sources
from zoox_stack.evaluation.what_if_run import evaluate_sources
from zoox_stack.evaluation.what_if_scores import CLOSE, NEAR_MISS, UNAFFECTED, WATCHED, Answer
from zoox_stack.evaluation.what_if_set_pictures import write_pictures
from zoox_stack.evaluation.what_if_summary import summarise
from zoox_stack.simulation.progress import progress_bar
from zoox_stack.simulation.samples import AFFECTED

_DESCRIPTION = (
    "Ask prediction what the others do under each plan of the ego, and compare with what they did when that plan was "
    f"driven. Affected: whose true future under a plan is more than {AFFECTED} m from that under the first plan. "
    "Masked: the same weights without the plan; shuffled: the answer to another plan of the scene. Who goes first: at "
    f"places where the true ways cross or merge. Contacts: of everyone within {WATCHED:g} m; near miss: closer than "
    f"{NEAR_MISS:g} m; close: of those only whose middles come within {CLOSE:g} m under some plan. Unaffected: never "
    f"more than {UNAFFECTED} m from the first plan's future. Recorded drives know one plan, the driven one: what needs "
    "several is null."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--data", type=Path, required=True, metavar="D", help="a counterfactual set, a bag, or a folder of bags"
    )
    parser.add_argument(
        "--model", type=Path, metavar="M", help="folder with the two ONNX files (default: the ones shipped)"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="draw the scenes in which plans change most, answer beside truth"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="bags or parts at a time, each in a process (default: 1)"
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
    model_dir = "" if args.model is None else str(args.model)
    sources = find_sources(args.data)
    with progress_bar("questions", len(sources)) as advance:
        evaluation = evaluate_sources(sources, model_dir, args.jobs, advance)
    result = {"data": str(args.data), "model": evaluation.model} | summarise(evaluation.scores) | machine()
    if args.pictures is not None:
        result["pictures"] = [str(path) for path in write_pictures(evaluation, model_dir, args.pictures)]
    if args.json:
        print(json.dumps(result))
    else:
        print_result(result, Console())
    return 0


def print_result(result: dict[str, Any], console: Console) -> None:
    """The numbers for people."""
    console.print(f"{result['data']}: {result['scenes']} scenes, {result['plans']} plans, model {result['model']}")
    if result["affected"]["n"]:
        parts = {"all": result["affected"], **result["affected_classes"], **result["affected_plans"]}
        console.print(_error_table("affected road users: minADE of 6 over 8 s [m]", parts))
    if result["driven"]["n"]:
        console.print(
            _error_table(
                "whom the answer to the driven plan moves: minADE of 6 over 8 s [m]", {"all": result["driven"]}
            )
        )
    console.print(_skill_table(result))
    left, usual = result["unaffected"], result["unaffected_median_change_m"]
    if left["n"]:
        console.print(
            f"unaffected: {left['n']} road users, largest change between plans: median {_said(usual)} m, 95 % below "
            f"{_said(left['p95_change_m'])} m; the {left['beside']} beside the ego: median "
            f"{_said(left['beside_median_change_m'])} m, 95 % below {_said(left['beside_p95_change_m'])} m; "
            f"largest reaction before its cause: {_said(result['early_reaction_max_m'])} m"
        )
    for path in result.get("pictures", ()):
        console.print(path, soft_wrap=True)


def _error_table(title: str, parts: dict[str, dict[str, Any]]) -> Table:
    """A row per part."""
    table = _empty_table(title, "n", "answer", "no plan", "masked", "shuffled", "cv", "ratio", "95 %")
    for name, part in parts.items():
        errors = [_said(value) for key, value in part.items() if key.endswith("_8s")]
        table.add_row(name, str(part["n"]), *errors, _said(part["ratio"]), _between(part["ratio_ci95"]))
    return table


def _skill_table(result: dict[str, Any]) -> Table:
    """A row per kind of event and measure."""
    answers = [a for a in Answer if a is not Answer.MASKED]  # which is that without a plan
    table = _empty_table("skill", "n", "yes", "answer", "no plan", "shuffled", "cv", "95 %")
    first = result["goes_first"]
    rows = [("goes first: AUC", first["n"], round((first["agent_first"] or 0) * first["n"]), first["auc"], first)]
    for kind, part in result["contacts"].items():
        said = kind.replace("_", " ")
        rows.append((f"{said}: AUC", part["n"], part["events"], part["auc"], part))
        rows.append((f"{said}: AUC, close", part["close"], part["events"], part["close_auc"], None))
        rows.append((f"{said}: Brier", part["n"], part["events"], part["brier_skill"], None))
    for name, n, events, values, part in rows:
        between = "" if part is None else _between(part["auc_ci95"])
        table.add_row(name, str(n), str(events), *(_said(values[a.name.lower()]) for a in answers), between)
    return table


def _empty_table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 0, 0, 1))
    for head in ("", *heads):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    return table


def _between(values: list[float | None]) -> str:
    return "..".join(_said(value) for value in values)


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
