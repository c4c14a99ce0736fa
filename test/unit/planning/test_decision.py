"""Deciding with and without an answer to the what-if question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import PredictionSource, Rejection, TrajectorySource, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.road_network.made_up import crossing

STAMP = 1_000_000_000
CROSSER = 12


@pytest.fixture
def crossing_scene(agent: Any, scene: Any) -> TrackedAgents:
    """The ego comes from the west at 9 m/s; a car from the south would meet it in the middle."""
    return scene(
        EgoState(0, -40.0, -1.75, speed=9.0), [agent(CROSSER, 1.75, -42.0, 12.0, np.pi / 2), agent(30, 60.0, 1.75)]
    )


def model(scene: TrackedAgents) -> PredictedAgents:
    return replace(constant_velocity_prediction(scene, 6), source=PredictionSource.MODEL, model="made up")


def braking(predicted: PredictedAgents, agent_id: int, stop_after: float) -> PredictedAgents:
    """The same futures, but one agent slows down evenly and stands after `stop_after` seconds."""
    row = int(np.flatnonzero(predicted.agent_ids == agent_id)[0])
    positions = predicted.positions.copy()
    time = 0.1 * np.arange(1, predicted.steps + 1)
    velocity = (positions[row, 0, 1] - positions[row, 0, 0]) / 0.1
    start = positions[row, 0, 0] - velocity * 0.1
    way = np.where(time < stop_after, time - time**2 / (2 * stop_after), stop_after / 2)
    positions[row] = start + velocity * way[:, None]
    return replace(predicted, positions=positions)


def answer_with(proposal: Proposal, future: Callable[[EgoPlan], PredictedAgents], **change: Any) -> WhatIfAnswer:
    assert proposal.request is not None
    plans = proposal.request.plans
    values: dict[str, Any] = {
        "status": WhatIfStatus.OK,
        "scene_stamp_ns": STAMP,
        "conditional": True,
        "predictions": tuple(future(plan) for plan in plans),
        "collision_probabilities": np.zeros(len(plans), np.float32),
    }
    return WhatIfAnswer(**(values | change))


def goes_first(plan: EgoPlan) -> bool:
    """The ego has left the way of the car from the south after 5 s."""
    return bool(plan.x[49] > 6.0)


def proposal_for(scene: TrackedAgents) -> tuple[Planner, Proposal]:
    planner = Planner()
    planner.set_road_network(crossing(signals=False))
    return planner, planner.propose(scene, model(scene), None)


def test_plans_that_collide_unless_others_yield_are_asked_about(crossing_scene: TrackedAgents) -> None:
    _, proposal = proposal_for(crossing_scene)
    codes = proposal.rejections[proposal.asked]
    assert (codes == Rejection.COLLISION).any()
    assert (codes == Rejection.KEPT).sum() >= 2
    assert proposal.request is not None
    assert proposal.request.scene_stamp_ns == STAMP
    assert proposal.request.affected_only


def test_a_yielding_answer_lets_the_ego_go_first(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    without, _ = planner.decide(proposal, None, WhatIfStatus.TIMEOUT)
    futures = model(crossing_scene)
    answer = answer_with(proposal, lambda _: braking(futures, CROSSER, 4.0))
    trajectory, decision = planner.decide(proposal, answer, WhatIfStatus.OK)
    assert decision.answer_status == WhatIfStatus.OK
    assert decision.conditional
    assert trajectory.plan.x[-1] > without.plan.x[-1] + 3.0
    assert "without the answer it would have been" in decision.explanation
    row = decision.asked.tolist().index(decision.chosen)
    assert decision.conditional_totals[row] == decision.conditional_totals.min()


def test_an_answer_that_warns_changes_the_choice(agent: Any, scene: Any) -> None:
    """Unconditionally the way is free; under the plans that go on, a car turns into the ego's way."""
    now = scene(EgoState(0, -40.0, -1.75, speed=9.0), [agent(CROSSER, 1.75, -30.0, 0.0, np.pi / 2)])
    planner, proposal = proposal_for(now)
    free, _ = planner.decide(proposal, None, WhatIfStatus.TIMEOUT)
    assert goes_first(free.plan)
    futures = model(now)
    positions = futures.positions.copy()
    target = np.array([8.0, -1.75]) - futures.origin
    positions[0] = positions[0] + (target - positions[0]) * np.minimum(1.0, np.arange(1, 81) / 25)[:, None]
    intruding = replace(futures, positions=positions.astype(np.float32))
    planner, proposal = proposal_for(now)
    answer = answer_with(proposal, lambda plan: intruding if goes_first(plan) else futures)
    trajectory, decision = planner.decide(proposal, answer, WhatIfStatus.OK)
    assert not goes_first(trajectory.plan)
    assert proposal.request is not None
    first = np.array([goes_first(plan) for plan in proposal.request.plans])
    assert first.any()
    assert (decision.conditional_totals[first] > decision.totals[decision.asked[first]] + 5.0).all()


