"""Places along a route, also along one that passes a place twice."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.evaluation.closed_loop_route import follow_route
from zoox_stack.road_network.polyline import Polyline

LINE = Polyline.from_points(np.array([[0.0, 0.0], [300.0, 0.0]]))


def _along(x: np.ndarray, y: float | np.ndarray = 0.0) -> np.ndarray:
    return np.column_stack([x, np.broadcast_to(y, x.shape), np.zeros_like(x)])


def test_places_are_arc_lengths_also_backwards():
    x = np.array([5.0, 6.0, 7.0, 6.5, 5.5])
    np.testing.assert_allclose(follow_route(LINE, _along(x)), x, atol=1e-9)


@pytest.mark.parametrize(("aside", "counts"), [(7.9, True), (8.1, False)])
def test_farther_than_8_m_from_the_route_nothing_is_gained(aside, counts):
    x = np.arange(10.0, 30.0)
    y = np.where(x < 15, 0.0, aside)
    gained = follow_route(LINE, _along(x, y))[-1] - 10.0
    assert gained == pytest.approx(19.0 if counts else 4.0, abs=0.1)


def test_who_comes_back_to_the_route_farther_on_has_gained_the_way():
    x = np.arange(10.0, 160.0)
    y = np.where((x > 20) & (x < 120), 30.0, 0.0)
    station = follow_route(LINE, _along(x, y))
    assert station[x == 110][0] == pytest.approx(20.0)
    assert station[-1] == pytest.approx(159.0)


def test_who_is_never_on_the_route_gains_nothing():
    assert not follow_route(LINE, _along(np.arange(20.0), 50.0)).any()


def test_who_begins_off_the_route_gains_from_its_first_place_on_it():
    x = np.arange(10.0, 40.0)
    station = follow_route(LINE, _along(x, np.where(x < 20, 20.0, 0.0)))
    assert station[-1] - station[0] == pytest.approx(19.0)


def test_of_two_passes_of_one_place_the_present_one_counts():
    """Twice around a circle of 60 m: no jump from the first round to the second."""
    angle = np.linspace(0.0, 4 * np.pi, 400)
    radius = 60.0 / (2 * np.pi)
    points = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    line = Polyline.from_points(points, 0.5)
    station = follow_route(line, np.column_stack([points, angle + np.pi / 2]))
    assert np.diff(station).max() < 1.0
    assert station[-1] == pytest.approx(line.length, abs=0.5)
