from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.ground import GroundGrid, height_above_ground

Scene = Callable[..., PointCloud]
ORIGIN = (1.0, 0.0)


@pytest.mark.parametrize("slope", [0.0, 0.05, 0.1, -0.1])
def test_a_plane_is_ground_also_when_it_slopes(scene: Scene, slope: float) -> None:
    height = height_above_ground(scene(slope=slope).xyz, ORIGIN)
    assert np.mean(np.abs(height) < 0.15) > 0.99


@pytest.mark.parametrize("slope", [0.1, -0.1])
def test_a_pedestrian_on_a_slope_keeps_height(scene: Scene, slope: float) -> None:
    x, y = 15.0, 4.0
    xyz = scene(((x, y, 0.0, 0.5, 0.5, 1.7),), slope=slope).xyz
    height = height_above_ground(xyz, ORIGIN)
    on_person = (np.abs(xyz[:, 0] - x) < 0.35) & (np.abs(xyz[:, 1] - y) < 0.35) & (xyz[:, 2] - slope * x > 0.3)
    assert on_person.sum() > 20
    truth = xyz[on_person, 2] - slope * xyz[on_person, 0]
    np.testing.assert_allclose(height[on_person], truth, atol=0.2)


def test_a_kerb_is_ground_and_the_pedestrian_on_it_is_not(scene: Scene) -> None:
    plane = scene().xyz.copy()
    kerb = plane[:, 1] > 5.0
    plane[kerb, 2] += 0.15
    person = np.column_stack([np.full(60, 12.0), np.full(60, 6.0), np.linspace(0.2, 1.85, 60)]).astype(np.float32)
    height = height_above_ground(np.concatenate([plane, person]), ORIGIN)
    assert np.mean(height[: len(plane)][kerb] < 0.25) > 0.98
    assert np.mean(height[len(plane) :] > 0.25) > 0.8


def test_behind_a_wall_the_ground_does_not_climb(scene: Scene) -> None:
    xyz = scene(((20.0, 0.0, 0.0, 1.0, 30.0, 3.0),)).xyz
    wall = np.abs(xyz[:, 0] - 20.0) < 0.7
    low = wall & (xyz[:, 2] > 0.3)
    height = height_above_ground(xyz, ORIGIN)
    assert low.sum() > 500
    np.testing.assert_allclose(height[low], xyz[low, 2], atol=0.25)


def test_points_below_ground_do_not_pull_it_down(scene: Scene) -> None:
    xyz = scene().xyz
    ghosts = np.column_stack([np.linspace(5, 60, 40), np.zeros(40), np.full(40, -4.0)]).astype(np.float32)
    height = height_above_ground(np.concatenate([xyz, ghosts]), ORIGIN)
    assert np.mean(np.abs(height[: len(xyz)]) < 0.2) > 0.99
    assert (height[len(xyz) :] < -3.5).all()


def test_ground_below_base_link_is_found(scene: Scene) -> None:
    xyz = scene().xyz - np.array([0, 0, 0.35], np.float32)
    assert np.mean(np.abs(height_above_ground(xyz, ORIGIN)) < 0.15) > 0.99


def test_no_points_give_no_heights() -> None:
    assert height_above_ground(np.zeros((0, 3), np.float32), ORIGIN).shape == (0,)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-200, 200, width=32)] * 3), min_size=1, max_size=40))
def test_any_points_give_finite_heights_in_any_order(points: list[tuple[float, float, float]]) -> None:
    xyz = np.array(points, np.float32)
    height = height_above_ground(xyz, ORIGIN)
    assert np.isfinite(height).all()
    np.testing.assert_allclose(height_above_ground(xyz[::-1], ORIGIN)[::-1], height, atol=1e-4)


def test_a_grid_too_fine_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="fewer sectors"):
        GroundGrid(sectors=360, near_step=0.2, reach=150.0)
