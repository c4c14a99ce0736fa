"""Odometry as a localisation gives it: near the truth, with an error that drifts but stays bounded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.parameters import parameter

_BOUND = 3.0  # [standard deviations] that the drift never leaves


@dataclass(frozen=True)
class OdometryConfig:
    """Errors of the odometry; all zero is the truth."""

    position_drift: float = parameter(
        0.0, "standard deviation of the slow error of x and of y", unit="m", low=0.0, high=5.0
    )
    yaw_drift: float = parameter(
        0.0, "standard deviation of the slow error of the heading", unit="deg", low=0.0, high=10.0
    )
    drift_time: float = parameter(
        30.0, "after which the slow error has forgotten where it was", unit="s", low=0.1, high=3600.0
    )
    speed_noise: float = parameter(0.0, "standard deviation of the speed", unit="m/s", low=0.0, high=2.0)
    yaw_rate_noise: float = parameter(0.0, "standard deviation of the yaw rate", unit="deg/s", low=0.0, high=10.0)


class OdometryNoise:
    """Adds a first-order Gauss-Markov error to position and heading, white noise to speed and yaw rate.

    The errors depend on the seed and on the stamps seen so far, not on the ego.

    Args:
        config: How large the errors are.
        seed: Of the errors.
    """

    def __init__(self, config: OdometryConfig, seed: int = 0) -> None:
        self.config = config
        self._random = np.random.default_rng([seed, 23])
        self._drift = np.zeros(3)  # x, y, yaw in standard deviations
        self._stamp_ns: int | None = None

    def observe(self, ego: EgoState) -> EgoState:
        """The ego as the localisation has it; stamps must rise from call to call.

        Args:
            ego: The truth.
        """
        config = self.config
        white = self._random.standard_normal(5)
        if self._stamp_ns is None:
            self._drift = white[:3]
        else:
            kept = np.exp(-max(ego.stamp_ns - self._stamp_ns, 0) * 1e-9 / config.drift_time)
            self._drift = kept * self._drift + np.sqrt(1 - kept**2) * white[:3]
        self._drift = np.clip(self._drift, -_BOUND, _BOUND)
        self._stamp_ns = ego.stamp_ns
        x, y = config.position_drift * self._drift[:2]
        turned = np.deg2rad(config.yaw_drift) * self._drift[2]
        return replace(
            ego,
            x=ego.x + x,
            y=ego.y + y,
            yaw=float(wrap_angle(ego.yaw + turned)) if turned else ego.yaw,
            speed=ego.speed + config.speed_noise * white[3],
            yaw_rate=ego.yaw_rate + np.deg2rad(config.yaw_rate_noise) * white[4],
        )
