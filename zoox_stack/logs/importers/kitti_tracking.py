"""KITTI tracking sequences (detections, oxts, calibration, labels) as `RecordedDrive`.

Frames: ``map`` is east-north-up with its origin at the first oxts pose. ``base_link`` is fixed to the body under the
IMU: centre of the rear axle on the ground. Boxes go from the rectified camera frame through LiDAR and IMU to
base_link by the sequence's calibration; roll and pitch of the car are taken into account for the map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import DetectedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.logs.importers.motion import ClassTable, LabelledTrack, VehicleSize, ego_states, scenes_from_tracks

DETECTION_CLASSES = {"1": AgentClass.PEDESTRIAN, "2": AgentClass.CAR, "3": AgentClass.BICYCLE}
LABEL_CLASSES = {
    "Car": AgentClass.CAR,
    "Van": AgentClass.CAR,
    "Truck": AgentClass.TRUCK,
    "Tram": AgentClass.BUS,
    "Pedestrian": AgentClass.PEDESTRIAN,
    "Person": AgentClass.PEDESTRIAN,
    "Person_sitting": AgentClass.PEDESTRIAN,
    "Cyclist": AgentClass.BICYCLE,
    "Misc": AgentClass.UNKNOWN,  # "other vehicles": trailers, segways
}
DONT_CARE = "DontCare"
# VW Passat B6 estate. Centre of the box: middle of the 2.71 m wheelbase, the overhangs taken as equal.
SIZE = VehicleSize(length=4.774, width=1.82, height=1.517, rear_axle_to_centre=1.355)
# base_link seen from the IMU, from the published sensor layout: the IMU stands 0.93 m above the road, 0.05 m in front
# of the rear axle and 0.32 m left of the middle of the car (where the LiDAR is).
BASE_FROM_IMU = np.array([0.05, 0.32, 0.93])  # [m] the IMU's position in base_link
FRAME_NS = 100_000_000
START_NS = 1_000_000_000  # frame 0; the files have no times
MOTION_WINDOW = 0.2  # [s]
_EARTH_RADIUS = 6378137.0  # [m]
_DETECTION_COLUMNS, _LABEL_COLUMNS, _OXTS_COLUMNS = 15, 17, 30


@dataclass(frozen=True)
class KittiFiles:
    """Files of one sequence.

    Attributes:
        detections: Files of detections (one per class, or one for all), or folders ``<Class>/`` that hold a file named
            like the oxts file.
        oxts: GPS/IMU, one line per frame.
        calib: Calibration.
        labels: Labels; None if there are none.
    """

    detections: Sequence[Path]
    oxts: Path
    calib: Path
    labels: Path | None = None


def load_kitti_sequence(files: KittiFiles) -> RecordedDrive:
    """Read one sequence.

    The score of a detection is unbounded in the files; it becomes ``1 / (1 + exp(-score))``, which keeps the order.
    Frame i has the stamp 1 s + i * 0.1 s.

    Raises:
        InvalidInputError: A file is missing or is not what it should be; a row lies outside the sequence.
    """
    position, rotation = _poses(files.oxts)
    frames = len(position)
    stamps = START_NS + FRAME_NS * np.arange(frames, dtype=np.int64)
    base = position - rotation @ BASE_FROM_IMU
    yaw = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    ego = ego_states(stamps, base, yaw, SIZE, MOTION_WINDOW)
    base_from_camera = _base_from_camera(files.calib)
    table, skipped = ClassTable(LABEL_CLASSES | DETECTION_CLASSES), Counter[str]()

    rows = [row for path in _detection_files(files) for row in _rows(path, ",", _DETECTION_COLUMNS)]
    detections = _detections(rows, files, stamps, base_from_camera, table)
    tracks = []
    if files.labels is not None:
        labels = [(files.labels, *r) for r in _label_rows(files.labels, skipped)]
        tracks = _tracks(labels, files.labels, frames, base_from_camera, base, rotation, table)
    truth = scenes_from_tracks(stamps, tracks, {e.stamp_ns: e for e in ego}, MOTION_WINDOW) if files.labels else ()
    return RecordedDrive(
        name=f"kitti_tracking_{files.oxts.stem}",
        ego=ego,
        detections=detections,
        ground_truth=truth,
        unknown_classes=dict(table.unknown),
        skipped=dict(skipped),
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError as error:
        raise InvalidInputError(str(path), "a KITTI tracking file", "no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(str(path), "a text file", str(error)) from error


def _rows(path: Path, separator: str | None, columns: int) -> list[list[str]]:
    rows = []
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            row = line.split(separator)
            if len(row) != columns:
                raise InvalidInputError(f"{path} line {number}", f"{columns} columns", str(len(row)))
            rows.append(row)
    return rows


def _numbers(path: Path, rows: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    try:
        numbers = np.array(rows, np.float64)
    except ValueError as error:
        raise InvalidInputError(str(path), "numbers", str(error)) from error
    if not np.isfinite(numbers).all():
        raise InvalidInputError(str(path), "finite numbers", "NaN or infinity")
    return numbers


def _poses(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions ``[T, 3]`` and rotations ``[T, 3, 3]`` of the IMU, east-north-up, first position 0."""
    oxts = _numbers(path, _rows(path, None, _OXTS_COLUMNS))
    if not len(oxts):
        raise InvalidInputError(str(path), "at least one frame", "an empty file")
    lat, lon, alt, roll, pitch, yaw = oxts[:, :6].T
    scale = np.cos(np.radians(lat[0]))  # Mercator, as in the KITTI development kit
    x = scale * _EARTH_RADIUS * np.radians(lon)
    y = scale * _EARTH_RADIUS * np.log(np.tan(np.pi / 4 + np.radians(lat) / 2))
    position = np.stack([x, y, alt], axis=1)
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    rotation = np.empty((len(oxts), 3, 3))  # Rz(yaw) Ry(pitch) Rx(roll)
    rotation[:, 0] = np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], axis=1)
    rotation[:, 1] = np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], axis=1)
    rotation[:, 2] = np.stack([-sp, cp * sr, cp * cr], axis=1)
    return position - position[0], rotation


