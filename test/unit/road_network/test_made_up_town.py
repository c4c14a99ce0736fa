"""The made-up town holds together."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.planning.lane_ends import LaneGoal
from zoox_stack.planning.routing import Router
from zoox_stack.road_network.checks import check_map
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.queries import LaneIndex


def test_roads_join_the_crossings() -> None:
    network = grid_of_crossings(3, 2, arm=40.0)
    assert len(network.lane_ids) == 120
    joints = 0
    for row, following in enumerate(network.successors):
        for other in following:
            np.testing.assert_allclose(network.centre_lines[row][-1], network.centre_lines[int(other)][0], atol=1e-9)
            joints += row % 20 in range(4, 8)
    assert joints == 2 * (2 * 2 + 3)  # roads between 3 x 2 crossings, in both directions
    assert check_map(network) == []


def test_one_can_drive_across_the_town() -> None:
    network = grid_of_crossings(3, 2, arm=40.0)
    index = LaneIndex(network)
    x, y = index.lines[2].xy[0]
    last = 20 * 5 + 4  # in from the west at the first crossing, out east at the last
    rows = Router(index).plan(EgoState(0, x, y), LaneGoal(int(network.lane_ids[last]))).way.rows
    xy = network.centre_lines.values[:, :2]
    assert xy.max(axis=0).round().tolist() == [2 * 108 + 54, 108 + 54]
    assert sum(row % 20 >= 8 for row in rows) == 4  # crossings on the way: two to the east, one to the north
    assert sum(row % 20 < 8 for row in rows) == 1 + 2 * 3 + 1


def test_signals_are_optional_and_numbered() -> None:
    assert len(grid_of_crossings(2, 1, signals=False).signal_ids) == 0
    network = grid_of_crossings(2, 1)
    assert network.signal_ids.tolist() == list(range(1, 9))
    assert network.signal_lanes[4].tolist() == [28, 29, 30]
