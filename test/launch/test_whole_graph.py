"""The whole graph over a tiny bag in lock-step, twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from zoox_stack.core import topics
from zoox_stack.evaluation.replay_records import TickRecord, combined_hash, read_records
from zoox_stack.evaluation.run import read_run
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.ros.message_types import peek_stamp

pytestmark = pytest.mark.slow

TICKS = 25
OUTPUTS = (topics.TRACKED_AGENTS, topics.PREDICTED_AGENTS, topics.DECISION, topics.TRAJECTORY)


@dataclass(frozen=True)
class Run:
    """What one replay left behind."""

    records: list[TickRecord]
    heard: dict[str, list[Any]]
    stamps: dict[str, list[int]]
    exit_codes: dict[str, int]
    recording: Path


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, domains: Callable[[], int], bags: Callable[[int], Path], harness: Any
) -> list[Run]:
    return [one_run(harness, tmp_path_factory.mktemp("run"), domains(), bags(TICKS)) for _ in range(2)]


def one_run(harness: Any, folder: Path, domain: int, bag: Path) -> Run:
    graph, probe = harness.Graph(folder, domain), harness.Probe(domain)
    try:
        graph.start_stack(use_sim_time=True, lockstep=True)
        graph.start("recorder", use_sim_time=True, output=folder / "recording")
        harness.wait_until(lambda: probe.hears(*OUTPUTS), "the probe hears all outputs", graph)
        graph.start(
            "replay",
            bag=bag,
            lockstep=True,
            report=folder / "ticks.jsonl",
            wait_for="perception,prediction,planner,supervisor,recorder",
            ready_timeout=harness.PATIENCE,
        )
        codes = {"replay": graph.finish("replay", 3 * harness.PATIENCE)}
        harness.wait_until(lambda: len(probe.get(topics.TRAJECTORY)) >= TICKS, "all trajectories", graph)
        codes |= {name: graph.end(name, how) for name, how in zip(graph.alive(), SIGNALS, strict=True)}
        records = read_records(folder / "ticks.jsonl")
        heard = {t.name: probe.get(t) for t in OUTPUTS}
        return Run(records, heard, {t.name: probe.stamps(t) for t in OUTPUTS}, codes, folder / "recording")
    finally:
        graph.close()
        probe.close()


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)


def test_every_sweep_is_answered_once_and_in_order(runs: list[Run]) -> None:
    for run in runs:
        sent = [r.stamp_ns for r in run.records]
        assert len(sent) == TICKS
        assert sent == sorted(sent)
        for topic in OUTPUTS:
            assert run.stamps[topic.name] == sent, topic.name
        assert all(r.trajectory_wall_ns is not None for r in run.records)


def test_every_stage_tells_its_time_in_every_tick(runs: list[Run]) -> None:
    for record in runs[0].records:
        assert {"perception", "prediction", "planner", "supervisor"} <= set(record.stages)
        for stage in record.stages.values():
            assert stage.received_ns <= stage.published_ns
            assert stage.cpu_s >= 0


def test_what_if_is_answered_conditionally(runs: list[Run]) -> None:
    decisions = runs[0].heard[topics.DECISION.name]
    answered = [d for d in decisions if d.answer_status == 0]
    assert answered
    assert all(d.conditional for d in answered)
    assert all(len(d.asked) == len(d.collision_probabilities) >= 2 for d in answered)
    # Once tracks are confirmed there is always something to ask about.
    assert all(d.answer_status == 0 for d in decisions[10:])
    assert all(d.predictions_from == 0 for d in decisions[10:])


def test_two_runs_give_the_same_outputs(runs: list[Run]) -> None:
    first, second = runs
    for a, b in zip(first.records, second.records, strict=True):
        assert a.stamp_ns == b.stamp_ns
        assert set(a.hashes) == {t.name for t in OUTPUTS}
        assert a.hashes == b.hashes
    assert combined_hash(first.records) == combined_hash(second.records)
    # Hashes of different ticks differ: they say something.
    assert len({r.hashes[topics.TRAJECTORY.name] for r in first.records}) == TICKS


def test_signals_end_every_node_with_exit_code_0(runs: list[Run]) -> None:
    assert [run.exit_codes for run in runs] == [dict.fromkeys(run.exit_codes, 0) for run in runs]
    assert len(runs[0].exit_codes) == 7


def test_the_recording_holds_inputs_and_outputs(runs: list[Run]) -> None:
    for run in runs:
        with BagReader(run.recording) as reader:
            assert not reader.problems
            for topic in (*OUTPUTS, topics.DETECTIONS):
                stamps = [peek_stamp(m.data) for m in reader.messages([topic.name])]
                assert stamps == [r.stamp_ns for r in run.records], topic.name
            for topic in (topics.ROAD_NETWORK, topics.ROUTE):
                assert reader.topics[topic.name].count == 1
                assert reader.topics[topic.name].latched
            assert topics.CLOCK.name not in reader.topics


def test_the_recording_tells_how_answers_compare_with_what_followed(runs: list[Run]) -> None:
    for run in runs:
        asked = read_run(run.recording).asked
        assert asked is not None
        assert 0 <= asked.followed <= asked.questions <= 1 + TICKS // 10
