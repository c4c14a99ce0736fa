"""Is there a way back from a plan if others do not behave as hoped?

A plan is recoverable if, after the time it takes until the next decision acts, the ego can still brake along the plan's
own way, or go on, without meeting anybody, although everybody near behaves as badly as is reasonable: who would cross
or merge does not give way but keeps on and accelerates, who drives ahead brakes hard, pedestrians walk on. All of them
on the ways of their predicted futures, of those that are not unlikely. Nobody drives on where its future ends standing,
and nobody drives into an ego that stands and stays, into one that has stood long enough to be seen and braked for (at
most 2 s), or into the back of one that has been ahead for 1.5 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.compiled import plain
from zoox_stack.core.predictions import STEP
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.fallback_loop import impact_speeds, worst_motions
from zoox_stack.planning.proposal import PlanningScene

COMMITMENT = 0.5  # [s] until another decision can act
_HORIZON = 4.6  # [s]
_DT = 0.2  # [s] between the moments looked at, a multiple of the step of plans
_MOST_MODES = 3  # ways per agent
_LIKELY = 0.1  # less probable futures are not reasonable
_EXISTS = 0.3
_NEAR = 80.0  # [m]
_PUSH = 1.5  # [m/s^2] with which vehicles accelerate
_PEDESTRIAN_SPEED = 1.4  # [m/s] up to which pedestrians speed up
_LEADER_BRAKES = 6.0  # [m/s^2]
_MARGIN = 0.1  # [m] around the ego
_IMPACT_UNIT = 10.0  # [m/s]
_WORST = 3.0  # largest value of the term


@dataclass(frozen=True, eq=False)
class Unrecoverable:
    """What was found of N plans.

    Attributes:
        term: float64 ``[N]`` 0 for a recoverable plan, else 1 and a tenth of the impact speed [m/s], at most 3.
        agent_ids: int64 ``[N]`` whom it meets, -1 nobody.
    """

    term: NDArray[np.float64]
    agent_ids: NDArray[np.int64]


class FallbackCheck:
    """Everybody's worst reasonable behaviour from one scene on, against which plans are checked.

    Args:
        scene: The agents that matter.
        ego: The ego.
        limit: Speed limit here, up to which vehicles accelerate [m/s].
        config: Limits of the ego.
    """

    def __init__(self, scene: PlanningScene, ego: EgoState, limit: float, config: PlannerConfig) -> None:
        self._ego, self._config = ego, config
        near = (np.hypot(*(scene.position - ego.centre).T) < _NEAR) & (scene.existence > _EXISTS)
        rows = np.flatnonzero(near)
        self._ids, self._half = scene.ids[rows], scene.sizes[rows] / 2
        futures, walks, speed = scene.futures, scene.walks[rows], scene.speed[rows]
        likely = np.argsort(-futures.probabilities[rows], axis=1, kind="stable")[:, :_MOST_MODES]
        likely = np.where(np.take_along_axis(futures.probabilities[rows], likely, axis=1) >= _LIKELY, likely, -1)
        push = np.stack([np.full(len(rows), _PUSH), np.where(walks, _PEDESTRIAN_SPEED, limit)], axis=1)
        samples = round(_HORIZON / _DT) + 1
        self._poses = np.empty((len(rows), likely.shape[1], 2, samples, 4))
        worst_motions(
            plain(futures.positions[rows], np.float32), plain(futures.headings[rows], np.float32),
            plain(likely, np.int64), plain(scene.position[rows] - futures.origin, np.float64),
            plain(scene.yaw[rows], np.float64), plain(speed, np.float64), push, _LEADER_BRAKES, futures.step, _DT,
            self._poses,
        )  # fmt: skip
        self._poses[..., :2] += futures.origin

    def check(self, candidates: Candidates, rows: NDArray[np.int64]) -> Unrecoverable:
        """Whether candidates `rows` ``[N]`` leave a way back."""
        ego, config, n = self._ego, self._config, len(rows)
        impact, agent = np.zeros(n), np.full(n, -1)
        if len(self._ids) and n:
            impact_speeds(
                candidates.motion, plain(candidates.distance, np.float64), plain(rows, np.int64),
                np.array([
                    ego.length / 2 + _MARGIN, ego.width / 2 + _MARGIN, ego.rear_axle_to_centre,
                    max(ego.speed, 0.0), ego.acceleration, ego.x, ego.y, ego.yaw,
                ]),
                self._poses, plain(self._half, np.float64), round(COMMITMENT / STEP), config.max_deceleration,
                config.emergency_jerk, STEP, _DT, impact, agent,
            )  # fmt: skip
        term = np.where(impact > 0, np.minimum(1.0 + impact / _IMPACT_UNIT, _WORST), 0.0)
        ids = np.where(agent >= 0, self._ids[agent], -1) if len(self._ids) else np.full(n, -1)
        return Unrecoverable(term, ids)
