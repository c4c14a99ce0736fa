"""The last second of every agent on a regular time grid, from the stream of scenes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.geometry import wrap_angle

HISTORY_STEPS = 11  # now and 10 steps back
HISTORY_STEP = 0.1  # [s]


class HistoryColumn(IntEnum):
    """Columns of `SceneHistory.states`; map frame, box centre (agents and ego alike)."""

    X = 0
    Y = 1
    YAW = 2
    VX = 3
    VY = 4


@dataclass(frozen=True, eq=False)
class SceneHistory:
    """The newest scene and where everyone was in the second before it.

    Attributes:
        scene: The newest scene, N agents.
        states: float64 ``[N, 11, 5]``, columns `HistoryColumn`, oldest first, last is now; zero where not valid.
        valid: bool ``[N, 11]``; the last column is always true.
        ego_states: float64 ``[11, 5]`` of the ego's box centre; zero where not valid.
        ego_valid: bool ``[11]``; all false without odometry.
    """

    scene: TrackedAgents
    states: NDArray[np.float64]
    valid: NDArray[np.bool_]
    ego_states: NDArray[np.float64]
    ego_valid: NDArray[np.bool_]


class HistoryBuffer:
    """Collects scenes and cuts out `SceneHistory`. Scenes must come with rising stamps; others restart it."""

    def __init__(self) -> None:
        self._scenes: deque[TrackedAgents] = deque()

    def reset(self) -> None:
        """Forget everything."""
        self._scenes.clear()

    def push(self, scene: TrackedAgents) -> SceneHistory:
        """Add a scene and return the history that ends with it.

        The grid is filled with the scene nearest in time to each grid point, if it is within half a step; a scene
        older than the newest restarts the buffer (the clock jumped back).
        """
        if self._scenes and scene.stamp_ns <= self._scenes[-1].stamp_ns:
            self._scenes.clear()
        self._scenes.append(scene)
        oldest = scene.stamp_ns - int((HISTORY_STEPS - 0.5) * HISTORY_STEP * 1e9)
        while self._scenes[0].stamp_ns < oldest:
            self._scenes.popleft()
        n = len(scene)
        states, valid = np.zeros((n, HISTORY_STEPS, len(HistoryColumn))), np.zeros((n, HISTORY_STEPS), bool)
        ego_states, ego_valid = np.zeros((HISTORY_STEPS, len(HistoryColumn))), np.zeros(HISTORY_STEPS, bool)
        stamps = np.array([s.stamp_ns for s in self._scenes], dtype=np.int64)
        for column in range(HISTORY_STEPS):
            wanted = scene.stamp_ns - round((HISTORY_STEPS - 1 - column) * HISTORY_STEP * 1e9)
            nearest = int(np.argmin(np.abs(stamps - wanted)))
            if abs(int(stamps[nearest]) - wanted) > HISTORY_STEP * 0.5e9:
                continue
            past = self._scenes[nearest]
            if past.ego is not None:
                ego_states[column], ego_valid[column] = ego_row(past.ego), True
            if n and len(past):
                rows = np.searchsorted(past.ids, scene.ids).clip(max=len(past) - 1)
                found = past.ids[rows] == scene.ids
                rows = rows[found]
                states[found, column] = np.concatenate(
                    [past.position[rows, :2], past.yaw[rows, None], past.velocity[rows]], axis=1
                )
                valid[found, column] = True
        return SceneHistory(scene, states, valid, ego_states, ego_valid)


def ego_row(ego: EgoState) -> NDArray[np.float64]:
    """One row of `HistoryColumn` values of the ego's box centre."""
    c, s = np.cos(ego.yaw), np.sin(ego.yaw)
    lateral = ego.lateral_velocity + ego.yaw_rate * ego.rear_axle_to_centre
    centre = ego.centre
    return np.array(
        [
            centre[0],
            centre[1],
            float(wrap_angle(ego.yaw)),
            ego.speed * c - lateral * s,
            ego.speed * s + lateral * c,
        ]
    )
