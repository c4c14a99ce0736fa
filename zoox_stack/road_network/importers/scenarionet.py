"""Map features of ScenarioNet pickles as `RoadNetwork`; coordinates stay those of the file.

Lanes of nuScenes scenes come without links and borders: successors are found from end points, neighbours from lanes
side by side, boundaries from the lane's polygon, their kind from the painted lines near them (`lane_topology`).
Lanes of Waymo scenes bring along which lane follows which; the rest is found as for nuScenes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.importers.broken_file import reading
from zoox_stack.road_network.importers.lane_topology import (
    boundaries_from_polygon,
    line_types_of,
    successors_from_ends,
    turn_of,
)
from zoox_stack.road_network.importers.whole_numbers import whole_number
from zoox_stack.road_network.lane_points import LanePoints
from zoox_stack.road_network.line_shapes import clean_polyline, open_ring, strip
from zoox_stack.road_network.network import DEFAULT_LANE_WIDTH, RoadNetwork

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
MPH = 0.44704


@dataclass(frozen=True)
class ImportedMap:
    """A map and what of the file is not in it.

    Attributes:
        network: The map.
        lane_rows: Row of each lane by its key in the file. Where all keys are whole numbers (Waymo) they are also the
            ids of lanes, lines and areas; ids are row numbers otherwise (nuScenes).
        skipped: Features left out, counted by reason.
    """

    network: RoadNetwork
    lane_rows: dict[str, int]
    skipped: dict[str, int]


@dataclass(frozen=True, eq=False)
class _Lane:
    """A lane of the file; `exits` None where the file does not say what follows."""

    kind: LaneType
    centre: NDArray[np.float64]
    ring: NDArray[np.float64]
    speed: float
    exits: tuple[str, ...] | None


def import_map_features(features: Mapping[Any, Mapping[str, Any]], name: str, *, has_height: bool) -> ImportedMap:
    """Convert ``map_features``.

    Lane polygons also become drivable areas, so that the map says where one can drive. Lanes of nuScenes without a
    polygon are its "lane connectors", the ways from lane to lane: a strip of the usual width around them is
    drivable. A lane lies in an intersection if another one crosses it or if it is a connector that turns.

    Args:
        features: The dictionary of the pickle.
        name: Name of the map.
        has_height: The third number of lane points is z (Waymo); otherwise it is the heading (nuScenes) and z is 0.

    Raises:
        InvalidInputError: No features, or one without the arrays its type needs.
    """
    skipped: Counter[str] = Counter()
    lanes: dict[str, _Lane] = {}
    lines: list[tuple[str, NDArray[np.float64], LineType]] = []
    areas: list[tuple[str, NDArray[np.float64], AreaType]] = []
    if not isinstance(features, Mapping):
        raise InvalidInputError("map_features", "a dictionary of features", type(features).__name__)
    for key, feature in features.items():
        if not isinstance(feature, Mapping):
            raise InvalidInputError(f"map feature {key}", "a dictionary", type(feature).__name__)
        kind = str(feature.get("type"))
        if kind in LANE_TYPES:
            centre = _points(key, feature, "polyline", has_height)
            if len(centre) < 2:
                skipped["lane shorter than two points"] += 1
                continue
            lanes[str(key)] = _lane(key, feature, centre, has_height)
        elif kind in LINE_TYPES:
            line = _points(key, feature, "polyline", has_height)
            if len(line) < 2:
                skipped["line shorter than two points"] += 1
                continue
            lines.append((str(key), line, LineType.KERB if str(key).startswith(OUTLINE_PREFIX) else LINE_TYPES[kind]))
        elif kind in AREA_TYPES:
            ring = open_ring(_points(key, feature, "polygon", has_height))
            if len(ring) < 3:
                skipped["area smaller than three points"] += 1
                continue
            areas.append((str(key), ring, AREA_TYPES[kind]))
        else:
            skipped[kind] += 1
    rows = {key: row for row, key in enumerate(lanes)}
    for key, lane in lanes.items():
        ring = lane.ring if len(lane.ring) >= 3 else strip(lane.centre, DEFAULT_LANE_WIDTH)
        areas.append((key, ring, AreaType.DRIVABLE))
    return ImportedMap(_build(name, lanes, rows, lines, areas), rows, dict(skipped))


def _lane(key: Any, feature: Mapping[str, Any], centre: NDArray[np.float64], has_height: bool) -> _Lane:
    with reading(f"map feature {key}", "a polygon, a speed limit in numbers and a list of exit lanes"):
        ring = np.zeros((0, 3))
        if feature.get("polygon") is not None and len(feature["polygon"]):
            ring = open_ring(_points(key, feature, "polygon", has_height))
        exits = feature.get("exit_lanes")
        return _Lane(
            kind=LANE_TYPES[str(feature["type"])],
            centre=centre,
            ring=ring,
            speed=_speed_limit(feature),
            exits=None if exits is None else tuple(str(other) for other in exits),
        )


def _build(
    name: str,
    named: dict[str, _Lane],
    rows: dict[str, int],
    lines: list[tuple[str, NDArray[np.float64], LineType]],
    areas: list[tuple[str, NDArray[np.float64], AreaType]],
) -> RoadNetwork:
    lanes = list(named.values())
    centres = [lane.centre for lane in lanes]
    left, right, widths = [], [], []
    for lane in lanes:
        if len(lane.ring) >= 3:
            a, b, width = boundaries_from_polygon(lane.centre, lane.ring)
        else:
            a, b, width = np.zeros((0, 3)), np.zeros((0, 3)), float("nan")
        left.append(a)
        right.append(b)
        widths.append(width)
    without_polygon = np.array([len(lane.ring) < 3 for lane in lanes], np.bool_)
    turns = np.array([turn_of(centre) for centre in centres], np.uint8)
    turning_connectors = without_polygon & (turns != LaneTurn.STRAIGHT) & (not without_polygon.all())
    painted, kinds = [line for _, line, _ in lines], [kind for _, _, kind in lines]
    points = LanePoints(centres)
    left_neighbours, right_neighbours = points.neighbours()
    linked = any(lane.exits is not None for lane in lanes)
    given = [[rows[key] for key in lane.exits or () if key in rows] for lane in lanes]
    successors = given if linked else successors_from_ends(centres)
    keys = [list(named), [key for key, _, _ in lines], [key for key, _, _ in areas]]
    lane_ids, line_ids, area_ids = _ids(keys)
    return RoadNetwork(
        name=name,
        lane_ids=lane_ids,
        lane_types=np.array([lane.kind for lane in lanes], np.uint8),
        lane_turns=turns,
        lane_in_intersection=points.crossed() | turning_connectors,
        lane_speed_limits=np.array([lane.speed for lane in lanes], np.float32),
        lane_widths=np.array(widths, np.float32),
        centre_lines=Ragged.from_rows(centres, np.float64, 3),
        left_boundaries=Ragged.from_rows(left, np.float64, 3),
        left_boundary_types=np.array(line_types_of(left, painted, kinds), np.uint8),
        right_boundaries=Ragged.from_rows(right, np.float64, 3),
        right_boundary_types=np.array(line_types_of(right, painted, kinds), np.uint8),
        successors=Ragged.from_rows(successors, np.int32),
        left_neighbours=left_neighbours,
        right_neighbours=right_neighbours,
        line_ids=line_ids,
        line_types=np.array(kinds, np.uint8),
        lines=Ragged.from_rows(painted, np.float64, 3),
        area_ids=area_ids,
        area_types=np.array([kind for _, _, kind in areas], np.uint8),
        areas=Ragged.from_rows([ring for _, ring, _ in areas], np.float64, 3),
    )


def _ids(keys: Sequence[list[str]]) -> list[NDArray[np.int64]]:
    """The keys of the file as ids if all are whole numbers, else row numbers."""
    try:
        numbers = [np.array([whole_number(key) for key in group], np.int64) for group in keys]
    except ValueError:
        return [np.arange(len(group), dtype=np.int64) for group in keys]
    return numbers


def _speed_limit(feature: Mapping[str, Any]) -> float:
    """[m/s], NaN where the file does not say."""
    for key, factor in (("speed_limit_kmh", 1 / 3.6), ("speed_limit_mph", MPH)):
        value = feature.get(key)
        if value is not None and 0 < float(value) < np.inf:
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
