"""``zoox-stack evaluate faults``: the whole graph in closed loop while a part of it fails."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.evaluation.fault_table import ALL, FAULTS, choose_faults
from zoox_stack.simulation.detections import NO_SENSORS
from zoox_stack.simulation.town_definition import load_town_definition

if TYPE_CHECKING:
    from zoox_stack.evaluation.fault_campaign import Campaign, FaultRun

TOWNS = "signal_grid,roundabout,downtown"
SHORTEST = 10.0  # [s] a fault begins after 5 s and lasts 4 s
INTERRUPTED = 130
_DESCRIPTION = (
    "Drive through towns with the real graph of processes, make one fault per drive, and judge how it ends: it has "
    "to drive on safely or to stop safely, and /diagnostics have to name the fault (docs/fault-campaign.md). Every run "
    "is kept in DIR, and what is there already, made by the same code and settings, is not driven again. In real time: "
    "reaction times depend on the machine."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = "Exit codes: 0 every run was safe, 1 one was not or broke off, 2 a wrong argument, 130 Ctrl-C."
    parser.add_argument("--towns", default=TOWNS, metavar="T", help=f"comma separated (default: {TOWNS})")
    parser.add_argument(
        "--faults", default=ALL, metavar="F",
        help=f"comma separated (default: {ALL}, sweep_blind only with a LiDAR): {', '.join(f.name for f in FAULTS)}",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of towns, traffic and routes (default: 1)")
    parser.add_argument("--duration", type=float, default=30.0, metavar="S", help="of each drive [s] (default: 30)")
    parser.add_argument(
        "--sensors", default=NO_SENSORS, metavar="RIG",
        help=f"name of a sensor rig with a LiDAR (default: {NO_SENSORS}: detections without error)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N",
        help="runs at a time; more than the machine has room for make every stage late (default: 1)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the recordings and results")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 if a run was not safe, 130 if the user broke it off.

    Raises:
        ConfigurationError: An argument is wrong, or ROS 2 is not there.
    """
    campaign = campaign_of(args)
    try:
        import zoox_stack.ros.clock_watch  # noqa: F401 - only whether ROS 2 is there
    except ImportError as error:
        raise ConfigurationError(f"ROS 2 cannot be loaded: {error}. Run `zoox-stack doctor`.") from error
    from zoox_stack.evaluation.fault_campaign import row_of, run_campaign, summarise

    args.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def done(run: FaultRun) -> None:
        row = row_of(run)
        said = "named" if row["named"] else "NOT NAMED"
        print(f"{run.town} {run.fault.name}: {row['outcome']}, {said}. {row['why']}", file=sys.stderr, flush=True)

    try:
        runs = run_campaign(campaign, args.out, args.jobs, done)
    except KeyboardInterrupt:
        print(f"interrupted; the runs in {args.out} are kept, the same command goes on with them", file=sys.stderr)
        return INTERRUPTED
    summary = summarise(runs) | {
        "seed": campaign.seed, "duration_s": campaign.duration, "sensors": campaign.sensors,
        "driven_now": sum(run.driven_now for run in runs), "seconds": round(time.monotonic() - started, 1),
        "jobs": args.jobs,
    }  # fmt: skip
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (args.out / "summary.md").write_text(markdown(summary["runs"]), encoding="utf-8")
    if args.json:
        print(json.dumps(summary))
    else:
        _print(summary)
    return int(summary["safe"] < summary["count"])


def campaign_of(args: argparse.Namespace) -> Campaign:
    """What the arguments ask for.

    Raises:
        ConfigurationError: One of them is wrong.
    """
    from zoox_stack.evaluation.fault_campaign import Campaign

    faults = choose_faults(args.faults, lidar=args.sensors != NO_SENSORS)
    towns = tuple(dict.fromkeys(word.strip() for word in args.towns.split(",") if word.strip()))
    if not towns:
        raise ConfigurationError("--towns: expected at least one name, found none")
    for town in towns:
        load_town_definition(town)
    if not SHORTEST <= args.duration <= 600.0:
        raise ConfigurationError(f"--duration: expected {SHORTEST:g} to 600 s, found {args.duration:g} s")
    if args.jobs < 1:
        raise ConfigurationError(f"--jobs: expected at least 1, found {args.jobs}")
    if not 0 <= args.seed < 2**31:
        raise ConfigurationError(f"--seed: expected 0 .. 2147483647, found {args.seed}")
    if args.sensors != NO_SENSORS:
        from zoox_stack.simulation.sensors.rig import load_sensor_rig  # takes a second to import

        if not load_sensor_rig(args.sensors).lidars:
            raise ConfigurationError(f"--sensors {args.sensors}: expected a rig with a LiDAR, found none")
    return Campaign(towns, faults, args.seed, args.duration, args.sensors)


# --- for people -------------------------------------------------------------------------------------------------------

_HEADS = ("town", "fault", "ends", "safe", "named by", "named", "manoeuvre", "recovered", "longest gap")


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One run as text, one per head of the table."""
    named = row["named"].split(": ")[0] if row["named"] else "nobody"
    ends = row["outcome"] + ("" if row["expected"] else " (!)")
    times = (row[f"{what}_s"] for what in ("named_after", "manoeuvre_after", "recovered_after", "longest_gap"))
    return row["town"], row["fault"], ends, "yes" if row["safe"] else "NO", named, *map(_seconds, times)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of runs for a document."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|" + "---|" * len(_HEADS)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _print(summary: dict[str, Any]) -> None:
    console = Console()
    table = Table(*_HEADS, box=SIMPLE, padding=(0, 0, 0, 1))
    for row in summary["runs"]:
        table.add_row(*cells(row))
    console.print(table)
    for row in summary["runs"]:
        if row["why"]:
            console.print(f"{row['town']} {row['fault']}: {row['why']}", soft_wrap=True)
    console.print(
        f"{summary['safe']} of {summary['count']} runs safe, {summary['as_expected']} ended as expected, "
        f"{summary['named']} faults named; {summary['manoeuvres_within_200_ms']} of {summary['manoeuvres']} manoeuvres "
        "within 0.2 s of the fault. docs/fault-campaign.md says what the columns are.",
        soft_wrap=True,
    )
