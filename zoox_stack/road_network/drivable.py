"""Where a vehicle may drive, as a grid for fast look-ups."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType
from zoox_stack.road_network.buckets import expand
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

_LARGEST_GRID = 30_000_000  # cells; larger maps get larger cells
DRIVABLE_TYPES = (AreaType.DRIVABLE, AreaType.INTERSECTION, AreaType.PARKING)
DEPTH_STEP = 0.05  # [m] unit of `DrivableGrid.depths`
_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates


class DrivableGrid:
    """Drivable ground of a road network: its drivable areas, or the driving lanes where the map has no areas.

    As in `AreaIndex`, a cell lies in an area if the outline winds around its middle.

    Args:
        index: The network.
        cell: [m] side of a cell; made larger for maps of more than 30 million cells.
        margin: [m] by which the drawn ground is widened against inexact maps.
    """

    def __init__(self, index: LaneIndex, *, cell: float = 0.5, margin: float = 0.3) -> None:
        network = index.network
        rings = _rings(network)
        lines = [] if rings else [(line.xy, index.width(row)) for row, line in index.lines.items()]
        points = [*rings, *(xy for xy, _ in lines)]
        self.known = bool(points)
        if not points:
            self._grid = np.zeros((0, 0), np.uint8)
            self._low, self._cell = np.zeros(2), cell
            return
        everything = np.concatenate(points)
        low, high = everything.min(axis=0) - 5.0, everything.max(axis=0) + 5.0
        self._cell = max(cell, float(np.sqrt(np.prod(high - low) / _LARGEST_GRID)))
        self._low = low
        size = np.ceil((high - low) / self._cell).astype(int)
        self._grid = np.zeros((size[1], size[0]), np.uint8)
        wider = max(1, round(2 * margin / self._cell)) if margin > 0 else 0
        for ring in rings:
            _fill(self._grid, (ring - low) / self._cell - 0.5)
            if wider:
                cv2.polylines(self._grid, [self._pixels(ring)], True, 1, thickness=wider, shift=_SHIFT)
        for xy, width in lines:
            thickness = max(1, round((width + 2 * margin) / self._cell))
            cv2.polylines(self._grid, [self._pixels(xy)], False, 1, thickness=thickness, shift=_SHIFT)

    @property
    def cells(self) -> NDArray[np.uint8]:
        """``[rows, columns]`` 1 on drivable ground; cell (r, c) begins at `low` + (c, r) * `cell`."""
        return self._grid

    @property
    def low(self) -> NDArray[np.float64]:
        """x, y where the grid begins [m]."""
        return np.asarray(self._low)

    @property
    def cell(self) -> float:
        """Side of a cell [m]."""
        return self._cell

    def contains(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each point ``[..., 2]`` [m] lies on drivable ground; True everywhere if the map says nothing."""
        if not self.known:
            return np.ones(points.shape[:-1], np.bool_)
        cell = np.floor((points - self._low) / self._cell).astype(np.int64)
        height, width = self._grid.shape
        inside = (cell[..., 0] >= 0) & (cell[..., 0] < width) & (cell[..., 1] >= 0) & (cell[..., 1] < height)
        column, row = np.clip(cell[..., 0], 0, width - 1), np.clip(cell[..., 1], 0, height - 1)
        return np.asarray(inside & (self._grid[row, column] > 0))

    def distance_outside(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """How far each point ``[..., 2]`` [m] lies off drivable ground [m], 0 on it; to about one cell.

        Beyond the grid, which reaches 5 m further than the map, the distance is that at its rim.
        """
        if not self.known:
            return np.zeros(points.shape[:-1])
        cell = np.floor((points - self._low) / self._cell).astype(np.int64)
        height, width = self._grid.shape
        column, row = np.clip(cell[..., 0], 0, width - 1), np.clip(cell[..., 1], 0, height - 1)
        return np.asarray(self._distance[row, column], np.float64)

    def clearance(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """How far each point ``[..., 2]`` [m] lies inside drivable ground, negative outside; between cells linear.

        Inf everywhere if the map says nothing; beyond the grid that at its rim.
        """
        if not self.known:
            return np.full(points.shape[:-1], np.inf)
        place = (np.asarray(points, np.float64) - self._low) / self._cell - 0.5
        height, width = self._grid.shape
        column, row = np.clip(place[..., 0], 0, width - 1.001), np.clip(place[..., 1], 0, height - 1.001)
        left, low = column.astype(np.int64), row.astype(np.int64)
        right, up = column - left, row - low
        here = self._inside
        lower = here[low, left] * (1 - right) + here[low, left + 1] * right
        upper = here[low + 1, left] * (1 - right) + here[low + 1, left + 1] * right
        return np.asarray(lower * (1 - up) + upper * up, np.float64)

    @cached_property
    def depths(self) -> NDArray[np.uint8]:
        """How far the middle of each cell lies off drivable ground, ``[rows, columns]`` [0.05 m], at most 12.75 m.

        Half a cell is taken off, so that it begins with little behind the edge.
        """
        steps = np.ceil((self._distance - self._cell / 2) / DEPTH_STEP)
        return np.asarray(np.where(self._grid > 0, 0, np.clip(steps, 1, 255)), np.uint8)

    @cached_property
    def _distance(self) -> NDArray[np.float32]:
        """Of every cell to the nearest drivable one [m]."""
        return np.asarray(cv2.distanceTransform(1 - self._grid, cv2.DIST_L2, 5) * self._cell, np.float32)

    @cached_property
    def _inside(self) -> NDArray[np.float32]:
        """Of every cell to the edge of the ground, negative off it [m]."""
        inside = cv2.distanceTransform(self._grid, cv2.DIST_L2, 5) * self._cell
        half = self._cell / 2  # the edge lies between the last cell on the ground and the first off it
        return np.asarray(np.where(self._grid > 0, inside - half, half - self._distance), np.float32)

    def _pixels(self, xy: NDArray[Any]) -> NDArray[np.int32]:
        return np.round(((xy - self._low) / self._cell - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _fill(grid: NDArray[np.uint8], ring: NDArray[np.float64]) -> None:
    """Set the cells that a ring winds around; its points ``[P, 2]`` in cells, whole numbers at their middles.

    Every side that crosses the middle of a row of cells changes the winding number of all cells right of it.
    """
    corner = np.maximum(np.floor(ring.min(axis=0)).astype(np.int64), 0)
    a = ring - corner
    b = np.roll(a, -1, axis=0)
    width, height = (np.ceil(a.max(axis=0)).astype(np.int64) + 2).tolist()
    low, high = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
    first = np.ceil(low).astype(np.int64)
    side, row = expand(first, np.ceil(high).astype(np.int64) - first)
    share = (row - a[side, 1]) / (b[side, 1] - a[side, 1])
    column = np.ceil(a[side, 0] + share * (b[side, 0] - a[side, 0])).astype(np.int64)
    winding = np.zeros((height, width), np.int32)
    np.add.at(winding, (row, column), np.where(b[side, 1] > a[side, 1], 1, -1))
    target = grid[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
    target[np.cumsum(winding, axis=1)[: target.shape[0], : target.shape[1]] != 0] = 1


def _rings(network: RoadNetwork) -> list[NDArray[np.float64]]:
    rows = np.flatnonzero(np.isin(network.area_types, [int(t) for t in DRIVABLE_TYPES]))
    drivable = (network.area_types == AreaType.DRIVABLE).any()
    return [network.areas[int(row)][:, :2] for row in rows] if drivable else []
