"""The line the ego follows this tick: from the route, from the lane network, or, with neither, its own arc."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import resample
from zoox_stack.core.plans import Route
from zoox_stack.planning.path_fitting import BoxShape, fit_to_road
from zoox_stack.planning.route_line import path_of_route
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.polyline import Polyline, polyline_through
from zoox_stack.road_network.queries import LaneIndex, LanePath, StopPoints

SPACING = 1.0  # [m]
LOST_SPEED = 4.0  # [m/s] beside all lanes of a map
BEHIND = 10.0  # [m] of the path kept behind the ego
_SMOOTHED = 1.5  # [m] over which lines drawn by hand or made of arcs are smoothed: wheels take time to turn
_JOINT = 6.0  # [m] over which one smoothed line goes over into another
_MAX_BEND = 0.21  # [1/m] of a path; the ego turns in 0.24,
_MAX_FITTED_BEND = 0.22  # which very tight places may need
_MAX_ARC_CURVATURE = 0.15  # [1/m]
_ARC_SPEED = 2.0  # [m/s] below this speed the yaw rate says nothing about the curve ahead
_ARC_LENGTH = 30.0  # [m] after which an arc runs out into a straight line


class PathSource(StrEnum):
    """Where a reference path came from; the text is used in explanations."""

    ROUTE = "route"
    LANES = "lane network"
    ARC = "own heading and yaw rate, without map or route"
    OFF_LANES = "own heading and yaw rate, slowly: no lane here"
    AGAINST = "own heading, to a stop: this lane leads the other way"


@dataclass(frozen=True, eq=False)
class ReferencePath:
    """What lies ahead of the ego; P points, arrays ``[P]``.

    Attributes:
        line: The line, starting about 10 m behind the ego.
        source: Where it came from.
        ego_s: Arc length of the ego [m].
        ego_d: Offset of the ego to the left of the line [m].
        speed_limit: float64 ``[P]`` [m/s], NaN unknown.
        stops: Stop lines ahead of the ego.
        left: Offset of the left neighbour lane [m], None without one.
        right: Offset of the right neighbour lane [m] (negative), None without one.
        lanes: int64 ``[P]`` lane row under each point, -1 unknown.
        in_intersection: bool ``[P]`` whether that lane is one of an intersection.
        left_room: How far ahead the left neighbour goes on beside the path [m]; inf where the path goes over to it.
        right_room: The same to the right.
        goal_s: Arc length of the goal, where base_link has to stop [m]; None where there is none on the path.
    """

    line: Polyline
    source: PathSource
    ego_s: float
    ego_d: float
    speed_limit: NDArray[np.float64]
    stops: StopPoints
    left: float | None
    right: float | None
    lanes: NDArray[np.int64]
    in_intersection: NDArray[np.bool_]
    goal_s: float | None = None
    left_room: float = np.inf
    right_room: float = np.inf


class ReferencePathFinder:
    """Finds the reference path each tick; remembers where on the route and on which lanes the ego was.

    Args:
        max_route_distance: [m] a route further from the ego than this is not followed.
    """

    def __init__(self, max_route_distance: float = 8.0) -> None:
        self._max_route_distance = max_route_distance
        self._index: LaneIndex | None = None
        self._ground: DrivableGrid | None = None
        self._box: BoxShape | None = None
        self._route: Route | None = None
        self._stop_at_end = False
        self._route_path: LanePath | None = None
        self._route_stops: StopPoints | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the past, not the map and the route."""
        self._last_s: float | None = None
        self._last_lanes: frozenset[int] = frozenset()

    def set_index(self, index: LaneIndex | None, ground: DrivableGrid | None = None) -> None:
        """Use another map; `ground`: where it lets the ego drive."""
        self._index, self._ground = index, ground
        self._build_route()

    def set_route(self, route: Route | None, *, stop_at_end: bool = False) -> None:
        """Follow another route; None: follow the lanes.

        Args:
            route: The way.
            stop_at_end: Its end is a goal; else it goes on along the lanes there.

        Raises:
            InvalidInputError: The route names lanes that the map does not have.
        """
        self._route, self._stop_at_end = route, stop_at_end
        try:
            self._build_route()
        except InvalidInputError:
            self._route = None
            raise

    def find(self, ego: EgoState, length: float) -> ReferencePath:
        """The path of about `length` [m] ahead of the ego."""
        if (box := BoxShape.of(ego)) != self._box:
            self._box, last = box, self._last_s
            self._build_route()
            self._last_s = last
        if (path := self._along_route(ego)) is not None:
            lane_path, s = path
            end = lane_path.line.length if self._stop_at_end else None
            return self._window(lane_path, PathSource.ROUTE, ego, s, length, end)
        if (path := self._along_lanes(ego, length)) is not None:
            return self._window(path[0], PathSource.LANES, ego, path[1], length)
        line = _arc(ego, length)
        path_of_arc = LanePath(line, np.full(len(line.s), -1))
        return self._window(path_of_arc, self._why_no_lane(ego), ego, BEHIND, length)

    def _why_no_lane(self, ego: EgoState) -> PathSource:
        if self._index is None:
            return PathSource.ARC
        found = self._index.nearest(np.array([[ego.x, ego.y]]), np.array([ego.yaw]), max_heading_error=np.pi)
        if found.rows[0] < 0 or found.distance[0] > self._index.width(int(found.rows[0])) / 2:
            return PathSource.OFF_LANES
        return PathSource.AGAINST if abs(found.heading_error[0]) > np.pi / 2 else PathSource.OFF_LANES

    def _build_route(self) -> None:
        self.reset()
        self._route_path = None
        if self._route is None:
            return
        path = path_of_route(self._index, self._route)
        if path is None:
            return
        line = path.line.bent_at_most(_MAX_BEND).smoothed(_SMOOTHED).bent_at_most(_MAX_BEND)
        self._route_path = LanePath(line, path.lanes)
        if self._index is not None and self._ground is not None and self._box is not None:
            width = np.full(len(line.s), np.inf)
            for i, row in enumerate(path.lanes):
                if row >= 0 and not self._index.network.lane_in_intersection[row]:
                    width[i] = self._index.width(int(row))
            self._route_path = fit_to_road(path, line, width, self._ground, self._box, _MAX_FITTED_BEND)

    def _along_route(self, ego: EgoState) -> tuple[LanePath, float] | None:
        path = self._route_path
        if path is None:
            return None
        found = None
        if self._last_s is not None:
            found = path.line.project_pose(ego.x, ego.y, ego.yaw, self._last_s - 10.0, self._last_s + 50.0)
        if found is None or abs(found.d[0]) > 3.0:
            found = path.line.project_pose(ego.x, ego.y, ego.yaw, 0.0, path.line.length)
        if found is None or not _usable(found.d[0], found.heading[0], ego, self._max_route_distance):
            self._last_s = None
            return None
        self._last_s = float(found.s[0])
        return path, self._last_s

    def _along_lanes(self, ego: EgoState, length: float) -> tuple[LanePath, float] | None:
        if self._index is None:
            return None
        path = self._index.path_ahead(ego.x, ego.y, ego.yaw, length, behind=BEHIND, prefer=self._last_lanes)
        if path is None:
            self._last_lanes = frozenset()
            return None
        self._last_lanes = frozenset(path.lanes.tolist())
        found = path.line.project_pose(ego.x, ego.y, ego.yaw, 0.0, path.line.length)
        if found is None or not _usable(found.d[0], found.heading[0], ego, self._max_route_distance):
            return None
        return path, float(found.s[0])

    def _window(
        self, path: LanePath, source: PathSource, ego: EgoState, s: float, length: float, goal: float | None = None
    ) -> ReferencePath:
        """The part of a path around the ego; where it ends too early it goes on along the lanes, else straight."""
        ready = path.line.length - _JOINT if source is PathSource.ROUTE else 0.0  # a route is smooth already
        path = self._extended(path, s + length)
        whole = path
        start = max(0.0, s - BEHIND)
        first = int(np.clip(np.searchsorted(path.line.s, start, side="right") - 1, 0, len(path.line.s) - 2))
        line = path.line.cut(start, s + length)
        if source in (PathSource.ROUTE, PathSource.LANES):
            line = _smooth_from(line, ready - float(path.line.s[first]))
        else:
            line = line.bent_at_most(_MAX_BEND)
        part = LanePath(line, path.lanes[first : first + len(line.s)])
        here = line.project_pose(ego.x, ego.y, ego.yaw, s - start - 5.0, s - start + 5.0)
        if here is None:
            raise InvalidInputError(
                "reference path", "a pose of the ego along it", f"heading {ego.yaw:.2f} rad against it"
            )
        ego_s = float(here.s[0])
        limits, stops, left, right = np.full(len(line.s), np.nan), StopPoints(np.zeros(0), ()), None, None
        if source in (PathSource.OFF_LANES, PathSource.AGAINST):
            limits = np.full(len(line.s), LOST_SPEED)
        elif self._index is not None:
            limits = self._index.speed_limits(part)
            every = self._index.stop_points(part)
            ahead = np.flatnonzero(every.s > ego_s)
            stops = StopPoints(every.s[ahead], tuple(every.signals[i] for i in ahead))
            left = self._index.neighbour_offset(part, ego_s, 1)
            right = self._index.neighbour_offset(part, ego_s, -1)
        rooms = (np.inf, np.inf)
        if self._index is not None and (left is not None or right is not None):
            rooms = self._index.neighbour_room(whole, s, 1), self._index.neighbour_room(whole, s, -1)
        goal_s = None if goal is None or goal > s + length else goal - float(path.line.s[first])
        inside = np.zeros(len(line.s), np.bool_)
        if self._index is not None:
            inside = self._index.network.lane_in_intersection[part.lanes] & (part.lanes >= 0)
        return ReferencePath(
            line, source, ego_s, float(here.d[0]), limits, stops, left, right, part.lanes, inside, goal_s,
            *rooms,
        )  # fmt: skip

    def _extended(self, path: LanePath, wanted: float) -> LanePath:
        missing = wanted - path.line.length
        if missing <= 0:
            return path
        end, heading = path.line.xy[-1], float(path.line.heading[-1])
        if self._index is not None:
            onward = self._index.path_ahead(end[0], end[1], heading, missing, behind=0.0)
            if onward is not None:
                joint = onward.line.project(end[None])
                rest = onward.line.s > joint.s[0] + 5.0
                if abs(joint.d[0]) < 2.0 and rest.any():
                    new = resample(np.concatenate([end[None], onward.line.xy[rest]]), SPACING)[1:]
                    line = polyline_through(np.concatenate([path.line.xy, new]))
                    lanes = self._index.path_along(line).lanes[len(path.lanes) :]
                    path = LanePath(line, np.concatenate([path.lanes, lanes]))
                    missing = wanted - line.length
                    end, heading = line.xy[-1], float(line.heading[-1])
        if missing <= 0:
            return path
        count = int(np.ceil(missing / SPACING))
        steps = SPACING * np.arange(1, count + 1)
        xy = np.concatenate([path.line.xy, end + steps[:, None] * [np.cos(heading), np.sin(heading)]])
        line = Polyline(
            xy,
            np.concatenate([path.line.s, path.line.length + steps]),
            np.concatenate([path.line.heading, np.full(count, heading)]),
            np.concatenate([path.line.curvature, np.zeros(count)]),
        )
        return LanePath(line, np.concatenate([path.lanes, np.full(count, -1)]))


