"""Plane geometry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.core.geometry import (
    arc_lengths,
    box_corners,
    quaternion_from_yaw,
    resample,
    to_local,
    to_outer,
    wrap_angle,
    yaw_from_quaternion,
)

ANGLE = st.floats(-50, 50)
METRES = st.floats(-1e4, 1e4)


@given(ANGLE)
def test_wrapped_angles_are_the_same_direction(angle: float) -> None:
    wrapped = float(wrap_angle(angle))
    assert -np.pi <= wrapped < np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-9)


@given(METRES, METRES, METRES, METRES, ANGLE)
def test_local_and_back(x: float, y: float, ox: float, oy: float, yaw: float) -> None:
    point = np.array([[x, y]])
    np.testing.assert_allclose(to_outer(to_local(point, [ox, oy], yaw), [ox, oy], yaw), point, atol=1e-6)


def test_local_frame_has_x_forward_and_y_left() -> None:
    local = to_local(np.array([[5.0, 7.0], [4.0, 6.0]]), [5.0, 6.0], np.pi / 2)
    np.testing.assert_allclose(local, [[1.0, 0.0], [0.0, 1.0]], atol=1e-12)


def test_corners_in_order() -> None:
    corners = box_corners(np.array([[10.0, 0.0]]), np.array([np.pi / 2]), [4.0], [2.0])
    np.testing.assert_allclose(corners[0], [[9.0, 2.0], [9.0, -2.0], [11.0, -2.0], [11.0, 2.0]], atol=1e-12)


@given(st.floats(-3.14, 3.14))
def test_quaternion_and_back(yaw: float) -> None:
    assert yaw_from_quaternion(*quaternion_from_yaw(yaw)) == pytest.approx(yaw, abs=1e-9)


def test_arc_length_ignores_height() -> None:
    np.testing.assert_allclose(arc_lengths(np.array([[0, 0, 0], [3, 4, 9], [3, 5, 0]])), [0.0, 5.0, 6.0])


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=8), st.floats(0.3, 9))
def test_resampling_keeps_ends_and_spacing(points: list[tuple[float, float]], spacing: float) -> None:
    line = np.array(points)
    if arc_lengths(line)[-1] < 0.1:
        return
    sampled = resample(line, spacing)
    np.testing.assert_allclose(sampled[[0, -1]], line[[0, -1]], atol=1e-6)
    assert np.hypot(*np.diff(sampled, axis=0).T).max() <= spacing + 1e-6


def test_resampling_survives_doubled_points() -> None:
    line = np.array([[0.0, 0.0], [0.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    np.testing.assert_allclose(resample(line, 2.0), [[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
