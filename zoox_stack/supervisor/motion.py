"""A motion as it arrives, not yet believed, and its state at any time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import EgoPlan, Trajectory


@dataclass(frozen=True)
class MotionState:
    """Where a motion is at one instant; base_link in the map frame.

    Attributes:
        x: [m].
        y: [m].
        yaw: [rad], -pi..pi.
        speed: [m/s].
        acceleration: [m/s^2] along the heading.
        curvature: [1/m].
    """

    x: float
    y: float
    yaw: float
    speed: float
    acceleration: float
    curvature: float

    @classmethod
    def of_ego(cls, ego: EgoState) -> MotionState:
        """The ego as it is; it never reverses here, and a standing ego has no curvature."""
        curvature = float(np.clip(ego.yaw_rate / ego.speed, -0.2, 0.2)) if ego.speed > 0.5 else 0.0
        return cls(ego.x, ego.y, ego.yaw, max(ego.speed, 0.0), ego.acceleration, curvature)


@dataclass(frozen=True, eq=False)
class Proposal:
    """What somebody wants the ego to do, unchecked: arrays may be of any length and hold anything.

    Attributes as in `EgoPlan` and `Trajectory`: point ``i`` is at ``stamp_ns + (i + 1) * step``.
    """

    stamp_ns: int
    step: float
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    curvature: NDArray[np.float64]

    @classmethod
    def of(cls, trajectory: Trajectory) -> Proposal:
        """A trajectory as a proposal."""
        p = trajectory.plan
        return cls(trajectory.stamp_ns, p.step, p.x, p.y, p.yaw, p.speed, p.acceleration, p.curvature)

    def columns(self) -> tuple[NDArray[np.float64], ...]:
        """The six arrays."""
        return self.x, self.y, self.yaw, self.speed, self.acceleration, self.curvature

    def plan(self, name: str) -> EgoPlan:
        """As a checked plan.

        Raises:
            InvalidInputError: Arrays that are no motion.
        """
        return EgoPlan(0, name, self.step, *self.columns())


def state_at(motion: Proposal, stamp_ns: int) -> MotionState:
    """The state of a checked motion: between points interpolated, before the first moved back, at the end held.

    Args:
        motion: Equally long, finite arrays of at least one point.
        stamp_ns: [ns].
    """
    place = (stamp_ns - motion.stamp_ns) * 1e-9 / motion.step - 1.0
    if place < 0:
        return _before(motion, place * motion.step)
    row = min(int(place), len(motion.x) - 1)
    after = min(row + 1, len(motion.x) - 1)
    share = float(np.clip(place - row, 0.0, 1.0))

    def mix(values: NDArray[np.float64]) -> float:
        return float(values[row] + share * (values[after] - values[row]))

    turn = float(wrap_angle(motion.yaw[after] - motion.yaw[row]))
    yaw = float(wrap_angle(motion.yaw[row] + share * turn))
    return MotionState(
        mix(motion.x), mix(motion.y), yaw, mix(motion.speed), mix(motion.acceleration), mix(motion.curvature)
    )


def _before(motion: Proposal, dt: float) -> MotionState:
    """`dt` < 0 [s] before the first point, with its acceleration and curvature."""
    speed, acceleration, curvature = (float(v[0]) for v in (motion.speed, motion.acceleration, motion.curvature))
    earlier = max(speed + acceleration * dt, 0.0)
    way = (speed + earlier) / 2 * dt
    yaw = float(motion.yaw[0])
    middle = yaw + curvature * way / 2
    return MotionState(
        x=float(motion.x[0] + way * np.cos(middle)),
        y=float(motion.y[0] + way * np.sin(middle)),
        yaw=float(wrap_angle(yaw + curvature * way)),
        speed=earlier,
        acceleration=acceleration,
        curvature=curvature,
    )
