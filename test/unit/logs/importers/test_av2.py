"""Argoverse 2 logs: made-up ones whose answers are known, and the real ones where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.logs.importers.av2 import WHEEL_RADIUS, load_av2_log


def test_ego_drives_north_at_ten_metres_per_second(av2_log: Path) -> None:
    drive = load_av2_log(av2_log)
    state = drive.ego[len(drive.ego) // 2]
    assert state.speed == pytest.approx(10.0)
    assert state.lateral_velocity == pytest.approx(0.0, abs=1e-9)
    assert state.yaw == pytest.approx(np.pi / 2)
    assert state.yaw_rate == pytest.approx(0.0)
    assert state.z == pytest.approx(7.0 - WHEEL_RADIUS)
    assert (state.length, state.width, state.height) == (4.877, 2.0, 1.473)
    steps = np.diff([e.stamp_ns for e in drive.ego])
    assert steps.min() >= 10_000_000  # 200 poses per second are thinned to at most 100
    assert {s.stamp_ns for s in drive.ground_truth} <= {e.stamp_ns for e in drive.ego}


def test_detections_are_the_labels_without_identities(av2_log: Path) -> None:
    drive = load_av2_log(av2_log)
    assert len(drive.detections) == 10
    frame = drive.detections[3]
    assert frame.frame is Frame.BASE_LINK
    np.testing.assert_allclose(frame.position[0], [20.6, 0.0, 0.4 + WHEEL_RADIUS])
    np.testing.assert_allclose(frame.yaw, [0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(frame.size[0], [4.5, 1.8, 1.5])
    assert frame.class_probabilities.argmax(axis=1).tolist() == [AgentClass.CAR, AgentClass.PEDESTRIAN]
    assert (frame.score == 1).all()
    assert frame.velocity is not None
    assert np.isnan(frame.velocity).all()


def test_ground_truth_is_in_the_city_with_velocities(av2_log: Path) -> None:
    drive = load_av2_log(av2_log)
    scene = drive.ground_truth[5]
    assert scene.ids.tolist() == [0, 1]  # a-person, b-car
    np.testing.assert_allclose(scene.position[1], [1000.0, 2005.0 + 21.0, 7.4], atol=1e-9)
    np.testing.assert_allclose(scene.position[0], [994.0, 2005.0, 7.5], atol=1e-9)
    np.testing.assert_allclose(scene.velocity, [[0, 0], [0, 12.0]], atol=1e-6)
    np.testing.assert_allclose(scene.yaw[1], np.pi / 2 + 0.1)
    assert scene.age[1] == pytest.approx(0.5)
    assert scene.ego is not None
    assert scene.ego.y == pytest.approx(2005.0)
    assert drive.ground_truth[0].age[1] == 0
    np.testing.assert_allclose(drive.ground_truth[-1].velocity[1], [0, 12.0], atol=1e-6)


def test_sweeps_map_and_calibration(av2_log: Path) -> None:
    drive = load_av2_log(av2_log)
    clouds = list(drive.sweeps())
    assert drive.sweep_count == len(clouds) == 2
    np.testing.assert_allclose(clouds[1].xyz[0], [1, 2, 3 + WHEEL_RADIUS], rtol=1e-6)
    assert clouds[0].intensity.tolist() == [0, 9, 99, 255]
    assert clouds[0].stamp_ns == drive.detections[0].stamp_ns
    assert drive.road_network is not None
    assert len(drive.road_network.lane_ids) == 4
    np.testing.assert_allclose(drive.sensor_poses["up_lidar"][:3, 3], [1.35, 0, 1.64 + WHEEL_RADIUS])


def test_unknown_classes_are_kept_and_counted(tmp_path: Path, made: Any) -> None:
    drive = load_av2_log(made.write_av2_log(tmp_path / "x", category="HOVERCRAFT", with_ego=False, sweeps=False))
    assert drive.unknown_classes == {"HOVERCRAFT": 10}
    assert all(len(frame) == 2 for frame in drive.detections)
    assert drive.ground_truth[0].classes.tolist() == [AgentClass.PEDESTRIAN, AgentClass.UNKNOWN]
    assert drive.ego[0].length == 4.87


def test_broken_logs_are_named(av2_log: Path, made: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such folder"):
        load_av2_log(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"city_SE3_egovehicle.feather: .* no such file"):
        load_av2_log(tmp_path / "empty")
    boxes = av2_log / "annotations_with_ego.feather"
    whole = boxes.read_bytes()
    boxes.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInputError, match="an Arrow file"):
        load_av2_log(av2_log)
    made.write_feather(boxes, {"timestamp_ns": [1], "category": ["BUS"]})
    with pytest.raises(InvalidInputError, match="no column track_uuid, length_m"):
        load_av2_log(av2_log)
    boxes.write_bytes(whole)
    extra = sorted((av2_log / "sensors" / "lidar").iterdir())[0]
    extra.rename(extra.with_name("17.feather"))
    with pytest.raises(InvalidInputError, match="an ego pose at every sweep"):
        load_av2_log(av2_log)


def inside(points: NDArray[np.float32], centre: NDArray[Any], yaw: float, size: NDArray[Any]) -> int:
    """Points inside an upright box."""
    local = points.astype(np.float64) - centre
    c, s = np.cos(yaw), np.sin(yaw)
    along, across = c * local[:, 0] + s * local[:, 1], -s * local[:, 0] + c * local[:, 1]
    half = size / 2
    return int(((abs(along) <= half[0]) & (abs(across) <= half[1]) & (abs(local[:, 2]) <= half[2])).sum())


def test_real_miami_log_has_the_counts_of_its_description(data: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow (the extra `datasets`)")
    drive = load_av2_log(data / "av2" / "3b3570b4-7b0b-3268-a571-b0889dbf40b6")
    assert len(drive.detections) == len(drive.ground_truth) == 157
    assert sum(map(len, drive.detections)) == 13820 - 157  # without the ego
    assert len({i for scene in drive.ground_truth for i in scene.ids.tolist()}) == 119
    assert drive.unknown_classes == {}
    assert drive.road_network is not None
    assert len(drive.road_network.lane_ids) == 150


def test_real_pittsburgh_sweep_lies_in_its_boxes(data: Path) -> None:
    feather = pytest.importorskip("pyarrow.feather", reason="needs pyarrow (the extra `datasets`)")
    folder = data / "av2" / "7fab2350-7eaf-3b7e-a39d-6937a4c1bede"
    drive = load_av2_log(folder)
    assert sum(map(len, drive.detections)) == 11364
    assert drive.sweep_count == 2
    cloud = next(drive.sweeps())
    frame = next(f for f in drive.detections if f.stamp_ns == cloud.stamp_ns)
    table = feather.read_table(folder / "annotations.feather").to_pydict()
    expected = [n for n, s in zip(table["num_interior_pts"], table["timestamp_ns"], strict=True) if s == cloud.stamp_ns]
    boxes = zip(frame.position, frame.yaw, frame.size.astype(np.float64), strict=True)
    found = [inside(cloud.xyz, centre, float(yaw), size) for centre, yaw, size in boxes]
    assert len(expected) == 81
    # Points on the very face of a box fall in or out by the last bit of float32.
    assert sum(a != b for a, b in zip(found, expected, strict=True)) <= 2
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= 1
    ground = cloud.xyz[(np.hypot(cloud.xyz[:, 0] - 1.4, cloud.xyz[:, 1]) < 6) & (abs(cloud.xyz[:, 1]) > 1.5), 2]
    assert abs(np.median(ground)) < 0.1  # base_link is on the road
