"""RadarScan, CameraDetections and SensorCalibration as messages of the type store."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoox_stack.core.agents import N_CLASSES
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.sensors import CameraDetections, RadarScan, SensorCalibration
from zoox_stack.logs.codec_agents import agent_attributes, column, read_attributes
from zoox_stack.logs.codec_basics import flat, header, new, read_header, read_stamp, stamp, unflat
from zoox_stack.logs.codec_sensors import point_columns

_INT16, _FLOAT32 = 3, 7  # sensor_msgs/PointField
_FIELDS = (("x", 0, _FLOAT32), ("y", 4, _FLOAT32), ("z", 8, _FLOAT32), ("radial_velocity", 12, _FLOAT32),
           ("rcs", 16, _FLOAT32), ("sensor", 20, _INT16))  # fmt: skip
_STEP = 24  # bytes written per return
_LAYOUT = np.dtype({
    "names": ["xyz", "radial_velocity", "rcs", "sensor"], "formats": [("<f4", 3), "<f4", "<f4", "<i2"],
    "offsets": [0, 12, 16, 20], "itemsize": _STEP,
})  # fmt: skip


def radar_scan(scan: RadarScan) -> Any:
    """sensor_msgs/PointCloud2: one row of float32 x, y, z, radial_velocity, rcs and int16 sensor."""
    returns = np.zeros(len(scan), _LAYOUT)
    for name in ("xyz", "radial_velocity", "rcs", "sensor"):
        returns[name] = getattr(scan, name)
    return new(
        "sensor_msgs/msg/PointCloud2",
        header=header(scan.stamp_ns, Frame.BASE_LINK),
        height=1,
        width=len(scan),
        fields=[
            new("sensor_msgs/msg/PointField", name=name, offset=offset, datatype=kind, count=1)
            for name, offset, kind in _FIELDS
        ],
        is_bigendian=False,
        point_step=_STEP,
        row_step=_STEP * len(scan),
        data=np.frombuffer(returns.tobytes(), np.uint8),
        is_dense=True,
    )


def read_radar_scan(message: Any) -> RadarScan:
    """Inverse of `radar_scan`, for any layout; where there is no field sensor, it is not known.

    Raises:
        InvalidInputError: Another frame than base_link, a field is missing, or numbers that are not finite.
    """
    stamp_ns, _ = read_header("PointCloud2", message.header, (Frame.BASE_LINK,))
    known = any(field.name == "sensor" for field in message.fields)
    names = ["x", "y", "z", "radial_velocity", "rcs", *(["sensor"] if known else [])]
    columns = point_columns(message, names)
    if known and columns["sensor"].dtype.newbyteorder("=") != np.int16:
        raise InvalidInputError("PointCloud2.fields sensor", "INT16", str(columns["sensor"].dtype))
    return RadarScan(
        stamp_ns,
        np.stack([columns[name].astype(np.float32) for name in "xyz"], axis=1),
        columns["radial_velocity"].astype(np.float32),
        columns["rcs"].astype(np.float32),
        columns["sensor"].astype(np.int16) if known else None,
    )


def camera_detections(detections: CameraDetections) -> Any:
    """zoox_stack/CameraDetections."""
    d = detections
    found = [
        new(
            "zoox_stack/msg/CameraDetection",
            class_probabilities=flat(d.class_probabilities[i], np.float32),
            score=float(d.score[i]),
            box=flat(d.box[i], np.float32),
            attributes=agent_attributes(d.attributes[i], float(d.facing[i])),
        )
        for i in range(len(d))
    ]
    top = new("std_msgs/msg/Header", stamp=stamp(d.stamp_ns), frame_id=d.camera)
    return new("zoox_stack/msg/CameraDetections", header=top, detections=found)


def read_camera_detections(message: Any) -> CameraDetections:
    """Inverse of `camera_detections`; raises InvalidInputError as the dataclass does."""
    found = message.detections
    attributes, facing = read_attributes(found)
    return CameraDetections(
        stamp_ns=read_stamp(message.header.stamp),
        camera=message.header.frame_id,
        class_probabilities=column(found, "class_probabilities", np.float32, N_CLASSES),
        score=column(found, "score", np.float32),
        box=column(found, "box", np.float32, 4),
        attributes=attributes,
        facing=facing,
    )


def sensor_calibration(calibration: SensorCalibration) -> Any:
    """zoox_stack/SensorCalibration."""
    return new(
        "zoox_stack/msg/SensorCalibration",
        header=header(calibration.stamp_ns, Frame.BASE_LINK),
        names=list(calibration.names),
        kinds=flat(calibration.kinds, np.uint8),
        poses=flat(calibration.poses, np.float64),
        intrinsics=flat(calibration.intrinsics, np.float64),
        image_sizes=flat(calibration.image_sizes, np.uint32),
    )


def read_sensor_calibration(message: Any) -> SensorCalibration:
    """Inverse of `sensor_calibration`; raises InvalidInputError as the dataclass does and on lists that do not fit."""
    stamp_ns, _ = read_header("SensorCalibration", message.header, (Frame.BASE_LINK,))
    n = len(message.names)
    return SensorCalibration(
        stamp_ns,
        tuple(message.names),
        unflat("SensorCalibration.kinds", message.kinds, np.uint8, (n,)),
        unflat("SensorCalibration.poses", message.poses, np.float64, (n, 7)),
        unflat("SensorCalibration.intrinsics", message.intrinsics, np.float64, (n, 4)),
        unflat("SensorCalibration.image_sizes", message.image_sizes, np.uint32, (n, 2)),
    )
