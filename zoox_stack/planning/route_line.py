"""The line of a route that was given: along its lanes, or along its points where it names none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.plans import Route
from zoox_stack.road_network.polyline import Polyline, thin
from zoox_stack.road_network.queries import LaneIndex, LanePath

_SPACING = 1.0  # [m] of a line without lanes
_KNOT = 0.5  # [m] points of a logged drive closer than this are thinned out
_SMOOTHING = 2.0  # [m]
_WHOLE = 0.5  # [m] a route that begins or ends so near to the end of a lane takes all of it,
_BESIDE = 4.0  # [m] so does one that begins or ends so far beside it


def path_of_route(index: LaneIndex | None, route: Route) -> LanePath | None:
    """The path to drive, and the lanes under it; None of a logged drive that never moved.

    Lanes are driven along their centres, from the first point of the route to its last where these lie on them. Without
    a map, or where the route names no lanes, the points are the line.

    Args:
        index: The map, None without.
        route: The route.

    Raises:
        InvalidInputError: The route names lanes that the map does not have or that do not lead into each other.
    """
    if index is not None and len(route.lane_ids):
        rows = index.rows_of(route.lane_ids)
        index.path_of(rows)  # whether they lead into each other
        begin = _place(index.lines[rows[0]], route.points[0])
        end = _place(index.lines[rows[-1]], route.points[-1])
        return index.path_of(rows, begin or 0.0, end)
    points = thin(route.points, _KNOT)
    if len(points) < 2:
        return None
    line = Polyline.from_points(points, _SPACING, _SMOOTHING)
    return index.path_along(line) if index is not None else LanePath(line, np.full(len(line.s), -1))


def _place(line: Polyline, point: NDArray[np.float64]) -> float | None:
    """Arc length at which a point lies on a lane [m]; None where it does not, or lies at either end."""
    foot = line.project(point[None, :2])
    s = float(foot.s[0])
    return s if _WHOLE < s < line.length - _WHOLE and abs(float(foot.d[0])) <= _BESIDE else None
