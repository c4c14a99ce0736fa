"""Tick records and their summary."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.replay_records import (
    StageRecord,
    TickRecord,
    combined_hash,
    percentiles,
    read_records,
    summarise,
)


def record(tick: int, latency_ms: float | None, digest: str = "a") -> TickRecord:
    sent = 10**18 + tick * 10**8
    back = None if latency_ms is None else sent + round(latency_ms * 1e6)
    stage = StageRecord(sent + 10**6, sent + 31 * 10**6, 0.02)
    return TickRecord(tick, sent, back, {"planner": stage, "perception": stage}, {"/t": digest})


def test_summary_counts_and_times() -> None:
    summary = summarise([record(0, 40.0), record(1, 60.0), record(2, None)])
    assert (summary["ticks"], summary["answered"], summary["dropped"]) == (3, 2, 1)
    assert summary["end_to_end_ms"]["p50"] == pytest.approx(50.0)
    assert summary["end_to_end_ms"]["max"] == pytest.approx(60.0)
    assert list(summary["stages_ms"]) == ["perception", "planner"]
    assert summary["stages_ms"]["planner"]["p50"] == pytest.approx(30.0)
    assert summary["stages_cpu_ms"]["planner"]["p50"] == pytest.approx(20.0)


def test_manoeuvres_of_the_supervisor_wait_for_nobody() -> None:
    """They answer, but say nothing of how long the stages take."""
    summary = summarise([record(0, 40.0), replace(record(1, 2.0), intervention=True)])
    assert (summary["answered"], summary["end_to_end_ms"]["p50"]) == (2, 40.0)


def test_nothing_measured_is_none_not_zero() -> None:
    assert summarise([])["end_to_end_ms"] == {"p50": None, "p95": None, "p99": None, "max": None}
    assert percentiles([3.0])["p99"] == 3.0


def test_hash_depends_on_outputs_and_order_but_not_on_time() -> None:
    base = [record(0, 1.0), record(1, 1.0)]
    assert combined_hash(base) == combined_hash([record(0, 9.0), record(1, 9.0)])
    assert combined_hash(base) != combined_hash([record(0, 1.0, "b"), record(1, 1.0)])
    assert combined_hash(base) != combined_hash(base[::-1])


def test_a_run_in_real_time_has_no_hash() -> None:
    assert summarise([replace(record(0, 1.0), hashes={})])["hash"] is None
    assert summarise([record(0, 1.0)])["hash"] == combined_hash([record(0, 1.0)])


def test_records_are_read_and_bad_lines_named(tmp_path: Path) -> None:
    path = tmp_path / "ticks.jsonl"
    line = {"stamp_ns": 1, "sent_wall_ns": 2, "trajectory_wall_ns": None, "stages": {}, "hashes": {}}
    path.write_text(json.dumps(line) + "\n" + '{"stamp_ns": 1}\n')
    with pytest.raises(InvalidInputError, match=r"ticks\.jsonl:2"):
        read_records(path)
    path.write_text(json.dumps(line) + "\n")
    assert read_records(path) == [TickRecord(1, 2, None)]
    with pytest.raises(InvalidInputError, match="expected a file"):
        read_records(tmp_path / "missing")
