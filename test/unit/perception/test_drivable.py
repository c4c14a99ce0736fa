from __future__ import annotations

import numpy as np

from zoox_stack.core.classes import AreaType
from zoox_stack.core.ragged import Ragged
from zoox_stack.perception.drivable import DrivableTile
from zoox_stack.road_network.network import RoadNetwork

HERE = np.array([1000.0, -500.0])


def square(half: float, kind: AreaType = AreaType.DRIVABLE) -> RoadNetwork:
    ring = np.column_stack([np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + HERE, np.zeros(4)])
    return RoadNetwork(
        area_ids=np.array([1]), area_types=np.array([kind], np.uint8), areas=Ragged.from_rows([ring], np.float64, 3)
    )


def test_distance_is_that_to_the_area() -> None:
    points = HERE + np.array([[0, 0], [9, 9], [15, 0], [13, 14], [0, -30.0]])
    distance = DrivableTile().distance(square(10.0), HERE, points)
    np.testing.assert_allclose(distance, [0, 0, 5, 5, 20], atol=0.8)


def test_the_tile_follows_the_ego() -> None:
    tile, network = DrivableTile(half_side=60.0), square(10.0)
    point = HERE + np.array([[20.0, 0.0]])
    for ego in (HERE, HERE + np.array([45.0, 0.0]), HERE - np.array([30.0, 0.0])):
        np.testing.assert_allclose(tile.distance(network, ego, point), [10.0], atol=0.8)
    assert np.isinf(tile.distance(network, HERE + np.array([500.0, 0.0]), point)).all()


def test_another_map_is_drawn_anew() -> None:
    tile, point = DrivableTile(), HERE + np.array([[20.0, 0.0]])
    np.testing.assert_allclose(tile.distance(square(10.0), HERE, point), [10.0], atol=0.8)
    np.testing.assert_allclose(tile.distance(square(30.0), HERE, point), [0.0])


def test_sidewalks_are_not_drivable() -> None:
    assert np.isinf(DrivableTile().distance(square(10.0, AreaType.SIDEWALK), HERE, HERE[None])).all()


def test_lanes_count_by_boundaries_or_else_by_width() -> None:
    line = np.column_stack([np.linspace(0, 50, 11) + HERE[0], np.full(11, HERE[1]), np.zeros(11)])
    wide = line + np.array([0, 6, 0])
    network = RoadNetwork(
        lane_ids=np.array([1, 2]),
        lane_types=np.zeros(2, np.uint8),
        lane_turns=np.zeros(2, np.uint8),
        lane_in_intersection=np.zeros(2, bool),
        lane_speed_limits=np.full(2, np.nan, np.float32),
        lane_widths=np.array([np.nan, 4.0], np.float32),
        centre_lines=Ragged.from_rows([line, line + np.array([0, 20, 0])], np.float64, 3),
        left_boundaries=Ragged.from_rows([wide, np.zeros((0, 3))], np.float64, 3),
        left_boundary_types=np.zeros(2, np.uint8),
        right_boundaries=Ragged.from_rows([line, np.zeros((0, 3))], np.float64, 3),
        right_boundary_types=np.zeros(2, np.uint8),
        successors=Ragged.from_rows([[], []], np.int32),
        left_neighbours=np.full(2, -1, np.int32),
        right_neighbours=np.full(2, -1, np.int32),
    )
    points = HERE + np.array([[25, 3.0], [25, 10.0], [25, 21.5], [25, 25.0]])
    np.testing.assert_allclose(DrivableTile().distance(network, HERE, points), [0, 4, 0, 3], atol=0.8)
