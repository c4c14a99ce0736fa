"""Argoverse 2 vector maps (``log_map_archive_*.json``) as `RoadNetwork`; coordinates stay those of the city."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.importers.lane_topology import between, clean_polyline, end_headings, headings, turn_of
from zoox_stack.road_network.network import RoadNetwork

LANE_TYPES = {"VEHICLE": LaneType.VEHICLE, "BUS": LaneType.BUS, "BIKE": LaneType.BIKE}
MARK_TYPES = {
    "NONE": LineType.NONE,
    "UNKNOWN": LineType.UNKNOWN,
    "SOLID_WHITE": LineType.SOLID_WHITE,
    "SOLID_BLUE": LineType.SOLID_WHITE,
    "SOLID_DASH_WHITE": LineType.SOLID_WHITE,
    "DASH_SOLID_WHITE": LineType.SOLID_WHITE,
    "DASHED_WHITE": LineType.DASHED_WHITE,
    "DOUBLE_DASH_WHITE": LineType.DASHED_WHITE,
    "SOLID_YELLOW": LineType.SOLID_YELLOW,
    "SOLID_DASH_YELLOW": LineType.SOLID_YELLOW,
    "DASH_SOLID_YELLOW": LineType.SOLID_YELLOW,
    "DASHED_YELLOW": LineType.DASHED_YELLOW,
    "DOUBLE_DASH_YELLOW": LineType.DASHED_YELLOW,
    "DOUBLE_SOLID_WHITE": LineType.DOUBLE_SOLID,
    "DOUBLE_SOLID_YELLOW": LineType.DOUBLE_SOLID,
}


def load_av2_map(path: Path | str, name: str = "") -> RoadNetwork:
    """Read a map archive.

    Centre lines are those of the file, else the middle of the two boundaries. A neighbour counts only if it runs in
    the same direction (the file also names oncoming lanes). Lanes named but not in the file are left out.

    Args:
        path: ``log_map_archive_*.json``.
        name: Name of the map; default the file's.

    Raises:
        InvalidInputError: Not such a file; an unknown lane or mark type.
    """
    path = Path(path)
    try:
        archive = json.loads(path.read_text(encoding="utf-8"))
        lanes = sorted(archive["lane_segments"].values(), key=lambda lane: int(lane["id"]))
        crossings = sorted(archive["pedestrian_crossings"].values(), key=lambda c: int(c["id"]))
        drivable = sorted(archive["drivable_areas"].values(), key=lambda a: int(a["id"]))
        return _build(path, lanes, crossings, drivable, name or path.stem)
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(str(path), "a JSON file", str(error)) from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        found = f"{type(error).__name__} {error}"
        raise InvalidInputError(str(path), "an Argoverse 2 map archive", found) from error


def _build(path: Path, lanes: list[Any], crossings: list[Any], drivable: list[Any], name: str) -> RoadNetwork:
    rows = {int(lane["id"]): row for row, lane in enumerate(lanes)}
    left = [_points(lane["left_lane_boundary"]) for lane in lanes]
    right = [_points(lane["right_lane_boundary"]) for lane in lanes]
    centres, widths = [], []
    for lane, a, b in zip(lanes, left, right, strict=True):
        centre, width = between(a, b)
        if lane.get("centerline"):
            given = _points(lane["centerline"])
            # Centre lines of forecasting maps have no height: take it from the boundaries.
            nearest = np.argmin(np.hypot(*(given[:, None, :2] - centre[None, :, :2]).transpose(2, 0, 1)), axis=1)
            given[:, 2] = centre[nearest, 2]
            centre = given
        centres.append(centre)
        widths.append(width)
    areas = [_ring(_points(area["area_boundary"])) for area in drivable] + [_crosswalk(c) for c in crossings]
    kinds = [AreaType.DRIVABLE] * len(drivable) + [AreaType.CROSSWALK] * len(crossings)
    successors = [[rows[int(i)] for i in lane["successors"] if int(i) in rows] for lane in lanes]
    return RoadNetwork(
        name=name,
        lane_ids=np.array(list(rows), np.int64),
        lane_types=np.array([_kind(path, LANE_TYPES, lane["lane_type"]) for lane in lanes], np.uint8),
        lane_turns=np.array([turn_of(centre) for centre in centres], np.uint8),
        lane_in_intersection=np.array([bool(lane["is_intersection"]) for lane in lanes], np.bool_),
        lane_speed_limits=np.full(len(lanes), np.nan, np.float32),
        lane_widths=np.array(widths, np.float32),
        centre_lines=Ragged.from_rows(centres, np.float64, 3),
        left_boundaries=Ragged.from_rows(left, np.float64, 3),
        left_boundary_types=np.array([_kind(path, MARK_TYPES, x["left_lane_mark_type"]) for x in lanes], np.uint8),
        right_boundaries=Ragged.from_rows(right, np.float64, 3),
        right_boundary_types=np.array([_kind(path, MARK_TYPES, x["right_lane_mark_type"]) for x in lanes], np.uint8),
        successors=Ragged.from_rows(successors, np.int32),
        left_neighbours=_neighbours(lanes, "left_neighbor_id", rows, centres),
        right_neighbours=_neighbours(lanes, "right_neighbor_id", rows, centres),
        area_ids=np.array([int(a["id"]) for a in (*drivable, *crossings)], np.int64),
        area_types=np.array(kinds, np.uint8),
        areas=Ragged.from_rows(areas, np.float64, 3),
    )


def _points(points: list[dict[str, float]]) -> NDArray[np.float64]:
    array = clean_polyline(np.array([(p["x"], p["y"], p["z"]) for p in points], np.float64).reshape(-1, 3))
    if len(array) < 2:
        raise KeyError("a line with fewer than 2 distinct points")
    return array


def _ring(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polygon without its first point repeated at the end."""
    closed = len(points) > 3 and np.hypot(*(points[0] - points[-1])[:2]) < 1e-3
    return points[:-1] if closed else points


def _crosswalk(crossing: dict[str, Any]) -> NDArray[np.float64]:
    """Ring around the two edges of a crossing, whichever way they run."""
    first, second = _points(crossing["edge1"]), _points(crossing["edge2"])
    same_way = float((first[-1] - first[0])[:2] @ (second[-1] - second[0])[:2]) > 0
    return np.concatenate([first, second[::-1] if same_way else second])


def _kind(path: Path, table: dict[str, Any], word: str) -> int:
    if word not in table:
        raise InvalidInputError(str(path), f"one of {', '.join(table)}", repr(word))
    return int(table[word])


def _neighbours(
    lanes: list[Any], key: str, rows: dict[int, int], centres: list[NDArray[np.float64]]
) -> NDArray[np.int32]:
    """Row of the neighbour that runs in the same direction, or -1."""
    result = np.full(len(lanes), -1, np.int32)
    for row, lane in enumerate(lanes):
        other = rows.get(int(lane[key])) if lane[key] is not None else None
        if other is not None:
            a, b = headings(centres[row]), end_headings(centres[other])
            middle = float(a[len(a) // 2])
            mean = np.arctan2(np.sin(b[0]) + np.sin(b[1]), np.cos(b[0]) + np.cos(b[1]))
            if np.cos(middle - mean) > 0:
                result[row] = other
    return result
