"""Lanelet2 maps (OSM XML) as `RoadNetwork`, with an account of every element of the file.

The lanelet2 library projects the points, turns the bounds of a lanelet to one direction and puts areas together.
Source of the format: Poggenhans et al., "Lanelet2: A high-definition map framework for the future of automated
driving", ITSC 2018, and the tagging documents of the library.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.importers.broken_file import reading
from zoox_stack.road_network.importers.lanelet2_lanes import LaneTable
from zoox_stack.road_network.importers.lanelet2_rules import Rules, read_rules, speed_limits
from zoox_stack.road_network.importers.lanelet2_tags import AREA_KINDS, lanelet_kind, line_kind, name_of
from zoox_stack.road_network.importers.osm_file import OsmElement, OsmFile, read_osm, sound, without_our_tags
from zoox_stack.road_network.importers.report import ImportReport, ReportBuilder
from zoox_stack.road_network.importers.whole_numbers import distinct, whole_number
from zoox_stack.road_network.line_shapes import clean_polyline, open_ring
from zoox_stack.road_network.network import RoadNetwork

OUTLYING_DEGREES = 1.0  # a node so far from the others is a slip of the pen
LOCAL_DEGREES = 0.2  # maps this close to latitude, longitude (0, 0) are metres in disguise; there is no land there


def load_lanelet2(
    path: Path | str, name: str = "", origin: tuple[float, float] | None = None
) -> tuple[RoadNetwork, ImportReport]:
    """Read a map.

    Lanelets to drive on become lanes (those with ``one_way=no`` two of them), lanelets to walk on areas. Vehicle lanes
    also become drivable areas, unless `save_lanelet2` wrote the file: then all areas are in it. Missing or unknown
    subtypes are read as road. A lane leads to the lanes that start at both of its end points; lanes that share a bound
    are neighbours.

    Args:
        path: OSM XML file.
        name: Name of the map; default the one in the file, else the file's.
        origin: Latitude and longitude [deg] of the origin of the map frame. Default: the node named ``origin``, else
            (0, 0) for maps drawn around it, else the middle of the lanelets. x is east, y north, in the UTM zone of
            the origin. Nodes more than a degree away are left out, with what needs them.

    Returns:
        The map and the account of what was read.

    Raises:
        InvalidInputError: Not a Lanelet2 map, or one without a lane.
        ConfigurationError: The lanelet2 library is not installed.
    """
    path = Path(path)
    thing = f"Lanelet2 map {path}"
    report = ReportBuilder(path.name, "Lanelet2 OSM")
    with reading(thing, "the elements of a Lanelet2 map"):
        osm = read_osm(path, report)
        if not osm.nodes:
            raise InvalidInputError(thing, "lanelets with bounds", _complaint("no usable nodes", report))
        marker = next((node for node in osm.nodes.values() if node.tags.get("name") == "origin"), None)
        ours = marker is not None and "map_name" in marker.tags  # written by `save_lanelet2`
        if origin is None:
            origin = marker.place if marker else _middle(osm)
        if not ours:
            osm = sound(_near(without_our_tags(osm, report), origin, report), report)
        osm, lanelet_map = _projected(osm, origin, report)
        table = LaneTable(osm, lanelet_map, report)
        if not table.lanes:
            raise InvalidInputError(thing, "at least one lane", _complaint("no usable lanelet", report))
        named = marker.tags.get("map_name", "") if marker else ""
        # Files of ours have all their areas.
        network = _Reader(osm, lanelet_map, table, report).network(name or named or path.stem, complete=ours)
    report.notes.append(f"origin of the map frame: latitude {origin[0]:.6f}, longitude {origin[1]:.6f}")
    return network, report.report()


def _complaint(what: str, report: ReportBuilder) -> str:
    reasons = [f"{row.count} {row.kind}: {row.reason} ({', '.join(row.ids[:3])})" for row in report.report().left_out]
    return f"{what}; {'; '.join(reasons[:3])}" if reasons else what


def _middle(osm: OsmFile) -> tuple[float, float]:
    """(0, 0) for a map drawn around it, else the middle of the bounds of all lanelets, rounded to 1e-4 degrees."""
    lanelets = osm.of_type("lanelet").values()
    bounds = {way for lanelet in lanelets for way in (*lanelet.refs("left"), *lanelet.refs("right"))}
    nodes = {node for way in bounds for node in osm.ways[way].nodes} or osm.nodes.keys()
    places = np.array([osm.nodes[node].place for node in sorted(nodes)])
    places = places[np.abs(places - np.median(places, axis=0)).max(axis=1) <= OUTLYING_DEGREES]
    if np.abs(places).max() < LOCAL_DEGREES:
        return 0.0, 0.0
    latitude, longitude = np.round((places.min(axis=0) + places.max(axis=0)) / 2, 4).tolist()
    return latitude, longitude


def _near(osm: OsmFile, origin: tuple[float, float], report: ReportBuilder) -> OsmFile:
    """The file without nodes far from the origin, which would stretch the map, or the earth, between them."""
    nodes = {}
    for key, node in osm.nodes.items():
        if max(abs(node.place[0] - origin[0]), abs(node.place[1] - origin[1])) <= OUTLYING_DEGREES:
            nodes[key] = node
        else:
            report.leave("node", key, f"more than {OUTLYING_DEGREES:g} degree from the origin of the map frame")
    return replace(osm, nodes=nodes)


def _projected(osm: OsmFile, origin: tuple[float, float], report: ReportBuilder) -> tuple[OsmFile, Any]:
    """The map as the lanelet2 library reads it, and the file without what it refuses (points too far away, say)."""
    found, errors = _loaded(osm, origin, report)
    layers = {
        "node": (osm.nodes, (found.pointLayer,)),
        "way": (osm.ways, (found.lineStringLayer, found.polygonLayer)),
        "relation": (osm.relations, (found.laneletLayer, found.areaLayer, found.regulatoryElementLayer)),
    }
    kept: dict[str, dict[int, OsmElement]] = {}
    for kind, (elements, places) in layers.items():
        said = {key: text for key in elements for text in errors if f" primitive {key}:" in text}
        kept[kind] = {key: e for key, e in elements.items() if any(key in place for place in places)}
        for key in elements.keys() - kept[kind].keys():
            report.leave(kind, key, f"refused by the lanelet2 library: {said.get(key) or 'no reason given'}")
    if all(len(kept[kind]) == len(layers[kind][0]) for kind in ("node", "way")):
        return osm, found
    # The library keeps lanelets whose ways it refused, with nothing in them: read again without what depends on those.
    rest = sound(OsmFile(kept["node"], kept["way"], kept["relation"]), report)
    return rest, _loaded(rest, origin, report)[0]


def _loaded(osm: OsmFile, origin: tuple[float, float], report: ReportBuilder) -> tuple[Any, list[str]]:
    """Map and complaints of the lanelet2 library."""
    try:
        from lanelet2 import io, projection
    except ImportError as error:
        raise ConfigurationError(f"Lanelet2 maps need the lanelet2 library: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "map.osm"
        osm.write(clean)
        try:
            found, errors = io.loadRobust(str(clean), projection.UtmProjector(io.Origin(*origin)))
        except RuntimeError as error:
            thing = f"Lanelet2 map {report.source}"
            raise InvalidInputError(thing, "a map the lanelet2 library reads", str(error)) from error
    return found, [text.strip("\t- ") for text in errors]


class _Reader:
    """What is not a lane or a rule, and the account of ways and nodes."""

    def __init__(self, osm: OsmFile, lanelet_map: Any, table: LaneTable, report: ReportBuilder) -> None:
        self.osm, self.map, self.table, self.report = osm, lanelet_map, table, report
        self.outlines: set[int] = set()  # ways around areas of the map
        self.rings: list[tuple[int, AreaType, NDArray[np.float64]]] = []

    def network(self, name: str, *, complete: bool) -> RoadNetwork:
        table, lanes = self.table, self.table.lanes
        rules = read_rules(table, self.report)
        governed = [row for rows in rules.signal_lanes for row in rows]
        self._walkable()
        self._multipolygons()
        self._closed_ways()
        if not complete:
            self._drivable_lanes()
        lines = self._lines(rules)
        self._nodes()
        return RoadNetwork(
            name=name,
            lane_ids=table.column(lambda lane: lane.lane_id, np.int64),
            lane_types=table.column(lambda lane: lane.kind, np.uint8),
            lane_turns=np.array(table.turns(), np.uint8),
            lane_in_intersection=table.in_intersection(governed),
            lane_speed_limits=np.array(speed_limits(table, rules, self.map, self.report), np.float32),
            lane_widths=table.column(lambda lane: lane.width, np.float32),
            centre_lines=Ragged.from_rows([lane.centre for lane in lanes], np.float64, 3),
            left_boundaries=Ragged.from_rows([lane.edges[0] for lane in lanes], np.float64, 3),
            left_boundary_types=table.column(lambda lane: lane.edge_kinds[0], np.uint8),
            right_boundaries=Ragged.from_rows([lane.edges[1] for lane in lanes], np.float64, 3),
            right_boundary_types=table.column(lambda lane: lane.edge_kinds[1], np.uint8),
            successors=Ragged.from_rows(table.successors, np.int32),
            yields=Ragged.from_rows([sorted(rows) for rows in rules.yields], np.int32),
            left_neighbours=table.neighbours("left"),
            right_neighbours=table.neighbours("right"),
            line_ids=np.array([key for key, _, _ in lines], np.int64),
            line_types=np.array([kind for _, kind, _ in lines], np.uint8),
            lines=Ragged.from_rows([points for _, _, points in lines], np.float64, 3),
            area_ids=distinct([key for key, _, _ in self.rings]),  # a way and a relation may have the same
            area_types=np.array([kind for _, kind, _ in self.rings], np.uint8),
            areas=Ragged.from_rows([ring for _, _, ring in self.rings], np.float64, 3),
            signal_ids=np.array(rules.signal_ids, np.int64),
            signal_positions=np.array(rules.signal_positions, np.float64).reshape(-1, 3),
            signal_lanes=Ragged.from_rows(rules.signal_lanes, np.int32),
        )

    def _area(self, element: str, key: int, kind: AreaType, points: NDArray[np.float64], ways: list[int]) -> None:
        """Take over a ring, or say that it is none."""
        tags = (self.osm.relations if element == "relation" else self.osm.ways)[key].tags
        ring = open_ring(clean_polyline(points))
        if len(ring) < 3:
            self.report.leave(element, key, "area with fewer than 3 corners")
            return
        self.rings.append((whole_number(tags.get("area_id", key)), kind, ring))
        self.outlines.update(ways)
        self.report.use(element, key, name_of(tags), f"area {kind.name}")

    def _walkable(self) -> None:
        for key, relation in self.osm.of_type("lanelet").items():
            kind = lanelet_kind(relation.tags)
            if isinstance(kind, AreaType) and not self.report.knows("relation", key):
                lanelet = self.map.laneletLayer[key]
                left, right = ([(p.x, p.y, p.z) for p in b] for b in (lanelet.leftBound, lanelet.rightBound))
                ways = [*relation.refs("left"), *relation.refs("right")]
                self._area("relation", key, kind, np.array([*left, *right[::-1]], np.float64), ways)

    def _multipolygons(self) -> None:
        for key, relation in self.osm.of_type("multipolygon").items():
            if self.report.knows("relation", key):
                continue
            subtype = relation.tags.get("subtype", "")
            if subtype not in AREA_KINDS:
                self.report.leave("relation", key, f"area of a kind the map has not: {subtype or 'no subtype'}")
                continue
            if relation.refs("inner"):
                self.report.notes.append(f"relation {key}: holes of the {subtype} left out")
            outer = self.map.areaLayer[key].outerBoundPolygon()
            points = np.array([(p.x, p.y, p.z) for p in outer], np.float64).reshape(-1, 3)
            self._area("relation", key, AREA_KINDS[subtype], points, relation.refs("outer"))

    def _closed_ways(self) -> None:
        for key in sorted(self.osm.ways):
            tags = self.osm.ways[key].tags
            words = [tags.get(k, "") for k in ("subtype", "type")]
            kind = next((AREA_KINDS[word] for word in words if word in AREA_KINDS), None)
            if tags.get("area") in ("yes", "true") and kind is not None and not self.report.knows("way", key):
                self._area("way", key, kind, self.table.way_points(key), [])

    def _drivable_lanes(self) -> None:
        for lane in self.table.lanes:
            if lane.forward and lane.kind in (LaneType.VEHICLE, LaneType.BUS):
                ring = clean_polyline(np.concatenate([lane.right.points, lane.left.points[::-1]]))
                self.rings.append((lane.relation, AreaType.DRIVABLE, ring))
        self.report.notes.append("vehicle lanes are also drivable areas")

    def _lines(self, rules: Rules) -> list[tuple[int, LineType, NDArray[np.float64]]]:
        """Lines that bound no lane; accounts for every way."""
        bounds: dict[int, str] = {}
        for lane in self.table.lanes:
            for side, bound in (("left", lane.left), ("right", lane.right)):
                bounds[bound.way] = "lane boundary"
                if (lane.relation, side) in self.table.exact:
                    bounds[self.table.exact[lane.relation, side]] = "lane boundary"
            for way in self.osm.relations[lane.relation].refs("centerline"):
                bounds[way] = "centre line"
        lines = []
        for key in sorted(self.osm.ways):
            if self.report.knows("way", key):
                continue
            tags = self.osm.ways[key].tags
            kind, subtype = line_kind(tags), name_of(tags)
            if key in rules.yield_lines and kind == LineType.STOP:
                kind = LineType.YIELD
            if key in bounds:
                of = f" {(kind or LineType.UNKNOWN).name}" if bounds[key] == "lane boundary" else ""
                self.report.use("way", key, subtype, bounds[key] + of)
            elif key in rules.lights:
                self.report.use("way", key, subtype, "light of a signal")
            elif key in rules.signs:
                self.report.use("way", key, subtype, "sign of a rule")
            elif kind is not None and (kind != LineType.NONE or "line_id" in tags):
                lines.append((whole_number(tags.get("line_id", key)), kind, clean_polyline(self.table.way_points(key))))
                self.report.use("way", key, subtype, f"line {kind.name}")
            elif key in self.outlines:
                self.report.use("way", key, subtype, "outline of an area")
            else:
                self.report.leave("way", key, f"{subtype} that nothing in the map refers to")
        return [line for line in lines if len(line[2]) >= 2]

    def _nodes(self) -> None:
        """Account for every node: a node is used if one of its ways is."""
        used = {n for key, way in self.osm.ways.items() if self.report.is_used("way", key) for n in way.nodes}
        in_ways = {node for way in self.osm.ways.values() for node in way.nodes}
        for key, node in self.osm.nodes.items():
            subtype = "" if node.tags.get("name") != "origin" else "origin"
            if key in used:
                self.report.use("node", key, subtype, "point of a line or area")
            elif subtype:
                self.report.use("node", key, subtype, "origin of the map frame")
            else:
                self.report.leave("node", key, "only in ways left out" if key in in_ways else "in no way")
