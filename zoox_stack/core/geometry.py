"""Plane geometry, vectorised. Angles in radians, counter-clockwise; lengths in metres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def wrap_angle(angle: ArrayLike) -> NDArray[np.float64]:
    """Wrap angles to [-pi, pi)."""
    return np.asarray((np.asarray(angle, dtype=np.float64) + np.pi) % (2 * np.pi) - np.pi)


def rotation_matrix(yaw: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrices ``[..., 2, 2]`` that turn vectors of a frame with heading `yaw` into the outer frame."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


def to_local(points: NDArray[Any], origin: ArrayLike, yaw: float) -> NDArray[np.float64]:
    """Points ``[..., 2]`` of the outer frame in the frame at `origin` ``[2]`` with heading `yaw`."""
    return np.asarray((points - np.asarray(origin)) @ rotation_matrix(yaw))


def to_outer(points: NDArray[Any], origin: ArrayLike, yaw: float) -> NDArray[np.float64]:
    """Inverse of `to_local`."""
    return np.asarray(points @ rotation_matrix(yaw).T + np.asarray(origin))


def box_corners(centre: NDArray[Any], yaw: NDArray[Any], length: ArrayLike, width: ArrayLike) -> NDArray[np.float64]:
    """Corners of boxes, shape ``[..., 4, 2]``: front-left, rear-left, rear-right, front-right.

    Args:
        centre: ``[..., 2]`` [m].
        yaw: ``[...]`` [rad].
        length: ``[...]`` [m] along the heading.
        width: ``[...]`` [m].
    """
    half_l, half_w = np.asarray(length) / 2, np.asarray(width) / 2
    half_l, half_w = np.broadcast_to(half_l, np.shape(yaw)), np.broadcast_to(half_w, np.shape(yaw))
    local = np.stack(
        [
            np.stack([half_l, half_w], axis=-1),
            np.stack([-half_l, half_w], axis=-1),
            np.stack([-half_l, -half_w], axis=-1),
            np.stack([half_l, -half_w], axis=-1),
        ],
        axis=-2,
    )
    return np.asarray(np.einsum("...ij,...nj->...ni", rotation_matrix(yaw), local) + centre[..., None, :])


def boxes_overlap(
    centre: ArrayLike, yaw: ArrayLike, size: ArrayLike, centres: ArrayLike, yaws: ArrayLike, sizes: ArrayLike
) -> NDArray[np.bool_]:
    """Whether boxes in the plane touch, by the separating axis theorem (Gottschalk et al., "OBBTree", 1996).

    The arguments are broadcast against each other.

    Args:
        centre: ``[..., 2]`` [m] of one set.
        yaw: ``[...]`` [rad].
        size: ``[..., 2]`` length, width [m].
        centres: ``[..., 2]`` [m] of the other set.
        yaws: ``[...]`` [rad].
        sizes: ``[..., 2]`` length, width [m].

    Returns:
        bool ``[...]``.
    """
    offset = np.asarray(centres, np.float64) - np.asarray(centre, np.float64)
    a, b = np.asarray(yaw, np.float64), np.asarray(yaws, np.float64)
    half_a, half_b = np.asarray(size, np.float64) / 2, np.asarray(sizes, np.float64) / 2
    c, s = np.abs(np.cos(b - a)), np.abs(np.sin(b - a))

    def apart(angle: NDArray[Any], mine: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
        along = offset[..., 0] * np.cos(angle) + offset[..., 1] * np.sin(angle)
        across = offset[..., 1] * np.cos(angle) - offset[..., 0] * np.sin(angle)
        length, width = other[..., 0] * c + other[..., 1] * s, other[..., 0] * s + other[..., 1] * c
        return (np.abs(along) > mine[..., 0] + length) | (np.abs(across) > mine[..., 1] + width)

    return np.asarray(~(apart(a, half_a, half_b) | apart(b, half_b, half_a)))


def yaw_from_quaternion(x: float, y: float, z: float, w: float) -> float:
    """Yaw of a unit quaternion [rad]."""
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


def quaternion_from_yaw(yaw: float) -> tuple[float, float, float, float]:
    """Quaternion (x, y, z, w) of a rotation about z."""
    return 0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2))


def arc_lengths(points: NDArray[Any]) -> NDArray[np.float64]:
    """Distance along a polyline ``[P, 2 or 3]`` measured in the plane, shape ``[P]``, starting at 0 [m]."""
    steps = np.hypot(*np.diff(points[:, :2], axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def resample(points: NDArray[Any], spacing: float) -> NDArray[np.float64]:
    """Polyline with points about every `spacing` [m], first and last kept; shape ``[Q, D]``."""
    s = arc_lengths(points)
    keep = np.concatenate([[True], np.diff(s) > 1e-9])
    s, points = s[keep], points[keep]
    if len(points) < 2:
        return np.asarray(points, dtype=np.float64)
    samples = np.linspace(0, s[-1], max(2, int(np.ceil(s[-1] / spacing)) + 1))
    return np.stack([np.interp(samples, s, points[:, d]) for d in range(points.shape[1])], axis=1)
