"""Distance from the drivable area of the map, looked up in a tile around the ego."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType
from zoox_stack.road_network.network import RoadNetwork

_AREAS = (AreaType.DRIVABLE, AreaType.INTERSECTION, AreaType.PARKING, AreaType.BUS_STOP, AreaType.CROSSWALK)
_DEFAULT_WIDTH = 3.5  # [m] of a lane without boundaries or width
_LEEWAY = 40.0  # [m] how far the ego may be from the centre before the tile is drawn anew
_SUBPIXEL = 4  # fractional bits of cv2 polygon corners


class DrivableTile:
    """Raster of the distance to the drivable area; drawn anew when the ego nears its border.

    Args:
        half_side: [m] from the centre of the tile to its border; look-ups beyond give infinity.
        cell: [m].
    """

    def __init__(self, half_side: float = 140.0, cell: float = 0.5) -> None:
        self._half_side, self._cell = half_side, cell
        self._network: RoadNetwork | None = None
        self._corner = np.zeros(2)
        self._distance = np.zeros((0, 0), np.float32)
        self._polygons: list[NDArray[np.float64]] = []
        self._lower = self._upper = np.zeros((0, 2))

    def distance(
        self, network: RoadNetwork, ego_xy: NDArray[np.float64], xy: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Distance of points from the drivable area.

        Args:
            network: The map.
            ego_xy: ``[2]`` where the tile has to be, map frame [m].
            xy: ``[N, 2]`` points, map frame [m].

        Returns:
            ``[N]`` [m]: 0 inside the area, infinity outside the tile or where the map has no drivable area at all.
        """
        centre = self._corner + self._half_side
        if network is not self._network:
            self._take(network)
            self._draw(ego_xy)
        elif bool((np.abs(ego_xy - centre) > _LEEWAY).any()):
            self._draw(ego_xy)
        index = np.floor((xy - self._corner) / self._cell).astype(int)
        size = len(self._distance)
        inside = np.asarray(((index >= 0) & (index < size)).all(axis=1))
        index = np.where(inside[:, None], index, 0)
        return np.where(inside, self._distance[index[:, 1], index[:, 0]], np.inf)

    def _draw(self, ego_xy: NDArray[np.float64]) -> None:
        # The corner lies on whole cells so that the raster does not depend on where along the way it was drawn.
        self._corner = np.floor((ego_xy - self._half_side) / 10.0) * 10.0
        size = int(np.ceil(2 * self._half_side / self._cell))
        blocked = np.full((size, size), 255, np.uint8)
        near = (self._upper >= self._corner).all(axis=1) & (self._lower <= self._corner + 2 * self._half_side).all(
            axis=1
        )
        for row in np.flatnonzero(near):
            polygon = self._polygons[row]
            corners = np.round(((polygon - self._corner) / self._cell - 0.5) * (1 << _SUBPIXEL)).astype(np.int32)
            cv2.fillPoly(blocked, [corners], 0, shift=_SUBPIXEL)
        if blocked.all():
            self._distance = np.full((size, size), np.inf, np.float32)
        else:
            self._distance = np.asarray(cv2.distanceTransform(blocked, cv2.DIST_L2, 5) * np.float32(self._cell))

    def _take(self, network: RoadNetwork) -> None:
        """Keep the polygons of a map and their bounding rectangles."""
        self._network = network
        self._polygons = _polygons(network)
        self._lower = np.array([polygon.min(axis=0) for polygon in self._polygons]).reshape(-1, 2)
        self._upper = np.array([polygon.max(axis=0) for polygon in self._polygons]).reshape(-1, 2)


def _polygons(network: RoadNetwork) -> list[NDArray[np.float64]]:
    """Outlines ``[., 2]`` of the drivable areas and of all lanes."""
    polygons = [np.asarray(network.areas[i][:, :2]) for i, t in enumerate(network.area_types) if t in _AREAS]
    for i in range(len(network.lane_ids)):
        left, right = network.left_boundaries[i][:, :2], network.right_boundaries[i][:, :2]
        if len(left) < 2 or len(right) < 2:
            line = network.centre_lines[i][:, :2]
            tangent = np.gradient(line, axis=0)
            normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
            normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
            width = network.lane_widths[i] if np.isfinite(network.lane_widths[i]) else _DEFAULT_WIDTH
            left, right = line + normal * width / 2, line - normal * width / 2
        polygons.append(np.concatenate([left, right[::-1]]))
    return polygons
