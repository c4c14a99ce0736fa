"""Speeds and accelerations of labelled road users from their past alone.

Labels of recorded data sets often come without velocities, and those that converters put in are differences over
positions before and after: at the moment of prediction they know a little of the future. Simulated logs and recorded
tracks do not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

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
    states = history.states.copy()
    time = HISTORY_STEP * (np.arange(HISTORY_STEPS) - (HISTORY_STEPS - 1) / 2)
    weights = HISTORY_STEP * (np.arange(_HALF) - (_HALF - 1) / 2)
    weights /= (weights**2).sum()  # slope of the least-squares line through a half
    seen = states[rows]
    first = np.einsum("w,nwd->nd", weights, seen[:, :_HALF, :2])
    second = np.einsum("w,nwd->nd", weights, seen[:, -_HALF:, :2])
    acceleration = (second - first) / _SPAN
    mean = (first + second) / 2
    states[rows, :, HistoryColumn.VX :] = mean[:, None] + acceleration[:, None] * time[:, None]
    turned = wrap_angle(seen[:, -_HALF:, HistoryColumn.YAW] - seen[:, -1:, HistoryColumn.YAW])
    scene = history.scene
    velocities, accelerations, turn_rates = scene.velocity.copy(), scene.acceleration.copy(), scene.yaw_rate.copy()
    velocities[rows] = states[rows, -1, HistoryColumn.VX :]
    accelerations[rows], turn_rates[rows] = acceleration, np.unwrap(turned, axis=1) @ weights
    changed = replace(scene, velocity=velocities, acceleration=accelerations, yaw_rate=turn_rates)
    return replace(history, scene=changed, states=states)
