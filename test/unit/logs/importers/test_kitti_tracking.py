"""KITTI tracking sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.logs.importers.kitti_tracking import KittiFiles, load_kitti_sequence


def load(files: dict[str, Path], labels: bool = True) -> RecordedDrive:
    return load_kitti_sequence(
        KittiFiles([files["detections"]], files["oxts"], files["calib"], files["labels"] if labels else None)
    )


def test_base_link_is_on_the_road_under_the_imu(kitti: dict[str, Path]) -> None:
    drive = load(kitti)
    assert len(drive.ego) == 3
    first = drive.ego[0]
    assert (first.x, first.y, first.z) == pytest.approx((-0.05, -0.32, -0.93))
    assert drive.ego[1].x - first.x == pytest.approx(1.0, abs=1e-6)
    assert drive.ego[1].speed == pytest.approx(10.0, abs=1e-5)
    assert drive.ego[1].stamp_ns - first.stamp_ns == 100_000_000


def test_detections_go_from_the_camera_to_base_link(kitti: dict[str, Path]) -> None:
    drive = load(kitti)
    frame = drive.detections[0]
    # Ten metres ahead of camera = IMU, two to the left; centre half a height above the road.
    np.testing.assert_allclose(frame.position, [[10.05, 2.32, 0.75]], atol=1e-9)
    np.testing.assert_allclose(frame.yaw, [0.0], atol=1e-9)
    np.testing.assert_allclose(frame.size, [[4.2, 1.8, 1.5]])
    scores = [f.score[0] for f in drive.detections]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp([-2.0, 2.0, 0.0])), rtol=1e-6)
    kinds = [int(f.class_probabilities[0].argmax()) for f in drive.detections]
    assert kinds == [AgentClass.CAR, AgentClass.CAR, AgentClass.PEDESTRIAN]


def test_labels_become_tracks_in_the_map(kitti: dict[str, Path]) -> None:
    drive = load(kitti)
    scene = drive.ground_truth[1]
    assert scene.ids.tolist() == [4]
    np.testing.assert_allclose(scene.position, [[1.0 + 10.5, 2.0, -0.93 + 0.75]], atol=1e-6)
    np.testing.assert_allclose(scene.velocity, [[15.0, 0.0]], atol=1e-4)
    assert drive.skipped == {"label DontCare": 1}
    assert load(kitti, labels=False).ground_truth == ()


def test_one_file_may_be_named(kitti: dict[str, Path]) -> None:
    kitti["detections"] = kitti["detections"] / "Car" / "0001.txt"
    assert [len(f) for f in load(kitti).detections] == [1, 1, 0]


def test_heading_of_a_turned_car(kitti: dict[str, Path]) -> None:
    file = kitti["detections"] / "Car" / "0001.txt"
    file.write_text("0,2,0,0,9,9,1,1.5,1.8,4.2,0,1,10,0.0,0\n")  # ry = 0: along camera x, to the right
    assert load(kitti).detections[0].yaw[0] == pytest.approx(-np.pi / 2)


def test_unknown_types_are_kept_and_counted(kitti: dict[str, Path]) -> None:
    kitti["labels"].write_text(kitti["labels"].read_text().replace("Car", "Unicycle"))
    drive = load(kitti)
    assert drive.unknown_classes == {"Unicycle": 3}
    assert drive.ground_truth[0].classes.tolist() == [AgentClass.UNKNOWN]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("oxts", "1 2 3\n", "line 1: expected 30 columns, found 3"),
        ("oxts", "", "at least one frame"),
        ("oxts", " ".join(["x"] * 30), "expected numbers"),
        ("oxts", " ".join(["nan"] * 30), "finite numbers"),
        ("calib", "P0: 1 0 0\n", "R_rect: expected 9 numbers"),
        ("labels", "0 4 Car\n", "17 columns"),
        ("labels", "9 4 Car 0 0 0 0 0 9 9 1.5 1.8 4.2 -2.0 0.93 5 0\n", r"frame numbers: expected 0 \.\. 2"),
    ],
)
def test_broken_files_are_named(kitti: dict[str, Path], name: str, text: str, reason: str) -> None:
    kitti[name].write_text(text)
    with pytest.raises(InvalidInputError, match=reason):
        load(kitti)


def test_missing_files_are_named(kitti: dict[str, Path], tmp_path: Path) -> None:
    for name in ("oxts", "calib", "labels"):
        with pytest.raises(InvalidInputError, match="no such file"):
            load(kitti | {name: tmp_path / "nothing.txt"})
    (tmp_path / "bare").mkdir()
    with pytest.raises(InvalidInputError, match=r"a file 0001.txt"):
        load(kitti | {"detections": tmp_path / "bare"})
    with pytest.raises(InvalidInputError, match="at least one file or folder"):
        load_kitti_sequence(KittiFiles([], kitti["oxts"], kitti["calib"]))


def test_real_sequence_has_the_counts_of_its_description(data: Path) -> None:
    root = data / "kitti_tracking"
    drive = load_kitti_sequence(
        KittiFiles([root / "detections"], root / "oxts/0004.txt", root / "calib/0004.txt", root / "labels/0004.txt")
    )
    assert len(drive.ego) == 314
    classes = np.concatenate([f.class_probabilities.argmax(axis=1) for f in drive.detections])
    counts = [int((classes == c).sum()) for c in (AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.BICYCLE)]
    assert counts == [2330, 497, 295]
    assert drive.skipped == {"label DontCare": 899}
    assert np.mean([e.speed for e in drive.ego]) == pytest.approx(12.4, abs=0.5)
    # Parked cars stay where they are in the map while the ego passes them.
    tracks: dict[int, list[np.ndarray]] = {}
    for scene in drive.ground_truth:
        for number, position in zip(scene.ids.tolist(), scene.position, strict=True):
            tracks.setdefault(number, []).append(position[:2])
    spreads = [float(np.ptp(np.array(p), axis=0).max()) for p in tracks.values() if len(p) > 10]
    assert min(spreads) < 1.0
    bottom = np.concatenate([s.position[:, 2] - s.size[:, 2] / 2 - s.ego.z for s in drive.ground_truth if s.ego])
    assert abs(np.median(bottom)) < 0.4
