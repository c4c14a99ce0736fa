"""Who is asked for a reaction: never a matter of what the ego does later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import MODES, STEP, STEPS, PredictedAgents, WhatIfRequest
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.prediction.what_if import PLAN_MARGIN, REACTION_RANGE, reacting_rows
from zoox_stack.road_network.made_up import crossing

STAMP = 10**15


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1))
    predictor.set_road_network(crossing())
    return predictor


def crowd(agents: int, seed: int, speed: float) -> TrackedAgents:
    """Cars all over the scene image, many more than may react, around an ego with this speed."""
    rng = np.random.default_rng(seed)
    yaw = rng.uniform(-np.pi, np.pi, agents)
    velocity = rng.uniform(0, 10, agents)[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    place = np.concatenate([rng.uniform((-25, -60), (95, 60), (agents, 2)), np.zeros((agents, 1))], axis=1)
    return TrackedAgents.from_states(
        STAMP, np.arange(agents) + 1, np.ones(agents, np.uint8), place, yaw, velocity,
        np.tile(np.float32([4.5, 1.9, 1.6]), (agents, 1)), ego=EgoState(STAMP, 0.0, 0.0, speed=speed),
    )  # fmt: skip


def plan(number: int, speeds: NDArray[np.float64], ego: EgoState, turn: float = 0.0) -> EgoPlan:
    """Along x with these speeds; with `turn`, to the left from where speeds change on."""
    zero = np.zeros(STEPS)
    yaw = np.cumsum(np.where(np.abs(speeds - speeds[0]) > 1e-9, turn, 0.0)) * STEP
    x, y = ego.x + np.cumsum(speeds * np.cos(yaw)) * STEP, ego.y + np.cumsum(speeds * np.sin(yaw)) * STEP
    return EgoPlan(number, f"plan {number}", STEP, x, y, yaw, speeds, zero, zero)


def asked_alone(predictor: Predictor, one: EgoPlan) -> PredictedAgents:
    answer = predictor.what_if(WhatIfRequest(STAMP, (one,), 60.0))
    assert answer.status is WhatIfStatus.OK
    return answer.predictions[0]


@pytest.mark.parametrize("same_until", [10, 40])
@pytest.mark.parametrize(("agents", "seed", "speed"), [(64, 0, 8.0), (64, 1, 2.0), (150, 2, 14.0)])
def test_plans_asked_one_at_a_time_agree_to_the_bit_until_they_part(
    predictor: Predictor, agents: int, seed: int, speed: float, same_until: int
) -> None:
    now = crowd(agents, seed, speed)
    predictor.predict(now)
    assert now.ego is not None
    keep = np.full(STEPS, speed)
    stop, faster = keep.copy(), keep.copy()
    stop[same_until:] = np.maximum(speed - 6.0 * STEP * np.arange(STEPS - same_until), 0.0)
    faster[same_until:] = speed + 3.0 * STEP * np.arange(STEPS - same_until)
    plans = (plan(0, keep, now.ego), plan(1, stop, now.ego), plan(2, faster, now.ego), plan(3, faster, now.ego, 0.3))
    first, *others = (asked_alone(predictor, one) for one in plans)
    assert any(not np.array_equal(first.positions, other.positions) for other in others)
    for other in others:
        for name in ("positions", "headings"):
            one, two = (getattr(p, name)[:, :, :same_until] for p in (first, other))
            assert one.tobytes() == two.tobytes(), name


def standing(*places: tuple[float, float]) -> PredictedAgents:
    """Agents that go on standing where they are."""
    n = len(places)
    scene = TrackedAgents.from_states(
        STAMP, np.arange(n), np.ones(n, np.uint8), np.array([[x, y, 0.0] for x, y in places]).reshape(n, 3),
        np.zeros(n), np.zeros((n, 2)), np.ones((n, 3), np.float32), ego=EgoState(STAMP, 3.0, 0.0),
    )  # fmt: skip
    return constant_velocity_prediction(scene, modes=MODES)


def test_who_is_near_where_the_ego_is_or_will_be_at_its_velocity_may_react() -> None:
    base = standing((80.0, 5.0), (0.0, -20.0), (40.0, -30.0), (-25.0, 0.0), (0.0, 70.0))
    # At 10 m/s the ego passes the first and the third at knots of 0.5 s; it comes from the second and the fourth.
    ego = EgoState(STAMP, 0.0, 0.0, speed=10.0, rear_axle_to_centre=0.0)
    assert reacting_rows(base, ego, 1).tolist() == [0]
    assert reacting_rows(base, ego, 2).tolist() == [0, 1]
    assert reacting_rows(base, ego, 3).tolist() == [0, 1, 3]
    assert reacting_rows(base, ego, 9).tolist() == [0, 1, 2, 3, 4]
    assert reacting_rows(base, replace(ego, speed=0.0), 2).tolist() == [1, 3]
    assert reacting_rows(base, replace(ego, yaw=np.pi / 2), 1).tolist() == [4]


def test_any_mode_counts() -> None:
    base = standing((0.0, 30.0), (0.0, 60.0))
    positions = np.array(base.positions)
    positions[1, 4] -= [0.0, 55.0]
    ego = EgoState(STAMP, 0.0, 0.0, rear_axle_to_centre=0.0)
    assert reacting_rows(base, ego, 1).tolist() == [0]
    assert reacting_rows(replace(base, positions=positions), ego, 1).tolist() == [1]


def test_who_is_beyond_the_reach_of_any_plan_is_not_asked() -> None:
    reach = REACTION_RANGE + PLAN_MARGIN
    base = standing((0.0, reach - 1.0), (0.0, reach + 1.0), (0.0, -reach - 1.0))
    assert reacting_rows(base, EgoState(STAMP, 0.0, 0.0, rear_axle_to_centre=0.0), 9).tolist() == [0]
    assert reacting_rows(standing(), EgoState(STAMP, 0.0, 0.0), 9).tolist() == []
