"""How fast, how hard and how tightly road users of each class can move at all.

One table for everyone who asks whether a motion is possible: the simulator that smooths what it records, and the check
that looks for impossible motion in recordings. The bounds are of physics, not of habit: what lies beyond them is an
error of a simulator, a label or a tracker, what lies within may still be a very bad driver.

Reasoning:

- *Acceleration* is the length of the acceleration vector in the plane. Tyres on dry asphalt grip with a friction
  coefficient of about 0.9, so that a road vehicle stays within 9 m/s^2 in whatever direction (friction circle). A
  motorcycle's wheels grip a little better, its stoppie limit lies at 10 m/s^2. A bicycle tips over its front wheel at
  0.6 g. A pedestrian stops from a run within one stride.
- *Yaw rate*: at speed v on radius r it is v / r, and v^2 / r is bounded by the acceleration, so that it never exceeds
  sqrt(acceleration / r) with the smallest radius r: 6 m for the centre of a car, 9 m for a lorry or a bus, 2.5 m for a
  motorcycle, 1 m for a bicycle. Legs turn a body as fast as 5 rad/s, and freely while it stands.
- *Speed*: above what traffic does; pedestrians run, they do not race.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass


@dataclass(frozen=True)
class MotionLimits:
    """Bounds of what a road user can do, all >= 0.

    Attributes:
        speed: [m/s] over ground.
        acceleration: [m/s^2] length of the vector in the plane.
        yaw_rate: [rad/s] either way.
        free_turn_below: [m/s] a body slower than this turns as it likes: `yaw_rate` does not apply.
    """

    speed: float
    acceleration: float
    yaw_rate: float
    free_turn_below: float = 0.0


class LimitColumn(IntEnum):
    """Columns of `limits_of`, in the order of the fields of `MotionLimits`."""

    SPEED = 0
    ACCELERATION = 1
    YAW_RATE = 2
    FREE_TURN_BELOW = 3


_LOOSEST = MotionLimits(speed=70.0, acceleration=15.0, yaw_rate=8.0, free_turn_below=0.5)

MOTION_LIMITS: Mapping[AgentClass, MotionLimits] = MappingProxyType({
    AgentClass.UNKNOWN: _LOOSEST,  # may be anything
    AgentClass.CAR: MotionLimits(60.0, 9.0, 1.2),
    AgentClass.TRUCK: MotionLimits(40.0, 9.0, 1.0),
    AgentClass.BUS: MotionLimits(40.0, 9.0, 1.0),
    AgentClass.TRAILER: MotionLimits(40.0, 9.0, 1.2),  # swings behind what tows it
    AgentClass.MOTORCYCLE: MotionLimits(70.0, 10.0, 2.0),
    AgentClass.BICYCLE: MotionLimits(20.0, 6.0, 2.5),
    AgentClass.PEDESTRIAN: MotionLimits(6.0, 8.0, 5.0, free_turn_below=0.5),
    AgentClass.ANIMAL: MotionLimits(20.0, 12.0, 8.0, free_turn_below=0.5),  # a dog in full gallop
    AgentClass.HAZARD: _LOOSEST,  # may be thrown, pushed or blown about
})  # fmt: skip

_TABLE = np.array([astuple(MOTION_LIMITS[kind]) for kind in AgentClass])
_TABLE.flags.writeable = False


def limits_of(classes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Bounds of each of N road users, float64 ``[N, 4]``, columns `LimitColumn`.

    Args:
        classes: ``[N]`` `AgentClass`.
    """
    return np.asarray(_TABLE[classes])
