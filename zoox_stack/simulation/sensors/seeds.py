"""Random numbers of the sensors: the same sensor sees the same noise in the same scene, whatever came before."""

from __future__ import annotations

import numpy as np


def generator(seed: int, stamp_ns: int, number: int) -> np.random.Generator:
    """Generator of one sensor at one time.

    Args:
        seed: Of the run.
        stamp_ns: Of the scene [ns].
        number: Of the sensor, different for each in the rig.
    """
    return np.random.default_rng([seed, number, stamp_ns & 0xFFFFFFFF, (stamp_ns >> 32) & 0xFFFFFFFF])
