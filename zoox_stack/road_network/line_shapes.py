"""Shapes of lines in arrays ``[P, 3]`` (x, y, z) [m]: headings, middles, strips, rings, crossings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import arc_lengths
from zoox_stack.road_network.segments import intersections, pieces


def clean_polyline(points: NDArray[Any]) -> NDArray[np.float64]:
    """Points ``[P, 3]`` without repeated ones (closer than 1 mm in the plane)."""
    points = np.asarray(points, dtype=np.float64)
    if len(points) < 2:
        return points
    keep = np.concatenate([[True], np.hypot(*np.diff(points[:, :2], axis=0).T) > 1e-3])
    return points[keep]


def open_ring(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ring ``[P, 3]`` without its first point repeated at the end."""
    closed = len(ring) > 3 and np.hypot(*(ring[0] - ring[-1])[:2]) < 1e-3
    return ring[:-1] if closed else ring


def headings(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heading at every point of a polyline with at least 2 distinct points, shape ``[P]`` [rad]."""
    step = np.diff(points[:, :2], axis=0)
    ahead = np.concatenate([step, step[-1:]]) + np.concatenate([step[:1], step])
    return np.asarray(np.arctan2(ahead[:, 1], ahead[:, 0]))


def end_headings(points: NDArray[np.float64]) -> tuple[float, float]:
    """Heading of the first and of the last segment [rad]."""
    first, last = points[1, :2] - points[0, :2], points[-1, :2] - points[-2, :2]
    return float(np.arctan2(first[1], first[0])), float(np.arctan2(last[1], last[0]))


def evenly(line: NDArray[Any], count: int) -> NDArray[np.float64]:
    """`count` points ``[count, 3]`` at equal distances along a line ``[P, 3]``."""
    s = arc_lengths(line)
    samples = np.linspace(0, s[-1], count)
    return np.stack([np.interp(samples, s, line[:, d]) for d in range(3)], axis=1)


def between(
    left: NDArray[np.float64], right: NDArray[np.float64], spacing: float = 2.0
) -> tuple[NDArray[np.float64], float]:
    """Centre line between two boundaries of the same direction, and the mean distance of the boundaries [m]."""
    longest = max(arc_lengths(left)[-1], arc_lengths(right)[-1])
    count = max(len(left), len(right), int(np.ceil(longest / spacing)) + 1, 2)
    a, b = evenly(left, count), evenly(right, count)
    return (a + b) / 2, float(np.hypot(*(a - b)[:, :2].T).mean())


def strip(centre: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Outline of a strip of `width` [m] along a polyline."""
    heading = headings(centre)
    side = np.stack([-np.sin(heading), np.cos(heading), np.zeros_like(heading)], axis=1) * width / 2
    return np.concatenate([centre - side, (centre + side)[::-1]])


def ends_at(centre: NDArray[np.float64], line: NDArray[np.float64], reach: float = 1.5) -> bool:
    """Whether `line` crosses the second half of a lane or the `reach` metres behind it."""
    step = centre[-1, :2] - centre[-2, :2]
    further = centre[-1, :2] + step / max(float(np.hypot(*step)), 1e-9) * reach
    path = np.concatenate([centre[len(centre) // 2 :, :2], [further]])
    return lines_cross(path, line)


def lines_cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two polylines ``[., 2+]`` meet."""
    return len(intersections(*pieces(a), *pieces(b))[0]) > 0
