"""Parquet sets: what is written comes back, damage is named, other tools can read them."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

pq = pytest.importorskip("pyarrow.parquet", reason="needs the simulation extra (pyarrow)")

from zoox_stack.core.errors import InvalidInputError  # noqa: E402
from zoox_stack.core.predictions import STEPS  # noqa: E402
from zoox_stack.prediction.history import HISTORY_STEPS  # noqa: E402
from zoox_stack.road_network.made_up import straight_road  # noqa: E402
from zoox_stack.simulation.counterfactual_store import (  # noqa: E402
    CounterfactualSet,
    has_part,
    part_path,
    write_manifest,
    write_map,
    write_part,
)
from zoox_stack.simulation.counterfactual_tables import LOG_BRANCH, SCHEMAS, TABLES  # noqa: E402
from zoox_stack.simulation.samples import (  # noqa: E402
    CounterfactualSample,
    CounterfactualScene,
    PlanColumn,
    RefusedPlan,
)


def made_up_scene(seed: int, agents: int = 4, plans: int = 3, town: str = "straight") -> CounterfactualScene:
    """Numbers of the right shapes: an agent that leaves early and came late, effects of plans for odd seeds."""
    random = np.random.default_rng(seed)
    speed = random.uniform(2, 9, agents)
    start = random.uniform(0, 200, (agents, 2)).astype(np.float32)
    time = np.arange(1, STEPS + 1) * 0.1
    futures = np.zeros((plans, agents, STEPS, 3), np.float32)
    futures[..., :2] = start[:, None]
    futures[..., 0] += (speed[:, None] * time)[None] * (1 - 0.2 * np.arange(plans)[:, None, None] * (seed % 2))
    valid = np.ones((plans, agents, STEPS), bool)
    valid[:, -1, 50:] = False
    futures[~valid] = 0
    speeds = np.where(valid, speed[None, :, None], 0).astype(np.float32)
    known = np.ones((agents, HISTORY_STEPS), bool)
    known[-1, :6] = False
    history = np.where(known[..., None], random.normal(size=(agents, HISTORY_STEPS, 5)).astype(np.float32), 0)
    ego_plans = np.cumsum(random.uniform(0, 0.5, (plans, STEPS, 5)).astype(np.float32), axis=1) / 10
    sample = CounterfactualSample(
        town=town, stamp_ns=10**9 * seed, ids=np.arange(agents) * 3 + 1,
        classes=np.full(agents, 1 + seed % 2, np.uint8),
        sizes=random.uniform(1, 5, (agents, 3)).astype(np.float32),
        attributes=random.integers(0, 3, (agents, 6)).astype(np.uint8), history=history.astype(np.float64),
        history_valid=known, ego_id=5, ego_history=random.normal(size=(HISTORY_STEPS, 5)).astype(np.float32),
        ego_size=np.array([4.8, 1.9, 1.7], np.float32), signal_ids=np.array([7, 9]),
        signal_states=np.array([1, 3], np.uint8),
        behaviours=np.arange(plans, dtype=np.uint8), ego_plans=ego_plans, futures=futures, futures_valid=valid,
    )  # fmt: skip
    return CounterfactualScene(
        sample=sample, seed=seed, ego_class=1, plan_names=tuple(f"plan {i}" for i in range(plans)), speeds=speeds,
        plan_errors=np.array([np.nan, 0.25, np.nan][:plans] + [np.nan] * (plans - 3), np.float32),
        refused=(RefusedPlan(8, "lane left", "there is no such lane"),), log_ego=ego_plans[0], log_futures=futures[0],
        log_speeds=speeds[0], log_valid=valid[0], identity_max_diff=0.0,
    )  # fmt: skip


SCENES = [made_up_scene(1), made_up_scene(2, agents=6, plans=5), made_up_scene(3, agents=1)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_map(tmp_path, straight_road().with_name("straight"))
    write_manifest(tmp_path, {"complete": True})
    write_part(tmp_path, 0, 0, SCENES[:2])
    write_part(tmp_path, 1, 2, SCENES[2:])
    return tmp_path


def same(a: object, b: object) -> bool:
    for f in fields(a):  # type: ignore[arg-type]
        x, y = getattr(a, f.name), getattr(b, f.name)
        if f.name == "sample":
            if not same(x, y):
                return False
        elif not (np.array_equal(x, y, equal_nan=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x == y):
            return False
    return True


def test_scenes_come_back(folder: Path) -> None:
    found = CounterfactualSet(folder)
    assert len(found) == 3
    assert found.parts == [0, 1]
    for expected, scene in zip(SCENES, found, strict=True):
        assert isinstance(scene, CounterfactualScene)
        assert same(expected, scene)
    assert same(SCENES[2], found[2])
    assert same(SCENES[1], found[1])
    with pytest.raises(IndexError):
        found[3]
    assert found.networks["straight"].lane_ids.tolist() == straight_road().lane_ids.tolist()


def test_counts(folder: Path) -> None:
    summary = CounterfactualSet(folder).summary()
    assert summary["scenes"] == 3
    assert summary["branches"] == 3 + 5 + 3
    assert summary["refused"] == 3
    assert summary["affected"] == 4 + 1  # seeds 1 and 3 drive slower under other plans
    assert summary["identity_max_diff"] == 0.0


def test_affected_agents_and_the_log_are_tables(folder: Path) -> None:
    affected = pq.read_table(folder / "affected").to_pylist()
    assert {row["scene"] for row in affected} == {0, 2}
    first = next(row for row in affected if row["branch"] == 3)
    moved = SCENES[0].sample.futures[2, 0, :, 0] - SCENES[0].sample.futures[0, 0, :, 0]
    assert first["max_displacement_m"] == pytest.approx(np.abs(moved).max(), rel=1e-5)
    assert first["since_s"] == pytest.approx(0.1 * (1 + np.argmax(np.abs(moved) > 0.5)))
    log = pq.read_table(folder / "branches", filters=[("branch", "=", LOG_BRANCH)])
    assert log["name"].to_pylist() == ["log"] * 3
    refused = pq.read_table(folder / "branches", filters=[("driven", "=", False)]).to_pylist()
    assert {row["reason"] for row in refused} == {"there is no such lane"}
    assert refused[0]["x"] == []
    futures = pq.read_table(folder / "futures", filters=[("scene", "=", 0), ("agent", "=", 10)])
    assert {len(x) for x in futures["x"].to_pylist()} == {50}  # it leaves after 5 s


def test_the_same_scenes_give_the_same_bytes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_part(other, 0, 0, [made_up_scene(1), made_up_scene(2, agents=6, plans=5)])
    for table in TABLES:
        assert part_path(other, table, 0).read_bytes() == part_path(folder, table, 0).read_bytes()


def test_training_samples_leave_implausible_plans_out(folder: Path) -> None:
    samples = CounterfactualSet(folder).training_samples(0)
    assert len(samples) == 2
    for sample, scene in zip(samples, SCENES, strict=False):
        assert sample.behaviours[0] == 0
        assert len(sample.behaviours) <= len(scene.plan_names)


def test_fast_traffic_is_kept(tmp_path: Path) -> None:
    scene = made_up_scene(2)
    futures = scene.sample.futures.copy()
    futures[..., 0] = np.where(scene.sample.futures_valid, 33.4 * 0.1 * np.arange(1, STEPS + 1), 0)
    write_manifest(tmp_path, {"complete": True})
    write_part(tmp_path, 0, 0, [replace(scene, sample=replace(scene.sample, futures=futures))])
    (sample,) = CounterfactualSet(tmp_path).training_samples(0)
    assert np.array_equal(sample.futures_valid[0], scene.sample.futures_valid[0])
    assert np.array_equal(sample.futures[0], futures[0])


def test_the_log_is_as_plausible_as_keep(tmp_path: Path) -> None:
    scene = made_up_scene(2)
    plans = scene.sample.ego_plans.copy()
    plans[0, 5, PlanColumn.ACCELERATION] = -30.0
    write_part(tmp_path, 0, 0, [replace(scene, sample=replace(scene.sample, ego_plans=plans))])
    rows = pq.read_table(part_path(tmp_path, "branches", 0)).to_pylist()
    assert [row["plausible"] for row in rows][:3] == [False, False, True]


@pytest.mark.parametrize("table", list(SCHEMAS))
def test_a_truncated_file_is_named(folder: Path, table: str) -> None:
    path = part_path(folder, table, 1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidInputError, match=rf"{table}/00001.parquet.*readable Parquet.*Delete the part"):
        list(CounterfactualSet(folder))
    if table != "scenes":
        assert same(SCENES[0], CounterfactualSet(folder)[0])


def test_a_missing_or_exchanged_file_is_named(folder: Path) -> None:
    part_path(folder, "agents", 0).unlink()
    with pytest.raises(InvalidInputError, match=r"agents/00000.parquet"):
        CounterfactualSet(folder)[0]
    part_path(folder, "scenes", 0).replace(part_path(folder, "agents", 0))
    assert not has_part(folder, 0)
    part_path(folder, "history", 1).replace(part_path(folder, "agents", 1))
    with pytest.raises(InvalidInputError, match="columns scene, agent, is_ego"):
        CounterfactualSet(folder)[0]


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"format": "zoox_stack counterfactuals", "version": 99})])
def test_other_folders_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"manifest\.json"):
        CounterfactualSet(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InvalidInputError, match=r"manifest\.json"):
        CounterfactualSet(tmp_path)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(table: object, where: Path, **_: object) -> None:
        where.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoox_stack.simulation.counterfactual_store.pq.write_table", full)
    with pytest.raises(OSError, match="No space left"):
        write_part(tmp_path, 0, 0, SCENES[:1])
    assert not has_part(tmp_path, 0)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
