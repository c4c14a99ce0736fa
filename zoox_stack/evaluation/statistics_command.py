"""``zoox-stack simulate statistics``: how realistic and how physically plausible the towns' traffic is."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.machine import machine
from zoox_stack.evaluation.traffic_appearances import appearances
from zoox_stack.evaluation.traffic_command import LOG_HELP, measure_logs, violations
from zoox_stack.evaluation.traffic_logs import find_logs
from zoox_stack.evaluation.traffic_overlaps import MOST_SHARE, overlaps
from zoox_stack.evaluation.traffic_physics import as_rows, physics_violations
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.evaluation.traffic_statistics import collect, summarise
from zoox_stack.evaluation.traffic_tables import (
    Table,
    check_page,
    overlaps_table,
    physics_table,
    print_tables,
    replace_tables,
    statistics_tables,
)
from zoox_stack.evaluation.traffic_waiting import PROGRESS, STUCK, stuck_agents
from zoox_stack.simulation.town_definition import load_town_definition, town_names
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.workers import Job, run_jobs
from zoox_stack.simulation.world import STEP, TrafficWorld

WARM_UP = 20.0  # [s] before measuring, so that the streets are filled
PATIENCE = 120  # [s] a simulator that does not get any further for so long is stuck and is ended
_REPORT_EVERY = 10  # [steps]
_NAMED = 3  # stuck agents of a town that the table names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--towns", default="all", help="all (default), or names or .yaml files, comma between")
    parser.add_argument("--seed", type=int, default=1, help="of town, demand and drivers (default: 1)")
    parser.add_argument("--duration", type=float, default=600.0, help="simulated time per town [s] (default: 600)")
    parser.add_argument("--jobs", type=int, default=1, help="towns at a time, each in a process (default: 1)")
    parser.add_argument("--compare", nargs="+", default=[], metavar="LOG", help=f"logs beside the towns: {LOG_HELP}")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into this Markdown file")


def run(args: argparse.Namespace) -> int:
    """Measure the towns; 1 if a town failed, broke physics, has stuck agents or vehicles that drive through others.

    Raises:
        ConfigurationError: An argument is out of range, there is no such town, or the Markdown file will not do.
        InvalidInputError: A log to compare with is missing, not readable or named like a town.
    """
    names = _checked(args)
    recorded = measure_logs(args.compare) if args.compare else {}
    towns = _measure_towns(names, args)
    result = {"seed": args.seed, "duration_s": args.duration, "towns": towns, "recorded": recorded, **machine()}
    tables = _tables(towns, recorded)
    if args.json:
        print(json.dumps(result), flush=True)
    else:
        print_tables(tables)
    if args.markdown is not None:
        words = ["zoox-stack simulate statistics", f"--towns {args.towns}", f"--seed {args.seed}"]
        note = (
            f"Made by `{' '.join(words)} --duration {args.duration:g}` ({machine()['machine']}, {machine()['date']})."
        )
        replace_tables(args.markdown, tables, note)
    for name, town in towns.items():
        if "failure" in town:
            print(f"zoox-stack simulate statistics: town {name}: {town['failure']}", file=sys.stderr)
    return 1 if any(map(_is_wrong, towns.values())) else 0


def _checked(args: argparse.Namespace) -> tuple[str, ...]:
    """Names of the towns, once everything is checked that can be checked before they are simulated."""
    if not 1 <= args.duration < np.inf or args.jobs < 1 or args.seed < 0:
        raise ConfigurationError(
            "--duration, --jobs and --seed: expected at least 1, 1 and 0 and all finite, found "
            f"{args.duration}, {args.jobs} and {args.seed}"
        )
    names = town_names() if args.towns == "all" else tuple(dict.fromkeys(args.towns.split(",")))
    for name in names:
        load_town_definition(name)
    both = sorted(find_logs(args.compare).keys() & set(names))
    if both:
        raise InvalidInputError("--compare", "names that no town has", ", ".join(both), "Write NAME=LOG.")
    if args.markdown is not None:
        check_page(args.markdown)
    return names


def measure_town(name: str, seed: int, duration: float, report: Callable[[float], None]) -> dict[str, Any]:
    """Simulate a town and measure its traffic; the process is ended if a step takes longer than `PATIENCE`.

    Args:
        name: See `build_town`.
        seed: Of town, demand and drivers.
        duration: [s] measured.
        report: Called with the seconds simulated.

    Returns:
        ``statistics``, ``physics``, ``overlaps``, ``appearances``, ``stuck``, ``deviation`` of what is shown from where
        SUMO has it [m], ``steps_per_second``, and of SUMO ``collisions`` and ``put_elsewhere``, ready for JSON.

    Raises:
        ConfigurationError: SUMO is not installed or refuses its input, or there is no such town.
    """
    with tempfile.TemporaryDirectory() as folder:
        signal.alarm(PATIENCE)  # not handled, so that it ends even a process that hangs in SUMO
        try:
            recording, run_of = _simulate(name, seed, duration, Path(folder), report)
        finally:
            signal.alarm(0)
    return {
        "statistics": summarise(collect(recording)),
        "physics": as_rows(physics_violations(recording)),
        "overlaps": asdict(overlaps(recording)),
        "appearances": asdict(appearances(recording)),
        "stuck": [asdict(agent) for agent in stuck_agents(recording)],
        **run_of,
    }


def _simulate(
    name: str, seed: int, duration: float, folder: Path, report: Callable[[float], None]
) -> tuple[TrafficRecording, dict[str, Any]]:
    """Traffic of a town; steps per second and what SUMO says of it."""
    town = build_town(name, seed, folder)
    config = replace(town.demand, duration=WARM_UP + duration)
    steps = round(duration / STEP)
    ids: list[NDArray[np.int64]] = []
    states: list[NDArray[np.float64]] = []
    signals: list[NDArray[np.uint8]] = []
    vehicles_off: list[NDArray[np.float64]] = []
    people_off: list[NDArray[np.float64]] = []
    with TrafficWorld(town, config, seed, folder) as world:
        begin = time.perf_counter()
        world.run(WARM_UP)
        for step in range(steps):
            snapshot = world.step()
            ids.append(snapshot.ids)
            states.append(snapshot.states)
            signals.append(snapshot.signals)
            if step % _REPORT_EVERY == 0:
                for kept, off in zip((vehicles_off, people_off), world.deviations(), strict=True):
                    kept.append(off)
                signal.alarm(PATIENCE)
                report(step * STEP)
        rate = (steps + WARM_UP / STEP) / (time.perf_counter() - begin)
        users = {identity: (int(user.kind), user.size) for identity, user in world.users.items()}
        told = world.statistics()
    recording = TrafficRecording.from_rows(
        town.name,
        np.arange(steps, dtype=np.int64) * round(STEP * 1e9),
        np.repeat(np.arange(steps), [len(row) for row in ids]),
        np.concatenate(ids),
        np.concatenate(states),
        users,
        town.net.network,
        np.stack(signals),
    )
    return recording, {
        "steps_per_second": round(rate, 1),
        "deviation": {"vehicles": _spread(vehicles_off), "people": _spread(people_off)},
        "collisions": told.collisions,
        "put_elsewhere": told.put_elsewhere,
    }


def _spread(parts: Sequence[NDArray[np.float64]]) -> dict[str, float | None]:
    """99th percentile and maximum; None of nothing."""
    values = np.concatenate([np.zeros(0), *parts])
    if not len(values):
        return {"p99": None, "max": None}
    return {"p99": float(np.percentile(values, 99)), "max": float(values.max())}


def _measure_towns(names: tuple[str, ...], args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks = {name: progress.add_task(name, total=args.duration) for name in names}
        jobs = [Job(name, measure_town, (name, args.seed, args.duration)) for name in names]
        found = {}
        for outcome in run_jobs(jobs, args.jobs, lambda job, done: progress.update(tasks[job.name], completed=done)):
            name = outcome.job.name
            progress.update(tasks[name], completed=args.duration)
            found[name] = outcome.result or {"failure": _failure(outcome.failure, outcome.progress)}
    return {name: found[name] for name in names}


def _failure(cause: str, progress: float) -> str:
    stuck = f"; it had got no further for {PATIENCE} s" if signal.SIGALRM.name in cause else ""
    return f"{cause}{stuck} (after {progress:.0f} simulated seconds)"


def _is_wrong(town: Mapping[str, Any]) -> bool:
    if "failure" in town:
        return True
    return bool(town["stuck"]) or violations(town["physics"]) > 0 or town["overlaps"]["share"] > MOST_SHARE


def _tables(towns: Mapping[str, Mapping[str, Any]], recorded: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    sources = {name: town for name, town in [*towns.items(), *recorded.items()] if "failure" not in town}
    rows = []
    for name, town in towns.items():
        if "failure" in town:
            rows.append((name, f"failed: {town['failure']}", *["-"] * 8))
            continue
        beyond = violations(town["physics"])
        state = "not as it should be" if _is_wrong(town) else "as it should be"
        numbers = [f"{town[key]:.0f}" for key in ("steps_per_second", "collisions", "put_elsewhere")]
        off = [_both(town["deviation"][kind]) for kind in ("vehicles", "people")]
        seen = town["appearances"]
        coming = f"{seen['appear']} and {seen['vanish']} of {seen['vehicles']}"
        rows.append((name, state, *numbers, str(beyond), *off, coming, _stuck(town["stuck"])))
    columns = (
        "", "state", "steps per second", "collisions", "taken out after a hop of SUMO", "impossible steps",
        "vehicles off SUMO's place [m] p99, max", "people off it [m] p99, max", "appear and vanish in mid-road",
        f"stuck: less than {PROGRESS:.0f} m in {STUCK:.0f} s without reason",
    )  # fmt: skip
    return [
        *statistics_tables({name: source["statistics"] for name, source in sources.items()}),
        physics_table({name: source["physics"] for name, source in sources.items()}),
        overlaps_table({name: source["overlaps"] for name, source in sources.items()}),
        Table("Towns", columns, tuple(rows)),
    ]


def _both(off: Mapping[str, float | None]) -> str:
    return "-" if off["p99"] is None else f"{off['p99']:.2f}, {off['max']:.2f}"


def _stuck(agents: Sequence[Mapping[str, Any]]) -> str:
    """How many, and the first few with place and time."""
    first = [
        f"{a['agent_class'].lower()} {a['id']} at ({a['x']:.0f}, {a['y']:.0f}) from {a['since']:.0f} s on"
        for a in agents[:_NAMED]
    ]
    return f"{len(agents)}: {'; '.join(first)}{'; ...' if len(agents) > _NAMED else ''}" if agents else "0"
