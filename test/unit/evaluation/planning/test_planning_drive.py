"""One drive in lock-step: who decides is asked once per step, and what fails costs no more than it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.evaluation import planning_job
from zoox_stack.evaluation.closed_loop_drive import LEAST_STEPS
from zoox_stack.evaluation.planning_drive import SEEN, Driven, DriveSettings, drive
from zoox_stack.evaluation.planning_human import drive_human
from zoox_stack.evaluation.planning_job import DriveTask, record_of, run_task
from zoox_stack.evaluation.planning_records import DriveRecord, read_record
from zoox_stack.simulation.closed_loop import ClosedLoop

TOWN, SEED = "village", 1
SHORT = DriveSettings(duration=3.0, warm_up=5.0)
pytestmark = pytest.mark.usefixtures("sumo")


@pytest.fixture(scope="module")
def human(tmp_path_factory: pytest.TempPathFactory) -> Driven:
    return drive_human(TOWN, SEED, SHORT, tmp_path_factory.mktemp("human"))


def record(planner: str, driven: Driven, human: Driven) -> DriveRecord:
    task = DriveTask(planner, TOWN, SEED, SHORT, Path())
    return record_of(task, driven, DriveRecord("human", TOWN, SEED, None, egos=tuple(human.egos)))


def test_one_decision_per_step_from_what_is_near(slow_driver: Any, tmp_path: Path) -> None:
    driver = slow_driver()
    driven = drive(TOWN, SEED, driver, SHORT, tmp_path)
    assert [scene.stamp_ns for scene in driver.scenes] == [scene.stamp_ns for scene in driven.scenes[:-1]]
    assert (np.diff([scene.stamp_ns for scene in driven.scenes]) == 100_000_000).all()
    assert len(driven.scenes) == 31
    assert driven.latencies == [0.5] * 30
    assert driven.seconds == {"think": [0.25] * 30}
    assert (driven.failure, driven.mishaps, driven.interventions, driven.arrived) == ("", 0, 0, False)
    assert driven.egos[-1].speed == pytest.approx(3.0, abs=0.5)
    for scene in driver.scenes:
        assert np.hypot(*(scene.position[:, :2] - scene.ego.centre).T).max(initial=0.0) <= SEEN


def test_the_human_begins_where_and_when_the_others_do(slow_driver: Any, human: Driven, tmp_path: Path) -> None:
    driven = drive(TOWN, SEED, slow_driver(), SHORT, tmp_path)
    first, other = driven.egos[0], human.egos[0]
    assert other.stamp_ns - first.stamp_ns == 800_000_000
    assert human.egos[-1].stamp_ns == driven.egos[-1].stamp_ns
    assert np.hypot(first.x - other.x, first.y - other.y) < 2.0
    assert np.array_equal(driven.route.points, human.route.points)
    both = np.intersect1d(driven.scenes[8].ids, human.scenes[0].ids)
    assert len(both) >= 0.9 * len(driven.scenes[8]) > 0


def test_a_driver_that_fails_costs_its_scenes_only(slow_driver: Any, human: Driven, tmp_path: Path) -> None:
    driven = drive(TOWN, SEED, slow_driver(fails=(10, 11)), SHORT, tmp_path)
    assert len(driven.scenes) == 31
    assert driven.mishaps == 2
    assert driven.first_mishap.startswith("RuntimeError: no idea in step 10 (conftest.py:")
    kept = record("what_if", driven, human)
    assert kept.scored is not None
    assert len(kept.scored.latencies_ms) == 28


def test_a_driver_that_never_decides_stands(slow_driver: Any, human: Driven, tmp_path: Path) -> None:
    driven = drive(TOWN, SEED, slow_driver(fails=tuple(range(30))), SHORT, tmp_path)
    assert driven.mishaps == 30
    assert np.hypot(driven.egos[-1].x - driven.egos[0].x, driven.egos[-1].y - driven.egos[0].y) < 0.05


def test_what_is_no_decision_is_an_intervention_when_it_begins(slow_driver: Any, tmp_path: Path) -> None:
    driven = drive(TOWN, SEED, slow_driver(stops=(0, 1, 5, 6, 9)), SHORT, tmp_path)
    assert driven.interventions == 3


@pytest.mark.parametrize("steps", [LEAST_STEPS - 2, LEAST_STEPS + 5])
def test_a_drive_that_breaks_off(
    slow_driver: Any, human: Driven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """It is judged over the planned time; too short to be judged, it has no score. It never ends the run."""
    whole, step, left = drive(TOWN, SEED, slow_driver(), SHORT, tmp_path), ClosedLoop.step, [steps]

    def breaking(loop: ClosedLoop, trajectory: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise ZooxStackError("SUMO lost the ego")
        return step(loop, trajectory)

    monkeypatch.setattr(ClosedLoop, "step", breaking)
    driven = drive(TOWN, SEED, slow_driver(), SHORT, tmp_path)
    assert driven.failure == "SUMO lost the ego"
    broken, full = record("what_if", driven, human), record("what_if", whole, human)
    assert broken.failure == driven.failure
    assert full.scored is not None
    if steps < LEAST_STEPS:
        assert broken.scored is None
    else:
        assert broken.scored is not None
        assert broken.scored.measures.way < full.scored.measures.way
        assert broken.scored.measures.expert_way == full.scored.measures.expert_way


@pytest.mark.parametrize(("planner", "sensors"), [("idm", ""), ("what_if", ""), ("idm", "compact")])
def test_the_same_drive_gives_the_same_record(planner: str, sensors: str, tmp_path: Path) -> None:
    """But for the times that were taken, to the last bit."""
    if sensors:
        pytest.importorskip("open3d", reason="needs the simulation extra (open3d)")
    settings = DriveSettings(duration=2.5, warm_up=5.0, sensors=sensors)
    run_task(DriveTask("human", TOWN, SEED, settings, tmp_path / "human.json"), lambda _: None)
    texts = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.json"
        task = DriveTask(planner, TOWN, SEED, settings, path, tmp_path / "human.json")
        assert run_task(task, lambda _: None) == ""
        head, timing = path.read_text().split('"timing"')
        assert '"latency": [' in timing
        texts.append(head)
    assert texts[0] == texts[1]
    kept = read_record(tmp_path / "a.json")
    assert kept is not None
    assert kept.scored is not None
    assert kept.mishaps == 0
    assert len(kept.scored.latencies_ms) == 25
    assert kept.scored.measures.way > 0.5


def test_without_reference_nothing_is_driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning_job, "drive", lambda *_: pytest.fail("driven"))
    task = DriveTask("idm", TOWN, SEED, SHORT, tmp_path / "idm.json", tmp_path / "human.json")
    with pytest.raises(ZooxStackError, match="village 1: the human's drive is not there"):
        run_task(task, lambda _: None)