def test_after_an_answer_plans_nobody_was_asked_about_do_not_win(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    futures = model(crossing_scene)
    asked = proposal.asked[:2]
    assert proposal.request is not None
    dear = proposal.motion.copy()
    dear[asked, 0] += 100.0
    few = replace(
        proposal, asked=asked, motion=dear, request=replace(proposal.request, plans=proposal.request.plans[:2])
    )
    answer = answer_with(few, lambda _: futures)
    _, decision = planner.decide(few, answer, WhatIfStatus.OK)
    assert np.nanmin(decision.conditional_totals) > 100.0 > decision.totals.min()
    assert decision.chosen in asked
    # Unless none of them is acceptable.
    codes = proposal.rejections.copy()
    codes[asked] = Rejection.OFF_ROAD
    blocked = replace(few, rejections=codes)
    _, decision = planner.decide(blocked, answer, WhatIfStatus.OK)
    assert decision.chosen not in asked
    assert not decision.conditional


def test_each_plan_is_judged_with_its_own_futures(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    futures = model(crossing_scene)
    gentle, rude = braking(futures, CROSSER, 4.0), futures
    first = int(proposal.asked[0])
    answer = answer_with(proposal, lambda plan: rude if plan.id == first else gentle)
    mixed = planner.decide(proposal, answer, WhatIfStatus.OK)[1]
    plain = planner.decide(proposal, answer_with(proposal, lambda _: rude), WhatIfStatus.OK)[1]
    assert mixed.conditional_totals[0] == pytest.approx(plain.conditional_totals[0], abs=1e-3)
    colliding = plain.rejections[plain.asked] == Rejection.COLLISION
    assert (mixed.rejections[mixed.asked][1:] == Rejection.COLLISION).sum() < colliding[1:].sum()


def test_agents_left_out_keep_their_unconditional_future(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    futures = model(crossing_scene)
    full = planner.decide(proposal, answer_with(proposal, lambda _: futures), WhatIfStatus.OK)[1]
    nobody = replace(
        futures, agent_ids=futures.agent_ids[:0], probabilities=futures.probabilities[:0],
        positions=futures.positions[:0], headings=futures.headings[:0], covariances=futures.covariances[:0],
    )  # fmt: skip
    short = planner.decide(proposal, answer_with(proposal, lambda _: nobody), WhatIfStatus.OK)[1]
    np.testing.assert_allclose(short.conditional_totals, full.conditional_totals, rtol=1e-5)
    np.testing.assert_allclose(short.conditional_totals, proposal.totals[proposal.asked], rtol=1e-4)


def test_making_others_brake_costs_and_is_said(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    futures = model(crossing_scene)
    yields = braking(futures, CROSSER, 3.0)
    answer = answer_with(proposal, lambda plan: yields if goes_first(plan) else futures)
    assert proposal.request is not None
    assert any(goes_first(plan) for plan in proposal.request.plans)
    _, decision = planner.decide(proposal, answer, WhatIfStatus.OK)
    assert f"agent {CROSSER} brake" in decision.explanation


def test_an_unconditional_answer_is_not_called_conditional(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    futures = model(crossing_scene)
    _, decision = planner.decide(proposal, answer_with(proposal, lambda _: futures, conditional=False), WhatIfStatus.OK)
    assert not decision.conditional
    assert decision.answer_status == WhatIfStatus.OK


def _other_stamp(predicted: PredictedAgents) -> PredictedAgents:
    return replace(predicted, stamp_ns=5)


def _unknown_agent(predicted: PredictedAgents) -> PredictedAgents:
    return replace(predicted, agent_ids=np.array([CROSSER, 777]))


def _doubled_agent(predicted: PredictedAgents) -> PredictedAgents:
    return replace(predicted, agent_ids=np.array([CROSSER, CROSSER]))


def _short(predicted: PredictedAgents) -> PredictedAgents:
    return replace(
        predicted, positions=predicted.positions[:, :, :9], headings=predicted.headings[:, :, :9],
        covariances=predicted.covariances[:, :, :9],
    )  # fmt: skip


def _far(predicted: PredictedAgents) -> PredictedAgents:
    return replace(predicted, positions=predicted.positions + np.float32(1e6))


def _negative_variance(predicted: PredictedAgents) -> PredictedAgents:
    return replace(predicted, covariances=-predicted.covariances)


def test_answers_with_different_numbers_of_modes_are_garbage(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    many, one = (
        model(crossing_scene),
        replace(constant_velocity_prediction(crossing_scene), source=PredictionSource.MODEL),
    )
    answer = answer_with(proposal, lambda plan: one if plan.id == proposal.asked[0] else many)
    trajectory, decision = planner.decide(proposal, answer, WhatIfStatus.OK)
    assert decision.answer_status == WhatIfStatus.INVALID
    assert "number of modes" in decision.explanation
    assert len(trajectory.plan) == 80


@pytest.mark.parametrize(
    "spoil", [_other_stamp, _unknown_agent, _doubled_agent, _short, _far, _negative_variance], ids=lambda f: f.__name__
)
def test_garbage_predictions_are_refused_and_there_is_still_a_plan(spoil: Any, crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    expected, _ = planner.decide(proposal, None, WhatIfStatus.TIMEOUT)
    bad = spoil(model(crossing_scene))
    trajectory, decision = planner.decide(proposal, answer_with(proposal, lambda _: bad), WhatIfStatus.OK)
    assert decision.answer_status == WhatIfStatus.INVALID
    assert not decision.conditional
    assert "garbage" in decision.explanation
    np.testing.assert_array_equal(trajectory.plan.xy, expected.plan.xy)


@pytest.mark.parametrize(
    "change",
    [
        {"predictions": ()},
        {"scene_stamp_ns": 5},
        {"collision_probabilities": np.zeros(1, np.float32)},
        {"collision_probabilities": np.full(PlannerConfig().shortlist, np.nan, np.float32)},
        {"collision_probabilities": np.full(PlannerConfig().shortlist, 7.0, np.float32)},
    ],
)
def test_garbage_around_the_predictions_too(change: dict[str, Any], crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    assert len(proposal.asked) == PlannerConfig().shortlist
    futures = model(crossing_scene)
    trajectory, decision = planner.decide(proposal, answer_with(proposal, lambda _: futures, **change), WhatIfStatus.OK)
    assert decision.answer_status == WhatIfStatus.INVALID
    assert len(trajectory.plan) == 80


@pytest.mark.parametrize(
    "status",
    [WhatIfStatus.STALE_SCENE, WhatIfStatus.DEADLINE, WhatIfStatus.MODEL_ERROR, WhatIfStatus.BAD_PLAN],
)
def test_the_services_own_refusals_are_passed_on(status: WhatIfStatus, crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    answer = WhatIfAnswer(status, "expected this, found that")
    trajectory, decision = planner.decide(proposal, answer, WhatIfStatus.OK)
    assert decision.answer_status == status
    assert "expected this, found that" in decision.explanation
    assert trajectory.source == TrajectorySource.DECISION
    assert np.isnan(decision.collision_probabilities).all()


@pytest.mark.parametrize("status", [WhatIfStatus.TIMEOUT, WhatIfStatus.NO_SERVICE])
def test_without_an_answer_it_says_so(status: WhatIfStatus, crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    _, decision = planner.decide(proposal, None, status)
    assert decision.answer_status == status
    assert "decided without an answer" in decision.explanation


def test_ok_without_an_answer_is_invalid(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    assert planner.decide(proposal, None, WhatIfStatus.OK)[1].answer_status == WhatIfStatus.INVALID


def test_nothing_is_asked_without_agents(scene: Any) -> None:
    planner, proposal = proposal_for(scene(EgoState(0, -40.0, -1.75, speed=9.0), []))
    assert proposal.request is None
    assert planner.decide(proposal, None, WhatIfStatus.TIMEOUT)[1].answer_status == WhatIfStatus.NOT_ASKED


def test_collision_probabilities_of_the_answer_are_passed_on(crossing_scene: TrackedAgents) -> None:
    planner, proposal = proposal_for(crossing_scene)
    futures = model(crossing_scene)
    given = np.linspace(0, 1, len(proposal.asked)).astype(np.float32)
    answer = answer_with(proposal, lambda _: futures, collision_probabilities=given)
    np.testing.assert_array_equal(planner.decide(proposal, answer, WhatIfStatus.OK)[1].collision_probabilities, given)
