"""Weights from choices: known ones are found again, and their unit with the anchor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.planning.cost_learning import (
    Choices,
    LearningSettings,
    best_temperature,
    joined,
    learn_costs,
    log_policy,
    score_policy,
)
from zoox_stack.planning.cost_study import study_costs

KNOWN = np.array([6.0, 1.0, 1.0, 7.0])  # the driver agrees with the first alone; the last term is always 0
TRUE = np.array([6.0, 3.0, 0.4, 2.0])
STANDS = [1.0, 0.0, 0.0, 0.0]


def packed(terms: list[NDArray[np.float64]], chosen: list[int], features: NDArray[np.float64], log: int = 0) -> Choices:
    """Scenes one after the other, whose first candidate is to stand."""
    first = np.cumsum(np.array([0, *(len(t) for t in terms[:-1])], np.int64))
    n = len(terms)
    following = np.append(np.arange(1, n), -1)
    rows = np.concatenate(terms)
    return Choices(
        rows,
        first,
        first + np.array(chosen, np.int64),
        first.copy(),
        np.ones(n, bool),
        features,
        following,
        np.full(n, log),
        rows[:, 0],
    )


def sampled(count: int, temperature: float, seed: int = 0, log: int = 0) -> Choices:
    """Choices of somebody with the weights `TRUE` among 5 to 15 plans."""
    random = np.random.default_rng(seed)
    terms, chosen = [], []
    for _ in range(count):
        plans = random.uniform(size=(random.integers(5, 15), 4)) * [1, 1, 1, 0]
        plans[0] = STANDS
        share = np.exp(-plans @ TRUE / temperature)
        terms.append(plans)
        chosen.append(int(random.choice(len(plans), p=share / share.sum())))
    return packed(terms, chosen, np.ones((count, 1)), log)


@pytest.mark.parametrize("temperature", [0.4, 2.0])
def test_weights_and_their_unit_are_found_again(temperature: float) -> None:
    learned = learn_costs(sampled(6000, temperature), KNOWN)
    assert learned.weights[:3] == pytest.approx(TRUE[:3], abs=0.25)
    assert learned.temperature == pytest.approx(temperature, rel=0.1)


def test_a_term_in_which_plans_never_differ_keeps_its_weight() -> None:
    learned = learn_costs(sampled(300, 1.0), KNOWN)
    assert learned.seen.tolist() == [True, True, True, False]
    assert learned.weights[3] == KNOWN[3]


def test_the_unit_is_that_of_the_known_cost_of_standing() -> None:
    choices = sampled(500, 1.0)
    twice = learn_costs(choices, 2 * KNOWN)
    assert twice.weights == pytest.approx(2 * learn_costs(choices, KNOWN).weights, rel=1e-3)


def test_without_an_anchor_there_is_no_unit() -> None:
    choices = sampled(100, 1.0)
    never = replace(choices, stands=np.zeros(100, bool))
    with pytest.raises(InvalidInputError, match="scenes in which the ego stands and may stay"):
        learn_costs(never, KNOWN)
    nowhere = replace(choices, anchor=np.full(100, -1))
    with pytest.raises(InvalidInputError, match="none in 100 scenes"):
        learn_costs(nowhere, KNOWN)


def test_a_driver_who_would_rather_stand_gives_no_unit() -> None:
    choices = sampled(300, 1.0)
    lazy = replace(choices, chosen=choices.first.copy())
    with pytest.raises(InvalidInputError, match="one who would rather stand"):
        learn_costs(lazy, KNOWN, LearningSettings(prior=0.0))


def test_no_choice_at_all() -> None:
    choices = sampled(10, 1.0)
    with pytest.raises(InvalidInputError, match="at least one choice"):
        learn_costs(replace(choices, chosen=np.full(10, -1)), KNOWN)


def with_consequences(count: int, discount: float, temperature: float) -> Choices:
    """Two kinds of scenes, a free and a blocked one; the third term of a plan makes the blocked one likelier.

    The driver knows: he chooses by the exact values of the endless game.
    """
    random = np.random.default_rng(1)
    kinds = [random.uniform(size=(12, 4)) * [1, 1, 1, 0] for _ in range(2)]
    kinds[1][:, 0] = 0.7 + 0.3 * kinds[1][:, 0]
    for plans in kinds:
        plans[0] = STANDS
    blocked = [0.1 + 0.8 * plans[:, 2] for plans in kinds]
    values = np.zeros(2)
    for _ in range(2000):
        q = [-p @ TRUE + discount * ((1 - b) * values[0] + b * values[1]) for p, b in zip(kinds, blocked, strict=True)]
        values = np.array([temperature * np.log(np.exp(each / temperature).sum()) for each in q])
    kind, states, chosen = 0, [], []
    for _ in range(count):
        share = np.exp((q[kind] - values[kind]) / temperature)
        states.append(kind)
        chosen.append(int(random.choice(12, p=share / share.sum())))
        kind = int(random.uniform() < blocked[kind][chosen[-1]])
    return packed([kinds[s] for s in states], chosen, np.stack([np.ones(count), states], axis=1))


def test_what_comes_of_a_plan_is_told_from_what_it_costs() -> None:
    choices = with_consequences(20_000, 0.8, 1.0)
    learned = learn_costs(choices, KNOWN, LearningSettings(discount=0.8))
    assert learned.weights[:3] == pytest.approx(TRUE[:3], abs=0.5)
    short_sighted = learn_costs(choices, KNOWN, LearningSettings(discount=0.0))
    assert short_sighted.weights[2] > TRUE[2] + 1.0  # takes the consequences for a cost of the plan


def test_weights_are_not_negative() -> None:
    choices = sampled(400, 1.0)
    liked = choices.terms.copy()
    liked[:, 1] = -liked[:, 1] + 1
    learned = learn_costs(replace(choices, terms=liked), KNOWN)
    assert (learned.weights >= 0).all()
    assert learned.weights[1] == pytest.approx(0.0, abs=1e-6)


def test_policy_sums_to_one_in_every_scene() -> None:
    choices = sampled(20, 1.0)
    share = np.exp(log_policy(choices, TRUE))
    assert np.add.reduceat(share, choices.first) == pytest.approx(1.0)


def test_best_temperature() -> None:
    assert best_temperature(sampled(4000, 0.7), TRUE) == pytest.approx(0.7, rel=0.1)


def test_scores_of_choices_made_by_hand() -> None:
    plans = np.array([STANDS, [0.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]])
    choices = packed([plans, plans], [1, 2], np.ones((2, 1)))
    score = score_policy(choices, KNOWN, 6.0)
    total = np.log(1 + np.exp(-1) + np.exp(-0.5))
    assert score.log_likelihood == pytest.approx(-total - 0.25)
    assert score.within == (0.5, 1.0, 1.0)
    assert score.distance == 0.0


def test_scenes_of_several_logs_stay_apart() -> None:
    both = joined([sampled(4, 1.0, seed, log=seed) for seed in (0, 1)])
    assert both.following.tolist() == [1, 2, 3, -1, 5, 6, 7, -1]
    again = both.of_logs([1, 1])
    assert again.following.tolist() == [1, 2, 3, -1, 5, 6, 7, -1]
    one = sampled(4, 1.0, 1)
    assert np.array_equal(again.terms[: len(one.terms)], one.terms)
    assert again.chosen[:4].tolist() == one.chosen.tolist()


def test_study_tries_weights_on_logs_it_did_not_learn_from() -> None:
    choices = joined([sampled(150, 0.5, seed, log=seed) for seed in range(8)])
    study = study_costs(choices, KNOWN, LearningSettings(), held_out=0.25, draws=20, seed=3)
    assert study.training[0].choices == 900
    assert study.held_out is not None
    known, learned = study.held_out
    assert known.choices == 300
    assert learned.log_likelihood > known.log_likelihood + 0.05
    assert (study.low[:3] <= TRUE[:3] + 0.3).all()
    assert (study.high[:3] >= TRUE[:3] - 0.3).all()
    assert (study.high - study.low)[:3].max() < 2.0
    again = study_costs(choices, KNOWN, LearningSettings(), held_out=0.25, draws=20, seed=3)
    assert np.array_equal(study.low, again.low)


def test_one_log_is_not_held_out() -> None:
    study = study_costs(sampled(200, 1.0), KNOWN, LearningSettings(), draws=5)
    assert study.held_out is None
    assert study.draws == 0
