"""``zoox-stack simulate``: drives through made-up towns as bags; counterfactuals; statistics."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.late_parser import LateParser
from zoox_stack.core.machine import machine
from zoox_stack.simulation.detections import NO_SENSORS
from zoox_stack.simulation.log_jobs import LogOutcome, write_logs
from zoox_stack.simulation.log_plan import LogPlan
from zoox_stack.simulation.progress import progress_bar
from zoox_stack.simulation.sensors.rig_names import sensor_rigs
from zoox_stack.simulation.town_definition import load_town_definition, town_names

_PROG = "zoox-stack simulate"
_USAGE = f"""{_PROG} --town TOWN --out BAG [options]
       {_PROG} counterfactual --town TOWN --out DIR [options]
       {_PROG} statistics [options]"""
_FORKS = (
    "At each of N instants fork the world once per plan of the ego, and keep what everyone does in the next 8 s, as "
    "described in docs/counterfactual-format.md. The same arguments give the same tables."
)
_MEASURES = "Run towns and measure their traffic: speeds, accelerations, gaps, waiting times, and bounds of physics."
ALL = "all"
DEFAULT_RIG = "zoox"
INTERRUPTED = 130  # exit code after Ctrl-C


def register(subparsers: Any) -> None:
    """Add ``simulate`` to the commands of a parser; the parsed arguments get ``func(args) -> exit code``."""
    parser = subparsers.add_parser(
        "simulate",
        usage=_USAGE,
        help="record drives through made-up towns, counterfactuals, statistics",
        description="Record a drive through a made-up town as a self-contained rosbag2 bag. SUMO's own driver drives "
        "the ego. The same town and seed give the same bytes. The two other commands have --help of their own.",
        epilog="Exit codes: 0 all well, 1 a log broke off (what it had is kept), 2 a wrong argument, 130 Ctrl-C (what "
        "the logs had is kept).",
    )
    add_arguments(parser)
    parser.set_defaults(func=run)
    others = parser.add_subparsers(title="other commands", metavar="COMMAND", prog=_PROG, parser_class=LateParser)
    for name, module, text, description in (
        (
            "counterfactual",
            "zoox_stack.simulation.counterfactual_command",
            "what everyone would have done had the ego done something else",
            _FORKS,
        ),
        (
            "statistics",
            "zoox_stack.evaluation.statistics_command",
            "how realistic and how plausible the traffic is",
            _MEASURES,
        ),
    ):
        others.add_parser(name, help=text, description=description, module=module)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the recording of drives."""
    parser.add_argument("--town", help=f"{', '.join(town_names())}, a .yaml file, or {ALL}")
    parser.add_argument("--seed", type=int, default=1, help="of town, traffic and route (default: 1)")
    parser.add_argument("--duration", type=float, default=60.0, help="of each log [s] (default: 60)")
    parser.add_argument(
        "--out", type=Path,
        help="OUT.mcap: one file; otherwise a rosbag2 directory. Of several logs: a folder with a bag for each",
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=1, help="logs per town, with rising seeds (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="logs at a time, each in a process (default: 1)")
    parser.add_argument("--warm-up", type=float, default=20.0, help="traffic before the ego appears [s] (default: 20)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--sensors", default=DEFAULT_RIG, metavar="RIG",
        help=f"{', '.join(sensor_rigs())}, a .yaml file, or {NO_SENSORS} (default: {DEFAULT_RIG})",
    )  # fmt: skip
    kind.add_argument(
        "--no-sensors",
        action="store_true",
        help=f"as --sensors {NO_SENSORS}: detections without fault instead of LiDAR, radar and camera, faster",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Record; 1 if a log broke off, 130 if the user did it.

    Raises:
        ConfigurationError: Unknown town or rig.
        InvalidInputError: An argument is missing or out of range, or something is at the place of a bag.
    """
    plans = log_plans(args)
    total = sum(plan.duration for plan in plans)
    started = time.monotonic()
    with progress_bar(f"{len(plans)} logs" if len(plans) > 1 else plans[0].town, total) as advance:
        outcomes = write_logs(plans, args.jobs, advance)
    seconds = time.monotonic() - started
    for outcome in outcomes:
        if outcome.failure or outcome.note:
            text = "; ".join(part for part in (outcome.failure, outcome.note) if part)
            print(f"{_PROG}: town {outcome.plan.town}, seed {outcome.plan.seed}: {text}", file=sys.stderr)
    if args.json:
        print(json.dumps(summarise(outcomes, seconds, args.jobs)))
    else:
        for outcome in outcomes:
            state = "broke off" if outcome.failure else "whole"
            print(f"{outcome.plan.out}: {outcome.duration:.1f} s, {outcome.messages} messages, {state}")
    if any(outcome.interrupted for outcome in outcomes):
        return INTERRUPTED
    return 1 if any(outcome.failure for outcome in outcomes) else 0


def log_plans(args: argparse.Namespace) -> list[LogPlan]:
    """What the arguments ask for.

    Raises:
        ConfigurationError: Unknown town or rig.
        InvalidInputError: An argument is missing or out of range.
    """
    for name in ("town", "out"):
        if getattr(args, name) is None:
            raise InvalidInputError(f"--{name}", "a value", "none", f"See {_PROG} --help")
    if not 0.5 <= args.duration <= 86_400:
        raise InvalidInputError("--duration", "0.5 to 86400 s", f"{args.duration} s")
    if not 2.0 <= args.warm_up <= 3600:
        raise InvalidInputError("--warm-up", "2 to 3600 s", f"{args.warm_up} s")
    for name, least in (("count", 1), ("jobs", 1), ("seed", 0)):
        if getattr(args, name) < least:
            raise InvalidInputError(f"--{name}", f"at least {least}", str(getattr(args, name)))
    towns = town_names() if args.town == ALL else (args.town,)
    for town in towns:
        load_town_definition(town)
    sensors = None if args.no_sensors or args.sensors == NO_SENSORS else args.sensors
    if sensors is not None:
        from zoox_stack.simulation.sensors.rig import load_sensor_rig  # takes a second to import

        load_sensor_rig(sensors)
    wanted = [(town, args.seed + k) for town in towns for k in range(args.count)]
    return [
        LogPlan(town, seed, args.duration, _place(args.out, town, seed, len(wanted)), sensors, args.warm_up)
        for town, seed in wanted
    ]


def _place(out: Path, town: str, seed: int, count: int) -> Path:
    return out if count == 1 else out / f"{Path(town).stem}_{seed}"


def summarise(outcomes: Sequence[LogOutcome], seconds: float, jobs: int) -> dict[str, Any]:
    """What was recorded, ready for JSON."""
    recorded = sum(outcome.duration for outcome in outcomes)
    return {
        "logs": [
            {
                "out": str(outcome.plan.out),
                "town": outcome.plan.town,
                "seed": outcome.plan.seed,
                "duration_s": round(outcome.duration, 3),
                "messages": outcome.messages,
                "failure": outcome.failure,
                "note": outcome.note,
            }
            for outcome in outcomes
        ],
        "seconds": round(seconds, 2),
        "times_real_time": round(recorded / seconds, 2),
        "jobs": jobs,
        **machine(),
    }
