"""Message classes by name, and the little that can be read from serialized messages without them."""

from __future__ import annotations

import importlib
import struct
from functools import cache
from typing import Any

from zoox_stack.core.errors import InvalidInputError

NS = 1_000_000_000


@cache
def message_class(type_name: str) -> Any:
    """The class of a type such as ``nav_msgs/msg/Odometry``.

    Raises:
        InvalidInputError: Not of this form, or the package or the message is not installed.
    """
    parts = type_name.split("/")
    if len(parts) != 3 or parts[1] not in ("msg", "srv") or not all(part.isidentifier() for part in parts):
        raise InvalidInputError("message type", "package/msg/Name", repr(type_name))
    package, kind, name = parts
    try:
        return getattr(importlib.import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError) as error:
        raise InvalidInputError(f"message type {type_name}", "an installed message", str(error)) from error


def peek_stamp(data: bytes) -> int:
    """Stamp [ns] of a serialized message that starts with a Header.

    Raises:
        InvalidInputError: Too short, not plain CDR, or nanoseconds of a second or more.
    """
    if len(data) < 12 or data[0] != 0 or data[1] not in (0, 1):
        raise InvalidInputError("serialized message", "CDR bytes with a stamp", f"{len(data)} bytes")
    sec, nanosec = struct.unpack_from("<iI" if data[1] else ">iI", data, 4)
    if nanosec >= NS:
        raise InvalidInputError("stamp.nanosec", f"below {NS}", str(nanosec))
    return int(sec) * NS + int(nanosec)


def peek_trajectory_source(data: bytes) -> int:
    """The `source` of a serialized Trajectory; 0 where the bytes end before it."""
    if len(data) < 16:
        return 0
    (length,) = struct.unpack_from("<I" if data[1] else ">I", data, 12)
    return data[16 + length] if len(data) > 16 + length else 0
