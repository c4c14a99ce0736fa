"""Raw sensor data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.frames import Frame
from zoox_stack.core.validation import checked_array


@dataclass(frozen=True, eq=False)
class PointCloud:
    """One LiDAR sweep.

    Attributes:
        stamp_ns: Time of the sweep [ns].
        xyz: float32 ``[P, 3]`` [m]; finite (points without return are removed at the door).
        intensity: float32 ``[P]``, 0..255.
        frame: BASE_LINK (motion-compensated to the stamp) unless said otherwise.
    """

    stamp_ns: int
    xyz: NDArray[np.float32]
    intensity: NDArray[np.float32]
    frame: Frame = Frame.BASE_LINK

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyz", checked_array("PointCloud.xyz", self.xyz, np.float32, (None, 3)))
        n = len(self.xyz)
        object.__setattr__(
            self, "intensity", checked_array("PointCloud.intensity", self.intensity, np.float32, (n,), finite=False)
        )

    def __len__(self) -> int:
        return len(self.xyz)
