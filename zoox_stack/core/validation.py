"""Checks used by the core types: shape, dtype, finiteness, range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from zoox_stack.core.errors import InvalidInputError


def checked_array(
    thing: str,
    value: ArrayLike,
    dtype: DTypeLike,
    shape: Sequence[int | None],
    *,
    finite: bool = True,
    low: float | None = None,
    high: float | None = None,
) -> NDArray[Any]:
    """Return `value` as a read-only array of `dtype` after checking it.

    Args:
        thing: Name used in the error.
        value: What to check.
        dtype: Wanted dtype; the value must convert to it safely in kind.
        shape: Wanted shape, ``None`` for any length along that axis.
        finite: Refuse NaN and infinity.
        low: Smallest allowed value.
        high: Largest allowed value.

    Raises:
        InvalidInputError: The value fails a check.
    """
    try:
        array = np.asarray(value)
        if array.dtype != np.dtype(dtype):
            if array.size and not np.can_cast(array.dtype, dtype, casting="same_kind"):
                raise TypeError(f"dtype {array.dtype}")
            array = array.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(thing, f"numbers of type {np.dtype(dtype)}", str(error)) from error
    if array.shape != shape and (
        array.ndim != len(shape)
        or any(want is not None and want != have for want, have in zip(shape, array.shape, strict=True))
    ):
        wanted = "[" + ", ".join("any" if n is None else str(n) for n in shape) + "]"
        raise InvalidInputError(thing, f"shape {wanted}", f"shape {list(array.shape)}")
    if array.size:
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = int(np.size(array) - np.count_nonzero(np.isfinite(array)))
            raise InvalidInputError(thing, "finite numbers", f"{bad} of {array.size} NaN or infinite")
        # fmin and fmax pass over NaN
        if low is not None and np.fmin.reduce(array, axis=None) < low:
            raise InvalidInputError(thing, f"values >= {low}", f"{np.fmin.reduce(array, axis=None)}")
        if high is not None and np.fmax.reduce(array, axis=None) > high:
            raise InvalidInputError(thing, f"values <= {high}", f"{np.fmax.reduce(array, axis=None)}")
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def check_finite_scalar(thing: str, value: float) -> float:
    """Return `value` as a float; raise InvalidInputError if it is not a finite number."""
    number = float(value)
    if not np.isfinite(number):
        raise InvalidInputError(thing, "a finite number", str(number))
    return number
