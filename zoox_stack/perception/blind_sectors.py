"""Directions in which a LiDAR returned something before and returns nothing now: covered, dirty, broken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.sight import Seeing, Sight

SECTORS = 24  # of 15 degrees
_EVERY = 4  # of so many points one is looked at
_SEES = 5  # looked-at points in a sector: it is one that this sensor sees


class BlindSectors:
    """Watches one sensor, sweep by sweep.

    The ground alone gives returns in every direction that a sensor covers, so a sector without a single one is blind,
    whatever stands around. Directions that never gave any belong to the sensor's mounting.
    """

    def __init__(self) -> None:
        self._sees = np.zeros(SECTORS, np.bool_)

    def look(self, xyz: NDArray[np.float32], stamp_ns: int = 0) -> Sight:
        """What is seen in a sweep.

        Args:
            xyz: Points in base_link [m] ``[P, 3]``.
            stamp_ns: Of the sweep [ns].
        """
        points = xyz[::_EVERY]
        angle = np.arctan2(points[:, 1], points[:, 0]) + np.pi
        counts = np.bincount((angle * (SECTORS / (2 * np.pi))).astype(np.intp) % SECTORS, minlength=SECTORS)
        covered = self._sees | (counts >= _SEES)
        blind = self._sees & (counts == 0)
        self._sees = covered
        seeing = np.where(blind, Seeing.BLIND, np.where(covered, Seeing.SEEN, Seeing.NOT_COVERED))
        return Sight(stamp_ns, seeing.astype(np.uint8))
