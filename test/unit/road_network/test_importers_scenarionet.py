"""ScenarioNet map features: links, neighbours and borders that the file does not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.lane_topology import boundaries_from_polygon, successors_from_ends, turn_of
from zoox_stack.road_network.importers.scenarionet import import_map_features
from zoox_stack.road_network.lane_points import LanePoints
from zoox_stack.road_network.line_shapes import strip
from zoox_stack.road_network.network import DEFAULT_LANE_WIDTH

STREET = "LANE_SURFACE_STREET"


def features() -> dict[str, Any]:
    """Two lanes to the east, side by side (y = 0 and 4); from the right one straight on (c) and to the left (d)."""
    angle = np.linspace(0, np.pi / 2, 10)
    turn = [(20 + 10 * np.sin(a), 10 - 10 * np.cos(a), a) for a in angle]
    return {
        "a": {"type": STREET, "polyline": [(x, 0.0, 0.0) for x in range(0, 21, 2)],
              "polygon": [[0, 2], [20, 2], [20, -2], [0, -2], [0, 2]]},
        "b": {"type": STREET, "polyline": np.array([(x, 4.0, 0.0) for x in range(0, 21, 4)]),
              "polygon": [[0, 6], [20, 6], [20, 2], [0, 2]]},
        "c": {"type": STREET, "polyline": [(20.2, 0, 0), (30, 0, 0), (40, 0, 0)]},
        "d": {"type": STREET, "polyline": turn},
        "e": {"type": STREET, "polyline": [(30, -10, 1.57), (30, 5, 1.57), (30, 30, 1.57)]},
        "f": {"type": STREET, "polyline": [(20, 7.8, 3.14), (0, 7.8, 3.14)]},
        "line": {"type": "ROAD_LINE_BROKEN_SINGLE_WHITE", "polyline": [[0, 2.2], [20, 2.2]]},
        "boundary_7": {"type": "ROAD_LINE_SOLID_SINGLE_WHITE", "polyline": [[0, -2.1], [20, -2.1]]},
        "walk": {"type": "CROSSWALK", "polygon": [[20, -2], [23, -2], [23, 2], [20, 2], [20, -2]]},
    }  # fmt: skip


def test_links_neighbours_turns_and_intersections() -> None:
    result = import_map_features(features(), "x", has_height=False)
    network, rows = result.network, result.lane_rows
    successors = {key: {k for k, r in rows.items() if r in network.successors[row]} for key, row in rows.items()}
    assert successors["a"] == {"c", "d"}
    assert all(not successors[key] for key in "bcdef")  # e is crossed, not followed: headings differ
    assert network.left_neighbours[rows["a"]] == rows["b"]
    assert network.right_neighbours[rows["b"]] == rows["a"]
    assert network.right_neighbours[rows["a"]] == -1
    assert network.left_neighbours[rows["b"]] == -1  # f comes the other way
    turns = {key: network.lane_turns[row] for key, row in rows.items()}
    assert turns["d"] == LaneTurn.LEFT
    assert turns["a"] == turns["c"] == LaneTurn.STRAIGHT
    assert [key for key, row in rows.items() if network.lane_in_intersection[row]] == ["c", "d", "e"]


def test_borders_come_from_the_polygon_and_their_kind_from_the_lines_near_them() -> None:
    result = import_map_features(features(), "x", has_height=False)
    network, row = result.network, result.lane_rows["a"]
    assert network.lane_widths[row] == pytest.approx(4.0)
    np.testing.assert_allclose(network.left_boundaries[row][:, 1], 2.0)
    np.testing.assert_allclose(network.right_boundaries[row][:, 1], -2.0)
    assert (np.diff(network.left_boundaries[row][:, 0]) > 0).all()
    assert network.left_boundary_types[row] == LineType.DASHED_WHITE
    assert network.right_boundary_types[row] == LineType.KERB  # outline of the drivable area
    connector = result.lane_rows["c"]
    assert len(network.left_boundaries[connector]) == 0
    assert np.isnan(network.lane_widths[connector])
    assert network.left_boundary_types[connector] == LineType.UNKNOWN
    np.testing.assert_array_equal(network.centre_lines[row][:, 2], 0.0)  # the third number was the heading


def test_areas_say_where_one_can_drive() -> None:
    network = import_map_features(features(), "x", has_height=False).network
    assert (network.area_types == AreaType.DRIVABLE).sum() == 6
    assert (network.area_types == AreaType.CROSSWALK).sum() == 1
    assert {len(network.areas[i]) for i in np.flatnonzero(network.area_types == AreaType.CROSSWALK)} == {4}
    ring = strip(np.array([[0.0, 0, 0], [10, 0, 0]]), DEFAULT_LANE_WIDTH)
    x, y = ring[:, :2].T
    assert 0.5 * (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) == pytest.approx(10 * DEFAULT_LANE_WIDTH)


def test_waymo_lanes_bring_links_heights_and_speed_limits() -> None:
    lanes: dict[Any, Any] = {
        1: {"type": "LANE_FREEWAY", "polyline": np.array([[0, 0, 5.0], [10, 0, 6.0]]), "exit_lanes": [2, 99],
            "speed_limit_mph": 25},
        2: {"type": "LANE_BIKE_LANE", "polyline": np.array([[50, 0, 6.0], [60, 0, 6.0]]), "exit_lanes": []},
    }  # fmt: skip
    network = import_map_features(lanes, "w", has_height=True).network
    assert [row.tolist() for row in network.successors] == [[1], []]
    assert network.centre_lines[0][1, 2] == 6.0
    assert network.lane_types.tolist() == [LaneType.VEHICLE, LaneType.BIKE]
    assert network.lane_speed_limits[0] == pytest.approx(25 * 0.44704)
    assert np.isnan(network.lane_speed_limits[1])
    assert not network.lane_in_intersection.any()
    assert network.lane_ids.tolist() == network.area_ids.tolist() == [1, 2]
    lanes[2]["speed_limit_kmh"] = np.inf
    assert np.isnan(import_map_features(lanes, "w", has_height=True).network.lane_speed_limits[1])


def test_ids_are_row_numbers_where_keys_are_names() -> None:
    result = import_map_features(features(), "x", has_height=False)
    assert result.network.lane_ids.tolist() == list(result.lane_rows.values()) == [0, 1, 2, 3, 4, 5]


def test_what_is_left_out_is_counted() -> None:
    odd: dict[str, Any] = {
        "p": {"type": "HELIPAD", "polygon": [[0, 0], [1, 0], [1, 1]]},
        "q": {"type": STREET, "polyline": [(1, 1, 0), (1, 1, 0)]},
        "r": {"type": "ROAD_LINE_SOLID_SINGLE_WHITE", "polyline": [[1, 1]]},
        "s": {"type": "CROSSWALK", "polygon": [[0, 0], [1, 0]]},
    }
    result = import_map_features(odd, "x", has_height=False)
    assert result.skipped == {
        "HELIPAD": 1, "lane shorter than two points": 1, "line shorter than two points": 1,
        "area smaller than three points": 1,
    }  # fmt: skip
    assert len(result.network.lane_ids) == 0


@pytest.mark.parametrize("polyline", [None, [[1, np.inf], [2, 2]], [[1], [2]], "road"])
def test_broken_features_are_named(polyline: Any) -> None:
    with pytest.raises(InvalidInputError, match="map feature a"):
        import_map_features({"a": {"type": STREET, "polyline": polyline}}, "x", has_height=False)


def test_empty_map() -> None:
    assert len(import_map_features({}, "x", has_height=False).network.lane_ids) == 0
    assert successors_from_ends([]) == []
    assert LanePoints([]).crossed().tolist() == []


def test_u_turn_and_right_turn() -> None:
    angle = np.linspace(0, np.pi, 20)
    u_turn = np.stack([np.sin(angle), -np.cos(angle), 0 * angle], axis=1) * 6
    assert turn_of(u_turn) == LaneTurn.U_TURN
    right = np.stack([np.sin(angle[:11]), np.cos(angle[:11]), 0 * angle[:11]], axis=1) * 6
    assert turn_of(right) == LaneTurn.RIGHT


def test_a_polygon_that_does_not_reach_everywhere_gives_what_it_has() -> None:
    centre = np.array([[x, 0.0, 0.0] for x in range(0, 31, 5)])
    left, right, width = boundaries_from_polygon(centre, np.array([[9, 1.5], [21, 1.5], [21, -1.5], [9, -1.5]]))
    assert left[:, 0].tolist() == right[:, 0].tolist() == [10, 15, 20]
    assert width == pytest.approx(3.0)
    far = np.array([[9, 50], [21, 50], [21, 40], [9, 40]])
    left, right, width = boundaries_from_polygon(centre, far)
    assert len(left) == len(right) == 0
    assert np.isnan(width)
