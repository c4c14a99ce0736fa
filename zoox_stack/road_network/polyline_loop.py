"""The loop of `polyline.frenet_points` over points."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled


@compiled(
    "void(f8[:, ::1], i8[::1], i8[::1], i8[::1], f8[:, ::1], f8[::1], f8[::1], f8[::1],"
    "f8[::1], f8[::1], f8[::1], f8[::1])"
)
def fill_frenet_points(
    points: NDArray[np.float64],
    nearest: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    xy: NDArray[np.float64],
    s: NDArray[np.float64],
    heading: NDArray[np.float64],
    curvature: NDArray[np.float64],
    station: NDArray[np.float64],
    d: NDArray[np.float64],
    directions: NDArray[np.float64],
    bends: NDArray[np.float64],
) -> None:
    """Fill `station` [m], `d` [m], `directions` [rad] and `bends` [1/m], ``[N]``; the rest as `frenet_points`."""
    for n in range(len(points)):
        best, segment, share = math.inf, 0, 0.0
        for shift in range(-1, 1):
            row = min(max(nearest[n] + shift, first[n]), last[n] - 1)
            step_x, step_y = xy[row + 1, 0] - xy[row, 0], xy[row + 1, 1] - xy[row, 1]
            length = math.sqrt(step_x * step_x + step_y * step_y)
            unit_x, unit_y = step_x / length, step_y / length
            to_x, to_y = points[n, 0] - xy[row, 0], points[n, 1] - xy[row, 1]
            along = to_x * unit_x + to_y * unit_y
            clipped = along
            if row > first[n]:
                clipped = max(clipped, 0.0)
            if row < last[n] - 1:
                clipped = min(clipped, length)
            across = unit_x * to_y - unit_y * to_x
            distance = math.sqrt((along - clipped) ** 2 + across * across)
            if distance < best:
                best, segment, share = distance, row, clipped / length
                station[n] = s[row] + clipped
                d[n] = distance if across >= 0.0 else -distance
        inside = min(max(share, 0.0), 1.0)
        turned = heading[segment] + inside * (heading[segment + 1] - heading[segment])
        directions[n] = (turned + math.pi) % (2.0 * math.pi) - math.pi
        bends[n] = 0.0
        if share == inside:
            bends[n] = curvature[segment] + inside * (curvature[segment + 1] - curvature[segment])
