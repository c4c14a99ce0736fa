"""The ego between, before and after its recorded states."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.core.agents import EgoState
from zoox_stack.core.ego_buffer import EgoBuffer

MS = 1_000_000


def state(ms: int, x: float = 0.0, yaw: float = 0.0, speed: float = 0.0, yaw_rate: float = 0.0) -> EgoState:
    return EgoState(ms * MS, x, 0.0, yaw=yaw, speed=speed, yaw_rate=yaw_rate)


def buffer(*states: EgoState) -> EgoBuffer:
    result = EgoBuffer()
    for s in states:
        assert result.add(s)
    return result


def test_empty_buffer_knows_nothing() -> None:
    assert EgoBuffer().at(0, 1.0) is None
    assert not EgoBuffer().covers(0)


def test_between_two_states_it_interpolates_the_short_way_round() -> None:
    ego = buffer(state(0, 0.0, 3.1), state(100, 2.0, -3.1)).at(50 * MS, 0.2)
    assert ego is not None
    assert ego.x == pytest.approx(1.0)
    assert abs(ego.yaw) == pytest.approx(math.pi, abs=1e-9)
    assert ego.stamp_ns == 50 * MS


def test_after_the_last_state_it_moves_on() -> None:
    ego = buffer(state(0, 0.0, speed=10.0), state(100, 1.0, speed=10.0)).at(150 * MS, 0.1)
    assert ego is not None
    assert ego.x == pytest.approx(1.5)


def test_too_far_from_any_state_there_is_no_ego() -> None:
    states = buffer(state(0), state(1000))
    assert states.at(500 * MS, 0.2) is None
    assert states.at(1300 * MS, 0.2) is None
    assert states.at(-300 * MS, 0.2) is None
    assert states.at(100 * MS, 0.2) is not None


def test_acceleration_is_the_slope_of_the_speeds() -> None:
    ego = buffer(*(state(20 * i, speed=5 + 2 * 0.02 * i) for i in range(30))).at(400 * MS, 0.1)
    assert ego is not None
    assert ego.acceleration == pytest.approx(2.0)


def test_old_states_are_ignored_and_a_jump_back_starts_anew() -> None:
    states = buffer(state(0), state(1000))
    assert not states.add(state(900))
    assert not states.add(state(1000))
    assert states.add(state(100))
    assert not states.covers(500 * MS)
    assert states.covers(100 * MS)


@given(st.lists(st.integers(1, 60), min_size=3, max_size=300), st.integers(0, 299))
def test_later_states_change_nothing(gaps: list[int], ask: int) -> None:
    times = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    stamp = times[min(ask, len(times) - 2)] * MS + 1
    every, few = EgoBuffer(1e4), EgoBuffer(1e4)
    for ms in times:
        new = state(ms, math.sin(ms), math.cos(ms), speed=math.sin(ms / 50))
        every.add(new)
        if not few.covers(stamp):
            few.add(new)
    assert every.at(stamp, 1.0) == few.at(stamp, 1.0)


def test_only_the_last_seconds_are_kept() -> None:
    states = EgoBuffer(length=1.0)
    for i in range(1000):
        states.add(state(10 * i))
    assert len(states) < 200
    assert states.covers(9990 * MS)
    assert not states.covers(5000 * MS)
