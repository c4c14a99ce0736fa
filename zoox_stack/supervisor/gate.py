"""The gate: which proposed trajectories may reach the actuators, and by which rules the others may not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import MotionState, Proposal, state_at

_SLOW = 0.5  # [m/s] below it a heading does not show in the positions


class GateRule(IntEnum):
    """What a trajectory has to fulfil, in the order of checking."""

    SHAPE = 0  # as many points as agreed in each array, and the agreed step
    FINITE = 1
    NEWER = 2  # than the last one that passed
    FUTURE = 3  # no stamp ahead of the clock
    AGE = 4
    START = 5  # where the ego is
    CONTINUITY = 6  # with the last one that passed
    REVERSE = 7
    SPEED = 8
    ACCELERATION = 9
    BRAKING = 10
    JERK = 11
    LATERAL = 12
    CURVATURE = 13
    STEERING = 14
    MOTION = 15  # positions, headings, speeds and accelerations tell of the same motion


@dataclass(frozen=True)
class Violation:
    """A rule that was broken.

    Attributes:
        rule: Which.
        expected: What would have been right.
        found: What was there.
    """

    rule: GateRule
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule.name.lower()}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Verdict:
    """What the gate says about a trajectory.

    Attributes:
        violations: Broken rules, in the order of `GateRule`; none: it may pass.
    """

    violations: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        """Whether it may reach the actuators."""
        return not self.violations

    @property
    def repeated(self) -> bool:
        """Whether it is only what was there before: nothing new, but no mistake of the planner either."""
        return any(v.rule == GateRule.NEWER for v in self.violations)

    @property
    def untimely(self) -> bool:
        """Whether only its time is wrong: the next one may be right."""
        return all(v.rule in (GateRule.NEWER, GateRule.FUTURE, GateRule.AGE) for v in self.violations)

    def __str__(self) -> str:
        return "; ".join(map(str, self.violations)) or "passed"


class _Findings:
    """Collects violations."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def require(self, rule: GateRule, right: bool, expected: str, found: str) -> None:
        if not right:
            self.found.append(Violation(rule, expected, found))

    def at_most(self, rule: GateRule, value: float, limit: float, what: str, unit: str) -> None:
        self.require(rule, value <= limit + 1e-9, f"{what} up to {limit:g} {unit}", f"{value:.3g} {unit}")


def check_motion(proposal: Proposal) -> Verdict:
    """Judge only whether a trajectory is a motion: as many finite points as agreed."""
    findings = _Findings()
    _check_shape(proposal, findings)
    return Verdict(tuple(findings.found))


def check_trajectory(
    proposal: Proposal,
    last: Proposal | None,
    newest_ns: int | None,
    ego: EgoState | None,
    now_ns: int,
    config: SupervisorConfig,
) -> Verdict:
    """Judge a proposed trajectory.

    If its arrays are no motion at all nothing else is looked at. Rules that compare with the last trajectory or with
    the ego are left out where there is none; whoever lacks an ego state has a fault of its own.

    Args:
        proposal: The trajectory.
        last: What was in force until now, passed or of a manoeuvre.
        newest_ns: Stamp of the last proposal that passed [ns].
        ego: The newest state of the ego.
        now_ns: Time by the clock of the stamps [ns].
        config: Limits.
    """
    findings = _Findings()
    _check_shape(proposal, findings)
    if findings.found:
        return Verdict(tuple(findings.found))
    if newest_ns is not None:
        ahead = (proposal.stamp_ns - newest_ns) * 1e-9
        findings.require(GateRule.NEWER, ahead > 0, "a stamp newer than the last", f"{ahead:.3f} s newer")
    age = (now_ns - proposal.stamp_ns) * 1e-9
    findings.at_most(GateRule.FUTURE, -age, config.stamp_tolerance, "a stamp ahead of now by", "s")
    findings.at_most(GateRule.AGE, age, config.max_trajectory_age, "an age", "s")
    if ego is not None:
        _check_start(proposal, ego, config, findings)
    if last is not None:
        _check_continuity(proposal, last, now_ns, config, findings)
    _check_limits(proposal, config, findings)
    _check_motion(proposal, config, findings)
    return Verdict(tuple(findings.found))


def _check_shape(proposal: Proposal, findings: _Findings) -> None:
    lengths = {np.shape(column) for column in proposal.columns()}
    right = lengths == {(STEPS,)} and abs(proposal.step - STEP) < 1e-6
    found = f"shapes {sorted(lengths)}, step {proposal.step:g} s"
    findings.require(GateRule.SHAPE, right, f"six arrays of {STEPS} points, step {STEP:g} s", found)
    bad = sum(int(np.size(c) - np.count_nonzero(np.isfinite(c))) for c in proposal.columns())
    findings.require(GateRule.FINITE, bad == 0, "finite numbers", f"{bad} NaN or infinite")


