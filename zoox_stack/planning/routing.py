"""Routes: from the ego's pose and a goal to a way over the lanes of the road network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import LaneType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.planning.lane_ends import Goal, LaneEnd, LaneEndFinder
from zoox_stack.planning.lane_graph import LaneGraph, LaneWay
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.planning.route_line import path_of_route
from zoox_stack.road_network.queries import LaneIndex, LanePath

_LEAST_LENGTH = 0.5  # [m] of the line of a route: one of no length has no direction


@dataclass(frozen=True, eq=False)
class RouteLine:
    """A line to drive; P points.

    Attributes:
        path: The line, and the lanes under it.
        times: float64 ``[P]`` driving time from the start at the speed limits [s].
    """

    path: LanePath
    times: NDArray[np.float64]

    @property
    def length(self) -> float:
        """From the start to the end [m]."""
        return self.path.line.length

    @property
    def travel_time(self) -> float:
        """From the start to the end at the speed limits [s]."""
        return float(self.times[-1])

    @property
    def end(self) -> NDArray[np.float64]:
        """Where it ends ``[2]`` [m]: of a planned route the place on a lane's centre line next to the goal."""
        return np.asarray(self.path.line.xy[-1])

    def time_left(self, s: float) -> float:
        """From an arc length [m] to the end, at the speed limits [s]."""
        return self.travel_time - float(np.interp(s, self.path.line.s, self.times))


@dataclass(frozen=True, eq=False)
class PlannedRoute(RouteLine):
    """A way over lanes from a start to a goal.

    Attributes:
        path: The line to drive, from the start to the goal, along lane centres and over lane changes.
        stamp_ns: When the ego was at the start [ns].
        goal: What was asked for.
        way: The lanes.
        lane_ids: int64 ``[L]`` ids of the lanes, in driving order.
        lane_changes: How many.
    """

    stamp_ns: int
    goal: Goal
    way: LaneWay
    lane_ids: NDArray[np.int64]
    lane_changes: int

    def as_route(self) -> Route:
        """The core type, for messages; height 0."""
        xy = self.path.line.xy
        return Route(self.stamp_ns, np.column_stack([xy, np.zeros(len(xy))]), self.lane_ids)


