"""Argoverse 2 sensor logs as `RecordedDrive`.

Frames: ``map`` is the city frame. ``base_link`` is the Argoverse ego frame (centre of the rear axle) lowered by the
wheel radius to the ground; it stays fixed to the body, roll and pitch are not taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import DetectedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.sensors import PointCloud
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.logs.importers.motion import ClassTable, LabelledTrack, VehicleSize, ego_states, scenes_from_tracks
from zoox_stack.road_network.importers.av2 import load_av2_map

CLASSES = {
    "REGULAR_VEHICLE": AgentClass.CAR,
    "LARGE_VEHICLE": AgentClass.TRUCK,
    "BOX_TRUCK": AgentClass.TRUCK,
    "TRUCK": AgentClass.TRUCK,
    "TRUCK_CAB": AgentClass.TRUCK,
    "BUS": AgentClass.BUS,
    "ARTICULATED_BUS": AgentClass.BUS,
    "SCHOOL_BUS": AgentClass.BUS,
    "RAILED_VEHICLE": AgentClass.BUS,
    "VEHICULAR_TRAILER": AgentClass.TRAILER,
    "MESSAGE_BOARD_TRAILER": AgentClass.TRAILER,
    "TRAFFIC_LIGHT_TRAILER": AgentClass.TRAILER,
    "MOTORCYCLE": AgentClass.MOTORCYCLE,
    "MOTORCYCLIST": AgentClass.MOTORCYCLE,
    "BICYCLE": AgentClass.BICYCLE,
    "BICYCLIST": AgentClass.BICYCLE,
    "WHEELED_RIDER": AgentClass.BICYCLE,
    "WHEELED_DEVICE": AgentClass.HAZARD,  # a scooter or board that nobody rides
    "PEDESTRIAN": AgentClass.PEDESTRIAN,
    "OFFICIAL_SIGNALER": AgentClass.PEDESTRIAN,
    "STROLLER": AgentClass.PEDESTRIAN,
    "WHEELCHAIR": AgentClass.PEDESTRIAN,
    "ANIMAL": AgentClass.ANIMAL,
    "DOG": AgentClass.ANIMAL,
    "BOLLARD": AgentClass.HAZARD,
    "CONSTRUCTION_BARREL": AgentClass.HAZARD,
    "CONSTRUCTION_CONE": AgentClass.HAZARD,
    "MOBILE_PEDESTRIAN_CROSSING_SIGN": AgentClass.HAZARD,
    "MOBILE_PEDESTRIAN_SIGN": AgentClass.HAZARD,
    "SIGN": AgentClass.HAZARD,
    "STOP_SIGN": AgentClass.HAZARD,
}
EGO_CATEGORY = "EGO_VEHICLE"
WHEEL_RADIUS = 0.33  # [m] the ego frame's origin is this far above the ground (Ford Fusion, 235/50 R17)
# Ford Fusion. Centre of the box: middle of the 2.85 m wheelbase, the overhangs taken as equal.
SIZE = VehicleSize(length=4.87, width=1.85, height=1.48, rear_axle_to_centre=1.425)
ODOMETRY_PERIOD_NS = 10_000_000  # poses come at about 170 Hz; kept at most every 10 ms, and at every sweep
MOTION_WINDOW = 0.1  # [s]

_POSE = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
_BOX = ("timestamp_ns", "track_uuid", "category", "length_m", "width_m", "height_m", *_POSE)


def load_av2_log(folder: Path | str) -> RecordedDrive:
    """Read one sensor log.

    Detections are the labels without their identities: score 1, no velocity, base_link of their sweep. Ground truth is
    the same boxes in the map with identities (uuids in alphabetical order become 0, 1, ...) and velocities.

    Args:
        folder: The log's folder: ``city_SE3_egovehicle.feather``, ``annotations*.feather`` (the one with the ego is
            preferred: it holds the ego's size), and where present ``map/log_map_archive_*.json``,
            ``sensors/lidar/*.feather``, ``calibration/egovehicle_SE3_sensor.feather``.

    Raises:
        InvalidInputError: A file is missing or is not what it should be.
        ConfigurationError: `pyarrow` is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidInputError(str(folder), "the folder of an Argoverse 2 log", "no such folder")
    poses = read_table(folder / "city_SE3_egovehicle.feather", ("timestamp_ns", *_POSE))
    candidates = [folder / "annotations_with_ego.feather", folder / "annotations.feather"]
    boxes = read_table(next((p for p in candidates if p.exists()), candidates[1]), _BOX)
    sweep_paths = sorted((folder / "sensors" / "lidar").glob("*.feather"), key=lambda p: int(p.stem))
    labelled = np.unique(boxes["timestamp_ns"])
    stamps = np.unique(np.concatenate([labelled, np.array([int(p.stem) for p in sweep_paths], np.int64)]))

    pose_stamps, rows = np.unique(poses["timestamp_ns"], return_index=True)
    rotation, translation = _transforms(poses)
    rotation = rotation[rows]
    translation = translation[rows] - WHEEL_RADIUS * rotation[:, :, 2]
    at = np.searchsorted(pose_stamps, stamps)
    if (at >= len(pose_stamps)).any() or (pose_stamps[np.minimum(at, len(pose_stamps) - 1)] != stamps).any():
        raise InvalidInputError(str(folder), "an ego pose at every sweep", "sweeps without pose")

    size = _ego_size(boxes)
    kept = _thinned(pose_stamps, stamps)
    yaw = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    states = ego_states(pose_stamps, translation, yaw, size, MOTION_WINDOW)
    ego = tuple(states[i] for i in kept)
    table = ClassTable(CLASSES)
    keep = np.array([category != EGO_CATEGORY for category in boxes["category"]], np.bool_)
    boxes = {name: column[keep] for name, column in boxes.items()}
    classes = np.array([table.of(category) for category in boxes["category"]], np.uint8)
    box_rotation, centre = _transforms(boxes)
    centre[:, 2] += WHEEL_RADIUS
    sizes = np.column_stack([boxes[name] for name in ("length_m", "width_m", "height_m")]).astype(np.float32)
    step = np.searchsorted(labelled, boxes["timestamp_ns"])
    pose_row = np.searchsorted(pose_stamps, boxes["timestamp_ns"])
    in_map = np.einsum("nij,njk->nik", rotation[pose_row], box_rotation)
    position = np.einsum("nij,nj->ni", rotation[pose_row], centre) + translation[pose_row]

    local_yaw = np.arctan2(box_rotation[:, 1, 0], box_rotation[:, 0, 0])
    detections = tuple(
        _detections(int(stamp), np.flatnonzero(step == i), classes, centre, local_yaw, sizes)
        for i, stamp in enumerate(labelled)
    )
    tracks = _tracks(boxes["track_uuid"], step, classes, position, in_map, sizes)
    by_stamp = {e.stamp_ns: e for e in ego}
    maps = sorted((folder / "map").glob("log_map_archive_*.json"))
    return RecordedDrive(
        name=folder.name,
        ego=ego,
        road_network=load_av2_map(maps[0]) if maps else None,
        detections=detections,
        ground_truth=scenes_from_tracks(labelled, tracks, by_stamp, MOTION_WINDOW),
        sweeps=partial(_sweeps, sweep_paths),
        sweep_count=len(sweep_paths),
        sensor_poses=_sensor_poses(folder / "calibration" / "egovehicle_SE3_sensor.feather"),
        unknown_classes=dict(table.unknown),
    )


def read_table(path: Path, columns: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Columns of a feather or parquet file as arrays.

    Raises:
        InvalidInputError: The file is missing, not readable, or lacks a column.
        ConfigurationError: `pyarrow` is not installed.
    """
    try:
        from pyarrow import ArrowException, feather, parquet
    except ImportError as error:
        raise ConfigurationError("reading Argoverse 2 needs pyarrow: pip install zoox_stack[datasets]") from error
    if not path.exists():
        raise InvalidInputError(str(path), "a file of an Argoverse 2 log", "no such file")
    try:
        reader = parquet.read_table if path.suffix == ".parquet" else feather.read_table
        table = reader(path)
        missing = [name for name in columns if name not in table.column_names]
        if missing:
            raise InvalidInputError(str(path), f"columns {', '.join(columns)}", f"no column {', '.join(missing)}")
        return {name: table[name].to_numpy() for name in columns}
    except (ArrowException, OSError) as error:
        raise InvalidInputError(str(path), "an Arrow file", str(error).splitlines()[0]) from error


def _transforms(table: dict[str, NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation matrices ``[N, 3, 3]`` and translations ``[N, 3]`` of the pose columns."""
    w, x, y, z = (np.asarray(table[name], np.float64) for name in _POSE[:4])
    norm = np.sqrt(w * w + x * x + y * y + z * z)
    if norm.size and not (np.abs(norm - 1) < 1e-3).all():
        raise InvalidInputError("quaternion", "unit length", f"{norm.min()} .. {norm.max()}")
    w, x, y, z = w / norm, x / norm, y / norm, z / norm
    rotation = np.empty((len(w), 3, 3))
    rotation[:, 0] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=1)
    rotation[:, 1] = np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=1)
    rotation[:, 2] = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1)
    return rotation, np.column_stack([table[name] for name in _POSE[4:]]).astype(np.float64)


def _ego_size(boxes: dict[str, NDArray[Any]]) -> VehicleSize:
    rows = np.flatnonzero(boxes["category"] == EGO_CATEGORY)
    if not len(rows):
        return SIZE
    length, width, height = (float(boxes[name][rows[0]]) for name in ("length_m", "width_m", "height_m"))
    return VehicleSize(length, width, height, SIZE.rear_axle_to_centre)


def _thinned(pose_stamps: NDArray[np.int64], sweeps: NDArray[np.int64]) -> list[int]:
    """Rows of the poses to keep: those at sweeps, and others at least 10 ms from the last kept one."""
    at_sweep = set(np.searchsorted(pose_stamps, sweeps).tolist())
    kept: list[int] = []
    for row, stamp in enumerate(pose_stamps.tolist()):
        if row in at_sweep or not kept or stamp - pose_stamps[kept[-1]] >= ODOMETRY_PERIOD_NS:
            kept.append(row)
    return kept


def _detections(
    stamp_ns: int,
    rows: NDArray[np.int64],
    classes: NDArray[np.uint8],
    centre: NDArray[np.float64],
    yaw: NDArray[np.float64],
    sizes: NDArray[np.float32],
) -> DetectedAgents:
    probabilities = np.eye(len(AgentClass), dtype=np.float32)[classes[rows]]
    score = np.ones(len(rows), np.float32)
    position, heading = centre[rows], wrap_angle(yaw[rows])
    return DetectedAgents(stamp_ns, Frame.BASE_LINK, probabilities, score, position, heading, sizes[rows])


def _tracks(
    uuids: NDArray[Any],
    step: NDArray[np.int64],
    classes: NDArray[np.uint8],
    position: NDArray[np.float64],
    rotation: NDArray[np.float64],
    sizes: NDArray[np.float32],
) -> list[LabelledTrack]:
    yaw = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    names, track_of = np.unique(np.asarray(uuids, dtype=str), return_inverse=True)
    tracks = []
    for track in range(len(names)):
        rows = np.flatnonzero(track_of == track)
        rows = rows[np.argsort(step[rows], kind="stable")]
        if (np.diff(step[rows]) == 0).any():
            raise InvalidInputError(f"track {names[track]}", "one box per sweep", "several")
        kind = AgentClass(int(classes[rows[0]]))
        tracks.append(LabelledTrack(track, kind, step[rows], position[rows], yaw[rows], sizes[rows]))
    return tracks


def _sweeps(paths: list[Path]) -> Iterator[PointCloud]:
    for path in paths:
        table = read_table(path, ("x", "y", "z", "intensity"))
        xyz = np.column_stack([table[name].astype(np.float32) for name in "xyz"])
        xyz[:, 2] += np.float32(WHEEL_RADIUS)
        yield PointCloud(int(path.stem), xyz, table["intensity"].astype(np.float32))


def _sensor_poses(path: Path) -> dict[str, NDArray[np.float64]]:
    if not path.exists():
        return {}
    table = read_table(path, ("sensor_name", *_POSE))
    rotation, translation = _transforms(table)
    poses = np.tile(np.eye(4), (len(rotation), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotation, translation
    poses[:, 2, 3] += WHEEL_RADIUS
    return dict(zip(table["sensor_name"].tolist(), poses, strict=True))
