"""`RoadNetwork` as a Lanelet2 map (OSM XML), written by the lanelet2 library.

Lanes become lanelets that share bounds with their neighbours and end points with what follows, so that the routing
graph of Lanelet2 finds both. Where the map knows more than shared bounds can say, tags of our own keep it, which
`load_lanelet2` understands and other readers pass over: ``lane_id``, ``area_id``, ``line_id``, ``signal_id``,
``in_intersection``, ``width``, ``successors``, ``left_neighbour``, ``right_neighbour``, ``left_boundary=unknown``; and
ways with ``boundary_of`` and ``side``: the boundary of a lane where it lies elsewhere than the bound it shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.road_network.exporters.shared_bounds import SharedBounds, boundary, share_bounds
from zoox_stack.road_network.importers.lanelet2_tags import TURNS, WRITTEN_AREAS, WRITTEN_LANES, WRITTEN_LINES
from zoox_stack.road_network.line_shapes import between, clean_polyline, ends_at, lines_cross
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.segments import intersections, pieces

TOLERANCE = 0.002  # [m] two lines closer than this, point by point, are one
LARGEST_OFFSET = 100_000.0  # [m] from the origin: further away the projection bends the map
_TURN_WORDS = {turn: word for word, turn in TURNS.items()}
_HALF_LIGHT = np.array([0.15, 0.0, 0.0])  # [m] a traffic light is a short line


def save_lanelet2(network: RoadNetwork, path: Path | str, origin: tuple[float, float] = (49.0, 8.4)) -> None:
    """Write a map; `load_lanelet2` gives it back (speed limits and widths to 1e-6, points to 1 mm).

    Args:
        network: The map, x east and y north.
        path: File to write, ``.osm``.
        origin: Latitude and longitude [deg] of the origin of the map frame; the file holds it as a node.

    Raises:
        InvalidInputError: A map without lanes, points more than 100 km from the origin, an origin that is no place
            of UTM (latitude -80 to 84 degrees), or a path that does not end in ``.osm`` or cannot be written; what was
            there before stays then.
        ConfigurationError: The lanelet2 library is not installed.
    """
    path = Path(path)
    if path.suffix != ".osm":
        raise InvalidInputError(f"Lanelet2 map {path}", "a name that ends in .osm", path.name)
    if not len(network.lane_ids):
        raise InvalidInputError(f"map {network.name!r} to save", "at least one lane", "none")
    if not (-80 <= origin[0] <= 84 and abs(origin[1]) <= 180):  # NaN is not either
        raise InvalidInputError("origin of the map frame", "latitude -80 to 84, longitude -180 to 180", f"{origin}")
    furthest = float(np.abs(network.centre_lines.values[:, :2]).max())
    if furthest > LARGEST_OFFSET:
        raise InvalidInputError(f"map {network.name!r} to save", "coordinates within 100 km", f"{furthest:.0f} m")
    try:
        from lanelet2 import core, io, projection
    except ImportError as error:
        raise ConfigurationError(f"Lanelet2 maps need the lanelet2 library: {error}") from error
    lanelet_map = _Writer(core, network).map()
    part = path.with_name(f".{path.stem}.part.osm")  # the library goes by the ending
    try:
        errors = list(io.writeRobust(str(part), lanelet_map, projection.UtmProjector(io.Origin(*origin))))
        if errors:
            raise RuntimeError("; ".join(errors))
        part.replace(path)
    except (OSError, RuntimeError) as error:
        raise InvalidInputError(f"Lanelet2 map {path}", "a file that can be written", str(error)) from error
    finally:
        part.unlink(missing_ok=True)


class _Writer:
    """Builds the map of the lanelet2 library; ids count up from 1, lanelets in the order of the lanes."""

    def __init__(self, core: Any, network: RoadNetwork) -> None:
        self.core, self.network, self.ids = core, network, count(1)
        self.bounds: SharedBounds = share_bounds(network)
        self.found = core.LaneletMap()
        self.extra: list[tuple[int, int, NDArray[np.float64], LineType]] = []  # boundaries beside their way
        self.lane_names = network.lane_ids.tolist()

    def map(self) -> Any:
        name = {"name": "origin", "map_name": self.network.name}
        self.found.add(self.core.Point3d(next(self.ids), 0.0, 0.0, 0.0, self._tags(name)))
        lanelets = self._lanelets()
        stops = self._lines()
        self._signals(lanelets, stops)
        self._right_of_way(lanelets, stops)
        for lanelet in lanelets:
            self.found.add(lanelet)
        for row, side, points, kind in self.extra:
            tags = {"boundary_of": str(lanelets[row].id), "side": ("left", "right")[side]}
            self.found.add(self._line(points, {**WRITTEN_LINES[kind], **tags}))
        self._areas()
        return self.found

    def _tags(self, tags: Mapping[str, str]) -> Any:
        return self.core.AttributeMap(dict(tags))

    def _point(self, xyz: NDArray[np.float64]) -> Any:
        return self.core.Point3d(next(self.ids), *(float(v) for v in xyz))

    def _line(self, points: NDArray[np.float64], tags: Mapping[str, str]) -> Any:
        return self.core.LineString3d(next(self.ids), [self._point(p) for p in points], self._tags(tags))

    def _kind(self, row: int, side: int) -> LineType:
        network = self.network
        return LineType(int((network.left_boundary_types, network.right_boundary_types)[side][row]))

    def _lanelets(self) -> list[Any]:
        network, shared = self.network, self.bounds
        joints: dict[int, Any] = {}
        ways: dict[int, Any] = {}

        def way(index: int) -> Any:
            if index not in ways:
                points = shared.points[index]
                first, last = shared.joints[index].tolist()
                for joint, point in ((first, points[0]), (last, points[-1])):
                    if joint not in joints:
                        joints[joint] = self._point(point)
                nodes = [joints[first], *(self._point(p) for p in points[1:-1]), joints[last]]
                tags = WRITTEN_LINES[self._kind(*shared.owner[index])]
                ways[index] = self.core.LineString3d(next(self.ids), nodes, self._tags(tags))
            return ways[index]

        implied = shared.successors()
        lanelets = []
        for row in range(len(network.lane_ids)):
            sides = (int(shared.left[row]), int(shared.right[row]))
            tags = self._lane_tags(row, implied[row])
            edges = [clean_polyline(self._edge(row, side, index, tags)) for side, index in enumerate(sides)]
            _, width = between(edges[0], edges[1])
            known = len(network.left_boundaries[row]) and len(network.right_boundaries[row])
            given = float(network.lane_widths[row])
            if not np.isclose(given, width if known else np.nan, atol=1e-3, equal_nan=True):
                tags["width"] = repr(given)
            lanelet = self.core.Lanelet(next(self.ids), way(sides[0]), way(sides[1]), self._tags(tags))
            lanelet.centerline = self._line(network.centre_lines[row], WRITTEN_LINES[LineType.NONE])
            lanelets.append(lanelet)
        return lanelets

    def _edge(self, row: int, side: int, way: int, tags: dict[str, str]) -> NDArray[np.float64]:
        """A boundary of a lane; notes what the way it shares does not say about it."""
        points, kind = boundary(self.network, row, side), self._kind(row, side)
        if not len((self.network.left_boundaries, self.network.right_boundaries)[side][row]):
            tags[("left", "right")[side] + "_boundary"] = "unknown"
            if kind == self._kind(*self.bounds.owner[way]):
                return points
        if kind != self._kind(*self.bounds.owner[way]) or not _same(points, self.bounds.points[way]):
            self.extra.append((row, side, points, kind))
        return points

    def _lane_tags(self, row: int, implied: list[int]) -> dict[str, str]:
        network = self.network
        tags = {
            "lane_id": str(self.lane_names[row]),
            "one_way": "yes",
            "turn_direction": _TURN_WORDS[LaneTurn(int(network.lane_turns[row]))],
            "in_intersection": "yes" if network.lane_in_intersection[row] else "no",
            **WRITTEN_LANES[LaneType(int(network.lane_types[row]))],
        }
        speed = float(network.lane_speed_limits[row])
        if speed == speed:
            tags["speed_limit"] = f"{speed * 3.6:.9g} km/h"
        if network.successors[row].tolist() != implied:
            tags["successors"] = ";".join(str(self.lane_names[i]) for i in network.successors[row])
        for side, neighbours, back in (
            ("left", network.left_neighbours, network.right_neighbours),
            ("right", network.right_neighbours, network.left_neighbours),
        ):
            other = int(neighbours[row])
            if other >= 0 and back[other] != row:
                tags[f"{side}_neighbour"] = str(self.lane_names[other])
        return tags

    def _lines(self) -> list[tuple[Any, int]]:
        """Writes all lines; returns the stop and yield lines with their rows."""
        stops = []
        for row, (key, kind, points) in enumerate(
            zip(self.network.line_ids.tolist(), self.network.line_types.tolist(), self.network.lines, strict=True)
        ):
            line = self._line(points, {**WRITTEN_LINES[LineType(kind)], "line_id": str(key)})
            self.found.add(line)
            if kind in (LineType.STOP, LineType.YIELD):
                stops.append((line, row))
        return stops

    def _stop_line(self, lanes: list[int], stops: list[tuple[Any, int]], kind: LineType) -> Any | None:
        """The line of a kind at which these lanes, or those that lead to them, wait."""
        network = self.network
        ahead = {row for row, following in enumerate(network.successors) if set(following.tolist()) & set(lanes)}
        for line, row in stops:
            points = network.lines[row]
            if network.line_types[row] != kind:
                continue
            if any(ends_at(network.centre_lines[lane], points) for lane in sorted(ahead)) or any(
                lines_cross(network.centre_lines[lane], points) for lane in lanes
            ):
                return line
        return None

    def _signals(self, lanelets: list[Any], stops: list[tuple[Any, int]]) -> None:
        network = self.network
        for key, position, lanes in zip(
            network.signal_ids.tolist(), network.signal_positions, network.signal_lanes, strict=True
        ):
            light = self._line(
                np.stack([position - _HALF_LIGHT, position + _HALF_LIGHT]),
                {"type": "traffic_light", "subtype": "red_yellow_green"},
            )
            stop = self._stop_line(lanes.tolist(), stops, LineType.STOP)
            tags = self._tags({"signal_id": str(key)})
            rule = self.core.TrafficLight(next(self.ids), tags, [light], stop)
            self.found.add(rule)
            for lane in lanes.tolist():
                lanelets[lane].addRegulatoryElement(rule)

    def _right_of_way(self, lanelets: list[Any], stops: list[tuple[Any, int]]) -> None:
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, first in enumerate(self.network.yields):
            if len(first):
                groups.setdefault(tuple(sorted(first.tolist())), []).append(row)
        for first_rows, waiting in groups.items():
            stop = self._stop_line(waiting, stops, LineType.YIELD)
            over, under = [lanelets[row] for row in first_rows], [lanelets[row] for row in waiting]
            rule = self.core.RightOfWay(next(self.ids), self._tags({}), over, under, stop)
            for row in sorted({*first_rows, *waiting}):
                lanelets[row].addRegulatoryElement(rule)

    def _areas(self) -> None:
        for key, kind, ring in zip(
            self.network.area_ids.tolist(), self.network.area_types.tolist(), self.network.areas, strict=True
        ):
            tags = {"subtype": WRITTEN_AREAS[AreaType(kind)], "area_id": str(key)}
            points = [self._point(p) for p in ring]
            if kind == AreaType.CROSSWALK and len(ring) >= 4:
                near, far = _long_sides(ring)
                sides = [[points[i] for i in side] for side in (far, near)]
                left, right = (
                    self.core.LineString3d(next(self.ids), side, self._tags({"type": "virtual"})) for side in sides
                )
                tags = {**tags, "participant:pedestrian": "yes", "one_way": "no"}
                self.found.add(self.core.Lanelet(next(self.ids), left, right, self._tags(tags)))
            elif _touches_itself(ring):  # Lanelet2 refuses it as an area, but not as a closed line
                polygon_tags = self._tags({"type": tags["subtype"], "area_id": tags["area_id"]})
                self.found.add(self.core.Polygon3d(next(self.ids), points, polygon_tags))
            else:
                half = len(points) // 2
                outline = [
                    self.core.LineString3d(next(self.ids), part, self._tags({"type": "virtual"}))
                    for part in (points[: half + 1], [*points[half:], points[0]])
                ]
                self.found.add(self.core.Area(next(self.ids), outline, [], self._tags(tags)))


def _long_sides(ring: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Indices of a ring cut into two sides of the same direction, where the two cuts together are shortest."""
    size = len(ring)
    half = size // 2
    edges = np.hypot(*(np.roll(ring, -1, axis=0) - ring)[:, :2].T)  # edge i: from point i to the next
    start = min(range(size), key=lambda i: (edges[(i - 1) % size] + edges[(i + half - 1) % size], i))
    near = [(start + k) % size for k in range(half)]
    far = [(start + k) % size for k in range(half, size)][::-1]
    return near, far


def _touches_itself(ring: NDArray[np.float64]) -> bool:
    """Whether the sides of a ring meet anywhere but at their common corners."""
    start, step = pieces(ring, closed=True)
    i, j, _, _ = intersections(start, step, start, step)
    apart = np.abs(i - j)
    onward = np.roll(step, -1, axis=0)
    turned_back = (np.abs(step[:, 0] * onward[:, 1] - step[:, 1] * onward[:, 0]) < 1e-9) & (
        (step * onward).sum(axis=1) < 0
    )
    return bool(((apart > 1) & (apart < len(ring) - 1)).any() or turned_back.any())


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return len(a) == len(b) and bool(np.abs(a - b).max() <= TOLERANCE)
