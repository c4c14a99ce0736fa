"""Where a predicted vehicle is off the road, as far as the map can say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.queries import LaneIndex


class KnownRoad:
    """The drivable ground of a map and how far the map reaches.

    Args:
        lanes: Driving lanes of the map, None without one.
    """

    def __init__(self, lanes: LaneIndex | None) -> None:
        grid = None if lanes is None else DrivableGrid(lanes)
        self._grid = grid if grid is not None and grid.known else None
        if lanes is not None:
            points = np.concatenate([lanes.network.areas.values, lanes.network.centre_lines.values])[:, :2]
            self._low, self._high = points.min(axis=0, initial=np.inf), points.max(axis=0, initial=-np.inf)

    def carries(self, ways: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether every point of each way ``[R, T, 2]`` is on drivable ground; what really happened and is not shows
        where the map is wrong. False without a map.
        """
        if self._grid is None or not len(ways):
            return np.zeros(len(ways), np.bool_)
        return np.asarray(self._grid.contains(ways).all(axis=1))

    def off(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points ``[..., 2]`` are off the road; those beyond the last lane and area of the map are not, since
        nobody knows what is there.
        """
        if self._grid is None:
            return np.zeros(points.shape[:-1], np.bool_)
        inside = ((points >= self._low) & (points <= self._high)).all(axis=-1)
        return np.asarray(inside & ~self._grid.contains(points))
