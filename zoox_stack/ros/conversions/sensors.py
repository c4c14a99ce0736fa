"""RadarScan (as sensor_msgs/PointCloud2), CameraDetections and SensorCalibration."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from zoox_stack.core.agents import N_CLASSES
from zoox_stack.core.frames import Frame
from zoox_stack.core.sensors import CameraDetections, RadarScan, SensorCalibration
from zoox_stack.msg import CameraDetection
from zoox_stack.msg import CameraDetections as CameraDetectionsMessage
from zoox_stack.msg import SensorCalibration as SensorCalibrationMessage
from zoox_stack.ros.conversions.agents import attributes_from_messages, attributes_to_messages, stack
from zoox_stack.ros.conversions.basics import (
    MAX_AGENTS,
    check_count,
    flat,
    header_to_message,
    stamp_and_frame,
    stamp_from_message,
    stamp_to_message,
    unflat,
)
from zoox_stack.ros.conversions.point_cloud import POSITION, positions, structured

MAX_RETURNS = 100_000  # more than any radar gives; a longer message is broken or hostile
MAX_SENSORS = 200
_STEP = 24  # bytes written per return
_LAYOUT = np.dtype({
    "names": ["xyz", "radial_velocity", "rcs", "sensor"], "formats": [("<f4", 3), "<f4", "<f4", "<i2"],
    "offsets": [0, 12, 16, 20], "itemsize": _STEP,
})  # fmt: skip
_FIELDS = (
    ("x", 0, PointField.FLOAT32), ("y", 4, PointField.FLOAT32), ("z", 8, PointField.FLOAT32),
    ("radial_velocity", 12, PointField.FLOAT32), ("rcs", 16, PointField.FLOAT32), ("sensor", 20, PointField.INT16),
)  # fmt: skip


def radar_scan_to_message(scan: RadarScan) -> PointCloud2:
    """Returns as an unorganised cloud of float32 x, y, z, radial_velocity, rcs and int16 sensor."""
    returns = np.zeros(len(scan), _LAYOUT)
    for name in ("xyz", "radial_velocity", "rcs", "sensor"):
        returns[name] = getattr(scan, name)
    return PointCloud2(
        header=header_to_message(scan.stamp_ns, Frame.BASE_LINK),
        height=1,
        width=len(scan),
        fields=[PointField(name=name, offset=offset, datatype=kind, count=1) for name, offset, kind in _FIELDS],
        is_bigendian=False,
        point_step=_STEP,
        row_step=_STEP * len(scan),
        data=flat(np.frombuffer(returns.tobytes(), np.uint8), np.uint8),
        is_dense=True,
    )


def radar_scan_from_message(message: PointCloud2) -> RadarScan:
    """The returns of a cloud of any layout; where there is no field sensor, it is not known.

    Raises:
        InvalidInputError: Another frame than base_link, a missing or wrongly typed field, numbers that are not finite,
            data that does not fit the layout, or more than 100,000 returns.
    """
    stamp_ns, _ = stamp_and_frame("PointCloud2", message.header, (Frame.BASE_LINK,))
    check_count("PointCloud2 returns", int(message.width) * int(message.height), MAX_RETURNS)
    known = any(field.name == "sensor" for field in message.fields)
    wanted = {**POSITION, "radial_velocity": "", "rcs": ""} | ({"sensor": "i2"} if known else {})
    table = structured(message, wanted)
    return RadarScan(
        stamp_ns,
        positions(table),
        table["radial_velocity"].reshape(-1).astype(np.float32),
        table["rcs"].reshape(-1).astype(np.float32),
        table["sensor"].reshape(-1).astype(np.int16) if known else None,
    )


def camera_detections_to_message(detections: CameraDetections) -> CameraDetectionsMessage:
    """What a camera saw as a message."""
    d = detections
    columns = zip(
        d.class_probabilities, d.score.tolist(), d.box, attributes_to_messages(d.attributes, d.facing), strict=True
    )
    return CameraDetectionsMessage(
        header=Header(stamp=stamp_to_message(d.stamp_ns), frame_id=d.camera),
        detections=[
            CameraDetection(class_probabilities=probabilities, score=score, box=box, attributes=attributes)
            for probabilities, score, box, attributes in columns
        ],
    )


def camera_detections_from_message(message: CameraDetectionsMessage) -> CameraDetections:
    """What a camera saw, from a message.

    Raises:
        InvalidInputError: No camera named, more than 2000 detections, class probabilities that do not add up to 1,
            boxes turned inside out, or numbers out of range or not finite.
    """
    found = message.detections
    check_count("CameraDetections.detections", len(found), MAX_AGENTS)
    attributes, facing = attributes_from_messages([d.attributes for d in found])
    return CameraDetections(
        stamp_ns=stamp_from_message(message.header.stamp),
        camera=message.header.frame_id,
        class_probabilities=stack([d.class_probabilities for d in found], np.float32, N_CLASSES),
        score=np.array([d.score for d in found], np.float32),
        box=stack([d.box for d in found], np.float32, 4),
        attributes=attributes,
        facing=facing,
    )


def sensor_calibration_to_message(calibration: SensorCalibration) -> SensorCalibrationMessage:
    """Where the sensors are, as a message."""
    return SensorCalibrationMessage(
        header=header_to_message(calibration.stamp_ns, Frame.BASE_LINK),
        names=list(calibration.names),
        kinds=flat(calibration.kinds, np.uint8),
        poses=flat(calibration.poses, np.float64),
        intrinsics=flat(calibration.intrinsics, np.float64),
        image_sizes=flat(calibration.image_sizes, np.uint32),
    )


def sensor_calibration_from_message(message: SensorCalibrationMessage) -> SensorCalibration:
    """Where the sensors are, from a message.

    Raises:
        InvalidInputError: Another frame than base_link, lists that do not fit the names, names that are empty or not
            unique, unknown kinds, quaternions that are not of unit length, a camera without focal length or size.
    """
    stamp_ns, _ = stamp_and_frame("SensorCalibration", message.header, (Frame.BASE_LINK,))
    n = len(message.names)
    check_count("SensorCalibration.names", n, MAX_SENSORS)
    return SensorCalibration(
        stamp_ns,
        tuple(message.names),
        unflat("SensorCalibration.kinds", message.kinds, np.uint8, (n,)),
        unflat("SensorCalibration.poses", message.poses, np.float64, (n, 7)),
        unflat("SensorCalibration.intrinsics", message.intrinsics, np.float64, (n, 4)),
        unflat("SensorCalibration.image_sizes", message.image_sizes, np.uint32, (n, 2)),
    )
