"""``zoox-stack evaluate planning``: how well planners drive, in closed loop in made-up towns."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.machine import machine
from zoox_stack.core.parameters import build
from zoox_stack.evaluation.closed_loop_summary import PLANNERS
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.simulation.progress import progress_bar
from zoox_stack.simulation.town_definition import load_town_definition, town_names

ALL = "all"
DEFAULT_RIG = "compact"
INTERRUPTED = 130  # exit code after Ctrl-C
_DESCRIPTION = (
    "Let planners drive the same routes through the same traffic in closed loop, and score every drive as nuPlan does "
    "(docs/planning-evaluation.md). One drive per planner, town and seed, in lock-step: results do not depend on the "
    "machine. Every drive is kept in DIR, and what is there already, made by the same code and settings, is not driven "
    "again. Planners: what_if asks prediction how others would react; unconditional never asks; constant_velocity has no "
    "prediction; idm follows its lane; human is SUMO's own driver, the reference for progress."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = "Exit codes: 0 all well, 1 no drive could be scored, 2 a wrong argument, 130 Ctrl-C."
    parser.add_argument(
        "--towns", default=ALL, metavar="T", help=f"comma separated: {', '.join(town_names())}, .yaml files; or {ALL}"
    )
    parser.add_argument(
        "--seeds", default="0:8", metavar="A:B", help="of towns, traffic and routes: from A up to, not including, B"
    )
    parser.add_argument("--duration", type=float, default=60.0, metavar="S", help="of each drive [s] (default: 60)")
    parser.add_argument(
        "--planners", default=",".join(PLANNERS), metavar="P", help=f"comma separated (default: {','.join(PLANNERS)})"
    )
    parser.add_argument(
        "--sensors", nargs="?", const=DEFAULT_RIG, default="", metavar="RIG",
        help="let planners see what perception makes of the LiDAR of a sensor rig "
        f"(default rig: {DEFAULT_RIG}); without it they know where everyone is",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=Path, metavar="M", help="folder with the two ONNX files (default: the ones shipped)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="parameters",
        help="a parameter of the planner (config/planner.yaml); may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="drives at a time, each in a process (default: 1)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the drives and the results")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 if no drive could be scored, 130 if the user broke it off.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    benchmark = benchmark_of(args)
    # SciPy, networkx and SUMO take seconds to import: not for a look at --help or for a wrong argument.
    from zoox_stack.evaluation.closed_loop_summary import markdown, summarise
    from zoox_stack.evaluation.planning_run import run_benchmark
    from zoox_stack.evaluation.planning_table import write_drives

    args.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        with progress_bar("drives", 1.0) as advance:
            results = run_benchmark(benchmark, args.out, args.jobs, advance)
    except KeyboardInterrupt:
        print(f"interrupted; the drives in {args.out} are kept, the same command goes on with them", file=sys.stderr)
        return INTERRUPTED
    scored = [record.scored for record in results.records if record.scored is not None]
    for failure in results.failures:
        print(f"{failure.planner}, {failure.town} {failure.seed}: no score: {failure.text}", file=sys.stderr)
    settings = benchmark.settings
    summary = summarise(scored) | {
        "duration_s": settings.duration,
        "sensors": settings.sensors or None,
        "parameters": dict(benchmark.parameters),
        "failures": [vars(failure) for failure in results.failures],
        "mishaps": {
            name: sum(record.mishaps for record in results.records if record.planner == name)
            for name in benchmark.planners
        },
        "driven_now": results.driven,
        "seconds": round(time.monotonic() - started, 1),
        "jobs": args.jobs,
        **machine(),
    }
    write_drives(args.out / "drives.csv", results.records)
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    if scored:
        (args.out / "summary.md").write_text(markdown(summary), encoding="utf-8")
    if args.json:
        print(json.dumps(summary))
    else:
        _print(summary)
        print(f"every drive: {args.out / 'drives.csv'}")
    return 0 if scored else 1


def benchmark_of(args: argparse.Namespace) -> Any:
    """What the arguments ask for.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    from zoox_stack.evaluation.planning_drive import DriveSettings
    from zoox_stack.evaluation.planning_run import Benchmark

    if args.jobs < 1:
        raise ConfigurationError(f"--jobs: expected at least 1, found {args.jobs}")
    if not 2.0 <= args.duration <= 3600.0:
        raise ConfigurationError(f"--duration: expected 2 to 3600 s, found {args.duration:g} s")
    towns = town_names() if args.towns == ALL else _words(args.towns, "--towns")
    for town in towns:
        load_town_definition(town)
    stems = [Path(town).stem for town in towns]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ConfigurationError(f"--towns: expected each name once, found {stem!r} twice")
    planners = _words(args.planners, "--planners")
    for name in planners:
        if name not in PLANNERS:
            raise ConfigurationError(f"--planners: expected some of {', '.join(PLANNERS)}, found {name!r}")
    if args.sensors:
        from zoox_stack.simulation.sensors.rig import load_sensor_rig  # takes a second to import

        if not load_sensor_rig(args.sensors).lidars:
            raise ConfigurationError(f"--sensors {args.sensors}: expected a rig with a LiDAR, found none")
    parameters = _parameters(args.parameters)
    build(PlannerConfig, parameters, "planner")
    model = "" if args.model is None else str(args.model)
    if args.model is not None and not args.model.is_dir():
        raise ConfigurationError(f"--model: expected a folder with the two ONNX files, found {args.model}")
    return Benchmark(
        towns=tuple(towns),
        seeds=_seeds(args.seeds),
        planners=tuple(planners),
        settings=DriveSettings(duration=args.duration, sensors=args.sensors),
        model_dir=model,
        parameters=parameters,
    )


