"""From what the network says in each agent's own frame to `PredictedAgents` in the map frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.predictions import STEP

STANDING_SPEED = 0.5  # [m/s] slower than this the direction of motion says nothing about the heading


def to_map_axes(
    positions: NDArray[np.float32], starts: NDArray[np.float64], yaw: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Positions ``[..., N, K, T, 2]`` of each agent's frame, turned by `yaw` ``[N]``, moved to `starts` ``[N, 2]``."""
    c, s = np.cos(yaw).astype(np.float32)[:, None, None], np.sin(yaw).astype(np.float32)[:, None, None]
    x, y = positions[..., 0], positions[..., 1]
    start = starts.astype(np.float32)[:, None, None]
    return np.stack([c * x - s * y + start[..., 0], s * x + c * y + start[..., 1]], axis=-1)


def headings_along(
    positions: NDArray[np.float32], starts: NDArray[np.float64], yaw: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Headings ``[..., N, K, T]``: the direction of motion, kept while an agent stands; `yaw` ``[N]`` at first.

    An agent that drives backwards at first (its motion points away from `yaw`) keeps facing the way it faces.
    """
    start = np.broadcast_to(starts.astype(np.float32)[:, None, None], (*positions.shape[:-2], 1, 2))
    motion = np.diff(np.concatenate([start, positions], axis=-2), axis=-2)
    direction = np.arctan2(motion[..., 1], motion[..., 0])
    moving = np.hypot(motion[..., 0], motion[..., 1]) > STANDING_SPEED * STEP
    first = wrap_angle(yaw).astype(np.float32)[:, None]
    backwards = np.cos(direction[..., 0] - first) < 0
    turned = (backwards & moving[..., 0])[..., None]
    if turned.any():
        direction = np.where(turned, direction - np.copysign(np.float32(np.pi), direction), direction)
    steps = np.where(moving, np.arange(1, moving.shape[-1] + 1), 0)
    last = np.maximum.accumulate(steps, axis=-1)
    with_first = np.concatenate([np.broadcast_to(first[..., None], (*direction.shape[:-1], 1)), direction], axis=-1)
    return np.take_along_axis(with_first, last, axis=-1)


def turned_covariances(covariances: NDArray[np.float32], yaw: NDArray[np.float64]) -> NDArray[np.float32]:
    """Covariances xx, xy, yy ``[N, K, T, 3]`` turned by `yaw` ``[N]``."""
    c, s = np.cos(yaw).astype(np.float32)[:, None, None], np.sin(yaw).astype(np.float32)[:, None, None]
    xx, xy, yy = covariances[..., 0], covariances[..., 1], covariances[..., 2]
    return np.stack(
        [
            c * c * xx - 2 * c * s * xy + s * s * yy,
            c * s * (xx - yy) + (c * c - s * s) * xy,
            s * s * xx + 2 * c * s * xy + c * c * yy,
        ],
        axis=-1,
    )
