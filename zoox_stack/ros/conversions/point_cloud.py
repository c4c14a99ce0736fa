"""sensor_msgs/PointCloud2 and PointCloud: any layout in, one packed layout out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.sensors import PointCloud
from zoox_stack.ros.conversions.basics import check_count, flat, header_to_message, stamp_and_frame

MAX_POINTS = 2_000_000
_TYPES = {
    PointField.INT8: "i1",
    PointField.UINT8: "u1",
    PointField.INT16: "i2",
    PointField.UINT16: "u2",
    PointField.INT32: "i4",
    PointField.UINT32: "u4",
    PointField.FLOAT32: "f4",
    PointField.FLOAT64: "f8",
}
_NAMES = {"f4": "FLOAT32", "i2": "INT16"}
_PACKED = 16  # bytes per point written: x, y, z, intensity as float32
POSITION = {"x": "f4", "y": "f4", "z": "f4"}
_FIELDS = {**POSITION, "intensity": ""}


def point_cloud_to_message(cloud: PointCloud) -> PointCloud2:
    """A sweep as an unorganised cloud of packed float32 x, y, z, intensity."""
    points = np.empty((len(cloud), 4), np.dtype("<f4"))
    points[:, :3] = cloud.xyz
    points[:, 3] = cloud.intensity
    return PointCloud2(
        header=header_to_message(cloud.stamp_ns, cloud.frame),
        height=1,
        width=len(cloud),
        fields=[
            PointField(name=name, offset=4 * column, datatype=PointField.FLOAT32, count=1)
            for column, name in enumerate(("x", "y", "z", "intensity"))
        ],
        is_bigendian=False,
        point_step=_PACKED,
        row_step=_PACKED * len(cloud),
        data=flat(points.reshape(-1).view(np.uint8), np.uint8),
        is_dense=True,
    )


def point_cloud_from_message(message: PointCloud2) -> PointCloud:
    """The sweep of a cloud of any layout; points whose position is not finite are dropped.

    x, y, z must be float32, intensity may be any numeric type. An intensity that is not finite is kept as it is.

    Raises:
        InvalidInputError: Missing or wrongly typed field, data that does not fit the layout, more than 2 million
            points, or not a single finite point (a sensor that returns nothing at all is broken or covered).
    """
    stamp_ns, frame = stamp_and_frame("PointCloud2", message.header, (Frame.BASE_LINK, Frame.MAP))
    count = int(message.width) * int(message.height)
    check_count("PointCloud2 points", count, MAX_POINTS)
    if count == 0:
        raise InvalidInputError("PointCloud2", "at least one point", "none")
    table = structured(message, _FIELDS)
    xyz = positions(table)
    intensity = table["intensity"].reshape(-1).astype(np.float32)
    if not np.isfinite(xyz.sum()):  # one pass; only then look at each
        finite = np.isfinite(xyz).all(axis=1)
        xyz, intensity = xyz[finite], intensity[finite]
    if len(xyz) == 0:
        raise InvalidInputError("PointCloud2", "at least one finite point", f"{count} points, none finite")
    return PointCloud(stamp_ns, xyz, intensity, frame)


def positions(table: NDArray[np.void]) -> NDArray[np.float32]:
    """x, y, z of every point as float32 ``[P, 3]``."""
    fields = table.dtype.fields
    assert fields is not None
    kind, first = fields["x"][0], fields["x"][1]
    if [fields[name][1] for name in "yz"] == [first + 4, first + 8]:  # side by side: one pass over memory
        together = np.dtype({"names": ["xyz"], "formats": [(kind, 3)], "offsets": [first], "itemsize": table.itemsize})
        return table.view(together)["xyz"].reshape(-1, 3).astype(np.float32)
    return np.stack([table[name].reshape(-1) for name in "xyz"], axis=1).astype(np.float32)


def structured(message: PointCloud2, wanted: Mapping[str, str]) -> NDArray[np.void]:
    """The cloud's bytes as a structured array ``[height, width]`` of some of its fields: a view, no copy.

    Args:
        message: Of any layout.
        wanted: Names of the fields, and the type each must have: f4, i2, or empty for any number.

    Raises:
        InvalidInputError: Missing or wrongly typed field, or data that does not fit the layout.
    """
    order = ">" if message.is_bigendian else "<"
    names, formats, offsets = [], [], []
    by_name = {field.name: field for field in message.fields}
    for name, needed in wanted.items():
        field = by_name.get(name)
        if field is None:
            raise InvalidInputError("PointCloud2.fields", f"a field {name!r}", ", ".join(sorted(by_name)) or "none")
        kind = _TYPES.get(field.datatype)
        if kind is None or (needed and kind != needed) or field.count > 1:
            expected = f"one {_NAMES[needed]}" if needed else "one number of any type"
            found = f"type {field.datatype}, count {field.count}"
            raise InvalidInputError(f"PointCloud2.fields {name}", expected, found)
        if field.offset + int(kind[1]) > message.point_step:
            raise InvalidInputError(
                f"PointCloud2.fields {name}", f"inside point_step {message.point_step}", f"offset {field.offset}"
            )
        names.append(name)
        formats.append(order + kind)
        offsets.append(field.offset)
    height, width = int(message.height), int(message.width)
    if message.row_step < message.point_step * width:
        raise InvalidInputError("PointCloud2.row_step", f">= {message.point_step * width}", str(message.row_step))
    needed = (height - 1) * message.row_step + message.point_step * width
    if len(message.data) < needed:
        raise InvalidInputError("PointCloud2.data", f"at least {needed} bytes", str(len(message.data)))
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": message.point_step})
    buffer = message.data if not isinstance(message.data, list) else bytes(message.data)
    strides = (int(message.row_step), int(message.point_step))
    return np.ndarray((height, width), dtype, buffer=buffer, strides=strides)
