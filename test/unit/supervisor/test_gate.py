"""Each rule of the gate: what just passes, what just does not, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.gate import GateRule, Verdict, check_trajectory
from zoox_stack.supervisor.motion import Proposal, state_at

SECOND = 1_000_000_000
CONFIG = SupervisorConfig()
Make = Callable[..., Proposal]


def judge(proposal: Proposal, ego: EgoState | None = None, last: Proposal | None = None, **more: Any) -> Verdict:
    now_ns = more.get("now_ns", proposal.stamp_ns + SECOND // 20)
    return check_trajectory(proposal, last, more.get("newest_ns"), ego, now_ns, more.get("config", CONFIG))


def rules(verdict: Verdict) -> set[GateRule]:
    return {violation.rule for violation in verdict.violations}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"speed": 0.0},
        {"speed": 14.0, "acceleration": -8.0},
        {"speed": 2.0, "acceleration": 3.0},
        {"speed": 5.0, "curvature": 0.1},
        {"speed": 5.0, "curvature": -0.1, "acceleration": -1.0},
    ],
)
def test_what_a_vehicle_can_do_passes(motion: Make, values: dict[str, float]) -> None:
    proposal = motion(**values)
    ego = EgoState(SECOND, 0.0, 0.0, speed=values.get("speed", 10.0))
    assert judge(proposal, ego).violations == ()


@pytest.mark.parametrize("column", ["x", "y", "yaw", "speed", "acceleration", "curvature"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_in_every_column(motion: Make, column: str, value: float) -> None:
    proposal = motion()
    values = getattr(proposal, column).copy()
    values[7] = value
    verdict = judge(replace(proposal, **{column: values}))
    assert rules(verdict) == {GateRule.FINITE}
    assert "1 NaN or infinite" in str(verdict.violations[0])


def test_arrays_of_other_lengths_and_steps_are_refused(motion: Make) -> None:
    proposal = motion()
    assert rules(judge(replace(proposal, x=proposal.x[:-1]))) == {GateRule.SHAPE}
    assert rules(judge(replace(proposal, step=0.2))) == {GateRule.SHAPE}
    assert rules(judge(replace(proposal, step=float("nan")))) == {GateRule.SHAPE}
    none = np.zeros(0)
    assert rules(judge(Proposal(SECOND, 0.1, none, none, none, none, none, none))) == {GateRule.SHAPE}


@pytest.mark.parametrize(
    ("late", "rule"), [(0.29, None), (0.31, GateRule.AGE), (-0.04, None), (-0.06, GateRule.FUTURE)]
)
def test_stamps_have_to_be_about_now(motion: Make, late: float, rule: GateRule | None) -> None:
    verdict = judge(motion(), now_ns=SECOND + round(late * 1e9))
    assert rules(verdict) == ({rule} if rule is not None else set())


@pytest.mark.parametrize(("newest", "passes"), [(SECOND - 1, True), (SECOND, False), (SECOND + 1, False)])
def test_the_same_again_is_told_from_a_mistake(motion: Make, newest: int, passes: bool) -> None:
    verdict = judge(motion(), newest_ns=newest)
    assert verdict.passed == passes
    assert verdict.repeated != passes


@pytest.mark.parametrize(
    ("near", "change", "said"),
    [
        ({"x": -1.4}, {"x": -1.6}, "along"),
        ({"x": 1.4}, {"x": 1.6}, "along"),
        ({"y": 0.5}, {"y": 0.7}, "across"),
        ({"yaw": 0.19}, {"yaw": 0.21}, "heading"),
        ({"speed": 11.9}, {"speed": 12.1}, "speed"),
    ],
)
def test_it_has_to_start_where_the_ego_is(
    motion: Make, ego: EgoState, near: dict[str, float], change: dict[str, float], said: str
) -> None:
    assert judge(motion(), replace(ego, **near)).passed
    verdict = judge(motion(), replace(ego, **change))
    assert rules(verdict) == {GateRule.START}
    assert said in verdict.violations[0].expected


def test_the_start_is_compared_at_the_time_of_the_ego(motion: Make, ego: EgoState) -> None:
    """0.2 s after the stamp the ego is 2 m further."""
    later = replace(ego, stamp_ns=SECOND + SECOND // 5, x=2.0)
    assert judge(motion(), later).passed
    assert rules(judge(motion(), replace(later, x=0.0))) == {GateRule.START}


def test_it_has_to_continue_the_last_one(motion: Make) -> None:
    last = motion(SECOND - SECOND // 10, x=-1.0)
    assert judge(motion(), last=last).passed
    for change in ({"x": 1.2}, {"y": -1.2}, {"speed": 12.2}):
        assert rules(judge(motion(**change), last=last)) == {GateRule.CONTINUITY}


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"speed": 37.0}, GateRule.SPEED),
        ({"speed": 2.0, "acceleration": 3.6}, GateRule.ACCELERATION),
        ({"speed": 14.0, "acceleration": -9.5}, GateRule.BRAKING),
        ({"speed": 10.0, "curvature": 0.06}, GateRule.LATERAL),
        ({"speed": 2.0, "curvature": 0.27}, GateRule.CURVATURE),
    ],
)
def test_limits(motion: Make, values: dict[str, float], rule: GateRule) -> None:
    assert rule in rules(judge(motion(**values)))


def test_reversing_is_refused(motion: Make) -> None:
    forward = motion()
    backward = replace(forward, x=-forward.x, speed=-forward.speed)
    assert GateRule.REVERSE in rules(judge(backward))


def test_jerk(motion: Make) -> None:
    proposal = motion(speed=20.0)
    gentle, sudden = proposal.acceleration.copy(), proposal.acceleration.copy()
    gentle[1::2], sudden[1::2] = -0.4, -8.6
    assert rules(judge(replace(proposal, acceleration=gentle))) == set()
    assert GateRule.JERK in rules(judge(replace(proposal, acceleration=sudden)))


def test_the_wheels_turn_only_so_fast_while_it_moves(motion: Make) -> None:
    """From straight on to curvature 0.1 within 0.1 s: atan(2.8 * 0.1) / 0.1 s = 2.73 rad/s."""
    proposal = motion(speed=2.0)
    curvature = proposal.curvature.copy()
    curvature[40:] = 0.1
    way = np.concatenate([[0.0], np.cumsum(np.full(79, 0.2))])
    yaw = np.maximum(way - way[40], 0.0) * 0.1
    bent = replace(
        proposal, curvature=curvature, yaw=yaw, x=np.cumsum(0.2 * np.cos(yaw)), y=np.cumsum(0.2 * np.sin(yaw))
    )
    verdict = judge(bent)
    assert rules(verdict) == {GateRule.STEERING}
    assert verdict.violations[0].found == "2.73 rad/s"
    standing = motion(speed=0.0)
    assert judge(replace(standing, curvature=curvature)).passed


@pytest.mark.parametrize(
    "lie",
    [
        {"speed": np.full(80, 5.0)},  # half as fast as it moves
        {"yaw": np.full(80, 0.5)},  # slides sideways
        {"curvature": np.full(80, 0.04)},  # straight on with turned wheels, lateral acceleration still allowed
        {"acceleration": np.full(80, -8.0)},  # brakes and keeps its speed
    ],
)
def test_columns_that_tell_of_different_motions_are_refused(motion: Make, lie: dict[str, Any]) -> None:
    config = SupervisorConfig(motion_tolerance=0.1)
    assert GateRule.MOTION in rules(judge(replace(motion(), **lie), config=config))


def test_a_jump_within_a_trajectory_is_refused(motion: Make) -> None:
    proposal = motion()
    x = proposal.x.copy()
    x[30:] += 0.5
    assert rules(judge(replace(proposal, x=x))) == {GateRule.MOTION}


def test_everything_wrong_is_named(motion: Make, ego: EgoState) -> None:
    verdict = judge(motion(speed=40.0, acceleration=4.0, y=3.0), ego, now_ns=3 * SECOND)
    assert rules(verdict) >= {GateRule.AGE, GateRule.START, GateRule.SPEED, GateRule.ACCELERATION}
    assert all(v.expected and v.found for v in verdict.violations)


def test_states_between_before_and_after_the_points(motion: Make) -> None:
    proposal = motion(speed=10.0, acceleration=-2.0)
    at_stamp = state_at(proposal, SECOND)
    assert (at_stamp.x, at_stamp.speed) == pytest.approx((0.0, 10.0), abs=1e-9)
    between = state_at(proposal, SECOND + 150_000_000)
    assert between.x == pytest.approx((proposal.x[0] + proposal.x[1]) / 2)
    end = state_at(proposal, 100 * SECOND)
    assert (end.x, end.speed) == (proposal.x[-1], 0.0)


def test_headings_are_interpolated_the_short_way(motion: Make) -> None:
    proposal = replace(motion(), yaw=np.where(np.arange(80) % 2, np.pi - 0.1, -np.pi + 0.1))
    assert abs(state_at(proposal, SECOND + 150_000_000).yaw) == pytest.approx(np.pi)
