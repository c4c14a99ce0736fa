"""The shortest way over lanes, their successors and lane changes."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from zoox_stack.core.classes import LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import shared_stretch

LANE_CHANGE = 30.0  # [m] that a lane change counts like
LEAST_SHARED = 5.0  # [m] that two lanes must lie side by side to change between them
CLOSED_LINES = (LineType.SOLID_WHITE, LineType.SOLID_YELLOW, LineType.DOUBLE_SOLID, LineType.KERB)  # not crossed


class RouteGraph:
    """Lanes as a graph: along successors, and to a neighbour where the line between them may be crossed.

    Neighbours must lie side by side for `LEAST_SHARED` metres. A way costs the length of its lanes, and `LANE_CHANGE`
    for each change between neighbours, which shares the length of one lane between the two.

    Args:
        network: The map.
        lines: The lanes that may be used, by row.
    """

    def __init__(self, network: RoadNetwork, lines: Mapping[int, Polyline]) -> None:
        self._name, self._ids = network.name, network.lane_ids
        self._lines = lines
        self._graph = nx.DiGraph()
        self._graph.add_nodes_from(sorted(lines))
        sides = (
            (network.left_neighbours, network.left_boundary_types),
            (network.right_neighbours, network.right_boundary_types),
        )
        for row in sorted(lines):
            for neighbours, marks in sides:
                other = int(neighbours[row])
                if other not in lines or marks[row] in CLOSED_LINES:
                    continue
                start, end = shared_stretch(lines[row], lines[other])
                if end - start >= LEAST_SHARED:
                    self._graph.add_edge(row, other, cost=LANE_CHANGE)
            for following in map(int, network.successors[row]):
                if following in lines:
                    self._graph.add_edge(row, following, cost=lines[following].length)

    def route(self, start_row: int, goal_row: int) -> tuple[int, ...]:
        """Lane rows of the shortest way, both ends included, as `LaneIndex.path_of` takes them.

        Raises:
            InvalidInputError: A row that is no lane to drive on, or no way from one to the other.
        """
        for row in (start_row, goal_row):
            if row not in self._lines:
                raise InvalidInputError("end of a route", "the row of a driving lane", f"{row}")
        try:
            return tuple(nx.bidirectional_dijkstra(self._graph, start_row, goal_row, weight="cost")[1])
        except nx.NetworkXNoPath as error:
            raise InvalidInputError(
                f"route from lane {self._ids[start_row]} to lane {self._ids[goal_row]}",
                f"a way over the lanes of the network '{self._name}'",
                "no way between them",
                "`zoox-stack map check` names lanes that lead nowhere",
            ) from error
