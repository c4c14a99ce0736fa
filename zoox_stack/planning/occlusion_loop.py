"""The loop of `zoox_stack.planning.occlusion`: which points boxes hide."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled


@compiled("void(f8, f8, f8[:, ::1], f8[:, ::1], b1[::1])")
def cast_shadows(
    eye_x: float, eye_y: float, points: NDArray[np.float64], boxes: NDArray[np.float64], hidden: NDArray[np.bool_]
) -> None:
    """Whether the straight line from the eye to each of N points passes through one of B boxes.

    Args:
        eye_x: [m].
        eye_y: [m].
        points: ``[N, 2]`` [m].
        boxes: ``[B, 5]`` x, y of the middle [m], yaw [rad], half length, half width [m].
        hidden: ``[N]`` filled.
    """
    for n in range(len(points)):
        hidden[n] = False
        for b in range(len(boxes)):
            cos, sin = math.cos(boxes[b, 2]), math.sin(boxes[b, 2])
            ex, ey = eye_x - boxes[b, 0], eye_y - boxes[b, 1]
            px, py = points[n, 0] - boxes[b, 0], points[n, 1] - boxes[b, 1]
            low, high = 0.0, 1.0  # part of the line inside both pairs of sides
            for axis in range(2):
                begin = ex * cos + ey * sin if axis == 0 else ey * cos - ex * sin
                end = px * cos + py * sin if axis == 0 else py * cos - px * sin
                half = boxes[b, 3 + axis]
                step = end - begin
                if abs(step) < 1e-9:
                    if abs(begin) > half:
                        low = 2.0
                else:
                    one, two = (-half - begin) / step, (half - begin) / step
                    low, high = max(low, min(one, two)), min(high, max(one, two))
            if low < high:
                hidden[n] = True
                break
