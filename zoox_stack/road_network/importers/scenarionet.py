"""Map features of ScenarioNet pickles as `RoadNetwork`; coordinates stay those of the file.

Lanes of nuScenes scenes come without links and borders: successors are found from end points, neighbours from lanes
side by side, boundaries from the lane's polygon, their kind from the painted lines near them (`lane_topology`).
Lanes of Waymo scenes bring their links along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.importers.lane_topology import (
    LanePoints,
    boundaries_from_polygon,
    clean_polyline,
    line_types_of,
    strip,
    successors_from_ends,
    turn_of,
)
from zoox_stack.road_network.network import RoadNetwork

LANE_TYPES = {
    "LANE_SURFACE_STREET": LaneType.VEHICLE,
    "LANE_SURFACE_UNSTRUCTURE": LaneType.VEHICLE,
    "LANE_FREEWAY": LaneType.VEHICLE,
    "LANE_UNKNOWN": LaneType.OTHER,
    "LANE_BIKE_LANE": LaneType.BIKE,
}
LINE_TYPES = {
    "ROAD_LINE_BROKEN_SINGLE_WHITE": LineType.DASHED_WHITE,
    "ROAD_LINE_BROKEN_SINGLE_YELLOW": LineType.DASHED_YELLOW,
    "ROAD_LINE_BROKEN_DOUBLE_YELLOW": LineType.DASHED_YELLOW,
    "ROAD_LINE_SOLID_SINGLE_WHITE": LineType.SOLID_WHITE,
    "ROAD_LINE_SOLID_SINGLE_YELLOW": LineType.SOLID_YELLOW,
    "ROAD_LINE_SOLID_DOUBLE_WHITE": LineType.DOUBLE_SOLID,
    "ROAD_LINE_SOLID_DOUBLE_YELLOW": LineType.DOUBLE_SOLID,
    "ROAD_LINE_PASSING_DOUBLE_YELLOW": LineType.DASHED_YELLOW,
    "ROAD_EDGE_BOUNDARY": LineType.KERB,
    "ROAD_EDGE_MEDIAN": LineType.KERB,
    "ROAD_EDGE_SIDEWALK": LineType.KERB,
    "UNKNOWN_LINE": LineType.UNKNOWN,
}
AREA_TYPES = {
    "CROSSWALK": AreaType.CROSSWALK,
    "BOUNDARY_SIDEWALK": AreaType.SIDEWALK,
}
OUTLINE_PREFIX = "boundary_"  # nuScenes: the outline of the drivable area, stored as a white line
CONNECTOR_WIDTH = 3.5  # [m] drivable around the centre line of a lane without polygon
MPH = 0.44704


@dataclass(frozen=True)
class ImportedMap:
    """A map and what of the file is not in it.

    Attributes:
        network: The map.
        lane_rows: Row of each lane by its key in the file.
        skipped: Features left out, counted by reason.
    """

    network: RoadNetwork
    lane_rows: dict[str, int]
    skipped: dict[str, int]


def import_map_features(features: Mapping[Any, Mapping[str, Any]], name: str, *, has_height: bool) -> ImportedMap:
    """Convert ``map_features``.

    Lane polygons also become drivable areas, so that the map says where one can drive. Lanes of nuScenes without a
    polygon are its "lane connectors", the ways from lane to lane: a strip of `CONNECTOR_WIDTH` around them is
    drivable. A lane lies in an intersection if another one crosses it or if it is a connector that turns.

    Args:
        features: The dictionary of the pickle.
        name: Name of the map.
        has_height: The third number of lane points is z (Waymo); otherwise it is the heading (nuScenes) and z is 0.

    Raises:
        InvalidInputError: A feature without the arrays its type needs.
    """
    skipped: Counter[str] = Counter()
    lanes: dict[str, dict[str, Any]] = {}
    lines: list[tuple[NDArray[np.float64], LineType]] = []
    areas: list[tuple[NDArray[np.float64], AreaType]] = []
    for key, feature in features.items():
        kind = str(feature.get("type"))
        if kind in LANE_TYPES:
            centre = _points(key, feature, "polyline", has_height)
            if len(centre) < 2:
                skipped["lane shorter than two points"] += 1
                continue
            ring = feature.get("polygon")
            outline = np.zeros((0, 3)) if ring is None or len(ring) == 0 else _points(key, feature, "polygon", False)
            if len(outline) and not has_height:
                outline[:, 2] = 0.0
            lanes[str(key)] = {"feature": feature, "type": LANE_TYPES[kind], "centre": centre, "ring": outline}
        elif kind in LINE_TYPES:
            line = _points(key, feature, "polyline", has_height)
            if len(line) < 2:
                skipped["line shorter than two points"] += 1
                continue
            lines.append((line, LineType.KERB if str(key).startswith(OUTLINE_PREFIX) else LINE_TYPES[kind]))
        elif kind in AREA_TYPES:
            ring = _open(_points(key, feature, "polygon", has_height))
            if len(ring) < 3:
                skipped["area smaller than three points"] += 1
                continue
            areas.append((ring, AREA_TYPES[kind]))
        else:
            skipped[kind] += 1
    rows = {key: row for row, key in enumerate(lanes)}
    for lane in lanes.values():
        ring = _open(lane["ring"])
        areas.append((ring if len(ring) >= 3 else strip(lane["centre"], CONNECTOR_WIDTH), AreaType.DRIVABLE))
    return ImportedMap(_build(name, list(lanes.values()), rows, lines, areas), rows, dict(skipped))


def _build(
    name: str,
    lanes: list[dict[str, Any]],
    rows: dict[str, int],
    lines: list[tuple[NDArray[np.float64], LineType]],
    areas: list[tuple[NDArray[np.float64], AreaType]],
) -> RoadNetwork:
    centres = [lane["centre"] for lane in lanes]
    left, right, widths = [], [], []
    for lane in lanes:
        if len(lane["ring"]) >= 3:
            a, b, width = boundaries_from_polygon(lane["centre"], lane["ring"])
        else:
            a, b, width = np.zeros((0, 3)), np.zeros((0, 3)), float("nan")
        left.append(a)
        right.append(b)
        widths.append(width)
    without_polygon = np.array([len(lane["ring"]) < 3 for lane in lanes], np.bool_)
    turns = np.array([turn_of(centre) for centre in centres], np.uint8)
    turning_connectors = without_polygon & (turns != LaneTurn.STRAIGHT) & (not without_polygon.all())
    painted, kinds = [line for line, _ in lines], [kind for _, kind in lines]
    points = LanePoints(centres)
    left_neighbours, right_neighbours = points.neighbours()
    linked = any("exit_lanes" in lane["feature"] for lane in lanes)
    successors = _given_successors(lanes, rows) if linked else successors_from_ends(centres)
    return RoadNetwork(
        name=name,
        lane_ids=np.arange(len(lanes), dtype=np.int64),
        lane_types=np.array([lane["type"] for lane in lanes], np.uint8),
        lane_turns=turns,
        lane_in_intersection=points.crossed() | turning_connectors,
        lane_speed_limits=np.array([_speed_limit(lane["feature"]) for lane in lanes], np.float32),
        lane_widths=np.array(widths, np.float32),
        centre_lines=Ragged.from_rows(centres, np.float64, 3),
        left_boundaries=Ragged.from_rows(left, np.float64, 3),
        left_boundary_types=np.array(line_types_of(left, painted, kinds), np.uint8),
        right_boundaries=Ragged.from_rows(right, np.float64, 3),
        right_boundary_types=np.array(line_types_of(right, painted, kinds), np.uint8),
        successors=Ragged.from_rows(successors, np.int32),
        left_neighbours=left_neighbours,
        right_neighbours=right_neighbours,
        line_ids=np.arange(len(lines), dtype=np.int64),
        line_types=np.array(kinds, np.uint8),
        lines=Ragged.from_rows(painted, np.float64, 3),
        area_ids=np.arange(len(areas), dtype=np.int64),
        area_types=np.array([kind for _, kind in areas], np.uint8),
        areas=Ragged.from_rows([ring for ring, _ in areas], np.float64, 3),
    )


def _given_successors(lanes: list[dict[str, Any]], rows: dict[str, int]) -> list[list[int]]:
    return [[rows[str(k)] for k in lane["feature"].get("exit_lanes") or () if str(k) in rows] for lane in lanes]


def _speed_limit(feature: Mapping[str, Any]) -> float:
    """[m/s], NaN where the file does not say."""
    for key, factor in (("speed_limit_kmh", 1 / 3.6), ("speed_limit_mph", MPH)):
        value = feature.get(key)
        if value is not None and float(value) > 0:
            return float(value) * factor
    return float("nan")


def _points(key: Any, feature: Mapping[str, Any], field: str, has_height: bool) -> NDArray[np.float64]:
    """Points of a feature, ``[P, 3]``, repeated ones removed."""
    try:
        raw = np.asarray(feature[field], dtype=np.float64)
        if raw.ndim != 2 or raw.shape[1] < 2 or not np.isfinite(raw).all():
            raise ValueError(f"shape {raw.shape}")
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"map feature {key}", f"{field} with finite points", str(error)) from error
    z = raw[:, 2] if has_height and raw.shape[1] > 2 else np.zeros(len(raw))
    return clean_polyline(np.column_stack([raw[:, :2], z]))


def _open(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ring without its first point repeated at the end."""
    return ring[:-1] if len(ring) > 3 and np.hypot(*(ring[0] - ring[-1])[:2]) < 1e-3 else ring