def _base_from_camera(path: Path) -> NDArray[np.float64]:
    """4x4 transform of points from the rectified camera frame to base_link."""
    found: dict[str, NDArray[np.float64]] = {}
    for line in _lines(path):
        name, *values = line.split() or [""]
        found[name.rstrip(":")] = _numbers(path, [values])[0] if name else np.zeros(0)
    matrices = {}
    for names, shape in ((("R_rect", "R0_rect"), (3, 3)), (("Tr_velo_cam", "Tr_velo_to_cam"), (3, 4)),
                         (("Tr_imu_velo", "Tr_imu_to_velo"), (3, 4))):  # fmt: skip
        entries = next((found[name] for name in names if name in found), np.zeros(0))
        if entries.size != shape[0] * shape[1]:
            raise InvalidInputError(f"{path}: {names[0]}", f"{shape[0] * shape[1]} numbers", f"{entries.size}")
        matrix = np.eye(4)
        matrix[: shape[0], : shape[1]] = entries.reshape(shape)
        matrices[names[0]] = matrix
    base_from_imu = np.eye(4)
    base_from_imu[:3, 3] = BASE_FROM_IMU
    camera_from_imu = matrices["R_rect"] @ matrices["Tr_velo_cam"] @ matrices["Tr_imu_velo"]
    return np.asarray(base_from_imu @ np.linalg.inv(camera_from_imu))


