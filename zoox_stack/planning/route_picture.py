"""A picture of a route on its map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patheffects import Stroke, withStroke

from zoox_stack.planning.routing import PlannedRoute
from zoox_stack.road_network.drawing import draw_map
from zoox_stack.road_network.network import RoadNetwork

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN = 25.0  # [m] of map around the route
_ROUTE, _START, _GOAL = "#ffb000", "#ffffff", "#e4003a"


def draw_route(network: RoadNetwork, route: PlannedRoute, ego: tuple[float, float]) -> Figure:
    """The map around a route, the line to drive, start and goal.

    Args:
        network: The map.
        route: The route.
        ego: Where it begins [m], map frame; may lie beside the lane.
    """
    xy = route.path.line.xy
    low, high = xy.min(axis=0), xy.max(axis=0)
    x, y = ((low + high) / 2).tolist()
    figure = draw_map(network, around=(x, y, float((high - low).max()) / 2 + _MARGIN))
    axes = figure.axes[0]
    wide = 5.0
    axes.plot(
        *xy.T, color=_ROUTE, linewidth=wide, solid_capstyle="round", alpha=0.9, zorder=3,
        path_effects=[Stroke(linewidth=wide + 1.5, foreground="#33261a"), withStroke(linewidth=0)],
    )  # fmt: skip
    changes = np.flatnonzero(np.diff(route.path.lanes))
    axes.plot(*xy[changes].T, ".", color="#33261a", markersize=3.0, zorder=3.1)
    for place, colour, marker in ((ego, _START, "o"), (tuple(route.end), _GOAL, "X")):
        axes.plot(*place, marker, color=colour, markersize=12.0, markeredgecolor="black", zorder=3.2)
    name = axes.get_title(loc="left")
    axes.set_title(
        f"{name}   route {route.length:.0f} m, {route.travel_time:.0f} s, {route.lane_changes} lane changes",
        loc="left", fontsize=axes.title.get_fontsize(),
    )  # fmt: skip
    return figure
