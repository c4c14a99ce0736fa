"""AUC, Brier skill and intervals, by hand and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.evaluation.skill import area_under_curve, brier_skill, interval


def test_area_by_hand() -> None:
    happened = np.array([True, False, True, False])
    assert area_under_curve(happened, np.array([0.9, 0.1, 0.8, 0.2])) == 1.0
    assert area_under_curve(happened, np.array([0.1, 0.9, 0.2, 0.8])) == 0.0
    assert area_under_curve(happened, np.array([0.9, 0.5, 0.3, 0.2])) == 0.75
    assert area_under_curve(happened, np.zeros(4)) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_area_is_the_share_of_pairs_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    happened, score = rng.random(60) < 0.3, np.round(rng.random(60), 1)
    gap = score[happened][:, None] - score[~happened]
    assert area_under_curve(happened, score) == pytest.approx(((gap > 0) + 0.5 * (gap == 0)).mean())


def test_a_weight_is_a_number_of_copies() -> None:
    rng = np.random.default_rng(1)
    happened, score, copies = rng.random(40) < 0.4, np.round(rng.random(40), 1), rng.integers(0, 4, 40)
    repeated = area_under_curve(np.repeat(happened, copies), np.repeat(score, copies))
    assert area_under_curve(happened, score, copies.astype(float)) == pytest.approx(repeated)


@pytest.mark.parametrize("happened", [[], [True, True], [False]])
def test_area_needs_both_kinds(happened: list[bool]) -> None:
    assert np.isnan(area_under_curve(np.array(happened, bool), np.linspace(0, 1, len(happened))))


def test_brier_skill_by_hand() -> None:
    happened = np.array([True, False, False, False])
    assert brier_skill(happened, happened.astype(float)) == 1.0
    assert brier_skill(happened, np.full(4, 0.25)) == pytest.approx(0.0)
    assert brier_skill(happened, np.full(4, 1.0)) == pytest.approx(1 - 0.75 / 0.1875)
    assert np.isnan(brier_skill(np.zeros(3, bool), np.zeros(3)))
    assert np.isnan(brier_skill(np.zeros(0, bool), np.zeros(0)))


def test_the_interval_is_that_of_scenes() -> None:
    """Rows of one scene are all alike: their number adds nothing."""
    rng = np.random.default_rng(2)
    value = rng.normal(size=25)

    def width(copies: int) -> float:
        rows = np.repeat(value, copies)
        low, high = interval(np.repeat(np.arange(25), copies), lambda w: float((w * rows).sum() / w.sum()))
        assert low < value.mean() < high
        return high - low

    assert width(20) == pytest.approx(width(1))
    assert width(1) == pytest.approx(2 * 1.96 * value.std() / 5, rel=0.25)


def test_an_interval_of_nothing_is_unknown() -> None:
    assert all(np.isnan(interval(np.zeros(0, np.int64), lambda w: 1.0)))
    assert all(np.isnan(interval(np.zeros(3, np.int64), lambda w: float("nan"))))
