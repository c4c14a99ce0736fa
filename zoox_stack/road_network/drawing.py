"""A picture of a map: asphalt, lanes with their directions, markings by kind, signals and what they govern."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths
from zoox_stack.road_network.lane_points import LanePoints
from zoox_stack.road_network.line_shapes import headings, strip
from zoox_stack.road_network.line_styles import drawn_lines
from zoox_stack.road_network.network import DEFAULT_LANE_WIDTH, RoadNetwork

DPI = 150
_PIXELS_PER_METRE = 8.0
_SIDE = (1500.0, 5600.0)  # [pixels] of the longer side of the map
_LEGEND = 2.6  # [inches] on the smallest picture; it grows with the picture, as letters do
_ARROW_EVERY = 30.0  # [m]

GROUND, INK = "#eef0e8", "#2b2d31"
AREA_COLOURS = {
    AreaType.DRIVABLE: "#666b73",
    AreaType.INTERSECTION: "#666b73",
    AreaType.SIDEWALK: "#d8cfbd",
    AreaType.PARKING: "#7d8db0",
    AreaType.BUS_STOP: "#d9a441",
}
LANE_COLOURS = {
    LaneType.VEHICLE: "#5d626a",
    LaneType.BUS: "#8c5055",
    LaneType.BIKE: "#4f7f5f",
    LaneType.OTHER: "#8d83a1",
}
TURN_COLOURS = {LaneTurn.LEFT: "#7cc4ff", LaneTurn.RIGHT: "#ffb27a", LaneTurn.U_TURN: "#d59cff"}
SIGNAL = "#ff4d4d"


def draw_map(network: RoadNetwork, *, ids: bool = False, around: tuple[float, float, float] | None = None) -> Figure:
    """A map from above, x to the right, y up, with legend and scale.

    Args:
        network: The map.
        ids: Write the id of every lane in its middle.
        around: Only the square around x, y that reaches so far to each side [m]; None: the whole map.

    Raises:
        InvalidInputError: Nothing to draw, or nothing there.
    """
    points = [t.values[:, :2] for t in (network.centre_lines, network.areas, network.lines) if len(t.values)]
    if not points:
        raise InvalidInputError(f"map '{network.name}'", "lanes, lines or areas to draw", "none")
    everything = np.concatenate(points)
    low, high = everything.min(axis=0), everything.max(axis=0)
    if around is not None:
        centre, reach = np.array(around[:2]), around[2]
        if not (np.isfinite(around).all() and reach > 0 and (np.abs(everything - centre) <= reach).all(axis=1).any()):
            extent = f"{low[0]:.0f}..{high[0]:.0f}, {low[1]:.0f}..{high[1]:.0f}"
            raise InvalidInputError("place to draw", f"a square within x, y = {extent}", f"{around}")
        low, high = centre - reach, centre + reach
    margin = max(3.0, 0.02 * float((high - low).max()))
    low, high = low - margin, high + margin
    size = high - low
    longest = float(np.clip(size.max() * _PIXELS_PER_METRE, *_SIDE))
    letters = float(np.sqrt(longest / _SIDE[0]))
    inches = size / size.max() * longest / DPI
    picture = _Picture(network, longest / float(size.max()) * 72 / DPI)
    legend, edge = _LEGEND * letters, 0.7 * letters
    width, height = inches[0] + legend + edge, max(inches[1], 0.9 * legend) + 2 * edge
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    place = (edge / width, (height - inches[1]) / 2 / height, inches[0] / width, inches[1] / height)
    axes = figure.add_axes(place)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", facecolor=GROUND)
    axes.tick_params(labelsize=7 * letters, colors="#6b6f76")
    axes.ticklabel_format(useOffset=False, style="plain")
    for spine in axes.spines.values():
        spine.set_color("#c4c8c0")
    title = f"{network.name or 'map'}   {size[0] - 2 * margin:.0f} x {size[1] - 2 * margin:.0f} m"
    axes.set_title(title, fontsize=11 * letters, color=INK, loc="left")
    handles = [*picture.areas(axes), *picture.lanes(axes), *picture.marks(axes), *picture.signals(axes)]
    if ids:
        picture.ids(axes)
    _scale_bar(axes, low, size, 8 * letters)
    at = ((edge + inches[0] + 0.1 * letters) / width, 0.5)
    for handle in handles:
        if isinstance(handle, Line2D):
            handle.set_linewidth(handle.get_linewidth() * letters)
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=at, frameon=False, fontsize=8 * letters,
        markerscale=letters, labelcolor=INK,
    )  # fmt: skip
    return figure


class _Picture:
    """Draws the layers of one map; each method gives the entries of the legend.

    Args:
        network: The map.
        points: Typographic points per metre.
    """

    def __init__(self, network: RoadNetwork, points: float) -> None:
        self.network, self.points = network, points

    def width(self, metres: float, least: float) -> float:
        """Line width in points."""
        return max(metres * self.points, least)

    def areas(self, axes: Axes) -> Iterator[Any]:
        """Ground, from the road up to what lies on it."""
        network = self.network
        order = (AreaType.DRIVABLE, AreaType.INTERSECTION, AreaType.SIDEWALK, AreaType.PARKING, AreaType.BUS_STOP)
        for level, kind in enumerate(order):
            rings = [network.areas[int(row)][:, :2] for row in np.flatnonzero(network.area_types == kind)]
            if rings:
                colour = AREA_COLOURS[kind]
                # A thin edge of the same colour closes the seams between neighbouring areas. Sidewalks lie on the
                # corners of intersections, lanes on the walking areas of SUMO, which may reach across a road.
                axes.add_collection(PolyCollection(rings, facecolors=colour, edgecolors=colour, linewidths=0.3,
                                                   zorder=0.1 + 0.01 * level))  # fmt: skip
                if kind != AreaType.INTERSECTION:
                    name = "drivable area" if kind == AreaType.DRIVABLE else kind.name.lower().replace("_", " ")
                    yield Patch(color=colour, label=f"{name} ({len(rings)})")
        rows = np.flatnonzero(network.area_types == AreaType.CROSSWALK)
        for row in rows:
            ring = network.areas[int(row)][:, :2]
            _zebra(axes, ring, self._traffic(ring.mean(axis=0)), self.width(0.05, 0.3))
        if len(rows):
            yield Patch(facecolor="#666b73", edgecolor="white", hatch="||||", label=f"crosswalk ({len(rows)})")

    @cached_property
    def _points(self) -> LanePoints:
        return LanePoints([line for line in self.network.centre_lines if arc_lengths(line)[-1] > 0.1])

    def _traffic(self, place: NDArray[np.float64]) -> float | None:
        """Direction most lanes around a place run in, either way [rad]; None where there is none."""
        points = self._points
        near = [] if points.tree is None else points.tree.query_ball_point(place, 4.0)
        return float(np.angle(np.exp(2j * points.heading[near]).sum())) / 2 if near else None

    def lanes(self, axes: Axes) -> Iterator[Any]:
        """Surfaces by kind, ways through intersections by turn, arrows."""
        network = self.network
        outlines = [_outline(network, row) for row in range(len(network.lane_ids))]
        inside = network.lane_in_intersection
        # Inside intersections, where lanes lie across each other, the surface of all is that of the road.
        shown = np.where(inside & (network.lane_types != LaneType.OTHER), LaneType.VEHICLE, network.lane_types)
        for kind, colour in LANE_COLOURS.items():
            rows = np.flatnonzero(shown == kind)
            if len(rows):
                axes.add_collection(PolyCollection([outlines[row] for row in rows], facecolors=colour,
                                                   edgecolors=colour, linewidths=0.2, zorder=0.2))  # fmt: skip
            count = int((network.lane_types == kind).sum())
            if count:
                yield Patch(color=colour, label=f"{kind.name.lower()} lane ({count})")
        for turn, colour in TURN_COLOURS.items():
            rows = np.flatnonzero(inside & (network.lane_turns == turn))
            if len(rows):
                lines = [network.centre_lines[int(row)][:, :2] for row in rows]
                axes.add_collection(LineCollection(lines, colors=colour, linewidths=self.width(0.18, 0.5), alpha=0.75,
                                                   zorder=0.5))  # fmt: skip
                words = turn.name.lower().replace("_", "-")
                yield Line2D([], [], color=colour, linewidth=1.5, label=f"{words} in an intersection ({len(rows)})"
                             if turn == LaneTurn.U_TURN else f"{words} turn ({len(rows)})")  # fmt: skip
        arrows = [arrow for row in range(len(outlines)) for arrow in self._arrows(network.centre_lines[row])]
        if arrows:
            axes.add_collection(PolyCollection(arrows, facecolors="white", linewidths=0, alpha=0.7, zorder=0.6))
            yield Line2D([], [], color="#8a9099", marker=">", linestyle="none", label="driving direction")

    def _arrows(self, centre: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        length = max(1.8, 6.0 / self.points)
        s = arc_lengths(centre)
        if s[-1] < 2 * length:
            return
        heading = np.unwrap(headings(centre))
        count = max(1, int(s[-1] // max(_ARROW_EVERY, 8 * length)))
        for station in (np.arange(count) + 0.5) * s[-1] / count:
            at = np.array([np.interp(station, s, centre[:, d]) for d in range(2)])
            angle = np.interp(station, s, heading)
            ahead, left = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
            tail, notch = -0.5 * length * ahead, -0.2 * length * ahead
            yield at + np.array([0.5 * length * ahead, tail + 0.32 * length * left, notch, tail - 0.32 * length * left])

    def marks(self, axes: Axes) -> Iterator[Any]:
        """Lane boundaries and other lines by kind."""
        for level, (kind, drawn, lines) in enumerate(drawn_lines(self.network)):
            colour, metres, dash = drawn.on_dark, drawn.width, drawn.dash
            if not lines:
                continue
            width = self.width(metres, 1.2 if kind in (LineType.STOP, LineType.YIELD) else 0.35)
            zorder = 0.7 + 0.01 * level
            style: Any = "solid"
            if dash is not None:
                on = max(dash * self.points, 1.5) / width  # matplotlib counts dashes in line widths
                style = (0, (on, on))
            axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, linestyles=[style],
                                               capstyle="butt", zorder=zorder))  # fmt: skip
            if kind == LineType.DOUBLE_SOLID:
                axes.add_collection(LineCollection(lines, colors=LANE_COLOURS[LaneType.VEHICLE], linewidths=width / 3,
                                                   zorder=zorder + 0.001))  # fmt: skip
            shown = "#b9bec6" if colour == "#ffffff" else colour  # the legend is on white
            yield Line2D([], [], color=shown, linewidth=3.5 if metres > 0.4 else 1.8, label=drawn.words,
                         linestyle="solid" if dash is None else (0, (1.0 if metres > 0.4 else 2.5, 1.0)))  # fmt: skip

    def signals(self, axes: Axes) -> Iterator[Any]:
        """Signals, with thin lines to the lanes they govern."""
        network = self.network
        if not len(network.signal_ids):
            return
        links = []
        for position, lanes in zip(network.signal_positions[:, :2], network.signal_lanes, strict=True):
            for row in map(int, lanes):
                centre = network.centre_lines[row]
                s = arc_lengths(centre)
                station = min(4.0, s[-1] / 2) if network.lane_in_intersection[row] else s[-1]
                links.append(np.stack([position, [np.interp(station, s, centre[:, d]) for d in range(2)]]))
        axes.add_collection(LineCollection(links, colors=SIGNAL, linewidths=0.6, alpha=0.6, zorder=0.85))
        x, y = network.signal_positions[:, 0], network.signal_positions[:, 1]
        axes.scatter(x, y, s=max(10.0, (1.2 * self.points) ** 2), color=SIGNAL, edgecolors="white", linewidths=0.5,
                     zorder=0.9)  # fmt: skip
        yield Line2D([], [], color=SIGNAL, marker="o", linewidth=0.8, label=f"signal and its lanes ({len(x)})")

    def ids(self, axes: Axes) -> None:
        """Lane ids."""
        for lane, centre in zip(self.network.lane_ids.tolist(), self.network.centre_lines, strict=True):
            s = arc_lengths(centre)
            x, y = (float(np.interp(s[-1] / 2, s, centre[:, d])) for d in range(2))
            box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6}
            axes.text(x, y, str(lane), fontsize=4.5, ha="center", va="center", color=INK, bbox=box, clip_on=True)


def _outline(network: RoadNetwork, row: int) -> NDArray[np.float64]:
    """Surface of a lane ``[., 2]``: between its boundaries, else a strip."""
    left, right = network.left_boundaries[row], network.right_boundaries[row]
    if len(left) > 1 and len(right) > 1:
        return np.concatenate([right, left[::-1]])[:, :2]
    width = float(network.lane_widths[row])
    centre = network.centre_lines[row]
    return strip(centre, width if np.isfinite(width) and width > 0 else DEFAULT_LANE_WIDTH)[:, :2]


def _zebra(axes: Axes, ring: NDArray[np.float64], traffic: float | None, edge: float) -> None:
    """White stripes along the traffic, cut off at the outline of a crosswalk; without traffic across its long side."""
    middle = ring.mean(axis=0)
    box = cv2.boxPoints(cv2.minAreaRect((ring - middle).astype(np.float32))).astype(np.float64)
    if traffic is None:
        turned = np.hypot(*(box[1] - box[0])) < np.hypot(*(box[2] - box[1]))
    else:
        ahead = np.array([np.cos(traffic), np.sin(traffic)])
        turned = _share(box[1] - box[0], ahead) > _share(box[2] - box[1], ahead)
    box = np.roll(box, -1, axis=0) if turned else box
    length = float(np.hypot(*(box[1] - box[0])))
    along, across = (box[1] - box[0]) / max(length, 1e-6), box[3] - box[0]
    begins = np.arange(0.25, length, 1.0)
    corners = box[0] + middle + begins[:, None] * along
    stripes = np.stack([corners, corners + 0.5 * along, corners + 0.5 * along + across, corners + across], axis=1)
    outline = PathPatch(Outline(np.concatenate([ring, ring[:1]]), closed=True), facecolor="#565b63",
                        edgecolor="#dfe3e8", linewidth=edge, zorder=0.4)  # fmt: skip
    axes.add_patch(outline)
    drawn = PolyCollection(list(stripes), facecolors="#f4f6f8", linewidths=0, zorder=0.41)
    axes.add_collection(drawn)
    drawn.set_clip_path(outline)


def _share(side: NDArray[np.float64], ahead: NDArray[np.float64]) -> float:
    """How much of a side runs along a direction, 0..1."""
    return abs(float(side @ ahead)) / max(float(np.hypot(*side)), 1e-6)


def _scale_bar(axes: Axes, low: NDArray[np.float64], size: NDArray[np.float64], letters: float) -> None:
    """A bar of a round length, about a sixth of the width."""
    target = float(size[0]) / 6
    power = 10.0 ** np.floor(np.log10(target))
    length = power * max(factor for factor in (1, 2, 5) if factor * power <= target)
    x, y = low + 0.03 * size
    axes.plot([x, x + length], [y, y], color=INK, linewidth=3, solid_capstyle="butt", zorder=2)
    axes.text(x + length / 2, y + 0.008 * float(size.max()), f"{length:g} m", ha="center", va="bottom",
              fontsize=letters, color=INK, zorder=2)  # fmt: skip
