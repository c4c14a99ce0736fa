"""The bundled demo scene as a recorded drive. Needs Open3D, not SUMO."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.simulation.demo import DEMO_SCENE, GROUND_TRUTH_RANGE, load_demo_scene, render_demo_drive
from zoox_stack.simulation.sensors.lidar_pattern import LidarConfig


@pytest.fixture(scope="module")
def drive() -> RecordedDrive:
    pytest.importorskip("open3d", reason="needs open3d")
    return render_demo_drive(lidar=LidarConfig(beams=16, azimuth_steps=360))


def test_file_is_small() -> None:
    assert DEMO_SCENE.stat().st_size < 1.5e6


def test_the_drive_is_worth_watching(drive: RecordedDrive) -> None:
    assert len(drive.ego) == 320
    assert drive.sweep_count == 320
    way = np.hypot(*np.diff([(e.x, e.y) for e in drive.ego], axis=0).T).sum()
    yaw = np.unwrap([e.yaw for e in drive.ego])
    assert way > 100
    assert np.ptp(yaw) > 1.2
    counts = [len(scene) for scene in drive.ground_truth]
    assert min(counts) >= 15
    assert max(counts) >= 25
    classes = np.concatenate([scene.classes for scene in drive.ground_truth])
    assert {AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.BICYCLE} <= set(classes.tolist())
    states = np.concatenate([signals.states for signals in drive.signals])
    assert {SignalState.RED, SignalState.GREEN} <= set(states.tolist())


def test_odometry_is_consistent_and_smooth(drive: RecordedDrive) -> None:
    xy = np.array([(e.x, e.y) for e in drive.ego])
    speed, yaw = np.array([e.speed for e in drive.ego]), np.unwrap([e.yaw for e in drive.ego])
    moved = np.hypot(*np.diff(xy, axis=0).T) / 0.1
    assert np.abs(moved - (speed[1:] + speed[:-1]) / 2).max() < 0.4
    assert np.abs(np.diff(yaw) / 0.1 - [e.yaw_rate for e in drive.ego][1:]).max() < 0.2
    assert np.abs([e.acceleration for e in drive.ego]).max() < 8
    assert np.abs([e.lateral_velocity for e in drive.ego]).max() < 1.5  # rear axle: hardly sideways


def test_ground_truth_is_near_and_does_not_hold_the_ego(drive: RecordedDrive) -> None:
    ego_id = load_demo_scene().episode.ego_id
    for scene, ego in zip(drive.ground_truth[::20], drive.ego[::20], strict=True):
        assert scene.ego == ego
        assert ego_id not in scene.ids
        assert np.hypot(*(scene.position[:, :2] - [ego.x, ego.y]).T).max() < GROUND_TRUTH_RANGE


def test_sweeps_repeat_and_carry_the_stamps(drive: RecordedDrive) -> None:
    first, again = (list(islice(drive.sweeps(), 3)) for _ in range(2))
    assert [s.stamp_ns for s in first] == [e.stamp_ns for e in drive.ego[:3]]
    assert all(np.array_equal(a.xyz, b.xyz) for a, b in zip(first, again, strict=True))
    assert len(first[0]) > 2000


def test_visible_agents_are_in_the_sweep() -> None:
    pytest.importorskip("open3d", reason="needs open3d")
    drive = render_demo_drive()
    scene, cloud = drive.ground_truth[0], next(iter(drive.sweeps()))
    ego = drive.ego[0]
    c, s = np.cos(ego.yaw), np.sin(ego.yaw)
    in_map = cloud.xyz[:, :2] @ np.array([[c, s], [-s, c]]) + [ego.x, ego.y]
    raised = in_map[cloud.xyz[:, 2] > 0.25]
    reach = np.hypot(*(scene.position[:, None, :2] - raised[None]).transpose(2, 0, 1)).min(axis=1)
    assert (reach < scene.size[:, 0] / 2 + 0.2).mean() > 0.9


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nowhere\.npz"):
        load_demo_scene(tmp_path / "nowhere.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(1))
    with pytest.raises(InvalidInputError, match="visible"):
        load_demo_scene(tmp_path / "other.npz")
