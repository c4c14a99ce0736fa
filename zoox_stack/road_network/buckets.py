"""Things sorted into numbered buckets, so that the contents of many buckets are fetched at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLUMNS = 1 << 24  # cells in x; more than any map has
_MIDDLE = 1 << 23  # so that cells left of and below the origin count too


class Buckets:
    """Items by key; keys without items cost nothing.

    Args:
        keys: int64 ``[M]`` bucket of each item.
        items: int64 ``[M]``.
    """

    def __init__(self, keys: NDArray[np.int64], items: NDArray[np.int64]) -> None:
        order = np.lexsort((items, keys))
        self._keys, self._items = keys[order], items[order]

    def fetch(self, first: NDArray[np.int64], last: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Items of the buckets `first` to `last` (both included) of each of N questions, arrays ``[N]``.

        Returns:
            Question and item of every hit; questions rise, items of one bucket rise.
        """
        start = np.searchsorted(self._keys, first, side="left")
        question, place = expand(start, np.searchsorted(self._keys, last, side="right") - start)
        return question, self._items[place]


class CellGrid:
    """Items in square cells of the ground plane.

    Args:
        low: int64 ``[M, 2]`` lowest cell of each item, as `cell_of` gives it.
        high: int64 ``[M, 2]`` highest cell; an item lies in all cells of the rectangle.
        cell: [m] side of a cell.
    """

    def __init__(self, low: NDArray[np.int64], high: NDArray[np.int64], cell: float) -> None:
        self.cell = cell
        rows = high[:, 1] - low[:, 1] + 1
        item, row = expand(low[:, 1], rows)
        columns = (high[:, 0] - low[:, 0] + 1)[item]
        strip, column = expand(low[item, 0], columns)
        self._buckets = Buckets(_key(column, row[strip]), item[strip])

    @classmethod
    def of_points(cls, points: NDArray[Any], cell: float) -> CellGrid:
        """Every point ``[M, 2]`` [m] in its cell."""
        at = cell_of(points, cell)
        return cls(at, at, cell)

    def near(self, points: NDArray[Any], reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Items in all cells within `reach` [m] of points ``[N, 2]``: rows of the points, rising, and items.

        An item that lies in several of these cells comes several times; with ``reach=0`` none does.
        """
        low, high = cell_of(points - reach, self.cell), cell_of(points + reach, self.cell)
        point, row = expand(low[:, 1], high[:, 1] - low[:, 1] + 1)
        strip, item = self._buckets.fetch(_key(low[point, 0], row), _key(high[point, 0], row))
        return point[strip], item


def cell_of(points: NDArray[Any], cell: float) -> NDArray[np.int64]:
    """Cell ``[..., 2]`` (column, row) of points ``[..., 2]`` [m]; points beyond 8 million cells share the last one."""
    limit = _MIDDLE - 1
    return np.asarray(np.clip(np.floor(np.asarray(points) / cell), -limit, limit), dtype=np.int64)


def expand(start: NDArray[np.int64], count: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and values of N ranges of `count` numbers from `start`: ``expand([5, 9], [2, 1])`` is 0 0 1, 5 6 9."""
    count = np.asarray(count, dtype=np.int64)
    row = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    return row, np.arange(len(row)) + (np.asarray(start) - before)[row]


def _key(column: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
    return (row + _MIDDLE) * _COLUMNS + column + _MIDDLE
