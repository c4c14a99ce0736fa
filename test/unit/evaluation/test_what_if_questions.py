"""Which questions are checked, and what was asked in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import PredictionSource, Rejection, WhatIfStatus
from zoox_stack.core.plans import EgoPlan, PlanDecision
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_questions import headings_of, most_different, plan_of, question, questions_of

_NS = 10**9


def decision(
    stamp_ns: int = 0,
    *,
    speeds: tuple[float, ...] = (2.0, 6.0, 10.0, 4.0),
    asked: tuple[int, ...] = (1, 2, 0),
    chosen: int = 1,
    shift: float = 0.0,
) -> PlanDecision:
    """Straight plans at constant speeds; the answer makes the first plan asked about costlier by `shift`."""
    c, n = len(speeds), len(asked)
    times = STEP * np.arange(1, STEPS + 1)
    way = np.array(speeds)[:, None] * times
    totals = np.arange(c, dtype=np.float32)
    conditional = totals[list(asked)].copy()
    conditional[:1] += shift
    return PlanDecision(
        stamp_ns=stamp_ns, predictions_from=PredictionSource.MODEL, answer_status=WhatIfStatus.OK, conditional=True,
        chosen=chosen, explanation="", names=tuple(f"at {v:g}" for v in speeds), origin=np.array([100.0, 50.0]),
        step=STEP, positions=np.stack([way, np.zeros_like(way)], axis=-1).astype(np.float32),
        speeds=np.repeat(np.array(speeds, np.float32)[:, None], STEPS, axis=1), rejections=np.zeros(c, np.uint8),
        cost_names=("all",), costs=totals[:, None], totals=totals, asked=np.array(asked, np.uint32),
        collision_probabilities=np.zeros(n, np.float32), conditional_totals=conditional,
    )  # fmt: skip


def ego(stamp_ns: int = 0, speed: float = 6.0) -> EgoState:
    return EgoState(stamp_ns, 100.0, 50.0, yaw=0.0, speed=speed)


def run_of(decisions: list[PlanDecision], seconds: float) -> RecordedRun:
    run = RecordedRun()
    for d in [*decisions, decision(round(seconds * _NS), asked=())]:
        run.decisions[d.stamp_ns] = d
        run.tracks[d.stamp_ns] = TrackedAgents.empty(d.stamp_ns, ego(d.stamp_ns))
    return run


def test_a_plan_comes_back_from_a_decision() -> None:
    """A circle of 20 m radius driven at 5 m/s and braked with 1 m/s^2."""
    times = STEP * np.arange(1, STEPS + 1)
    speed = np.maximum(5.0 - times, 0.0)
    way = np.where(speed > 0, 5.0 * times - times**2 / 2, 12.5)
    yaw = way / 20.0
    d = decision(speeds=(1.0,), asked=(0,), chosen=0)
    circle = np.stack([20 * np.sin(yaw), 20 * (1 - np.cos(yaw))], axis=-1)[None]
    d = replace(d, positions=circle.astype(np.float32), speeds=speed[None].astype(np.float32))
    plan = plan_of(d, 0, ego(speed=5.0))
    moving = speed > 0.6
    np.testing.assert_allclose(plan.xy, circle[0] + [100.0, 50.0], atol=1e-5)
    np.testing.assert_allclose(plan.yaw[moving], yaw[moving], atol=2e-3)
    np.testing.assert_allclose(plan.yaw[~moving], yaw[-1], atol=0.03)  # kept while it stands
    np.testing.assert_allclose(plan.acceleration[moving], -1.0, atol=1e-3)
    np.testing.assert_allclose(plan.curvature[moving][2:], 1 / 20, atol=4e-3)
    assert (plan.name, plan.id) == ("at 1", 0)


def test_headings_do_not_leap_and_begin_with_the_first() -> None:
    turn = np.linspace(3.0, 3.6, 20)  # beyond pi
    xy = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], axis=1), axis=0)
    found = headings_of(xy, 3.0)
    assert np.abs(np.diff(found)).max() < 0.1
    assert headings_of(np.zeros((5, 2)), 1.2).tolist() == [1.2] * 5


def straight(speed: float) -> EgoPlan:
    x = speed * STEP * np.arange(1, STEPS + 1)
    still = np.zeros(STEPS)
    return EgoPlan(0, f"{speed:g}", STEP, x, still, still, still + speed, still, still)


def test_the_most_different_plans_are_taken() -> None:
    plans = [straight(v) for v in (5.0, 5.2, 5.4, 10.0, 0.0, 7.4)]
    assert most_different(plans, [0, 1], 4) == (0, 1, 3, 4)  # 10 and 0 are both 5 away from the nearest taken
    assert most_different(plans, [2, 2], 2) == (2, 4)
    assert most_different(plans[:2], [0], 4) == (0, 1)


def test_a_question_knows_whether_the_answer_changed_the_plan() -> None:
    changed = question(decision(asked=(1, 2, 0), chosen=2), ego())
    assert changed.changed
    assert changed.chosen == 1  # row among those asked about
    assert [plan.name for plan in changed.plans] == ["at 6", "at 10", "at 2"]
    assert not question(decision(asked=(1, 2, 0), chosen=1), ego()).changed


def test_one_question_per_window_and_the_most_telling() -> None:
    decisions = [
        decision(0, chosen=1, shift=0.2),
        decision(1 * _NS, chosen=1, shift=0.9),  # the costs change most
        decision(2 * _NS, chosen=1, shift=0.5),
        decision(3 * _NS, chosen=1, shift=5.0),
        decision(4 * _NS, chosen=2, shift=0.1),  # the decision changes
    ]
    found = questions_of(run_of(decisions, seconds=20.0))
    assert [q.stamp_ns for q in found] == [1 * _NS, 4 * _NS]


def test_the_plan_that_won_is_always_shown() -> None:
    d = decision(asked=(1, 2, 0), chosen=3)  # nobody was asked about it
    found = question(d, ego())
    assert [plan.id for plan in found.plans] == [1, 2, 0, 3]
    assert (found.chosen, found.changed, found.acceptable) == (3, True, True)
    assert found.chosen in found.shown
    assert len(found.recorded) == 3


def test_a_plan_that_the_answer_threw_out_is_not_confirmed() -> None:
    d = replace(decision(chosen=1), rejections=np.full(4, Rejection.COLLISION, np.uint8))
    found = question(d, ego())
    assert (found.chosen, found.changed, found.acceptable) == (0, False, False)


@pytest.mark.parametrize("seconds", [8.0, 7.9])
def test_eight_seconds_of_drive_must_be_left(seconds: float) -> None:
    assert len(questions_of(run_of([decision(0)], seconds))) == (seconds >= 8.0)


def test_questions_without_an_answer_are_left_out() -> None:
    late = replace(decision(0), answer_status=WhatIfStatus.TIMEOUT)
    assert questions_of(run_of([late], 20.0)) == []
    assert questions_of(run_of([decision(0, asked=(2,))], 20.0)) == []  # one plan is no choice
