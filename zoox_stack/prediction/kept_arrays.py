"""Arrays that runs of a model use again, so that nothing is allocated from tick to tick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_SETS = 32  # sets of outputs; with more sets of shapes than that all are made anew

Shapes = tuple[tuple[int, ...], ...]


class PaddedArrays:
    """Inputs with a batch axis and a fixed number of rows, one array per name and number of rows."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, tuple[int, ...]], NDArray[np.float32]] = {}

    def put(self, name: str, array: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
        """`array` with zero rows appended up to `rows`, ``[1, rows, ...]``; valid until the next call like this one."""
        shape = (1, rows, *array.shape[1:])
        kept = self._arrays.get((name, shape))
        if kept is None:
            kept = self._arrays[name, shape] = np.zeros(shape, np.float32)
        kept[0, : len(array)] = array
        kept[0, len(array) :] = 0.0
        return kept


class KeptOutputs:
    """Outputs on the CPU, one set of arrays for inputs of equal shapes, that runs write into.

    Only for models whose outputs have the same shapes whenever the inputs have.
    """

    def __init__(self) -> None:
        self._sets: dict[Shapes, list[NDArray[Any]]] = {}

    def __len__(self) -> int:
        return len(self._sets)

    def of(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]] | None:
        """Arrays for the outputs that belong to these inputs; None if there was no such run yet."""
        return self._sets.get(_shapes(inputs))

    def keep(self, inputs: Mapping[str, NDArray[Any]], outputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Arrays that hold these outputs and will hold those of the next runs with such inputs."""
        copies = [np.array(array) for array in outputs]
        if all(array.size for array in copies):  # there is nowhere to write to in an empty one
            if len(self._sets) >= _MOST_SETS:
                self._sets.clear()
            self._sets[_shapes(inputs)] = copies
        return copies


def _shapes(inputs: Mapping[str, NDArray[Any]]) -> Shapes:
    return tuple(inputs[name].shape for name in sorted(inputs))
