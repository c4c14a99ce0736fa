"""The benchmark goes on where it was broken off, and never takes a record of something else for its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from zoox_stack.evaluation import planning_key
from zoox_stack.evaluation.planning_drive import DriveSettings
from zoox_stack.evaluation.planning_key import source_digest
from zoox_stack.evaluation.planning_run import Benchmark, run_benchmark, run_traces, tasks_of
from zoox_stack.evaluation.run import read_run

LITTLE = Benchmark(("village",), (1,), ("idm", "human"), DriveSettings(duration=2.5, warm_up=5.0))
_DEAD_END = (
    "description: One street.\nlayout:\n  kind: explicit\n  nodes:\n    a: {x: 0.0, y: 0.0, kind: dead_end}\n"
    "    b: {x: 90.0, y: 0.0, kind: dead_end}\n  streets:\n  - {start: a, end: b}\n"
)


@pytest.mark.usefixtures("sumo")
def test_what_is_there_is_not_driven_again(tmp_path: Path) -> None:
    told: list[float] = []
    first = run_benchmark(LITTLE, tmp_path, 2, told.append)
    assert first.driven == 2
    assert not first.failures
    assert [record.planner for record in first.records] == ["idm", "human"]
    assert told[-1] == pytest.approx(1.0)
    files = sorted((tmp_path / "records").rglob("*"))
    again = run_benchmark(LITTLE, tmp_path, 2)
    assert again.driven == 0
    assert [r.to_values() for r in again.records] == [r.to_values() for r in first.records]
    idm = next(path for path in files if path.name.startswith("village") and path.parent.name == "idm")
    idm.write_text(idm.read_text()[:100])  # as a full disk leaves it
    third = run_benchmark(LITTLE, tmp_path, 1)
    assert third.driven == 1
    assert [r.scored and r.scored.score for r in third.records] == [r.scored and r.scored.score for r in first.records]
    assert sorted((tmp_path / "records").rglob("*")) == files  # nothing half written is left


@pytest.mark.usefixtures("sumo")
def test_a_place_without_a_human_costs_only_itself(tmp_path: Path) -> None:
    """Nobody can be judged there; all others can."""
    lane = tmp_path / "lane.yaml"
    lane.write_text(_DEAD_END)
    results = run_benchmark(replace(LITTLE, towns=(str(lane), "village")), tmp_path, 2)
    assert [(record.town, record.planner) for record in results.records] == [("village", "idm"), ("village", "human")]
    (failure,) = results.failures
    assert (failure.planner, failure.town, failure.seed) == ("human", "lane", 1)
    assert "expected a route" in failure.text


@pytest.mark.usefixtures("sumo")
def test_a_trace_is_a_recording_with_all_decisions(tmp_path: Path) -> None:
    ((path, failure),) = run_traces(LITTLE, [("village", 1, "what_if")], tmp_path, 1)
    assert failure == ""
    run = read_run(path)
    assert len(run.decisions) == len(run.tracks) == len(run.predictions) == len(run.trajectories) == 25
    assert len(run.labels) == len(run.true_egos) == 25
    asked = {stamp: len(decision.asked) for stamp, decision in run.decisions.items() if len(decision.asked)}
    assert asked
    assert {stamp: len(answers) for stamp, answers in run.answers.items()} == asked
    assert run.network is not None
    assert run.route is not None


def test_records_of_other_settings_are_others() -> None:
    def paths(benchmark: Benchmark) -> dict[str, Path]:
        return {task.planner: task.record for task in tasks_of(benchmark, Path("out"))}

    every = replace(LITTLE, planners=("what_if", "constant_velocity", "idm", "human"))
    base = paths(every)
    assert len(set(base.values())) == 4
    longer = paths(replace(every, settings=replace(every.settings, duration=3.0)))
    assert not {*base.values()} & {*longer.values()}
    seeing = paths(replace(every, settings=replace(every.settings, sensors="compact")))
    assert {name for name in base if base[name] == seeing[name]} == {"human"}
    weighted = paths(replace(every, parameters={"weight_progress": 7.0}))
    assert {name for name in base if base[name] == weighted[name]} == {"human", "idm"}
    assert paths(replace(every, planners=("idm",))) == {name: base[name] for name in ("human", "idm")}


def test_code_counts_as_far_as_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part").mkdir()
    for name, text in (
        ("a", "def f():\n    from zoox_stack.part.b import g\n    return g()\n"),
        ("b", "import numpy\n\ndef g():\n    return 1\n"),
        ("c", "x = 1\n"),
        ("__init__", ""),
    ):
        (tmp_path / "part" / f"{name}.py").write_text(text)
    monkeypatch.setattr(planning_key, "_ROOT", tmp_path)

    def digest() -> str:
        for cached in (source_digest, planning_key._imports, planning_key._tree):
            cached.cache_clear()
        return source_digest(("zoox_stack.part.a",))

    before = digest()
    (tmp_path / "part" / "c.py").write_text("x = 2\n")
    (tmp_path / "part" / "b.py").write_text("import numpy\n\ndef g():  # why\n    return (1)\n")
    assert digest() == before
    (tmp_path / "part" / "b.py").write_text("import numpy\n\ndef g():\n    return 2\n")
    assert digest() != before
