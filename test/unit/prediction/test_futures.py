"""Own frame to map frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.prediction.futures import headings_along, to_map_axes, turned_covariances

ANGLE = st.floats(-3.1, 3.1)


@given(ANGLE, st.floats(-50, 50), st.floats(-50, 50))
def test_a_point_ahead_lands_ahead(yaw: float, x: float, y: float) -> None:
    own = np.zeros((1, 1, 1, 2), np.float32)
    own[..., 0] = 10.0
    out = to_map_axes(own, np.array([[x, y]]), np.array([yaw]))
    np.testing.assert_allclose(out[0, 0, 0], [x + 10 * np.cos(yaw), y + 10 * np.sin(yaw)], atol=1e-4)


def test_heading_follows_motion_and_is_kept_when_standing() -> None:
    path = np.zeros((1, 1, 6, 2), np.float32)
    path[0, 0, :, 0] = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    path[0, 0, :, 1] = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    out = headings_along(path, np.zeros((1, 2)), np.array([0.3]))
    np.testing.assert_allclose(out[0, 0], [0, 0, np.pi / 2, np.pi / 2, np.pi / 2, np.pi / 2], atol=1e-6)


def test_a_standing_agent_keeps_facing_its_way() -> None:
    out = headings_along(np.zeros((1, 2, 8, 2), np.float32), np.zeros((1, 2)), np.array([-1.2]))
    np.testing.assert_allclose(out, -1.2, atol=1e-6)


def test_reversing_does_not_turn_the_agent_round() -> None:
    path = np.zeros((1, 1, 5, 2), np.float32)
    path[0, 0, :, 0] = -np.arange(1, 6)
    out = headings_along(path, np.zeros((1, 2)), np.zeros(1))
    np.testing.assert_allclose(out, 0.0, atol=1e-6)


@settings(max_examples=50)
@given(ANGLE, st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-0.8, 0.8))
def test_turned_covariance_is_that_of_turned_errors(yaw: float, sx: float, sy: float, rho: float) -> None:
    own = np.array([[sx * sx, rho * sx * sy], [rho * sx * sy, sy * sy]])
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    expected = turn @ own @ turn.T
    flat = np.array([own[0, 0], own[0, 1], own[1, 1]], np.float32).reshape(1, 1, 1, 3)
    out = turned_covariances(flat, np.array([yaw]))[0, 0, 0]
    np.testing.assert_allclose(out, [expected[0, 0], expected[0, 1], expected[1, 1]], rtol=1e-4, atol=1e-4)


def test_nobody_has_no_headings() -> None:
    out = headings_along(np.zeros((0, 6, 80, 2), np.float32), np.zeros((0, 2)), np.zeros(0))
    assert out.shape == (0, 6, 80)
