"""Lanelets of CommonRoad scenarios (XML, 2018b and 2020a) as `RoadNetwork`; coordinates stay those of the file.

Source of the format: Althoff et al., "CommonRoad: Composable benchmarks for motion planning on roads", IV 2017, and its
XML documentation, 2020a. Speeds are in m/s, also those on traffic signs.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.importers.broken_file import reading
from zoox_stack.road_network.importers.commonroad_rules import Rules, points_of, read_rules
from zoox_stack.road_network.importers.lane_topology import turn_of
from zoox_stack.road_network.importers.report import ImportReport, ReportBuilder
from zoox_stack.road_network.importers.whole_numbers import whole_number
from zoox_stack.road_network.lane_points import LanePoints
from zoox_stack.road_network.line_shapes import between
from zoox_stack.road_network.network import RoadNetwork

VERSIONS = ("2018b", "2020a")
TYPES: dict[str, LaneType | AreaType] = {
    "busLane": LaneType.BUS,
    "bicycleLane": LaneType.BIKE,
    "shoulder": LaneType.OTHER,
    "border": LaneType.OTHER,
    "restrictedArea": LaneType.OTHER,
    "sidewalk": AreaType.SIDEWALK,
    "crosswalk": AreaType.CROSSWALK,
    "parking": AreaType.PARKING,
    "busStop": AreaType.BUS_STOP,
}  # the first type of a lanelet that is in here decides; others (urban, highway, ...) are vehicle lanes
USERS = {frozenset({"bicycle"}): LaneType.BIKE, frozenset({"bus"}): LaneType.BUS}
MARKINGS = {
    "dashed": LineType.DASHED_WHITE,
    "broad_dashed": LineType.DASHED_WHITE,
    "dashed_dashed": LineType.DASHED_WHITE,
    "solid": LineType.SOLID_WHITE,
    "broad_solid": LineType.SOLID_WHITE,
    "solid_solid": LineType.DOUBLE_SOLID,
    "curb": LineType.KERB,
    "lowered_curb": LineType.KERB,
    "no_marking": LineType.NONE,
}
# Left and right one of two lines side by side, as in Lanelet2; the one next to the lane is its own.
MARKING_PAIRS = {
    "solid_dashed": (LineType.SOLID_WHITE, LineType.DASHED_WHITE),
    "dashed_solid": (LineType.DASHED_WHITE, LineType.SOLID_WHITE),
}
_MAP_TAGS = ("lanelet", "trafficSign", "trafficLight", "intersection")


def load_commonroad(path: Path | str) -> tuple[RoadNetwork, ImportReport]:
    """Read the map of a scenario.

    Lanelets to drive on become lanes and drivable areas, those to walk or park on areas. In files with intersections
    the lanes that lead through them lie inside; in others those that another lane crosses.

    Returns:
        The map, named like the benchmark, and the account of what was read.

    Raises:
        InvalidInputError: Not a CommonRoad file of a known version, or one without a usable lane.
    """
    path = Path(path)
    thing = f"CommonRoad scenario {path}"
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError, UnicodeDecodeError, ValueError) as error:
        raise InvalidInputError(thing, "a readable XML file", str(error)) from error
    if root.tag != "commonRoad":
        raise InvalidInputError(thing, "root element <commonRoad>", f"<{root.tag}>")
    version = root.get("commonRoadVersion", "")
    if version not in VERSIONS:
        raise InvalidInputError(thing, f"version {' or '.join(VERSIONS)}", repr(version))
    report = ReportBuilder(path.name, f"CommonRoad {version}")
    for position, element in enumerate(root):
        report.totals[element.tag] += 1
        if element.tag not in _MAP_TAGS:
            report.leave(element.tag, element.get("id", f"#{position}"), "no part of the map")
    with reading(thing, "the elements of a CommonRoad scenario"):
        return _read(root, thing, root.get("benchmarkID") or path.stem, report), report.report()


def _read(root: ET.Element, thing: str, name: str, report: ReportBuilder) -> RoadNetwork:
    lanes = _Lanelets(root, report)
    if not lanes.ids:
        left = report.report().left_out
        found = "; ".join(f"{row.reason} ({', '.join(row.ids[:3])})" for row in left if row.kind == "lanelet")
        raise InvalidInputError(thing, "at least one lanelet to drive on", found or "none")
    return lanes.network(name, read_rules(root, lanes.elements, lanes.rows, report))


class _Lanelets:
    """The lanelets of a file: lanes, and areas beside them."""

    def __init__(self, root: ET.Element, report: ReportBuilder) -> None:
        self.report = report
        self.ids: list[int] = []
        self.kinds: list[LaneType] = []
        self.elements: list[ET.Element] = []
        self.sides: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self.areas: list[tuple[int, AreaType, NDArray[np.float64]]] = []
        seen: set[int] = set()
        for position, element in enumerate(root.findall("lanelet")):
            key = element.get("id", "")
            try:
                number = whole_number(key)
            except ValueError as error:
                report.leave("lanelet", f"{key} (#{position})", str(error))
                continue
            if number in seen:
                report.leave("lanelet", f"{key} (#{position})", "id used twice, the first counts")
                continue
            seen.add(number)
            self._take(number, element)
        self.rows = {key: row for row, key in enumerate(self.ids)}

    def _take(self, key: int, element: ET.Element) -> None:
        try:
            left, right = _bound(element, "leftBound"), _bound(element, "rightBound")
        except ValueError as error:
            self.report.leave("lanelet", key, str(error))
            return
        types = [(t.text or "").strip() for t in element.findall("laneletType")]
        kind = _kind(types, element)
        name = "/".join(sorted(types))
        ring = np.concatenate([right, left[::-1]])
        if isinstance(kind, AreaType):
            self.areas.append((key, kind, ring))
            self.report.use("lanelet", key, name, f"area {kind.name}")
            return
        self.ids.append(key)
        self.kinds.append(kind)
        self.elements.append(element)
        self.sides.append((left, right))
        if kind in (LaneType.VEHICLE, LaneType.BUS):
            self.areas.append((key, AreaType.DRIVABLE, ring))
        if element.find("userBidirectional") is not None:
            self.report.notes.append(f"lanelet {key}: for both directions, read in the direction of its bounds only")
        self.report.use("lanelet", key, name, f"lane {kind.name}")

    def network(self, name: str, rules: Rules) -> RoadNetwork:
        elements, count = self.elements, len(self.ids)
        middles = [between(left, right) for left, right in self.sides]
        centres = [centre for centre, _ in middles]
        inside = np.zeros(count, np.bool_)
        inside[list(rules.turns)] = True
        if not rules.has_intersections:
            inside = LanePoints(centres).crossed()
            inside[[row for rows in rules.signal_lanes for row in rows]] = False
        turns = [rules.turns.get(row, LaneTurn.UNKNOWN) or turn_of(centre) for row, centre in enumerate(centres)]
        lines = self._stop_lines(rules)
        lights = zip(rules.places, rules.signal_lanes, strict=True)
        places = [self._end(rows[0]) if place is None else place for place, rows in lights]
        return RoadNetwork(
            name=name,
            lane_ids=np.array(self.ids, np.int64),
            lane_types=np.array(self.kinds, np.uint8),
            lane_turns=np.array(turns, np.uint8),
            lane_in_intersection=inside,
            lane_speed_limits=np.array(rules.speeds, np.float32),
            lane_widths=np.array([width for _, width in middles], np.float32),
            centre_lines=Ragged.from_rows(centres, np.float64, 3),
            left_boundaries=Ragged.from_rows([left for left, _ in self.sides], np.float64, 3),
            left_boundary_types=np.array([_marking(e.find("leftBound"), 1) for e in elements], np.uint8),
            right_boundaries=Ragged.from_rows([right for _, right in self.sides], np.float64, 3),
            right_boundary_types=np.array([_marking(e.find("rightBound"), 0) for e in elements], np.uint8),
            successors=Ragged.from_rows(self._successors(), np.int32),
            yields=Ragged.from_rows(rules.give_way(centres), np.int32),
            left_neighbours=self._neighbours("adjacentLeft"),
            right_neighbours=self._neighbours("adjacentRight"),
            line_ids=np.array([key for key, _, _ in lines], np.int64),
            line_types=np.array([kind for _, kind, _ in lines], np.uint8),
            lines=Ragged.from_rows([points for _, _, points in lines], np.float64, 3),
            area_ids=np.array([key for key, _, _ in self.areas], np.int64),
            area_types=np.array([kind for _, kind, _ in self.areas], np.uint8),
            areas=Ragged.from_rows([ring for _, _, ring in self.areas], np.float64, 3),
            signal_ids=np.array(rules.signal_ids, np.int64),
            signal_positions=np.array(places, np.float64).reshape(-1, 3),
            signal_lanes=Ragged.from_rows(rules.signal_lanes, np.int32),
        )

    def _successors(self) -> list[list[int]]:
        """Rows that follow each lane; a link counts if either of its lanelets names it."""
        found: list[list[int]] = [[] for _ in self.ids]
        for row, element in enumerate(self.elements):
            found[row] += [self.rows[key] for key in _refs(element, "successor") if key in self.rows]
        for row, element in enumerate(self.elements):
            for key in _refs(element, "predecessor"):
                if key in self.rows and row not in found[self.rows[key]]:
                    found[self.rows[key]].append(row)
        return found

    def _neighbours(self, tag: str) -> NDArray[np.int32]:
        result = np.full(len(self.ids), -1, np.int32)
        for row, element in enumerate(self.elements):
            adjacent = element.find(tag)
            if adjacent is not None and adjacent.get("drivingDir") == "same":
                result[row] = self.rows.get(whole_number(adjacent.get("ref", "-1")), -1)
        return result

    def _stop_lines(self, rules: Rules) -> list[tuple[int, LineType, NDArray[np.float64]]]:
        """Stop lines with the id of their lanelet; without points they lie across its end."""
        lines = []
        for key, element, (left, right) in zip(self.ids, self.elements, self.sides, strict=True):
            stop = element.find("stopLine")
            if stop is None:
                continue
            self.report.totals["stopLine"] += 1
            kind = LineType.YIELD if rules.is_yield_line(stop) else LineType.STOP
            try:
                points = points_of(stop) if stop.find("point") is not None else np.stack([right[-1], left[-1]])
            except ValueError as error:
                self.report.leave("stopLine", key, str(error))
                continue
            lines.append((key, kind, points))
            self.report.use("stopLine", key, "", f"line {kind.name}")
        return lines

    def _end(self, row: int) -> NDArray[np.float64]:
        left, right = self.sides[row]
        return np.asarray((left[-1] + right[-1]) / 2)


def _kind(types: list[str], element: ET.Element) -> LaneType | AreaType:
    for word in types:
        if word in TYPES:
            return TYPES[word]
    users = frozenset((u.text or "") for tag in ("userOneWay", "userBidirectional") for u in element.findall(tag))
    return AreaType.SIDEWALK if users == {"pedestrian"} else USERS.get(users, LaneType.VEHICLE)


def _bound(element: ET.Element, tag: str) -> NDArray[np.float64]:
    bound = element.find(tag)
    if bound is None:
        raise ValueError(f"lanelet without {tag}")
    return points_of(bound)


def _marking(bound: Any, near: int) -> LineType:
    """Kind of a bound; of a pair the line `near` the lane (0 the left one, 1 the right one)."""
    word = (bound.findtext("lineMarking") or "").strip()
    return MARKING_PAIRS[word][near] if word in MARKING_PAIRS else MARKINGS.get(word, LineType.UNKNOWN)


def _refs(element: ET.Element, tag: str) -> list[int]:
    return [whole_number(child.get("ref", "-1")) for child in element.findall(tag)]
