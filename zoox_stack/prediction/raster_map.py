"""What of a road network goes into the scene image, as plain shapes per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths
from zoox_stack.prediction.channels import MASK_CHANNELS, SPEED_PER_COUNT, Channel
from zoox_stack.road_network.network import RoadNetwork

TILE_METRES_PER_PIXEL = 0.25
SHIFT = 4  # sub-pixel bits of cv2 drawing
DIRECTIONS = 255  # codes 1..255 are directions around the circle, 0 is none
DIRECTION_SPACING = 2.0  # [m] between changes of direction along a lane
DEFAULT_LANE_WIDTH = 3.5  # [m] where neither boundaries nor width are known
MARGIN = 20.0  # [m] around the outermost points of the map within which absence means "not there"
MAX_EXTENT = 200e3  # [m]

_AREAS = {
    AreaType.DRIVABLE: (Channel.DRIVABLE,),
    AreaType.INTERSECTION: (Channel.INTERSECTION, Channel.DRIVABLE),
    AreaType.CROSSWALK: (Channel.CROSSWALK,),
    AreaType.SIDEWALK: (Channel.SIDEWALK,),
    AreaType.PARKING: (Channel.PARKING,),
    AreaType.BUS_STOP: (Channel.PARKING,),
}
_LANES = {
    LaneType.VEHICLE: (Channel.LANE_VEHICLE, Channel.DRIVABLE),
    LaneType.BUS: (Channel.LANE_BUS, Channel.DRIVABLE),
    LaneType.BIKE: (Channel.LANE_BIKE,),
    LaneType.OTHER: (),
}
_TURNS = {
    LaneTurn.UNKNOWN: (),
    LaneTurn.STRAIGHT: (Channel.LANE_STRAIGHT,),
    LaneTurn.LEFT: (Channel.LANE_LEFT,),
    LaneTurn.U_TURN: (Channel.LANE_LEFT,),
    LaneTurn.RIGHT: (Channel.LANE_RIGHT,),
}
_LINES = {
    LineType.UNKNOWN: (Channel.LINE_UNKNOWN,),
    LineType.NONE: (),
    LineType.SOLID_WHITE: (Channel.LINE_SOLID_WHITE,),
    LineType.DASHED_WHITE: (Channel.LINE_DASHED_WHITE,),
    LineType.SOLID_YELLOW: (Channel.LINE_YELLOW,),
    LineType.DASHED_YELLOW: (Channel.LINE_YELLOW,),
    LineType.DOUBLE_SOLID: (Channel.LINE_DOUBLE,),
    LineType.KERB: (Channel.LINE_KERB,),
    LineType.STOP: (Channel.STOP_LINE,),
    LineType.YIELD: (Channel.YIELD_LINE,),
}
Points = NDArray[np.float64]
Fixed = NDArray[np.int32]  # ``[., 2]`` x, y in 1/16 tile pixels from the map's origin, as cv2 counts


@dataclass
class Layer:
    """Shapes of one mask channel; boxes ``[., 4]`` are low x, low y, high x, high y from the map's origin [m]."""

    polygons: list[Fixed] = field(default_factory=list)
    lines: list[Fixed] = field(default_factory=list)
    wide: bool = False
    polygon_boxes: Points = field(default_factory=lambda: np.zeros((0, 4)))
    line_boxes: Points = field(default_factory=lambda: np.zeros((0, 4)))


