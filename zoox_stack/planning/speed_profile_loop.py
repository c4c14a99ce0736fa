"""The loop of `zoox_stack.planning.speed_profiles` over profiles and times."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled

_REACTION = 0.5  # [s] time constant with which a wanted speed is approached
_ONSET_TIME = 0.35  # [s] in which braking builds up: the way until then is not there to brake
_STANDING = 0.02  # [m/s]
_NEVER_NEARER = 0.05  # [m] distances to a stop are not taken as less
_LEAST_GAP = 0.1  # [m]
_ONSET = 0.6  # share of the jerk with which acceleration builds up: passengers feel it more than braking's end


class Column(IntEnum):
    """Columns of what the profiles want."""

    TARGET = 0  # [m/s]
    LATER_TARGET = 1  # [m/s] after SWITCH
    SWITCH = 2  # [s]
    ACCELERATION = 3  # [m/s^2]
    DECELERATION = 4  # [m/s^2]
    JERK = 5  # [m/s^3]
    STOP_AT = 6  # [m]
    RELEASE = 7  # [s] from then on the stop does not hold
    HEADWAY = 8  # [s]


# As plain numbers: attributes of enums are slow to look up in a loop, and not known to the compiler.
_TARGET, _LATER, _SWITCH, _ACCELERATION, _DECELERATION, _JERK, _STOP_AT, _RELEASE, _HEADWAY = range(len(Column))


@compiled(
    "void(f8[:, ::1], f8[:, ::1], f8[:, ::1], i8[::1], f8, f8, f8[::1], f8[::1], f8, f8, f8, f8, f8, b1,"
    "f8[:, ::1], f8[:, ::1], f8[:, ::1])"
)
def step_profiles(
    wants: NDArray[np.float64],
    lead_gap: NDArray[np.float64],
    lead_speed: NDArray[np.float64],
    lead_row: NDArray[np.int64],
    speed: float,
    acceleration: float,
    cap_distance: NDArray[np.float64],
    cap_speed: NDArray[np.float64],
    hard: float,
    top_acceleration: float,
    gentle: float,
    standstill_gap: float,
    dt: float,
    every_second: bool,
    distances: NDArray[np.float64],
    speeds: NDArray[np.float64],
    accelerations: NDArray[np.float64],
) -> None:
    """Step P profiles through T times of `dt` [s].

    Args:
        wants: ``[P, 9]``, columns `Column`.
        lead_gap: ``[L, T + 1]`` [m] of each lead.
        lead_speed: ``[L, T + 1]`` [m/s].
        lead_row: ``[P]`` which lead is followed, -1 for none.
        speed: Now [m/s].
        acceleration: Now [m/s^2].
        cap_distance: ``[Q]`` rising [m].
        cap_speed: ``[Q]`` highest speed there [m/s].
        hard: Strongest braking [m/s^2].
        top_acceleration: Strongest acceleration [m/s^2].
        gentle: Braking before slower places, whatever the profile wants [m/s^2].
        standstill_gap: To a standing lead [m].
        dt: [s].
        every_second: A new command only every second step.
        distances: ``[P, T]`` filled.
        speeds: ``[P, T]`` filled.
        accelerations: ``[P, T]`` filled.
    """
    count, steps = distances.shape
    for p in range(count):
        a_max, b_soft, jerk = wants[p, _ACCELERATION], wants[p, _DECELERATION], wants[p, _JERK] * dt
        root = 2.0 * math.sqrt(a_max * b_soft)
        brake = max(gentle, b_soft)
        v = max(speed, 0.0)
        a = min(max(acceleration, -hard), top_acceleration)
        travelled, command = 0.0, 0.0
        place = 0
        lead = lead_row[p]
        for i in range(steps):
            time = i * dt
            if not (every_second and i % 2):
                target = wants[p, _TARGET] if time < wants[p, _SWITCH] else wants[p, _LATER]
                command = min(max((target - v) / _REACTION, -b_soft), a_max)
                ahead = travelled + _REACTION * v
                while place < len(cap_distance) - 2 and cap_distance[place + 1] < ahead:
                    place += 1
                span = cap_distance[place + 1] - cap_distance[place]
                share = min(max((ahead - cap_distance[place]) / span, 0.0), 1.0)
                cap = cap_speed[place] + share * (cap_speed[place + 1] - cap_speed[place])
                command = min(command, max((cap - v) / _REACTION, -brake))
                if time < wants[p, _RELEASE]:
                    left = max(wants[p, _STOP_AT] - travelled, 0.0)
                    needed = v * v / (2.0 * max(left, _NEVER_NEARER))
                    if needed > 0.6 * b_soft:
                        command = min(command, -needed)
                    else:
                        later = max(left - _ONSET_TIME * v, 0.0)
                        command = min(command, (math.sqrt(1.2 * b_soft * later) - v) / _REACTION)
                if lead >= 0:
                    gap = max(lead_gap[lead, i] - travelled, _LEAST_GAP)
                    spacing = v * (wants[p, _HEADWAY] + (v - lead_speed[lead, i]) / root)
                    desired = standstill_gap + max(spacing, 0.0)
                    command = min(command, a_max * (1.0 - (desired / gap) ** 2))
                command = max(command, -hard)
            up = jerk * _ONSET if a >= 0.0 else jerk
            a = a + min(max(command - a, -jerk), up)
            after = max(v + a * dt, 0.0)
            if after < _STANDING and command <= 0.0 and v <= hard * dt:
                after = 0.0
            a = (after - v) / dt
            travelled += (v + after) / 2.0 * dt
            v = after
            distances[p, i], speeds[p, i], accelerations[p, i] = travelled, v, a
