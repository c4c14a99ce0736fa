"""The lanes of a SUMO route: which lane of the map a vehicle takes on each edge and through each junction."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.sumo_net import SumoNet
from zoox_stack.road_network.queries import LaneIndex

LANE_CHANGE = 3.0  # cost of a lane change, in lanes driven


def lane_chain(net: SumoNet, index: LaneIndex, edges: Sequence[str], start: int) -> list[int]:
    """Rows of the lanes along a route with the fewest lane changes.

    Dijkstra's algorithm over (lane, how far along the edges). Where the lanes do not reach the end of the route, the
    chain goes as far as they do.

    Args:
        net: The map with SUMO's names.
        index: Of `net.network`.
        edges: The route, beginning with the edge that `start` belongs to or, in a junction, leads away from.
        start: Row of the lane to begin on.

    Raises:
        InvalidInputError: `start` is not a lane to drive on.
    """
    if start not in index.lines:
        raise InvalidInputError("start of a lane chain", "a row of a driving lane", str(start))
    network = net.network
    edge_of = {row: name.rsplit("_", 1)[0] for name, row in net.lane_rows.items()}
    first = (start, 0)
    cost, before = {first: 0.0}, {first: first}
    queue = [(0.0, first)]
    best = first
    while queue:
        spent, state = heapq.heappop(queue)
        row, along = state
        if spent > cost[state]:
            continue
        if along > best[1]:
            best = state
            if along == len(edges) - 1:
                break
        ahead = [(int(n), 1.0) for n in network.successors[row]]
        beside = [(int(table[row]), LANE_CHANGE) for table in (network.left_neighbours, network.right_neighbours)]
        for following, price in [*ahead, *(b for b in beside if b[0] >= 0 and edge_of.get(b[0]) == edge_of.get(row))]:
            edge = edge_of.get(following, "")
            if following not in index.lines:
                continue
            reached = along
            if price == 1.0 and not edge.startswith(":"):
                if along + 1 >= len(edges) or edge != edges[along + 1]:
                    continue
                reached = along + 1
            after = (following, reached)
            if spent + price < cost.get(after, np.inf):
                cost[after], before[after] = spent + price, state
                heapq.heappush(queue, (spent + price, after))
    chain = [best]
    while chain[-1] != first:
        chain.append(before[chain[-1]])
    return [row for row, _ in reversed(chain)]
