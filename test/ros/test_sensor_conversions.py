"""Radar clouds, camera detections and calibrations that break a rule are refused, and the error names the field."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import PointCloud2, PointField

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.sensors import CameraDetections, PointCloud, RadarScan, SensorCalibration
from zoox_stack.logs.codec import decode, encode
from zoox_stack.ros.conversions.point_cloud import point_cloud_from_message, point_cloud_to_message
from zoox_stack.ros.conversions.sensors import (
    camera_detections_from_message,
    camera_detections_to_message,
    radar_scan_from_message,
    radar_scan_to_message,
    sensor_calibration_from_message,
    sensor_calibration_to_message,
)

CLOUD = "sensor_msgs/msg/PointCloud2"


def radar() -> Any:
    xyz = np.arange(9.0).reshape(3, 3)
    return radar_scan_to_message(RadarScan(5, xyz, [1.0, -2.0, 0.0], [3.0, 4.0, 5.0], np.array([0, 1, -1])))


def camera() -> Any:
    probabilities = np.full((2, 10), 0.1)
    box = [[0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 9.0, 9.0]]
    none = np.full(2, np.nan)
    return camera_detections_to_message(
        CameraDetections(5, "camera_front", probabilities, [0.5, 1.0], box, np.zeros((2, 6), np.uint8), none)
    )


def calibration() -> Any:
    return sensor_calibration_to_message(
        SensorCalibration(
            5,
            ("a", "b"),
            np.array([0, 2], np.uint8),
            [[1, 2, 3, 0, 0, 0, 1], [0, 0, 0, 0.5, 0.5, 0.5, 0.5]],
            [[0, 0, 0, 0], [900, 900, 320, 240]],
            np.array([[0, 0], [640, 480]], np.uint32),
        )
    )


def frame(name: str) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        message.header.frame_id = name

    return change


def field(**values: Any) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for name, value in values.items():
            setattr(message, name, value)

    return change


def second(**values: Any) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        field(**values)(message.detections[1])

    return change


def without_rcs(message: Any) -> None:
    message.fields = [f for f in message.fields if f.name != "rcs"]


def long_sensor(message: Any) -> None:
    message.fields[5].datatype = PointField.INT32


def nan_speed(message: Any) -> None:
    message.data = array("B", b"\xff" * len(message.data))


@pytest.mark.parametrize(
    ("make", "change", "convert", "named"),
    [
        (radar, frame("radar_front"), radar_scan_from_message, "radar_front"),
        (radar, without_rcs, radar_scan_from_message, "'rcs'"),
        (radar, long_sensor, radar_scan_from_message, "INT16"),
        (radar, nan_speed, radar_scan_from_message, "finite"),
        (radar, field(width=100_001), radar_scan_from_message, "at most 100000"),
        (radar, field(data=array("B", bytes(20))), radar_scan_from_message, "bytes"),
        (camera, frame(""), camera_detections_from_message, "camera"),
        (camera, second(score=1.5), camera_detections_from_message, "score"),
        (camera, second(box=np.zeros(4, np.float32)), camera_detections_from_message, "box"),
        (camera, second(box=np.full(4, np.inf, np.float32)), camera_detections_from_message, "box"),
        (camera, second(class_probabilities=np.ones(10, np.float32)), camera_detections_from_message, "add up to 1"),
        (camera, lambda m: m.detections.extend(m.detections * 1000), camera_detections_from_message, "at most 2000"),
        (camera, lambda m: setattr(m.header.stamp, "nanosec", 10**9), camera_detections_from_message, "nanosec"),
        (calibration, frame("map"), sensor_calibration_from_message, "frame_id"),
        (calibration, field(names=["a", "a"]), sensor_calibration_from_message, "names"),
        (calibration, field(names=["a"]), sensor_calibration_from_message, "kinds"),
        (calibration, field(kinds=[0, 3]), sensor_calibration_from_message, "kinds"),
        (calibration, lambda m: m.poses.__setitem__(6, 0.0), sensor_calibration_from_message, "unit quaternions"),
        (calibration, lambda m: m.poses.pop(), sensor_calibration_from_message, "poses"),
        (calibration, lambda m: m.intrinsics.__setitem__(4, 0.0), sensor_calibration_from_message, "focal"),
        (calibration, lambda m: m.image_sizes.__setitem__(2, 0), sensor_calibration_from_message, "sizes"),
    ],
)
def test_broken_messages_are_refused(
    make: Callable[[], Any], change: Callable[[Any], None], convert: Callable[[Any], Any], named: str
) -> None:
    message = make()
    convert(message)  # whole before it is broken
    change(message)
    with pytest.raises(InvalidInputError, match=named):
        convert(message)


def test_a_driver_that_does_not_number_its_radars_is_understood() -> None:
    names = ("rcs", "x", "y", "z", "radial_velocity", "noise")
    table = np.zeros(2, np.dtype([(n, ">f4") for n in names]))
    table["x"], table["radial_velocity"], table["rcs"] = [7, 8], [-1.5, 2.5], 9
    message = PointCloud2(height=1, width=2, is_bigendian=True, point_step=24, row_step=48)
    message.header.frame_id = "base_link"
    message.fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(names)]
    message.data = array("B", table.tobytes())
    scan = radar_scan_from_message(message)
    assert scan.xyz[:, 0].tolist() == [7, 8]
    assert scan.radial_velocity.tolist() == [-1.5, 2.5]
    assert scan.sensor is not None
    assert scan.sensor.tolist() == [-1, -1]


def test_a_radar_is_not_taken_for_a_lidar() -> None:
    with pytest.raises(InvalidInputError, match="intensity"):
        point_cloud_from_message(radar())
    with pytest.raises(InvalidInputError, match="radial_velocity"):
        radar_scan_from_message(point_cloud_to_message(PointCloud(5, np.ones((2, 3)), np.ones(2))))
    scan = radar_scan_from_message(radar())
    with pytest.raises(InvalidInputError, match="intensity"):
        decode(CLOUD, encode(scan))
    assert len(decode(CLOUD, encode(scan), RadarScan)) == 3
    with pytest.raises(InvalidInputError, match="CameraDetections"):
        decode(CLOUD, encode(scan), CameraDetections)
