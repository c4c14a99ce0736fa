"""Random numbers of the sensors: the same sensor sees the same noise in the same scene, whatever came before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, stamp_ns: int, number: int) -> np.random.Generator:
    """Generator of one sensor at one time.

    Args:
        seed: Of the run.
        stamp_ns: Of the scene [ns].
        number: Of the sensor, different for each in the rig.
    """
    return np.random.default_rng([seed, number, stamp_ns & 0xFFFFFFFF, (stamp_ns >> 32) & 0xFFFFFFFF])


class NoiseBank:
    """Standard normal numbers, drawn once: a sweep takes a run of them, which costs a hundredth of drawing it anew.

    Args:
        seed: Of the numbers.
        size: How many there are.
    """

    def __init__(self, seed: int, size: int = 1 << 20) -> None:
        self._values = np.random.default_rng([seed, size]).standard_normal(size, np.float32)
        self._values.flags.writeable = False

    def draw(self, random: np.random.Generator, count: int) -> NDArray[np.float32]:
        """A run of `count` numbers, float32 ``[count]``, read-only, that begins where `random` says."""
        while count >= len(self._values):
            self._values = np.concatenate([self._values, -self._values])
        start = int(random.integers(len(self._values) - count))
        return self._values[start : start + count]
