"""Learned weights beside known ones: how sure they are, and which tell better what a driver does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.planning.cost_learning import (
    Choices,
    LearnedCosts,
    LearningSettings,
    PolicyScore,
    best_temperature,
    learn_costs,
    relearn_costs,
    score_policy,
)

_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True, eq=False)
class CostStudy:
    """What was learned from some logs and tried on others; M cost terms.

    Attributes:
        learned: From the logs that were not held out.
        low: ``[M]`` lower end of the 95 % interval of each weight, logs drawn again and again; NaN without.
        high: ``[M]`` the upper end.
        draws: Draws that gave weights.
        training: Known and learned weights on the choices learned from, each at its best temperature there.
        held_out: Both at the same temperatures on the logs held out; None if there are none with a choice.
    """

    learned: LearnedCosts
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    draws: int
    training: tuple[PolicyScore, PolicyScore]
    held_out: tuple[PolicyScore, PolicyScore] | None


def study_costs(
    choices: Choices,
    known: NDArray[np.float64],
    settings: LearningSettings,
    *,
    held_out: float = 0.3,
    draws: int = 100,
    seed: int = 0,
) -> CostStudy:
    """Learn, and compare.

    Args:
        choices: Of one or more logs.
        known: Weights to compare with, and of which the cost of standing is taken, ``[M]``.
        settings: How weights are learned.
        held_out: Share of the logs that weights are tried on instead.
        draws: For the intervals.
        seed: Of who is held out and of the draws.

    Raises:
        InvalidInputError: As `learn_costs`.
    """
    random = np.random.default_rng(seed)
    logs = random.permutation(np.unique(choices.log))
    apart = min(round(held_out * len(logs)), len(logs) - 1)
    tried, used = np.sort(logs[:apart]), np.sort(logs[apart:])
    training = choices.of_logs(used.tolist())
    learned = learn_costs(training, known, settings)
    drawn = []
    for _ in range(draws if len(used) > 1 else 0):
        again = random.choice(used, len(used)).tolist()
        try:
            drawn.append(relearn_costs(training, known, learned, again, settings).weights)
        except InvalidInputError:  # a draw without an anchor has no scale
            continue
    low, high = np.percentile(drawn, _INTERVAL, axis=0) if drawn else np.full((2, len(known)), np.nan)
    pairs = [(weights, best_temperature(training, weights)) for weights in (known, learned.weights)]

    def scores(some: Choices) -> tuple[PolicyScore, PolicyScore]:
        first, second = (score_policy(some, weights, temperature) for weights, temperature in pairs)
        return first, second

    others = choices.of_logs(tried.tolist())
    return CostStudy(learned, low, high, len(drawn), scores(training), scores(others) if len(others.decided) else None)
