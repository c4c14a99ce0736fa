"""The map as it is drawn under everything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.classes import AreaType, SignalState
from zoox_stack.core.geometry import arc_lengths
from zoox_stack.evaluation.canvas import Canvas, View
from zoox_stack.road_network.line_styles import drawn_lines
from zoox_stack.road_network.network import RoadNetwork

GROUND, ROAD = "#f1f2ef", "#d9dde2"
_AREAS = {
    AreaType.SIDEWALK: "#e6e4dc",
    AreaType.DRIVABLE: ROAD,
    AreaType.INTERSECTION: ROAD,
    AreaType.PARKING: "#d8d3e0",
    AreaType.BUS_STOP: "#e0d3d3",
}
_CROSSWALK = "#eef1f5"
_CENTRE, _ROUTE = "#c6ccd3", "#c3d4ea"
_WIDE = 0.45  # [m] lines on the road from here on are drawn wide
_SIGNALS = {SignalState.RED: "#d62728", SignalState.YELLOW: "#e6a700", SignalState.GREEN: "#2ca02c"}
_SIGNAL_REACH = 5.0  # [m] of a governed lane that show its signal's colour


@dataclass(frozen=True, eq=False)
class _Layer:
    """Shapes of one colour; areas have no width."""

    shapes: tuple[NDArray[np.float64], ...]
    colour: str
    width: float | None = None

    def near(self, view: View) -> list[NDArray[np.float64]]:
        """The shapes of which something may be in view."""
        low, high = self._boxes
        middle = np.array([view.x, view.y])
        gap = np.maximum(np.maximum(low - middle, middle - high), 0.0)
        return [self.shapes[row] for row in np.flatnonzero(np.hypot(*gap.T) < view.reach)]

    @cached_property
    def _boxes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        corners = [(shape.min(axis=0), shape.max(axis=0)) for shape in self.shapes]
        low, high = np.array(corners).reshape(-1, 2, 2).transpose(1, 0, 2)
        return low, high


class MapPicture:
    """Draws one map again and again.

    Args:
        network: The map.
        route: Points ``[P, 2]`` of the ego's way [m], None without one.
    """

    def __init__(self, network: RoadNetwork, route: NDArray[np.float64] | None = None) -> None:
        self._network = network
        self._layers = [_Layer(_areas(network, kind), colour) for kind, colour in _AREAS.items()]
        self._layers.append(_Layer(tuple(_lane_shapes(network)), ROAD))
        self._layers.append(_Layer(_areas(network, AreaType.CROSSWALK), _CROSSWALK))
        if route is not None:
            self._layers.append(_Layer((route,), _ROUTE, 14.0))
        self._layers.append(_Layer(tuple(line[:, :2] for line in network.centre_lines), _CENTRE, 0.5))
        self._layers += _lines(network)

    def draw(self, canvas: Canvas, signals: TrafficSignals | None = None) -> None:
        """Everything in view; signals as coloured beginnings of the lanes they govern."""
        for layer in self._layers:
            if layer.width is None:
                for shape in layer.near(canvas.view):
                    canvas.fill(shape, layer.colour)
            else:
                canvas.lines(layer.near(canvas.view), layer.colour, layer.width)
        if signals is not None:
            self._draw_signals(canvas, signals)

    def _draw_signals(self, canvas: Canvas, signals: TrafficSignals) -> None:
        network, view = self._network, canvas.view
        states = dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
        # red last: where lanes begin together the most important colour is on top
        for state in (SignalState.GREEN, SignalState.YELLOW, SignalState.RED):
            for row, signal in enumerate(network.signal_ids.tolist()):
                if states.get(signal) != state:
                    continue
                for lane in network.signal_lanes[row].tolist():
                    line = network.centre_lines[lane][:, :2]
                    begin = line if network.lane_in_intersection[lane] else line[::-1]
                    if np.hypot(*(begin[0] - [view.x, view.y])) > view.reach:
                        continue
                    canvas.lines([cut(begin, 0.0, _SIGNAL_REACH)], _SIGNALS[state], 1.6)
                    canvas.dot(begin[0], 3.2, _SIGNALS[state])


def cut(line: NDArray[np.float64], begin: float, end: float) -> NDArray[np.float64]:
    """The piece of a line ``[P, 2]`` between two arc lengths [m]."""
    s = arc_lengths(line)
    begin, end = max(begin, 0.0), min(end, float(s[-1]))
    at = np.concatenate([[begin], s[(s > begin) & (s < end)], [end]])
    return np.stack([np.interp(at, s, line[:, 0]), np.interp(at, s, line[:, 1])], axis=1)


def dashed(line: NDArray[np.float64], dash: float, gap: float) -> list[NDArray[np.float64]]:
    """The dashes along a line ``[P, 2]``; lengths in metres."""
    length = float(arc_lengths(line)[-1])
    return [cut(line, s, s + dash) for s in np.arange(0.0, max(length, 1e-6), dash + gap)]


def _areas(network: RoadNetwork, kind: AreaType) -> tuple[NDArray[np.float64], ...]:
    return tuple(network.areas[int(row)][:, :2] for row in np.flatnonzero(network.area_types == kind))


def _lane_shapes(network: RoadNetwork) -> Iterator[NDArray[np.float64]]:
    for left, right in zip(network.left_boundaries, network.right_boundaries, strict=True):
        if len(left) and len(right):
            yield np.concatenate([left[:, :2], right[::-1, :2]])


def _lines(network: RoadNetwork) -> Iterator[_Layer]:
    """Boundaries of lanes and other lines, by kind."""
    for _, style, shapes in drawn_lines(network):
        if style.dash is not None:
            shapes = [dash for shape in shapes for dash in dashed(shape, style.dash, style.dash)]
        yield _Layer(tuple(shapes), style.on_pale, 1.5 if style.width > _WIDE else 1.0)
