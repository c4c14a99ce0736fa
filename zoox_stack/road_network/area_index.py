"""Which points lie in which areas of the map: exact, for many points at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType
from zoox_stack.road_network.buckets import Buckets, CellGrid, cell_of, expand
from zoox_stack.road_network.network import RoadNetwork

_CELL = 16.0  # [m]
_BAND = 4.0  # [m] height of the strips in y that the edges of a ring are sorted into


class AreaIndex:
    """Search structures over the areas of one road network, built once.

    A point lies in an area if the outline winds around it (a ring that overlaps itself has no holes). On the very
    outline either answer may come.

    Args:
        network: The map.
    """

    def __init__(self, network: RoadNetwork) -> None:
        self.network = network
        areas = network.areas
        ring = areas.row_of_value()
        self._start = areas.values[:, :2]
        following = np.arange(1, len(self._start) + 1)
        following[areas.offsets[1:] - 1] = areas.offsets[:-1]
        self._end = self._start[following]
        low = _per_row(np.minimum, self._start, areas.offsets)
        high = _per_row(np.maximum, self._start, areas.offsets)
        self._low, self._high = low, high
        # Large maps have large areas: cells grow with them, so that no area lies in very many.
        cell = max(_CELL, float((high - low).max(initial=0.0)) / 64)
        self._cells = CellGrid(cell_of(low, cell), cell_of(high, cell), cell)
        first = self._band(np.minimum(self._start[:, 1], self._end[:, 1]), ring)
        last = self._band(np.maximum(self._start[:, 1], self._end[:, 1]), ring)
        edge, band = expand(first, last - first + 1)
        self._bands = int(np.ceil((high - low)[:, 1].max(initial=0.0) / _BAND)) + 1
        self._edges = Buckets(ring[edge] * self._bands + band, edge)

    def contains(self, points: NDArray[Any], kind: AreaType | Collection[AreaType]) -> NDArray[np.bool_]:
        """Whether each point ``[..., 2]`` [m] lies in an area of a kind or of one of several; shape ``[...]``."""
        return self.row_at(points, kind) >= 0

    def row_at(self, points: NDArray[Any], kind: AreaType | Collection[AreaType]) -> NDArray[np.int64]:
        """Lowest row of an area of a kind that each point ``[..., 2]`` [m] lies in, -1 for none; shape ``[...]``."""
        points = np.asarray(points, dtype=np.float64)
        flat = points.reshape(-1, 2)
        point, area = self.pairs(flat, kind)
        rows = np.full(len(flat), -1, np.int64)
        rows[point[::-1]] = area[::-1]  # the lowest row is written last
        return rows.reshape(points.shape[:-1])

    def pairs(
        self, points: NDArray[Any], kind: AreaType | Collection[AreaType]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All pairs of a point ``[N, 2]`` and an area of a kind that it lies in: rows of points, rising, and of areas.

        Source: winding numbers after D. Sunday, "Inclusion of a Point in a Polygon" (2001).
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        kinds = [int(kind)] if isinstance(kind, AreaType) else [int(k) for k in kind]
        point, area = self._cells.near(points, 0.0)
        fitting = np.isin(self.network.area_types[area], kinds)
        point, area = point[fitting], area[fitting]
        at = points[point]
        fitting = np.asarray(((at >= self._low[area]) & (at <= self._high[area])).all(axis=1))
        point, area, at = point[fitting], area[fitting], at[fitting]
        key = area * self._bands + self._band(at[:, 1], area)
        pair, edge = self._edges.fetch(key, key)
        a, b, p = self._start[edge], self._end[edge], at[pair]
        left = (b[:, 0] - a[:, 0]) * (p[:, 1] - a[:, 1]) - (p[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
        up = (a[:, 1] <= p[:, 1]) & (b[:, 1] > p[:, 1]) & (left > 0)
        down = (a[:, 1] > p[:, 1]) & (b[:, 1] <= p[:, 1]) & (left < 0)
        winding = np.bincount(pair, weights=up.astype(float) - down, minlength=len(point))
        inside = np.abs(winding) > 0.5
        return point[inside], area[inside]

    def _band(self, y: NDArray[np.float64], area: NDArray[np.int64]) -> NDArray[np.int64]:
        """Strip of the ring of each area that y lies in."""
        return np.asarray((y - self._low[area, 1]) // _BAND, dtype=np.int64)


def _per_row(function: np.ufunc, values: NDArray[np.float64], offsets: NDArray[np.int32]) -> NDArray[np.float64]:
    """`function` over each ring, ``[A, 2]``."""
    return np.asarray(function.reduceat(values, offsets[:-1], axis=0)) if len(values) else np.zeros((0, 2))
