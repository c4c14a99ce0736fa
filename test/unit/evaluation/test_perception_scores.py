"""Tracks beside the truth: who is who, and the numbers made of it; and the command on a made-up bag."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from zoox_stack import cli
from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.sensors import PointCloud
from zoox_stack.evaluation.perception_matching import TrackKind, match_scene, points_on
from zoox_stack.evaluation.perception_scores import PerceptionScores, score_scene, summarise
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES

CAR, PERSON = (4.5, 1.8, 1.5), (0.6, 0.6, 1.7)
EGO = EgoState(0, 0.0, 0.0)


def agents(
    xy: ArrayLike,
    *,
    kinds: ArrayLike = AgentClass.CAR,
    size: ArrayLike = CAR,
    yaw: float = 0.0,
    velocity: ArrayLike = (0.0, 0.0),
    ids: ArrayLike | None = None,
    stamp_ns: int = 0,
    ego: EgoState | None = EGO,
) -> TrackedAgents:
    xy = np.asarray(xy, float).reshape(-1, 2)
    n = len(xy)
    size = np.broadcast_to(np.asarray(size, np.float32), (n, 3)).copy()
    return TrackedAgents.from_states(
        stamp_ns=stamp_ns,
        ids=np.arange(n, dtype=np.int64) if ids is None else np.asarray(ids, np.int64),
        classes=np.broadcast_to(np.asarray(kinds, np.uint8), n).copy(),
        position=np.column_stack([xy, size[:, 2] / 2]),
        yaw=np.full(n, yaw),
        velocity=np.broadcast_to(np.asarray(velocity, float), (n, 2)).copy(),
        size=size,
        ego=ego,
    )


def scored(tracks: TrackedAgents, truth: TrackedAgents, points: int | NDArray[np.int64] = 50) -> PerceptionScores:
    counts = np.broadcast_to(points, len(truth))
    return score_scene(tracks, truth, match_scene(tracks, truth), counts, np.ones(len(tracks), bool), 0.01)


def test_a_box_that_overlaps_or_lies_near_is_the_road_user() -> None:
    truth = agents([[10, 0], [30, 0]])
    match = match_scene(agents([[11.5, 0.2], [30.2, 0.9]]), truth)
    assert match.truth_of.tolist() == [0, 1]
    assert match_scene(agents([[13, 0]]), truth).truth_of.tolist() == [-1]


def test_one_track_per_road_user_and_the_rest_are_pieces_or_ghosts() -> None:
    match = match_scene(agents([[9.5, 0], [12.3, 0], [20, 0]]), agents([[10, 0]]))
    assert match.kinds.tolist() == [TrackKind.ROAD_USER, TrackKind.PIECE, TrackKind.GHOST]


def test_empty_scenes() -> None:
    nobody, someone = agents(np.zeros((0, 2))), agents([[10, 0]])
    assert len(match_scene(nobody, someone).kinds) == 0
    assert match_scene(someone, nobody).kinds.tolist() == [TrackKind.GHOST]
    result = summarise(scored(nobody, nobody))
    assert result["all"]["recall"] is None


def test_points_of_the_ground_under_a_car_do_not_count() -> None:
    car = agents([[10, 5]], yaw=0.5, ego=EgoState(0, 4.0, 5.0, yaw=np.pi / 2))
    on = np.array([[0.0, -6.0, 0.8], [0.0, -6.0, 0.05], [0.0, -9.5, 0.8]], np.float32)  # base_link: 6 m to the right
    assert points_on(car, PointCloud(0, on, np.zeros(3, np.float32))).tolist() == [1]


def test_numbers_of_a_scene() -> None:
    truth = agents([[10, 0], [30, 0], [50, 0], [20, 9]], velocity=(5.0, 0.0))
    tracks = agents(
        [[10, 0.3], [30, 0], [50, 20]], kinds=[AgentClass.CAR, AgentClass.TRUCK, AgentClass.CAR], velocity=(4.8, 0.0)
    )
    result = summarise(scored(tracks, truth, np.array([50, 50, 50, 3])))
    assert result["all"]["road_users"] == 3  # the fourth has too few points
    assert result["all"]["recall"] == pytest.approx(2 / 3, abs=1e-3)
    assert result["all"]["precision"] == pytest.approx(2 / 3, abs=1e-3)
    assert result["all"]["class_accuracy"] == 0.5
    assert result["all"]["mota"] == pytest.approx(1 / 3, abs=1e-3)
    assert result["all"]["speed_error"]["median"] == pytest.approx(0.2)
    assert result["classes"]["car"]["position_error"]["median"] == pytest.approx(0.15)
    assert result["false_per_sweep"]["ghost"] == {
        "known_class": 1, "unknown": 0, "on_road": 1, "moving": 1, "moving_within_30_m": 0,
    }  # fmt: skip


def test_who_need_not_be_found_is_no_ghost_when_found() -> None:
    truth = agents([[10, 0], [80, 0]])
    result = summarise(scored(agents([[10, 0], [80, 0]]), truth, np.array([3, 50])))
    assert (result["all"]["road_users"], result["all"]["tracks"]) == (0, 0)


def test_another_track_is_a_switch() -> None:
    truth = [agents([[10, 0]], ids=[7], stamp_ns=step) for step in range(4)]
    tracks = [agents([[10, 0]], ids=[number], stamp_ns=step) for step, number in enumerate([1, 1, 2, 2])]
    result = summarise(PerceptionScores.joined([scored(a, b) for a, b in zip(tracks, truth, strict=True)]))
    assert result["all"]["id_switches"] == 1


def sweep(stamp_ns: int, x: float) -> PointCloud:
    """Ground, and the rear and the left side of a car whose middle is at x, 4."""
    ground = np.stack(np.meshgrid(np.arange(-30, 30, 0.5), np.arange(-30, 30, 0.5)), -1).reshape(-1, 2)
    ground = ground[np.hypot(*ground.T) > 3]
    height = np.arange(0.3, 1.5, 0.1)
    rear = np.stack(np.meshgrid([x - 2.25], 4 + np.arange(-0.9, 0.91, 0.1), height), -1).reshape(-1, 3)
    side = np.stack(np.meshgrid(x + np.arange(-2.25, 2.26, 0.1), [3.1], height), -1).reshape(-1, 3)
    xyz = np.concatenate([np.column_stack([ground, np.zeros(len(ground))]), rear, side]).astype(np.float32)
    return PointCloud(stamp_ns, xyz, np.zeros(len(xyz), np.float32))


def test_the_command_measures_a_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "drive.mcap"
    with BagWriter(path) as bag:
        for topic in (topics.LIDAR_POINTS, topics.KINEMATIC_STATE, topics.GROUND_TRUTH):
            bag.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
        for step in range(12):
            stamp, x = 1_000_000_000 + 100_000_000 * step, 12.0 + 0.5 * step
            ego = EgoState(stamp, 0.0, 0.0)
            truth = agents([[x, 4.0]], velocity=(5.0, 0.0), stamp_ns=stamp, ego=None)
            bag.write(topics.LIDAR_POINTS.name, stamp, encode(sweep(stamp, x)))
            bag.write(topics.KINEMATIC_STATE.name, stamp, encode(ego))
            bag.write(topics.GROUND_TRUTH.name, stamp, encode(truth))
    parameters = tmp_path / "perception.yaml"  # the network does not take plain boxes for cars
    parameters.write_text("perception:\n  ros__parameters:\n    classifier: size\n")
    command = ["evaluate", "perception", "--data", str(path), "--parameters", str(parameters)]
    assert cli.main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sweeps"] == 12
    assert result["all"]["recall"] == pytest.approx(10 / 12, abs=1e-3)  # a track takes three sweeps to be believed
    assert result["classes"]["car"]["class_accuracy"] == 1.0
    assert result["all"]["position_error"]["median"] < 0.3
    assert cli.main([*command, "--per-log"]) == 0
    assert "recall" in capsys.readouterr().out


def test_a_bag_without_sweeps_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "drive.mcap"
    with BagWriter(path) as bag:
        bag.add_topic(topics.KINEMATIC_STATE.name, topics.KINEMATIC_STATE.type_name, ())
        bag.write(topics.KINEMATIC_STATE.name, 1, encode(EGO))
    assert cli.main(["evaluate", "perception", "--data", str(path)]) != 0
    assert topics.LIDAR_POINTS.name in capsys.readouterr().err
