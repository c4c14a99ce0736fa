"""Warm-up: which numbers of agents it runs, and that nothing of it stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS, WhatIfRequest
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.network import BUCKETS, PredictionNetwork, bucket
from zoox_stack.prediction.predictor import Predictor

STAMP, STEP_NS = 10**15, 100_000_000


def scene(step: int) -> TrackedAgents:
    place = np.array([[12.0 + step, 3.0, 0.0], [30.0, -4.0, 0.0]])
    stamp = STAMP + step * STEP_NS
    return TrackedAgents.from_states(
        stamp, np.array([4, 9]), np.array([1, 7], np.uint8), place, np.zeros(2), np.array([[10.0, 0.0], [0.0, 1.0]]),
        np.tile(np.float32([4.5, 1.9, 1.6]), (2, 1)), ego=EgoState(stamp, 0.8 * step, 0.0, speed=8.0),
    )  # fmt: skip


def question(stamp_ns: int, deadline: float = 60.0) -> WhatIfRequest:
    zero = np.zeros(STEPS)
    return WhatIfRequest(stamp_ns, (EgoPlan(0, "stand", STEP, zero, zero, zero, zero, zero, zero),), deadline)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Numbers of agents that the encoder and, with plans, the decoder are run for."""
    encoded, decoded = [], []
    encode, decode = PredictionNetwork.encode, PredictionNetwork.decode

    def watched(self: PredictionNetwork, raster: Any, inputs: Any) -> NDArray[np.float32]:
        encoded.append(len(inputs.agent_pose) - 1)
        return encode(self, raster, inputs)

    def asked(self: PredictionNetwork, embeddings: Any, *more: Any) -> Any:
        if len(more) == 3:
            decoded.append(len(embeddings))
        return decode(self, embeddings, *more)

    monkeypatch.setattr(PredictionNetwork, "encode", watched)
    monkeypatch.setattr(PredictionNetwork, "decode", asked)
    return encoded, decoded


def test_on_the_cpu_one_number_of_agents_does(asked_for: tuple[list[int], list[int]]) -> None:
    Predictor(PredictionConfig(provider="cpu", threads=1)).warm_up()
    assert len(set(asked_for[0])) == 1
    assert len(asked_for[0]) == len(asked_for[1]) >= 2


@pytest.mark.parametrize("most", [64, 50, 3])
def test_other_providers_are_run_for_every_bucket(
    most: int, asked_for: tuple[list[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PredictionNetwork, "provider", property(lambda _: "CUDAExecutionProvider"))
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1, max_agents=most))
    predictor.warm_up()
    wanted = {size for size in BUCKETS if size <= bucket(most)}
    assert {bucket(n) for n in asked_for[0]} == wanted
    assert max(asked_for[0]) == most
    assert {bucket(n) for n in asked_for[1]} == {min(size, bucket(predictor.config.max_reacting)) for size in wanted}


def test_nothing_of_it_stays() -> None:
    warm, cold = (Predictor(PredictionConfig(provider="cpu", threads=1)) for _ in range(2))
    warm.warm_up()
    assert warm.what_if(question(0)).status is WhatIfStatus.NO_SCENE
    one, other = warm.predict(scene(0)), cold.predict(scene(0))
    assert one.positions.tobytes() == other.positions.tobytes()
    answer = warm.what_if(question(1))
    assert answer.status is WhatIfStatus.STALE_SCENE
    assert f"one of {STAMP} .. {STAMP} ns" in answer.message


def test_how_long_warm_up_took_refuses_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = PredictionNetwork.decode
    now = [0.0]

    def slow(self: PredictionNetwork, *inputs: Any) -> Any:
        now[0] += 5.0
        return decode(self, *inputs)

    predictor = Predictor(PredictionConfig(provider="cpu", threads=1))
    monkeypatch.setattr("zoox_stack.prediction.predictor.time.monotonic", lambda: now[0])
    with monkeypatch.context() as first:
        first.setattr(PredictionNetwork, "decode", slow)
        predictor.warm_up()
    predictor.predict(scene(0))
    assert predictor.what_if(question(0, deadline=0.05)).status is WhatIfStatus.OK


def test_scenes_from_before_stay() -> None:
    predictor, other = (Predictor(PredictionConfig(provider="cpu", threads=1)) for _ in range(2))
    for step in range(3):
        predictor.predict(scene(step))
        other.predict(scene(step))
    predictor.warm_up()
    assert predictor.what_if(question(STAMP)).status is WhatIfStatus.OK
    one, two = predictor.predict(scene(3)), other.predict(scene(3))
    assert one.positions.tobytes() == two.positions.tobytes()
