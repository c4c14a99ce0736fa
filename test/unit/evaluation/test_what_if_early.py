"""Reactions before their cause are found, also those that only show between separate questions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS, WhatIfAnswer, WhatIfRequest
from zoox_stack.datasets.scene_futures import SceneFutures
from zoox_stack.evaluation.what_if_run import PARTED, ask
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.history import HistoryBuffer
from zoox_stack.prediction.predictor import Predictor

STAMP, AGENTS = 10**15, 70


class Peeking(Predictor):
    """Whoever is asked for a reaction depends on where the plans end, which one question with all plans hides."""

    def what_if(self, request: WhatIfRequest) -> WhatIfAnswer:
        answer = super().what_if(request)
        ends = np.float32(max(float(plan.x[-1]) for plan in request.plans) * 1e-2)
        moved = tuple(replace(p, positions=p.positions + ends) for p in answer.predictions)
        return replace(answer, predictions=moved)


@pytest.fixture(scope="module")
def scene() -> SceneFutures:
    rng = np.random.default_rng(3)
    place = np.column_stack([rng.uniform(-20, 80, AGENTS), rng.uniform(-40, 40, AGENTS), np.zeros(AGENTS)])
    yaw = rng.uniform(-np.pi, np.pi, AGENTS)
    velocity = rng.uniform(0, 9, AGENTS)[:, None] * np.column_stack([np.cos(yaw), np.sin(yaw)])
    now = TrackedAgents.from_states(
        STAMP, np.arange(AGENTS), np.ones(AGENTS, np.uint8), place, yaw, velocity,
        np.tile(np.float32([4.5, 1.9, 1.6]), (AGENTS, 1)), ego=EgoState(STAMP, 0.0, 0.0, speed=9.0),
    )  # fmt: skip
    plans, zero = [], np.zeros(STEPS)
    for number, change in enumerate((0.0, -4.0, 2.0)):
        speed = np.maximum(9.0 + change * STEP * np.arange(1, STEPS + 1), 0.0)
        plans.append(EgoPlan(number, f"{change:g}", STEP, np.cumsum(speed) * STEP, zero, zero, speed, zero, zero))
    futures = np.zeros((3, AGENTS, STEPS, 3)) + np.column_stack([place[:, :2], yaw])[:, None]
    return SceneFutures("made up", HistoryBuffer().push(now), tuple(plans), futures)


@pytest.mark.parametrize(("kind", "early"), [(Predictor, False), (Peeking, True)])
def test_a_choice_that_looks_at_the_plans_is_found(kind: type[Predictor], early: bool, scene: SceneFutures) -> None:
    answers = ask(kind(PredictionConfig(provider="cpu", threads=1)), scene)
    changed = [np.abs(p.positions - answers.conditional[0].positions).max() for p in answers.conditional[1:]]
    assert max(changed) > 0.1
    assert 0 < PARTED < STEPS
    assert (answers.early > 0.1) == early
    if not early:
        assert answers.early == 0.0
