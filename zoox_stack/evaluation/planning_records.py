"""Records of drives in a folder, one JSON file each: what is there need not be driven again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.closed_loop_score import ScoredDrive

_VERSION = 1
_STATE = ("stamp_ns", "x", "y", "yaw", "speed", "lateral_velocity", "acceleration", "yaw_rate")
_BODY = ("length", "width", "height", "rear_axle_to_centre")


@dataclass(frozen=True, eq=False)
class DriveRecord:
    """One drive as it is kept. All but `timing` is the same whenever it is driven.

    Attributes:
        planner: Who decided.
        town: Where.
        seed: Of traffic and route.
        scored: What it is worth, with the latencies of `timing`; None if it could not be judged.
        failure: Why it broke off, or why it could not be judged; empty if nothing went wrong.
        mishaps: Scenes of which nothing came, because the planner failed.
        first_mishap: What it said the first time.
        events: What happened, each in a sentence with the time since the begin [s].
        egos: True states of the ego; of the human's drive only, as it is the reference for others.
        timing: Times [ms] by name, for each decision; `latency` is that of the whole.
    """

    planner: str
    town: str
    seed: int
    scored: ScoredDrive | None
    failure: str = ""
    mishaps: int = 0
    first_mishap: str = ""
    events: tuple[tuple[float, str], ...] = ()
    egos: tuple[EgoState, ...] = ()
    timing: Mapping[str, tuple[float, ...]] | None = None

    def to_values(self) -> dict[str, Any]:
        """Ready for JSON."""
        scored = None if self.scored is None else self.scored.to_values()
        if scored is not None:
            del scored["latencies_ms"]
        return {
            "version": _VERSION,
            "planner": self.planner,
            "town": self.town,
            "seed": self.seed,
            "scored": scored,
            "failure": self.failure,
            "mishaps": self.mishaps,
            "first_mishap": self.first_mishap,
            "events": [list(event) for event in self.events],
            "egos": None
            if not self.egos
            else {name: [getattr(ego, name) for ego in self.egos] for name in _STATE}
            | {name: getattr(self.egos[0], name) for name in _BODY},
            "timing": {name: [round(v, 3) for v in values] for name, values in (self.timing or {}).items()},
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> DriveRecord:
        """Back from what `to_values` gave.

        Raises:
            InvalidInputError: Something else.
        """
        try:
            if values["version"] != _VERSION:
                raise ValueError(f"version {values['version']}")
            timing = {str(name): tuple(row) for name, row in values["timing"].items()}
            scored = values["scored"]
            if scored is not None:
                scored = ScoredDrive.from_values({**scored, "latencies_ms": timing.get("latency", ())})
            egos: tuple[EgoState, ...] = ()
            if values["egos"] is not None:
                body = {name: values["egos"][name] for name in _BODY}
                rows = zip(*(values["egos"][name] for name in _STATE), strict=True)
                egos = tuple(EgoState(**dict(zip(_STATE, row, strict=True)), **body) for row in rows)
            return cls(
                planner=values["planner"], town=values["town"], seed=values["seed"], scored=scored,
                failure=values["failure"], mishaps=values["mishaps"], first_mishap=values["first_mishap"],
                events=tuple((float(time), str(text)) for time, text in values["events"]), egos=egos, timing=timing,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInputError("record of a drive", "one written by this version", repr(error)) from error


class RecordStore:
    """The records of a folder.

    Args:
        folder: Made with the first record.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, planner: str, town: str, seed: int, key: str) -> Path:
        """Where a record is, or will be."""
        return self._folder / planner / f"{town}_{seed}_{key}.json"


def read_record(path: Path) -> DriveRecord | None:
    """What is in a file; None if it is not there, or not whole."""
    try:
        return DriveRecord.from_values(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def write_record(path: Path, record: DriveRecord) -> None:
    """Write a file, or nothing; raises OSError where the disk is full."""
    write_whole(path, record.to_values())


def write_whole(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file, or nothing: whoever is interrupted leaves no half of one.

    Raises:
        OSError: The disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_text(json.dumps(values, default=_plain, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _plain(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
