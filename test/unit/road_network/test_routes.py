"""Route search on made-up networks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from zoox_stack.core.classes import LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.road_network.routes import LANE_CHANGE

WEST_IN, NORTH_IN, EAST_OUT, NORTH_OUT, SOUTH_OUT = 2, 1, 4, 5, 7


def cost(index: LaneIndex, rows: tuple[int, ...]) -> float:
    """Of a way, after its first lane."""
    lines, successors = index.lines, index.network.successors
    return sum(lines[b].length if b in successors[a] else LANE_CHANGE for a, b in pairwise(rows))


def cheapest(index: LaneIndex) -> np.ndarray:
    """Costs of all ways by Floyd and Warshall, ``[L, L]``."""
    network = index.network
    costs = np.full((len(network.lane_ids),) * 2, np.inf)
    np.fill_diagonal(costs, 0)
    for row in index.lines:
        for other in network.successors[row]:
            costs[row, other] = index.lines[int(other)].length
        for other in (network.left_neighbours[row], network.right_neighbours[row]):
            if other >= 0:
                costs[row, other] = min(costs[row, other], LANE_CHANGE)
    for middle in range(len(costs)):
        costs = np.minimum(costs, costs[:, middle, None] + costs[None, middle])
    return costs


@pytest.mark.parametrize("network", [grid_of_crossings(2, 2, arm=30.0), straight_road(lanes=3, segment_length=60.0)])
def test_ways_are_the_cheapest_and_connected(network: RoadNetwork) -> None:
    index = LaneIndex(network)
    costs = cheapest(index)
    rng = np.random.default_rng(0)
    for start, goal in rng.integers(0, len(network.lane_ids), (60, 2)).tolist():
        if np.isfinite(costs[start, goal]):
            rows = index.route(start, goal)
            assert (rows[0], rows[-1]) == (start, goal)
            assert cost(index, rows) == pytest.approx(costs[start, goal])
            assert index.path_of(rows).line.length > 0
        else:
            with pytest.raises(InvalidInputError, match="no way between them"):
                index.route(start, goal)


def test_left_turn_through_the_crossing() -> None:
    index = LaneIndex(crossing())
    assert index.route(WEST_IN, NORTH_OUT) == (WEST_IN, 16, NORTH_OUT)
    assert index.route(WEST_IN, WEST_IN) == (WEST_IN,)


def test_no_way_against_the_traffic_names_both_lanes() -> None:
    network = crossing()
    with pytest.raises(InvalidInputError, match=r"route from lane 10 to lane 2: .*map check"):
        LaneIndex(network).route(EAST_OUT, WEST_IN)
    with pytest.raises(InvalidInputError, match="row of a driving lane"):
        LaneIndex(network).route(0, 99)


def test_solid_lines_are_not_crossed() -> None:
    road = straight_road(lanes=2, length=300.0, segment_length=100.0)
    assert LaneIndex(road).route(0, 5) in [(0, 1, 3, 5), (0, 2, 3, 5), (0, 2, 4, 5)]
    marks = road.left_boundary_types.copy()
    marks[[0, 4]] = LineType.SOLID_WHITE
    assert LaneIndex(replace(road, left_boundary_types=marks)).route(0, 5) == (0, 2, 3, 5)
    marks[2] = LineType.DOUBLE_SOLID
    with pytest.raises(InvalidInputError, match="no way"):
        LaneIndex(replace(road, left_boundary_types=marks)).route(0, 5)


def test_a_path_over_two_lanes_runs_ahead_all_along() -> None:
    index = LaneIndex(straight_road(lanes=3, length=300.0, segment_length=100.0))
    rows = (0, 1, 2, 5, 8)
    path = index.path_of(rows)
    assert (np.diff(path.line.xy[:, 0]) > 0).all()
    assert path.line.xy[0] == pytest.approx([0.0, 0.0], abs=0.05)
    assert path.line.xy[-1] == pytest.approx([300.0, 7.0], abs=0.05)
    assert np.abs(path.line.heading).max() < 0.5
    assert [row for row, _, _ in path.runs()] == list(rows)


def test_through_points_takes_the_direction_that_leads_on() -> None:
    index = LaneIndex(crossing())
    # The first point lies nearer to the oncoming lane.
    assert index.route_through(np.array([[-60.0, 0.4], [1.7, 60.0]])) == (WEST_IN, 16, NORTH_OUT)
    past = np.array([[-60.0, -1.75], [0.0, -1.75], [60.0, -1.75]])
    assert index.route_through(past) == (WEST_IN, 15, EAST_OUT)


def test_through_a_place_behind_goes_around_the_block() -> None:
    index = LaneIndex(grid_of_crossings(2, 2, arm=30.0))
    start = np.array([30.0, -1.75])
    rows = index.route_through(np.array([start, start + np.array([20.0, 0.0]), start]), max_distance=1.0)
    assert rows[0] == rows[-1]
    assert len(rows) > 4
    assert all(b in index.network.successors[a] for a, b in pairwise(rows))


def test_points_without_lane_or_way() -> None:
    index = LaneIndex(crossing())
    with pytest.raises(InvalidInputError, match=r"point 1 of a route: .*\(500.0, 500.0\)"):
        index.route_through(np.array([[-60.0, -1.75], [500.0, 500.0]]))
    with pytest.raises(InvalidInputError, match="at least two"):
        index.route_through(np.array([[-60.0, -1.75]]))
    with pytest.raises(InvalidInputError, match="no way"):
        index.route_through(np.array([[60.0, -1.75], [-60.0, -1.75]]), max_distance=1.0)
