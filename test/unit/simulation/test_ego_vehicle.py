"""The ego's body obeys its limits and follows what it is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.plans import EgoPlan, Trajectory
from zoox_stack.simulation.ego_vehicle import SUBSTEP, EgoVehicle, EgoVehicleConfig

STEP_NS = 100_000_000


def _circle(stamp_ns: int, start_s: float, speed: float, curvature: float, points: int = 80) -> Trajectory:
    """A plan along the circle (or line) through the origin, heading +x there, from arc length `start_s`."""
    t = (np.arange(points) + 1) * 0.1
    s = start_s + speed * t
    yaw = s * curvature
    x, y = (s, 0 * s) if curvature == 0 else (np.sin(yaw) / curvature, (1 - np.cos(yaw)) / curvature)
    plan = EgoPlan(0, "circle", 0.1, x, y, yaw, np.full(points, speed), np.zeros(points), np.full(points, curvature))
    return Trajectory(stamp_ns, plan)


@pytest.mark.parametrize("curvature", [0.0, 0.05, -0.08])
def test_follows_a_circle_within_a_hand(curvature: float) -> None:
    speed = 8.0
    ego = EgoVehicle(EgoVehicleConfig(), 0.0, 0.0, 0.0, speed)
    ego.steering = float(np.arctan(ego.config.wheelbase * curvature))
    for tick in range(100):
        now = tick * STEP_NS
        ego.follow(_circle(now, tick * 0.1 * speed, speed, curvature), now, 0.1)
        expected = _circle(0, 0.0, speed, curvature, tick + 1).plan
        if tick > 20:
            assert np.hypot(ego.x - expected.x[-1], ego.y - expected.y[-1]) < 0.15
            assert abs(np.angle(np.exp(1j * (ego.yaw - expected.yaw[-1])))) < 0.03
    assert ego.speed == pytest.approx(speed, abs=0.1)


def test_comes_back_to_the_path_without_swinging() -> None:
    ego = EgoVehicle(EgoVehicleConfig(), 0.0, 1.0, 0.0, 10.0)
    across = []
    for tick in range(80):
        ego.follow(_circle(tick * STEP_NS, tick * 1.0, 10.0, 0.0), tick * STEP_NS, 0.1)
        across.append(ego.y)
    assert abs(across[-1]) < 0.03
    assert min(across) > -0.15


def test_actuators_are_limited_and_late() -> None:
    config = EgoVehicleConfig()
    ego = EgoVehicle(config, 0.0, 0.0, 0.0, 5.0)
    sharp = _circle(0, 0.0, 30.0, 0.5)
    before = (ego.speed, ego.steering, ego.yaw)
    first = None
    for k in range(100):
        ego.follow(replace(sharp, stamp_ns=k * 20_000_000), k * 20_000_000, SUBSTEP)
        assert ego.speed - before[0] <= config.max_acceleration * SUBSTEP + 1e-9
        assert abs(ego.steering - before[1]) <= config.max_steering_rate * SUBSTEP + 1e-9
        if first is None and ego.steering != 0:
            first = k * SUBSTEP
        before = (ego.speed, ego.steering, ego.yaw)
    assert first == pytest.approx(config.actuator_delay)
    assert abs(ego.steering) <= config.max_steering
    rate = ego.speed * np.tan(ego.steering) / config.wheelbase
    assert ego.state(0).yaw_rate == pytest.approx(rate)


@pytest.mark.parametrize("stamp", [None, -2_000_000_000])
def test_brakes_without_a_fresh_trajectory(stamp: int | None) -> None:
    ego = EgoVehicle(EgoVehicleConfig(), 0.0, 0.0, 0.0, 10.0)
    given = None if stamp is None else _circle(stamp, -20.0, 10.0, 0.0)
    for tick in range(60):
        ego.follow(given, tick * STEP_NS, 0.1)
    assert ego.speed == 0.0
    assert ego.x == pytest.approx(10.0**2 / 2 / 2.5, rel=0.2)
    assert ego.state(5).acceleration <= 0.0


def test_stops_where_the_plan_stops_and_stays() -> None:
    t = (np.arange(80) + 1) * 0.1
    speed = np.maximum(8.0 - 2.0 * t, 0.0)
    x = np.where(t < 4, 8 * t - t**2, 16.0)
    flat = np.zeros(80)
    plan = EgoPlan(0, "stop", 0.1, x, flat, flat, speed, np.where(t < 4, -2.0, 0.0), flat)
    ego = EgoVehicle(EgoVehicleConfig(stale_after=10.0), 0.0, 0.0, 0.0, 8.0)
    for tick in range(70):
        ego.follow(Trajectory(0, plan), tick * STEP_NS, 0.1)
    assert ego.speed == 0.0
    assert ego.x == pytest.approx(16.0, abs=0.4)
    assert ego.y == 0.0


def test_same_inputs_same_motion() -> None:
    runs = []
    for _ in range(2):
        ego = EgoVehicle(EgoVehicleConfig(), 0.0, 0.3, 0.02, 9.0)
        for tick in range(30):
            ego.follow(_circle(tick * STEP_NS, tick * 0.9, 9.0, 0.03), tick * STEP_NS, 0.1)
        runs.append((ego.x, ego.y, ego.yaw, ego.speed, ego.steering))
    assert runs[0] == runs[1]
