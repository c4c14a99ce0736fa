"""Clouds of every layout that drivers produce."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import PointCloud2, PointField

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.sensors import PointCloud
from zoox_stack.ros.conversions.point_cloud import MAX_POINTS, point_cloud_from_message, point_cloud_to_message

NUMPY = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
RNG = np.random.default_rng(1)
XYZ = RNG.normal(0, 20, (12, 3)).astype(np.float32)


def cloud_message(
    height: int = 3,
    *,
    point_step: int = 32,
    row_padding: int = 5,
    big: bool = False,
    offsets: tuple[int, int, int, int] = (4, 12, 20, 26),
    intensity_type: int = PointField.UINT16,
) -> PointCloud2:
    """12 points in an awkward layout; intensities 0..11."""
    order = ">" if big else "<"
    width = 12 // height
    dtype = np.dtype(
        {
            "names": ["x", "y", "z", "intensity"],
            "formats": [order + "f4"] * 3 + [order + NUMPY[intensity_type]],
            "offsets": list(offsets),
            "itemsize": point_step,
        }
    )
    table = np.zeros(12, dtype)
    for column, name in enumerate("xyz"):
        table[name] = XYZ[:, column]
    table["intensity"] = np.arange(12)
    rows = [table[r * width : (r + 1) * width].tobytes() + b"\xff" * row_padding for r in range(height)]
    kinds = [PointField.FLOAT32] * 3 + [intensity_type]
    message = PointCloud2(height=height, width=width, is_bigendian=big, point_step=point_step)
    message.header.frame_id = "base_link"
    message.row_step = point_step * width + row_padding
    message.fields = [
        PointField(name=n, offset=o, datatype=k, count=1)
        for n, o, k in zip(("x", "y", "z", "intensity"), offsets, kinds, strict=True)
    ]
    message.data = array("B", b"".join(rows))
    return message


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("height", [1, 3])
@pytest.mark.parametrize("intensity_type", sorted(NUMPY))
def test_any_layout_is_read(big: bool, height: int, intensity_type: int) -> None:
    offsets = (4, 12, 20, 24)
    cloud = point_cloud_from_message(cloud_message(height, big=big, offsets=offsets, intensity_type=intensity_type))
    np.testing.assert_array_equal(cloud.xyz, XYZ)
    np.testing.assert_array_equal(cloud.intensity, np.arange(12))
    assert cloud.frame is Frame.BASE_LINK


def test_the_last_row_may_lack_its_padding() -> None:
    message = cloud_message()
    message.data = message.data[:-5]
    np.testing.assert_array_equal(point_cloud_from_message(message).xyz, XYZ)


def test_points_that_are_not_finite_are_dropped() -> None:
    xyz = XYZ.copy()
    xyz[2, 1], xyz[7, 0] = np.nan, np.inf
    message = point_cloud_to_message(PointCloud(0, XYZ, np.arange(12)))
    message.data = array("B", np.c_[xyz, np.arange(12)].astype("<f4").tobytes())
    cloud = point_cloud_from_message(message)
    kept = np.isfinite(xyz).all(axis=1)
    assert len(cloud) == 10
    np.testing.assert_array_equal(cloud.intensity, np.arange(12)[kept])


def without(name: str) -> Any:
    def change(message: PointCloud2) -> None:
        message.fields = [f for f in message.fields if f.name != name]

    return change


def double_z(message: PointCloud2) -> None:
    message.fields[2].datatype = PointField.FLOAT64


def all_nan(message: PointCloud2) -> None:
    message.data = array("B", b"\xff" * len(message.data))


def changed(**values: Any) -> Any:
    def change(message: PointCloud2) -> None:
        for key, value in values.items():
            setattr(message, key, value)

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (without("x"), "'x'"),
        (without("intensity"), "'intensity'"),
        (double_z, "FLOAT32"),
        (changed(point_step=27), "point_step"),
        (changed(row_step=127), "row_step"),
        (changed(data=array("B", bytes(20))), "bytes"),
        (changed(width=0), "at least one point"),
        (changed(width=MAX_POINTS + 1, height=1), "at most"),
        (changed(width=2**32 - 1, height=2**32 - 1), "at most"),
        (all_nan, "finite"),
    ],
)
def test_broken_clouds_are_refused(change: Any, named: str) -> None:
    message = cloud_message()
    change(message)
    with pytest.raises(InvalidInputError, match=named):
        point_cloud_from_message(message)


def test_frame_must_be_known() -> None:
    message = cloud_message()
    message.header.frame_id = "velodyne"
    with pytest.raises(InvalidInputError, match="velodyne"):
        point_cloud_from_message(message)
