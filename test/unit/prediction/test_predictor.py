"""The predictor with the shipped network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, PredictionSource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError, ModelError
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import MODES, STEP, STEPS, WhatIfRequest
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.network import DECODER_FILE, ENCODER_FILE, SHIPPED_MODELS, bucket
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.prediction.rule_futures import RuleFutures
from zoox_stack.prediction.what_if import MAX_PLANS
from zoox_stack.road_network.made_up import crossing

STEP_NS = 100_000_000
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


def scene(step: int = 0, agents: int = 12, *, ego: bool = True, seed: int = 0) -> TrackedAgents:
    rng = np.random.default_rng(seed)
    start, yaw = rng.uniform(-35, 60, (agents, 2)), rng.uniform(-np.pi, np.pi, agents)
    speed = rng.uniform(0, 10, agents)
    velocity = speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    position = np.concatenate([start + velocity * step * STEP, np.zeros((agents, 1))], axis=1)
    stamp = START_NS + step * STEP_NS
    state = EgoState(stamp_ns=stamp, x=0.8 * step, y=0.0, speed=8.0) if ego else None
    return TrackedAgents.from_states(
        stamp, np.arange(agents) * 3 + 1, rng.choice([1, 2, 6, 7], agents).astype(np.uint8), position, yaw, velocity,
        np.tile(np.array([4.5, 1.9, 1.6], np.float32), (agents, 1)), ego=state,
    )  # fmt: skip


def plan(number: int, speeds: np.ndarray, ego: EgoState) -> EgoPlan:
    x = ego.x + np.cumsum(speeds) * STEP
    zero = np.zeros(STEPS)
    return EgoPlan(number, f"plan {number}", STEP, x, zero + ego.y, zero, speeds, np.gradient(speeds, STEP), zero)


def run(predictor: Predictor, steps: int = 11, **keywords: int) -> TrackedAgents:
    for step in range(steps):
        now = scene(step, **keywords)
        predictor.predict(now)
    return now


def test_shapes_order_and_origin(predictor: Predictor) -> None:
    now = scene(3)
    out = predictor.predict(now)
    assert out.agent_ids.tolist() == now.ids.tolist()
    assert out.positions.shape == (12, MODES, STEPS, 2)
    assert out.source is PredictionSource.MODEL
    assert out.provider == "CPUExecutionProvider"
    assert out.model.startswith("zoox-")
    first_step = np.linalg.norm(out.map_positions[:, :, 0] - now.position[:, None, :2], axis=-1)
    assert first_step.max() < 2.5  # nobody jumps within 0.1 s
    eigen = out.covariances[..., 0] * out.covariances[..., 2] - out.covariances[..., 1] ** 2
    assert (eigen > 0).all()


def test_same_scenes_give_the_same_bits(predictor: Predictor) -> None:
    run(predictor)
    first = predictor.predict(scene(11))
    predictor.reset()
    run(predictor)
    second = predictor.predict(scene(11))
    for name in ("positions", "headings", "probabilities", "covariances"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_history_counts(predictor: Predictor) -> None:
    alone = predictor.predict(scene(11))
    predictor.reset()
    run(predictor)
    assert not np.array_equal(alone.positions, predictor.predict(scene(11)).positions)


def test_moving_the_world_moves_the_predictions(predictor: Predictor) -> None:
    """Far from the origin of the map nothing changes but the numbers (no map here: it does not move along)."""
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1))
    near = predictor.predict(scene())
    predictor.reset()
    now, shift = scene(), np.array([400_000.0, 5_000_000.0, 0.0])
    assert now.ego is not None
    moved = replace(
        now, position=now.position + shift, ego=replace(now.ego, x=now.ego.x + shift[0], y=now.ego.y + shift[1])
    )
    far = predictor.predict(moved)
    np.testing.assert_allclose(far.map_positions - shift[:2], near.map_positions, atol=0.02)


@pytest.mark.parametrize("agents", [0, 1, 300])
def test_any_number_of_agents(predictor: Predictor, agents: int) -> None:
    out = predictor.predict(scene(agents=agents))
    assert len(out) == agents
    answer = predictor.what_if(WhatIfRequest(0, (plan(0, np.full(STEPS, 8.0), scene().ego),), 10.0))  # type: ignore[arg-type]
    assert answer.status is WhatIfStatus.OK


def test_agents_far_outside_the_image_are_predicted_by_rule(predictor: Predictor) -> None:
    now = scene(agents=6)
    position = now.position.copy()
    position[[1, 4], 0] = [150.0, -90.0]
    now = replace(now, position=position)
    out = predictor.predict(now)
    assert out.agent_ids.tolist() == now.ids.tolist()
    assert predictor.by_network(now.stamp_ns).tolist() == [True, False, True, True, False, True]
    rules = RuleFutures(crossing()).predict(now)
    for row in (1, 4):
        np.testing.assert_allclose(out.map_positions[row], rules.map_positions[row], atol=1e-3)
        np.testing.assert_allclose(out.probabilities[row], rules.probabilities[row], atol=1e-6)


def test_which_agents_the_network_predicted_is_known_while_the_scene_is_held(predictor: Predictor) -> None:
    with pytest.raises(InvalidInputError, match="one that is held"):
        predictor.by_network(1)


def test_hazards_and_the_farthest_agents_are_left_to_the_rule() -> None:
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1, max_agents=3))
    place = np.array([[40.0, 0.0, 0.0], [5.0, 3.0, 0.0], [20.0, 3.0, 0.0], [30.0, -3.0, 0.0], [10.0, -3.0, 0.0]])
    classes = np.array([AgentClass.CAR] * 4 + [AgentClass.HAZARD], np.uint8)
    now = TrackedAgents.from_states(
        START_NS, np.arange(5) + 1, classes, place, np.zeros(5), np.full((5, 2), 2.0), np.ones((5, 3), np.float32),
        ego=EgoState(stamp_ns=START_NS, x=0.0, y=0.0, speed=8.0),
    )  # fmt: skip
    predictor.predict(now)
    assert np.flatnonzero(predictor.by_network(now.stamp_ns)).tolist() == [1, 2, 3]


def test_without_odometry_it_says_constant_velocity(predictor: Predictor) -> None:
    out = predictor.predict(scene(ego=False))
    assert out.source is PredictionSource.CONSTANT_VELOCITY
    assert out.model == ""


def test_nothing_depends_on_what_the_ego_does_later(predictor: Predictor) -> None:
    now = run(predictor)
    assert now.ego is not None
    same_until = 40
    go = np.full(STEPS, 8.0)
    stop = go.copy()
    stop[same_until:] = np.linspace(8, 0, STEPS - same_until)
    answer = predictor.what_if(WhatIfRequest(now.stamp_ns, (plan(0, go, now.ego), plan(1, stop, now.ego)), 10.0))
    first, second = answer.predictions
    assert answer.conditional
    assert first.positions[:, :, :same_until].tobytes() == second.positions[:, :, :same_until].tobytes()
    assert first.headings[:, :, :same_until].tobytes() == second.headings[:, :, :same_until].tobytes()
    assert not np.array_equal(first.positions, second.positions)


def test_far_agents_do_not_react_at_all(predictor: Predictor) -> None:
    near = scene()
    position = near.position.copy()
    position[5:, 1] += 400.0
    now = replace(near, position=position)
    base = predictor.predict(now)
    assert now.ego is not None
    answer = predictor.what_if(WhatIfRequest(0, (plan(0, np.zeros(STEPS), now.ego),), 10.0))
    assert answer.predictions[0].positions[5:].tobytes() == base.positions[5:].tobytes()
    affected = predictor.what_if(WhatIfRequest(0, (plan(0, np.zeros(STEPS), now.ego),), 10.0, affected_only=True))
    assert set(affected.predictions[0].agent_ids.tolist()) <= set(now.ids[:5].tolist())


def test_a_batch_of_plans_equals_one_at_a_time(predictor: Predictor) -> None:
    now = run(predictor)
    assert now.ego is not None
    plans = tuple(plan(i, np.full(STEPS, float(i)), now.ego) for i in range(8))
    batch = predictor.what_if(WhatIfRequest(0, plans, 10.0))
    for index in (0, 7):
        single = predictor.what_if(WhatIfRequest(0, (plans[index],), 10.0))
        np.testing.assert_allclose(single.predictions[0].positions, batch.predictions[index].positions, atol=1e-3)
        assert single.collision_probabilities[0] == pytest.approx(batch.collision_probabilities[index], abs=1e-3)


def test_driving_into_someone_is_a_collision(predictor: Predictor) -> None:
    now = scene(agents=1)
    now = replace(
        now, position=np.array([[14.0, 0.0, 0.8]]), velocity=np.zeros((1, 2)), yaw=np.zeros(1),
        classes=np.array([AgentClass.CAR], np.uint8),
    )  # fmt: skip
    predictor.predict(now)
    assert now.ego is not None
    through, stay = plan(0, np.full(STEPS, 12.0), now.ego), plan(1, np.zeros(STEPS), now.ego)
    answer = predictor.what_if(WhatIfRequest(0, (through, stay), 10.0))
    assert answer.collision_probabilities[0] > 0.5 > answer.collision_probabilities[1]


def test_no_scene(predictor: Predictor) -> None:
    request = WhatIfRequest(0, (plan(0, np.zeros(STEPS), EgoState(1, 0.0, 0.0)),), 1.0)
    assert predictor.what_if(request).status is WhatIfStatus.NO_SCENE


def test_stale_scene(predictor: Predictor) -> None:
    first = scene(0)
    for step in range(predictor.config.kept_scenes + 1):
        predictor.predict(scene(step))
    assert first.ego is not None
    answer = predictor.what_if(WhatIfRequest(first.stamp_ns, (plan(0, np.zeros(STEPS), first.ego),), 1.0))
    assert answer.status is WhatIfStatus.STALE_SCENE
    assert str(first.stamp_ns) in answer.message


def bad_plans() -> list[tuple[str, tuple[EgoPlan, ...]]]:
    ego = EgoState(1, 0.0, 0.0)
    good = plan(4, np.zeros(STEPS), ego)
    short = EgoPlan(5, "short", STEP, *(np.zeros(10) for _ in range(6)))
    slow = replace(good, step=0.2)
    far = plan(6, np.zeros(STEPS), EgoState(1, 60.0, 0.0))
    return [("none", ()), ("many", (good,) * (MAX_PLANS + 1)), ("short", (short,)), ("step", (slow,)), ("far", (far,))]


@pytest.mark.parametrize(("name", "plans"), bad_plans(), ids=[n for n, _ in bad_plans()])
def test_bad_plans_are_named(predictor: Predictor, name: str, plans: tuple[EgoPlan, ...]) -> None:
    predictor.predict(scene())
    answer = predictor.what_if(WhatIfRequest(0, plans, 1.0))
    assert answer.status is WhatIfStatus.BAD_PLAN
    assert "expected" in answer.message
    assert answer.predictions == ()


def test_a_hopeless_deadline_is_refused(predictor: Predictor) -> None:
    now = scene()
    predictor.predict(now)
    assert now.ego is not None
    plans = tuple(plan(i, np.zeros(STEPS), now.ego) for i in range(16))
    answer = predictor.what_if(WhatIfRequest(0, plans, 1e-6))
    assert answer.status is WhatIfStatus.DEADLINE
    assert answer.predictions == ()


def test_models_of_two_runs_do_not_mix(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    for file in SHIPPED_MODELS.glob("*.onnx"):
        model = onnx.load(str(file))
        props = {p.key: p.value for p in model.metadata_props}
        if "decoder" in file.name:
            props["run"] = "another"
        onnx.helper.set_model_props(model, props)
        onnx.save(model, str(tmp_path / file.name))
    with pytest.raises(ModelError, match="one training run"):
        Predictor(PredictionConfig(model_dir=str(tmp_path), provider="cpu"))


def test_a_model_of_another_scene_image_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    for file in SHIPPED_MODELS.glob("*.onnx"):
        model = onnx.load(str(file))
        onnx.helper.set_model_props(model, {"name": "other", "run": "1", "channels": "0" * 64})
        onnx.save(model, str(tmp_path / file.name))
    with pytest.raises(ModelError, match="scene image of this version"):
        Predictor(PredictionConfig(model_dir=str(tmp_path), provider="cpu"))


def test_the_shipped_files_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in SHIPPED_MODELS.glob("*.onnx")}
    assert {ENCODER_FILE, DECODER_FILE} <= sizes.keys()
    assert sum(sizes.values()) <= 20e6, sizes


def test_buckets_hold_what_they_must() -> None:
    assert [bucket(n) for n in (0, 1, 8, 9, 300, 1025)] == [4, 4, 8, 12, 512, 2048]
