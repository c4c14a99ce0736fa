"""Speeds over time along a path: jerk-limited, never negative, all profiles stepped together.

A profile has a wanted speed (a second one after a switching time), may have to stop before a place and may follow an
agent ahead. Following is the Intelligent Driver Model (Treiber, Hennecke and Helbing, "Congested traffic states in
empirical observations and microscopic simulations", 2000), its interaction term taken as an upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import plain
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.speed_profile_loop import step_profiles

_NO_END = 1e6  # [m]
_OF_STEERING = 0.8  # share of the fastest turn of the wheels: the way back to the path takes some of it, too
_GENTLE = 0.75  # share of the usual braking that slower places ahead are reached with


@dataclass(frozen=True, eq=False)
class LeadMotion:
    """Rear end of an agent ahead, as distance along the path from the ego's front, at times 0, 0.1, ... 8 s.

    Attributes:
        agent_id: Id of the agent.
        gap: float64 ``[STEPS + 1]`` [m] from where the ego's front is now; a very large number while not in the way.
        speed: float64 ``[STEPS + 1]`` [m/s] along the path.
    """

    agent_id: int
    gap: NDArray[np.float64]
    speed: NDArray[np.float64]


@dataclass(frozen=True)
class ProfileSpec:
    """What one speed profile wants.

    Attributes:
        name: For people.
        target: Wanted speed [m/s].
        later_target: Wanted speed after `switch` [m/s].
        switch: [s].
        acceleration: Strongest acceleration [m/s^2], > 0.
        deceleration: Usual braking [m/s^2], > 0; to stop in time or to keep a distance it may brake harder.
        jerk: [m/s^3].
        stop_at: Distance [m] at which it must stand, None for no stop.
        release: [s] from then on it need not stand any more.
        lead: Agent to follow.
        headway: Factor on the wanted time headway.
    """

    name: str
    target: float
    acceleration: float
    deceleration: float
    jerk: float
    later_target: float | None = None
    switch: float = np.inf
    stop_at: float | None = None
    release: float = np.inf
    lead: LeadMotion | None = None
    headway: float = 1.0


@dataclass(frozen=True, eq=False)
class SpeedProfiles:
    """P profiles; column i is at ``(i + 1) * STEP``, arrays ``[P, STEPS]``.

    Attributes:
        distance: Travelled [m], not falling.
        speed: [m/s], >= 0.
        acceleration: Mean over the step before [m/s^2], so that speeds and accelerations agree exactly.
    """

    distance: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]


def speed_caps(
    s: NDArray[np.float64], curvature: NDArray[np.float64], limit: NDArray[np.float64], config: PlannerConfig
) -> NDArray[np.float64]:
    """Highest speed at each place, so that later limits and curves are reached with gentle braking; ``[P]`` [m/s].

    In curves the lateral acceleration stays comfortable. Into and out of them the front wheels turn no faster than they
    can, and the ego begins and ends to turn no faster than is comfortable.
    """
    bend = np.sqrt(config.comfort_lateral_acceleration / np.maximum(np.abs(curvature), 1e-4))
    steering = config.max_steering_rate / _steepest(s, np.arctan(config.wheelbase * curvature))
    turning = np.sqrt(config.comfort_yaw_acceleration / _steepest(s, curvature))
    allowed = np.minimum.reduce([bend, _OF_STEERING * steering, turning, limit]) ** 2
    braking = 2 * _GENTLE * config.comfort_deceleration * s
    later = np.minimum.accumulate((allowed + braking)[::-1])[::-1] - braking
    return np.asarray(np.sqrt(np.maximum(later, 0.0)))


def _steepest(s: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greatest change per metre on either side of each point, at least a very small one."""
    slope = np.abs(np.diff(values)) / np.diff(s)
    return np.asarray(np.maximum(np.maximum(np.append(slope, 0.0), np.insert(slope, 0, 0.0)), 1e-4))


def run_profiles(
    specs: Sequence[ProfileSpec],
    speed: float,
    acceleration: float,
    cap_distance: NDArray[np.float64],
    cap_speed: NDArray[np.float64],
    config: PlannerConfig,
) -> SpeedProfiles:
    """Step all profiles from one initial state.

    Args:
        specs: P profiles.
        speed: Now [m/s]; reversing counts as standing.
        acceleration: Now [m/s^2]; taken within the vehicle's limits.
        cap_distance: ``[Q]`` rising distances [m] of `cap_speed`, at least two.
        cap_speed: ``[Q]`` highest speeds there [m/s]; kept to whatever a profile wants.
        config: Limits.
    """
    wants = np.array(
        [
            (
                x.target,
                x.target if x.later_target is None else x.later_target,
                x.switch,
                x.acceleration,
                x.deceleration,
                x.jerk,
                _NO_END if x.stop_at is None else max(x.stop_at, 0.0),
                x.release,
                x.headway * config.time_headway,
            )
            for x in specs
        ]
    )
    leads: list[LeadMotion] = []
    rows = np.full(len(specs), -1)
    for i, spec in enumerate(specs):
        if spec.lead is not None:
            rows[i] = next((k for k, lead in enumerate(leads) if lead is spec.lead), len(leads))
            if rows[i] == len(leads):
                leads.append(spec.lead)
    gaps = np.array([lead.gap for lead in leads]).reshape(-1, STEPS + 1)
    speeds = np.array([lead.speed for lead in leads]).reshape(-1, STEPS + 1)
    result = SpeedProfiles(*(np.empty((len(specs), STEPS)) for _ in range(3)))
    step_profiles(
        plain(wants, np.float64), plain(gaps, np.float64), plain(speeds, np.float64), plain(rows, np.int64),
        float(speed), float(acceleration), plain(cap_distance, np.float64), plain(cap_speed, np.float64),
        config.max_deceleration, config.max_acceleration, config.comfort_deceleration, config.standstill_gap, STEP,
        True, result.distance, result.speed, result.acceleration,
    )  # fmt: skip
    return result
