"""Noise of sensors: normal, repeatable, different from scene to scene."""

from __future__ import annotations

import numpy as np

from zoox_stack.simulation.sensors.seeds import NoiseBank, generator


def test_runs_of_the_bank_are_normal_and_differ() -> None:
    bank = NoiseBank(3)
    runs = [bank.draw(generator(3, stamp, 0), 50_000) for stamp in range(4)]
    for run in runs:
        assert abs(run.mean()) < 0.02
        assert abs(run.std() - 1) < 0.02
        assert abs(np.corrcoef(run[:-1], run[1:])[0, 1]) < 0.02
    assert not any(np.array_equal(runs[0], run) for run in runs[1:])


def test_the_same_seed_and_stamp_give_the_same_run() -> None:
    first, second = (NoiseBank(3).draw(generator(3, 17, 1), 1000) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, NoiseBank(4).draw(generator(3, 17, 1), 1000))


def test_a_bank_that_is_too_small_grows() -> None:
    run = NoiseBank(1, size=100).draw(generator(1, 5, 0), 1000)
    assert len(run) == 1000
    assert abs(run.mean()) < 0.2
