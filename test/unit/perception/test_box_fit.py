from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoox_stack.core.geometry import rotation_matrix, wrap_angle
from zoox_stack.perception.box_fit import extend_away, fit_boxes
from zoox_stack.perception.clustering import Clusters


def seen_corner(
    centre: NDArray[np.float64], yaw: float, length: float, width: float, n: int = 60
) -> NDArray[np.float64]:
    """Points on those sides of a rectangle that face the origin."""
    t = np.linspace(-0.5, 0.5, n)
    points = []
    for normal, side in (
        ((1, 0), np.column_stack([np.full(n, length / 2), t * width])),
        ((-1, 0), np.column_stack([np.full(n, -length / 2), t * width])),
        ((0, 1), np.column_stack([t * length, np.full(n, width / 2)])),
        ((0, -1), np.column_stack([t * length, np.full(n, -width / 2)])),
    ):
        outward = rotation_matrix(yaw) @ np.array(normal, float)
        middle = centre + rotation_matrix(yaw) @ side[n // 2]
        if outward @ middle < 0:
            points.append(centre + side @ rotation_matrix(yaw).T)
    return np.concatenate(points)


def one_cluster(n: int) -> Clusters:
    return Clusters(np.arange(n), np.array([0, n]))


@settings(max_examples=60, deadline=None)
@given(st.floats(-np.pi, np.pi), st.floats(-np.pi, np.pi), st.floats(8, 40))
def test_a_rectangle_seen_from_a_corner_is_recovered(yaw: float, bearing: float, distance: float) -> None:
    # Seen from the corner: both visible sides at more than 20 degrees to the line of sight.
    aspect = abs(wrap_angle(2 * (yaw - bearing)) / 2)
    if not np.deg2rad(20) < aspect < np.deg2rad(70):
        return
    centre = distance * np.array([np.cos(bearing), np.sin(bearing)])
    xy = seen_corner(centre, yaw, 4.5, 1.9) + np.random.default_rng(0).normal(0, 0.01, (120, 2))
    xyz = np.column_stack([xy, np.tile([0.4, 1.2], 60)]).astype(np.float32)
    box = fit_boxes(xyz, xyz[:, 2], one_cluster(len(xyz)), (0.0, 0.0))
    assert abs(wrap_angle(2 * (box.yaw[0] - yaw)) / 2) < np.deg2rad(3)
    np.testing.assert_allclose([box.length[0], box.width[0]], [4.5, 1.9], atol=0.2)
    np.testing.assert_allclose(box.centre[0], centre, atol=0.2)
    assert 0 <= box.yaw[0] < np.pi


def test_many_clusters_are_fitted_as_if_alone() -> None:
    rng = np.random.default_rng(1)
    parts = [
        np.column_stack([seen_corner(rng.uniform(-30, 30, 2), yaw, 4.0, 1.8), np.full(120, 1.0)])
        for yaw in (0.2, 1.0, 2.5)
    ]
    xyz = np.concatenate(parts).astype(np.float32)
    sizes = [len(part) for part in parts]
    together = fit_boxes(
        xyz, xyz[:, 2], Clusters(np.arange(len(xyz)), np.concatenate([[0], np.cumsum(sizes)])), (0.0, 0.0)
    )
    for i, part in enumerate(parts):
        alone = fit_boxes(part.astype(np.float32), part[:, 2].astype(np.float32), one_cluster(len(part)), (0.0, 0.0))
        np.testing.assert_allclose(together.centre[i], alone.centre[0], atol=1e-3)
        np.testing.assert_allclose(together.yaw[i], alone.yaw[0], atol=1e-6)


def test_one_point_and_no_cluster() -> None:
    point = np.array([[5.0, 1.0, 1.0]], np.float32)
    box = fit_boxes(point, point[:, 2], one_cluster(1), (0.0, 0.0))
    np.testing.assert_allclose(box.centre[0], [5.0, 1.0])
    assert box.length[0] == 0
    nothing = Clusters(np.zeros(0, np.int64), np.zeros(1, np.int64))
    assert len(fit_boxes(point, point[:, 2], nothing, (0.0, 0.0))) == 0


def test_boxes_grow_away_from_the_sensor() -> None:
    seen = np.array([[0.4, 1.8]])  # the rear of a car straight ahead
    centre = extend_away(np.array([[10.2, 0.0]]), np.zeros(1), seen, np.array([[4.4, 1.8]]), np.zeros(2))
    np.testing.assert_allclose(centre, [[12.2, 0.0]])  # the rear stays at x = 10


def test_a_face_seen_end_on_grows_to_both_sides() -> None:
    centre = extend_away(
        np.array([[10.0, 0.0]]), np.zeros(1), np.array([[4.0, 1.0]]), np.array([[4.0, 2.0]]), np.zeros(2)
    )
    np.testing.assert_allclose(centre, [[10.0, 0.0]])
