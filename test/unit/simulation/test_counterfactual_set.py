"""Sets of counterfactual scenes: whole, repeatable, going on after an interruption."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
pytest.importorskip("pyarrow", reason="needs the simulation extra (pyarrow)")

from zoox_stack.cli import main
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.simulation import counterfactual_set, make_training_set
from zoox_stack.simulation.counterfactual_set import SetPlan, make_part, make_set
from zoox_stack.simulation.counterfactual_store import CounterfactualSet, part_path
from zoox_stack.simulation.counterfactual_tables import TABLES
from zoox_stack.simulation.counterfactuals import CounterfactualConfig

# Instants 8 s apart: each scene is whole before the next one begins, and no roll-out is made for nothing.
CONFIG = CounterfactualConfig(
    warm_up=4.0, shortest_gap=8.0, longest_gap=8.2, instants=2, min_agents=1, max_agents=12, plans=3
)
PLAN = SetPlan(("roundabout",), (2,), 2, 5, CONFIG, vehicles_per_km=(10.0, 12.0), pedestrians_per_km=(4.0, 6.0))


def nothing(_: float) -> None:
    pass


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sets") / "set"
    report = make_set(PLAN, out)
    assert not report.failures
    assert (report.scenes, report.identity_max_diff) == (2, 0.0)
    assert report.rollouts >= report.branches + report.scenes
    return out


def test_a_set_is_whole(made: Path) -> None:
    found = CounterfactualSet(made)
    assert len(found) == 2
    assert found.manifest["complete"]
    assert found.manifest["counts"]["scenes"] == 2
    assert set(found.networks) == set(found.manifest["towns"]) == {"roundabout_2"}
    for scene in found:
        assert scene.sample.town in found.networks
        assert 1 <= len(scene.sample.ids) <= 12
        assert np.array_equal(scene.log_futures, scene.sample.futures[0])


def test_it_goes_on_and_gives_the_same_tables(made: Path, tmp_path: Path) -> None:
    before = {table: part_path(made, table, 0).stat().st_mtime_ns for table in TABLES}
    assert make_set(PLAN, made).rollouts == 0
    assert before == {table: part_path(made, table, 0).stat().st_mtime_ns for table in TABLES}
    make_part(PLAN, 0, 2, tmp_path, nothing)
    for table in TABLES:
        assert part_path(tmp_path, table, 0).read_bytes() == part_path(made, table, 0).read_bytes()


def test_other_arguments_and_other_folders_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="choose another folder"):
        make_set(replace(PLAN, seed=6), made)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InvalidInputError, match="something else"):
        make_set(PLAN, tmp_path)


def test_a_town_or_a_simulator_that_has_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.yaml"
    text = "description: A roundabout.\nlayout:\n  kind: roundabout\ndemand:\n  bicycles: 0.1\n"
    file.write_text(text)
    out, plan = tmp_path / "set", replace(PLAN, towns=(str(file),))
    monkeypatch.setattr(counterfactual_set, "run_jobs", lambda *_: iter(()))
    make_set(plan, out)
    file.write_text("# Nothing that matters\n" + text)
    make_set(plan, out)
    file.write_text(text.replace("0.1", "0.2"))
    with pytest.raises(ConfigurationError, match="made with other definitions"):
        make_set(plan, out)
    file.write_text(text)
    monkeypatch.setattr(counterfactual_set, "version", lambda name: "0.1" if name == "numpy" else version(name))
    with pytest.raises(ConfigurationError, match="made with other versions"):
        make_set(plan, out)


def test_parts_fail_alone_and_are_made_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counterfactual_set, "PART_SCENES", 1)
    killed = []

    def kill_first(done: int, total: int) -> None:
        children = [child for child in multiprocessing.active_children() if child.name == "part 00000"]
        if children and not killed:
            killed.append(children[0].pid)
            children[0].kill()

    plan = replace(PLAN, config=replace(CONFIG, plans=2))
    first = make_set(plan, tmp_path / "set", 2, kill_first)
    assert killed
    assert [part for part, _ in first.failures] == ["part 00000"]
    assert "SIGKILL" in first.failures[0][1]
    assert first.scenes == 1
    assert not CounterfactualSet(tmp_path / "set").manifest["complete"]
    second = make_set(plan, tmp_path / "set")
    assert not second.failures
    assert second.scenes == 2
    assert CounterfactualSet(tmp_path / "set").manifest["complete"]


def test_an_empty_town_gives_up(tmp_path: Path) -> None:
    barren = replace(CONFIG, warm_up=2.0, shortest_gap=1.0, longest_gap=1.0, instants=1, min_agents=400)
    empty = replace(PLAN, scenes=1, config=barren)
    report = make_set(empty, tmp_path / "set")
    assert "without a single scene" in report.failures[0][1]
    assert report.scenes == 0


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["counterfactual", "--town", "roundabout", "--seed", "2", "--scenes", "1", "--plans", "3"]
    assert main(["simulate", *words, "--out", str(tmp_path / "set"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) >= {"scenes", "branches", "rollouts_per_s", "identity_max_diff_m", "affected_agents"}
    assert answer["scenes"] == 1
    assert answer["identity_max_diff_m"] == 0.0
    assert answer["rollouts_per_s"] > 0
    (scene,) = CounterfactualSet(tmp_path / "set")
    assert answer["branches"] == len(scene.plan_names)


def test_training_set(tmp_path: Path) -> None:
    words = ["--out", str(tmp_path / "set"), "--samples", "1", "--seed", "3", "--layouts", "roundabout"]
    assert make_training_set.main([*words, "--town-seeds", "2", "--plans", "2"]) == 0
    found = CounterfactualSet(tmp_path / "set")
    assert len(found) == 1
    assert found.manifest["towns"] == ["roundabout_2"]
    assert found.manifest["arguments"]["config"]["runs_red"] > 0
    assert make_training_set.main([*words, "--town-seeds", "3"]) == 1
    assert make_training_set.main([*words, "--plans", "65"]) == 1
