"""The grid of drivable ground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.drivable import DrivableGrid
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
