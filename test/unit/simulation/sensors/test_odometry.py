"""Odometry noise: none when asked for none, bounded, slow, and of the given size."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.simulation.sensors.odometry import OdometryConfig, OdometryNoise

SECOND = 1_000_000_000


def drive(config: OdometryConfig, steps: int, seed: int = 0) -> tuple[list[EgoState], list[EgoState]]:
    """Truth and observation at 10 Hz."""
    noise = OdometryNoise(config, seed)
    truth = [EgoState(i * SECOND // 10, 0.8 * i, 3.0, yaw=3.1, speed=8.0, yaw_rate=0.1) for i in range(steps)]
    return truth, [noise.observe(ego) for ego in truth]


def errors(config: OdometryConfig, steps: int, seed: int = 0) -> np.ndarray:
    """Errors of x, y, yaw, speed, yaw rate ``[steps, 5]``."""
    truth, seen = drive(config, steps, seed)
    names = ("x", "y", "yaw", "speed", "yaw_rate")
    table = np.array([[getattr(b, n) - getattr(a, n) for n in names] for a, b in zip(truth, seen, strict=True)])
    table[:, 2] = (table[:, 2] + np.pi) % (2 * np.pi) - np.pi
    return table


def test_no_noise_is_the_truth_to_the_last_bit() -> None:
    truth, seen = drive(OdometryConfig(), 50)
    assert truth == seen


def test_errors_are_as_large_as_asked_and_bounded() -> None:
    config = OdometryConfig(0.2, yaw_drift=1.0, drift_time=1.0, speed_noise=0.3, yaw_rate_noise=2.0)
    found = errors(config, 20_000)
    expected = [0.2, 0.2, np.deg2rad(1), 0.3, np.deg2rad(2)]
    np.testing.assert_allclose(found.std(axis=0), expected, rtol=0.1)
    assert (np.abs(found[:, :3]) <= 3 * np.array(expected[:3]) + 1e-9).all()


def test_position_drifts_slowly_and_speed_jumps() -> None:
    found = errors(OdometryConfig(0.2, drift_time=30.0, speed_noise=0.2), 3000)
    steps = np.diff(found, axis=0).std(axis=0) / 0.2
    # a step of 0.1 s moves a Gauss-Markov error by sqrt(2 * 0.1 / 30) standard deviations
    assert steps[0] == pytest.approx(np.sqrt(0.2 / 30), rel=0.1)
    assert steps[3] > 1.2
    assert not found[:, [2, 4]].any()


def test_a_seed_gives_the_same_error_whatever_the_vehicle_does() -> None:
    config = OdometryConfig(0.2, speed_noise=0.2)
    one, other = OdometryNoise(config, 4), OdometryNoise(config, 4)
    for i in range(5):
        a = one.observe(EgoState(i * SECOND, 1.0 * i, 0.0, speed=1.0))
        b = other.observe(EgoState(i * SECOND, 0.0, 7.0 * i, speed=3.0))
        assert a.x - i == pytest.approx(b.x)
        assert a.speed - 1 == pytest.approx(b.speed - 3)
    assert (
        OdometryNoise(config, 5).observe(EgoState(0, 0.0, 0.0)).x
        != OdometryNoise(config, 4).observe(EgoState(0, 0.0, 0.0)).x
    )


def test_what_has_no_error_is_kept() -> None:
    ego = EgoState(5, 1.0, 2.0, z=3.0, lateral_velocity=0.1, acceleration=0.5, length=3.6)
    seen = OdometryNoise(OdometryConfig(0.5, yaw_drift=1.0)).observe(ego)
    assert (seen.stamp_ns, seen.z, seen.lateral_velocity, seen.acceleration, seen.length) == (5, 3.0, 0.1, 0.5, 3.6)