def _check_start(proposal: Proposal, ego: EgoState, config: SupervisorConfig, findings: _Findings) -> None:
    here = state_at(proposal, ego.stamp_ns)
    dx, dy = here.x - ego.x, here.y - ego.y
    along = abs(dx * np.cos(ego.yaw) + dy * np.sin(ego.yaw))
    across = abs(dy * np.cos(ego.yaw) - dx * np.sin(ego.yaw))
    turn = abs(float(wrap_angle(here.yaw - ego.yaw)))
    rule = GateRule.START
    findings.at_most(rule, float(along), config.start_along, "distance along from the ego", "m")
    findings.at_most(rule, float(across), config.start_across, "distance across from the ego", "m")
    findings.at_most(rule, turn, config.start_heading, "heading off the ego's by", "rad")
    findings.at_most(rule, abs(here.speed - ego.speed), config.start_speed, "speed off the ego's by", "m/s")


def _check_continuity(
    proposal: Proposal, last: Proposal, now_ns: int, config: SupervisorConfig, findings: _Findings
) -> None:
    new, old = state_at(proposal, now_ns), state_at(last, now_ns)
    rule = GateRule.CONTINUITY
    findings.at_most(rule, distance(new, old), config.jump_distance, "distance from the last trajectory", "m")
    turn = abs(float(wrap_angle(new.yaw - old.yaw)))
    findings.at_most(rule, turn, config.jump_heading, "heading off the last trajectory's by", "rad")
    findings.at_most(rule, abs(new.speed - old.speed), config.jump_speed, "speed off the last trajectory's by", "m/s")


def distance(a: MotionState, b: MotionState) -> float:
    """Between two places [m]."""
    return float(np.hypot(a.x - b.x, a.y - b.y))


def _check_limits(proposal: Proposal, config: SupervisorConfig, findings: _Findings) -> None:
    speed, acceleration, curvature = proposal.speed, proposal.acceleration, proposal.curvature
    jerk = np.diff(acceleration) / proposal.step
    wheels = np.arctan(config.wheelbase * curvature)
    # The wheels of a standing vehicle turn before it starts: their rate counts while it moves.
    turning = np.abs(np.diff(wheels)) / proposal.step * (np.minimum(speed[1:], speed[:-1]) > _SLOW)
    for rule, value, limit, what, unit in (
        (GateRule.REVERSE, -speed.min(), 1e-3, "reverse speed", "m/s"),
        (GateRule.SPEED, speed.max(), config.max_speed, "speed", "m/s"),
        (GateRule.ACCELERATION, acceleration.max(), config.max_acceleration, "acceleration", "m/s^2"),
        (GateRule.BRAKING, -acceleration.min(), config.max_deceleration, "braking", "m/s^2"),
        (GateRule.JERK, np.abs(jerk).max(), config.max_jerk, "jerk", "m/s^3"),
        (
            GateRule.LATERAL,
            np.abs(speed**2 * curvature).max(),
            config.max_lateral_acceleration,
            "lateral acceleration",
            "m/s^2",
        ),
        (GateRule.CURVATURE, np.abs(curvature).max(), config.max_curvature, "curvature", "1/m"),
        (GateRule.STEERING, turning.max(), config.max_steering_rate, "steering rate", "rad/s"),
    ):
        findings.at_most(rule, float(value), limit, what, unit)


def _check_motion(proposal: Proposal, config: SupervisorConfig, findings: _Findings) -> None:
    """That the columns belong together, step by step; else a limit kept in one of them would mean nothing."""
    way = (proposal.speed[1:] + proposal.speed[:-1]) / 2 * proposal.step
    dx, dy = np.diff(proposal.x), np.diff(proposal.y)
    turn = wrap_angle(np.diff(proposal.yaw))
    middle = proposal.yaw[:-1] + turn / 2
    bend = turn - (proposal.curvature[1:] + proposal.curvature[:-1]) / 2 * way
    along = dx * np.cos(middle) + dy * np.sin(middle)
    across = dy * np.cos(middle) - dx * np.sin(middle)
    # Plans give an acceleration at a point or over the step before it; both are taken.
    gain, a = np.diff(proposal.speed), proposal.acceleration * proposal.step
    off_speed = _nearest(gain, a[:-1], a[1:])
    worst = {
        "along": float(np.abs(along - way).max()),
        "across": float(np.abs(across).max()),
        "bend": float(np.abs(bend).max() * config.wheelbase),
        "speed": float(off_speed.max()),
    }
    name = max(worst, key=lambda key: worst[key])
    findings.require(
        GateRule.MOTION,
        worst[name] <= config.motion_tolerance,
        f"columns that agree to {config.motion_tolerance:g} per step",
        f"{worst[name]:.3g} {name}",
    )


def _nearest(value: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each value from the range between `a` and `b`."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.asarray(np.maximum(np.maximum(low - value, value - high), 0.0))
