"""Planners compared on the same towns and seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
from zoox_stack.evaluation.closed_loop_paired import compare
from zoox_stack.evaluation.closed_loop_score import ScoredPassage


def _totals(scored, values, planner="what_if", towns=("a", "b")):
    """Drives with given values of progress, of towns and seeds in turn."""
    return [
        scored(planner, towns[k % len(towns)], k // len(towns), progress=float(value)) for k, value in enumerate(values)
    ]


def test_a_constant_difference_has_an_interval_of_no_width(scored):
    values = np.linspace(0.2, 0.8, 12)
    result = compare(_totals(scored, values + 0.16), _totals(scored, values, "idm"))
    assert result.progress.mean == pytest.approx(0.16)
    assert (result.score.n, result.score.mean) == (12, pytest.approx(0.05))  # progress weighs 5 of 16
    assert (result.score.low, result.score.high) == (pytest.approx(0.05), pytest.approx(0.05))
    assert result.score.excludes_zero


def test_the_interval_is_about_that_of_the_normal_distribution(scored):
    noise = np.random.default_rng(3).normal(0.0, 0.05, 200)
    result = compare(_totals(scored, 0.5 + noise), _totals(scored, np.full(200, 0.5), "idm")).progress
    half = 1.96 * noise.std() / np.sqrt(200)
    assert result.mean == pytest.approx(noise.mean())
    assert result.high - result.low == pytest.approx(2 * half, rel=0.15)
    assert not result.excludes_zero


def test_pairing_takes_out_what_towns_have_in_common(scored):
    """Towns differ by far more than planners do."""
    towns = np.random.default_rng(4).uniform(0.0, 0.9, 40)
    gain = np.random.default_rng(5).normal(0.02, 0.01, 40)
    result = compare(_totals(scored, towns + gain), _totals(scored, towns, "idm")).progress
    assert 0.01 < result.low < result.mean < result.high < 0.03


def test_the_same_drives_give_the_same_interval_in_any_order(scored):
    one = _totals(scored, np.random.default_rng(6).uniform(size=20))
    other = _totals(scored, np.random.default_rng(7).uniform(size=20), "idm")
    assert compare(one, other) == compare(one[::-1], other)


def test_only_drives_of_both_count(scored):
    one = _totals(scored, [0.5, 0.6, 0.9])
    other = _totals(scored, [0.5, 0.5], "idm")
    assert compare(one, other).progress.n == 2
    assert compare(one, other).progress.mean == pytest.approx(0.05)


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_drives_have_no_interval(scored, number):
    result = compare(_totals(scored, [0.5] * number), _totals(scored, [0.4] * number, "idm")).score
    assert (result.n, result.drives) == (number, number)
    assert np.isnan(result.mean) == (number == 0)
    assert np.isnan([result.low, result.high]).all()
    assert not result.excludes_zero


def test_two_drives_of_one_place_are_an_error(scored):
    twice = _totals(scored, [0.5]) * 2
    with pytest.raises(InvalidInputError, match="two of what_if in a with seed 0"):
        compare(twice, twice)


def _passage(number, kind, score, seconds=5.0, passed=True):
    return ScoredPassage(number, kind, score, seconds, passed)


def test_differences_at_junctions_are_by_kind(scored):
    merge, signals = JunctionKind.MERGE, JunctionKind.SIGNALS
    one = replace(
        scored("what_if", "a", 1),
        passages=(_passage(0, merge, 0.9, 4.0), _passage(1, signals, 0.8, 9.0, False), _passage(2, merge, 0.7)),
    )
    other = replace(
        scored("idm", "a", 1), passages=(_passage(0, merge, 0.5, 7.0), _passage(1, signals, 1.0, 3.0))
    )  # never came to the third
    result = compare([one], [other])
    assert set(result.junctions) == {merge, signals}
    assert (result.junctions[merge].n, result.junctions[merge].mean) == (1, pytest.approx(0.4))
    assert result.junctions[signals].mean == pytest.approx(-0.2)
    assert result.seconds[merge].mean == pytest.approx(3.0)
    assert signals not in result.seconds  # one of them did not leave it behind


def test_junctions_of_one_drive_are_drawn_together(scored):
    """A hundred passages of two drives are two draws, not a hundred: the interval reaches from one to the other."""
    one = [
        replace(scored("what_if", "a", seed), passages=tuple(_passage(k, JunctionKind.MERGE, value) for k in range(50)))
        for seed, value in ((1, 0.4), (2, 0.8))
    ]
    other = [
        replace(scored("idm", "a", seed), passages=tuple(_passage(k, JunctionKind.MERGE, 0.5) for k in range(50)))
        for seed in (1, 2)
    ]
    result = compare(one, other).junctions[JunctionKind.MERGE]
    assert (result.n, result.drives) == (100, 2)
    assert (result.low, result.high) == (pytest.approx(-0.1), pytest.approx(0.3))