def _boxes(
    values: NDArray[np.float64], base_from_camera: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Centre, heading vector and size in base_link of boxes ``h, w, l, x, y, z, ry`` (bottom centre, camera frame)."""
    h, w, length, x, y, z, ry = values.T
    centre = np.stack([x, y - h / 2, z], axis=1) @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
    ahead = np.stack([np.cos(ry), np.zeros_like(ry), -np.sin(ry)], axis=1) @ base_from_camera[:3, :3].T
    return centre, ahead, np.stack([length, w, h], axis=1).astype(np.float32)


def _detection_files(files: KittiFiles) -> list[Path]:
    """The files themselves; a folder stands for the file in it (or in its sub-folders) named like the oxts file."""
    result: list[Path] = []
    for path in files.detections:
        if path.is_dir():
            inside = [path / files.oxts.name, *sorted(p / files.oxts.name for p in path.iterdir() if p.is_dir())]
            there = [p for p in inside if p.is_file()]
            if not there:
                raise InvalidInputError(str(path), f"a file {files.oxts.name}", "none")
            result += there
        else:
            result.append(path)
    if not result:
        raise InvalidInputError("detections", "at least one file or folder", "none")
    return result


def _frame_numbers(path: Path, column: NDArray[np.float64], frames: int) -> NDArray[np.int64]:
    numbers = column.astype(np.int64)
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= frames or (numbers != column).any()):
        found = f"{column.min():g} .. {column.max():g}"
        raise InvalidInputError(f"{path}: frame numbers", f"0 .. {frames - 1} as in the oxts file", found)
    return numbers


def _detections(
    rows: list[list[str]],
    files: KittiFiles,
    stamps: NDArray[np.int64],
    base_from_camera: NDArray[np.float64],
    table: ClassTable,
) -> tuple[DetectedAgents, ...]:
    source = files.detections[0]
    numbers = _numbers(source, rows).reshape(-1, _DETECTION_COLUMNS)
    frame = _frame_numbers(source, numbers[:, 0], len(stamps))
    centre, ahead, size = _boxes(numbers[:, 7:14], base_from_camera)
    yaw = wrap_angle(np.arctan2(ahead[:, 1], ahead[:, 0]))
    classes = np.array([table.of(str(int(kind))) for kind in numbers[:, 1]], np.uint8)
    score = (1 / (1 + np.exp(-numbers[:, 6]))).astype(np.float32)
    result = []
    for i, stamp in enumerate(stamps.tolist()):
        at = np.flatnonzero(frame == i)
        probabilities = np.eye(len(AgentClass), dtype=np.float32)[classes[at]]
        result.append(DetectedAgents(stamp, Frame.BASE_LINK, probabilities, score[at], centre[at], yaw[at], size[at]))
    return tuple(result)


def _label_rows(path: Path, skipped: Counter[str]) -> list[tuple[str, list[str]]]:
    """Type and numbers of every labelled box; regions without box are counted as skipped."""
    result = []
    for row in _rows(path, None, _LABEL_COLUMNS):
        if row[2] == DONT_CARE or row[1] == "-1":
            skipped[f"label {DONT_CARE}" if row[2] == DONT_CARE else "label without identity"] += 1
        else:
            result.append((row[2], [row[0], row[1], *row[10:17]]))
    return result


def _tracks(
    labels: list[tuple[Path, str, list[str]]],
    path: Path,
    frames: int,
    base_from_camera: NDArray[np.float64],
    base: NDArray[np.float64],
    rotation: NDArray[np.float64],
    table: ClassTable,
) -> list[LabelledTrack]:
    numbers = _numbers(path, [row for _, _, row in labels]).reshape(-1, 9)
    kinds = np.array([kind for _, kind, _ in labels], dtype=object)
    frame = _frame_numbers(path, numbers[:, 0], frames)
    centre, ahead, size = _boxes(numbers[:, 2:9], base_from_camera)
    position = np.einsum("nij,nj->ni", rotation[frame], centre) + base[frame]
    direction = np.einsum("nij,nj->ni", rotation[frame], ahead)
    yaw = np.arctan2(direction[:, 1], direction[:, 0])
    tracks = []
    for track in np.unique(numbers[:, 1]).astype(int):
        rows = np.flatnonzero(numbers[:, 1] == track)
        rows = rows[np.argsort(frame[rows], kind="stable")]
        if (np.diff(frame[rows]) == 0).any():
            raise InvalidInputError(f"{path}: track {track}", "one box per frame", "several")
        kind = table.of(str(kinds[rows[0]]), len(rows))
        tracks.append(LabelledTrack(int(track), kind, frame[rows], position[rows], yaw[rows], size[rows]))
    return tracks
