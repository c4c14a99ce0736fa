"""From a route over SUMO's edges to one over lanes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any

import networkx as nx

from zoox_stack.core.classes import LaneType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.sumo_net import SumoNet
from zoox_stack.road_network.queries import DRIVING_TYPES

LANE_CHANGE = 30.0  # [m] that a lane change counts like
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
    lanes = _lanes_of_edges(net, (LaneType.VEHICLE,))
    unknown = [edge for edge in edges if edge not in lanes]
    if unknown or not edges:
        raise InvalidInputError(f"route in {net.network.name}", "edges with lanes for cars", f"{unknown or 'no edge'}")
    graph = _graph(net, [lanes[edge] for edge in edges])
    for row in lanes[edges[0]]:
        graph.add_edge("start", (0, row), weight=0.0, way=())
    for row in lanes[edges[-1]]:
        graph.add_edge((len(edges) - 1, row), "end", weight=0.0, way=())
    try:
        nodes = nx.shortest_path(graph, "start", "end", weight="weight")
    except nx.NetworkXNoPath as error:
        found = " ".join(edges)
        raise InvalidInputError(f"route in {net.network.name}", "edges that lead into each other", found) from error
    return _rows(graph, nodes[:-1])


def lane_chain(net: SumoNet, edges: Sequence[str], start: int) -> list[int]:
    """As `lane_route`, from a given lane on, and only as far as the lanes lead along the route.

    Args:
        net: The town.
        edges: The rest of a route: begins with the edge of `start` or, if that lies inside a junction, with the edge
            before the junction.
        start: Row of a driving lane.

    Raises:
        InvalidInputError: `start` is not a driving lane.
    """
    if not 0 <= start < len(net.network.lane_ids) or net.network.lane_types[start] not in DRIVING_TYPES:
        raise InvalidInputError("start of a lane chain", "a row of a driving lane", str(start))
    every = _lanes_of_edges(net, DRIVING_TYPES)
    lanes = [every.get(edge, []) for edge in edges]
    graph = _graph(net, lanes)
    graph.add_edge("start", (0, start), weight=0.0, way=())
    if len(lanes) > 1 and start not in lanes[0]:
        for goal, way in _connections(net, start, set(lanes[1])).items():
            graph.add_edge((0, start), (1, goal), weight=1.0, way=way)
    cost, ways = nx.single_source_dijkstra(graph, "start", weight="weight")
    farthest = max((node for node in cost if node != "start"), key=lambda node: (node[0], -cost[node], -node[1]))
    return _rows(graph, ways[farthest])


def _graph(net: SumoNet, lanes: Sequence[Collection[int]]) -> nx.DiGraph[Any]:
    """Nodes are (place of the edge in the route, lane row)."""
    graph: nx.DiGraph[Any] = nx.DiGraph()
    for place, rows in enumerate(lanes):
        following = set(lanes[place + 1]) if place + 1 < len(lanes) else set()
        for row in rows:
            graph.add_node((place, row))
            for table in (net.network.left_neighbours, net.network.right_neighbours):
                if int(table[row]) in rows:
                    graph.add_edge((place, row), (place, int(table[row])), weight=LANE_CHANGE, way=())
            for goal, way in _connections(net, row, following).items():
                graph.add_edge((place, row), (place + 1, goal), weight=1.0, way=way)
    return graph


def _rows(graph: nx.DiGraph[Any], nodes: Sequence[Any]) -> list[int]:
    """Lane rows of a path of nodes that begins with the node ``start``."""
    rows: list[int] = []
    for before, node in pairwise(nodes):
        rows += [*graph.edges[before, node]["way"], node[1]]
    return rows


def _lanes_of_edges(net: SumoNet, types: Iterable[LaneType]) -> dict[str, list[int]]:
    lanes: dict[str, list[int]] = {}
    wanted = set(types)
    for name, row in net.lane_rows.items():
        if int(net.network.lane_types[row]) in wanted and not name.startswith(":"):
            lanes.setdefault(name.rsplit("_", 1)[0], []).append(row)
    return lanes


def _connections(net: SumoNet, row: int, goals: set[int]) -> dict[int, tuple[int, ...]]:
    """Rows of `goals` that `row` leads into, with the rows inside the junction that lie between."""
    found: dict[int, tuple[int, ...]] = {}
    waiting: deque[tuple[int, tuple[int, ...]]] = deque([(row, ())])
    while waiting:
        current, way = waiting.popleft()
        for following in map(int, net.network.successors[current]):
            if following in goals:
                found.setdefault(following, way)
            elif net.network.lane_in_intersection[following] and len(way) < _LONGEST_CONNECTION:
                waiting.append((following, (*way, following)))
    return found
