"""Differences over time, and scenes from tracks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.classes import AgentClass
from zoox_stack.logs.importers.motion import (
    ClassTable,
    LabelledTrack,
    VehicleSize,
    derivative,
    ego_states,
    scenes_from_tracks,
)

SECOND = 1_000_000_000


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, SECOND), min_size=2, max_size=30), st.floats(-50, 50), st.floats(0.01, 2))
def test_a_straight_line_has_its_slope_everywhere(steps: list[int], slope: float, window: float) -> None:
    stamps = np.cumsum(np.array(steps, np.int64)) + 17 * SECOND
    values = slope * (stamps - stamps[0]) * 1e-9
    np.testing.assert_allclose(derivative(stamps, values, window), slope, rtol=1e-5, atol=1e-6)


def test_one_sample_has_no_slope() -> None:
    np.testing.assert_array_equal(derivative(np.array([5]), np.ones((1, 2)), 0.1), [[0.0, 0.0]])


def test_an_ego_on_a_circle() -> None:
    stamps = np.arange(0, 10 * SECOND, SECOND // 100)
    angle = 0.3 * stamps * 1e-9
    position = np.stack([20 * np.sin(angle), -20 * np.cos(angle), 0 * angle], axis=1)
    states = ego_states(stamps, position, angle, VehicleSize(4, 2, 1.5, 1.3), 0.1)
    middle = states[500]
    assert middle.speed == pytest.approx(6.0, abs=0.01)
    assert middle.yaw_rate == pytest.approx(0.3)
    assert middle.lateral_velocity == pytest.approx(0, abs=0.01)
    assert middle.acceleration == pytest.approx(0, abs=0.01)
    assert all(-np.pi <= s.yaw < np.pi for s in states)


def test_a_gap_is_not_bridged() -> None:
    steps = np.array([0, 1, 2, 20, 21])
    position = np.zeros((5, 3))
    position[:, 0] = [0, 1, 2, 500, 501]
    track = LabelledTrack(3, AgentClass.CAR, steps, position, np.zeros(5), np.ones((5, 3), np.float32))
    scenes = scenes_from_tracks(np.arange(30) * SECOND // 10, [track], {})
    speeds = {i: float(s.velocity[0, 0]) for i, s in enumerate(scenes) if len(s)}
    assert speeds == pytest.approx(dict.fromkeys([0, 1, 2, 20, 21], 10.0))
    assert scenes[20].age[0] == pytest.approx(2.0)
    assert scenes[5].ego is None


def test_unknown_names_are_counted() -> None:
    table = ClassTable({"car": AgentClass.CAR})
    assert table.of("car") is AgentClass.CAR
    assert table.of("ufo", 3) is AgentClass.UNKNOWN
    assert table.of("ufo") is AgentClass.UNKNOWN
    assert table.unknown == {"ufo": 4}
