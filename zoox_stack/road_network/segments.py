"""Where straight pieces of lines cross."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PAIRS = 2_000_000  # looked at in one go


def pieces(points: NDArray[Any], *, closed: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts and steps ``[P - 1, 2]`` (closed: ``[P, 2]``) of the pieces of a line of points ``[P, 2+]``."""
    xy = np.asarray(points, dtype=np.float64)[:, :2]
    if closed:
        return xy, np.roll(xy, -1, axis=0) - xy
    return xy[:-1], np.diff(xy, axis=0)


def intersections(
    p: NDArray[Any], p_step: NDArray[Any], q: NDArray[Any], q_step: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """All pairs of pieces that cross or touch; parallel ones do not count.

    Args:
        p: ``[P, 2]`` starts of the first pieces.
        p_step: ``[P, 2]`` from their starts to their ends.
        q: ``[Q, 2]`` starts of the second pieces.
        q_step: ``[Q, 2]``.

    Returns:
        Row in `p`, row in `q`, and the places on both as shares 0..1 of their steps, arrays ``[M]``; ordered by the
        row in `p`, then that in `q`.
    """
    found: list[tuple[NDArray[Any], ...]] = []
    size = max(1, _PAIRS // max(1, len(q)))
    for begin in range(0, len(p), size):
        step, start = p_step[begin : begin + size, None], p[begin : begin + size, None]
        det = step[..., 0] * q_step[:, 1] - step[..., 1] * q_step[:, 0]
        gap = q - start
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (gap[..., 0] * q_step[:, 1] - gap[..., 1] * q_step[:, 0]) / det
            u = (gap[..., 0] * step[..., 1] - gap[..., 1] * step[..., 0]) / det
            row, column = np.nonzero((t >= 0) & (t <= 1) & (u >= 0) & (u <= 1))
        found.append((row + begin, column, t[row, column], u[row, column]))
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0), np.zeros(0)
    i, j, t, u = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return i, j, t, u


def self_crossing(points: NDArray[Any], *, closed: bool = False) -> NDArray[np.float64] | None:
    """A place ``[2]`` where a line or ring of points ``[P, 2+]`` crosses itself, None if it does not.

    Pieces that follow each other meet without crossing; so do the last and the first of a ring.
    """
    start, step = pieces(points, closed=closed)
    moving = np.hypot(step[:, 0], step[:, 1]) > 1e-9
    start, step = start[moving], step[moving]
    i, j, t, u = intersections(start, step, start, step)
    apart = j - i > 1
    if closed:
        apart &= ~((i == 0) & (j == len(start) - 1))
    inner = (t > 1e-6) & (t < 1 - 1e-6) & (u > 1e-6) & (u < 1 - 1e-6)
    crossing = np.flatnonzero(apart & inner)
    return start[i[crossing[0]]] + t[crossing[0]] * step[i[crossing[0]]] if len(crossing) else None
