"""Stops begin exactly where the vehicle is, keep jerk and deceleration, and never get further than what was driven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from zoox_stack.road_network.made_up import curved_road
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.gate import check_trajectory
from zoox_stack.supervisor.motion import MotionState, Proposal, state_at
from zoox_stack.supervisor.stops import (
    Braking,
    StopMotion,
    StopPath,
    path_onward,
    stop_along,
    stopping_distance,
    way_to_stand,
)

SECOND = 1_000_000_000
CONFIG = SupervisorConfig()
COMFORT, EMERGENCY = Braking.comfort(CONFIG), Braking.emergency(CONFIG)
Make = Callable[..., Proposal]


def stop_of(before: Proposal, now_ns: int, braking: Braking = COMFORT, index: LaneIndex | None = None) -> StopMotion:
    start = state_at(before, now_ns)
    path = path_onward(start, before, now_ns, stopping_distance(start.speed, CONFIG), index)
    return stop_along(path, (0.0, start.speed, start.acceleration), braking, now_ns, before)


@pytest.mark.parametrize("braking", [COMFORT, EMERGENCY], ids=["comfort", "emergency"])
@pytest.mark.parametrize("later", [0, 37_000_000, 120_000_000, 3_000_000_000])
@pytest.mark.parametrize(
    "values",
    [{}, {"speed": 16.0, "acceleration": 1.5}, {"speed": 6.0, "curvature": 0.08}, {"speed": 9.0, "acceleration": -3.0}],
)
def test_it_continues_where_the_last_trajectory_is(
    motion: Make, values: dict[str, float], later: int, braking: Braking
) -> None:
    before = motion(**values)
    now_ns = SECOND + later
    stop = stop_of(before, now_ns, braking)
    was, is_ = state_at(before, now_ns), stop.state(now_ns)
    assert (is_.x, is_.y, is_.yaw) == pytest.approx((was.x, was.y, was.yaw), abs=1e-6)
    assert is_.speed == pytest.approx(was.speed, abs=1e-9)
    assert is_.acceleration == pytest.approx(was.acceleration, abs=1e-9)
    first = stop.proposal(now_ns)
    # The first point on the path that was driven before, to a centimetre.
    near = np.hypot(before.x - first.x[0], before.y - first.y[0]).min()
    assert near < was.speed * 0.1 + 0.01
    assert check_trajectory(first, before, None, None, now_ns, CONFIG).violations == ()


@pytest.mark.parametrize(("braking", "deceleration", "jerk"), [(COMFORT, 1.0, 2.0), (EMERGENCY, 7.848, 20.0)])
def test_it_keeps_deceleration_and_jerk(motion: Make, braking: Braking, deceleration: float, jerk: float) -> None:
    stop = stop_of(motion(speed=14.0), SECOND, braking)
    assert stop.acceleration.min() == pytest.approx(-deceleration, abs=1e-6)
    assert np.abs(np.diff(stop.acceleration)[:-1]).max() <= jerk * 0.02 + 1e-9
    assert (np.diff(stop.speed) <= 1e-12).all()
    assert stop.speed[-1] == 0.0
    # At constant deceleration 14^2 / 2a; the ramps of the jerk add at most a second of driving.
    ideal = 14.0**2 / (2 * deceleration)
    assert ideal < stop.end < ideal + 14.0 * deceleration / jerk


@pytest.mark.parametrize("braking", [COMFORT, EMERGENCY], ids=["comfort", "emergency"])
@pytest.mark.parametrize("values", [{"speed": 8.0, "acceleration": -2.5}, {"speed": 12.0, "acceleration": -5.0}])
def test_it_never_gets_further_than_what_it_replaces(motion: Make, values: dict[str, float], braking: Braking) -> None:
    """What was driven stops for somebody: a comfortable stop of 32 m would hit them."""
    before = motion(**values)
    now_ns = SECOND + 250_000_000
    stop = stop_of(before, now_ns, replace(braking, stop_before=way_to_stand(before, now_ns)))
    for later in range(0, 8_000_000_000, 130_000_000):
        assert stop.state(now_ns + later).speed <= state_at(before, now_ns + later).speed + 1e-2
        assert stop.state(now_ns + later).x <= state_at(before, now_ns + later).x + 0.05


def test_it_stays_where_it_stopped(motion: Make) -> None:
    stop = stop_of(motion(speed=5.0), SECOND)
    end = stop.proposal(SECOND + 60 * SECOND)
    assert np.ptp(end.x) == 0.0
    assert not end.speed.any()
    assert not end.acceleration.any()
    assert end.x[0] == pytest.approx(stop.end, abs=1e-6)


def test_a_standing_vehicle_stays_standing(motion: Make) -> None:
    stop = stop_of(motion(speed=0.0), SECOND)
    assert stop.end == 0.0
    assert np.ptp(stop.proposal(SECOND).x) == 0.0


def test_it_brakes_less_where_the_tyres_steer(motion: Make) -> None:
    """At 9 m/s on curvature 0.06 the tyres give 4.86 m/s^2 sideways: along are left sqrt(7.848^2 - 4.86^2) = 6.16."""
    stop = stop_of(motion(speed=10.0, curvature=0.06), SECOND, EMERGENCY)
    held = np.hypot(stop.acceleration, stop.speed**2 * 0.06)
    assert held.max() <= 7.848 + 0.1
    assert stop.acceleration[stop.speed > 9.0].min() >= -6.2
    assert stop.acceleration.min() < -7.0


def test_what_it_stands_for_is_braked_for_harder(motion: Make) -> None:
    path = path_onward(MotionState(0.0, 0.0, 0.0, 10.0, 0.0, 0.0), None, SECOND, 100.0, None)
    stop = stop_along(path, (0.0, 10.0, 0.0), Braking.comfort(CONFIG, stop_before=25.0), SECOND)
    assert 15.0 < stop.end < 26.5
    assert stop.acceleration.min() < -2.0


def test_the_path_goes_on_along_the_lane() -> None:
    road = curved_road(lanes=1, radius=40.0, straight=30.0)
    index = LaneIndex(road)
    start = MotionState(10.0, 0.0, 0.0, 10.0, 0.0, 0.0)
    path = path_onward(start, None, SECOND, 90.0, index)
    assert path.s[-1] >= 89.0
    off = index.nearest(path.xy, path.yaw).distance
    assert off.max() < 0.2
    assert np.abs(path.curvature).max() < 0.05


def test_the_path_comes_back_to_the_lane_smoothly() -> None:
    index = LaneIndex(curved_road(lanes=1, radius=40.0, straight=60.0))
    path = path_onward(MotionState(5.0, 0.8, 0.1, 10.0, 0.0, 0.0), None, SECOND, 40.0, index)
    assert path.xy[0] == pytest.approx([5.0, 0.8])
    assert path.yaw[0] == pytest.approx(0.1)
    assert abs(path.xy[-1, 1]) < 0.05
    assert np.abs(np.diff(path.yaw)).max() < 0.06


def test_without_a_map_a_curve_straightens() -> None:
    path = path_onward(MotionState(0.0, 0.0, 0.0, 10.0, 0.0, 0.05), None, SECOND, 60.0, None)
    assert path.curvature[0] == 0.05
    assert not path.curvature[path.s > 20.5].any()
    assert path.yaw[-1] == pytest.approx(0.05 * 20.0 / 2, abs=0.03)


def test_way_until_a_motion_stands(motion: Make) -> None:
    assert way_to_stand(motion(speed=10.0), SECOND) == np.inf
    assert way_to_stand(None, SECOND) == np.inf
    # 6^2 / (2 * 2) = 9 m; after one second at 5 m further 5 m are gone.
    braking = motion(speed=6.0, acceleration=-2.0)
    assert way_to_stand(braking, SECOND) == pytest.approx(9.0, abs=1e-6)
    assert way_to_stand(braking, 2 * SECOND) == pytest.approx(4.0, abs=1e-6)


def test_a_path_is_the_cubic_through_its_points_and_headings() -> None:
    angle = np.linspace(0.0, 2.0, 9)
    path = StopPath.through(np.stack([10 * np.sin(angle), 10 - 10 * np.cos(angle)], axis=1), angle, angle * 0 + 0.1)
    s = np.linspace(-1.0, path.s[-1] + 1.0, 101)
    tangent = np.stack([np.cos(path.yaw), np.sin(path.yaw)], axis=1)
    same = CubicHermiteSpline(path.s, path.xy, tangent)(np.clip(s, 0.0, path.s[-1]))
    assert np.allclose(path.at(s)[0], same, atol=1e-12)
    assert np.allclose(path.at(s[7])[0], same[7], atol=1e-12)
