"""Lanes beside each other, through intersections too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.network import RoadNetwork


def lanes_beside(network: RoadNetwork, predecessors: Ragged, side: int) -> NDArray[np.int64]:
    """The lane to the left (`side` 1) or right (-1) of each lane in its direction, ``[L]``, -1 without one.

    Maps often leave out which lanes of an intersection run side by side. Two do that lead from lanes side by side to
    lanes side by side.

    Args:
        network: The map.
        predecessors: Lane rows that lead into each lane.
        side: 1 left, -1 right.
    """
    table = (network.left_neighbours if side > 0 else network.right_neighbours).astype(np.int64)
    found = table.copy()
    for row in np.flatnonzero(network.lane_in_intersection & (table < 0)):
        before = {int(table[a]) for a in predecessors[int(row)]} - {-1}
        after = {int(table[a]) for a in network.successors[int(row)]} - {-1}
        beside = [
            int(lane)
            for a in sorted(before)
            for lane in network.successors[a]
            if network.lane_in_intersection[lane] and after.intersection(map(int, network.successors[int(lane)]))
        ]
        if beside:
            found[row] = beside[0]
    return found
