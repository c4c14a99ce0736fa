"""Argoverse 2 maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.av2 import load_av2_map


def points(*xyz: tuple[float, float, float]) -> list[dict[str, float]]:
    return [{"x": x, "y": y, "z": z} for x, y, z in xyz]


def lane(number: int, x: float, **changes: Any) -> dict[str, Any]:
    """A lane of 40 m to the north, 3 m wide, right edge at x + 3."""
    return {
        "id": number, "is_intersection": False, "lane_type": "VEHICLE",
        "left_lane_boundary": points((x, 0, 1), (x, 40, 3)), "left_lane_mark_type": "DOUBLE_SOLID_YELLOW",
        "right_lane_boundary": points((x + 3, 0, 1), (x + 3, 10, 1.5), (x + 3, 40, 3)),
        "right_lane_mark_type": "DASHED_WHITE", "predecessors": [], "successors": [],
        "left_neighbor_id": None, "right_neighbor_id": None,
    } | changes  # fmt: skip


def archive() -> dict[str, Any]:
    angle = np.linspace(0, np.pi / 2, 9)
    left_turn = {
        side: points(*[(float(-10 + r * np.cos(a)), float(40 + r * np.sin(a)), 3.0) for a in angle])
        for side, r in (("left_lane_boundary", 10.0), ("right_lane_boundary", 13.0))
    }
    oncoming = {
        "left_lane_boundary": points((0, 40, 3), (0, 0, 1)), "right_lane_boundary": points((-3, 40, 3), (-3, 0, 1)),
    }  # fmt: skip
    lanes = [
        lane(2, 3.0, left_neighbor_id=1, lane_type="BUS"),
        lane(1, 0.0, successors=[3, 77], right_neighbor_id=2, left_neighbor_id=4),
        lane(3, 0.0, is_intersection=True, **left_turn),
        lane(4, 0.0, left_neighbor_id=1, lane_type="BIKE", **oncoming),
    ]
    return {
        "lane_segments": {str(entry["id"]): entry for entry in lanes},
        "pedestrian_crossings": {"9": {"id": 9, "edge1": points((0, 40, 3), (6, 40, 3)),
                                       "edge2": points((6, 43, 3), (0, 43, 3))}},
        "drivable_areas": {"8": {"id": 8, "area_boundary": points((0, 0, 1), (6, 0, 1), (6, 40, 3), (0, 0, 1))}},
    }  # fmt: skip


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_lanes_links_and_types(tmp_path: Path) -> None:
    network = load_av2_map(write(tmp_path / "m.json", archive()), "town")
    assert network.name == "town"
    assert network.lane_ids.tolist() == [1, 2, 3, 4]
    assert network.lane_types.tolist() == [LaneType.VEHICLE, LaneType.BUS, LaneType.VEHICLE, LaneType.BIKE]
    assert network.lane_turns.tolist() == [LaneTurn.STRAIGHT, LaneTurn.STRAIGHT, LaneTurn.LEFT, LaneTurn.STRAIGHT]
    assert network.lane_in_intersection.tolist() == [False, False, True, False]
    assert [row.tolist() for row in network.successors] == [[2], [], [], []]  # 77 is not in the file
    assert network.right_neighbours.tolist() == [1, -1, -1, -1]
    assert network.left_neighbours.tolist() == [-1, 0, -1, -1]  # oncoming lanes are no neighbours
    assert network.left_boundary_types[0] == LineType.DOUBLE_SOLID
    assert network.right_boundary_types[0] == LineType.DASHED_WHITE


def test_centre_lines_lie_between_the_boundaries(tmp_path: Path) -> None:
    network = load_av2_map(write(tmp_path / "m.json", archive()))
    centre = network.centre_lines[0]
    np.testing.assert_allclose(centre[[0, -1]], [[1.5, 0, 1], [1.5, 40, 3]])
    np.testing.assert_allclose(centre[:, 0], 1.5)
    np.testing.assert_allclose(network.lane_widths, 3.0, rtol=0.02)
    radius = np.hypot(network.centre_lines[2][:, 0] + 10, network.centre_lines[2][:, 1] - 40)
    np.testing.assert_allclose(radius, 11.5, atol=0.1)


def test_given_centre_lines_are_kept_and_get_their_height(tmp_path: Path) -> None:
    content = archive()
    content["lane_segments"]["1"]["centerline"] = points((1.4, 0, 0), (1.4, 20, 0), (1.4, 40, 0))
    centre = load_av2_map(write(tmp_path / "m.json", content)).centre_lines[0]
    np.testing.assert_allclose(centre, [[1.4, 0, 1], [1.4, 20, 2], [1.4, 40, 3]], atol=0.1)


def test_areas_are_rings_whichever_way_the_edges_run(tmp_path: Path) -> None:
    content = archive()
    for edge in (points((6, 43, 3), (0, 43, 3)), points((0, 43, 3), (6, 43, 3))):
        content["pedestrian_crossings"]["9"]["edge2"] = edge
        network = load_av2_map(write(tmp_path / "m.json", content))
        assert network.area_types.tolist() == [AreaType.DRIVABLE, AreaType.CROSSWALK]
        assert len(network.areas[0]) == 3  # not closed
        x, y = network.areas[1][:, :2].T
        area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        assert area == pytest.approx(18.0)


def test_of_two_marks_the_one_next_to_the_lane_counts(tmp_path: Path) -> None:
    content = archive()
    content["lane_segments"]["1"]["left_lane_mark_type"] = "SOLID_DASH_YELLOW"
    content["lane_segments"]["1"]["right_lane_mark_type"] = "SOLID_DASH_WHITE"
    content["lane_segments"]["2"]["left_lane_mark_type"] = "DASH_SOLID_WHITE"
    content["lane_segments"]["2"]["right_lane_mark_type"] = "DASH_SOLID_WHITE"
    network = load_av2_map(write(tmp_path / "m.json", content))
    assert network.left_boundary_types[:2].tolist() == [LineType.DASHED_YELLOW, LineType.SOLID_WHITE]
    assert network.right_boundary_types[:2].tolist() == [LineType.SOLID_WHITE, LineType.DASHED_WHITE]


def test_an_area_and_a_crossing_may_share_an_id(tmp_path: Path) -> None:
    content = archive()
    content["pedestrian_crossings"]["9"]["id"] = 8
    assert load_av2_map(write(tmp_path / "m.json", content)).area_ids.tolist() == [8, 9]


def test_broken_maps_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    with pytest.raises(InvalidInputError, match="a JSON file"):
        load_av2_map(path)
    path.write_text("{")
    with pytest.raises(InvalidInputError, match="a JSON file"):
        load_av2_map(path)
    for content in ([], {}, {"lane_segments": {}}):
        with pytest.raises(InvalidInputError, match="Argoverse 2 map archive"):
            load_av2_map(write(path, content))
    content = archive()
    content["lane_segments"]["1"]["lane_type"] = "TRAM"
    with pytest.raises(InvalidInputError, match="'TRAM'"):
        load_av2_map(write(path, content))
    content = archive()
    content["lane_segments"]["1"]["left_lane_boundary"] = points((0, 0, 0), (0, 0, 0))
    with pytest.raises(InvalidInputError, match="fewer than 2 distinct points"):
        load_av2_map(write(path, content))
