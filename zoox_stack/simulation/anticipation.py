"""Drivers who brake for a vehicle that will probably not stop for them.

SUMO lets traffic with right of way drive on whatever a vehicle on the minor road does. Real drivers watch: when a
crossing vehicle comes so fast that stopping would need hard braking, many lift off or brake, each at a point of their
own. This rule adds them. Both vehicles are extrapolated with constant velocity to their closest approach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HORIZON = 4.0  # [s]
NEAR = 3.0  # [m] closest approach that counts as a meeting
CROSSING_SINE = 0.35  # sine of the smallest angle between courses that counts as crossing
BRAKING = 2.5  # [m/s^2] of the driver who gives way
LEAST_SPEED = 2.0  # [m/s] slower drivers have nothing to anticipate


def must_brake(
    position: NDArray[np.float64], velocity: NDArray[np.float64], caution: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Who brakes for a crossing vehicle.

    Args:
        position: Box centres ``[N, 2]`` [m].
        velocity: ``[N, 2]`` [m/s].
        caution: ``[N]`` deceleration [m/s^2] the other would need to stop before the meeting point from which on the
            driver no longer trusts that it stops; infinity: trusts always.

    Returns:
        bool ``[N]``.
    """
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    watchers = np.flatnonzero(np.isfinite(caution) & (speed > LEAST_SPEED))
    brake = np.zeros(len(position), bool)
    if not len(watchers):
        return brake
    to_other = position[None, :] - position[watchers, None]
    relative = velocity[None, :] - velocity[watchers, None]
    square = np.maximum((relative**2).sum(axis=-1), 1e-6)
    time = -(to_other * relative).sum(axis=-1) / square
    gap = np.hypot(*np.moveaxis(to_other + time[..., None] * relative, -1, 0))
    mine, other = velocity[watchers, None], velocity[None, :]
    sine = np.abs(mine[..., 0] * other[..., 1] - mine[..., 1] * other[..., 0])
    sine = sine / np.maximum(speed[watchers, None] * speed[None, :], 1e-6)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = speed[None, :] / (2 * time)  # v^2 / 2d with d = v t
    meets = (time > 0.3) & (time < HORIZON) & (gap < NEAR) & (sine > CROSSING_SINE) & (speed[None, :] > 1.0)
    brake[watchers] = (meets & (needed > caution[watchers, None])).any(axis=1)
    return brake
