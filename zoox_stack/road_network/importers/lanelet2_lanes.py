"""Lanes of a Lanelet2 map: geometry and links from shared bounds and end points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LaneTurn, LaneType, LineType
from zoox_stack.road_network.importers.lane_topology import turn_of
from zoox_stack.road_network.importers.lanelet2_tags import TURNS, Tags, is_two_way, lanelet_kind, line_kind, name_of
from zoox_stack.road_network.importers.osm_file import OsmFile
from zoox_stack.road_network.importers.report import ReportBuilder
from zoox_stack.road_network.importers.whole_numbers import whole_number
from zoox_stack.road_network.lane_points import LanePoints
from zoox_stack.road_network.line_shapes import between, clean_polyline, ends_at

EMPTY = np.zeros((0, 3))


@dataclass(frozen=True, eq=False)
class Bound:
    """One side of a lane in driving direction.

    Attributes:
        way: Id of the way.
        backward: The lane runs against the way.
        ends: Ids of the first and the last node.
        points: ``[P, 3]`` [m].
    """

    way: int
    backward: bool
    ends: tuple[int, int]
    points: NDArray[np.float64]

    @property
    def key(self) -> tuple[int, bool]:
        """The same for two lanes of the same direction that share this bound."""
        return self.way, self.backward


@dataclass(frozen=True, eq=False)
class Lane:
    """One direction of a lanelet.

    Attributes:
        relation: Id of the lanelet.
        lane_id: Id of the lane.
        forward: In the direction of the lanelet; False for the way back on a two-way lanelet.
        kind: Who it is for.
        tags: Tags of the lanelet.
        left: Bound by which the lanelet is linked.
        right: As left.
        edges: Left and right boundary as drawn, ``[P, 3]``, empty where unknown.
        edge_kinds: Their kinds.
        centre: Centre line ``[P, 3]``.
        width: [m], NaN unknown.
    """

    relation: int
    lane_id: int
    forward: bool
    kind: LaneType
    tags: Tags
    left: Bound
    right: Bound
    edges: tuple[NDArray[np.float64], NDArray[np.float64]]
    edge_kinds: tuple[LineType, LineType]
    centre: NDArray[np.float64]
    width: float

    @property
    def start(self) -> tuple[int, int]:
        """Ids of the nodes where it starts, left and right."""
        return self.left.ends[0], self.right.ends[0]

    @property
    def end(self) -> tuple[int, int]:
        """Ids of the nodes where it ends, left and right."""
        return self.left.ends[1], self.right.ends[1]


class LaneTable:
    """All lanes of a map, by rising lanelet id.

    Args:
        osm: The file.
        lanelet_map: The same file, projected by the lanelet2 library, which also turns bounds to one direction.
        report: Told what each lanelet that drives became; lanelets for walking are left to the caller.
    """

    def __init__(self, osm: OsmFile, lanelet_map: Any, report: ReportBuilder) -> None:
        self.osm, self._map = osm, lanelet_map
        # Ways that hold a boundary of a lane more exactly than the way the lane shares with others.
        self.exact = {
            (whole_number(way.tags["boundary_of"]), way.tags.get("side", "")): key
            for key, way in osm.ways.items()
            if "boundary_of" in way.tags
        }
        self.lanes: list[Lane] = []
        lanelets = {k: r for k, r in osm.of_type("lanelet").items() if isinstance(lanelet_kind(r.tags), LaneType)}
        taken = {whole_number(r.tags.get("lane_id", k)) for k, r in lanelets.items()}
        for relation, element in lanelets.items():
            if report.knows("relation", relation):
                continue
            forward = self._forward(relation, element.tags)
            if forward is None:
                report.leave("relation", relation, "lanelet with a bound or centre line of no length")
                continue
            kind, name = LaneType(forward.kind), name_of(element.tags)
            self.lanes.append(forward)
            if is_two_way(element.tags):
                back = -forward.lane_id if -forward.lane_id not in taken else max(taken) + 1
                taken.add(back)
                self.lanes.append(_reversed(forward, back))
                report.use("relation", relation, name, f"two lanes {kind.name}, one per direction")
            else:
                report.use("relation", relation, name, f"lane {kind.name}")
        self._turn_round(report)
        self.rows = _rows_by(lane.relation for lane in self.lanes)
        self.row_of_id = {lane.lane_id: row for row, lane in enumerate(self.lanes)}

    def way_points(self, way: int) -> NDArray[np.float64]:
        """Points of a way ``[P, 3]`` [m] in the direction of the way."""
        line = self._map.lineStringLayer[way] if way in self._map.lineStringLayer else self._map.polygonLayer[way]
        return np.array([(p.x, p.y, p.z) for p in line], np.float64).reshape(-1, 3)

    def _forward(self, relation: int, tags: Tags) -> Lane | None:
        lanelet = self._map.laneletLayer[relation]
        left, right = self._bounds(relation, lanelet, as_written="lane_id" in tags)
        if min(len(left.points), len(right.points)) < 2:
            return None
        edges, kinds = [], []
        for side, bound in (("left", left), ("right", right)):
            way = self.exact.get((relation, side), bound.way)
            points = bound.points if way == bound.way else clean_polyline(self.way_points(way))
            edges.append(EMPTY if tags.get(f"{side}_boundary") == "unknown" else points)
            near = "right" if (side == "left") != bound.backward else "left"  # side of the way that the lane lies on
            kinds.append(line_kind(self.osm.ways[way].tags, seen_from=near) or LineType.UNKNOWN)
        drawn = [edge if len(edge) else bound.points for edge, bound in zip(edges, (left, right), strict=True)]
        centre, width = between(drawn[0], drawn[1])
        given = self.osm.relations[relation].refs("centerline")
        if given:
            centre = self.way_points(given[0])  # may run either way, except in files of ours
            start = (left.points[0] + right.points[0]) / 2
            if "lane_id" not in tags and np.linalg.norm(centre[0] - start) > np.linalg.norm(centre[-1] - start):
                centre = centre[::-1]
        centre = clean_polyline(centre)
        if len(centre) < 2:
            return None
        known = all(len(edge) for edge in edges)
        width = float(tags["width"]) if "width" in tags else width if known else float("nan")
        return Lane(
            relation=relation,
            lane_id=whole_number(tags.get("lane_id", relation)),
            forward=True,
            kind=LaneType(lanelet_kind(tags)),
            tags=tags,
            left=left,
            right=right,
            edges=(edges[0], edges[1]),
            edge_kinds=(kinds[0], kinds[1]),
            centre=centre,
            width=width,
        )

    def _turn_round(self, report: ReportBuilder) -> None:
        """Turn one-way lanes that have neither links nor neighbours but are linked the other way round.

        Their left and right bounds are swapped in the file.
        """
        start, end = _rows_by(lane.start for lane in self.lanes), _rows_by(lane.end for lane in self.lanes)
        left, right = _rows_by(lane.left.key for lane in self.lanes), _rows_by(lane.right.key for lane in self.lanes)
        for row, lane in enumerate(self.lanes):
            if is_two_way(lane.tags) or "lane_id" in lane.tags:
                continue
            linked = {*end.get(lane.start, ()), *start.get(lane.end, ())}
            beside = {*right.get(lane.left.key, ()), *left.get(lane.right.key, ())}
            turned = replace(_reversed(lane, lane.lane_id), forward=True)
            turned_linked = {*end.get(turned.start, ()), *start.get(turned.end, ())}
            if turned_linked - {row} and not (linked | beside) - {row}:
                self.lanes[row] = turned
                report.notes.append(f"lanelet {lane.relation}: turned round, its left and right bound are swapped")

    def _bounds(self, relation: int, lanelet: Any, *, as_written: bool) -> tuple[Bound, Bound]:
        """Bounds of a lanelet; the library turns them, wrongly for some twisted lanes, so ours stay as written."""
        if not as_written:
            return _bound(lanelet.leftBound), _bound(lanelet.rightBound)
        element, bounds = self.osm.relations[relation], []
        for side in ("left", "right"):
            way = element.refs(side)[0]
            nodes = self.osm.ways[way].nodes
            bounds.append(Bound(way, False, (nodes[0], nodes[-1]), clean_polyline(self.way_points(way))))
        return bounds[0], bounds[1]

    @cached_property
    def successors(self) -> list[list[int]]:
        """Rows of the lanes that start at both end points of each lane, or those its tag names."""
        starting = _rows_by(lane.start for lane in self.lanes)
        found = []
        for lane in self.lanes:
            if "successors" in lane.tags and lane.forward:
                named = [whole_number(word) for word in lane.tags["successors"].split(";") if word]
                found.append([self.row_of_id[i] for i in named if i in self.row_of_id])
            else:
                found.append(starting.get(lane.end, []))
        return found

    def neighbours(self, side: str) -> NDArray[np.int32]:
        """Row of the lane beyond the `side` bound of each lane in the same direction, -1: none."""
        other = "right" if side == "left" else "left"
        beyond = _rows_by(getattr(lane, other).key for lane in self.lanes)
        found = np.full(len(self.lanes), -1, np.int32)
        for row, lane in enumerate(self.lanes):
            tag = lane.tags.get(f"{side}_neighbour", "") if lane.forward else ""
            if tag:
                found[row] = self.row_of_id.get(whole_number(tag), -1)
            else:
                found[row] = next(iter(beyond.get(getattr(lane, side).key, [])), -1)
        return found

    def turns(self) -> list[LaneTurn]:
        """Turn of each lane, from its tag or its shape."""
        turns = []
        for lane in self.lanes:
            tagged = TURNS.get(lane.tags.get("turn_direction", "")) if lane.forward else None
            turns.append(turn_of(lane.centre) if tagged is None else tagged)
        return turns

    def in_intersection(self, governed: Sequence[int]) -> NDArray[np.bool_]:
        """Lanes that say so, that are crossed by another, or that turn: between virtual bounds, or between lanes that
        lie inside, out of and into the lanes that those come from or lead to (right turns along a kerb).

        Args:
            governed: Rows with a traffic light; Lanelet2 puts lights on the lane that ends at the stop line, before
                the intersection.
        """
        drives = np.array([lane.kind != LaneType.OTHER for lane in self.lanes], np.bool_)
        crossed = np.zeros(len(self.lanes), np.bool_)
        rows = np.flatnonzero(drives)
        crossed[rows] = LanePoints([self.lanes[row].centre for row in rows]).crossed()
        for row, lane in enumerate(self.lanes):
            virtual = lane.edge_kinds == (LineType.NONE, LineType.NONE)
            crossed[row] |= virtual and turn_of(lane.centre) != LaneTurn.STRAIGHT
        crossed |= self._beside_inside(crossed)
        crossed[list(governed)] = False
        for row, lane in enumerate(self.lanes):
            if "in_intersection" in lane.tags:
                crossed[row] = lane.tags["in_intersection"] == "yes"
            elif "turn_direction" in lane.tags:
                crossed[row] = True
        return crossed

    def _beside_inside(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Lanes that turn, follow and lead to others, and fork from or merge with a lane that lies inside."""
        before: list[set[int]] = [set() for _ in self.lanes]
        for row, following in enumerate(self.successors):
            for other in following:
                before[other].add(row)
        entries = {row for inner in np.flatnonzero(inside) for row in before[inner]}
        exits = {row for inner in np.flatnonzero(inside) for row in self.successors[inner]}
        return np.array(
            [
                bool(lane.kind != LaneType.OTHER and before[row] and self.successors[row])
                and bool(before[row] & entries or exits & set(self.successors[row]))
                and turn_of(lane.centre) != LaneTurn.STRAIGHT
                for row, lane in enumerate(self.lanes)
            ],
            np.bool_,
        )

    def ending_at(self, line: NDArray[np.float64]) -> list[int]:
        """Rows of the lanes that a stop line ends: it crosses their second half or the 1.5 m behind it."""
        return [
            row for row, lane in enumerate(self.lanes) if lane.kind != LaneType.OTHER and ends_at(lane.centre, line)
        ]

    def column(self, of: Callable[[Lane], Any], dtype: type) -> NDArray[Any]:
        """One value per lane."""
        return np.array([of(lane) for lane in self.lanes], dtype)


def _bound(line: Any) -> Bound:
    points = np.array([(p.x, p.y, p.z) for p in line], np.float64).reshape(-1, 3)
    return Bound(line.id, line.inverted(), (line[0].id, line[-1].id), clean_polyline(points))


def _rows_by(keys: Iterable[Any]) -> dict[Any, list[int]]:
    """Rows of each key."""
    rows: dict[Any, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows


def _reversed(lane: Lane, lane_id: int) -> Lane:
    def flip(bound: Bound) -> Bound:
        return Bound(bound.way, not bound.backward, (bound.ends[1], bound.ends[0]), bound.points[::-1])

    return Lane(
        relation=lane.relation,
        lane_id=lane_id,
        forward=False,
        kind=lane.kind,
        tags=lane.tags,
        left=flip(lane.right),
        right=flip(lane.left),
        edges=(lane.edges[1][::-1], lane.edges[0][::-1]),
        edge_kinds=(lane.edge_kinds[1], lane.edge_kinds[0]),
        centre=lane.centre[::-1],
        width=lane.width,
    )
