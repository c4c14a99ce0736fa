"""Scores of what-if answers on a scene made by hand, where every number is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import MODES, STEP, STEPS, PredictedAgents
from zoox_stack.datasets.scene_futures import LOG, SceneFutures
from zoox_stack.evaluation.what_if_run import parting
from zoox_stack.evaluation.what_if_scores import (
    Answer,
    Contact,
    SceneAnswers,
    WhatIfScores,
    apart_from_first,
    score_scene,
)
from zoox_stack.evaluation.what_if_summary import summarise
from zoox_stack.prediction.history import HISTORY_STEPS, SceneHistory

EGO = EgoState(stamp_ns=10**15, x=0.0, y=0.0, speed=8.0)
TIME = STEP * np.arange(1, STEPS + 1)
FROM_RIGHT, AHEAD, FAR = 0, 1, 2  # rows


def plan(number: int, name: str, x: NDArray[np.float64]) -> EgoPlan:
    speed, zero = np.diff(x, prepend=0.0) / STEP, np.zeros(STEPS)
    return EgoPlan(number, name, STEP, x, zero, zero, speed, zero, zero)


def now() -> TrackedAgents:
    """A car that comes from the right 40 m ahead, a standing one 100 m ahead, one far away."""
    return TrackedAgents.from_states(
        EGO.stamp_ns, np.array([3, 5, 8]), np.array([1, 1, 7], np.uint8),
        np.array([[40.0, -30.0, 0.8], [46.0, 0.0, 0.8], [200.0, 90.0, 0.8]]), np.array([np.pi / 2, 0.0, 0.0]),
        np.array([[0.0, 10.0], [0.0, 0.0], [1.0, 0.0]]), np.tile(np.array([4.0, 2.0, 1.5], np.float32), (3, 1)),
        ego=EGO,
    )  # fmt: skip


def scene(plans: int = 3) -> SceneFutures:
    """Plan 0: stop after 16 m. Plan 1: on into the standing car, who comes from the right waits. Plan 2: wait."""
    scene = now()
    every = (
        plan(0, LOG, np.minimum(8.0 * TIME, 16.0)),
        plan(1, "go", 8.0 * TIME),
        plan(2, "candidate: wait", np.zeros(STEPS) + 0.01),
    )[:plans]
    free = scene.position[:, None, :2] + scene.velocity[:, None] * TIME[:, None]
    futures = np.concatenate([np.tile(free, (plans, 1, 1, 1)), np.zeros((plans, 3, STEPS, 1))], axis=-1)
    futures[:, FROM_RIGHT, :, 2] = np.pi / 2
    if plans > 1:
        futures[1, FROM_RIGHT, :, 1] = np.minimum(futures[1, FROM_RIGHT, :, 1], -10.0)  # gives way
    history = SceneHistory(
        scene, np.zeros((3, HISTORY_STEPS, 5)), np.ones((3, HISTORY_STEPS), bool), np.zeros((HISTORY_STEPS, 5)),
        np.ones(HISTORY_STEPS, bool),
    )  # fmt: skip
    return SceneFutures("made up", history, every, futures)


def prediction_of(futures: NDArray[np.float64]) -> PredictedAgents:
    """Exactly `futures` ``[N, T, 3]``, surely."""
    base = constant_velocity_prediction(now(), modes=MODES)
    shape = (3, MODES, STEPS)
    return replace(
        base,
        positions=np.broadcast_to((futures[:, None, :, :2] - base.origin).astype(np.float32), (*shape, 2)),
        headings=np.broadcast_to(futures[:, None, :, 2].astype(np.float32), shape),
        covariances=np.broadcast_to(np.array([0.01, 0.0, 0.01], np.float32), (*shape, 3)),
    )


def perfect(made_up: SceneFutures) -> SceneAnswers:
    told = tuple(prediction_of(future) for future in made_up.futures)
    first = np.full((len(told), 3), np.nan)
    return SceneAnswers(told, told[0], told[0], constant_velocity_prediction(now()), first, 0.0)


def test_apart_from_first_by_hand() -> None:
    apart = apart_from_first(scene().futures)
    np.testing.assert_allclose(apart[:, FROM_RIGHT], [0.0, 60.0, 0.0])
    assert not apart[:, [AHEAD, FAR]].any()


def test_perfect_answers_have_no_error_and_the_one_without_plan_has() -> None:
    scores = score_scene(scene(), perfect(scene()), seed=1)
    assert scores.affected_plan.tolist() == ["go"]
    assert scores.affected_class.tolist() == [1]
    errors = scores.affected_error[0]
    assert errors[Answer.CONDITIONAL] == pytest.approx(0.0, abs=1e-4)
    way = np.maximum(-30.0 + 10.0 * TIME - -10.0, 0.0).mean()
    for answer in (Answer.UNCONDITIONAL, Answer.MASKED, Answer.SHUFFLED, Answer.CONSTANT_VELOCITY):
        assert errors[answer] == pytest.approx(way, abs=1e-3), answer


def test_who_has_left_early_is_not_scored() -> None:
    made_up = scene()
    futures = made_up.futures.copy()
    futures[1, FROM_RIGHT, 60:] = np.nan
    scores = score_scene(replace(made_up, futures=futures), perfect(made_up), seed=1)
    assert not len(scores.affected_error)


def test_who_goes_first() -> None:
    """Only the second plan reaches the crossing, and under it the other gives way."""
    scores = score_scene(scene(), perfect(scene()), seed=1)
    assert scores.crossing_first.tolist() == [False]
    assert scores.crossing_score[0, Answer.CONDITIONAL] < 0.01
    assert (
        scores.crossing_score[0, Answer.UNCONDITIONAL] > 0.99
    )  # it would have been there after 2.8 s, the ego after 4.7
    made_up = scene()
    futures = made_up.futures.copy()
    futures[1, FROM_RIGHT] = futures[0, FROM_RIGHT]  # now it does not give way
    rude = replace(made_up, futures=futures)
    assert score_scene(rude, perfect(rude), seed=1).crossing_first.tolist() == [True]


def test_contacts() -> None:
    scores = score_scene(scene(), perfect(scene()), seed=1)
    assert len(scores.contact_true) == 2 * 3  # the far one is not watched; plan by plan
    true = scores.contact_true.reshape(3, 2, len(Contact))
    assert true[..., Contact.OVERLAP].tolist() == [[False, False], [False, True], [False, False]]
    assert true[..., Contact.NEAR_MISS].tolist() == true[..., Contact.OVERLAP].tolist()
    score = scores.contact_score.reshape(3, 2, len(Contact), len(Answer))[..., Contact.OVERLAP, Answer.CONDITIONAL]
    assert score[1, 1] > 0.99
    assert score[0].max() < 0.01


def test_a_near_miss_is_less_than_half_a_metre() -> None:
    made_up = scene()
    gap = made_up.ego.rear_axle_to_centre + made_up.ego.length / 2 + 2.0  # of the standing car's middle, touching
    for distance, near in ((0.4, True), (0.6, False)):
        stop = replace(made_up.plans[1], x=np.minimum(8.0 * TIME, 46.0 - gap - distance))
        there = replace(made_up, plans=(made_up.plans[0], stop, made_up.plans[2]))
        true = score_scene(there, perfect(there), seed=1).contact_true.reshape(3, 2, 2)[1, 1]
        assert true.tolist() == [False, near]


def test_unaffected_people_should_stay_where_they_are() -> None:
    made_up, answers = scene(), perfect(scene())
    assert not score_scene(made_up, answers, seed=1).unaffected_change.any()
    positions = answers.conditional[2].positions.copy()
    positions[FAR, 3, 40, 0] += 5.0
    nervous = replace(answers.conditional[2], positions=positions)
    scores = score_scene(made_up, replace(answers, conditional=(*answers.conditional[:2], nervous)), seed=1)
    np.testing.assert_allclose(scores.unaffected_change, [0.0, 5.0], atol=1e-4)
    assert scores.unaffected_beside.tolist() == [False, False]


def test_a_drive_with_one_plan_has_what_one_plan_can_tell() -> None:
    made_up = scene(plans=1)
    result = summarise(score_scene(made_up, perfect(made_up), seed=1))
    assert result["affected"]["n"] == 0
    assert result["affected"]["conditional_minADE6_8s"] is None
    assert result["unaffected_median_change_m"] is None
    assert result["early_reaction_max_m"] is None
    assert result["contacts"]["overlap"]["n"] == 2


def test_the_summary_has_the_numbers_by_name() -> None:
    scores = WhatIfScores.concatenate([score_scene(scene(), perfect(scene()), seed=s) for s in range(3)])
    assert scores.affected_scene.tolist() == [0, 1, 2]
    result = summarise(scores)
    assert result["scenes"] == 3
    assert result["affected"]["n"] == 3
    assert result["affected"]["ratio"] == pytest.approx(0.0, abs=1e-3)
    assert result["affected_plans"]["go"]["n"] == 3
    assert result["affected_classes"]["vehicle"]["n"] == 3
    assert result["collision_event"] == "near_miss"  # three overlaps are too few
    assert result["collision_auc"] == 1.0
    assert result["collision_brier_skill"] > 0.99
    assert result["goes_first_auc"] is None  # nobody goes first
    assert result["unaffected_median_change_m"] == 0.0
    assert result["early_reaction_max_m"] == 0.0


def test_plans_that_part_are_equal_until_then() -> None:
    one, other = scene().plans[:2]
    both = parting(other, one, 30)
    np.testing.assert_array_equal(both.xy[:30], other.xy[:30])
    assert both.speed[:30].tobytes() == other.speed[:30].tobytes()
    np.testing.assert_allclose(np.diff(both.x[29:]), np.diff(one.x[29:]), atol=1e-9)
