"""Reading pickles of numbers without running what is in them."""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from zoox_stack.core.errors import InvalidInputError

try:
    from numpy._core.multiarray import _reconstruct, scalar
except ImportError:  # numpy 1
    from numpy.core.multiarray import _reconstruct, scalar  # type: ignore[no-redef]

# numpy 2 renamed numpy.core; old pickles still name it so.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "defaultdict"): defaultdict,  # Waymo scenes count road users in one,
    ("builtins", "int"): int,  # and this is its default
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(module, "_reconstruct"): _reconstruct for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(module, "scalar"): scalar for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BufferedIOBase, path: Path) -> None:
        super().__init__(stream)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get((module, name))
        if allowed is None:
            remedy = "The file was not read further; nothing in it was run"
            raise InvalidInputError(str(self._path), "a pickle of numpy arrays only", f"{module}.{name}", remedy)
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        raise InvalidInputError(str(self._path), "a pickle of numpy arrays only", f"a persistent id {pid!r}")


def load_numbers(path: Path | str) -> Any:
    """Contents of a pickle that holds nothing but Python's basic types and numpy arrays.

    Raises:
        InvalidInputError: The file names anything else (the text says what), holds arrays of objects, is truncated, or
            is no pickle.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return _Unpickler(stream, path).load()
    except InvalidInputError:
        raise
    except OSError as error:
        raise InvalidInputError(str(path), "a readable file", str(error)) from error
    except Exception as error:  # a broken pickle fails in many ways, none of them ours
        raise InvalidInputError(str(path), "a whole pickle", f"{type(error).__name__}: {error}") from error
