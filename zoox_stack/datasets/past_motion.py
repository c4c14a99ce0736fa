"""Speeds and accelerations of labelled road users from their past alone.

Labels of recorded data sets often come without velocities, and those that converters put in are differences over
positions before and after: at the moment of prediction they know a little of the future. Simulated logs and recorded
tracks do not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.prediction.history import HISTORY_STEP, HISTORY_STEPS, HistoryColumn, SceneHistory

_HALF = 6  # positions in each half of the last second; the middle one is in both
_SPAN = (_HALF - 1) * HISTORY_STEP  # [s] between the first and the last of them


def with_past_motion(history: SceneHistory) -> SceneHistory:
    """The same scene with velocities, accelerations and turn rates that follow from the poses of the last second.

    Acceleration is the change of the mean velocity from the first to the second half of the second; the velocity at
    each instant follows from both. Only road users seen during the whole second are changed.
    """
    rows = np.flatnonzero(history.valid.all(axis=1))
    mean, acceleration, turn_rate = _motion(history.states[rows])
    time = HISTORY_STEP * (np.arange(HISTORY_STEPS) - (HISTORY_STEPS - 1) / 2)
    states, scene = history.states.copy(), history.scene
    states[rows, :, HistoryColumn.VX :] = mean[:, None] + acceleration[:, None] * time[:, None]
    velocities = scene.velocity.copy()
    velocities[rows] = states[rows, -1, HistoryColumn.VX :]
    changed = replace(_with_rates(scene, rows, acceleration, turn_rate), velocity=velocities)
    return replace(history, scene=changed, states=states)


def with_past_rates(history: SceneHistory) -> SceneHistory:
    """As `with_past_motion`, but the velocities stay: for those that are known where accelerations are not."""
    rows = np.flatnonzero(history.valid.all(axis=1))
    _, acceleration, turn_rate = _motion(history.states[rows])
    return replace(history, scene=_with_rates(history.scene, rows, acceleration, turn_rate))


def _motion(states: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean velocity ``[N, 2]`` [m/s], acceleration ``[N, 2]`` [m/s^2] and turn rate ``[N]`` [rad/s] of poses."""
    weights = HISTORY_STEP * (np.arange(_HALF) - (_HALF - 1) / 2)
    weights /= (weights**2).sum()  # slope of the least-squares line through a half
    first = np.einsum("w,nwd->nd", weights, states[:, :_HALF, :2])
    second = np.einsum("w,nwd->nd", weights, states[:, -_HALF:, :2])
    turned = wrap_angle(states[:, -_HALF:, HistoryColumn.YAW] - states[:, -1:, HistoryColumn.YAW])
    return (first + second) / 2, (second - first) / _SPAN, np.unwrap(turned, axis=1) @ weights


def _with_rates(
    scene: TrackedAgents, rows: NDArray[np.int64], acceleration: NDArray[np.float64], turn_rate: NDArray[np.float64]
) -> TrackedAgents:
    accelerations, turn_rates = scene.acceleration.copy(), scene.yaw_rate.copy()
    accelerations[rows], turn_rates[rows] = acceleration, turn_rate
    return replace(scene, acceleration=accelerations, yaw_rate=turn_rates)