class MapShapes:
    """Shapes of a network, relative to `origin`, in drawing order.

    Attributes:
        origin: float64 ``[2]`` low corner of the map, map frame [m].
        size: float64 ``[2]`` extent [m].
        masks: One `Layer` per mask channel, in the order of `MASK_CHANNELS`.
        direction_polygons: Pieces of lanes with one direction; later ones cover earlier ones.
        direction_codes: uint8, 1..255.
        speed_polygons: Lanes with a known limit.
        speed_codes: uint8, 1..255.
        direction_boxes: float64 ``[., 4]``, speed_boxes: likewise.
    """

    def __init__(self, network: RoadNetwork) -> None:
        drawn = (
            network.centre_lines, network.left_boundaries, network.right_boundaries, network.lines, network.areas,
        )  # fmt: skip
        points = np.concatenate([ragged.values[:, :2] for ragged in drawn])
        low = points.min(axis=0) - MARGIN if len(points) else np.zeros(2)
        high = points.max(axis=0) + MARGIN if len(points) else np.zeros(2)
        if bool((high - low > MAX_EXTENT).any()):
            raise InvalidInputError(
                "RoadNetwork", f"an extent up to {MAX_EXTENT:.0f} m", f"{(high - low).tolist()} m", "Check the points."
            )
        self.origin, self.size = low, high - low
        self.is_empty = not len(points)
        polygons: list[list[Points]] = [[] for _ in MASK_CHANNELS]
        lines: list[list[Points]] = [[] for _ in MASK_CHANNELS]
        outlines: list[Points] = []
        direction_polygons: list[Points] = []
        speed_polygons: list[Points] = []
        directions: list[int] = []
        speeds: list[int] = []
        if not self.is_empty:
            polygons[Channel.MAP_KNOWN].append(_known_area(points - self.origin))
        for kind, ring in zip(network.area_types, network.areas, strict=True):
            for channel in _AREAS[AreaType(kind)]:
                polygons[channel].append(self._relative(ring))
        for kind, line in zip(network.line_types, network.lines, strict=True):
            self._add_line(lines, kind, line)
        sides = [lane_sides(network, row) for row in range(len(network.lane_ids))]
        for row in range(len(sides)):
            centre, left, right = sides[row]
            outline = np.concatenate([left, right[::-1]]) - self.origin
            outlines.append(outline)
            channels = _LANES[LaneType(network.lane_types[row])] + _TURNS[LaneTurn(network.lane_turns[row])]
            for channel in (*channels, *((Channel.INTERSECTION,) if network.lane_in_intersection[row] else ())):
                polygons[channel].append(outline)
            lines[Channel.CENTRE_LINE].append(self._relative(network.centre_lines[row]))
            self._add_line(lines, network.left_boundary_types[row], network.left_boundaries[row])
            self._add_line(lines, network.right_boundary_types[row], network.right_boundaries[row])
        for row in _drawing_order(network):
            centre, left, right = sides[row]
            pieces, codes = direction_pieces(centre, left, right)
            direction_polygons += [piece - self.origin for piece in pieces]
            directions += codes
            limit = float(network.lane_speed_limits[row])
            if np.isfinite(limit):
                speed_polygons.append(outlines[row])
                speeds.append(int(np.clip(round(limit / SPEED_PER_COUNT), 1, 255)))
        self.direction_codes, self.speed_codes = np.array(directions, np.uint8), np.array(speeds, np.uint8)
        self.direction_polygons, self.direction_boxes = _fixed(direction_polygons), _boxes(direction_polygons)
        self.speed_polygons, self.speed_boxes = _fixed(speed_polygons), _boxes(speed_polygons)
        self.masks = [
            Layer(_fixed(p), _fixed(q), c in (Channel.STOP_LINE, Channel.YIELD_LINE), _boxes(p), _boxes(q))
            for c, p, q in zip(MASK_CHANNELS, polygons, lines, strict=True)
        ]

    def touches(self, low_x: float, low_y: float, high_x: float, high_y: float) -> bool:
        """True if the map's extent meets a rectangle (relative to `origin`) [m]."""
        return not self.is_empty and low_x <= self.size[0] and low_y <= self.size[1] and high_x >= 0 and high_y >= 0

    def _relative(self, points: Points) -> Points:
        return np.asarray(points[:, :2] - self.origin)

    def _add_line(self, lines: list[list[Points]], kind: int, points: Points) -> None:
        if len(points) >= 2:
            for channel in _LINES[LineType(kind)]:
                lines[channel].append(self._relative(points))


