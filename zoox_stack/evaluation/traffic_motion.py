"""Speeds, accelerations, jerk and turn rates of recorded traffic, by one rule for every source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_coeffs

from zoox_stack.core.geometry import wrap_angle
from zoox_stack.evaluation.traffic_recording import TrafficRecording

HALF_WINDOW = 1.0  # [s] to either side
_DIRECTED = 0.5  # [m/s] faster than this, the way of travel is that of the velocity; slower, that of the box


@dataclass(frozen=True, eq=False)
class Motion:
    """Motion of each row of a recording, float64 ``[R]``; NaN where the track does not fill the window around it.

    Position, and with it speed and acceleration, is a parabola fitted by least squares to the 2.1 s around each instant
    (Savitzky, A., Golay, M. J. E., "Smoothing and differentiation of data by simplified least squares procedures",
    1964; for trajectories of traffic see Thiemann, C., Treiber, M., Kesting, A., "Estimating acceleration and
    lane-changing dynamics from next generation simulation trajectory data", 2008). The same window for simulated and
    for real traffic: labels are noisy and some are interpolated, so that shorter differences would compare noise. Half
    the window leaves the accelerations of the cleanest labels (Argoverse 2) as they are and doubles the extremes of the
    others.

    Attributes:
        speed: [m/s].
        longitudinal: Acceleration along the way of travel [m/s^2].
        lateral: Acceleration to the left of it [m/s^2].
        jerk: Slope of `longitudinal`, a straight line fitted to another 2.1 s [m/s^3].
        yaw_rate: Slope of the box heading over 2.1 s [rad/s].
    """

    speed: NDArray[np.float64]
    longitudinal: NDArray[np.float64]
    lateral: NDArray[np.float64]
    jerk: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]


def motion_of(recording: TrafficRecording) -> Motion:
    """Motion of every row."""
    half = recording.stride(HALF_WINDOW)
    whole = np.zeros(len(recording.agent), bool)
    if len(whole) > 2 * half:
        whole[half:-half] = recording.follows(2 * half)

    def fitted(values: NDArray[np.float64], order: int, derivative: int) -> NDArray[np.float64]:
        result = np.full(len(values), np.nan)
        if whole.any():
            kernel = savgol_coeffs(2 * half + 1, order, deriv=derivative, delta=recording.period)
            result[whole] = np.convolve(values, kernel, mode="same")[whole]
        return result

    x, y = recording.position.T
    vx, vy = fitted(x, 2, 1), fitted(y, 2, 1)
    ax, ay = fitted(x, 2, 2), fitted(y, 2, 2)
    speed = np.hypot(vx, vy)
    heading = np.where(speed > _DIRECTED, np.arctan2(vy, vx), recording.yaw)
    cos, sin = np.cos(heading), np.sin(heading)
    longitudinal = ax * cos + ay * sin
    unwrapped = np.cumsum(wrap_angle(np.diff(recording.yaw, prepend=recording.yaw[:1])))
    return Motion(
        speed=speed,
        longitudinal=longitudinal,
        lateral=ay * cos - ax * sin,
        jerk=fitted(longitudinal, 1, 1),
        yaw_rate=fitted(unwrapped, 1, 1),
    )
