"""``zoox-stack evaluate planning --commonroad``: planning problems in recorded traffic, for people and machines."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.machine import machine
from zoox_stack.simulation.progress import progress_bar

INTERRUPTED = 130  # exit code after Ctrl-C
_OUTCOMES = (("goal_missed", "missed"), ("off_road", "off road"), ("failed", "not driven"))
_HITS = (
    ("from_behind", "behind"), ("front", "front"), ("side", "side"), ("after_lane_change", "cut in"),
    ("at_start", "start"),
)  # fmt: skip


def run_commonroad(
    place: Path, planners: Sequence[str], parameters: Mapping[str, Any], model_dir: str, args: argparse.Namespace
) -> int:
    """Run the command; 0 all well, 1 no problem could be driven, 130 if the user broke it off.

    Args:
        place: A folder of scenarios, or one.
        planners: Who drives.
        parameters: Of the planner.
        model_dir: Folder with the two ONNX files, or empty.
        args: `problems`, `jobs`, `out` and `json` of the command.

    Raises:
        ConfigurationError: An argument is wrong.
        InvalidInputError: A file cannot be read, or has no planning problem.
    """
    from zoox_stack.evaluation.recorded_run import (
        KINDS,
        RecordedBenchmark,
        run_recorded,
        scenario_files,
        summarise_recorded,
    )  # fmt: skip

    for name in planners:
        if name not in KINDS:
            raise ConfigurationError(
                f"--planners with --commonroad: expected some of {', '.join(KINDS)}, found {name!r}"
            )
    if args.problems is not None and args.problems < 1:
        raise ConfigurationError(f"--problems: expected at least 1, found {args.problems}")
    benchmark = RecordedBenchmark(
        scenario_files(place), tuple(planners), args.problems, model_dir=model_dir, parameters=parameters
    )
    started = time.monotonic()
    try:
        with progress_bar("problems", 1.0) as advance:
            results, driven = run_recorded(benchmark, args.out, args.jobs, advance)
    except KeyboardInterrupt:
        print(f"interrupted; what was driven is kept in {args.out}, the same command goes on with it", file=sys.stderr)
        return INTERRUPTED
    summary = summarise_recorded(results) | {
        "parameters": dict(parameters),
        "driven_now": driven,
        "seconds": round(time.monotonic() - started, 1),
        "jobs": args.jobs,
        **machine(),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "recorded.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(summary))
    else:
        _print(summary)
        print(f"every problem: {args.out / 'recorded.json'}")
    return 0 if any(result.steps for result in results) else 1


def _print(summary: Mapping[str, Any]) -> None:
    planners = summary["planners"]
    table = Table(box=SIMPLE, padding=(0, 0, 0, 1))
    table.add_column("", no_wrap=True)
    for name in planners:
        table.add_column(name, justify="right", no_wrap=True)

    def row(name: str, say: Callable[[Mapping[str, Any]], str]) -> None:
        table.add_row(name, *(say(planner) for planner in planners.values()))

    row("solved", lambda p: f"{p['solved']} of {p['problems']}")
    row("share", lambda p: f"{p['solve_rate']:.3f}")
    row("95 %", lambda p: "..".join(f"{end:.2f}" for end in p["solve_rate_ci95"]))
    for outcome, word in _OUTCOMES:
        row(word, lambda p, outcome=outcome: str(p["outcomes"][outcome]))  # type: ignore[misc]
    for kind, word in _HITS:
        row(f"hit, {word}", lambda p, kind=kind: str(p["collisions"][kind]))  # type: ignore[misc]
    row("ms", lambda p: "-" if p["latency_ms"]["p50"] is None else f"{p['latency_ms']['p50']:.0f}")
    console = Console()
    console.print(table)
    console.print(
        "missed: not in the goal in time; not driven: no way to the goal was found; behind, front, side: "
        "where recorded traffic, which reacts to nobody, touched the ego; cut in: from behind or beside, within 3 s "
        "of a lane change of the ego; ms: median time of a decision. docs/planning-evaluation.md says more."
    )
