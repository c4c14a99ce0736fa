"""A line per drive, so that the bad ones can be found."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from zoox_stack.evaluation.closed_loop_score import ClosedLoopScore
from zoox_stack.evaluation.planning_records import DriveRecord

_METRICS = tuple(f.name for f in fields(ClosedLoopScore))
_MEASURES = ("off_road", "against", "way", "expert_way", "least_time_to_collision", "most_overspeed")


def write_drives(path: Path, records: Sequence[DriveRecord]) -> None:
    """Write a CSV file, the worst drives first.

    Raises:
        OSError: It cannot be written.
    """
    rows = sorted((row_of(record) for record in records), key=lambda row: row["score"] or 0.0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*row_of(_EMPTY)])
        writer.writeheader()
        writer.writerows(rows)


def row_of(record: DriveRecord) -> dict[str, Any]:
    """What is said of a drive, by column; empty where nothing is known."""
    scored = record.scored
    row: dict[str, Any] = {"town": record.town, "seed": record.seed, "planner": record.planner}
    row["score"] = None if scored is None else round(scored.score.total, 4)
    row |= {name: None if scored is None else round(getattr(scored.score, name), 4) for name in _METRICS}
    row["driven_s"] = None if scored is None else round(scored.duration, 1)
    row["collisions"] = "" if scored is None else ";".join("/".join(pair) for pair in scored.collisions)
    row |= {name: None if scored is None else round(getattr(scored.measures, name), 3) for name in _MEASURES}
    row["uncomfortable"] = "" if scored is None else ";".join(scored.measures.uncomfortable)
    row["interventions"] = None if scored is None else scored.interventions
    row["latency_p50_ms"] = round(float(np.median(scored.latencies_ms)), 2) if scored and scored.latencies_ms else None
    row["mishaps"], row["first_mishap"], row["failure"] = record.mishaps, record.first_mishap, record.failure
    row["events"] = "; ".join(f"{time:.1f} s: {text}" for time, text in record.events)
    return row


_EMPTY = DriveRecord("", "", 0, None)