def _words(text: str, option: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ConfigurationError(f"{option}: expected at least one name, found none")
    return list(dict.fromkeys(words))


def _seeds(text: str) -> tuple[int, ...]:
    first, colon, end = text.partition(":")
    try:
        low = int(first)
        high = int(end) if colon else low + 1
    except ValueError:
        raise ConfigurationError(f"--seeds: expected A:B or one number, found {text!r}") from None
    if not 0 <= low < high <= 2**31:
        raise ConfigurationError(f"--seeds: expected 0 <= A < B, found {text}")
    return tuple(range(low, high))


def _parameters(words: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigurationError(f"--set: expected NAME=VALUE, found {word!r}")
        try:
            found[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigurationError(f"--set {name}: expected a value as in YAML, found {value!r}") from None
    return found


# --- for people -------------------------------------------------------------------------------------------------------

_COLUMNS = {
    "score": "score", "at fault": "at_fault_collisions", "all": "collisions", "progress": "progress_vs_human",
}  # fmt: skip
_SHORT = {
    "no_at_fault_collisions": "C", "drivable_area": "A", "driving_direction": "D", "making_progress": "M",
    "time_to_collision": "T", "progress": "P", "speed_limit": "S", "comfort": "K",
}  # fmt: skip


def _print(summary: Mapping[str, Any]) -> None:
    console = Console()
    seen = f"LiDAR of {summary['sensors']}" if summary["sensors"] else "everyone known"
    console.print(
        f"{len(summary['towns'])} towns, {len(summary['seeds'])} seeds, {summary['duration_s']:g} s; {seen}",
        soft_wrap=True,
    )
    heads = ["drives", *_COLUMNS, "95 %", "red", "taken over", *_SHORT.values(), "ms p50", "p99"]
    table = _table("planner", heads)
    for name, p in summary["planners"].items():
        missing = f"{p['drives']} of {p['drives'] + p['missing_drives']}" if p["missing_drives"] else str(p["drives"])
        table.add_row(
            name, missing, *(_said(p[key]) for key in _COLUMNS.values()),
            "..".join(_said(end) for end in p["score_ci95"]), str(p["events"]["red_light"]), str(p["interventions"]),
            *(_said(p["metrics"][metric], 2) for metric in _SHORT),
            _said(p["latency_ms"]["p50"], 1), _said(p["latency_ms"]["p99"], 1),
        )  # fmt: skip
    console.print(table)
    if summary["paired"]:
        table = _table("one minus the other", ["pairs", "score", "95 %", "progress"])
        for name, p in summary["paired"].items():
            ends = "..".join(_said(end) for end in p["ci95"])
            table.add_row(name, str(p["n"]), _said(p["mean"]), ends, _said(p["progress"]["mean"]))
        console.print(table)
    if any(summary["mishaps"].values()):
        console.print("scenes on which a planner failed:", summary["mishaps"])


def _table(first: str, heads: Sequence[str]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 0, 0, 1))
    table.add_column(first, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _said(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.{digits}f}"
