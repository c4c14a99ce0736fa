"""What a replay measured, tick by tick, and its summary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from zoox_stack.core.errors import InvalidInputError


@dataclass(frozen=True)
class StageRecord:
    """One stage in one tick; wall times [ns], CPU time [s]."""

    received_ns: int
    published_ns: int
    cpu_s: float


@dataclass(frozen=True)
class TickRecord:
    """One tick of a replay.

    Attributes:
        stamp_ns: Stamp of the sweep.
        sent_wall_ns: Wall time at which the sweep was published.
        trajectory_wall_ns: Wall time at which the trajectory of this stamp came back; None if it did not.
        stages: By stage.
        hashes: SHA-256 of each output by topic, wall-clock fields left out.
        intervention: That trajectory was a manoeuvre of the supervisor.
    """

    stamp_ns: int
    sent_wall_ns: int
    trajectory_wall_ns: int | None
    stages: dict[str, StageRecord] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    intervention: bool = False

    @property
    def latency(self) -> float | None:
        """Sweep sent to trajectory received [s]."""
        return None if self.trajectory_wall_ns is None else (self.trajectory_wall_ns - self.sent_wall_ns) * 1e-9


def read_records(path: Path) -> list[TickRecord]:
    """Read the JSON lines a replay wrote.

    Raises:
        InvalidInputError: Missing file or a line that is no record.
    """
    if not path.exists():
        raise InvalidInputError(f"replay records {path}", "a file", "nothing", "Did the replay node end early?")
    records = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            entry = json.loads(line)
            stages = {name: StageRecord(**stage) for name, stage in entry.get("stages", {}).items()}
            records.append(
                TickRecord(
                    entry["stamp_ns"],
                    entry["sent_wall_ns"],
                    entry["trajectory_wall_ns"],
                    stages,
                    entry.get("hashes", {}),
                    entry.get("intervention", False),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(f"{path}:{number}", "a tick record", f"{error!r}") from error
    return records


def percentiles(values: ArrayLike) -> dict[str, float | None]:
    """p50, p95, p99 and max, rounded to microseconds of milliseconds; None for no values."""
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        return {"p50": None, "p95": None, "p99": None, "max": None}
    p50, p95, p99 = (round(float(v), 3) for v in np.percentile(array, [50, 95, 99]))
    return {"p50": p50, "p95": p95, "p99": p99, "max": round(float(array.max()), 3)}


def summarise(records: Sequence[TickRecord]) -> dict[str, Any]:
    """Ticks, answered, dropped, latencies per stage and from end to end [ms], one hash over all outputs.

    From end to end is from the sweep to what the supervisor let through; its own manoeuvres wait for nobody.

    The hash is None for a run in real time: which tick an answer comes in time for depends on the machine.
    """
    answered = [r for r in records if r.latency is not None]
    stages = sorted({name for r in records for name in r.stages}, key=_stage_order)
    return {
        "ticks": len(records),
        "answered": len(answered),
        "dropped": len(records) - len(answered),
        "end_to_end_ms": percentiles(
            [r.latency * 1e3 for r in answered if r.latency is not None and not r.intervention]
        ),
        "stages_ms": {name: percentiles(_stage_latencies(records, name)) for name in stages},
        "stages_cpu_ms": {
            name: percentiles([r.stages[name].cpu_s * 1e3 for r in records if name in r.stages]) for name in stages
        },
        "hash": combined_hash(records) if any(record.hashes for record in records) else None,
    }


def combined_hash(records: Iterable[TickRecord]) -> str:
    """SHA-256 over the hashes of all outputs of all ticks, in order."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(str(record.stamp_ns).encode())
        for topic in sorted(record.hashes):
            digest.update(f"{topic}={record.hashes[topic]}".encode())
    return digest.hexdigest()


def _stage_latencies(records: Sequence[TickRecord], name: str) -> list[float]:
    return [(r.stages[name].published_ns - r.stages[name].received_ns) * 1e-6 for r in records if name in r.stages]


def _stage_order(name: str) -> tuple[int, str]:
    order = ("perception", "prediction", "what_if", "planner", "supervisor")
    return (order.index(name) if name in order else len(order), name)
