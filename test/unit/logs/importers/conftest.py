"""Made-up logs in the formats of the datasets, and where the real ones are."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[4]
AV2_STEP = 100_000_000
START = 315_966_265_000_000_000


@pytest.fixture
def data() -> Path:
    """Folder of the real recordings; the test is skipped where it is absent."""
    folder = Path(os.environ.get("ZOOX_STACK_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recordings: {folder} does not exist (set ZOOX_STACK_DATA)")
    return folder


def quaternion(yaw: float) -> tuple[float, float, float, float]:
    """w, x, y, z."""
    return float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))


def write_feather(path: Path, columns: dict[str, Any]) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow (the extra `datasets`)")
    from pyarrow import feather

    path.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(pa.table(columns), str(path))


def write_av2_log(
    folder: Path, *, with_ego: bool = True, sweeps: bool = True, category: str = "REGULAR_VEHICLE"
) -> Path:
    """A drive of 1 s at 10 m/s to the north; a car 20 m ahead at 12 m/s, a person who stands on the left."""
    poses: dict[str, list[float]] = {k: [] for k in ("timestamp_ns", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")}
    for i in range(201):
        stamp = START + i * AV2_STEP // 20
        row = (stamp, *quaternion(np.pi / 2), 1000.0, 2000.0 + 10.0 * i * 0.005, 7.0)
        for key, value in zip(poses, row, strict=True):
            poses[key].append(value)
    write_feather(folder / "city_SE3_egovehicle.feather", poses)
    names = ("timestamp_ns", "track_uuid", "category", "length_m", "width_m", "height_m", "qw", "qx", "qy", "qz",
             "tx_m", "ty_m", "tz_m")  # fmt: skip
    boxes: dict[str, list[Any]] = {name: [] for name in names}
    for step in range(10):
        stamp = START + step * AV2_STEP
        rows = [
            (stamp, "b-car", category, 4.5, 1.8, 1.5, *quaternion(0.1), 20.0 + 2.0 * step * 0.1, 0.0, 0.4),
            (stamp, "a-person", "PEDESTRIAN", 0.6, 0.5, 1.7, *quaternion(0.0), 5.0 - 10.0 * step * 0.1, 6.0, 0.5),
        ]
        if with_ego:
            rows.append((stamp, "ego", "EGO_VEHICLE", 4.877, 2.0, 1.473, *quaternion(0.0), 0.0, 0.0, 0.0))
        for row in rows:
            for name, value in zip(names, row, strict=True):
                boxes[name].append(value)
    write_feather(folder / ("annotations_with_ego.feather" if with_ego else "annotations.feather"), boxes)
    if sweeps:
        for step in (0, 1):
            points = np.arange(12, dtype=np.float16).reshape(4, 3) + step
            intensity = np.array([0, 9, 99, 255], np.uint8)
            write_feather(
                folder / "sensors" / "lidar" / f"{START + step * AV2_STEP}.feather",
                {
                    "x": points[:, 0],
                    "y": points[:, 1],
                    "z": points[:, 2],
                    "intensity": intensity,
                },
            )
        write_feather(
            folder / "calibration" / "egovehicle_SE3_sensor.feather",
            {"sensor_name": ["up_lidar"], "qw": [1.0], "qx": [0.0], "qy": [0.0], "qz": [0.0],
             "tx_m": [1.35], "ty_m": [0.0], "tz_m": [1.64]},
        )  # fmt: skip
    (folder / "map").mkdir(parents=True, exist_ok=True)
    (folder / "map" / "log_map_archive_made_up.json").write_text(json.dumps(av2_map()))
    return folder


def av2_map() -> dict[str, Any]:
    """Two lanes to the north beside each other, one after the right one, one coming towards, a crossing, an area."""

    def points(*xy: tuple[float, float]) -> list[dict[str, float]]:
        return [{"x": x, "y": y, "z": 7.0} for x, y in xy]

    def lane(number: int, x: float, y: float, length: float, up: bool = True, **links: Any) -> dict[str, Any]:
        west, east = points((x, y), (x, y + length)), points((x + 3.5, y), (x + 3.5, y + length))
        return {
            "id": number, "is_intersection": number == 30, "lane_type": "VEHICLE",
            "left_lane_boundary": west if up else east[::-1], "right_lane_boundary": east if up else west[::-1],
            "left_lane_mark_type": "SOLID_YELLOW", "right_lane_mark_type": "DASHED_WHITE",
            "predecessors": [], "successors": [], "left_neighbor_id": None, "right_neighbor_id": None,
        } | links  # fmt: skip

    return {
        "lane_segments": {
            "20": lane(20, 1000.0, 2000.0, 50.0, successors=[30, 999], left_neighbor_id=10),
            "10": lane(10, 996.5, 2000.0, 50.0, right_neighbor_id=20, left_neighbor_id=40),
            "30": lane(30, 1000.0, 2050.0, 20.0),
            "40": lane(40, 993.0, 2000.0, 50.0, up=False, left_neighbor_id=10),
        },
        "pedestrian_crossings": {
            "5": {"id": 5, "edge1": points((993, 2050), (1003, 2050)), "edge2": points((993, 2054), (1003, 2054))}
        },
        "drivable_areas": {
            "7": {"id": 7, "area_boundary": points((990, 1990), (1010, 1990), (1010, 2080), (990, 2080), (990, 1990))}
        },
    }


def scene(steps: int = 21, dataset: str = "nuscenes") -> dict[str, Any]:
    """A drive of 2 s to the east at 5 m/s; a car, a child that appears for a while, something unknown."""
    zeros, t = np.zeros(steps), np.arange(steps) * 0.1

    def track(kind: str, category: str, x: Any, y: Any, size: tuple[float, ...], valid: Any = 1.0) -> dict[str, Any]:
        position = np.stack(np.broadcast_arrays(x, y, zeros + 1.0), axis=1)
        state = {
            "position": position,
            "heading": zeros.copy(),
            "velocity": np.zeros((steps, 2)),
            "valid": zeros + valid,
        }
        for name, value in zip(("length", "width", "height"), size, strict=True):
            state[name] = np.full((steps, 1), value)
        return {"type": kind, "state": state, "metadata": {"type": category, "track_length": steps}}

    ego = track("VEHICLE", "vehicle.car", 5 * t, zeros, (1.73, 4.08, 1.56))
    ego["state"]["position"][:, 2] = 0.0
    lane = {"type": "LANE_SURFACE_STREET"}
    return {
        "id": "made-up-1", "version": "x", "length": steps,
        "metadata": {"dataset": dataset, "map": "somewhere", "ts": t, "sdc_id": "ego", "sample_rate": 0.1},
        "tracks": {
            "ego": ego,
            "car": track("VEHICLE", "vehicle.car", 20 + 8 * t, zeros + 3.0, (4.5, 1.9, 1.6)),
            "child": track(
                "PEDESTRIAN", "human.pedestrian.child", 10.0 + zeros, 5 + zeros, (0.5, 0.5, 1.1),
                ((t > 0.45) & (t < 1.05)).astype(float),
            ),
            "odd": track("VEHICLE", "vehicle.hovercraft", 30.0 + zeros, 9 + zeros, (3.0, 2.0, 1.0)),
        },
        "map_features": {
            "a": lane | {"polyline": [(0, 0, 0.0), (10, 0, 0.0), (20, 0, 0.0)],
                         "polygon": [[-1, 2], [21, 2], [21, -2], [-1, -2], [-1, 2]]},
            "b": lane | {"polyline": [(0, 4, 0.0), (20, 4, 0.0)], "polygon": [[-1, 6], [21, 6], [21, 2], [-1, 2]]},
            "c": lane | {"polyline": [(20, 0, 0.0), (30, 0, 0.0), (38, 6, 0.9), (40, 16, 1.5)]},
            "d": {"type": "ROAD_LINE_BROKEN_SINGLE_WHITE", "polyline": np.array([[0.0, 2.1], [20.0, 2.1]])},
            "boundary_0": {"type": "ROAD_LINE_SOLID_SINGLE_WHITE", "polyline": np.array([[0.0, -2.0], [20.0, -2.0]])},
            "e": {"type": "CROSSWALK", "polygon": [[20, -2], [23, -2], [23, 2], [20, 2]]},
            "f": {"type": "HELIPAD", "polygon": [[0, 0], [1, 0], [1, 1]]},
        },
        "dynamic_map_states": {},
    }  # fmt: skip


def write_scene(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def write_kitti(folder: Path) -> dict[str, Path]:
    """Three frames of a car that drives east at 10 m/s; camera exactly forward, LiDAR and IMU at one place."""
    for name in ("oxts", "calib", "labels", "detections/Car", "detections/Pedestrian"):
        (folder / name).mkdir(parents=True)
    radius, lat = 6378137.0, 49.0
    rows = []
    for i in range(3):
        lon = 8.0 + np.degrees(1.0 * i / (radius * np.cos(np.radians(lat))))
        rows.append(" ".join(map(str, [lat, repr(float(lon)), 100.0, 0.0, 0.0, 0.0, *[0.0] * 24])))
    (folder / "oxts" / "0001.txt").write_text("\n".join(rows) + "\n")
    identity = "1 0 0 0 0 1 0 0 0 0 1 0"
    camera_from_velo = "0 -1 0 0 0 0 -1 0 1 0 0 0"  # x right, y down, z forward
    projection = "".join(f"P{i}: {identity}\n" for i in range(4))
    (folder / "calib" / "0001.txt").write_text(
        f"{projection}R_rect 1 0 0 0 1 0 0 0 1\nTr_velo_cam {camera_from_velo}\nTr_imu_velo {identity}\n"
    )
    # 10 m ahead, 2 m to the left, bottom at the road 0.93 m below the IMU; heading away (ry = -pi/2).
    ry = -np.pi / 2
    detection = (
        f"0,2,0,0,9,9,2.0,1.5,1.8,4.2,-2.0,0.93,10.0,{ry},0\n1,2,0,0,9,9,-2.0,1.5,1.8,4.2,-2.0,0.93,10.0,{ry},0\n"
    )
    (folder / "detections" / "Car" / "0001.txt").write_text(detection)
    (folder / "detections" / "Pedestrian" / "0001.txt").write_text(f"2,1,0,0,9,9,0.0,1.7,0.6,0.5,3.0,0.93,5.0,{ry},0\n")
    label = "{i} 4 {kind} 0 0 0 0 0 9 9 1.5 1.8 4.2 -2.0 0.93 {z} " + str(ry) + "\n"
    text = "".join(label.format(i=i, kind="Car", z=10.0 + i * 0.5) for i in range(3))
    text += "1 -1 DontCare -1 -1 -10 0 0 9 9 -1000 -1000 -1000 -10 -1 -1 -1\n"
    (folder / "labels" / "0001.txt").write_text(text)
    names = ("oxts", "calib", "labels")
    return {name: folder / name / "0001.txt" for name in names} | {"detections": folder / "detections"}


@pytest.fixture
def av2_log(tmp_path: Path) -> Path:
    return write_av2_log(tmp_path / "log")


@pytest.fixture
def scene_file(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.pkl", scene())


@pytest.fixture
def kitti(tmp_path: Path) -> dict[str, Path]:
    return write_kitti(tmp_path / "kitti")


class Made:
    """The writers above, for tests that want other contents."""

    write_av2_log = staticmethod(write_av2_log)
    write_feather = staticmethod(write_feather)
    scene = staticmethod(scene)
    write_scene = staticmethod(write_scene)


@pytest.fixture
def made() -> type[Made]:
    return Made
