"""Skill of probabilities of yes-or-no events, and intervals by drawing scenes anew."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

DRAWS = 500  # of a bootstrap
_SEED = 1


def area_under_curve(
    happened: NDArray[np.bool_], score: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> float:
    """Probability that one that happened has a higher score than one that did not; equal scores count half.

    The area under the ROC curve (Hanley and McNeil, 1982), here with weights. NaN without both kinds.
    """
    order = np.argsort(score, kind="stable")
    weight = np.ones(len(score)) if weight is None else weight
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    if not len(starts):
        return float("nan")
    yes = np.add.reduceat((weight * happened)[order], starts)
    no = np.add.reduceat((weight * ~happened)[order], starts)
    total = yes.sum() * no.sum()
    return float((yes * (np.cumsum(no) - no / 2)).sum() / total) if total > 0 else float("nan")


def brier_skill(happened: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """1 minus the Brier score by that of always saying how often it happens; NaN if it always or never does."""
    base = happened.mean() if len(happened) else 0.0
    if base in (0.0, 1.0):
        return float("nan")
    return float(1.0 - ((score - happened) ** 2).mean() / (base * (1.0 - base)))


def interval(scene: NDArray[np.int64], statistic: Callable[[NDArray[np.float64]], float]) -> tuple[float, float]:
    """95 % interval of a statistic of rows when whole scenes are drawn anew (percentile bootstrap, Efron, 1979).

    Rows of one scene are not independent: scenes are drawn, with replacement.

    Args:
        scene: ``[n]`` scene of each row.
        statistic: Called with how often each row was drawn, ``[n]``; draws in which it is NaN are left out.
    """
    if not len(scene):
        return float("nan"), float("nan")
    scenes, row = np.unique(scene, return_inverse=True)
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(len(scenes), np.full(len(scenes), 1.0 / len(scenes)), size=DRAWS)
    values = np.array([statistic(counts[row].astype(np.float64)) for counts in drawn])
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
