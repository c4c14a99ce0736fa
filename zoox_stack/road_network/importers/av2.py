"""Argoverse 2 vector maps (``log_map_archive_*.json``) as `RoadNetwork`; coordinates stay those of the city."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.importers.broken_file import reading
from zoox_stack.road_network.importers.lane_topology import turn_of
from zoox_stack.road_network.importers.whole_numbers import distinct, whole_number
from zoox_stack.road_network.line_shapes import between, clean_polyline, end_headings, headings, open_ring
from zoox_stack.road_network.network import RoadNetwork

_T = TypeVar("_T")

LANE_TYPES = {"VEHICLE": LaneType.VEHICLE, "BUS": LaneType.BUS, "BIKE": LaneType.BIKE}
MARK_TYPES = {
    "NONE": LineType.NONE,
    "UNKNOWN": LineType.UNKNOWN,
    "SOLID_WHITE": LineType.SOLID_WHITE,
    "SOLID_BLUE": LineType.SOLID_WHITE,
    "DASHED_WHITE": LineType.DASHED_WHITE,
    "DOUBLE_DASH_WHITE": LineType.DASHED_WHITE,
    "SOLID_YELLOW": LineType.SOLID_YELLOW,
    "DASHED_YELLOW": LineType.DASHED_YELLOW,
    "DOUBLE_DASH_YELLOW": LineType.DASHED_YELLOW,
    "DOUBLE_SOLID_WHITE": LineType.DOUBLE_SOLID,
    "DOUBLE_SOLID_YELLOW": LineType.DOUBLE_SOLID,
}
# Two marks side by side, the left and the right one in the direction of the lane: the one next to it is its own.
MARK_PAIRS = {
    "SOLID_DASH_WHITE": (LineType.SOLID_WHITE, LineType.DASHED_WHITE),
    "DASH_SOLID_WHITE": (LineType.DASHED_WHITE, LineType.SOLID_WHITE),
    "SOLID_DASH_YELLOW": (LineType.SOLID_YELLOW, LineType.DASHED_YELLOW),
    "DASH_SOLID_YELLOW": (LineType.DASHED_YELLOW, LineType.SOLID_YELLOW),
}
_KINDS = {
    "lane_segments": "lane segment",
    "pedestrian_crossings": "pedestrian crossing",
    "drivable_areas": "drivable area",
}


@dataclass(frozen=True, eq=False)
class _Lane:
    """A lane segment as it is in the file, checked; neighbours and successors by id, None for none."""

    key: int
    kind: LaneType
    inside: bool
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    marks: tuple[LineType, LineType]
    centre: NDArray[np.float64]
    width: float
    successors: tuple[int, ...]
    beside: tuple[int | None, int | None]


def load_av2_map(path: Path | str, name: str = "") -> RoadNetwork:
    """Read a map archive.

    Centre lines are those of the file, else the middle of the two boundaries. A neighbour counts only if it runs in
    the same direction (the file also names oncoming lanes). Lanes named but not in the file are left out.

    Args:
        path: ``log_map_archive_*.json``.
        name: Name of the map; default the file's.

    Raises:
        InvalidInputError: Not such a file; an unknown lane or mark type; names the element that is broken.
    """
    path = Path(path)
    try:
        archive = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(str(path), "a JSON file", str(error)) from error
    with reading(str(path), "an Argoverse 2 map archive"):
        lanes = _elements(path, archive, "lane_segments", _lane)
        areas = [
            *(
                (key, ring, AreaType.DRIVABLE)
                for key, ring in _elements(path, archive, "drivable_areas", _area).items()
            ),
            *(
                (k, ring, AreaType.CROSSWALK)
                for k, ring in _elements(path, archive, "pedestrian_crossings", _crosswalk).items()
            ),
        ]
        return _network(name or path.stem, list(lanes.values()), areas)


def _elements(path: Path, archive: Any, section: str, read: Callable[[Any], _T]) -> dict[int, _T]:
    """Elements of a section by rising id."""
    found: dict[int, _T] = {}
    for named, element in archive[section].items():
        thing = f"{path}: {_KINDS[section]} {named}"
        with reading(thing, "an element of an Argoverse 2 map archive"):
            key = whole_number(element["id"])
            if key in found:
                raise InvalidInputError(thing, "an id of its own", f"{key} a second time")
            found[key] = read(element)
    return dict(sorted(found.items()))


def _network(name: str, lanes: list[_Lane], areas: list[tuple[int, NDArray[np.float64], AreaType]]) -> RoadNetwork:
    rows = {lane.key: row for row, lane in enumerate(lanes)}
    successors = [[rows[key] for key in lane.successors if key in rows] for lane in lanes]
    return RoadNetwork(
        name=name,
        lane_ids=np.array(list(rows), np.int64),
        lane_types=np.array([lane.kind for lane in lanes], np.uint8),
        lane_turns=np.array([turn_of(lane.centre) for lane in lanes], np.uint8),
        lane_in_intersection=np.array([lane.inside for lane in lanes], np.bool_),
        lane_speed_limits=np.full(len(lanes), np.nan, np.float32),
        lane_widths=np.array([lane.width for lane in lanes], np.float32),
        centre_lines=Ragged.from_rows([lane.centre for lane in lanes], np.float64, 3),
        left_boundaries=Ragged.from_rows([lane.left for lane in lanes], np.float64, 3),
        left_boundary_types=np.array([lane.marks[0] for lane in lanes], np.uint8),
        right_boundaries=Ragged.from_rows([lane.right for lane in lanes], np.float64, 3),
        right_boundary_types=np.array([lane.marks[1] for lane in lanes], np.uint8),
        successors=Ragged.from_rows(successors, np.int32),
        left_neighbours=_neighbours(lanes, 0, rows),
        right_neighbours=_neighbours(lanes, 1, rows),
        area_ids=distinct([key for key, _, _ in areas]),  # an area and a crossing may have the same
        area_types=np.array([kind for _, _, kind in areas], np.uint8),
        areas=Ragged.from_rows([ring for _, ring, _ in areas], np.float64, 3),
    )


def _lane(element: Any) -> _Lane:
    left, right = _points(element["left_lane_boundary"]), _points(element["right_lane_boundary"])
    centre, width = between(left, right)
    if element.get("centerline"):
        given = _points(element["centerline"])
        # Centre lines of forecasting maps have no height: take it from the boundaries.
        nearest = np.argmin(np.hypot(*(given[:, None, :2] - centre[None, :, :2]).transpose(2, 0, 1)), axis=1)
        given[:, 2] = centre[nearest, 2]
        centre = given
    left_key, right_key = (
        None if element[word] is None else whole_number(element[word])
        for word in ("left_neighbor_id", "right_neighbor_id")
    )
    return _Lane(
        key=whole_number(element["id"]),
        kind=LANE_TYPES[_known(element["lane_type"], LANE_TYPES)],
        inside=bool(element["is_intersection"]),
        left=left,
        right=right,
        marks=(_mark(element["left_lane_mark_type"], 1), _mark(element["right_lane_mark_type"], 0)),
        centre=centre,
        width=width,
        successors=tuple(whole_number(key) for key in element["successors"]),
        beside=(left_key, right_key),
    )


def _points(points: Any) -> NDArray[np.float64]:
    array = np.array([(p["x"], p["y"], p["z"]) for p in points], np.float64).reshape(-1, 3)
    if not np.isfinite(array).all():
        raise ValueError("a line with a point that is no finite number")
    array = clean_polyline(array)
    if len(array) < 2:
        raise ValueError("a line with fewer than 2 distinct points")
    return array


def _area(element: Any) -> NDArray[np.float64]:
    ring = open_ring(_points(element["area_boundary"]))
    if len(ring) < 3:
        raise ValueError("an area with fewer than 3 corners")
    return ring


def _crosswalk(element: Any) -> NDArray[np.float64]:
    """Ring around the two edges of a crossing, whichever way they run."""
    first, second = _points(element["edge1"]), _points(element["edge2"])
    same_way = float((first[-1] - first[0])[:2] @ (second[-1] - second[0])[:2]) > 0
    return np.concatenate([first, second[::-1] if same_way else second])


def _mark(word: Any, near: int) -> LineType:
    """Kind of a mark; of a pair the one `near` the lane (0 the left one, 1 the right one)."""
    _known(word, {**MARK_TYPES, **MARK_PAIRS})
    return MARK_PAIRS[word][near] if word in MARK_PAIRS else MARK_TYPES[word]


def _known(word: Any, table: Mapping[str, object]) -> str:
    if str(word) not in table:
        raise ValueError(f"{word!r} is none of {', '.join(table)}")
    return str(word)


def _neighbours(lanes: list[_Lane], side: int, rows: dict[int, int]) -> NDArray[np.int32]:
    """Row of the neighbour that runs in the same direction, or -1."""
    result = np.full(len(lanes), -1, np.int32)
    for row, lane in enumerate(lanes):
        key = lane.beside[side]
        other = None if key is None else rows.get(key)
        if other is not None:
            a, b = headings(lane.centre), end_headings(lanes[other].centre)
            middle = float(a[len(a) // 2])
            mean = np.arctan2(np.sin(b[0]) + np.sin(b[1]), np.cos(b[0]) + np.cos(b[1]))
            if np.cos(middle - mean) > 0:
                result[row] = other
    return result
