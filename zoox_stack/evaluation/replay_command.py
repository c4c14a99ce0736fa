"""``zoox-stack replay``: the stack over a recorded drive, measured."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.run import read_run
from zoox_stack.evaluation.stack_run import StackRun, check_bag, check_model, result_of, run_stack


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "replay",
        help="run the stack over a bag and report latencies, drops and prediction errors",
        description="Run the stack over a recorded drive. Exit code 1: ticks not answered; 2: wrong input.",
    )
    parser.add_argument("bag", type=Path, help="rosbag2 folder, .mcap or .db3")
    parser.add_argument("--rate", type=float, default=1.0, help="speed; 1 is real time (default)")
    parser.add_argument("--lockstep", action="store_true", help="wait for each trajectory before the next sweep")
    parser.add_argument("--record", type=Path, help="keep the recording of inputs and outputs here")
    parser.add_argument(
        "--source", choices=("auto", "lidar", "detections"), default="auto", help="what perception tracks"
    )
    parser.add_argument(
        "--route", choices=("recorded", "driven", "none"), default="recorded",
        help="route to follow: of the bag (default), the lanes that the drive took, or none",
    )  # fmt: skip
    parser.add_argument("--provider", choices=("auto", "cuda", "tensorrt", "cpu"), default="auto", help="ONNX provider")
    parser.add_argument("--model-dir", default="", help="folder with the two ONNX files (default: the shipped ones)")
    parser.add_argument("--recover", action="store_true", help="play what is whole of a damaged bag")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if not args.rate > 0:
        print(f"zoox-stack replay: --rate: expected > 0, found {args.rate}", file=sys.stderr)
        return 2
    for problem in check_bag(args.bag, args.source, recover=args.recover):
        print(f"warning: {args.bag}: {problem}", file=sys.stderr)
    check_model(args.model_dir, args.provider)
    if args.record is not None and args.record.exists():
        raise InvalidInputError("--record", "a path where nothing is yet", str(args.record))
    with tempfile.TemporaryDirectory(prefix="zoox-replay-") as folder:
        stack = StackRun.replay(
            args.bag,
            args.record or Path(folder) / "bag",
            Path(folder) / "ticks.jsonl",
            rate=args.rate,
            lockstep=args.lockstep,
            arguments={
                "source": args.source,
                "route": args.route,
                "provider": args.provider,
                "model_dir": args.model_dir,
                "recover": str(args.recover).lower(),
            },
        )
        seconds = run_stack(stack)
        result = result_of(stack, read_run(stack.record), seconds)
    if args.json:
        print(json.dumps(result))
    else:
        print_result(result)
    return 0 if result["ticks"] and not result["dropped"] else 1


def print_result(result: dict[str, Any]) -> None:
    """The result for people."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    console.print(
        f"{result['answered']} of {result['ticks']} ticks answered, {result['dropped']} dropped; "
        f"{result['conditional_decisions']} decisions with what-if answers ({result['answer_status']}); "
        f"{result['interventions']} interventions of the supervisor ({result['trajectory_sources']})"
    )
    table = Table("milliseconds", "p50", "p95", "p99", "max")
    for name, row in [*result["stages_ms"].items(), ("sweep to trajectory", result["end_to_end_ms"])]:
        table.add_row(name, *(("-" if row[k] is None else f"{row[k]:.1f}") for k in ("p50", "p95", "p99", "max")))
    console.print(table)
    errors = result["prediction_errors_m"]
    names = ("n", "ADE", "FDE", "minADE", "minFDE", "miss", "ADE cv", "FDE cv")
    table = Table(
        Column("metres", no_wrap=True), *names, box=SIMPLE, title=f"prediction errors, truth: {errors['truth']}"
    )
    for group, horizons in errors.items():
        for horizon, e in horizons.items() if isinstance(horizons, dict) else ():
            numbers = (e[k] for k in ("ade_1", "fde_1", "min_ade", "min_fde", "miss_rate", "cv_ade", "cv_fde"))
            table.add_row(f"{group} {horizon}", str(e["n"]), *(f"{v:.2f}" for v in numbers))
    console.print(table)
    asked = result["asked_versus_happened"]
    if asked and asked["agents"]:
        console.print(
            f"asked versus happened: {asked['followed']} of {asked['questions']} questions with a plan that was then "
            f"driven, for {asked['followed_s']:.1f} s on average; {asked['agents']} agents that the answers move, off "
            f"by {asked['conditional_minADE6_m']:.2f} m (best of 6; without the plan "
            f"{asked['unconditional_minADE6_m']:.2f} m), nearer in {asked['better']:.0%}"
        )
    told = f"hash {result['hash'][:16]}" if result["hash"] else "no hash in real time (--lockstep has one)"
    console.print(f"{', '.join(result['prediction_model'])}; {result['machine']}; {told}")
