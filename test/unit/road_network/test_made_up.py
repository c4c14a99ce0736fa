"""The made-up networks are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.classes import LaneTurn, LineType
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork


@pytest.mark.parametrize("network", [straight_road(lanes=3), curved_road(angle=-1.2), crossing()])
def test_successors_begin_where_lanes_end(network: RoadNetwork) -> None:
    links = 0
    for row, following in enumerate(network.successors):
        for successor in following:
            np.testing.assert_allclose(network.centre_lines[row][-1], network.centre_lines[successor][0], atol=1e-6)
            links += 1
    assert links > 0


@pytest.mark.parametrize("network", [straight_road(lanes=3), curved_road(lanes=2, angle=-1.2)])
def test_left_neighbours_lie_to_the_left(network: RoadNetwork) -> None:
    checked = 0
    for row, other in enumerate(network.left_neighbours):
        if other < 0:
            continue
        assert network.right_neighbours[other] == row
        start, ahead = network.centre_lines[row][0, :2], network.centre_lines[row][1, :2]
        along, across = ahead - start, network.centre_lines[other][0, :2] - start
        assert along[0] * across[1] - along[1] * across[0] > 0
        checked += 1
    assert checked > 0


def test_crossing_turns_where_it_says() -> None:
    network = crossing()
    for row in range(8, 20):
        points = network.centre_lines[row][:, :2]
        first, last = points[1] - points[0], points[-1] - points[-2]
        turned = np.arctan2(first[0] * last[1] - first[1] * last[0], first @ last)
        expected = {LaneTurn.RIGHT: -np.pi / 2, LaneTurn.STRAIGHT: 0.0, LaneTurn.LEFT: np.pi / 2}
        assert turned == pytest.approx(expected[LaneTurn(network.lane_turns[row])], abs=0.2)


def test_signals_and_stop_line_are_optional() -> None:
    assert len(straight_road().signal_ids) == 0
    road = straight_road(stop_line_at=150.0, signal=True)
    assert road.line_types.tolist() == [LineType.STOP]
    assert road.signal_lanes[0].tolist() == [2, 3]
    assert len(crossing(signals=False).signal_ids) == 0
