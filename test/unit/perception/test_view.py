from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.perception.view import View

PERSON = np.array([[0.6, 0.6, 1.7]])


def wall(x: float, low: float, high: float) -> NDArray[np.float32]:
    """Points every 2 cm along y, relative to the sensor."""
    y = np.arange(low, high, 0.02)
    return np.column_stack([np.full(len(y), x), y]).astype(np.float32)


def clear(points: NDArray[np.float32], x: float, y: float, *, yaw: float = 0.0, height: float = 1.0) -> float:
    tall = np.full(len(points), height, np.float32)
    return float(View(np.array([100.0, 50.0]), yaw, points, tall).clear(np.array([[100 + x, 50 + y]]), PERSON)[0])


def test_in_front_of_a_wall_is_in_view_and_behind_it_is_not() -> None:
    points = wall(10.0, -2, 2)
    assert clear(points, 8, 0) == 1
    assert clear(points, 12, 0) == 0
    assert clear(points, 12, 6) == 1


def test_half_hidden_is_hidden() -> None:
    assert clear(wall(10.0, -2, 0), 12, 0.1) == 0


def test_something_in_the_place_itself_leaves_it_open() -> None:
    assert clear(wall(10.0, -0.2, 0.2), 10, 0) == 0


def test_what_is_low_hides_nothing() -> None:
    assert clear(wall(10.0, -2, 2), 12, 0, height=0.3) == 1


def test_directions_turn_with_the_ego() -> None:
    points = wall(10.0, -2, 2)
    assert clear(points, 0, 12, yaw=np.pi / 2) == 0
    assert clear(points, 12, 0, yaw=np.pi / 2) == 1


def test_far_away_a_miss_says_little() -> None:
    nothing = np.zeros((0, 2), np.float32)
    assert clear(nothing, 10, 0) == 1
    assert 0 < clear(nothing, 40, 0) < 1
    assert clear(nothing, 70, 0) == 0
