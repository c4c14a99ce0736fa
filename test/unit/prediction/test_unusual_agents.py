"""Animals and agents of unknown class are predicted and asked about as all others are, if they do not just stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, PredictionSource, WhatIfStatus
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import MODES, STEP, STEPS, WhatIfRequest
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.no_class import things, with_likeliest_classes
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.road_network.made_up import crossing

STAMP = 10**15
UNUSUAL = (AgentClass.UNKNOWN, AgentClass.ANIMAL)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1))
    predictor.set_road_network(crossing())
    return predictor


def scene(kind: AgentClass, speed: float) -> TrackedAgents:
    """One of the kind walks or drives across 25 m ahead, one stands in the ego's way at 12 m, one is out of sight."""
    place = np.array([[25.0, -12.0, 0.5], [12.0, 0.0, 0.5], [300.0, 0.0, 0.5]])
    velocity = np.array([[0.0, speed], [0.0, 0.0], [0.0, speed]])
    return TrackedAgents.from_states(
        STAMP, np.array([2, 5, 8]), np.full(3, kind, np.uint8), place, np.array([np.pi / 2, 0.0, np.pi / 2]), velocity,
        np.tile(np.float32([1.2, 0.6, 1.0]), (3, 1)), ego=EgoState(STAMP, 0.0, 0.0, speed=8.0),
    )  # fmt: skip


def straight(number: int, speed: float) -> EgoPlan:
    zero = np.zeros(STEPS)
    x = speed * STEP * np.arange(1, STEPS + 1)
    return EgoPlan(number, f"{speed:g} m/s", STEP, x, zero, zero, zero + speed, zero, zero)


@pytest.mark.parametrize("kind", UNUSUAL)
@pytest.mark.parametrize("speed", [1.5, 6.0])
def test_they_have_futures_with_honest_probabilities(kind: AgentClass, speed: float, predictor: Predictor) -> None:
    predictor.reset()
    now = scene(kind, speed)
    out = predictor.predict(now)
    assert out.source is PredictionSource.MODEL
    assert out.agent_ids.tolist() == [2, 5, 8]
    assert out.positions.shape == (3, MODES, STEPS, 2)
    assert np.isfinite(out.positions).all()
    np.testing.assert_allclose(out.probabilities.sum(axis=1), 1.0, atol=1e-4)
    stands_for_good = kind is AgentClass.UNKNOWN  # and who is too far away is not for the network either
    assert predictor.by_network(now.stamp_ns).tolist() == [True, not stands_for_good, False]
    assert (out.covariances[..., 0] * out.covariances[..., 2] > out.covariances[..., 1] ** 2).all()
    moved = out.map_positions - now.position[:, None, None, :2]
    time = STEP * np.arange(1, STEPS + 1)
    assert (np.linalg.norm(moved, axis=-1)[:2] < (speed + 12.0) * time + 1.0).all()
    np.testing.assert_allclose(moved[2, 0], now.velocity[2] * time[:, None], atol=1e-3)


@pytest.mark.parametrize("kind", UNUSUAL)
def test_questions_tell_of_them(kind: AgentClass, predictor: Predictor) -> None:
    predictor.reset()
    now = scene(kind, 1.5)
    base = predictor.predict(now)
    through, stay = straight(0, 9.0), straight(1, 0.0)
    answer = predictor.what_if(WhatIfRequest(STAMP, (through, stay), 60.0))
    assert answer.status is WhatIfStatus.OK
    assert answer.conditional
    assert answer.collision_probabilities[0] > 0.5 > answer.collision_probabilities[1]
    hit = dict(zip(answer.effects[0].agent_ids.tolist(), answer.effects[0].collision_probability.tolist(), strict=True))
    assert hit[5] > 0.5
    for predictions in answer.predictions:
        assert np.isfinite(predictions.positions).all()
        assert predictions.positions[2].tobytes() == base.positions[2].tobytes()


def test_a_mixed_scene_keeps_the_order_of_the_agents(predictor: Predictor) -> None:
    predictor.reset()
    rng, n = np.random.default_rng(0), 20
    kinds = rng.permutation(np.resize([int(kind) for kind in AgentClass], n)).astype(np.uint8)
    place = np.column_stack([rng.uniform(-20, 60, n), rng.uniform(-40, 40, n), np.zeros(n)])
    now = TrackedAgents.from_states(
        STAMP, np.arange(n), kinds, place, np.zeros(n), rng.normal(0, 2, (n, 2)), np.ones((n, 3), np.float32),
        ego=EgoState(STAMP, 0.0, 0.0, speed=8.0),
    )  # fmt: skip
    out = predictor.predict(now)
    first = out.map_positions[:, :, 0] - now.position[:, None, :2]
    assert np.linalg.norm(first, axis=-1).max() < 1.5
    ruled = out.probabilities.max(axis=1) == 1.0
    assert ruled.tolist() == things(now).tolist()
    assert predictor.what_if(WhatIfRequest(STAMP, (straight(0, 8.0),), 60.0)).status is WhatIfStatus.OK


def test_what_is_of_no_class_and_stands_goes_on_standing(predictor: Predictor) -> None:
    predictor.reset()
    now = scene(AgentClass.UNKNOWN, 0.0)
    out = predictor.predict(now)
    np.testing.assert_allclose(out.map_positions, np.broadcast_to(now.position[:, None, None, :2], out.positions.shape))


@pytest.mark.parametrize(
    ("length", "told", "expected"),
    [
        (0.5, {}, AgentClass.PEDESTRIAN),
        (1.9, {}, AgentClass.BICYCLE),
        (4.0, {}, AgentClass.CAR),
        (4.0, {AgentClass.TRUCK: 0.3, AgentClass.CAR: 0.1}, AgentClass.TRUCK),
        (0.5, {AgentClass.HAZARD: 0.3}, AgentClass.PEDESTRIAN),  # it moves
    ],
)
def test_what_is_of_no_class_and_moves_is_the_likeliest_road_user(
    length: float, told: dict[AgentClass, float], expected: AgentClass
) -> None:
    now = scene(AgentClass.UNKNOWN, 3.0)
    probabilities = np.zeros((3, len(AgentClass)), np.float32)
    probabilities[:, AgentClass.UNKNOWN] = 1.0 - sum(told.values())
    for kind, value in told.items():
        probabilities[:, kind] = value
    now = replace(now, size=np.tile(np.float32([length, 0.5, 1.5]), (3, 1)), class_probabilities=probabilities)
    assert with_likeliest_classes(now).classes.tolist() == [expected, AgentClass.UNKNOWN, expected]  # the second stands
