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
from zoox_stack.core.parameter_file import read_parameters
from zoox_stack.core.parameters import build
from zoox_stack.evaluation.closed_loop_summary import PLANNERS
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.simulation.progress import progress_bar
from zoox_stack.simulation.town_definition import load_town_definition, town_names

ALL = "all"
DEFAULT_RIG = "compact"
_USUAL = ",".join(PLANNERS)
INTERRUPTED = 130  # exit code after Ctrl-C
_DESCRIPTION = (
    "Let planners drive the same routes through the same traffic in closed loop, and score every drive as nuPlan does "
    "(docs/planning-evaluation.md). One drive per planner, town and seed, in lock-step: results do not depend on the "
    "machine. Every drive is kept in DIR, and what is there already, made by the same code and settings, is not driven "
    "again. Planners: what_if asks prediction how others would react; unconditional never asks; constant_velocity has "
    "no prediction; idm follows its lane; human is SUMO's own driver, the reference for progress."
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
    parser.add_argument("--planners", default=_USUAL, metavar="P", help=f"comma separated (default: {_USUAL})")
    parser.add_argument(
        "--sensors", nargs="?", const=DEFAULT_RIG, default="", metavar="RIG",
        help="let planners see what perception makes of the LiDAR of a sensor rig "
        f"(default rig: {DEFAULT_RIG}); without it they know where everyone is",
    )  # fmt: skip
    parser.add_argument(
        "--supervised", action="store_true",
        help="put the supervisor between the stack's planners and the vehicle, and count what it does",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=Path, metavar="M", help="folder with the two ONNX files (default: the ones shipped)"
    )
    parser.add_argument(
        "--parameters", type=Path, metavar="YAML", dest="parameter_file",
        help="parameter file of the planner, as of `zoox-stack learn-costs`; --set goes before it",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="parameters",
        help="a parameter of the planner (config/planner.yaml); may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="drives at a time, each in a process (default: 1)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the drives and the results")
    parser.add_argument(
        "--trace", action="append", default=[], metavar="TOWN:SEED:PLANNER",
        help="only drive this one, and write all that was known and decided as a bag, "
        "DIR/traces/PLANNER_TOWN_SEED.mcap; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--filmstrips", action="store_true",
        help="only drive what_if everywhere, and draw for each kind of junction the passage in which asking mattered "
        "most: what was asked, answered and chosen, DIR/filmstrips/KIND.png",
    )  # fmt: skip
    parser.add_argument(
        "--commonroad", type=Path, metavar="DIR",
        help="instead of towns: the planning problems of the CommonRoad .xml files in this folder, in recorded "
        "traffic; planners: what_if, unconditional, constant_velocity, and recorded, which knows everyone's future",
    )  # fmt: skip
    parser.add_argument("--problems", type=int, metavar="N", help="with --commonroad: only the first N problems")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 if no drive could be scored, 130 if the user broke it off.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    if args.commonroad is not None:
        return _recorded(args)
    if args.problems is not None:
        raise ConfigurationError("--problems: expected --commonroad with it, found none")
    benchmark = benchmark_of(args)
    if args.trace:
        return _trace(benchmark, args)
    if args.filmstrips:
        return _filmstrips(benchmark, args)
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
        "supervised": settings.supervised,
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


def _recorded(args: argparse.Namespace) -> int:
    from zoox_stack.evaluation.recorded_command import run_commonroad

    _check_jobs(args.jobs)
    names = "what_if,unconditional,constant_velocity,recorded" if args.planners == _USUAL else args.planners
    parameters = _parameters(args.parameters)
    build(PlannerConfig, parameters, "planner")
    return run_commonroad(args.commonroad, _words(names, "--planners"), parameters, _model_folder(args.model), args)


def _trace(benchmark: Any, args: argparse.Namespace) -> int:
    from zoox_stack.evaluation.planning_run import run_traces

    wanted = [_traced(word) for word in args.trace]
    with progress_bar("traces", 1.0) as advance:
        outcomes = run_traces(benchmark, wanted, args.out, args.jobs, advance)
    failed = False
    for path, failure in outcomes:
        failed |= not path.exists()
        print(f"{path}{': ' + failure if failure else ''}", file=sys.stderr if failure else sys.stdout)
    return int(failed)


def _filmstrips(benchmark: Any, args: argparse.Namespace) -> int:
    from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
    from zoox_stack.evaluation.junction_film_pictures import write_films
    from zoox_stack.evaluation.planning_films import make_films

    with progress_bar("drives", 1.0) as advance:
        results = make_films(benchmark, args.jobs, advance)
    for (town, seed), failure in results.failures.items():
        print(f"{town} {seed}: {failure}", file=sys.stderr)
    for path in write_films(results.films, args.out / "filmstrips"):
        print(path)
    missing = [kind.value for kind in JunctionKind if kind not in results.films]
    if missing:
        print(f"no question at any junction of these kinds: {', '.join(missing)}", file=sys.stderr)
    return 0 if results.films else 1


def _traced(word: str) -> tuple[str, int, str]:
    parts = word.rsplit(":", 2)
    if len(parts) != 3 or not parts[1].isdecimal() or parts[2] not in PLANNERS[:-1]:
        expected = f"TOWN:SEED:PLANNER, the planner one of {', '.join(PLANNERS[:-1])}"
        raise ConfigurationError(f"--trace: expected {expected}, found {word!r}")
    load_town_definition(parts[0])
    return parts[0], int(parts[1]), parts[2]


def benchmark_of(args: argparse.Namespace) -> Any:
    """What the arguments ask for.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    from zoox_stack.evaluation.planning_drive import DriveSettings
    from zoox_stack.evaluation.planning_run import Benchmark

    _check_jobs(args.jobs)
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
    parameters = {} if args.parameter_file is None else read_parameters(args.parameter_file, "planner")
    parameters |= _parameters(args.parameters)
    build(PlannerConfig, parameters, "planner")
    model = _model_folder(args.model)
    return Benchmark(
        towns=tuple(towns),
        seeds=_seeds(args.seeds),
        planners=tuple(planners),
        settings=DriveSettings(duration=args.duration, sensors=args.sensors, supervised=args.supervised),
        model_dir=model,
        parameters=parameters,
    )


def _check_jobs(jobs: int) -> None:
    if jobs < 1:
        raise ConfigurationError(f"--jobs: expected at least 1, found {jobs}")


def _model_folder(place: Path | None) -> str:
    if place is not None and not place.is_dir():
        raise ConfigurationError(f"--model: expected a folder with the two ONNX files, found {place}")
    return "" if place is None else str(place)


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

_SHORT = {
    "no_at_fault_collisions": "coll", "drivable_area": "area", "driving_direction": "dir", "making_progress": "move",
    "time_to_collision": "ttc", "progress": "prog", "speed_limit": "limit", "comfort": "comf",
}  # fmt: skip


def _print(summary: Mapping[str, Any]) -> None:
    console = Console()
    seen = f"LiDAR of {summary['sensors']}" if summary["sensors"] else "everyone known"
    towns, seeds = len(summary["towns"]), len(summary["seeds"])
    console.print(f"towns {towns}, seeds {seeds}, {summary['duration_s']:g} s; {seen}", soft_wrap=True)
    drives = _table("planner", ["drives", "score", "95 %", "fault", "all", "human", "red"])
    metrics = _table("planner", [*_SHORT.values(), "ms"])
    for name, p in summary["planners"].items():
        missing = f"{p['drives']} of {p['drives'] + p['missing_drives']}" if p["missing_drives"] else str(p["drives"])
        drives.add_row(
            name, missing, _said(p["score"]), "..".join(_said(end) for end in p["score_ci95"]),
            str(p["at_fault_collisions"]), str(p["collisions"]), _said(p["progress_vs_human"]),
            str(p["events"]["red_light"]),
        )  # fmt: skip
        latency = _said(p["latency_ms"]["p50"], 0)
        metrics.add_row(name, *(_said(p["metrics"][metric], 2) for metric in _SHORT), latency)
    paired = _table("one minus the other", ["pairs", "score", "95 %", "progress"])
    for name, p in summary["paired"].items():
        ends = "..".join(_said(end) for end in p["ci95"])
        paired.add_row(name, str(p["n"]), _said(p["mean"]), ends, _said(p["progress"]["mean"]))
    for table in (drives, metrics, paired):
        if table.row_count:
            console.print(table)
    console.print(
        "fault: collisions the planner had to avoid, all: any; human: way against the human's; red: red lights passed; "
        "ms: median time of a decision. docs/planning-evaluation.md says what the others are."
    )
    failed = {name: count for name, count in summary["mishaps"].items() if count}
    if failed:
        console.print("scenes on which a planner failed:", failed)


def _table(first: str, heads: Sequence[str]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 0, 0, 1))
    table.add_column(first, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _said(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
