"""Loops as machine code, by Numba: for what runs every tick and has no whole-array form that is fast enough."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import DTypeLike, NDArray

Loop = TypeVar("Loop", bound=Callable[..., Any])
_LOG = logging.getLogger(__name__)


def compiled(signature: str) -> Callable[[Loop], Loop]:
    """Decorator: compile a function for arguments of these types when its module is imported.

    That takes some seconds in a new installation, and milliseconds from then on: the machine code is kept beside the
    module. Nothing is ever compiled while the vehicle drives; arguments of other types are a TypeError, see `plain`.
    Compiled functions call others of their own file only: what is kept is renewed when that file changes. Division by
    zero gives inf or NaN as in numpy; other threads go on meanwhile.

    Args:
        signature: As Numba writes them: ``"void(f4[:, ::1], f8)"`` takes a contiguous float32 array ``[N, M]`` and a
            float64, and returns nothing.
    """

    def wrap(function: Loop) -> Loop:
        options = {"error_model": "numpy", "nogil": True}
        try:
            return cast("Loop", numba.njit(signature, cache=True, **options)(function))
        except RuntimeError:  # Numba found no folder to write to, neither the package's nor the user's
            _LOG.warning(
                "%s: compiled anew in every process; set NUMBA_CACHE_DIR to a folder that can be written",
                function.__name__,
            )
            return cast("Loop", numba.njit(signature, **options)(function))

    return wrap


def plain(array: Any, dtype: DTypeLike) -> NDArray[Any]:
    """The array as compiled loops take it: contiguous, writable, of this type; a copy only where it is not."""
    return np.require(array, dtype, ("C", "W"))
