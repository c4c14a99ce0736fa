"""Bounds of comfort, below and above each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.evaluation.closed_loop_comfort import COMFORT_BOUNDS, comfort_of

TIME = 0.1 * np.arange(101)


def _motion(make, **columns):
    """A motion of 10 s; columns as given, all else 0."""
    ego = make.drive(make.straight(speed=0.0, steps=101)).ego
    return replace(ego, **{name: np.broadcast_to(value, 101).astype(float) for name, value in columns.items()})


@pytest.mark.parametrize(
    ("columns", "exceeded"),
    [
        ({"acceleration": 2.39}, ()),
        ({"acceleration": 2.41}, ("longitudinal_acceleration",)),
        ({"acceleration": -4.04}, ()),
        ({"acceleration": -4.06}, ("longitudinal_acceleration",)),
        ({"speed": 10.0, "yaw_rate": 0.488}, ()),  # v times yaw rate
        ({"speed": 10.0, "yaw_rate": 0.490}, ("lateral_acceleration",)),
        ({"lateral_velocity": 4.88 * TIME}, ()),
        ({"lateral_velocity": 4.90 * TIME}, ("lateral_acceleration",)),
        ({"yaw": 0.94 * TIME}, ()),
        ({"yaw": -0.96 * TIME}, ("yaw_rate",)),
        ({"acceleration": np.clip(4.12 * (TIME - 5), -3.5, 2.0)}, ()),
        ({"acceleration": np.clip(4.60 * (TIME - 5), -4.0, 2.3)}, ("longitudinal_jerk",)),
        ({"lateral_velocity": 0.5 * 8.0 * np.clip(TIME - 5, 0, 0.6) ** 2}, ()),
    ],
)
def test_bounds(make, columns, exceeded):
    assert comfort_of(_motion(make, **columns)).exceeded == exceeded


@pytest.mark.parametrize(("acceleration", "exceeded"), [(1.92, ()), (1.94, ("yaw_acceleration",))])
def test_turning_ever_faster(make, acceleration, exceeded):
    """Swaying: a yaw acceleration that changes its sign every 0.8 s keeps the yaw rate small."""
    sway = acceleration * np.sign(np.sin(2 * np.pi * (TIME + 0.05) / 1.6))
    rate = np.cumsum(sway) * 0.1
    yaw = np.cumsum(rate - rate.mean()) * 0.1
    assert comfort_of(_motion(make, yaw=yaw)).exceeded == exceeded


def test_a_jerk_across_counts_too(make):
    """Lateral acceleration that rises by 9 m/s^3 for half a second."""
    velocity = np.cumsum(9.0 * np.clip(TIME - 5.0, 0.0, 0.5)) * 0.1
    values = comfort_of(_motion(make, lateral_velocity=velocity)).values
    assert np.abs(values["longitudinal_jerk"]).max() == pytest.approx(0.0, abs=1e-9)
    assert np.abs(values["jerk"]).max() > 3.0


def test_constant_values_pass_the_filters_unchanged(make):
    values = comfort_of(_motion(make, acceleration=1.5, yaw=0.3 * TIME, yaw_rate=0.3, speed=4.0)).values
    np.testing.assert_allclose(values["longitudinal_acceleration"], 1.5 - 0.3**2 * 1.4)
    np.testing.assert_allclose(values["lateral_acceleration"], 4.0 * 0.3)
    np.testing.assert_allclose(values["yaw_rate"], 0.3)
    np.testing.assert_allclose(values["jerk"], 0.0, atol=1e-9)


def test_headings_that_jump_by_a_turn_do_not_turn_the_ego(make):
    yaw = (np.pi - 0.2 + 0.1 * TIME + np.pi) % (2 * np.pi) - np.pi
    assert np.ptp(yaw) > 6
    np.testing.assert_allclose(comfort_of(_motion(make, yaw=yaw)).values["yaw_rate"], 0.1)


def test_the_bounds_are_those_of_nuplan():
    assert COMFORT_BOUNDS["longitudinal_acceleration"] == (-4.05, 2.40)
    assert {name: high for name, (_, high) in COMFORT_BOUNDS.items()} == {
        "longitudinal_acceleration": 2.40, "lateral_acceleration": 4.89, "yaw_rate": 0.95, "yaw_acceleration": 1.93,
        "longitudinal_jerk": 4.13, "jerk": 8.37,
    }  # fmt: skip


def test_the_shortest_drive_can_be_judged(make):
    assert comfort_of(make.drive(make.straight(steps=15)).ego).exceeded == ()
