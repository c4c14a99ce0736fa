"""How far a sensor sees in every direction before something is in the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import to_local

_SECTORS = 720
_NEAR, _FAR = 25.0, 50.0  # [m] up to here a clear view is sure to show what is there, and from here on it need not
_LOW, _HIGH = 0.4, 1.2  # [m] above ground: what stands there hides road users behind it
_ACROSS = 5  # directions looked into, across what may be there


class View:
    """Nearest obstacle in each direction around a sensor.

    Args:
        origin: ``[2]`` of the sensor, map frame [m].
        yaw: Of the frame of the points [rad].
        xy: ``[P, 2]`` obstacle points relative to the sensor, axes of that frame [m].
        height: ``[P]`` above ground [m].
    """

    def __init__(
        self, origin: NDArray[np.float64], yaw: float, xy: NDArray[np.float32], height: NDArray[np.float32]
    ) -> None:
        self._origin, self._yaw = origin, yaw
        hides = (height > _LOW) & (height < _HIGH)
        xy = xy[hides]
        self._nearest = np.full(_SECTORS, np.inf)
        np.minimum.at(self._nearest, _sector(xy), np.hypot(xy[:, 0], xy[:, 1]))

    def clear(self, xy: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
        """To which degree road users would be seen if they were there.

        Args:
            xy: ``[N, 2]`` middles, map frame [m].
            size: ``[N, 3]`` [m].

        Returns:
            ``[N]``: 1 if nothing is in the way and they are near, 0 if they are hidden, even in part, or far.
        """
        local = to_local(xy, self._origin, self._yaw)
        distance = np.maximum(np.hypot(local[:, 0], local[:, 1]), 1e-3)
        half = size[:, :2].max(axis=1) / 2
        aside = np.linspace(-1, 1, _ACROSS) * size[:, 1, None] / 2
        left = np.column_stack([-local[:, 1], local[:, 0]]) / distance[:, None]
        looked = local[:, None] + aside[..., None] * left[:, None]
        # What lies in the place itself may be the road user under another name: the view must go past it.
        beyond = self._nearest[_sector(looked.reshape(-1, 2)).reshape(looked.shape[:2])] > (distance + half)[:, None]
        return np.asarray(beyond.all(axis=1) * np.clip((_FAR - distance) / (_FAR - _NEAR), 0, 1))


def _sector(xy: NDArray[np.floating]) -> NDArray[np.intp]:
    angle = np.arctan2(xy[:, 1], xy[:, 0]) + np.pi
    return (angle * (_SECTORS / (2 * np.pi))).astype(np.intp) % _SECTORS
