"""Drivers brake for crossing vehicles that come too fast to stop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.simulation.actors.traffic_view import TrafficView
from zoox_stack.simulation.anticipation import about_to_touch, must_brake


def _crossing(other_speed: float, distance: float, caution: float) -> bool:
    """I drive east with 10 m/s, the other north to the same point, both to arrive at the same time."""
    time = distance / other_speed
    position = np.array([[-10.0 * time, 0.0], [0.0, -distance]])
    velocity = np.array([[10.0, 0.0], [0.0, other_speed]])
    return bool(must_brake(position, velocity, np.array([caution, np.inf]))[0])


def test_brakes_when_the_other_cannot_stop() -> None:
    assert _crossing(12.0, 20.0, caution=2.0)  # would need 3.6 m/s^2


def test_trusts_when_the_other_can_stop() -> None:
    assert not _crossing(6.0, 20.0, caution=2.0)  # needs 0.9 m/s^2


def test_the_careless_never_brake() -> None:
    assert not _crossing(12.0, 20.0, caution=np.inf)


def test_ignores_those_on_the_same_course_and_far_ones() -> None:
    position = np.array([[0.0, 0.0], [15.0, 0.5], [500.0, 500.0]])
    velocity = np.array([[12.0, 0.0], [2.0, 0.0], [-12.0, -12.0]])
    assert not must_brake(position, velocity, np.full(3, 0.5)).any()


def test_nobody() -> None:
    assert must_brake(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0)).shape == (0,)


@given(st.floats(-np.pi, np.pi), st.floats(-1e4, 1e4), st.floats(4, 20), st.floats(8, 40))
def test_does_not_depend_on_the_frame(angle: float, shift: float, speed: float, distance: float) -> None:
    time = distance / speed
    position = np.array([[-10.0 * time, 0.0], [0.0, -distance]])
    velocity = np.array([[10.0, 0.0], [0.0, speed]])
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    needed = np.array([speed, 10.0]) / (2 * time)  # by the other one
    caution = np.where(np.abs(needed - 1.5) > 1e-3, 1.5, 1.0)
    here = must_brake(position, velocity, caution)
    there = must_brake(position @ turn + shift, velocity @ turn, caution)
    assert here.tolist() == there.tolist()


def traffic(*vehicles: tuple[float, float, float, float]) -> TrafficView:
    """Cars of 4 m by 2 m: x, y, yaw, speed."""
    x, y, yaw, speed = np.array(vehicles).T
    velocity = speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    size = np.tile([4.0, 2.0], (len(vehicles), 1))
    return TrafficView(0.0, np.arange(len(vehicles)), np.stack([x, y], axis=1), yaw, velocity, size)


def touch(view: TrafficView, yaw_rate: float = 0.0) -> list[bool]:
    return about_to_touch(view, np.append(yaw_rate, np.zeros(len(view.ids) - 1))).tolist()


@pytest.mark.parametrize(("gap", "brakes"), [(2.0, True), (12.0, False)])
def test_brakes_at_the_last_moment_for_one_that_stands_across(gap: float, brakes: bool) -> None:
    """5 m/s: 1.5 m until the driver brakes, 2.8 m to a stop."""
    assert touch(traffic((0.0, 0.0, 0.0, 5.0), (2.0 + gap + 1.0, 0.0, np.pi / 2, 0.0))) == [brakes, False]


def test_does_not_brake_for_those_alongside_or_gone_in_time() -> None:
    assert touch(traffic((0.0, 0.0, 0.0, 5.0), (5.0, 0.5, 0.05, 0.0))) == [False, False]  # SUMO's business
    assert touch(traffic((0.0, 0.0, 0.0, 5.0), (4.5, 2.5, np.pi / 2, 12.0))) == [False, False]


def test_looks_where_it_turns() -> None:
    aside = traffic((0.0, 0.0, 0.0, 4.0), (4.2, 3.0, 0.6, 0.0))
    assert touch(aside) == [False, False]
    assert touch(aside, yaw_rate=0.7) == [True, False]


def test_of_two_that_stand_in_each_other_s_way_one_goes() -> None:
    assert touch(traffic((0.0, 0.0, 0.0, 0.1), (4.35, 0.0, np.pi - 0.3, 0.1))) == [False, True]
