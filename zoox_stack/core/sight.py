"""Directions in which the sensors see something at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.validation import checked_array


class Seeing(IntEnum):
    """What is known of a direction."""

    NOT_COVERED = 0  # it never gave a return: no sensor looks there, or it has been blind from the beginning
    SEEN = 1
    BLIND = 2  # it gave returns before


@dataclass(frozen=True, eq=False)
class Sight:
    """Of one sweep. S sectors of the same width all around base_link, to the left; the first begins straight behind.

    Attributes:
        stamp_ns: Of the sweep [ns].
        sectors: uint8 ``[S]``, `Seeing`.
    """

    stamp_ns: int
    sectors: NDArray[np.uint8]

    def __post_init__(self) -> None:
        checked = checked_array("Sight.sectors", self.sectors, np.uint8, (None,), high=max(Seeing))
        object.__setattr__(self, "sectors", checked)

    def sector_of(self, bearing: NDArray[np.float64]) -> NDArray[np.intp]:
        """Rows of the sectors in which bearings [rad] lie, any shape."""
        count = len(self.sectors)
        return ((bearing + np.pi) * (count / (2 * np.pi))).astype(np.intp) % count
