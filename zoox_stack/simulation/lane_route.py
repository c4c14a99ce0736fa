"""From a route over SUMO's edges to one over lanes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import networkx as nx

from zoox_stack.core.classes import LaneType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.sumo_net import SumoNet

_LANE_CHANGE = 20.0  # [m] a lane change counts like this much way
_LONGEST_CONNECTION = 4  # lanes inside a junction, one after the other


def lane_route(net: SumoNet, edges: Sequence[str]) -> list[int]:
    """Lane rows along a route, those inside junctions too, with as few lane changes as can be.

    Where the next row is not a successor it is the neighbour to change to on the same edge.

    Args:
        net: The town.
        edges: Ordinary SUMO edges in driving order; one may occur twice.

    Raises:
        InvalidInputError: Unknown edge, or no lanes for cars that lead along the route.
    """
    lanes = _lanes_of_edges(net)
    unknown = [edge for edge in edges if edge not in lanes]
    if unknown or not edges:
        raise InvalidInputError(f"route in {net.network.name}", "edges with lanes for cars", f"{unknown or 'no edge'}")
    graph = nx.DiGraph()
    for place, edge in enumerate(edges):
        rows = lanes[edge]
        for row in rows:
            graph.add_node((place, row))
            for table in (net.network.left_neighbours, net.network.right_neighbours):
                if int(table[row]) in rows:
                    graph.add_edge((place, row), (place, int(table[row])), weight=_LANE_CHANGE, way=())
            if place + 1 < len(edges):
                for goal, way in _connections(net, row, set(lanes[edges[place + 1]])).items():
                    graph.add_edge((place, row), (place + 1, goal), weight=1.0, way=way)
    for row in lanes[edges[0]]:
        graph.add_edge("start", (0, row), weight=0.0, way=())
    for row in lanes[edges[-1]]:
        graph.add_edge((len(edges) - 1, row), "end", weight=0.0, way=())
    try:
        nodes = nx.shortest_path(graph, "start", "end", weight="weight")
    except nx.NetworkXNoPath as error:
        found = " ".join(edges)
        raise InvalidInputError(f"route in {net.network.name}", "edges that lead into each other", found) from error
    route: list[int] = []
    for before, node in pairwise(nodes[:-1]):
        route += [*graph.edges[before, node]["way"], node[1]]
    return route


def _lanes_of_edges(net: SumoNet) -> dict[str, list[int]]:
    lanes: dict[str, list[int]] = {}
    for name, row in net.lane_rows.items():
        if net.network.lane_types[row] == LaneType.VEHICLE and not name.startswith(":"):
            lanes.setdefault(name.rsplit("_", 1)[0], []).append(row)
    return lanes


def _connections(net: SumoNet, row: int, goals: set[int]) -> dict[int, tuple[int, ...]]:
    """Rows of `goals` that `row` leads into, with the rows inside the junction that lie between."""
    found: dict[int, tuple[int, ...]] = {}
    waiting = deque([(row, ())])
    while waiting:
        current, way = waiting.popleft()
        for following in map(int, net.network.successors[current]):
            if following in goals:
                found.setdefault(following, way)
            elif net.network.lane_in_intersection[following] and len(way) < _LONGEST_CONNECTION:
                waiting.append((following, (*way, following)))
    return found
