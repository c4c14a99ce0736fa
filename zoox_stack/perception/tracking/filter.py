"""Kalman filter over many tracks at once. T tracks, state dimension 6, measurement dimension m."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def predict(mean: Array, covariance: Array, transition: Array, noise: Array) -> tuple[Array, Array]:
    """Prediction step.

    Args:
        mean: ``[T, 6]``.
        covariance: ``[T, 6, 6]``.
        transition: ``[6, 6]``.
        noise: ``[T, 6, 6]``.
    """
    return mean @ transition.T, transition @ covariance @ transition.T + noise


def update(mean: Array, covariance: Array, innovation: Array, observation: Array, noise: Array) -> tuple[Array, Array]:
    """Measurement update in Joseph form, which keeps covariances symmetric and positive semidefinite.

    Args:
        mean: ``[T, 6]``.
        covariance: ``[T, 6, 6]``.
        innovation: ``[T, m]`` measured minus expected (angles already wrapped).
        observation: ``[m, 6]`` or ``[T, m, 6]``.
        noise: ``[T, m, m]``.
    """
    if len(mean) == 0:
        return mean, covariance
    transposed = np.swapaxes(observation, -1, -2)
    cross = covariance @ transposed
    gain = np.swapaxes(np.linalg.solve(observation @ cross + noise, np.swapaxes(cross, -1, -2)), -1, -2)
    rest = np.eye(mean.shape[1]) - gain @ observation
    covariance = rest @ covariance @ np.swapaxes(rest, -1, -2) + gain @ noise @ np.swapaxes(gain, -1, -2)
    return mean + (gain @ innovation[..., None])[..., 0], (covariance + np.swapaxes(covariance, -1, -2)) / 2
