"""``evaluate prediction`` with the shipped network: bags and counterfactual sets in, numbers and pictures out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.predictions import MODES, PredictedAgents
from zoox_stack.datasets.past_motion import with_past_motion
from zoox_stack.evaluation.prediction_pictures import chosen_scenes
from zoox_stack.evaluation.prediction_run import (
    PredictionEvaluation,
    PredictionSettings,
    evaluate_sources,
    predictions_of,
)
from zoox_stack.evaluation.prediction_scores import PredictionScores
from zoox_stack.evaluation.prediction_sources import find_sources
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES
from zoox_stack.prediction.history import HistoryBuffer, HistoryColumn
from zoox_stack.road_network.made_up import crossing

START_NS = 7_000_000_000
STEPS = 126  # 12.5 s


def scene_at(step: int, seed: int) -> TrackedAgents:
    """An ego that drives, a bus and a car before it, pedestrians beside, and a car too far away to be in the image."""
    t = 0.1 * step
    stamp = START_NS + step * 100_000_000
    position = np.array(
        [
            [-60 + (7 + seed) * t, -1.75, 1],
            [-20 + 6 * t, -1.75, 1],
            [-90 + t, -8, 1],
            [-70 - 1.2 * t, 9, 1],
            [500 + 9 * t, 2, 1],
        ]
    )
    velocity = np.array([[7.0 + seed, 0], [6, 0], [1, 0], [-1.2, 0], [9, 0]])
    kinds = [AgentClass.BUS, AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.PEDESTRIAN, AgentClass.CAR]
    return TrackedAgents.from_states(
        stamp, np.arange(5) * 2, np.array(kinds), position, np.array([0, 0, 0, np.pi, 0]), velocity,
        np.tile(np.array([4.5, 1.8, 1.6], np.float32), (5, 1)),
        ego=EgoState(stamp_ns=stamp, x=-90 + 6 * t, y=-1.75, speed=6.0),
    )  # fmt: skip


def write_bag(folder: Path, seed: int, steps: int = STEPS, moving: float = 1.0) -> None:
    """A bag; the recorded velocities are `moving` times the true ones."""
    with BagWriter(folder) as writer:
        for topic in (topics.ROAD_NETWORK, topics.GROUND_TRUTH, topics.KINEMATIC_STATE):
            writer.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
        writer.write(topics.ROAD_NETWORK.name, START_NS, encode(crossing(), START_NS))
        for step in range(steps):
            scene = scene_at(step, seed)
            scene = replace(scene, velocity=moving * scene.velocity)
            writer.write(topics.KINEMATIC_STATE.name, scene.stamp_ns, encode(scene.ego))
            writer.write(topics.GROUND_TRUTH.name, scene.stamp_ns, encode(scene))


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    write_bag(folder / "first", 0)
    write_bag(folder / "second", 1)
    return folder


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert cli.main(["evaluate", "prediction", *map(str, arguments), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert isinstance(result, dict)
    return result


def test_numbers_of_bags(bags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = answer(capsys, "--data", bags, "--per-source")
    assert result["scenes"] == 2 * 12  # the last second of a log has nothing after it, but its scenes are looked at
    vehicle, pedestrian = result["classes"]["vehicle"], result["classes"]["pedestrian"]
    # 8 s after 1 .. 4 s, 5 s after 1 .. 7 s, 3 s after 1 .. 9 s; three vehicles and two pedestrians in each bag
    assert vehicle["samples"] == {"3s": 54, "5s": 42, "8s": 24}
    assert pedestrian["samples"] == {"3s": 36, "5s": 28, "8s": 16}
    assert (vehicle["n"], vehicle["samples_by_rule"], result["samples_by_rule"]) == (24, 8, 8)
    for entry in (vehicle, pedestrian):
        assert {f"minADE{k}_{h}s" for k in (1, MODES) for h in (3, 5, 8)} <= set(entry["model"])
        assert list(entry["baselines"]) == ["cv", "ctrv", "ctr", "lane"]
        assert entry["baselines"]["cv"]["minFDE1_8s"] == pytest.approx(0.0, abs=1e-3)  # all keep their velocity
        assert entry["model"]["minADE6_8s"] <= entry["model"]["minADE1_8s"]
    assert 0.0 <= result["ece"] <= 1.0
    assert set(result["coverage"]) == {"50", "90", "95"}
    assert [part["classes"]["vehicle"]["n"] for part in result["sources"].values()] == [12, 12]
    assert list(result["sources"]) == ["first", "second"]
    assert result["machine"]


def test_the_same_in_any_number_of_processes(bags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "--data", bags) == answer(capsys, "--data", bags, "--jobs", "2")


def test_pictures(bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = answer(capsys, "--data", bags / "second", "--pictures", tmp_path / "new")
    files = sorted((tmp_path / "new").iterdir())
    assert sorted(result["pictures"]) == [str(file) for file in files]
    assert len(files) == 4 + 1  # four scenes have something at 8 s
    for file in files:
        picture = cv2.imread(str(file))
        assert picture is not None
        assert picture.std() > 5.0
        assert file.stat().st_size < 100_000  # small enough for a page of the documentation


def test_a_table_for_people(bags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "prediction", "--data", str(bags / "first")]) == 0
    text = capsys.readouterr().out
    assert "minADE6" in text
    assert "pedestrian" in text
    assert "predicted by rule" in " ".join(text.split())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--data", "nowhere"), 2, "a bag, a folder of bags or a counterfactual set"),
        (("--data", "{bags}", "--model", "nowhere"), 2, "nowhere"),
        (("--data", "{bags}", "--jobs", "0"), 2, "--jobs"),
        (("--data", "{short}"), 1, "expected scenes with an ego and agents"),
        (("--data", "{broken}"), 1, "broken.mcap"),
    ],
)
def test_mistakes_are_named(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    write_bag(tmp_path / "short", 0, steps=5)
    (tmp_path / "broken.mcap").write_bytes(b"no bag")
    names = {"bags": bags, "short": tmp_path / "short", "broken": tmp_path / "broken.mcap"}
    assert cli.main(["evaluate", "prediction", *(word.format(**names) for word in arguments)]) == code
    assert words in capsys.readouterr().err


def evaluation_of(scene: list[int], kind: list[int], errors: list[float]) -> PredictionEvaluation:
    """One road user per row: its scene, its row of the classes, its minADE over 8 s."""
    n = len(scene)
    model = np.full((n, 3, 8), 1.0)
    model[:, 2, 3] = errors
    scores = PredictionScores(
        scene=np.array(scene, np.int32), agent=np.arange(n), kind=np.array(kind, np.uint8),
        by_network=np.ones(n, bool), counts=np.ones((n, 3), bool), model=model, baselines=np.zeros((n, 4, 3, 3)),
        probabilities=np.ones((n, 1), np.float32), nearest=np.zeros(n, np.int8), covered=np.zeros((n, 3)),
        off_road=np.zeros((n, 5, 2)),
    )  # fmt: skip
    scenes = max(scene) + 1
    return PredictionEvaluation(scores, ("",) * scenes, ("",) * scenes, (), "")


def test_pictures_go_from_the_best_to_the_worst() -> None:
    """30 scenes with a vehicle, 3 of them with a pedestrian too: the rare class chooses first."""
    evaluation = evaluation_of([*range(30), 3, 4, 5], [0] * 30 + [2] * 3, [*range(29, -1, -1), 7.0, 8.0, 9.0])
    chosen = chosen_scenes(evaluation, least=8)
    assert [(c.scene, c.error) for c in chosen if c.kind == "pedestrian"] == [(3, 7.0), (4, 8.0), (5, 9.0)]
    vehicles = [(c.scene, c.rank) for c in chosen if c.kind == "vehicle"]
    assert [row for row, _ in vehicles] == [0, 7, 15, 22, 29]
    np.testing.assert_allclose([rank for _, rank in vehicles], [1.0, 22 / 29, 14 / 29, 7 / 29, 0.0])


@pytest.mark.parametrize("least", [1, 2, 8, 12, 60, 100])
@pytest.mark.parametrize(
    ("scene", "kind"),
    [
        ([*range(60), 7], [0] * 60 + [3]),  # one animal
        ([*range(60), 7, *range(20, 26), 7], [0] * 60 + [1] + [2] * 6 + [3]),  # one cyclist and one animal, together
        ([*range(8), 10, 11, *range(10)], [0] * 10 + [2] * 10),  # most scenes have both
        ([*range(13), *range(13), *range(13), *range(13)], [k for k in range(4) for _ in range(13)]),
        ([0, 1, 2], [0, 1, 2]),
    ],
)
def test_there_are_as_many_pictures_as_wanted(least: int, scene: list[int], kind: list[int]) -> None:
    rng = np.random.default_rng(0)
    chosen = chosen_scenes(evaluation_of(scene, kind, rng.random(len(scene)).tolist()), least)
    assert len({c.scene for c in chosen}) == len(chosen) == min(least, len(set(scene)))


def test_one_picture_of_a_class_is_not_of_the_best() -> None:
    assert [c.scene for c in chosen_scenes(evaluation_of([0, 1, 2], [0] * 3, [1.0, 2.0, 3.0]), least=1)] == [1]


def test_past_motion_knows_nothing_of_the_log() -> None:
    """A car that brakes at 2 m/s^2 and turns at 0.1 rad/s; its log says that it stands."""
    buffer = HistoryBuffer()
    for step in range(11):
        t = 0.1 * step - 1.0
        stamp = START_NS + step * 100_000_000
        history = buffer.push(
            TrackedAgents.from_states(
                stamp,
                np.array([1]),
                np.array([1]),
                np.array([[10 * t - t * t, 5.0, 0.8]]),
                np.array([wrap_angle(np.pi + 0.02 + 0.1 * t)]),  # from pi to -pi 0.2 s ago
                np.zeros((1, 2)),
                np.ones((1, 3), np.float32),
                ego=EgoState(stamp, 0.0, 0.0),
            )
        )
    seen = with_past_motion(history)
    np.testing.assert_allclose(seen.scene.velocity, [[10.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(seen.scene.acceleration, [[-2.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(seen.scene.yaw_rate, [0.1], atol=1e-6)
    np.testing.assert_allclose(seen.states[0, :, HistoryColumn.VX], 12.0 - 0.2 * np.arange(11), atol=1e-6)
    np.testing.assert_array_equal(seen.states[..., :3], history.states[..., :3])


def test_past_motion_is_what_the_network_is_given(bags: Path, tmp_path: Path) -> None:
    """A log that says everyone stands is predicted like the true one."""
    write_bag(tmp_path / "lies", 0, moving=0.0)

    def first(folder: Path, past_motion: bool) -> PredictedAgents:
        return next(predictions_of(find_sources(folder)[0], PredictionSettings(past_motion=past_motion)))[1]

    true = first(bags / "first", False)
    np.testing.assert_allclose(first(tmp_path / "lies", True).positions, true.positions, atol=0.05)
    assert np.abs(first(tmp_path / "lies", False).positions - true.positions).max() > 5.0


def test_progress_counts_sources(bags: Path) -> None:
    done: list[float] = []
    evaluate_sources(find_sources(bags), PredictionSettings(), 1, done.append)
    assert done == sorted(done)
    assert done[-1] == 2.0
