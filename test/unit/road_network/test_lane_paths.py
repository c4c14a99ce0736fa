"""Paths over lanes in a given order, lane changes too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex


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
    assert index.path_of((0, 1)).line.length == pytest.approx(147.0, abs=3.0)  # little room is room
    with pytest.raises(InvalidInputError, match=r"path from lane 0 to its neighbour 1: .*no room"):
        LaneIndex(short_beside_long(100.0, 50.0, 120.0)).path_of((0, 1))


def test_lanes_of_a_path_follow_each_other() -> None:
    index = LaneIndex(straight_road(lanes=2, length=300.0, segment_length=100.0))
    for rows in ((0, 4), (4, 2), (0, 3), (0, 2, 5)):
        with pytest.raises(InvalidInputError, match=r"lane \d+ after lane \d+"):
            index.path_of(rows)
