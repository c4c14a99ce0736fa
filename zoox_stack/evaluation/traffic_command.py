"""``zoox-stack evaluate traffic``: statistics and physical plausibility of the traffic in recorded logs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from zoox_stack.core.late_parser import LateParser
from zoox_stack.evaluation.traffic_logs import find_logs, load_recording
from zoox_stack.evaluation.traffic_overlaps import overlaps, pooled_overlaps
from zoox_stack.evaluation.traffic_physics import PhysicsCheck, as_rows, physics_violations
from zoox_stack.evaluation.traffic_statistics import collect, merged, summarise
from zoox_stack.evaluation.traffic_tables import (
    check_page,
    overlaps_table,
    physics_table,
    print_tables,
    replace_tables,
    statistics_tables,
)

LOG_HELP = (
    "a bag with ground truth, a CommonRoad .xml, an Argoverse 2 log folder or a nuScenes ScenarioNet .pkl; "
    "NAME=PATTERN pools all that match (quote it)"
)


def register(subparsers: Any) -> None:
    """Add ``evaluate`` with its kinds."""
    parser = subparsers.add_parser(
        "evaluate", help="tracks, predictions, planning, faults: measured, and statistics of traffic"
    )
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=LateParser)
    traffic = kinds.add_parser(
        "traffic",
        help="how realistic and how physically plausible the traffic in logs is",
        description="Statistics of the labelled traffic in logs, the same as `zoox-stack simulate statistics` gives of "
        "simulated traffic, and a check of every step against what is physically possible.",
    )
    traffic.add_argument("logs", nargs="+", metavar="LOG", help=LOG_HELP)
    traffic.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    traffic.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into this Markdown file")
    traffic.set_defaults(func=run)
    for name, module, text in (
        ("perception", "zoox_stack.evaluation.perception_command", "how good tracks made of LiDAR sweeps are"),
        ("prediction", "zoox_stack.evaluation.prediction_command", "how good predictions are"),
        ("what-if", "zoox_stack.evaluation.what_if_command", "how good what-if answers are"),
        ("planning", "zoox_stack.evaluation.planning_command", "how well planners drive, in closed loop"),
        ("faults", "zoox_stack.evaluation.fault_command", "how drives end in which a part of the stack fails"),
    ):
        kinds.add_parser(name, help=text, module=module)


def run(args: argparse.Namespace) -> int:
    """Run the command; 0 also where labels break physics: that is what logs are like."""
    if args.markdown is not None:
        check_page(args.markdown)
    results = measure_logs(args.logs)
    tables = [
        *statistics_tables({name: result["statistics"] for name, result in results.items()}),
        physics_table({name: result["physics"] for name, result in results.items()}),
        overlaps_table({name: result["overlaps"] for name, result in results.items()}),
    ]
    if args.json:
        print(json.dumps(results), flush=True)
    else:
        print_tables(tables)
    if args.markdown is not None:
        replace_tables(args.markdown, tables, "Made by `zoox-stack evaluate traffic`.")
    return 0


def measure_logs(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Statistics and physics of logs by name, ready for JSON; a progress bar on stderr.

    Args:
        words: See `find_logs`.

    Raises:
        InvalidInputError: A log is missing or not readable.
    """
    sources = find_logs(words)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("logs", total=sum(len(paths) for paths in sources.values()))
        results = {}
        for name, paths in sources.items():
            samples, checks, found = [], [], []
            for path in paths:
                recording = load_recording(path)
                samples.append(collect(recording))
                checks.append(physics_violations(recording))
                found.append(overlaps(recording))
                progress.advance(task)
            results[name] = {
                "statistics": summarise(merged(samples)),
                "physics": as_rows(pooled(checks)),
                "overlaps": asdict(pooled_overlaps(found)),
            }
    return results


def pooled(parts: Sequence[tuple[PhysicsCheck, ...]]) -> tuple[PhysicsCheck, ...]:
    """Checks of several recordings as one: sums, and the worst of all."""
    found: dict[tuple[str, str], PhysicsCheck] = {}
    for check in (check for part in parts for check in part):
        key = check.agent_class, check.quantity
        if key not in found:
            found[key] = check
            continue
        known = found[key]
        worst = known if not check.worst > known.worst else check
        found[key] = replace(
            worst,
            steps=known.steps + check.steps,
            violations=known.violations + check.violations,
            agents=known.agents + check.agents,
        )
    return tuple(found.values())


def violations(physics: Sequence[Mapping[str, Any]]) -> int:
    """Steps beyond the limits in checks as JSON."""
    return sum(check["violations"] for check in physics)
