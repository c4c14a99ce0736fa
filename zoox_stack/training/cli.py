"""``zoox-stack train``, ``export`` and ``learn``: from logs to the two ONNX files that predict."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import build, describe
from zoox_stack.training.config import TrainConfig

if TYPE_CHECKING:
    from zoox_stack.training.train import TrainResult

DEFAULT_NAME = "zoox-stack"
DEFAULT_MODELS = Path("models")
LEARN_PATIENCE = 5
_LOGS = "a bag, a folder of bags, or a counterfactual set"
_TRAIN = (
    "Learn from logs: what everyone did next is in them, nobody labels it. Prepared samples are kept in RUN/samples. "
    "`torchrun --nproc-per-node N -m -- zoox_stack.cli train ...` learns with N processes, one per GPU."
)
_EXPORT = (
    "Write the best weights of a run as two ONNX files with a model card, if ONNX Runtime gives what PyTorch gives."
)
_LEARN = (
    "Prepare samples, train and export in one command; started again, it goes on. Ends early where validation gets no "
    "better."
)


def register(subparsers: Any) -> None:
    """Add ``train``, ``export`` and ``learn``."""
    train = subparsers.add_parser("train", help="train the prediction network on logs", description=_TRAIN)
    _add_training(train)
    train.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    train.add_argument("--resume", action="store_true", help="go on with the run in RUN, if it has begun")
    train.set_defaults(func=run_train)

    export = subparsers.add_parser("export", help="write a trained network as ONNX files", description=_EXPORT)
    export.add_argument("--run", type=Path, required=True, help="folder of the run")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the model")
    _add_model(export)
    export.set_defaults(func=run_export)

    learn = subparsers.add_parser("learn", help="from logs to a model in one command", description=_LEARN)
    _add_training(learn)
    learn.set_defaults(patience=LEARN_PATIENCE)
    learn.add_argument(
        "--out", type=Path, default=DEFAULT_MODELS, metavar="MODELS",
        help=f"folder for the model (default: {DEFAULT_MODELS} in the current folder)",
    )  # fmt: skip
    learn.add_argument("--run", type=Path, metavar="RUN", help="folder of the run (default: MODELS/run)")
    _add_model(learn)
    learn.set_defaults(func=run_learn)
    for parser in (train, export, learn):
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--logs", type=Path, nargs="+", required=True, metavar="PATH", help=f"each {_LOGS}")
    parser.add_argument(
        "--weights", type=float, nargs="+", default=[], metavar="W",
        help="one for each of --logs: how often its scenes come in an epoch (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--val", type=Path, nargs="+", default=[], metavar="PATH",
        help="what to validate with, as --logs (default: a share of every source)",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="start", type=Path, metavar="RUN", help="start from the best weights of this run"
    )
    for info in describe(TrainConfig):
        unit = f" [{info.unit}]" if info.unit else ""
        parser.add_argument(
            f"--{info.name.replace('_', '-')}", type=type(info.default), default=info.default,
            choices=info.choices or None, metavar=None if info.choices else info.name[0].upper(),
            help=f"{info.description}{unit} (default: %(default)s)",
        )  # fmt: skip


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default=DEFAULT_NAME, help=f"of the model (default: {DEFAULT_NAME})")
    parser.add_argument("--licence", default="not stated", help="of the weights, for the model card")


def run_train(args: argparse.Namespace) -> int:
    """Train.

    Raises:
        ConfigurationError: A parameter is out of range, or PyTorch is not installed.
        ZooxStackError: See `zoox_stack.training.train.train`.
    """
    result = _trained(args, args.out, args.resume)
    if _is_first():
        _show(args, _summary(result), f"{result.out}: {result.end}; the best epoch is {result.best or 'not there yet'}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Export.

    Raises:
        ConfigurationError: PyTorch or onnx is not installed.
        ZooxStackError: See `zoox_stack.training.export.export`.
    """
    _need("torch", "onnx")
    from zoox_stack.training.export import export

    exported = export(args.run, args.out, args.name, args.licence)
    _show(args, asdict(exported), f"{args.out}: {args.name} {exported.run}, parity {exported.parity}")
    return 0


def run_learn(args: argparse.Namespace) -> int:
    """Train, and export the best epoch so far, also where time was up before the last one; 1 if there is none yet.

    Raises:
        ConfigurationError: A parameter is out of range, or PyTorch or onnx is not installed.
        ZooxStackError: See `zoox_stack.training.train.train` and `zoox_stack.training.export.export`.
    """
    _need("torch", "onnx")
    run = args.run or args.out / "run"
    result = _trained(args, run, resume=True)
    if not _is_first():
        return 0
    if not result.best:
        values = {"out": str(args.out), "train": _summary(result), "export": None}
        _show(args, values, f"{run}: {result.end} before the first epoch was over")
        return 1
    from zoox_stack.training.export import export

    exported = export(run, args.out, args.name, args.licence)
    values = {"out": str(args.out), "train": _summary(result), "export": asdict(exported)}
    _show(args, values, f"{args.out.resolve()}: {args.name} {exported.run} of epoch {result.best} ({result.end})")
    return 0


def _trained(args: argparse.Namespace, out: Path, resume: bool) -> TrainResult:
    _need("torch")
    values = {info.name: getattr(args, info.name) for info in describe(TrainConfig)}
    config = build(TrainConfig, values, "train")
    from zoox_stack.training.sources import find_sources, split
    from zoox_stack.training.train import train

    sources, val = find_sources(args.logs, args.weights), find_sources(args.val)
    if val:
        find_sources([*args.logs, *args.val])  # nothing may be in both
    else:
        sources, val = split(sources, config.val_share, config.seed)

    def tell(text: str) -> None:
        print(text, file=sys.stderr if args.json else sys.stdout, flush=True)

    return train(config, sources, val, out, start=args.start, resume=resume, tell=tell)


def _need(*modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"training: expected {', '.join(modules)}, found no {', '.join(missing)}. Install the extra `train`: "
            "make venv EXTRAS=train, or pip install 'zoox-stack[train]'"
        )


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _summary(result: TrainResult) -> dict[str, Any]:
    return {
        "run": str(result.out),
        "end": result.end,
        "epochs": len(result.log),
        "best_epoch": result.best,
        "best": result.log[result.best - 1] if result.best else None,
        "weights_sha256": result.digest,
        "notes": list(result.notes),
    }


def _show(args: argparse.Namespace, values: dict[str, Any], text: str) -> None:
    print(json.dumps(values) if args.json else text)
