"""What plans do to whom: through the runtime with the shipped network, and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import MODES, STEP, STEPS, PlanEffects, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.plan_effects import displacements, goes_first, plan_effects
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.prediction.what_if import Reactions, causal_reactions, hit_probabilities, no_reactions
from zoox_stack.road_network.made_up import crossing

START_NS = 10**15


@pytest.fixture(scope="module")
def shared() -> Predictor:
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1))
    predictor.set_road_network(crossing())
    return predictor


@pytest.fixture
def predictor(shared: Predictor) -> Predictor:
    shared.reset()
    return shared


def crowd(step: int = 0, agents: int = 24, seed: int = 0) -> TrackedAgents:
    rng = np.random.default_rng(seed)
    start, yaw = rng.uniform(-35, 60, (agents, 2)), rng.uniform(-np.pi, np.pi, agents)
    velocity = rng.uniform(0, 10, agents)[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    position = np.concatenate([start + velocity * step * STEP, np.zeros((agents, 1))], axis=1)
    stamp = START_NS + step * 100_000_000
    return TrackedAgents.from_states(
        stamp, np.arange(agents) * 3 + 1, rng.choice([1, 2, 6, 7], agents).astype(np.uint8), position, yaw, velocity,
        np.tile(np.array([4.5, 1.9, 1.6], np.float32), (agents, 1)),
        ego=EgoState(stamp_ns=stamp, x=0.8 * step, y=0.0, speed=8.0),
    )  # fmt: skip


def plan(number: int, speeds: NDArray[np.float64], ego: EgoState) -> EgoPlan:
    x, zero = ego.x + np.cumsum(speeds) * STEP, np.zeros(STEPS)
    return EgoPlan(number, f"plan {number}", STEP, x, zero + ego.y, zero, speeds, np.gradient(speeds, STEP), zero)


def asked(
    predictor: Predictor, now: TrackedAgents, *speeds: NDArray[np.float64], affected: bool = False
) -> WhatIfAnswer:
    assert now.ego is not None
    plans = tuple(plan(number, speed, now.ego) for number, speed in enumerate(speeds))
    answer = predictor.what_if(WhatIfRequest(now.stamp_ns, plans, 60.0, affected))
    assert answer.status is WhatIfStatus.OK
    return answer


GO, STOP = np.full(STEPS, 8.0), np.maximum(8.0 - 4.0 * STEP * np.arange(STEPS), 0.0)


@pytest.mark.parametrize("same_until", [10, 37, 60])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_plans_equal_until_a_time_give_equal_bits_until_then(predictor: Predictor, seed: int, same_until: int) -> None:
    now = crowd(seed=seed)
    predictor.predict(now)
    later, faster = GO.copy(), GO.copy()
    later[same_until:] = np.linspace(8.0, 0.0, STEPS - same_until)
    faster[same_until:] = 14.0
    first, *others = asked(predictor, now, GO, later, faster).predictions
    assert any(not np.array_equal(first.positions, other.positions) for other in others)
    for other in others:
        for name in ("positions", "headings", "covariances"):
            a, b = (getattr(p, name)[:, :, :same_until] for p in (first, other))
            assert a.tobytes() == b.tobytes(), name


def test_a_small_change_is_left_out_without_looking_ahead() -> None:
    """Who is moved little before and much after must not differ, before, from who is moved little all the time."""
    now = crowd(agents=1)
    base = constant_velocity_prediction(now, modes=MODES)
    little = np.zeros((MODES, STEPS, 2), np.float32)
    little[..., 0] = np.minimum(0.01 * np.arange(STEPS), 0.15)
    much = little.copy()
    much[:, 40:, 0] += 0.2 * np.arange(40)
    change, rows = np.stack([little, much])[:, None], np.zeros(1, np.int64)
    starts = now.position[:, :2] - base.origin
    reactions = causal_reactions(base, rows, starts, now.yaw, change, 0.2)
    assert reactions.plan.tolist() == [1]
    assert reactions.positions[0, :, :40].tobytes() == base.positions[0, :, :40].tobytes()
    moved = np.linalg.norm(reactions.positions[0] - base.positions[0], axis=-1)
    np.testing.assert_allclose(moved[:, -1], np.linalg.norm(much[:, -1], axis=-1), rtol=1e-4)
    steps = np.diff(moved, axis=1)
    assert steps.max() < 0.5  # it fades in, without a jump
    assert (steps >= -1e-6).all()


def test_the_same_question_has_the_same_answer(predictor: Predictor) -> None:
    now = crowd()
    answers = []
    for _ in range(2):
        predictor.reset()
        predictor.predict(now)
        answers.append(asked(predictor, now, GO, STOP))
    for one, other in zip(*(answer.effects for answer in answers), strict=True):
        for name in ("agent_ids", "collision_probability", "displacement", "goes_first"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_effects_agree_with_the_answer(predictor: Predictor) -> None:
    now = crowd()
    base = predictor.predict(now)
    answer = asked(predictor, now, GO, STOP)
    assert any(effects.displacement.any() for effects in answer.effects)
    for predicted, effects, risk in zip(
        answer.predictions, answer.effects, answer.collision_probabilities, strict=True
    ):
        gap = np.linalg.norm(predicted.positions - base.positions, axis=-1).max(axis=-1)
        moved = (gap * base.probabilities).sum(axis=1)
        rows = np.searchsorted(base.agent_ids, effects.agent_ids)
        np.testing.assert_allclose(effects.displacement, moved[rows], atol=1e-3)
        assert not np.delete(moved, rows).any()
        assert 1 - np.prod(1 - effects.collision_probability.astype(np.float64)) == pytest.approx(risk, abs=0.02)


def test_far_agents_are_not_listed(predictor: Predictor) -> None:
    now = crowd()
    position = now.position.copy()
    position[10:, 1] += 400.0
    now = replace(now, position=position)
    predictor.predict(now)
    for effects in asked(predictor, now, GO, STOP, affected=True).effects:
        assert set(effects.agent_ids.tolist()) <= set(now.ids[:10].tolist())


def test_a_plan_with_nan_is_refused() -> None:
    speeds = GO.copy()
    speeds[3] = np.nan
    with pytest.raises(InvalidInputError, match="NaN"):
        plan(0, speeds, EgoState(START_NS, 0.0, 0.0))


def test_masked_is_the_prediction_without_a_plan(predictor: Predictor) -> None:
    now = crowd()
    base = predictor.predict(now)
    assert now.ego is not None
    masked = predictor.masked(now.stamp_ns, (plan(0, STOP, now.ego),))
    np.testing.assert_allclose(masked.positions, base.positions, atol=1e-3)
    np.testing.assert_array_equal(masked.agent_ids, base.agent_ids)
    with pytest.raises(InvalidInputError, match="held"):
        predictor.masked(now.stamp_ns + 1, (plan(0, STOP, now.ego),))


def test_without_an_ego_or_agents_nobody_is_listed(predictor: Predictor) -> None:
    ego = EgoState(START_NS, 0.0, 0.0)
    for now in (TrackedAgents.empty(START_NS, ego), replace(crowd(), ego=None)):
        predictor.reset()
        predictor.predict(now)
        answer = predictor.what_if(WhatIfRequest(now.stamp_ns, (plan(0, GO, ego),), 60.0))
        assert [len(effects) for effects in answer.effects] == [0]


# By hand: one car from the right, 30 m ahead, at 6 m/s.


def one_from_the_right(distance: float = 20.0, speed: float = 6.0) -> TrackedAgents:
    return TrackedAgents.from_states(
        START_NS, np.array([7]), np.array([1], np.uint8), np.array([[30.0, -distance, 0.0]]), np.array([np.pi / 2]),
        np.array([[0.0, speed]]), np.array([[4.5, 1.9, 1.6]], np.float32),
        ego=EgoState(stamp_ns=START_NS, x=0.0, y=0.0, speed=8.0),
    )  # fmt: skip


def first_of(now: TrackedAgents, speeds: NDArray[np.float64], reactions: Reactions | None = None) -> float:
    assert now.ego is not None
    base = constant_velocity_prediction(now, modes=MODES)
    plans = (plan(0, speeds, now.ego),)
    return float(goes_first(now, now.ego, base, plans, reactions or no_reactions(base))[0, 0])


def test_who_is_there_earlier_goes_first() -> None:
    assert first_of(one_from_the_right(distance=5.0), np.full(STEPS, 8.0)) > 0.95  # after 0.5 s, the ego after 3 s
    assert first_of(one_from_the_right(distance=45.0), np.full(STEPS, 8.0)) < 0.05  # after 7 s


def test_a_plan_that_stops_before_has_no_crossing() -> None:
    assert np.isnan(first_of(one_from_the_right(), STOP))


def test_an_agent_that_yields_under_a_plan_still_has_a_crossing() -> None:
    now = one_from_the_right(distance=12.0)
    base = constant_velocity_prediction(now, modes=MODES)
    positions = base.positions.copy()
    positions[..., 1] = np.minimum(positions[..., 1], -6.0)  # it stops 6 m before the middle of the ego's way
    yields = Reactions(np.zeros(1, np.int64), np.zeros(1, np.int64), positions, base.headings)
    assert first_of(now, np.full(STEPS, 8.0)) > 0.9
    assert first_of(now, np.full(STEPS, 8.0), yields) < 0.2


def test_a_mode_that_turns_away_does_not_count() -> None:
    now = one_from_the_right(distance=5.0)
    base = constant_velocity_prediction(now, modes=2)
    positions = base.positions.copy()
    positions[0, 1, :, 0] = 30.0 - base.origin[0] + 6.0 * STEP * np.arange(STEPS)
    positions[0, 1, :, 1] = -5.0
    half = replace(base, positions=positions, probabilities=np.array([[0.5, 0.5]], np.float32))
    assert now.ego is not None
    plans = (plan(0, np.full(STEPS, 8.0), now.ego),)
    assert goes_first(now, now.ego, half, plans, no_reactions(half))[0, 0] > 0.95


def test_displacement_is_weighted_by_the_modes() -> None:
    now = one_from_the_right()
    base = replace(constant_velocity_prediction(now, modes=2), probabilities=np.array([[0.25, 0.75]], np.float32))
    positions = base.positions.copy()
    positions[0, 0, 10:, 0] += 4.0
    positions[0, 1, 50, 1] -= 2.0
    reactions = Reactions(np.zeros(1, np.int64), np.zeros(1, np.int64), positions, base.headings)
    np.testing.assert_allclose(displacements(base, reactions), [0.25 * 4.0 + 0.75 * 2.0], rtol=1e-5)
    plans = (plan(0, STOP, now.ego),)  # type: ignore[arg-type]
    hits = hit_probabilities(now, base, plans, reactions, reactions.futures(base))
    (effects,) = plan_effects(now, base, plans, reactions, hits)
    assert effects.agent_ids.tolist() == [7]
    assert effects.displacement[0] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"agent_ids": np.array([2, 1])}, "rising"),
        ({"displacement": np.array([0.0, -1.0])}, ">= 0"),
        ({"displacement": np.array([0.0, np.nan])}, "finite"),
        ({"goes_first": np.array([0.5, 1.5])}, "<= 1"),
        ({"collision_probability": np.zeros(3)}, "shape"),
    ],
)
def test_bad_effects_are_refused(change: dict[str, NDArray[np.float64]], match: str) -> None:
    good = {"agent_ids": np.array([1, 2]), "collision_probability": np.zeros(2), "displacement": np.zeros(2)}
    good["goes_first"] = np.array([np.nan, 0.3])
    assert len(PlanEffects(**good)) == 2  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=match):
        PlanEffects(**(good | change))  # type: ignore[arg-type]


def test_predictions_are_not_changed_by_effects() -> None:
    """Arrays of the pinned scene are shared by all questions."""
    now = one_from_the_right()
    base = constant_velocity_prediction(now, modes=MODES)
    before = PredictedAgents.concatenate([base]).positions.copy()
    first_of(now, GO)
    np.testing.assert_array_equal(base.positions, before)
