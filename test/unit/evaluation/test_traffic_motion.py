"""Motion of made-up tracks whose derivatives are known, and motions no road user can make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.motion_limits import MOTION_LIMITS, LimitColumn, limits_of
from zoox_stack.evaluation.traffic_motion import motion_of
from zoox_stack.evaluation.traffic_physics import JUMP, as_rows, physics_violations
from zoox_stack.evaluation.traffic_recording import TrafficRecording

T = np.arange(101) * 0.1
MIDDLE = slice(20, 81)  # of 101 steps those with a whole window of a window around them


def test_a_circle(recording: Any, track: Any) -> None:
    motion = motion_of(recording([track(20 * np.sin(0.5 * T), 20 * (1 - np.cos(0.5 * T)), yaw=0.5 * T)]))
    np.testing.assert_allclose(motion.speed[MIDDLE], 10.0, rtol=0.05)  # a chord is shorter than its arc
    np.testing.assert_allclose(motion.lateral[MIDDLE], 5.0, rtol=0.05)
    np.testing.assert_allclose(motion.longitudinal[MIDDLE], 0.0, atol=1e-6)
    np.testing.assert_allclose(motion.yaw_rate[MIDDLE], 0.5, rtol=1e-6)


def test_turning_through_the_back_is_no_jump_of_the_yaw_rate(recording: Any, track: Any) -> None:
    yaw = (np.pi - 1 + 0.3 * T + np.pi) % (2 * np.pi) - np.pi
    motion = motion_of(recording([track(5 * T, 0, yaw=yaw)]))
    np.testing.assert_allclose(motion.yaw_rate[MIDDLE], 0.3, rtol=1e-6)


def test_constant_acceleration_and_constant_jerk(recording: Any, track: Any) -> None:
    steady = motion_of(recording([track(3 * T + T**2, 0)]))
    np.testing.assert_allclose(steady.longitudinal[MIDDLE], 2.0, rtol=1e-6)
    np.testing.assert_allclose(steady.jerk[MIDDLE], 0.0, atol=1e-6)
    rising = motion_of(recording([track(3 * T + T**3 / 12, 0)]))
    np.testing.assert_allclose(rising.jerk[MIDDLE], 0.5, rtol=1e-6)


def test_braking_is_negative_whatever_the_direction(recording: Any, track: Any) -> None:
    motion = motion_of(recording([track(0, -(30 * T - T**2))]))
    np.testing.assert_allclose(motion.longitudinal[MIDDLE], -2.0, rtol=1e-6)


def test_no_value_where_the_window_is_not_filled(recording: Any, track: Any) -> None:
    """Neither at the ends, nor across from one agent to the next, nor in a track that is too short."""
    motion = motion_of(recording([track(5 * T, 0), track(-5 * T, 50), track(T[:20], 90)]))
    known = np.isfinite(motion.speed)
    expected = np.zeros(101, bool)
    expected[10:91] = True
    np.testing.assert_array_equal(known, np.concatenate([expected, expected, np.zeros(20, bool)]))
    assert np.isfinite(motion.jerk).sum() == 2 * 61


def test_a_gap_in_a_track_is_not_bridged(recording: Any, track: Any) -> None:
    whole = recording([track(5 * T, 0)])
    rows = np.delete(np.arange(101), 50)
    broken = TrafficRecording(
        "", whole.stamps_ns, whole.ids, whole.classes, whole.sizes, whole.agent[rows], whole.step[rows],
        whole.states[rows],
    )  # fmt: skip
    known = np.isfinite(motion_of(broken).speed)
    assert known[10:40].all()
    assert not known[40:60].any()
    assert known[60:90].all()


def check(recording: TrafficRecording, quantity: str) -> Any:
    return next(c for c in physics_violations(recording) if c.quantity == quantity)


def test_ordinary_driving_breaks_nothing(recording: Any, track: Any) -> None:
    checks = physics_violations(recording([track(20 * np.sin(0.5 * T), 20 * (1 - np.cos(0.5 * T))), track(5 * T, 9)]))
    assert [c.quantity for c in checks] == ["speed", "acceleration", "yaw_rate", "jump"]
    assert all(c.violations == 0 and c.steps == 200 for c in checks)
    assert checks[0].worst == pytest.approx(10, rel=0.01)
    assert checks[2].worst == pytest.approx(0.5, rel=0.01)


def test_each_kind_of_violation_is_found_and_named(recording: Any, track: Any) -> None:
    x = 10 * T
    x[60:] += 20  # a leap of 20 m at 5.9..6.0 s
    speed = check(recording([track(5 * T, 5), track(x, 0)]), "speed")
    assert (speed.violations, speed.agents, speed.worst_id, speed.worst_time) == (1, 1, 11, pytest.approx(6.0))
    assert speed.worst == pytest.approx(210)
    braking = check(recording([track(np.where(T < 5, 10 * T, 50.0), 0, yaw=0.0)]), "acceleration")
    assert braking.violations == 1
    assert braking.worst == pytest.approx(100)
    spin = check(recording([track(5 * T, 0, yaw=np.where(T < 5, 0.0, 0.2))]), "yaw_rate")
    assert (spin.violations, spin.worst) == (1, pytest.approx(2.0))


def test_a_jump_is_a_move_that_the_recorded_velocity_does_not_explain(recording: Any, track: Any) -> None:
    x = 10 * T
    x[60:] += 0.8
    steady = recording([track(x, 0, yaw=0.0)])
    states = steady.states.copy()
    states[:, 3] = 10.0  # the recorded velocity knows nothing of it
    told = TrafficRecording(
        "", steady.stamps_ns, steady.ids, steady.classes, steady.sizes, steady.agent, steady.step, states
    )
    jump = check(told, "jump")
    assert (jump.bound, jump.violations, jump.worst) == (JUMP, 1, pytest.approx(0.8))
    assert check(told, "acceleration").violations == 0


def test_a_pedestrian_turns_on_the_spot_a_car_does_not(recording: Any, track: Any) -> None:
    yaw = np.where(T < 5, 0.0, 3.0)
    standing = {
        kind: check(recording([track(0.0 * T, 0, yaw=yaw, kind=kind)]), "yaw_rate")
        for kind in (AgentClass.PEDESTRIAN, AgentClass.CAR)
    }
    assert standing[AgentClass.PEDESTRIAN].violations == 0
    assert standing[AgentClass.PEDESTRIAN].steps == 0
    assert standing[AgentClass.CAR].violations == 1


def test_an_empty_recording_and_one_instant(recording: Any, track: Any) -> None:
    lone = recording([track([0.0, 1.0], 0)])
    one = TrafficRecording(
        "", lone.stamps_ns[:1], lone.ids, lone.classes, lone.sizes, lone.agent[:1], lone.step[:1], lone.states[:1]
    )
    rows = as_rows(physics_violations(one))
    assert [(row["steps"], row["violations"], row["worst"], row["worst_id"]) for row in rows] == [
        (0, 0, None, None)
    ] * 4
    assert not np.isfinite(motion_of(one).speed).any()


def test_rows_must_be_in_order(recording: Any, track: Any) -> None:
    whole = recording([track(5 * T, 0)])
    with pytest.raises(InvalidInputError, match="rising steps"):
        TrafficRecording(
            "", whole.stamps_ns, whole.ids, whole.classes, whole.sizes, whole.agent, whole.step[::-1], whole.states
        )


def test_every_class_has_limits_that_hang_together() -> None:
    """No yaw rate beyond what the acceleration allows on the smallest circle that the docstring gives."""
    assert set(MOTION_LIMITS) == set(AgentClass)
    table = limits_of(np.arange(len(AgentClass), dtype=np.uint8))
    assert (table[:, [LimitColumn.SPEED, LimitColumn.ACCELERATION, LimitColumn.YAW_RATE]] > 0).all()
    for kind, radius in (
        (AgentClass.CAR, 6),
        (AgentClass.TRUCK, 9),
        (AgentClass.MOTORCYCLE, 2.5),
        (AgentClass.BICYCLE, 1),
    ):
        limits = MOTION_LIMITS[kind]
        assert limits.yaw_rate == pytest.approx((limits.acceleration / radius) ** 0.5, rel=0.05)
