"""Noise of sensors: of the right kind, repeatable, different from scene to scene."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.simulation.sensors.seeds import NoiseBank, dice_of, generator


@pytest.mark.parametrize(("kind", "mean", "deviation"), [("normal", 0.0, 1.0), ("uniform", 0.5, 12**-0.5)])
def test_runs_of_the_bank_are_of_their_kind_and_differ(kind: str, mean: float, deviation: float) -> None:
    bank = NoiseBank(3)
    runs = [getattr(bank, kind)(generator(3, stamp, 0), 50_000) for stamp in range(4)]
    for run in runs:
        assert abs(run.mean() - mean) < 0.02
        assert abs(run.std() - deviation) < 0.02
        assert abs(np.corrcoef(run[:-1], run[1:])[0, 1]) < 0.02
    assert not any(np.array_equal(runs[0], run) for run in runs[1:])


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_the_same_seed_and_stamp_give_the_same_run(kind: str) -> None:
    first, second = (getattr(NoiseBank(3), kind)(generator(3, 17, 1), 1000) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, getattr(NoiseBank(4), kind)(generator(3, 17, 1), 1000))


@pytest.mark.parametrize(("kind", "mean"), [("normal", 0.0), ("uniform", 0.5)])
def test_a_bank_that_is_too_small_grows(kind: str, mean: float) -> None:
    run = getattr(NoiseBank(1, size=100), kind)(generator(1, 5, 0), 1000)
    assert len(run) == 1000
    assert abs(run.mean() - mean) < 0.2


def test_dice_are_uniform_and_everyones_own() -> None:
    dice = dice_of(generator(1, 5, 0), np.arange(3000), 8)
    assert dice.shape == (3000, 8)
    assert ((dice > 0) & (dice < 1)).all()
    assert np.abs(np.histogram(dice, 20, (0, 1))[0] / dice.size - 0.05).max() < 0.005
    assert np.abs(np.corrcoef(dice.T) - np.eye(8)).max() < 0.08
    assert np.abs(np.corrcoef(dice[:-1].ravel(), dice[1:].ravel())[0, 1]) < 0.03  # neighbouring ids
    few = np.array([700, 3, 2999])
    np.testing.assert_array_equal(dice_of(generator(1, 5, 0), few, 8), dice[few])
    assert not (dice_of(generator(1, 6, 0), few, 8) == dice[few]).any()
