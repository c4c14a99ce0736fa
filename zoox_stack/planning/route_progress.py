"""Following a route: how far it still is, whether the goal is reached, whether the route was missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.planning.lane_ends import Goal
from zoox_stack.planning.routing import PlannedRoute, RouteLine, Router
from zoox_stack.road_network.polyline import FrenetPoints

_BACK, _AHEAD = 10.0, 50.0  # [m] around the last place on the route where the ego is looked for
_AROUND = 15.0  # [m] before and behind the ego the lanes of the route count, and those beside them
_WIDEST = 20.0  # [m] farther from the line no lane lies beside it
_NEVER = -(2**63)  # [ns] before all stamps
_IN_LANE = 0.6  # of a lane's width from its centre line one is still in it


@dataclass(frozen=True)
class Following:
    """Where the ego is on its route.

    Attributes:
        stamp_ns: Of the ego [ns].
        travelled: From the start, along the route [m]; of a missed route to where it was left.
        remaining: To the goal, along the route [m]; of a missed route from where it was left.
        offset: To the left of the line of the route [m]; NaN where the ego has left it.
        reached: The ego has stopped at the goal, now or before.
        missed: The ego has left the route, and there is no new one.
        rerouted: The route is a new one, made at this instant because the last one was missed.
        problem: Why there is no new route; empty if none was needed.
    """

    stamp_ns: int
    travelled: float
    remaining: float
    offset: float
    reached: bool
    missed: bool
    rerouted: bool
    problem: str = ""


class RouteFollower:
    """Follows the ego along its route, and finds a new one when it has left it.

    The ego is on its route on the lanes of the route around its place there, and on all lanes beside these: a lane
    change or a way round an obstacle misses nothing, the turn that is not taken does. The route is missed once the
    ego has been off it for `miss_time` without a break, and found again in the same way. Beyond the goal it is missed
    too. Then a new route to the same goal begins where the ego is.

    Args:
        router: Makes routes.

    Attributes:
        route: The present route, None before the first.
        goal: Where new routes lead, None: nowhere.
        closed: Places that new routes do not pass: arc lengths along lanes [m], by row.
    """

    def __init__(self, router: Router) -> None:
        self._router, self._config = router, router.config
        self.route: RouteLine | None = None
        self.closed: Mapping[int, float] = {}
        self.goal: Goal | None = None
        self._s = 0.0
        self._last_ns = _NEVER
        self._missed = self._reached = False
        self._other_since: int | None = None  # since when the ego is not what `_missed` says
        self._tried: int | None = None
        self._problem = ""

    def set_goal(self, ego: EgoState, goal: Goal) -> PlannedRoute:
        """Plan a route to a goal and follow it; if there is none the last goal and route stay.

        Raises:
            InvalidInputError: See `Router.plan`.
        """
        route = self._router.plan(ego, goal, self.closed)
        self._begin(route, goal)
        return route

    def follow(self, route: RouteLine, goal: Goal | None = None) -> None:
        """Follow a route that was given, for example a driven one.

        Args:
            route: The way.
            goal: Where new routes lead when this one is missed; None: no other is looked for.
        """
        self._begin(route, goal)

    def update(self, ego: EgoState) -> Following:
        """Where the ego is now; to be called with each of its states.

        Raises:
            InvalidInputError: There is no route.
        """
        if self.route is None:
            raise InvalidInputError("route to follow", "a goal that was set", "none", "Set a goal first.")
        if ego.stamp_ns < self._last_ns:  # a log that begins again
            self._begin(self.route, self.goal)
        self._last_ns = ego.stamp_ns
        foot = self._place(ego)
        self._notice(foot is not None, ego.stamp_ns)
        rerouted = self._missed and not self._reached and self._reroute(ego)
        if rerouted:
            foot = self._place(ego)
        if foot is not None:
            self._s = float(foot.s[0])
        length = self.route.length
        offset = float(foot.d[0]) if foot is not None else np.nan
        standing = abs(ego.speed) <= self._config.standing_speed
        near = np.hypot(length - self._s, offset) <= self._config.goal_tolerance  # not for NaN
        self._reached = self._reached or bool(near and standing)
        return Following(
            ego.stamp_ns, float(np.clip(self._s, 0.0, length)), float(np.clip(length - self._s, 0.0, length)), offset,
            self._reached, self._missed and not self._reached, rerouted, self._problem,
        )  # fmt: skip

    def _begin(self, route: RouteLine, goal: Goal | None) -> None:
        self.route, self.goal = route, goal
        self._s, self._last_ns = 0.0, _NEVER
        self._missed = self._reached = False
        self._other_since = self._tried = None
        self._problem = ""

    def _notice(self, on_route: bool, stamp_ns: int) -> None:
        if on_route != self._missed:
            self._other_since = None
            return
        if self._other_since is None:
            self._other_since = stamp_ns
        if stamp_ns - self._other_since >= self._config.miss_time * 1e9:
            self._missed, self._other_since = not on_route, None
            self._tried, self._problem = None, ""

    def _reroute(self, ego: EgoState) -> bool:
        """A new route to the same goal from where the ego is, if there is one."""
        due = self._tried is None or ego.stamp_ns - self._tried >= self._config.reroute_period * 1e9
        if self.goal is None or not due:
            return False
        self._tried = ego.stamp_ns
        try:
            self.set_goal(ego, self.goal)
        except InvalidInputError as error:
            self._problem = str(error)
            return False
        self._last_ns = ego.stamp_ns
        return True

    def _place(self, ego: EgoState) -> FrenetPoints | None:
        """The ego along the route; None where it is off it."""
        assert self.route is not None
        line = self.route.path.line
        ahead = line.length if self._missed else _AHEAD  # it may come back anywhere
        foot = line.project_pose(ego.x, ego.y, ego.yaw, self._s - _BACK, self._s + ahead)
        if foot is None or abs(foot.d[0]) > _WIDEST or foot.s[0] > line.length + self._config.goal_tolerance:
            return None
        under = [row for row in self._router.index.near(ego.x, ego.y, ego.yaw) if self._is_in(row, ego)]
        if not under:
            return foot if abs(foot.d[0]) <= self._config.largest_offset else None
        return foot if self._lanes_around(float(foot.s[0])).intersection(under) else None

    def _is_in(self, row: int, ego: EgoState) -> bool:
        index = self._router.index
        d = index.project(np.array([[ego.x, ego.y]]), np.array([row])).d[0]
        return bool(abs(d) <= _IN_LANE * index.width(row))

    def _lanes_around(self, s: float) -> set[int]:
        """Lanes of the route about a place on it, and all lanes of the same direction beside them."""
        assert self.route is not None
        path, network = self.route.path, self._router.index.network
        near = np.abs(path.line.s - s) <= _AROUND
        if not near.any():
            near[-1 if s > path.line.length else 0] = True
        lanes = set(path.lanes[near].tolist()) - {-1}
        for table in (network.left_neighbours, network.right_neighbours):
            for row in sorted(lanes):
                other = int(table[row])
                while other >= 0 and other not in lanes:
                    lanes.add(other)
                    other = int(table[other])
        return lanes
