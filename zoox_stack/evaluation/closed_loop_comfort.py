"""Whether a drive was comfortable, by nuPlan's bounds on accelerations, jerks and turning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from zoox_stack.evaluation.closed_loop_drive import EgoMotion

# Within, not on, these bounds.
COMFORT_BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "longitudinal_acceleration": (-4.05, 2.40),  # [m/s^2]
        "lateral_acceleration": (-4.89, 4.89),  # [m/s^2]
        "yaw_rate": (-0.95, 0.95),  # [rad/s]
        "yaw_acceleration": (-1.93, 1.93),  # [rad/s^2]
        "longitudinal_jerk": (-4.13, 4.13),  # [m/s^3]
        "jerk": (-8.37, 8.37),  # [m/s^3] change of the length of the acceleration
    }
)
# Windows of the parabolas that are fitted (Savitzky and Golay, 1964), in instants: those of nuPlan.
_ACCELERATION, _JERK, _YAW = 8, 15, 5


@dataclass(frozen=True, eq=False)
class Comfort:
    """What the ego's passengers felt.

    Attributes:
        values: float64 ``[T]`` by name, as in `COMFORT_BOUNDS`.
    """

    values: Mapping[str, NDArray[np.float64]]

    @property
    def exceeded(self) -> tuple[str, ...]:
        """Names of the bounds that were not kept."""
        return tuple(
            name
            for name, (low, high) in COMFORT_BOUNDS.items()
            if not bool(((self.values[name] > low) & (self.values[name] < high)).all())
        )


def comfort_of(ego: EgoMotion) -> Comfort:
    """Smoothed accelerations of the middle of the ego, and how it turned."""
    step, reach = ego.step, ego.rear_axle_to_centre
    turning = np.gradient(ego.yaw_rate, step)
    along = ego.acceleration - ego.yaw_rate**2 * reach
    aside = np.gradient(ego.lateral_velocity, step) + ego.speed * ego.yaw_rate + turning * reach
    along, aside, length = (
        np.asarray(savgol_filter(values, _ACCELERATION, 2)) for values in (along, aside, np.hypot(along, aside))
    )
    yaw = np.unwrap(ego.yaw)

    def change(values: NDArray[np.float64], window: int, order: int = 1) -> NDArray[np.float64]:
        return np.asarray(savgol_filter(values, window, 1 + order, deriv=order, delta=step))

    return Comfort({
        "longitudinal_acceleration": along,
        "lateral_acceleration": aside,
        "yaw_rate": change(yaw, _YAW),
        "yaw_acceleration": change(yaw, _YAW, 2),
        "longitudinal_jerk": change(along, _JERK),
        "jerk": change(length, _JERK),
    })  # fmt: skip
