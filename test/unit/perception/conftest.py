"""Made-up LiDAR scenes: rays against a tilted plane and upright boxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.sensors import PointCloud

Box = tuple[float, float, float, float, float, float]  # x, y, yaw, length, width, height
SENSOR = np.array([1.0, 0.0, 1.8])
Scene = Callable[..., PointCloud]


def _rays(beams: int, azimuths: int) -> NDArray[np.float64]:
    elevation = np.deg2rad(np.linspace(-25, 10, beams))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, azimuths, endpoint=False)[None]
    return np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation) + 0 * azimuth],
        axis=-1,
    ).reshape(-1, 3)


def _box_hits(rays: NDArray[np.float64], box: Box, slope: float) -> NDArray[np.float64]:
    """Distance along each ray to a box standing on the ground; infinity without a hit (slab method)."""
    x, y, yaw, length, width, height = box
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    ground = slope * x
    start = turn @ (SENSOR - [x, y, ground + height / 2])
    direction = rays @ turn.T
    half = np.array([length, width, height]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-half - start) / direction, (half - start) / direction
    near, far = np.minimum(first, second).max(axis=1), np.maximum(first, second).min(axis=1)
    return np.where((near <= far) & (near > 0), near, np.inf)


@pytest.fixture
def scene() -> Scene:
    """Make a sweep: ``scene(boxes, slope=0.1, stamp_ns=0, noise=0.01, seed=0)``, frame base_link."""

    def make(
        boxes: tuple[Box, ...] = (),
        *,
        slope: float = 0.0,
        stamp_ns: int = 0,
        noise: float = 0.01,
        seed: int = 0,
        ground: bool = True,
    ) -> PointCloud:
        rays = _rays(48, 900)
        with np.errstate(divide="ignore", invalid="ignore"):
            plane = (slope * SENSOR[0] - SENSOR[2]) / (rays[:, 2] - slope * rays[:, 0])
        distance = np.where((plane > 0) & ground, plane, np.inf)
        for box in boxes:
            distance = np.minimum(distance, _box_hits(rays, box, slope))
        seen = distance < 70
        distance = distance[seen] + np.random.default_rng(seed).normal(0, noise, int(seen.sum()))
        xyz = (SENSOR + rays[seen] * distance[:, None]).astype(np.float32)
        return PointCloud(stamp_ns, xyz, np.zeros(len(xyz), np.float32))

    return make
