"""From what the network says in each agent's own frame to `PredictedAgents` in the map frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled, plain
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
    paths = plain(positions, np.float32)
    headings = np.empty(paths.shape[:-1], np.float32)
    modes, steps = paths.shape[-3:-1]
    if not len(starts):
        return headings
    _fill_headings(
        paths.reshape(-1, len(starts), modes, steps, 2),
        plain(starts, np.float32),
        wrap_angle(yaw).astype(np.float32),
        headings.reshape(-1, len(starts), modes, steps),
    )
    return headings


@compiled("void(f4[:, :, :, :, ::1], f4[:, ::1], f4[::1], f4[:, :, :, ::1])")
def _fill_headings(
    paths: NDArray[np.float32], starts: NDArray[np.float32], yaw: NDArray[np.float32], headings: NDArray[np.float32]
) -> None:
    least, turn = np.float32(STANDING_SPEED * STEP) ** 2, math.pi
    for b, n, k in np.ndindex(headings.shape[:3]):
        facing = float(yaw[n])
        x, y, backwards = starts[n, 0], starts[n, 1], False
        for t in range(headings.shape[3]):
            dx, dy = paths[b, n, k, t, 0] - x, paths[b, n, k, t, 1] - y
            x, y = paths[b, n, k, t, 0], paths[b, n, k, t, 1]
            if dx * dx + dy * dy > least:
                facing = math.atan2(dy, dx)
                if t == 0:
                    backwards = math.cos(facing - yaw[n]) < 0
                if backwards:
                    facing = facing - turn if facing > 0 else facing + turn
            headings[b, n, k, t] = facing


def turned_covariances(covariances: NDArray[np.float32], yaw: NDArray[np.float64]) -> NDArray[np.float32]:
    """Covariances xx, xy, yy ``[N, K, T, 3]`` turned by `yaw` ``[N]`` or ``[N, K, T]``."""
    each = yaw if yaw.ndim == 3 else yaw[:, None, None]
    c, s = np.cos(each).astype(np.float32), np.sin(each).astype(np.float32)
    xx, xy, yy = covariances[..., 0], covariances[..., 1], covariances[..., 2]
    return np.stack(
        [
            c * c * xx - 2 * c * s * xy + s * s * yy,
            c * s * (xx - yy) + (c * c - s * s) * xy,
            s * s * xx + 2 * c * s * xy + c * c * yy,
        ],
        axis=-1,
    )