def lane_sides(network: RoadNetwork, row: int) -> tuple[Points, Points, Points]:
    """Centre line, left and right side of a lane, each ``[., 2]``, map frame.

    Where a boundary is unknown the centre line is moved sideways by half the width.
    """
    centre = network.centre_lines[row][:, :2]
    left, right = network.left_boundaries[row][:, :2], network.right_boundaries[row][:, :2]
    width = float(network.lane_widths[row])
    half = (width if np.isfinite(width) and width > 0 else DEFAULT_LANE_WIDTH) / 2
    tangent = np.gradient(centre, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    normal /= np.maximum(np.hypot(normal[:, 0], normal[:, 1]), 1e-9)[:, None]
    return (
        centre,
        left if len(left) >= 2 else centre + half * normal,
        right if len(right) >= 2 else centre - half * normal,
    )


def direction_pieces(centre: Points, left: Points, right: Points) -> tuple[list[Points], list[int]]:
    """Cut a lane into pieces of one direction code each; returns their polygons and codes."""
    pieces: list[Points] = []
    codes: list[int] = []
    length = float(arc_lengths(centre)[-1])
    if length < 1e-6:
        return pieces, codes
    stations = np.linspace(0.0, 1.0, max(2, int(np.ceil(length / DIRECTION_SPACING)) + 1))
    middle, a, b = (_at(line, stations) for line in (centre, left, right))
    step = np.diff(middle, axis=0)
    angle = np.arctan2(step[:, 1], step[:, 0])
    code = 1 + np.rint(angle / (2 * np.pi) * DIRECTIONS).astype(int) % DIRECTIONS
    starts = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]])).tolist()
    for first, last in zip(starts, [*starts[1:], len(code)], strict=True):
        pieces.append(np.concatenate([a[first : last + 1], b[first : last + 1][::-1]]))
        codes.append(int(code[first]))
    return pieces, codes


def _at(line: Points, stations: Points) -> Points:
    """Points of a polyline at shares 0..1 of its length."""
    s = arc_lengths(line)
    at = stations * s[-1]
    return np.stack([np.interp(at, s, line[:, 0]), np.interp(at, s, line[:, 1])], axis=1)


def _drawing_order(network: RoadNetwork) -> list[int]:
    """Lane rows with a direction: turning ones first, so that straight lanes lie on top where they cross."""
    rows = np.flatnonzero(network.lane_types != LaneType.OTHER)
    turning = ~np.isin(network.lane_turns[rows], (LaneTurn.STRAIGHT, LaneTurn.UNKNOWN))
    key = np.where(network.lane_in_intersection[rows], np.where(turning, 0, 1), 2)
    return [int(row) for row in rows[np.argsort(key, kind="stable")]]


def _known_area(points: Points) -> Points:
    """Convex hull of the map, `MARGIN` wider on all sides: does not depend on the map's axes."""
    hull = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2)
    around = np.arange(32) * (2 * np.pi / 32)
    circle = MARGIN * np.stack([np.cos(around), np.sin(around)], axis=1)
    wider = (hull[:, None] + circle).reshape(-1, 2).astype(np.float32)
    return np.asarray(cv2.convexHull(wider).reshape(-1, 2), np.float64)


def _fixed(shapes: Sequence[Points]) -> list[Fixed]:
    # cv2 counts from pixel centres: hence the half.
    scaled = [(points / TILE_METRES_PER_PIXEL - 0.5) * (1 << SHIFT) for points in shapes]
    return [np.rint(points).astype(np.int32) for points in scaled]


def _boxes(shapes: Sequence[Points]) -> Points:
    if not shapes:
        return np.zeros((0, 4))
    return np.array([[*p.min(axis=0), *p.max(axis=0)] for p in shapes])
