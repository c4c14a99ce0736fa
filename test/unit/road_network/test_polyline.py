"""Frenet coordinates along polylines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.polyline import Polyline, thin


def circle(radius: float, angle: float = np.pi / 2, spacing: float = 1.0) -> Polyline:
    turn = np.linspace(0, angle, 400)
    points = radius * np.stack([np.sin(turn), 1 - np.cos(turn)], axis=1)
    return Polyline.from_points(points, spacing)


def test_curvature_of_a_circle() -> None:
    line = circle(40.0)
    np.testing.assert_allclose(line.curvature[2:-2], 1 / 40.0, rtol=0.01)
    assert line.length == pytest.approx(40.0 * np.pi / 2, rel=1e-3)


@given(s=st.floats(3.0, 55.0), d=st.floats(-8.0, 8.0))
def test_there_and_back_on_a_curve(s: float, d: float) -> None:
    line = circle(40.0, spacing=0.5)
    position, heading, _ = line.at(s)
    point = position + d * np.array([-np.sin(heading), np.cos(heading)])
    back = line.project(point[None])
    assert back.s[0] == pytest.approx(s, abs=0.15)
    assert back.d[0] == pytest.approx(d, abs=0.02)
    assert back.heading[0] == pytest.approx(float(heading), abs=0.01)


def test_points_beyond_the_ends_have_s_outside_the_line() -> None:
    line = Polyline.from_points(np.array([[0.0, 0.0], [10.0, 0.0]]))
    found = line.project(np.array([[-3.0, 1.0], [14.0, -2.0]]))
    np.testing.assert_allclose(found.s, [-3.0, 14.0])
    np.testing.assert_allclose(found.d, [1.0, -2.0])
    np.testing.assert_allclose(line.at(14.0)[0], [14.0, 0.0])


def test_pose_on_a_line_that_comes_back_is_found_on_the_part_in_its_direction() -> None:
    there = np.stack([np.arange(0.0, 50.0), np.zeros(50)], axis=1)
    back = np.stack([np.arange(49.0, -1.0, -1.0), np.full(50, 0.5)], axis=1)
    line = Polyline.from_points(np.concatenate([there, back]))
    first = line.project_pose(20.0, 0.2, 0.0, 0.0, line.length)
    second = line.project_pose(20.0, 0.2, np.pi, 0.0, line.length)
    assert first is not None
    assert second is not None
    assert first.s[0] == pytest.approx(20.0, abs=0.5)
    assert second.s[0] == pytest.approx(78.5, abs=1.0)
    assert line.project_pose(20.0, 0.2, np.pi, 0.0, 30.0) is None


def test_smoothing_keeps_the_ends_and_removes_noise() -> None:
    rng = np.random.default_rng(3)
    x = np.arange(0.0, 60.0, 0.5)
    noisy = np.stack([x, 0.2 * rng.normal(size=len(x))], axis=1)
    rough, smooth = Polyline.from_points(noisy), Polyline.from_points(noisy, smoothing=3.0)
    np.testing.assert_allclose(smooth.xy[[0, -1]], noisy[[0, -1]], atol=1e-6)
    assert np.abs(smooth.curvature[5:-5]).max() < 0.2 * np.abs(rough.curvature[5:-5]).max()


def test_cut_starts_again_at_zero() -> None:
    line = circle(40.0)
    part = line.cut(10.3, 30.2)
    assert part.s[0] == 0.0
    assert part.length == pytest.approx(21.0, abs=1.1)
    np.testing.assert_allclose(part.xy[0], line.at(line.s[10])[0], atol=1e-9)


def test_thin_removes_standing_points() -> None:
    standing = np.repeat([[0.0, 0.0]], 30, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(30, 2))
    moving = np.stack([np.arange(1.0, 10.0), np.zeros(9)], axis=1)
    kept = thin(np.concatenate([standing, moving]), 0.5)
    assert len(kept) == 10
    np.testing.assert_allclose(kept[-1], [9.0, 0.0])


def test_a_line_needs_length() -> None:
    with pytest.raises(InvalidInputError):
        Polyline.from_points(np.zeros((5, 2)))
