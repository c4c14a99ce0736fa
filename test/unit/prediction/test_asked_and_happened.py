"""Answers given while driving against what followed: a drive made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import MODES, STEP, STEPS, PlanEffects, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.prediction.asked_and_happened import AskedAndHappened, AskedVersusHappened

START_NS = 10**15


def scene(step: float, *, leaves: int = 10**6, ego_speed: float = 5.0) -> TrackedAgents:
    """Agent 4 stands at (30, 0), agent 9 walks; the ego drives along x."""
    stamp, t = START_NS + round(step * 1e8), step * STEP
    ids = np.array([4, 9])[: 1 if step >= leaves else 2]
    position = np.array([[30.0, 0.0, 0.8], [10.0 + t, 8.0, 0.9]])[: len(ids)]
    return TrackedAgents.from_states(
        stamp, ids, np.array([1, 7], np.uint8)[: len(ids)], position, np.zeros(len(ids)),
        np.array([[0.0, 0.0], [1.0, 0.0]])[: len(ids)], np.ones((len(ids), 3), np.float32),
        ego=EgoState(stamp_ns=stamp, x=ego_speed * t, y=0.0, speed=ego_speed),
    )  # fmt: skip


def plan(number: int, speed: float, ego: EgoState) -> EgoPlan:
    zero = np.zeros(STEPS)
    x = ego.x + speed * STEP * np.arange(1, STEPS + 1)
    return EgoPlan(number, f"{speed} m/s", STEP, x, zero, zero, zero + speed, zero, zero)


def moved(base: PredictedAgents, by: float) -> PredictedAgents:
    """The answer that agent 9 is `by` m farther to the side all the time, and agent 4 where it was."""
    positions = base.positions.copy()
    positions[1, ..., 1] += by
    return replace(base, positions=positions)


def ask(log: AskedVersusHappened, now: TrackedAgents, speeds: list[float], by: list[float]) -> None:
    assert now.ego is not None
    base = constant_velocity_prediction(now, modes=MODES)
    plans = tuple(plan(n, speed, now.ego) for n, speed in enumerate(speeds))
    none = np.zeros(1, np.float32)
    effects = tuple(PlanEffects(np.array([9]), none, np.array([abs(b)]), none * np.nan) for b in by)
    predictions = tuple(moved(base, b) for b in by)
    risk = np.zeros(len(by), np.float32)
    answer = WhatIfAnswer(WhatIfStatus.OK, "", now.stamp_ns, True, predictions, risk, 0.01, effects)
    log.asked(WhatIfRequest(now.stamp_ns, plans, 1.0), answer, base)


def drive(log: AskedVersusHappened, steps: int, **keywords: float) -> None:
    for step in range(1, steps + 1):
        log.seen(scene(step, **keywords))  # type: ignore[arg-type]


def test_the_answer_to_the_plan_that_was_driven_counts() -> None:
    log = AskedVersusHappened()
    ask(log, scene(0), speeds=[2.0, 5.0, 8.0], by=[7.0, 3.0, 9.0])
    drive(log, 80)
    found = log.scores()
    assert (found.questions, found.followed, found.agents) == (1, 1, 1)  # agent 4 is not moved by the answer
    assert found.seconds == pytest.approx(8.0)
    assert found.conditional == pytest.approx(3.0, abs=1e-3)
    assert found.unconditional == pytest.approx(0.0, abs=1e-3)
    assert found.conditional_likeliest == pytest.approx(3.0, abs=1e-3)
    assert found.better == 0


def test_an_answer_that_knows_better_is_better() -> None:
    log = AskedVersusHappened()
    now = scene(0)
    wrong = replace(now, velocity=np.array([[0.0, 0.0], [1.0, 2.0]]))  # at first it seems to walk off to the side
    base = constant_velocity_prediction(wrong, modes=MODES)
    told = constant_velocity_prediction(now, modes=MODES)
    assert now.ego is not None
    none = np.zeros(1, np.float32)
    effects = (PlanEffects(np.array([9]), none, np.array([16.0]), none * np.nan),)
    answer = WhatIfAnswer(WhatIfStatus.OK, "", now.stamp_ns, True, (told,), none, 0.01, effects)
    log.asked(WhatIfRequest(now.stamp_ns, (plan(0, 5.0, now.ego),), 1.0), answer, base)
    drive(log, 80)
    found = log.scores()
    assert found.conditional == pytest.approx(0.0, abs=1e-3)
    assert found.unconditional == pytest.approx(2.0 * 4.05, abs=0.01)
    assert found.better == 1


def test_it_counts_only_as_long_as_the_plan_is_followed() -> None:
    log = AskedVersusHappened()
    ask(log, scene(0), speeds=[4.5], by=[1.0])  # the ego drives 5 m/s: 2 m ahead after 4 s
    drive(log, 80)
    assert log.scores().seconds == pytest.approx(4.0, abs=0.11)


def test_a_plan_that_is_not_driven_is_not_scored() -> None:
    log = AskedVersusHappened()
    ask(log, scene(0), speeds=[0.0, 10.0], by=[1.0, 2.0])
    drive(log, 80)
    found = log.scores()
    assert (found.questions, found.followed, found.agents) == (1, 0, 0)


def test_who_is_lost_counts_until_then_or_not_at_all() -> None:
    for leaves, agents in ((40, 1), (15, 0)):
        log = AskedVersusHappened()
        ask(log, scene(0), speeds=[5.0], by=[3.0])
        drive(log, 80, leaves=leaves)
        assert log.scores().agents == agents


def test_scores_in_the_middle_tell_what_has_followed_by_then() -> None:
    log = AskedVersusHappened()
    ask(log, scene(0), speeds=[5.0], by=[3.0])
    drive(log, 30)
    assert log.scores().seconds == pytest.approx(3.0)
    assert log.scores() == log.scores()  # asking changes nothing


def test_one_question_a_second_is_kept() -> None:
    log = AskedVersusHappened()
    for step in range(100):
        log.seen(scene(step))
        ask(log, scene(step), speeds=[5.0], by=[3.0])
    assert log.scores().questions == 10


def test_a_new_log_keeps_the_sums() -> None:
    log = AskedVersusHappened()
    ask(log, scene(0), speeds=[5.0], by=[3.0])
    drive(log, 50)
    before = log.scores()
    log.reset()
    drive(log, 80)  # of another log
    assert log.scores() == before


def test_answers_that_do_not_depend_on_the_plan_are_passed_over() -> None:
    log, now = AskedVersusHappened(), scene(0)
    base = constant_velocity_prediction(now)
    assert now.ego is not None
    request = WhatIfRequest(now.stamp_ns, (plan(0, 5.0, now.ego),), 1.0)
    for answer in (
        WhatIfAnswer(WhatIfStatus.DEADLINE, "late", now.stamp_ns),
        WhatIfAnswer(WhatIfStatus.OK, "", now.stamp_ns, False, (base,)),
    ):
        log.asked(request, answer, base)
    assert log.scores() == AskedAndHappened()


def test_diagnostics_and_back() -> None:
    some = AskedAndHappened(4, 3, 12.5, 7, 8.25, 9.125, 10.0, 11.0, 5)
    assert AskedAndHappened.from_values({"ready": "true"} | some.values()) == some
    assert AskedAndHappened.from_values({"ready": "true"}) is None
    assert some.means()["conditional_minADE6_m"] == pytest.approx(8.25 / 7, abs=1e-3)
    assert AskedAndHappened().means()["conditional_minADE6_m"] is None
