"""Where people walk and where vehicles drive, as grids for fast look-ups."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType
from zoox_stack.road_network.network import RoadNetwork

_CELL = 0.2  # [m]
_LARGEST_GRID = 6_000_000  # cells; larger maps get larger ones
_RIM = 2.0  # [m] of grid around the map
_KERB = 0.4  # [m] those who do not cross keep from the roadway
_FARTHEST = 2.5  # [m] from where SUMO has them
_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates


class Ground:
    """Sidewalks, crossings and roadways (the strips of all lanes) of a map.

    Args:
        network: The map.
    """

    def __init__(self, network: RoadNetwork) -> None:
        sidewalks, crossings = (
            [network.areas[row][:, :2] for row in np.flatnonzero(network.area_types == kind).tolist()]
            for kind in (AreaType.SIDEWALK, AreaType.CROSSWALK)
        )
        strips = [
            np.concatenate([network.left_boundaries[row][:, :2], network.right_boundaries[row][::-1, :2]])
            for row in range(len(network.lane_ids))
        ]
        points = np.concatenate([*sidewalks, *crossings, *strips])
        self._low = points.min(axis=0) - _RIM
        span = points.max(axis=0) + _RIM - self._low
        self._cell = max(_CELL, float(np.sqrt(span.prod() / _LARGEST_GRID)))
        self._shape = tuple(np.ceil(span / self._cell).astype(int)[::-1].tolist())
        self._road = self._drawn(strips)
        off_road = self._distance_to(self._road) > _KERB
        self._clear = self._drawn(sidewalks) & off_road
        self._within = self._distance_to(~(self._clear | self._drawn(crossings)))
        self._last = np.array(self._shape[::-1]) - 1
        self._nearest = self._nearest_clear()

    def within_footway(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far inside crossings and sidewalks each point ``[..., 2]`` lies [m], 0 off them; to about a cell."""
        return np.asarray(self._within.take(self._cells(xy)), np.float64)

    def on_roadway(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each point ``[..., 2]`` lies in the strip of a lane; crossings do."""
        return np.asarray(self._road.take(self._cells(xy)))

    def beside_road(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points ``[P, 2]`` put on the nearest sidewalk off the roadway; those are left that have none near."""
        if not len(xy):
            return xy
        cells = self._cells(xy)
        nearest = self._nearest.take(cells)
        away = np.flatnonzero(nearest != cells)
        if not len(away):
            return xy
        width = self._shape[1]
        rows, columns = np.divmod(np.stack([nearest[away], cells[away]]), width)
        move = np.stack([columns[0] - columns[1], rows[0] - rows[1]], axis=1) * self._cell
        near = np.hypot(move[:, 0], move[:, 1]) <= _FARTHEST
        moved = xy.copy()
        moved[away[near]] += move[near]
        return moved

    def _nearest_clear(self) -> NDArray[np.int64]:
        """Flat index of the clear cell that is nearest to each cell ``[H * W]``; its own where none is clear."""
        if not self._clear.any():
            return np.arange(self._clear.size)
        blocked = (~self._clear).astype(np.uint8)
        label = cv2.distanceTransformWithLabels(blocked, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1].ravel()
        clear = np.flatnonzero(self._clear)
        cell_of = np.zeros(label.max() + 1, np.int64)
        cell_of[label[clear]] = clear
        return cell_of[label]

    def _drawn(self, rings: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
        grid = np.zeros(self._shape, np.uint8)
        for ring in rings:
            pixels = np.round(((ring - self._low) / self._cell - 0.5) * (1 << _SHIFT)).astype(np.int32)
            cv2.fillPoly(grid, [pixels], 1, shift=_SHIFT)
        return grid > 0

    def _distance_to(self, grid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Of every cell to the nearest one that is set [m]."""
        return np.asarray(cv2.distanceTransform((~grid).astype(np.uint8), cv2.DIST_L2, 5) * self._cell, np.float32)

    def _cells(self, xy: NDArray[np.float64]) -> NDArray[np.int64]:
        """Flat indices; beyond the map those of its rim, where there is nothing."""
        cell = ((xy - self._low) * (1.0 / self._cell)).astype(np.int64)  # rounds towards zero, which is the rim
        np.maximum(cell, 0, out=cell)
        np.minimum(cell, self._last, out=cell)
        return np.asarray(cell[..., 1] * self._shape[1] + cell[..., 0])
