"""Drivers brake for crossing vehicles that come too fast to stop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.simulation.anticipation import must_brake


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
    needed = speed**2 / (2 * distance)
    caution = np.array([1.5 if abs(needed - 1.5) > 1e-3 else 1.0, 1.5])
    here = must_brake(position, velocity, caution)
    there = must_brake(position @ turn + shift, velocity @ turn, caution)
    assert here.tolist() == there.tolist()
