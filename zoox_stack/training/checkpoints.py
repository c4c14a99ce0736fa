"""What a run keeps on disk: the last state, to go on from, and the best weights."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoox_stack.core.errors import InvalidInputError, ModelError
from zoox_stack.prediction.channels import channels_fingerprint

LAST, BEST = "last.pt", "best.pt"
_FORMAT = "zoox_stack run 1"


@dataclass
class Progress:
    """How far a run has come. All of it is ready for JSON.

    Attributes:
        config: Of the run, by name.
        data: What it learns from, for people, see `zoox_stack.training.data_facts`.
        fingerprint: Of the samples it learns from.
        processes: That learn together.
        epoch: Whole epochs done.
        step: Steps done of the next one.
        totals: What these gave, see `zoox_stack.training.totals`.
        log: One entry per whole epoch.
        best: Number of the best epoch so far, from 1; 0 before the first.
    """

    config: dict[str, Any]
    data: dict[str, Any]
    fingerprint: str
    processes: int = 1
    epoch: int = 0
    step: int = 0
    totals: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    best: int = 0


def save(path: Path, progress: Progress, modules: dict[str, nn.Module], others: dict[str, Any] | None = None) -> None:
    """Write a checkpoint; under its name there is a whole one or none.

    Args:
        path: Of the file.
        progress: Stored with it.
        modules: Whose weights are stored, by name.
        others: With a ``state_dict`` too, for example the optimiser.
    """
    states = {name: thing.state_dict() for name, thing in {**modules, **(others or {})}.items()}
    marks = {"format": _FORMAT, "channels": channels_fingerprint(), "progress": json.dumps(vars(progress))}
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            torch.save(marks | states, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> tuple[Progress, dict[str, Any]]:
    """A checkpoint: how far the run had come, and states by name, on the CPU.

    Raises:
        InvalidInputError: There is none, or it is damaged.
        ModelError: It was trained on another scene image, or is of another version.
    """
    remedy = "Give the folder of a run of zoox-stack train"
    try:
        states = torch.load(path, map_location="cpu", weights_only=True)
        found = states.pop("format") if isinstance(states, dict) and "format" in states else "something else"
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        found = " ".join(str(error).split())[:200] or type(error).__name__
    if found != _FORMAT:
        raise InvalidInputError(str(path), f"a checkpoint ({_FORMAT})", found, remedy)
    if states.pop("channels") != channels_fingerprint():
        raise ModelError(
            f"{path}: expected a run trained on the scene image of this version (channels "
            f"{channels_fingerprint()[:12]}), found other channels. Train it again"
        )
    progress = json.loads(states.pop("progress"))
    known, found = {one.name for one in fields(Progress)}, {*progress}
    if found != known:
        other = [f"no {name}" for name in sorted(known - found)] + [f"a {name}" for name in sorted(found - known)]
        raise ModelError(
            f"{path}: expected a checkpoint of this version, found one of another, with {', '.join(other)}. Train it "
            "again, or export it with the version that trained it"
        )
    return Progress(**progress), states


def restore(path: Path, modules: dict[str, Any], states: dict[str, Any]) -> None:
    """Give modules (and optimisers) the states of a checkpoint.

    Raises:
        ModelError: They are of another network.
    """
    for name, thing in modules.items():
        try:
            thing.load_state_dict(states[name])
        except (KeyError, RuntimeError, ValueError) as error:
            text = " ".join(str(error).split())[:300]
            raise ModelError(
                f"{path}: {name}: expected weights of this version's network, found others: {text}"
            ) from error
