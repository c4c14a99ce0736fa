"""Speed profiles: limits, stops and following."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.speed_profiles import LeadMotion, ProfileSpec, SpeedProfiles, run_profiles, speed_caps

CONFIG = PlannerConfig()
FREE = (np.array([0.0, 1e4]), np.array([60.0, 60.0]))


def run(
    *specs: ProfileSpec, speed: float, acceleration: float = 0.0, cap: tuple[np.ndarray, np.ndarray] = FREE
) -> SpeedProfiles:
    return run_profiles(specs, speed, acceleration, *cap, CONFIG)


def spec(target: float = 13.9, **change: object) -> ProfileSpec:
    values: dict[str, object] = {"name": "a", "acceleration": 1.5, "deceleration": 2.0, "jerk": 4.0}
    return ProfileSpec(target=target, **(values | change))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    speed=st.floats(-1, 35),
    acceleration=st.floats(-9, 4),
    target=st.floats(0, 35),
    stop_at=st.none() | st.floats(-5, 150),
    gap=st.none() | st.floats(-5, 100),
    lead_speed=st.floats(-5, 25),
    deceleration=st.floats(0.5, 8.0),
    jerk=st.floats(1.0, 20.0),
)
def test_always_within_limits_and_consistent(
    speed: float, acceleration: float, target: float, stop_at: float | None, gap: float | None, lead_speed: float,
    deceleration: float, jerk: float,
) -> None:  # fmt: skip
    times = STEP * np.arange(STEPS + 1)
    lead = None if gap is None else LeadMotion(1, gap + lead_speed * times, np.full(STEPS + 1, lead_speed))
    got = run(
        spec(target, stop_at=stop_at, lead=lead, deceleration=deceleration, jerk=jerk),
        speed=speed, acceleration=acceleration,
    )  # fmt: skip
    assert np.isfinite(got.distance).all()
    assert (got.speed >= 0).all()
    assert (np.diff(got.distance[0], prepend=0.0) >= 0).all()
    assert got.acceleration.max() <= CONFIG.max_acceleration + 1e-9
    assert got.acceleration.min() >= -CONFIG.max_deceleration - 1e-9
    before = np.concatenate([[max(speed, 0.0)], got.speed[0, :-1]])
    np.testing.assert_allclose(got.speed[0] - before, got.acceleration[0] * STEP, atol=1e-9)
    np.testing.assert_allclose(np.diff(got.distance[0], prepend=0.0), (before + got.speed[0]) / 2 * STEP, atol=1e-9)
    moving = got.speed[0] > 0.05
    change = np.abs(np.diff(got.acceleration[0]))
    assert (change[moving[1:] & moving[:-1]] <= jerk * STEP + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(speed=st.floats(0, 20), spare=st.floats(1.3, 4.0))
def test_stops_before_the_place_if_there_is_room(speed: float, spare: float) -> None:
    room = spare * (speed**2 / (2 * CONFIG.comfort_deceleration) + 0.4 * speed) + 1.0
    got = run(spec(stop_at=room, jerk=8.0), speed=speed)
    assert got.distance[0, -1] <= room + 0.2


def test_stops_close_to_the_place() -> None:
    got = run(spec(10.0, stop_at=40.0, jerk=8.0), speed=10.0)
    assert got.speed[0, -1] < 0.3
    assert got.distance[0, -1] == pytest.approx(40.0, abs=0.7)


def test_reaches_the_wanted_speed_and_stays() -> None:
    got = run(spec(12.0), speed=8.0)
    assert got.speed[0, -1] == pytest.approx(12.0, abs=0.1)
    assert got.speed.max() < 12.2


def test_second_target_after_the_switch() -> None:
    got = run(spec(4.0, later_target=10.0, switch=3.0), speed=8.0)
    assert got.speed[0, 29] == pytest.approx(4.0, abs=0.6)
    assert got.speed[0, -1] > 8.0


def test_profiles_do_not_disturb_each_other() -> None:
    specs = [spec(12.0), spec(0.0, deceleration=8.0, jerk=20.0), spec(10.0, stop_at=30.0)]
    together = run(*specs, speed=9.0)
    for i, one in enumerate(specs):
        np.testing.assert_allclose(run(one, speed=9.0).speed[0], together.speed[i], atol=1e-12)


def test_follows_a_lead_at_its_speed_and_distance() -> None:
    times = STEP * np.arange(STEPS + 1)
    lead = LeadMotion(3, 30.0 + 8.0 * times, np.full(STEPS + 1, 8.0))
    got = run(spec(lead=lead), speed=10.0)
    gap = lead.gap[1:] - got.distance[0]
    assert gap.min() > 5.0
    assert got.speed[0, -1] == pytest.approx(8.0, abs=1.5)


def test_caps_are_reached_by_braking_before() -> None:
    s = np.arange(0.0, 200.0)
    bent = np.interp(s, [76, 84, 116, 124], [0.0, 1 / 20.0, 1 / 20.0, 0.0])
    caps = speed_caps(s, bent, np.full(200, 13.9), CONFIG)
    bend = np.sqrt(CONFIG.comfort_lateral_acceleration * 20.0)
    assert caps[100] == pytest.approx(bend, rel=1e-6)
    assert caps[10] == pytest.approx(13.9)
    assert (np.diff(caps[:80]) <= 1e-9).all()
    got = run(spec(13.9), speed=13.9, cap=(s, caps))
    inside = (got.distance[0] > 85) & (got.distance[0] < 115)
    assert inside.any()
    assert got.speed[0][inside].max() < bend + 0.4
    assert got.acceleration.min() > -CONFIG.comfort_deceleration - 1e-9


def test_where_the_bend_begins_at_once_wheels_and_passengers_need_a_lower_speed() -> None:
    s = np.arange(0.0, 100.0)
    sudden, gradual = (
        speed_caps(s, np.interp(s, [50.0, 50.0 + over], [0.0, 1 / 30.0]), np.full(100, 13.9), CONFIG)
        for over in (1.0, 10.0)
    )
    wheels = CONFIG.max_steering_rate / np.arctan(CONFIG.wheelbase / 30.0)
    assert sudden.min() < wheels
    assert gradual.min() == pytest.approx(np.sqrt(CONFIG.comfort_lateral_acceleration * 30.0))