def _smooth_from(line: Polyline, begin: float) -> Polyline:
    """Smooth a line from an arc length on [m], blended in over the next metres."""
    share = np.clip((line.s - begin) / _JOINT, 0.0, 1.0)[:, None]
    if share[-1] <= 0:
        return line
    smooth = line.smoothed(_SMOOTHED).bent_at_most(_MAX_BEND)
    return smooth if share[0] >= 1 else polyline_through(line.xy + share * (smooth.xy - line.xy))


def _usable(d: float, heading: float, ego: EgoState, max_distance: float) -> bool:
    return abs(d) <= max_distance and float(np.cos(heading - ego.yaw)) >= 0.5


def _arc(ego: EgoState, length: float) -> Polyline:
    """Straight behind the ego; ahead an arc of its present curvature that fades into a straight line."""
    curvature = 0.0
    if ego.speed > _ARC_SPEED:
        curvature = float(np.clip(ego.yaw_rate / ego.speed, -_MAX_ARC_CURVATURE, _MAX_ARC_CURVATURE))
    s = np.arange(-BEHIND, length + SPACING, SPACING)
    fading = np.where(s < 0, 0.0, np.clip(2.0 - s / _ARC_LENGTH, 0.0, 1.0)) * curvature
    heading = ego.yaw + np.concatenate([[0.0], np.cumsum((fading[1:] + fading[:-1]) / 2 * SPACING)])
    middle = (heading[1:] + heading[:-1]) / 2
    xy = np.concatenate([[[0.0, 0.0]], np.cumsum(SPACING * np.stack([np.cos(middle), np.sin(middle)], axis=1), axis=0)])
    at_ego = round(BEHIND / SPACING)
    return Polyline(xy - xy[at_ego] + [ego.x, ego.y], s + BEHIND, heading, fading)
