"""The shortest way over lanes, their successors and lane changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.lane_search import LaneSearch
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline

LANE_CHANGE = 30.0  # [m] that a lane change counts like
OFF_CENTRE = 20.0  # a point that lies a metre beside a lane counts like so many metres of way
_CLOSED = (LineType.SOLID_WHITE, LineType.SOLID_YELLOW, LineType.DOUBLE_SOLID, LineType.KERB)


class RouteGraph:
    """Lanes as a graph: along successors, and to a neighbour where the line between them may be crossed.

    A way costs the length of its lanes, and `LANE_CHANGE` for each change between neighbours, which shares the length
    of one lane between the two.

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
                if other in lines and marks[row] not in _CLOSED:
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
            raise self._no_way(
                f"lane {self._ids[start_row]}", f"lane {self._ids[goal_row]}", "no way between them"
            ) from error

    def through(self, points: NDArray[Any], search: LaneSearch, max_distance: float) -> tuple[int, ...]:
        """Lane rows of the shortest way past points ``[K, 2]`` [m] in their order, see `LaneIndex.route_through`."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if len(points) < 2:
            raise InvalidInputError("points of a route", "at least two", f"{len(points)}")
        ways: dict[int, tuple[float, tuple[int, ...]]] = {}
        before: dict[int, float] = {}  # where along its lane each way has come to [m]
        for number, point in enumerate(points):
            near = _lanes_at(point, search, max_distance)
            if not near:
                raise InvalidInputError(
                    f"point {number} of a route",
                    f"a lane of the network '{self._name}' within {max_distance:g} m",
                    f"none at ({point[0]:.1f}, {point[1]:.1f})",
                )
            reached = {row: float(self._lines[row].project(point[None]).s[0]) for row in near}
            if number == 0:
                ways = {row: (OFF_CENTRE * off, (row,)) for row, off in near.items()}
            else:
                ways = self._onward(ways, before, near, reached)
            if not ways:
                a, b = points[number - 1], point
                raise self._no_way(f"({a[0]:.1f}, {a[1]:.1f})", f"({b[0]:.1f}, {b[1]:.1f})", "no way between them")
            before = reached
        return min(ways.values())[1]

    def _onward(
        self,
        ways: dict[int, tuple[float, tuple[int, ...]]],
        before: dict[int, float],
        near: dict[int, float],
        reached: dict[int, float],
    ) -> dict[int, tuple[float, tuple[int, ...]]]:
        """Cheapest continuation of the ways to each lane of the next point."""
        best: dict[int, tuple[float, tuple[int, ...]]] = {}
        for start, (cost, rows) in ways.items():
            lengths, paths = nx.single_source_dijkstra(self._graph, start, weight="cost")
            for goal, off in near.items():
                if goal == start and reached[goal] < before[start] - 1.0:
                    found = self._round(start, lengths, paths)
                elif goal in paths:
                    found = lengths[goal], paths[goal][1:]
                else:
                    continue
                if found is not None:
                    total = cost + found[0] + OFF_CENTRE * off
                    best[goal] = min(best.get(goal, (np.inf, ())), (total, (*rows, *found[1])))
        return best

    def _round(
        self, row: int, lengths: Mapping[int, float], paths: Mapping[int, list[int]]
    ) -> tuple[float, list[int]] | None:
        """The cheapest way that leaves a lane and comes back to its start."""
        back = [
            (lengths[before] + self._lines[row].length, [*paths[before][1:], row])
            for before in self._graph.predecessors(row)
            if before in lengths and self._graph.edges[before, row]["cost"] == self._lines[row].length
        ]
        return min(back) if back else None

    def _no_way(self, start: str, goal: str, found: str) -> InvalidInputError:
        return InvalidInputError(
            f"route from {start} to {goal}",
            f"a way over the lanes of the network '{self._name}'",
            found,
            "`zoox-stack map check` names lanes that lead nowhere",
        )


def _lanes_at(point: NDArray[np.float64], search: LaneSearch, max_distance: float) -> dict[int, float]:
    """Distance [m] to each lane near a point, by row."""
    hits = search.near(point[None], max_distance)
    rows = np.unique(hits.rows)
    return {int(row): float(hits.distance[hits.rows == row].min()) for row in rows}
