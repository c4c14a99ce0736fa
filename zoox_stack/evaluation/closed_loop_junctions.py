"""Junctions along a route by kind, and when a drive passes them: where one planner does better than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import networkx as nx
import numpy as np

from zoox_stack.core.classes import LaneTurn
from zoox_stack.core.plans import Route
from zoox_stack.evaluation.closed_loop_drive import LEAST_STEPS, ClosedLoopDrive
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex

APPROACH, DEPARTURE = 40.0, 10.0  # [m] before and after a junction that belong to passing it
_LARGEST_CIRCLE = 200.0  # [m] around a roundabout


class JunctionKind(StrEnum):
    """What a junction asks of who drives through it; the first that fits."""

    ROUNDABOUT = "roundabout"  # from before its entry until after its exit
    MERGE = "merge"  # out of a lane that ends; or straight on without signals into the lane of those with priority
    UNPROTECTED_LEFT = "unprotected_left"  # giving way while turning left, with or without signals
    SIGNALS = "signals"
    GIVE_WAY = "give_way"
    RIGHT_OF_WAY = "right_of_way"


@dataclass(frozen=True)
class Junction:
    """One junction on a route.

    Attributes:
        number: Along the route, from 0.
        kind: What it asks.
        start: Where its approach begins on the route [m].
        end: Where it is left behind [m].
    """

    number: int
    kind: JunctionKind
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Passage:
    """The part of a drive in which a junction is passed.

    Attributes:
        junction: Which.
        drive: From its approach on; if it was not left behind, to the end of the drive.
        passed: Whether it was left behind.
    """

    junction: Junction
    drive: ClosedLoopDrive
    passed: bool


class JunctionFinder:
    """Finds the junctions of routes on one map.

    Args:
        index: The map.
    """

    def __init__(self, index: LaneIndex) -> None:
        self._index = index
        network = index.network
        self._signalled = {int(lane) for lanes in network.signal_lanes for lane in lanes}
        graph: nx.DiGraph[int] = nx.DiGraph()
        for row, line in index.lines.items():
            graph.add_weighted_edges_from((row, int(k), line.length) for k in network.successors[row])
        graph.remove_nodes_from([row for row in graph if network.lane_turns[row] == LaneTurn.U_TURN])
        self._graph = graph
        self._circles: dict[int, bool] = {}

    def along(self, route: Route) -> tuple[Junction, ...]:
        """All junctions of a route in driving order; their approaches do not overlap."""
        index, network = self._index, self._index.network
        if len(route.lane_ids):
            path = index.path_of(index.rows_of(route.lane_ids.tolist()))
        else:
            path = index.path_along(Polyline.from_points(route.points))
        runs = path.runs()
        rows = [row for row, _, _ in runs]
        ends = [
            not len(network.successors[row]) and after >= 0 for row, after in zip(rows, [*rows[1:], -1], strict=True)
        ]
        found: list[Junction] = []
        inside: list[int] = []
        begin, before = 0.0, -1
        for number, (row, start, _) in enumerate([*runs, (-1, path.line.length, path.line.length)]):
            merging = number < len(runs) and (ends[number] or (number > 0 and ends[number - 1]))
            if row >= 0 and (network.lane_in_intersection[row] or merging or self._circular(row)):
                begin = begin if inside else start
                inside.append(row)
                continue
            if inside:
                last = found[-1].end if found else 0.0
                stop = min(start + DEPARTURE, path.line.length)
                found.append(Junction(len(found), self._kind(inside, before), max(begin - APPROACH, last), stop))
                inside = []
            before = row
        return tuple(found)

    def _kind(self, inside: Sequence[int], before: int) -> JunctionKind:
        network = self._index.network
        if any(self._circular(row) for row in inside):
            return JunctionKind.ROUNDABOUT
        if any(not len(network.successors[row]) for row in inside):
            return JunctionKind.MERGE
        priority = [int(other) for row in inside for other in network.yields[row]]
        turns = {LaneTurn(int(network.lane_turns[row])) for row in inside}
        if priority and LaneTurn.LEFT in turns:
            return JunctionKind.UNPROTECTED_LEFT
        if self._signalled & {*inside, before}:
            return JunctionKind.SIGNALS
        if not priority:
            return JunctionKind.RIGHT_OF_WAY
        goals = {int(k) for row in inside for k in network.successors[row]}
        into = all(goals & {int(k) for k in network.successors[other]} for other in priority)
        straight = turns <= {LaneTurn.STRAIGHT, LaneTurn.UNKNOWN}
        return JunctionKind.MERGE if into and straight else JunctionKind.GIVE_WAY

    def _circular(self, row: int) -> bool:
        """Whether one soon comes back to a lane without turning round."""
        if row not in self._graph:
            return False
        if row not in self._circles:
            ways = nx.single_source_dijkstra_path_length(self._graph, row, cutoff=_LARGEST_CIRCLE, weight="weight")
            back = [ways[k] + self._graph.edges[k, row]["weight"] for k in self._graph.predecessors(row) if k in ways]
            self._circles[row] = min(back, default=np.inf) <= _LARGEST_CIRCLE
        return self._circles[row]


def passages(drive: ClosedLoopDrive, junctions: Sequence[Junction]) -> tuple[Passage, ...]:
    """The parts of a drive in which it comes to junctions and passes them.

    Parts too short to be judged are left out: those at the very end of a drive.
    """
    station = np.maximum.accumulate(drive.ego.station)
    found = []
    for junction in junctions:
        first, end = (int(k) for k in np.searchsorted(station, [junction.start, junction.end]))
        passed = end < len(station)
        end = min(end + 1, len(station))
        if end - first >= LEAST_STEPS:
            found.append(Passage(junction, drive.part(first, end), passed))
    return tuple(found)
