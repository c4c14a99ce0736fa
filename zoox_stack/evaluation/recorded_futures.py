"""Futures as they were recorded, in place of predictions: what CommonRoad gives every planner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import STEPS, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.road_network.network import RoadNetwork

RECORDED = "recorded"
_VARIANCE = 0.01  # [m^2]


class RecordedFutures:
    """Stands in for a `Predictor` that knows what will happen; who leaves the recording keeps its last velocity.

    Args:
        scenes: The recording, one scene for each 0.1 s.
    """

    def __init__(self, scenes: Sequence[TrackedAgents]) -> None:
        self._scenes = scenes
        self._steps = {scene.stamp_ns: step for step, scene in enumerate(scenes)}

    def set_road_network(self, network: RoadNetwork | None) -> None:
        """Nothing of it is needed."""

    def set_route(self, route: Route | None) -> None:
        """Nothing of it is needed."""

    def predict(self, scene: TrackedAgents, _signals: TrafficSignals | None = None) -> PredictedAgents:
        """Everyone's future; one mode."""
        base = constant_velocity_prediction(scene)
        positions, headings = base.positions.copy(), base.headings.copy()
        now = self._steps.get(scene.stamp_ns, len(self._scenes))
        step = float(base.step)
        velocity, last = scene.velocity.copy(), scene.position[:, :2] - base.origin
        for ahead in range(STEPS):
            last = last + step * velocity
            if now + ahead + 1 < len(self._scenes):
                then = self._scenes[now + ahead + 1]
                _, mine, theirs = np.intersect1d(scene.ids, then.ids, assume_unique=True, return_indices=True)
                last[mine] = then.position[theirs, :2] - base.origin
                velocity[mine] = then.velocity[theirs]
                headings[mine, 0, ahead:] = then.yaw[theirs, None]
            positions[:, 0, ahead] = last
        covariances = np.zeros_like(base.covariances)
        covariances[..., (0, 2)] = _VARIANCE
        return PredictedAgents(
            scene.stamp_ns, base.agent_ids, base.probabilities, base.origin, positions, headings, covariances,
            base.step, model=RECORDED,
        )  # fmt: skip

    def what_if(self, request: WhatIfRequest) -> WhatIfAnswer:
        """Never asked: a recording reacts to nobody."""
        raise InvalidInputError("question", "none: a recording reacts to nobody", f"{len(request.plans)} plans")
