"""Faults of serialized messages: stamps that are off, numbers that are none, a sensor that is blind on one side."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.msg import DetectedAgents
from zoox_stack.ros.message_types import NS, peek_stamp

_FLOATS = {"float", "double"}


def with_stamp_moved(data: bytes, by_ns: int) -> bytes:
    """The same message with another stamp: that of its Header, or the time itself of a Clock; never below 0.

    Raises:
        InvalidInputError: No stamp at the beginning.
    """
    stamp_ns = max(0, peek_stamp(data) + by_ns)
    order = "<" if data[1] else ">"
    return data[:4] + struct.pack(f"{order}iI", *divmod(stamp_ns, NS)) + data[12:]


def with_nan(data: bytes, kind: type) -> bytes:
    """The same message, all floating-point numbers of which are NaN; of a point cloud, all coordinates."""
    message = deserialize_message(data, kind)
    if isinstance(message, PointCloud2):
        rows = np.frombuffer(bytearray(message.data), np.uint8)
        for column in _position(message, rows):
            column[:] = np.nan
        message.data = rows.tobytes()
    else:
        _spoil(message)
    return bytes(serialize_message(message))


def with_blind_sector(data: bytes, kind: type, width: float) -> bytes:
    """The same sweep or detections without what lies in a sector in front of base_link.

    Args:
        data: Serialized PointCloud2 or DetectedAgents, in base_link.
        kind: Which of the two.
        width: Of the sector, half of it on either side of straight ahead [rad].

    Raises:
        InvalidInputError: Another type or frame.
    """
    message = deserialize_message(data, kind)
    if not isinstance(message, (PointCloud2, DetectedAgents)):
        raise InvalidInputError("message with a blind sector", "PointCloud2 or DetectedAgents", kind.__name__)
    if message.header.frame_id != Frame.BASE_LINK:
        raise InvalidInputError("frame of what is blind", str(Frame.BASE_LINK), message.header.frame_id)
    if isinstance(message, DetectedAgents):
        message.agents = [a for a in message.agents if abs(math.atan2(a.position[1], a.position[0])) > width / 2]
        return bytes(serialize_message(message))
    rows = np.frombuffer(message.data, np.uint8)
    x, y, _ = _position(message, rows)
    seen = rows.reshape(-1, message.point_step)[np.abs(np.arctan2(y, x)) > width / 2]
    message.height, message.width, message.row_step = 1, len(seen), seen.size
    message.data = seen.tobytes()
    return bytes(serialize_message(message))


def blank(data: bytes, kind: type) -> bytes:
    """A message of this type with nothing in it but its header."""
    message = kind()
    message.header = deserialize_message(data, kind).header
    return bytes(serialize_message(message))


def _position(cloud: PointCloud2, rows: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """x, y, z of every point, as views of the bytes."""
    offsets = {field.name: field.offset for field in cloud.fields}
    row = np.dtype({
        "names": ["x", "y", "z"],
        "formats": ["<f4"] * 3,
        "offsets": [offsets[axis] for axis in ("x", "y", "z")],
        "itemsize": cloud.point_step,
    })  # fmt: skip
    points = rows.view(row)
    return [points[axis] for axis in ("x", "y", "z")]


def _spoil(message: Any) -> None:
    for name, type_name in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if type_name in _FLOATS:
            setattr(message, name, math.nan)
        elif hasattr(value, "get_fields_and_field_types"):
            _spoil(value)
        elif isinstance(value, np.ndarray):
            if value.dtype.kind == "f":
                value[:] = np.nan
        elif not isinstance(value, (str, bytes, int, float)):
            for i, item in enumerate(value):
                if isinstance(item, float):
                    value[i] = math.nan
                elif hasattr(item, "get_fields_and_field_types"):
                    _spoil(item)
