from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.core.classes import AgentClass
from zoox_stack.perception.box_fit import Boxes
from zoox_stack.perception.classification import classify, complete_boxes

SENSOR = np.zeros(2)


def box(length: float, width: float, top: float, *, yaw: float = 0.0, x: float = 10.0, bottom: float = 0.25) -> Boxes:
    one = np.ones(1)
    return Boxes(
        np.array([[x, 0.0]]), yaw * one, length * one, width * one, bottom * one, top * one, 0 * one, np.array([100])
    )


@pytest.mark.parametrize(
    ("length", "width", "top", "expected"),
    [
        (4.5, 1.8, 1.5, AgentClass.CAR),
        (4.4, 0.3, 1.5, AgentClass.CAR),  # one side
        (1.8, 0.4, 1.5, AgentClass.CAR),  # one end
        (8.0, 2.5, 3.2, AgentClass.TRUCK),
        (12.0, 2.6, 3.1, AgentClass.BUS),
        (0.6, 0.5, 1.75, AgentClass.PEDESTRIAN),
        (0.3, 0.2, 4.0, AgentClass.UNKNOWN),  # pole
        (12.0, 0.2, 4.0, AgentClass.UNKNOWN),  # wall
        (6.0, 4.0, 2.0, AgentClass.UNKNOWN),  # hedge
    ],
)
def test_typical_sizes(length: float, width: float, top: float, expected: AgentClass) -> None:
    assert classify(box(length, width, top), 0.3).argmax() == expected


def test_fewer_points_are_less_certain() -> None:
    many = box(4.5, 1.8, 1.5)
    few = Boxes(**{**vars(many), "counts": np.array([6])})
    assert classify(few, 0.3)[0, AgentClass.UNKNOWN] > classify(many, 0.3)[0, AgentClass.UNKNOWN]


@given(st.floats(0, 60), st.floats(0, 60), st.floats(-1, 10), st.floats(0, 5))
def test_rows_are_probabilities(a: float, b: float, top: float, bottom: float) -> None:
    probabilities = classify(box(max(a, b), min(a, b), top, bottom=bottom), 0.3)
    np.testing.assert_allclose(probabilities.sum(), 1)
    assert (probabilities >= 0).all()


def test_a_car_seen_from_behind_is_completed_forwards() -> None:
    rear = box(1.8, 0.4, 1.5, yaw=np.pi / 2)  # across the line of sight
    position, yaw, size = complete_boxes(rear, classify(rear, 0.3), SENSOR)
    np.testing.assert_allclose(yaw, 0, atol=1e-9)
    np.testing.assert_allclose(position[0, :2], [9.8 + 2.2, 0.0], atol=1e-9)
    np.testing.assert_allclose(size[0], [4.4, 1.8, 1.5])


@pytest.mark.parametrize(("width", "along"), [(1.7, True), (0.4, False)])
def test_a_deep_front_shows_the_length_and_a_flat_one_the_width(width: float, along: bool) -> None:
    front = box(2.0, width, 1.5)
    _, yaw, size = complete_boxes(front, classify(front, 0.3), SENSOR)
    np.testing.assert_allclose(abs(yaw[0]), 0.0 if along else np.pi / 2, atol=1e-9)
    assert size[0, 1] < 2.1


@pytest.mark.parametrize("yaw_of_lane", [0.0, np.pi / 2])
def test_lanes_tell_the_long_side_of_a_vehicle_seen_end_on(yaw_of_lane: float) -> None:
    front = box(2.0, 1.7, 1.5)
    lanes = np.array([[np.cos(2 * yaw_of_lane), np.sin(2 * yaw_of_lane)]])
    _, yaw, _ = complete_boxes(front, classify(front, 0.3), SENSOR, lanes)
    np.testing.assert_allclose(abs(yaw[0]), yaw_of_lane, atol=1e-9)
    side = box(4.2, 0.4, 1.5)  # too long for an end, whatever the lanes
    np.testing.assert_allclose(complete_boxes(side, classify(side, 0.3), SENSOR, lanes)[1], 0.0, atol=1e-9)


def test_unknown_boxes_stay_as_they_are() -> None:
    wall = box(12.0, 0.2, 4.0)
    position, _, size = complete_boxes(wall, classify(wall, 0.3), SENSOR)
    np.testing.assert_allclose(position[0, :2], [10.0, 0.0])
    np.testing.assert_allclose(size[0], [12.0, 0.2, 3.75])


def test_no_boxes() -> None:
    none = np.zeros(0)
    nothing = Boxes(np.zeros((0, 2)), none, none, none, none, none, none, np.zeros(0, np.int64))
    assert classify(nothing, 0.3).shape == (0, 10)
