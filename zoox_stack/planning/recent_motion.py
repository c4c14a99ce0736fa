"""What the ego did just now: passengers feel a plan together with what came before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.predictions import STEP

STEPS_BACK = 6  # that are remembered


class RecentAccelerations:
    """The ego's accelerations of the last 0.6 s."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, float]] = []  # (stamp [ns], acceleration [m/s^2]), the newest last

    def reset(self) -> None:
        """Forget them."""
        self._seen = []

    def update(self, ego: EgoState) -> NDArray[np.float64]:
        """Take in the present state; accelerations now and `STEP`, 2 `STEP`, ... ago, ``[STEPS_BACK]`` [m/s^2].

        What is not known is taken to have been like the oldest known.
        """
        oldest = ego.stamp_ns - round((STEPS_BACK + 1) * STEP * 1e9)
        self._seen = [seen for seen in self._seen if oldest <= seen[0] < ego.stamp_ns]
        self._seen.append((ego.stamp_ns, ego.acceleration))
        ago = STEP * np.arange(STEPS_BACK)
        age = np.array([(ego.stamp_ns - stamp) / 1e9 for stamp, _ in reversed(self._seen)])
        return np.interp(ago, age, [acceleration for _, acceleration in reversed(self._seen)])
