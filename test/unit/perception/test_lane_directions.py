from __future__ import annotations

import numpy as np

from zoox_stack.perception.lane_directions import LaneDirections
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork


def test_a_vehicle_in_a_lane_goes_its_way() -> None:
    network = crossing()
    lanes = LaneDirections(network)
    line = network.centre_lines[0][:, :2]
    middle = line[len(line) // 2][None]
    course = np.arctan2(*(line[len(line) // 2 + 1] - line[len(line) // 2 - 1])[::-1])
    assert lanes.agreement(middle, np.array([course + 0.1]))[0] > 0.5
    assert lanes.agreement(middle, np.array([course + 0.1 + np.pi]))[0] < -0.5
    assert lanes.agreement(middle, np.array([course + np.pi / 2]))[0] == 0  # across: not along any lane


def test_nothing_is_said_off_the_lanes_and_without_a_map() -> None:
    far = np.array([[5000.0, 5000.0]])
    assert LaneDirections(crossing()).agreement(far, np.zeros(1))[0] == 0
    assert LaneDirections(RoadNetwork()).agreement(far, np.zeros(1))[0] == 0
    assert (LaneDirections(crossing()).axis(far) == 0).all()
    assert (LaneDirections(RoadNetwork()).axis(far) == 0).all()


def test_the_axis_of_a_lane_is_that_of_both_directions() -> None:
    network = crossing()
    line = network.centre_lines[0][:, :2]
    middle = len(line) // 2
    course = np.arctan2(*(line[middle + 1] - line[middle - 1])[::-1])
    cos, sin = LaneDirections(network).axis(line[middle][None])[0]
    assert np.hypot(cos, sin) > 0.9
    assert abs(np.sin(np.arctan2(sin, cos) / 2 - course)) < 0.1
