"""``evaluate what-if`` with the shipped network: a small counterfactual set or bags in, numbers and pictures out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.road_network.made_up import crossing
from zoox_stack.simulation.branch_plans import PlanKind
from zoox_stack.simulation.counterfactual_store import write_manifest, write_map, write_part
from zoox_stack.simulation.samples import CounterfactualSample, CounterfactualScene

TIME = STEP * np.arange(1, STEPS + 1)
SIZE = np.array([4.5, 1.9, 1.6], np.float32)


def braking(deceleration: float, speed: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """Way and speed over time."""
    stop = speed / deceleration if deceleration else np.inf
    t = np.minimum(TIME, stop)
    return speed * t - deceleration * t * t / 2, np.maximum(speed - deceleration * TIME, 0.0)


def states(x: np.ndarray, y: float) -> np.ndarray:
    """``[T, 3]``"""
    return np.stack([x, np.full(STEPS, y), np.zeros(STEPS)], axis=1)


def made_up_scene(number: int) -> CounterfactualScene:
    """The ego keeps on, brakes or stops; a car 15 m behind does as it does, half a second later; a third one stands."""
    before = -0.1 * np.arange(HISTORY_STEPS)[::-1]
    start = -60.0 + 2.0 * number
    plans, futures = [], []
    for deceleration in (0.0, 1.0, 3.5):
        way, speed = braking(deceleration)
        late = np.concatenate([8.0 * TIME[:5], 4.0 + way[:-5]])
        plans.append(np.column_stack([start + way, np.full(STEPS, -1.75), 0 * TIME, speed, 0 * TIME - deceleration]))
        futures.append([states(start - 15.0 + late, -1.75), states(np.full(STEPS, start + 40.0), -5.2)])
    history = np.zeros((2, HISTORY_STEPS, 5))
    history[0, :, 0], history[0, :, 1], history[0, :, 3] = start - 15.0 + 8.0 * before, -1.75, 8.0
    history[1, :, 0], history[1, :, 1] = start + 40.0, -5.2
    ego = np.zeros((HISTORY_STEPS, 5))
    ego[:, 0], ego[:, 1], ego[:, 3] = start + 8.0 * before, -1.75, 8.0
    valid = np.ones((3, 2, STEPS), bool)
    kinds = np.array([PlanKind.KEEP, PlanKind.BRAKE, PlanKind.STOP], np.uint8)
    sample = CounterfactualSample(
        town="crossing", stamp_ns=10**9 * (number + 1), ids=np.array([2, 4]), classes=np.ones(2, np.uint8),
        sizes=np.tile(SIZE, (2, 1)), attributes=np.zeros((2, 6), np.uint8), history=history,
        history_valid=np.ones((2, HISTORY_STEPS), bool), ego_id=9, ego_history=ego, ego_size=SIZE,
        signal_ids=np.zeros(0, np.int64), signal_states=np.zeros(0, np.uint8), behaviours=kinds,
        ego_plans=np.array(plans, np.float32), futures=np.array(futures, np.float32), futures_valid=valid,
    )  # fmt: skip
    return CounterfactualScene(
        sample=sample, seed=1, ego_class=1, plan_names=("keep", "brake", "stop"), speeds=np.zeros((3, 2, STEPS)),
        plan_errors=np.zeros(3), refused=(), log_ego=sample.ego_plans[0], log_futures=sample.futures[0],
        log_speeds=np.zeros((2, STEPS)), log_valid=valid[0], identity_max_diff=0.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set")
    write_map(path, crossing().with_name("crossing"))
    write_manifest(path, {"complete": True})
    write_part(path, 0, 0, [made_up_scene(0), made_up_scene(1)])
    write_part(path, 1, 2, [made_up_scene(2)])
    return path


def evaluated(capsys: pytest.CaptureFixture[str], data: Path, *more: str) -> dict[str, Any]:
    assert cli.main(["evaluate", "what-if", "--data", str(data), "--json", *more]) == 0
    result = json.loads(capsys.readouterr().out)
    assert isinstance(result, dict)
    return result


def test_a_set_gives_every_number(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = evaluated(capsys, folder)
    assert result["scenes"] == 3
    assert result["plans"] == 9
    affected = result["affected"]
    assert affected["n"] == 6  # the follower, under two plans of three scenes
    names = ("conditional", "unconditional", "masked", "shuffled")
    assert all(affected[f"{name}_minADE6_8s"] > 0 for name in names)
    assert affected["masked_minADE6_8s"] == pytest.approx(affected["unconditional_minADE6_8s"], abs=1e-3)
    assert sorted(result["affected_plans"]) == ["brake", "stop"]
    assert result["unaffected"]["n"] == 3
    assert result["unaffected_median_change_m"] >= 0
    assert result["early_reaction_max_m"] == 0.0
    assert result["goes_first_auc"] is None  # nobody's way crosses the ego's
    assert result["contacts"]["overlap"]["n"] == 18


def test_processes_do_not_change_the_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluated(capsys, folder, "--jobs", "2") == evaluated(capsys, folder)


def test_pictures_are_those_of_the_most_affected(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluated(capsys, folder, "--pictures", str(tmp_path / "pictures"))
    assert [Path(path).name for path in result["pictures"]] == [f"what_if_{n:04d}.png" for n in range(3)]
    for path in result["pictures"]:
        picture = cv2.imread(path)
        assert picture is not None
        assert picture.std() > 10
        assert Path(path).stat().st_size < 100_000


def test_a_bag_tells_what_one_plan_can(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for topic in (topics.GROUND_TRUTH, topics.KINEMATIC_STATE):
            writer.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
        for step in range(111):
            stamp, t = 10**9 + step * 10**8, step * STEP
            ego = EgoState(stamp_ns=stamp, x=6 * t, y=0.0, speed=6.0)
            crossing_car = np.array([[40.0, 60.0 - 7.5 * t, 0.8]])
            scene = TrackedAgents.from_states(
                stamp, np.array([3]), np.array([1], np.uint8), crossing_car, np.array([-np.pi / 2]),
                np.array([[0.0, -7.5]]), SIZE[None], ego=ego,
            )  # fmt: skip
            writer.write(topics.KINEMATIC_STATE.name, stamp, encode(ego))
            writer.write(topics.GROUND_TRUTH.name, stamp, encode(scene))
    result = evaluated(capsys, tmp_path / "bag")
    assert result["scenes"] == result["plans"] == 3
    assert result["affected"]["n"] == 0
    assert result["unaffected_median_change_m"] is None
    assert result["goes_first"]["n"] == 3


def test_people_get_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "what-if", "--data", str(folder)]) == 0
    text = capsys.readouterr().out
    for part in ("3 scenes, 9 plans", "no plan", "shuffled", "stop", "near miss: AUC", "before its cause"):
        assert part in text


@pytest.mark.parametrize(("words", "found"), [(["--data", "nowhere"], "nowhere"), (["--jobs", "0"], "--jobs")])
def test_bad_arguments_are_named(
    folder: Path, words: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "what-if", "--data", str(folder), *words]) == 2
    assert found in capsys.readouterr().err
