"""What the codecs share: message classes, stamps, headers, flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.ragged import Ragged
from zoox_stack.logs.message_definitions import typestore

NS = 1_000_000_000


def new(type_name: str, **fields: Any) -> Any:
    """Message object of a type; every field must be given."""
    return typestore().types[type_name](**fields)


def stamp(stamp_ns: int) -> Any:
    """Nanoseconds as builtin_interfaces/Time.

    Raises:
        InvalidInputError: Outside the range of int32 seconds.
    """
    sec, nanosec = divmod(int(stamp_ns), NS)
    if not -(2**31) <= sec < 2**31:
        raise InvalidInputError("stamp", "seconds that fit in 32 bits", f"{stamp_ns} ns")
    return new("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def read_stamp(message: Any) -> int:
    """builtin_interfaces/Time as nanoseconds."""
    if message.nanosec >= NS:
        raise InvalidInputError("stamp.nanosec", f"below {NS}", str(message.nanosec))
    return int(message.sec) * NS + int(message.nanosec)


def header(stamp_ns: int, frame: Frame = Frame.MAP) -> Any:
    """std_msgs/Header."""
    return new("std_msgs/msg/Header", stamp=stamp(stamp_ns), frame_id=str(frame))


def read_header(thing: str, message: Any, allowed: Sequence[Frame] = (Frame.MAP,)) -> tuple[int, Frame]:
    """Stamp [ns] and frame of a header.

    Raises:
        InvalidInputError: The frame is not one of `allowed`.
    """
    if message.frame_id not in tuple(allowed):
        expected = " or ".join(repr(str(frame)) for frame in allowed)
        raise InvalidInputError(f"{thing}.header.frame_id", expected, repr(message.frame_id))
    return read_stamp(message.stamp), Frame(message.frame_id)


def flat(values: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """All numbers of an array, row-major, as a message field takes them."""
    return np.ascontiguousarray(values, dtype=dtype).reshape(-1)


def unflat(thing: str, field: Any, dtype: DTypeLike, shape: Sequence[int]) -> NDArray[Any]:
    """A flat field as an array of `shape`; one entry may be -1.

    Raises:
        InvalidInputError: The number of values does not fit.
    """
    values = np.asarray(field, dtype=dtype).reshape(-1)
    known = int(np.prod([n for n in shape if n >= 0], dtype=np.int64))
    if -1 in shape and known:
        shape = [values.size // known if n < 0 else n for n in shape]
    if int(np.prod(shape, dtype=np.int64)) != values.size or -1 in shape:
        raise InvalidInputError(thing, f"values for shape {list(shape)}", f"{values.size} values")
    return values.reshape(shape)


def ragged(thing: str, values: Any, offsets: Any, dtype: DTypeLike, width: int | None) -> Ragged:
    """Ragged list of a values and an offsets field; `width` numbers per value (None: rows are 1-D)."""
    shape = (-1,) if width is None else (-1, width)
    try:
        return Ragged(unflat(thing, values, dtype, shape), unflat(thing, offsets, np.int32, (-1,)))
    except InvalidInputError as error:
        raise InvalidInputError(thing, error.expected, error.found) from error


def short_float(value: float) -> float:
    """The shortest decimal that is the same float32: 0.1 stays 0.1 after a trip through a float32 field."""
    return float(str(np.float32(value)))


def enumerated(thing: str, value: int, kind: Any) -> Any:
    """A number as a member of an enumeration.

    Raises:
        InvalidInputError: Not a member.
    """
    try:
        return kind(int(value))
    except ValueError as error:
        raise InvalidInputError(thing, f"one of {[int(k) for k in kind]}", str(value)) from error
