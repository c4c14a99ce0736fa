"""Boxes in the world as boxes in pictures: the pinhole camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEAR = 0.1  # [m] what is nearer to the camera's plane is cut off
_SIGNS = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(_SIGNS[a] - _SIGNS[b]).sum() == 1])
# from a frame with x forward, y left, z up to the optical frame: x right, y down, z along the axis
TO_OPTICAL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True)
class Pinhole:
    """A camera without lens distortion; the optical axis meets the middle of the picture.

    Attributes:
        width: [px].
        height: [px].
        focal: Focal length [px].
    """

    width: int
    height: int
    focal: float

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels ``[..., 2]`` of points ``[..., 3]`` [m] of the optical frame in front of the camera."""
        return np.asarray(points[..., :2] / points[..., 2:] * self.focal + [self.width / 2, self.height / 2])


def box_points(
    position: NDArray[np.float64],
    orientation: NDArray[np.float64],
    size: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Points of boxes ``[N, K, 3]`` [m], frame of `position`.

    Args:
        position: ``[N, 3]`` centres [m].
        orientation: ``[N, 3, 3]`` from the box to that frame.
        size: ``[N, 3]`` [m].
        shares: ``[K, 3]`` places in the box, -0.5..0.5 from side to side.
    """
    return np.asarray(position[:, None] + np.einsum("nij,nkj->nki", orientation, shares * size[:, None, :]))


def box_corners_3d(
    position: NDArray[np.float64], orientation: NDArray[np.float64], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Corners of boxes ``[N, 8, 3]`` [m]; arguments as in `box_points`."""
    return box_points(position, orientation, size, _SIGNS)


def project_boxes(corners: NDArray[np.float64], camera: Pinhole) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smallest upright rectangles around boxes in the picture.

    Boxes that reach behind the camera are cut at a plane just in front of it, edge by edge.

    Args:
        corners: ``[N, 8, 3]`` [m] in the optical frame, in the order of `box_corners_3d`.
        camera: The camera.

    Returns:
        Rectangles ``[N, 4]`` (x low, y low, x high, y high) [px] clipped to the picture, all zero for boxes outside of
        it, and the share ``[N]`` of the whole rectangle's area that lies in the picture.
    """
    start, end = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]
    ahead = np.stack([start[..., 2], end[..., 2]], axis=-1) > _NEAR
    crossing = ahead[..., 0] != ahead[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (_NEAR - start[..., 2]) / (end[..., 2] - start[..., 2])
        cut = start + share[..., None] * (end - start)
    points = np.concatenate([start, end, cut], axis=1)
    there = np.concatenate([ahead[..., 0], ahead[..., 1], crossing], axis=1)
    pixels = camera.project(np.where(there[..., None], points, 1.0))
    low = np.where(there[..., None], pixels, np.inf).min(axis=1)
    high = np.where(there[..., None], pixels, -np.inf).max(axis=1)
    limits = np.array([camera.width, camera.height], float)
    inside_low, inside_high = np.clip(low, 0, limits), np.clip(high, 0, limits)
    visible = (there.any(axis=1)) & (inside_high > inside_low).all(axis=1)
    with np.errstate(invalid="ignore"):
        part = np.prod(inside_high - inside_low, axis=1) / np.prod(high - low, axis=1)
    rectangles = np.concatenate([inside_low, inside_high], axis=1)
    return np.where(visible[:, None], rectangles, 0.0), np.where(visible, part, 0.0)
