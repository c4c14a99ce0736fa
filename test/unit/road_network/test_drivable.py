"""The grid of drivable ground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.drivable import DEPTH_STEP, DrivableGrid
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

POINTS = np.array([[-60.0, -1.75], [-60.0, 1.75], [-60.0, 6.0], [0.0, 0.0], [30.0, 30.0], [1e6, 0.0]])
ON_ROAD = [True, True, False, True, False, False]


def test_areas_of_the_map() -> None:
    assert DrivableGrid(LaneIndex(crossing())).contains(POINTS).tolist() == ON_ROAD


def test_lanes_where_the_map_has_no_areas() -> None:
    network = crossing()
    bare = replace(
        network, area_ids=network.area_ids[:0], area_types=network.area_types[:0], areas=Ragged.from_rows([], float, 3)
    )
    assert DrivableGrid(LaneIndex(bare)).contains(POINTS).tolist() == ON_ROAD


def test_edge_of_the_road_is_found_within_a_cell() -> None:
    grid = DrivableGrid(LaneIndex(straight_road(lanes=1)), cell=0.25, margin=0.0)
    y = np.arange(-5.0, 5.0, 0.1)
    inside = y[grid.contains(np.stack([np.full_like(y, 100.0), y], axis=1))]
    assert abs(inside.min() + 1.75) < 0.5
    assert abs(inside.max() - 1.75) < 0.5


def test_without_a_map_everything_is_drivable() -> None:
    grid = DrivableGrid(LaneIndex(RoadNetwork()))
    assert not grid.known
    assert grid.contains(POINTS).all()


def area_map(*rings: np.ndarray) -> RoadNetwork:
    return RoadNetwork(
        area_ids=np.arange(len(rings)),
        area_types=np.zeros(len(rings), np.uint8),
        areas=Ragged.from_rows([np.column_stack([ring, np.zeros(len(ring))]) for ring in rings], np.float64, 3),
    )


def test_grid_and_areas_agree_where_rings_overlap_themselves() -> None:
    angle = np.linspace(0, 4 * np.pi, 80, endpoint=False)
    spiral = (20 + angle)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)  # twice around
    eight = np.array([[60.0, -20], [100, 20], [100, -20], [60, 20]])
    concave = np.array([[0.0, 50], [40, 50], [40, 90], [20, 60], [0, 90]])
    network = area_map(spiral, eight, concave[::-1])
    points = np.random.default_rng(0).uniform([-45, -45], [110, 100], (20_000, 2))
    inside = AreaIndex(network).contains(points, AreaType.DRIVABLE)
    grid = DrivableGrid(LaneIndex(network), cell=0.1, margin=0.0)
    assert grid.contains(np.zeros((1, 2))).all()
    assert grid.contains(points)[inside].mean() > 0.997  # half a cell at the rim
    assert (grid.contains(points) == inside).mean() > 0.998
    wider = DrivableGrid(LaneIndex(network), cell=0.1, margin=0.2)
    assert wider.contains(points)[inside].all()


def test_depths_are_distances_from_the_ground() -> None:
    grid = DrivableGrid(LaneIndex(area_map(np.array([[0.0, 0], [20, 0], [20, 10], [0, 10]]))), cell=0.25, margin=0.0)
    for x, y, depth in ((10.0, 5.0, 0.0), (10.0, -1.0, 1.0), (22.0, 5.0, 2.0), (10.0, 10.3, 0.3)):
        column, row = np.floor((np.array([x, y]) - grid.low) / grid.cell).astype(int)
        assert grid.depths[row, column] * DEPTH_STEP == pytest.approx(depth, abs=0.2)


def test_large_maps_get_larger_cells() -> None:
    far = 50_000.0
    squares = [np.array([[x, y], [x + 100, y], [x + 100, y + 100], [x, y + 100]]) for x, y in ((0, 0), (far, far))]
    grid = DrivableGrid(LaneIndex(area_map(*squares)))
    places = np.array([[50.0, 50.0], [far + 50, far + 50], [far / 2, far / 2]])
    assert grid.contains(places).tolist() == [True, True, False]
    assert grid._grid.size < 31_000_000


def test_clearance_is_the_distance_to_the_edge() -> None:
    grid = DrivableGrid(LaneIndex(straight_road(lanes=1)), cell=0.25, margin=0.0)
    y = np.arange(-3.0, 3.0, 0.1)
    clearance = grid.clearance(np.stack([np.full_like(y, 100.0), y], axis=1))
    np.testing.assert_allclose(clearance, 1.75 - np.abs(y), atol=0.2)
    assert np.abs(np.diff(clearance)).max() < 0.15  # without steps from cell to cell


def test_clearance_without_a_map_and_beyond_it() -> None:
    assert np.isinf(DrivableGrid(LaneIndex(RoadNetwork())).clearance(POINTS)).all()
    assert (DrivableGrid(LaneIndex(crossing())).clearance(np.array([[1e6, 0.0], [-1e6, 1e6]])) < 0).all()
