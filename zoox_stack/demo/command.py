"""``zoox-stack demo``: drive through a simulated town, show what happens, write a report."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from zoox_stack.core.errors import ConfigurationError, ZooxStackError
from zoox_stack.evaluation.run import read_run
from zoox_stack.evaluation.stack_run import StackRun, check_model, own_domain, result_of, run_stack
from zoox_stack.simulation.detections import NO_SENSORS
from zoox_stack.simulation.ego_route import ego_route
from zoox_stack.simulation.rerun import SimulatedDrive
from zoox_stack.simulation.sensors.rig import load_sensor_rig
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.world import load_libsumo

if TYPE_CHECKING:
    from zoox_stack.ros.live_status import LiveStatus

STAGES = ("perception", "prediction", "what_if", "planner", "supervisor")
REFRESH = 0.5  # [s]


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="drive through a simulated town and write a report",
        description="Run the whole graph in closed loop in a simulated town, show a live status, write the recording "
        "and a report. Exit code 1: fewer than half of the sweeps were answered, or a part failed.",
    )
    parser.add_argument("--town", default="downtown", help="name of a town or path of a town file (downtown)")
    parser.add_argument("--seed", type=int, default=1, help="of town, traffic, route and sensor noise (1)")
    parser.add_argument("--duration", type=float, default=60.0, help="length of the drive [s] (60)")
    parser.add_argument(
        "--sensors",
        default="compact",
        help="name of a sensor rig or path of its file; none: detections without error (compact)",
    )
    parser.add_argument("--lockstep", action="store_true", help="wait for each trajectory: repeatable, not real time")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the recording and the report")
    parser.add_argument("--provider", choices=("auto", "cuda", "tensorrt", "cpu"), default="auto", help="ONNX provider")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    console = Console(stderr=True)
    check_arguments(args)
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    recording = out / "bag"
    shutil.rmtree(recording, ignore_errors=True)
    domain = own_domain(os.environ)
    os.environ.update({k: domain[k] for k in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE")})
    stack = StackRun.simulation(
        args.town, args.seed, args.duration, recording, out / "ticks.jsonl", sensors=args.sensors,
        lockstep=args.lockstep, arguments={"provider": args.provider},
    )  # fmt: skip
    console.print(f"Driving {args.duration:g} s through {args.town}. Output of the nodes: {out / 'nodes.log'}")
    seconds = watched(stack, out / "nodes.log", console)
    from zoox_stack.evaluation.report import write_report

    recorded = read_run(recording)
    result = result_of(stack, recorded, seconds)
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    console.print("Writing the report ...")
    write_report(
        recorded, result, out / "report.html",
        simulated=SimulatedDrive(town=args.town, seed=args.seed, duration=args.duration),
    )  # fmt: skip
    from zoox_stack.evaluation.replay_command import print_result

    print_result(result)
    for event in recorded.events:
        console.print(f"{(event.stamp_ns - recorded.begin_ns) * 1e-9:6.1f} s  {event.text}")
    console.print(f"Recording: {recording}\nReport:    {out / 'report.html'}")
    if not result["ticks"] or result["answered"] < 0.5 * result["ticks"]:
        raise ZooxStackError(
            f"the stack answered {result['answered']} of {result['ticks']} sweeps; see {out / 'nodes.log'}"
        )
    return 0


def check_arguments(args: argparse.Namespace) -> None:
    """Find out what is wrong before anything is started.

    Raises:
        ZooxStackError: A missing library, an unknown town or rig, a senseless number, a model that cannot be used.
    """
    if not 1.0 <= args.duration <= 36_000.0:
        raise ConfigurationError(f"--duration: expected 1 .. 36000 s, found {args.duration:g}")
    if not 0 <= args.seed < 2**31:
        raise ConfigurationError(f"--seed: expected 0 .. 2147483647, found {args.seed}")
    load_libsumo()
    with tempfile.TemporaryDirectory() as folder:
        ego_route(build_town(args.town, args.seed, Path(folder)), args.seed)
    if args.sensors != NO_SENSORS:
        load_sensor_rig(args.sensors)
    check_model("", args.provider)


def watched(stack: StackRun, log: Path, console: Console) -> float:
    """Run the stack while showing its status; returns the seconds it took."""
    try:
        from zoox_stack.ros.live_status import LiveStatus
    except ImportError as error:
        raise ConfigurationError(f"ROS 2 cannot be loaded: {error}. Run `zoox-stack doctor`.") from error
    with ExitStack() as cleanup:
        status = cleanup.enter_context(LiveStatus())
        live = cleanup.enter_context(Live(console=console, auto_refresh=False)) if console.is_terminal else None
        return run_stack(stack, log, refresher(status, live, console))


def refresher(status: LiveStatus, live: Live | None, console: Console) -> Callable[[], None]:
    """What to do again and again while the stack runs: a table on a terminal, else a line every 5 s."""
    rounds = 0

    def refresh() -> None:
        nonlocal rounds
        status.spin(REFRESH)
        rounds += 1
        if live is not None:
            live.update(status_table(status), refresh=True)
        elif rounds % round(5 / REFRESH) == 0:
            console.print(status_line(status))

    return refresh


def status_table(status: LiveStatus) -> Table:
    """Rate, latency and drops per stage, agents, chosen plan."""
    table = Table("stage", "rate", "latency now", "latency worst", "age", "dropped", title="zoox_stack")
    for name in STAGES:
        stage = status.stages.get(name)
        if stage is None or not stage.ticks:
            table.add_row(name, "-", "-", "-", "-", "-")
            continue
        last, worst = stage.ticks[-1], max(tick.latency for tick in stage.ticks)
        age = f"{stage.age:.1f} s" if stage.age < 1 else f"[red]{stage.age:.1f} s[/red]"
        table.add_row(
            name, f"{stage.rate:.1f} Hz", f"{last.latency * 1e3:.0f} ms", f"{worst * 1e3:.0f} ms", age,
            f"{last.dropped_bad} bad, {last.dropped_old} old",
        )  # fmt: skip
    decision = status.decision
    table.caption = f"{status.agents if status.agents is not None else '-'} agents; " + (
        "no decision yet" if decision is None else f"{decision.explanation}"
    )
    return table


def status_line(status: LiveStatus) -> str:
    """The same in one line, for logs."""
    parts = [
        f"{name} {stage.rate:.1f} Hz {stage.ticks[-1].latency * 1e3:.0f} ms"
        for name, stage in ((n, status.stages.get(n)) for n in STAGES)
        if stage is not None and stage.ticks
    ]
    chosen = "no decision yet" if status.decision is None else status.decision.names[status.decision.chosen]
    return f"{'; '.join(parts) or 'starting'}; {status.agents or 0} agents; plan: {chosen}"
