"""Lanes as a graph: what it costs to drive along them and to change between them, and the cheapest way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np

from zoox_stack.core.classes import LaneType, LineType
from zoox_stack.planning.lane_ends import LaneEnd
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.road_network.queries import LaneIndex, shared_stretch

CLOSED_LINES = (LineType.SOLID_WHITE, LineType.SOLID_YELLOW, LineType.DOUBLE_SOLID, LineType.KERB)  # not crossed
_MISFIT_COST = 1.0  # [s/m] that an end of the route on a lane that fits less well counts
_START, _GOAL = ("start", -1), ("goal", -1)


@dataclass(frozen=True)
class LaneWay:
    """A way over lanes.

    Attributes:
        rows: Lane rows in driving order; where the next is not a successor it is the neighbour to change to.
        start: Where it begins, on the first lane.
        goal: Where it ends, on the last lane.
    """

    rows: tuple[int, ...]
    start: LaneEnd
    goal: LaneEnd


class LaneGraph:
    """Driving lanes, with two nodes each: where one comes onto a lane and where one leaves it at its end.

    From the first node of a lane one drives to its end, or to the end of a lane beside it, over one or more changes.
    Between neighbours one may change where no line forbids it and each change has `least_change_room` along the road;
    on the first and the last lane only what lies between the start and the goal counts.

    A way costs its driving time at the speed limits, and `lane_change_cost` for each change: a gap has to be found,
    and a change that fails means a detour. With less room than `lane_change_time` at the limit the change costs more
    in the same ratio, so that a route changes where there is room. Lanes for buses are left but not entered.

    Args:
        index: The map.
        config: Parameters.
    """

    def __init__(self, index: LaneIndex, config: RouteConfig) -> None:
        self._index, self._config = index, config
        network, lines = index.network, index.lines
        limits = network.lane_speed_limits.astype(np.float64)
        self._speed = np.where(np.isfinite(limits), limits, config.unknown_limit)
        self._bus = network.lane_types == LaneType.BUS
        self._shared: dict[tuple[int, int], tuple[float, float]] = {}
        self._graph: nx.DiGraph[Any] = nx.DiGraph()
        self._chains = {row: self._chains_from(row) for row in sorted(lines)}
        self._chains_to: dict[int, list[tuple[int, ...]]] = {row: [] for row in self._chains}
        for row, chains in self._chains.items():
            for chain in chains:
                self._chains_to[chain[-1]].append(chain)
                self._drive(("in", row), ("out", chain[-1]), chain, 0.0, lines[chain[-1]].length)
            for following in map(int, network.successors[row]):
                if following in lines and self._may_enter(row, following):
                    self._graph.add_edge(("out", row), ("in", following), cost=0.0, rows=())

    def speed(self, row: int) -> float:
        """Speed that a lane is driven with [m/s]: its limit, or the parameter where the map gives none."""
        return float(self._speed[row])

    def cheapest(
        self, starts: Sequence[LaneEnd], goals: Sequence[LaneEnd], closed: Mapping[int, float] | None = None
    ) -> LaneWay | None:
        """The cheapest way from one of the starts to one of the goals, by Dijkstra's algorithm; None without any.

        Args:
            starts: Where it may begin.
            goals: Where it may end.
            closed: Places that nobody gets past: arc lengths along lanes [m], by row. Nobody changes to or from such a
                lane.
        """
        try:
            self._add(starts, goals)
            weight = _open_cost(closed) if closed else "cost"
            nodes = nx.bidirectional_dijkstra(self._graph, _START, _GOAL, weight=weight)[1]
            rows = [row for edge in pairwise(nodes) for row in self._graph.edges[edge]["rows"]]
        except nx.NetworkXNoPath:
            return None
        finally:
            self._remove(starts, goals)
        return LaneWay(
            tuple(rows),
            next(start for start in starts if start.row == nodes[1][1]),
            next(goal for goal in goals if goal.row == nodes[-2][1]),
        )

    def reachable(self, starts: Sequence[LaneEnd]) -> list[int]:
        """Rows of the lanes to whose end one can get from one of the starts."""
        try:
            self._add(starts, ())
            return sorted(row for kind, row in nx.descendants(self._graph, _START) if kind == "out")
        finally:
            self._remove(starts, ())

    def beside(self, end: LaneEnd) -> list[LaneEnd]:
        """Places on the lanes next to one, which can be changed to."""
        others = [chain[1] for chain in self._chains[end.row] if len(chain) == 2]
        place = self._index.lines[end.row].at([end.s])[0]
        feet = [self._index.lines[row].project(place) for row in others]
        return [
            LaneEnd(row, float(foot.s[0]), abs(float(foot.d[0])))
            for row, foot in zip(others, feet, strict=True)
            if 0.0 <= foot.s[0] <= self._index.lines[row].length
        ]

    def _add(self, starts: Iterable[LaneEnd], goals: Iterable[LaneEnd]) -> None:
        """Ends of a route as nodes."""
        goals = list(goals)
        lines = self._index.lines
        self._graph.add_nodes_from((_START, _GOAL))
        for start in starts:
            node = ("start", start.row)
            self._graph.add_edge(_START, node, cost=_MISFIT_COST * start.misfit, rows=())
            for chain in self._chains[start.row]:
                self._drive(node, ("out", chain[-1]), chain, start.s, lines[chain[-1]].length)
                for goal in goals:
                    if goal.row == chain[-1]:
                        self._drive(node, ("goal", goal.row), chain, start.s, goal.s)
        for goal in goals:
            node = ("goal", goal.row)
            self._graph.add_edge(node, _GOAL, cost=_MISFIT_COST * goal.misfit, rows=())
            for chain in self._chains_to[goal.row]:
                self._drive(("in", chain[0]), node, chain, 0.0, goal.s)

    def _remove(self, starts: Iterable[LaneEnd], goals: Iterable[LaneEnd]) -> None:
        self._graph.remove_nodes_from([_START, *(("start", start.row) for start in starts)])
        self._graph.remove_nodes_from([_GOAL, *(("goal", goal.row) for goal in goals)])

    def _drive(self, node: Any, other: Any, chain: tuple[int, ...], begin: float, end: float) -> None:
        """Drive along neighbouring lanes, from `begin` on the first to `end` on the last [m], if there is room."""
        changes = len(chain) - 1
        room = self._room(chain, begin, end)
        if room < (changes * self._config.least_change_room if changes else -self._config.goal_tolerance):
            return
        seconds = max(end - (0.0 if changes else begin), 0.0) / self.speed(chain[-1])
        if changes:
            seconds -= begin / self.speed(chain[0])  # what of the first lane lies behind the start
            wanted = changes * self._config.lane_change_time * self.speed(chain[0])
            seconds = max(seconds, 0.0) + changes * self._config.lane_change_cost * max(1.0, wanted / room)
        self._graph.add_edge(node, other, cost=seconds, rows=chain, begin=begin, end=end)

    def _room(self, chain: tuple[int, ...], begin: float, end: float) -> float:
        """Way along the first lane on which all lanes of a chain lie side by side, between two places [m]."""
        if len(chain) == 1:
            return end - begin
        lines = self._index.lines
        first = lines[chain[0]]
        low, high = begin, float(first.project(lines[chain[-1]].at([end])[0]).s[0])
        for row, other in pairwise(chain):
            low_here, high_here = first.project(lines[row].at(self._side_by_side(row, other))[0]).s.tolist()
            low, high = max(low, low_here), min(high, high_here)
        return high - low

    def _side_by_side(self, row: int, other: int) -> tuple[float, float]:
        key = (row, other)
        if key not in self._shared:
            self._shared[key] = shared_stretch(self._index.lines[row], self._index.lines[other])
        return self._shared[key]

    def _chains_from(self, row: int) -> list[tuple[int, ...]]:
        """The lane alone, and with those that one can change to on either side."""
        network = self._index.network
        chains: list[tuple[int, ...]] = [(row,)]
        for neighbours, marks in (
            (network.left_neighbours, network.left_boundary_types),
            (network.right_neighbours, network.right_boundary_types),
        ):
            chain: tuple[int, ...] = (row,)
            while marks[chain[-1]] not in CLOSED_LINES:
                other = int(neighbours[chain[-1]])
                if other not in self._index.lines or other in chain or not self._may_enter(chain[-1], other):
                    break
                chain = (*chain, other)
                chains.append(chain)
        return chains

    def _may_enter(self, row: int, other: int) -> bool:
        return bool(self._bus[row] or not self._bus[other])


def _open_cost(closed: Mapping[int, float]) -> Callable[[Any, Any, Mapping[str, Any]], float | None]:
    """Cost of an edge; None, which hides it, where it leads onto a closed lane or past the closed place of one."""

    def cost(_node: Any, _other: Any, edge: Mapping[str, Any]) -> float | None:
        rows = edge["rows"]
        if closed.keys().isdisjoint(rows):
            return float(edge["cost"])
        passes = len(rows) > 1 or edge["begin"] < closed[rows[0]] < edge["end"]
        return None if passes else float(edge["cost"])

    return cost
