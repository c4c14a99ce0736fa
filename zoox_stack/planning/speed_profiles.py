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

from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.config import PlannerConfig

_REACTION = 0.5  # [s] time constant with which a wanted speed is approached
_NO_END = 1e6  # [m]
_STANDING = 0.02  # [m/s]


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
        lead: Agent to follow.
    """

    name: str
    target: float
    acceleration: float
    deceleration: float
    jerk: float
    later_target: float | None = None
    switch: float = np.inf
    stop_at: float | None = None
    lead: LeadMotion | None = None


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
    """Highest speed at each place so that every later limit and curve is reached with gentle braking; ``[P]`` [m/s]."""
    bend = np.sqrt(config.comfort_lateral_acceleration / np.maximum(np.abs(curvature), 1e-4))
    allowed = np.minimum(bend, limit) ** 2
    braking = 2 * 0.75 * config.comfort_deceleration * s
    later = np.minimum.accumulate((allowed + braking)[::-1])[::-1] - braking
    return np.asarray(np.sqrt(np.maximum(later, 0.0)))


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
        cap_distance: ``[Q]`` rising distances [m] of `cap_speed`.
        cap_speed: ``[Q]`` highest speeds there [m/s].
        config: Limits.
    """
    p = len(specs)
    target = np.array([x.target for x in specs])
    later = np.array([x.target if x.later_target is None else x.later_target for x in specs])
    switch = np.array([x.switch for x in specs])
    a_max = np.array([x.acceleration for x in specs])
    b_soft = np.array([x.deceleration for x in specs])
    jerk_step = np.array([x.jerk for x in specs]) * STEP
    stop_at = np.array([_NO_END if x.stop_at is None else max(x.stop_at, 0.0) for x in specs])
    nobody = np.full(STEPS + 1, _NO_END)
    lead_gap = np.stack([nobody if x.lead is None else x.lead.gap for x in specs], axis=1)
    lead_speed = np.stack([nobody * 0 if x.lead is None else x.lead.speed for x in specs], axis=1)
    stopping, following = any(x.stop_at is not None for x in specs), any(x.lead is not None for x in specs)
    hard = config.max_deceleration
    v = np.full(p, max(speed, 0.0))
    a = np.full(p, float(np.clip(acceleration, -hard, config.max_acceleration)))
    travelled, command = np.zeros(p), np.zeros(p)
    root = 2 * np.sqrt(a_max * b_soft)
    distances, speeds, accelerations = np.empty((STEPS, p)), np.empty((STEPS, p)), np.empty((STEPS, p))
    for i in range(STEPS):
        if i % 2 == 0:  # a new command every 0.2 s is enough and halves the time
            wanted = np.where(i * STEP < switch, target, later)
            wanted = np.minimum(wanted, np.interp(travelled + _REACTION * v, cap_distance, cap_speed))
            command = np.minimum(np.maximum((wanted - v) / _REACTION, -b_soft), a_max)
            if stopping:
                left = np.maximum(stop_at - travelled, 0.0)
                needed = v * v / (2 * np.maximum(left, 0.05))
                approach = (np.sqrt(1.2 * b_soft * left) - v) / _REACTION
                command = np.minimum(command, np.where(needed > 0.6 * b_soft, -needed, approach))
            if following:
                gap = np.maximum(lead_gap[i] - travelled, 0.1)
                spacing = v * (config.time_headway + (v - lead_speed[i]) / root)
                desired = config.standstill_gap + np.maximum(spacing, 0.0)
                command = np.minimum(command, a_max * (1 - (desired / gap) ** 2))
            command = np.maximum(command, -hard)
        a = a + np.minimum(np.maximum(command - a, -jerk_step), jerk_step)
        after = np.maximum(v + a * STEP, 0.0)
        after = np.where((after < _STANDING) & (command <= 0) & (v <= hard * STEP), 0.0, after)
        a = (after - v) / STEP
        travelled = travelled + (v + after) / 2 * STEP
        v = after
        distances[i], speeds[i], accelerations[i] = travelled, v, a
    return SpeedProfiles(distances.T, speeds.T, accelerations.T)
