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
    """Random numbers drawn once: a sweep takes a run of them, which costs a hundredth of drawing it anew.

    Args:
        seed: Of the numbers.
        size: How many there are of each kind.
    """

    def __init__(self, seed: int, size: int = 1 << 20) -> None:
        random = np.random.default_rng([seed, size])
        self._normal = random.standard_normal(size, np.float32)
        self._uniform = random.random(size, np.float32)

    def normal(self, random: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Standard normal numbers, float32 ``[count]``, read-only; the run begins where `random` says."""
        while count >= len(self._normal):
            self._normal = np.concatenate([self._normal, -self._normal])
        return _run(self._normal, random, count)

    def uniform(self, random: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Numbers from 0 to below 1, float32 ``[count]``, read-only; the run begins where `random` says."""
        while count >= len(self._uniform):
            self._uniform = np.concatenate([self._uniform, self._uniform[::-1]])
        return _run(self._uniform, random, count)


def _run(values: NDArray[np.float32], random: np.random.Generator, count: int) -> NDArray[np.float32]:
    start = int(random.integers(len(values) - count))
    run = values[start : start + count]
    run.flags.writeable = False
    return run