class Router:
    """Plans routes over one road network. What a way costs stands in `LaneGraph`.

    Args:
        index: The map.
        config: Parameters.

    Raises:
        InvalidInputError: The map has no lanes for cars.
    """

    def __init__(self, index: LaneIndex, config: RouteConfig | None = None) -> None:
        self.index, self.config = index, config or RouteConfig()
        if not any(index.network.lane_types[row] == LaneType.VEHICLE for row in index.lines):
            raise InvalidInputError(
                f"road network '{index.network.name}'", "lanes for cars", f"none among {len(index.network.lane_ids)}",
                "Load a map, or follow the line of a recorded drive.",
            )  # fmt: skip
        self._ends = LaneEndFinder(index, self.config)
        self._graph = LaneGraph(index, self.config)

    def plan(self, ego: EgoState, goal: Goal, closed: Mapping[int, float] | None = None) -> PlannedRoute:
        """The cheapest way from where the ego is to a goal.

        In intersections, where several lanes fit the ego's pose or the goal about as well as the best, the cheapest way
        decides between them.

        Args:
            ego: Where it begins.
            goal: Where it ends.
            closed: Places that nobody gets past: arc lengths along lanes [m], by row. Before such a place on its own
                lane the ego has to begin on the lane beside it.

        Raises:
            InvalidInputError: The ego is beside all lanes or faces against them; the goal lies off the road, against
                the traffic, or on a lane that is not for cars; no way leads there.
        """
        front = ego.rear_axle_to_centre + ego.length / 2
        goals, starts = self._ends.goals(goal, front), self._ends.starts(ego)
        way = self._graph.cheapest(self._around(starts, closed) if closed else starts, goals, closed)
        if way is None and closed:
            names = ", ".join(str(self.index.network.lane_ids[row]) for row in closed)
            raise InvalidInputError(
                str(goal), f"a way that avoids lane {names}", "none", "Wait until it is free again."
            )
        if way is None:
            raise self._unreachable(goal, starts, goals)
        return self.along(way, ego.stamp_ns, goal)

    def along(self, way: LaneWay, stamp_ns: int, goal: Goal) -> PlannedRoute:
        """The route along given lanes.

        Args:
            way: The lanes.
            stamp_ns: When the ego is at the start [ns].
            goal: What the way leads to.

        Raises:
            InvalidInputError: The lanes do not lead into each other.
        """
        begin, end = way.start.s, way.goal.s
        if len(way.rows) == 1:
            end = min(max(end, begin + _LEAST_LENGTH), self.index.lines[way.rows[0]].length)
            begin = max(0.0, min(begin, end - _LEAST_LENGTH))
        path = self.index.path_of(way.rows, begin, end)
        successors = self.index.network.successors
        return PlannedRoute(
            stamp_ns=stamp_ns,
            goal=goal,
            way=way,
            lane_ids=self.index.network.lane_ids[list(way.rows)],
            path=path,
            times=self._times(path),
            lane_changes=sum(b not in successors[a] for a, b in zip(way.rows, way.rows[1:], strict=False)),
        )

    def given(self, route: Route) -> RouteLine:
        """What was given from outside: along its lanes, or along its line where it names none.

        Raises:
            InvalidInputError: It names lanes that the map does not have or that do not lead into each other; it has no
                length.
        """
        path = path_of_route(self.index, route)
        if path is None:
            raise InvalidInputError("route", "a line with a length", f"{len(route.points)} points in one place")
        return RouteLine(path, self._times(path))

    def _times(self, path: LanePath) -> NDArray[np.float64]:
        speed = np.array([self._graph.speed(int(row)) if row >= 0 else self.config.unknown_limit for row in path.lanes])
        return np.concatenate([[0.0], np.cumsum(np.diff(path.line.s) / speed[1:])])

    def _around(self, starts: Sequence[LaneEnd], closed: Mapping[int, float]) -> list[LaneEnd]:
        """Starts from which the closed places ahead do not matter."""
        stuck = [start for start in starts if start.s < closed.get(start.row, -np.inf)]
        beside = {end.row: end for start in stuck for end in self._graph.beside(start) if end.row not in closed}
        return [start for start in starts if start not in stuck] or list(beside.values())

    def _unreachable(self, goal: Goal, starts: Sequence[LaneEnd], goals: Sequence[LaneEnd]) -> InvalidInputError:
        """The error that says how far one gets."""
        network, lines = self.index.network, self.index.lines
        place = lines[goals[0].row].at(goals[0].s)[0]
        rows = self._graph.reachable(starts)
        ahead = {start.row: start.s for start in starts}  # of a lane that is left: what lies before the ego
        parts = [lines[row].cut(ahead.get(row, 0.0), lines[row].length).xy for row in rows]
        gaps = [float(np.hypot(*(part - place).T).min()) for part in parts]
        passed = [end for end in goals if end.row in rows]
        row = passed[0].row if passed else rows[int(np.argmin(gaps))]
        name, (x, y) = network.lane_ids[row], lines[row].xy[-1]
        if passed and row in ahead:
            found = f"it lies {ahead[row] - passed[0].s:.1f} m behind on lane {name}, and no loop leads back"
        elif passed:
            found = f"lane {name} is reached, but not before the goal"
        else:
            found = f"no way from lane {network.lane_ids[starts[0].row]}"
            found += f"; {len(rows)} lanes are reached, nearest to the goal lane {name}, {min(gaps):.1f} m from it"
        remedy = f"Lane {name} can be the goal, it ends at x, y = {x:.1f}, {y:.1f}; `zoox-stack map check` names "
        remedy += "missing links."
        return InvalidInputError(str(goal), "a place that lanes lead to from the start", found, remedy)
