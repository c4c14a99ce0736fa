"""The loop of `weighing` over plans that are compared with each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled


@compiled("i8(f8[:, :, ::1], i8[::1], f8, i8, i8[::1])")
def pick_apart(
    plans: NDArray[np.float64], rows: NDArray[np.int64], apart: float, count: int, chosen: NDArray[np.int64]
) -> int:
    """Choose the first plans that are apart from all chosen before.

    Args:
        plans: ``[C, T, 2]`` positions [m].
        rows: Those that may be chosen, the best first.
        apart: Mean distance that two have at least [m].
        count: How many are chosen already.
        chosen: ``[M]`` rows; the first `count` are those chosen already, the others are filled.

    Returns:
        How many are chosen in the end.
    """
    steps = plans.shape[1]
    for row in rows:
        if count >= len(chosen):
            break
        alone = True
        for k in range(count):
            other, way = chosen[k], 0.0
            for t in range(steps):
                dx, dy = plans[row, t, 0] - plans[other, t, 0], plans[row, t, 1] - plans[other, t, 1]
                way += math.sqrt(dx * dx + dy * dy)
            if not way / steps > apart:
                alone = False
                break
        if alone:
            chosen[count] = row
            count += 1
    return count
