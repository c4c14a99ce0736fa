"""Random numbers of the sensors: the same sensor sees the same noise in the same scene, whatever came before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def generator(seed: int, stamp_ns: int, number: int) -> np.random.Generator:
    """Generator of one sensor at one time.

    Args:
        seed: Of the run.
        stamp_ns: Of the scene [ns].
        number: Of the sensor, different for each in the rig.
    """
    return np.random.default_rng([seed, number, stamp_ns & 0xFFFFFFFF, (stamp_ns >> 32) & 0xFFFFFFFF])


def dice_of(random: np.random.Generator, ids: NDArray[np.integer[Any]], columns: int) -> NDArray[np.float64]:
    """Uniform numbers of road users, the same for each whoever else is there.

    Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), begun at each id.

    Args:
        random: Of one sensor at one time; one number is drawn from it.
        ids: ``[N]`` of the road users.
        columns: Numbers for each.

    Returns:
        ``[N, columns]``, above 0 and below 1.
    """
    key = random.integers(1 << 64, dtype=np.uint64)
    start = _mixed(ids.astype(np.uint64) * _GOLDEN + key)
    bits = _mixed(start[:, None] + np.arange(1, columns + 1, dtype=np.uint64) * _GOLDEN)
    return np.asarray(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


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
