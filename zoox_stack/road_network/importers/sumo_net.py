"""SUMO network files (``*.net.xml``) → `RoadNetwork`. Right-hand traffic.

Needs only the file, not SUMO. Vehicle lanes, also those inside junctions, become lanes; pedestrian lanes and walking
areas become sidewalk areas, crossings become crosswalk areas, lanes that nobody may drive on parking areas. SUMO files
hold centre lines and widths; boundaries are made from them. Who gives way is what the file says about its junctions.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.importers.broken_file import reading
from zoox_stack.road_network.importers.sumo_additional import RoadsidePlace, read_additional
from zoox_stack.road_network.importers.sumo_permissions import PARKED, allowed_classes, lane_kind
from zoox_stack.road_network.network import RoadNetwork

DEFAULT_WIDTH = 3.2  # [m] of lanes whose file gives none (SUMO's default)
SIGNAL_HEIGHT = 5.0  # [m]
_TURNS = {
    "s": LaneTurn.STRAIGHT, "l": LaneTurn.LEFT, "L": LaneTurn.LEFT, "r": LaneTurn.RIGHT, "R": LaneTurn.RIGHT,
    "t": LaneTurn.U_TURN,
}  # fmt: skip
_LEAST_SEAM, _MOST_SEAM = 0.05, 4.0  # [m] between the end of a road and its junction, to be filled with ground
_THINNEST = 0.3  # [m] walking areas across the end of a road are lines with four corners


@dataclass(frozen=True, eq=False)
class SumoNet:
    """A road network with the names SUMO uses for its parts.

    Attributes:
        network: The map. Coordinates are those of the file, without undoing ``netOffset``.
        lane_rows: Row in `network` of every SUMO vehicle lane id. Ids in `network` are row numbers.
        signal_links: SUMO traffic light id and link index of every signal, in the order of `network.signal_ids`.
        edge_lengths: Length of every ordinary SUMO edge [m].
        edge_links: Ordinary edges reachable from every ordinary edge by vehicles.
        walkable: Ordinary edges with a sidewalk.
    """

    network: RoadNetwork
    lane_rows: dict[str, int]
    signal_links: tuple[tuple[str, int], ...]
    edge_lengths: dict[str, float]
    edge_links: dict[str, tuple[str, ...]]
    walkable: frozenset[str]


@dataclass
class _Lane:
    name: str
    edge: str
    index: int
    length: float
    kind: LaneType | None  # None: pedestrians, or nobody
    parking: bool
    speed: float
    width: float
    points: NDArray[np.float64]
    internal: bool
    turn: LaneTurn = LaneTurn.STRAIGHT
    next_names: list[str] = field(default_factory=list)


def read_sumo_net(path: Path, additional: Path | None = None) -> SumoNet:
    """Read a SUMO network file.

    Args:
        path: The network.
        additional: A file with ``<busStop>`` and ``<parkingArea>`` elements; they become areas beside their lanes.

    Raises:
        InvalidInputError: Not a readable SUMO network, or one without vehicle lanes; an additional file that is not
            readable or names a lane that the network does not have.
    """
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InvalidInputError(f"SUMO network {path}", "a readable XML file", str(error)) from error
    if root.tag != "net":
        raise InvalidInputError(f"SUMO network {path}", "root element <net>", f"<{root.tag}>")
    if root.get("lefthand", "false") == "true":
        raise InvalidInputError(f"SUMO network {path}", "right-hand traffic", "lefthand=true")
    places = () if additional is None else read_additional(additional)
    with reading(f"SUMO network {path}", "the elements of a SUMO network"):
        return _Reader(root, Path(path).name.removesuffix(".net.xml"), places).net()


class _Reader:
    """One pass over the XML tree."""

    def __init__(self, root: ET.Element, name: str, places: tuple[RoadsidePlace, ...]) -> None:
        self.root, self.name, self.places = root, name, places
        edges = root.findall("edge")
        self.functions = {edge.attrib["id"]: edge.get("function", "normal") for edge in edges}
        self.ends = {edge.attrib["id"]: (edge.get("from"), edge.get("to")) for edge in edges}
        lanes = [_named_lane(edge, lane) for edge in edges for lane in edge.findall("lane")]
        self.pedestrian = [lane for lane in lanes if lane.kind is None and not lane.parking]
        self.parking = {lane.name: lane for lane in lanes if lane.parking and not lane.internal}
        self.lanes = [lane for lane in lanes if lane.kind is not None]
        self.pairs = {self.ends[lane.edge] for lane in self.lanes if not lane.internal}
        if not self.lanes:
            raise InvalidInputError("lanes", "vehicle lanes", "none")
        self.rows = {lane.name: row for row, lane in enumerate(self.lanes)}
        if len(self.rows) < len(self.lanes):
            twice = next(lane.name for row, lane in enumerate(self.lanes) if self.rows[lane.name] != row)
            raise InvalidInputError(f"lane {twice}", "an id of its own", "the same id twice")
        self.by_name = {lane.name: lane for lane in self.lanes}
        self.links: dict[tuple[str, int], list[int]] = defaultdict(list)  # signal → lanes governed
        self.link_places: dict[tuple[str, int], NDArray[np.float64]] = {}
        self.stop_kinds: dict[str, LineType] = {}
        self.edge_links: dict[str, set[str]] = defaultdict(set)
        for connection in root.findall("connection"):
            self._connect(connection.attrib)

    def _connect(self, link: dict[str, str]) -> None:
        start, end, via = f"{link['from']}_{link['fromLane']}", f"{link['to']}_{link['toLane']}", link.get("via", "")
        if start not in self.rows or end not in self.rows:
            return  # pedestrians
        lane = self.by_name[start]
        following = via if via in self.rows else end
        lane.next_names.append(following)
        inner = self.by_name[following]
        if inner.internal:
            inner.turn = _TURNS.get(link.get("dir", ""), LaneTurn.UNKNOWN)
        if lane.internal:
            return
        self.edge_links[lane.edge].add(link["to"])
        if "tl" in link:
            key = (link["tl"], int(link["linkIndex"]))
            self.links[key].append(self.rows[following] if inner.internal else self.rows[start])
            self.link_places[key] = lane.points[-1]
        state = link.get("state", "M")
        if "tl" in link or state in "sw":
            self.stop_kinds[start] = LineType.STOP
        elif state in "m=":
            self.stop_kinds.setdefault(start, LineType.YIELD)

    def net(self) -> SumoNet:
        lanes = self.lanes
        left = np.array([self.rows.get(f"{lane.edge}_{lane.index + 1}", -1) for lane in lanes], np.int32)
        right = np.array([self.rows.get(f"{lane.edge}_{lane.index - 1}", -1) for lane in lanes], np.int32)
        internal = np.array([lane.internal for lane in lanes])
        left[internal], right[internal] = -1, -1
        marks = [self._marks(lane, int(left[row]), int(right[row])) for row, lane in enumerate(lanes)]
        lefts = [offset_line(lane.points, lane.width / 2) for lane in lanes]
        rights = [offset_line(lane.points, -lane.width / 2) for lane in lanes]
        areas = self._areas(lefts, rights)
        lines = [
            (kind, np.stack([rights[self.rows[name]][-1], lefts[self.rows[name]][-1]]))
            for name, kind in sorted(self.stop_kinds.items())
        ]
        signals = sorted(self.links)
        places = [self.link_places[key] + [0, 0, SIGNAL_HEIGHT] for key in signals]
        network = RoadNetwork(
            name=self.name,
            lane_ids=np.arange(len(lanes)),
            lane_types=np.array([lane.kind for lane in lanes], np.uint8),
            lane_turns=np.array([lane.turn for lane in lanes], np.uint8),
            lane_in_intersection=internal,
            lane_speed_limits=np.array([lane.speed for lane in lanes], np.float32),
            lane_widths=np.array([lane.width for lane in lanes], np.float32),
            centre_lines=Ragged.from_rows([lane.points for lane in lanes], np.float64, 3),
            left_boundaries=Ragged.from_rows(lefts, np.float64, 3),
            left_boundary_types=np.array([m[0] for m in marks], np.uint8),
            right_boundaries=Ragged.from_rows(rights, np.float64, 3),
            right_boundary_types=np.array([m[1] for m in marks], np.uint8),
            successors=Ragged.from_rows([[self.rows[n] for n in lane.next_names] for lane in lanes], np.int32),
            yields=Ragged.from_rows([sorted(rows) for rows in self._yields()], np.int32),
            left_neighbours=left,
            right_neighbours=right,
            line_ids=np.arange(len(lines)),
            line_types=np.array([kind for kind, _ in lines], np.uint8),
            lines=Ragged.from_rows([points for _, points in lines], np.float64, 3),
            area_ids=np.arange(len(areas)),
            area_types=np.array([kind for kind, _ in areas], np.uint8),
            areas=Ragged.from_rows([ring for _, ring in areas], np.float64, 3),
            signal_ids=np.arange(len(signals)),
            signal_positions=np.array(places, np.float64).reshape(-1, 3),
            signal_lanes=Ragged.from_rows([self.links[key] for key in signals], np.int32),
        )
        normal = [lane for lane in lanes if not lane.internal]
        return SumoNet(
            network=network,
            lane_rows=dict(self.rows),
            signal_links=tuple(signals),
            edge_lengths={lane.edge: float(arc_lengths(lane.points)[-1]) for lane in normal},
            edge_links={edge: tuple(sorted(ends)) for edge, ends in sorted(self.edge_links.items())},
            walkable=frozenset(p.edge for p in self.pedestrian if self.functions[p.edge] == "normal"),
        )

    def _marks(self, lane: _Lane, left: int, right: int) -> tuple[LineType, LineType]:
        """Kinds of the left and right boundary."""
        if lane.internal:
            return LineType.NONE, LineType.NONE
        start, end = self.ends[lane.edge]
        opposed = start is not None and (end, start) in self.pairs

        def between(other: int) -> LineType:
            return LineType.DASHED_WHITE if self.lanes[other].kind == lane.kind else LineType.SOLID_WHITE

        far_left = LineType.SOLID_YELLOW if opposed else LineType.KERB
        far_right = LineType.SOLID_WHITE if f"{lane.edge}_{lane.index - 1}" in self.parking else LineType.KERB
        return between(left) if left >= 0 else far_left, between(right) if right >= 0 else far_right

    def _yields(self) -> list[set[int]]:
        """Lane rows that each lane gives way to, from the ``<request>`` elements of the junctions.

        Link i of a junction is the i-th of its ``intLanes``; where a turn waits in the middle of the junction that is
        its second lane, and the first one is treated alike.
        """
        result: list[set[int]] = [set() for _ in self.lanes]
        before: dict[int, list[int]] = defaultdict(list)
        for row, lane in enumerate(self.lanes):
            for name in lane.next_names if lane.internal else ():
                if self.by_name[name].internal:
                    before[self.rows[name]].append(row)
        for junction in self.root.findall("junction"):
            names = junction.get("intLanes", "").split()
            links = [[self.rows[n], *before[self.rows[n]]] if n in self.rows else [] for n in names]
            for request in junction.findall("request"):
                # The last character stands for link 0. Crossings for pedestrians are links without lanes.
                response = request.attrib["response"][::-1]
                number = int(request.attrib["index"])
                if number >= len(links) or len(response) > len(links):
                    raise ValueError(f"junction {junction.get('id')} has {len(links)} links, but requests for more")
                foes = {row for link, bit in zip(links, response, strict=False) if bit == "1" for row in link}
                for row in links[number]:
                    result[row] |= foes - set(links[number])
        return result

    def _areas(self, lefts: list[NDArray[Any]], rights: list[NDArray[Any]]) -> list[tuple[AreaType, NDArray[Any]]]:
        areas: list[tuple[AreaType, NDArray[Any]]] = []
        by_edge: dict[str, list[int]] = defaultdict(list)
        for row, lane in enumerate(self.lanes):
            if not lane.internal:
                by_edge[lane.edge].append(row)
        for rows in by_edge.values():
            rows.sort(key=lambda row: self.lanes[row].index)
            areas.append((AreaType.DRIVABLE, np.concatenate([rights[rows[0]], lefts[rows[-1]][::-1]])))
        rings: dict[str, NDArray[np.float64]] = {}
        for junction in self.root.findall("junction"):
            if junction.get("type") in ("internal", "dead_end"):
                continue
            ring = _points(junction.get("shape", ""))
            if len(ring) >= 3:
                areas += [(AreaType.DRIVABLE, ring), (AreaType.INTERSECTION, ring)]
                rings[junction.attrib["id"]] = ring
        for edge, rows in by_edge.items():
            right, left = rights[rows[0]], lefts[rows[-1]]
            for end, backward in zip(self.ends[edge], (True, False), strict=True):
                if end in rings:
                    towards = slice(None, None, -1 if backward else 1)
                    areas += _seam(right[towards], left[towards], rings[end])
        for lane in self.pedestrian:
            function = self.functions[lane.edge]
            if function == "walkingarea":
                if len(lane.points) >= 3 and _thickness(lane.points) > _THINNEST:
                    areas.append((AreaType.SIDEWALK, lane.points))
                continue
            sides = [offset_line(lane.points, s * lane.width / 2) for s in (1, -1)]
            kind = AreaType.CROSSWALK if function == "crossing" else AreaType.SIDEWALK
            areas.append((kind, np.concatenate([sides[0], sides[1][::-1]])))
        for lane in self.parking.values():
            areas.append((AreaType.PARKING, _beside(lane, 0.0, lane.length, lane.width / 2, -lane.width / 2)))
        areas += [(place.kind, self._outline(place)) for place in self.places if place.lane not in self.parking]
        return areas

    def _outline(self, place: RoadsidePlace) -> NDArray[np.float64]:
        lane = self.by_name.get(place.lane)
        if lane is None:
            raise InvalidInputError(f"{place.kind.name} {place.name}", f"a lane of {self.name}", repr(place.lane))
        end = lane.length if place.end is None else place.end
        start, end = (s + lane.length if s < 0 else s for s in (place.start, end))
        start, end = max(start, 0.0), min(end, lane.length)
        if end - start < 0.1:
            expected = f"a stretch within the {lane.length:.1f} m of its lane"
            raise InvalidInputError(f"{place.kind.name} {place.name}", expected, f"{place.start} to {place.end}")
        return _beside(lane, start, end, -lane.width / 2, -lane.width / 2 - place.width)


def _named_lane(edge: ET.Element, lane: ET.Element) -> _Lane:
    with reading(f"lane {lane.get('id')}", "a lane of a SUMO network"):
        return _lane(edge, lane)


def _lane(edge: ET.Element, lane: ET.Element) -> _Lane:
    function = edge.get("function", "normal")
    points = _points(lane.attrib["shape"])
    if not len(points):
        raise ValueError("a shape without points")
    if function in ("normal", "internal"):
        keep = np.concatenate([[True], np.hypot(*np.diff(points[:, :2], axis=0).T) > 1e-3])
        points = points[keep] if keep.sum() >= 2 else np.stack([points[0], points[0] + _direction(points) * 0.05])
    allowed = allowed_classes(lane.get("allow"), lane.get("disallow"))
    parking = function in ("normal", "internal") and allowed <= PARKED
    speed, width = float(lane.attrib["speed"]), float(lane.get("width", DEFAULT_WIDTH))
    return _Lane(
        name=lane.attrib["id"],
        edge=edge.attrib["id"],
        index=int(lane.attrib["index"]),
        length=float(lane.attrib["length"]),
        kind=None if parking or function in ("crossing", "walkingarea") else lane_kind(allowed),
        parking=parking,
        speed=speed if 0 < speed < np.inf else np.nan,
        width=width if 0 < width < np.inf else DEFAULT_WIDTH,
        points=points,
        internal=function == "internal",
    )


def _points(shape: str) -> NDArray[np.float64]:
    rows = [[float(v) for v in point.split(",")] for point in shape.split()]
    points = np.array([[*row, 0.0][:3] for row in rows], np.float64).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise ValueError(f"coordinates are not finite: {shape[:60]}")
    return points


def _direction(points: NDArray[np.float64]) -> NDArray[np.float64]:
    along = points[-1] - points[0]
    length = float(np.linalg.norm(along))
    return along / length if length > 0 else np.array([1.0, 0.0, 0.0])


def _beside(lane: _Lane, start: float, end: float, left: float, right: float) -> NDArray[np.float64]:
    """Outline of the stretch of a lane from `start` to `end` [m], from `left` to `right` of its centre line [m]."""
    s = arc_lengths(lane.points) * (lane.length / arc_lengths(lane.points)[-1])  # SUMO may set lengths of its own
    stations = np.concatenate([[start], s[(s > start + 1e-3) & (s < end - 1e-3)], [end]])
    part = np.stack([np.interp(stations, s, lane.points[:, d]) for d in range(3)], axis=1)
    return np.concatenate([offset_line(part, left), offset_line(part, right)[::-1]])


def _seam(
    right: NDArray[np.float64], left: NDArray[np.float64], ring: NDArray[np.float64]
) -> list[tuple[AreaType, NDArray[np.float64]]]:
    """The wedge between the end of a road, cut straight across, and a junction that it meets askew; none if they touch.

    Args:
        right: ``[P, 3]`` one side of the road, ending at the junction [m].
        left: ``[Q, 3]`` its other side [m].
        ring: ``[R, 3]`` outline of the junction [m].
    """
    outline = (ring - ring[0])[:, :2].astype(np.float32)
    apart = 0.0
    for side in (right, left):
        x, y = (side[-1] - ring[0])[:2].tolist()
        apart = max(apart, -cv2.pointPolygonTest(outline, (x, y), True))
    if not _LEAST_SEAM < apart < _MOST_SEAM:
        return []
    onward = [side[-1] + _direction(side[-2:]) * 1.5 * apart for side in (right, left)]
    return [(AreaType.DRIVABLE, np.stack([right[-1], onward[0], onward[1], left[-1]]))]


def _thickness(ring: NDArray[np.float64]) -> float:
    """Shorter side of the smallest box around a ring [m]."""
    return float(min(cv2.minAreaRect((ring - ring[0])[:, :2].astype(np.float32))[1]))


def offset_line(points: NDArray[np.float64], left: float) -> NDArray[np.float64]:
    """Polyline ``[P, 3]`` moved `left` metres to its left; corners are mitred, at most to twice the distance."""
    steps = np.diff(points[:, :2], axis=0)
    steps = steps / np.maximum(np.hypot(steps[:, 0], steps[:, 1]), 1e-9)[:, None]
    normals = np.stack([-steps[:, 1], steps[:, 0]], axis=1)
    before, after = np.concatenate([normals[:1], normals]), np.concatenate([normals, normals[-1:]])
    middle = before + after
    scale = left / np.maximum((middle * before).sum(axis=1), 0.5)
    moved = points.copy()
    moved[:, :2] += middle * scale[:, None]
    return moved
