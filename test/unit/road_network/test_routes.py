"""Route search on made-up networks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from zoox_stack.core.classes import LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
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


def short_beside_long(first: float, second: float, start: float) -> RoadNetwork:
    """A lane of `first` metres, and left of it one of `second` metres that begins at x = `start`."""
    road = straight_road(lanes=2, length=100.0, segment_length=100.0)

    def lines(table: Ragged) -> Ragged:
        y = [table[0][0, 1], table[1][0, 1]]
        ends = [[[0, y[0], 0], [first, y[0], 0]], [[start, y[1], 0], [start + second, y[1], 0]]]
        return Ragged.from_rows(ends, np.float64, 3)

    return replace(
        road,
        centre_lines=lines(road.centre_lines),
        left_boundaries=lines(road.left_boundaries),
        right_boundaries=lines(road.right_boundaries),
    )


@pytest.mark.parametrize(
    ("first", "second", "start"), [(10.0, 150.0, 0.0), (150.0, 10.0, 70.0), (60.0, 60.0, 40.0), (30.0, 200.0, -100.0)]
)
def test_a_change_between_lanes_of_different_length_runs_ahead(first: float, second: float, start: float) -> None:
    index = LaneIndex(short_beside_long(first, second, start))
    assert index.route(0, 1) == (0, 1)
    path = index.path_of((0, 1))
    assert (np.diff(path.line.xy[:, 0]) > 0).all()
    assert path.line.xy[0] == pytest.approx([0.0, 0.0], abs=0.05)
    assert path.line.xy[-1] == pytest.approx([start + second, 3.5], abs=0.05)
    low, high = max(0.0, start), min(first, start + second)
    (middle,) = np.flatnonzero(np.diff(path.lanes))
    assert low < path.line.xy[middle, 0] < high  # changes where there are both


def test_two_changes_in_a_row_leave_room_for_the_second() -> None:
    """Of the third lane only the first 30 m are there."""
    road = straight_road(lanes=3, length=100.0, segment_length=100.0)
    lines = [*list(road.centre_lines)[:2], road.centre_lines[2][[0, 0]] + [[0, 0, 0], [30, 0, 0]]]
    path = LaneIndex(replace(road, centre_lines=Ragged.from_rows(lines, np.float64, 3))).path_of((0, 1, 2))
    assert (np.diff(path.line.xy[:, 0]) > 0).all()
    assert path.line.xy[-1] == pytest.approx([30.0, 7.0], abs=0.05)
    assert [row for row, _, _ in path.runs()] == [0, 1, 2]


def test_no_change_where_lanes_hardly_lie_side_by_side() -> None:
    index = LaneIndex(short_beside_long(100.0, 50.0, 97.0))
    with pytest.raises(InvalidInputError, match="no way"):
        index.route(0, 1)
    assert index.path_of((0, 1)).line.length == pytest.approx(147.0, abs=3.0)  # a given way is drawn all the same
    with pytest.raises(InvalidInputError, match=r"path from lane 0 to its neighbour 1: .*no room"):
        LaneIndex(short_beside_long(100.0, 50.0, 120.0)).path_of((0, 1))


def test_lanes_of_a_path_follow_each_other() -> None:
    index = LaneIndex(straight_road(lanes=2, length=300.0, segment_length=100.0))
    for rows in ((0, 4), (4, 2), (0, 3), (0, 2, 5)):
        with pytest.raises(InvalidInputError, match=r"lane \d+ after lane \d+"):
            index.path_of(rows)
