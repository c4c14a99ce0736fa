"""What all conversions share: stamps, headers, flat arrays, float32 scalars."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import ArrayLike, DTypeLike, NDArray
from std_msgs.msg import Header

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.ragged import Ragged

NS = 1_000_000_000
MAX_AGENTS = 2000  # more than any scene holds; a longer message is broken or hostile

_TYPECODES = {
    np.dtype(np.float32): "f",
    np.dtype(np.float64): "d",
    np.dtype(np.uint8): "B",
    np.dtype(np.int32): "i",
    np.dtype(np.uint32): "I",
    np.dtype(np.int64): "q",
}


def stamp_to_message(stamp_ns: int) -> Time:
    """Nanoseconds as a Time message.

    Raises:
        InvalidInputError: Outside the range of the message (int32 seconds).
    """
    sec, nanosec = divmod(int(stamp_ns), NS)
    if not -(2**31) <= sec < 2**31:
        raise InvalidInputError("stamp", "seconds that fit in 32 bits", f"{stamp_ns} ns")
    return Time(sec=sec, nanosec=nanosec)


def stamp_from_message(stamp: Time) -> int:
    """A Time message as nanoseconds.

    Raises:
        InvalidInputError: ``nanosec`` is a second or more.
    """
    if stamp.nanosec >= NS:
        raise InvalidInputError("stamp.nanosec", f"below {NS}", str(stamp.nanosec))
    return int(stamp.sec) * NS + int(stamp.nanosec)


def header_to_message(stamp_ns: int, frame: Frame = Frame.MAP) -> Header:
    """Header with stamp and frame."""
    return Header(stamp=stamp_to_message(stamp_ns), frame_id=str(frame))


def stamp_and_frame(thing: str, header: Header, allowed: Sequence[Frame] = (Frame.MAP,)) -> tuple[int, Frame]:
    """Stamp [ns] and frame of a header.

    Raises:
        InvalidInputError: The frame is not one of `allowed`, or the stamp is broken.
    """
    if header.frame_id not in tuple(allowed):
        raise InvalidInputError(
            f"{thing}.header.frame_id", " or ".join(repr(str(f)) for f in allowed), repr(header.frame_id)
        )
    return stamp_from_message(header.stamp), Frame(header.frame_id)


def flat(values: ArrayLike, dtype: DTypeLike) -> array.array[Any]:
    """All numbers of an array, row-major, as the ``array.array`` that message fields take without looking inside."""
    packed = np.ascontiguousarray(values, dtype=dtype).reshape(-1)
    result = array.array(_TYPECODES[packed.dtype])
    result.frombytes(packed.view(np.uint8))  # type: ignore[arg-type]
    return result


def unflat(thing: str, field: Any, dtype: DTypeLike, shape: Sequence[int]) -> NDArray[Any]:
    """A flat message field as an array of `shape` (one entry may be -1); a view where the field allows it.

    Raises:
        InvalidInputError: The number of values does not fit the shape.
    """
    if isinstance(field, array.array) and len(field) and field.typecode == _TYPECODES[np.dtype(dtype)]:
        values = np.frombuffer(field, dtype=dtype)
    else:
        values = np.asarray(field, dtype=dtype).reshape(-1)
    fixed = int(np.prod([n for n in shape if n >= 0], dtype=np.float64))
    if -1 in shape:
        if fixed == 0 or values.size % fixed:
            raise InvalidInputError(thing, f"a multiple of {fixed} values", f"{values.size}")
        shape = [values.size // fixed if n < 0 else n for n in shape]
    elif values.size != fixed:
        raise InvalidInputError(thing, f"{fixed} values for shape {list(shape)}", f"{values.size}")
    return values.reshape(shape)


def ragged_to_fields(ragged: Ragged, dtype: DTypeLike) -> tuple[array.array[Any], array.array[Any]]:
    """Values and offsets of a ragged list."""
    return flat(ragged.values, dtype), flat(ragged.offsets, np.int32)


def ragged_from_fields(thing: str, values: Any, offsets: Any, dtype: DTypeLike, width: int | None) -> Ragged:
    """Ragged list of values and offsets; `width` numbers per value (None: one, rows are 1-D)."""
    shape = (-1,) if width is None else (-1, width)
    try:
        return Ragged(unflat(thing, values, dtype, shape), unflat(f"{thing} offsets", offsets, np.int32, (-1,)))
    except InvalidInputError as error:
        raise InvalidInputError(thing, error.expected, error.found) from error


def short_float(value: float) -> float:
    """The shortest decimal that is the same float32: 0.1 stays 0.1 after a trip through a float32 field."""
    return float(str(np.float32(value)))


def check_count(thing: str, count: int, most: int) -> None:
    """Refuse oversized messages before memory is spent on them."""
    if count > most:
        raise InvalidInputError(thing, f"at most {most}", str(count))
