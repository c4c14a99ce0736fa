"""The ego's body: a kinematic bicycle with actuators that are limited, slow and late, and the tracker that drives it.

The bicycle is that of Kong, Pfeiffer, Schildbach and Borrelli, "Kinematic and Dynamic Vehicle Models for Autonomous
Driving Control Design", IV 2015, with the rear axle as reference point. The tracker feeds the trajectory's curvature
and acceleration forward and feeds errors back: across the path with well damped poles in space (error dynamics
``e'' = kappa - kappa_ref`` over arc length), along it with a proportional-derivative law in time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.parameters import parameter
from zoox_stack.core.plans import Trajectory

SUBSTEP = 0.02  # [s] of the integration
_REACH_TIME = 0.9  # [s] of driving over which an error across the path is taken out
_LEAST_REACH = 4.0  # [m]
_DAMPING = 2.4  # 2 for two equal poles; more, because the steering lags
_ALONG, _SPEED = 0.6, 1.4  # [1/s^2], [1/s] gains along the path
_STANDS = 0.05  # [m/s] below it a stop is held
_HOLD = -1.0  # [m/s^2] asked of the brakes to hold it


@dataclass(frozen=True)
class EgoVehicleConfig:
    """Size, limits and lags of the ego."""

    vehicle_length: float = parameter(4.8, "Length of the ego", unit="m", low=0.5, high=30.0)
    vehicle_width: float = parameter(1.9, "Width of the ego", unit="m", low=0.3, high=5.0)
    vehicle_height: float = parameter(1.7, "Height of the ego", unit="m", low=0.3, high=6.0)
    wheelbase: float = parameter(2.8, "From the rear to the front axle", unit="m", low=0.3, high=15.0)
    rear_axle_to_centre: float = parameter(
        1.4, "From base_link forward to the middle of the ego", unit="m", low=-5.0, high=15.0
    )
    max_speed: float = parameter(36.0, "The motor gives no more", unit="m/s", low=1.0, high=80.0)
    max_acceleration: float = parameter(3.0, "The motor gives no more", unit="m/s^2", low=0.1, high=15.0)
    max_deceleration: float = parameter(8.0, "Tyres and brakes give no more", unit="m/s^2", low=0.5, high=15.0)
    max_steering: float = parameter(0.6, "Greatest angle of the front wheels", unit="rad", low=0.05, high=1.3)
    max_steering_rate: float = parameter(0.6, "Greatest change of that angle", unit="rad/s", low=0.01, high=10.0)
    acceleration_lag: float = parameter(0.15, "Time constant of motor and brakes", unit="s", low=0.0, high=5.0)
    steering_lag: float = parameter(0.1, "Time constant of the steering", unit="s", low=0.0, high=5.0)
    actuator_delay: float = parameter(
        0.06, f"Dead time before a command has effect, in steps of {SUBSTEP} s", unit="s", low=0.0, high=1.0
    )
    stale_after: float = parameter(
        0.25, "A trajectory older than this is not followed any more: the ego brakes", unit="s", low=0.05, high=10.0
    )
    stale_deceleration: float = parameter(2.5, "How it then brakes", unit="m/s^2", low=0.5, high=8.0)


@dataclass(frozen=True)
class Command:
    """What the actuators are asked for.

    Attributes:
        acceleration: [m/s^2].
        steering: Angle of the front wheels [rad], positive to the left.
    """

    acceleration: float
    steering: float


class EgoVehicle:
    """The ego in motion. Deterministic; all state is here.

    Args:
        config: Size, limits, lags.
        x: Of the rear axle, map frame [m].
        y: Of the rear axle [m].
        yaw: [rad].
        speed: [m/s].
    """

    def __init__(self, config: EgoVehicleConfig, x: float, y: float, yaw: float, speed: float = 0.0) -> None:
        self.config = config
        self.x, self.y, self.yaw, self.speed = float(x), float(y), float(yaw), float(speed)
        self.acceleration = 0.0
        self.steering = 0.0
        waiting = round(config.actuator_delay / SUBSTEP)
        self._waiting: deque[Command] = deque([Command(0.0, 0.0)] * waiting)

    def state(self, stamp_ns: int) -> EgoState:
        """As the rest of the stack knows it."""
        config = self.config
        return EgoState(
            stamp_ns=stamp_ns,
            x=self.x,
            y=self.y,
            yaw=float(wrap_angle(self.yaw)),
            speed=self.speed,
            acceleration=self.acceleration,
            yaw_rate=self.speed * np.tan(self.steering) / config.wheelbase,
            length=config.vehicle_length,
            width=config.vehicle_width,
            height=config.vehicle_height,
            rear_axle_to_centre=config.rear_axle_to_centre,
        )

    def follow(self, trajectory: Trajectory | None, now_ns: int, duration: float) -> None:
        """Drive on for `duration` [s] from the time `now_ns`, along the newest trajectory there is.

        Without one, or with one that is older than ``stale_after``, the ego brakes and keeps its steering.
        """
        for k in range(max(1, round(duration / SUBSTEP))):
            time_ns = now_ns + round(k * SUBSTEP * 1e9)
            self._integrate(self._delayed(self.command(trajectory, time_ns)))

    def command(self, trajectory: Trajectory | None, time_ns: int) -> Command:
        """What the tracker asks for at a time."""
        config = self.config
        age = np.inf if trajectory is None else (time_ns - trajectory.stamp_ns) * 1e-9
        if trajectory is None or not -1e-6 <= age <= config.stale_after:
            return Command(-config.stale_deceleration if self.speed > 0 else _HOLD, self.steering)
        # What is commanded now has effect later: errors are those of then.
        later = config.actuator_delay + config.steering_lag
        x, y, yaw, speed, acceleration, curvature = _reference(trajectory, age + later)
        # Its own acceleration until then counts, or the gain on speed would add a fifth to what is planned.
        own_speed = max(self.speed + self.acceleration * later, 0.0)
        moved = (self.speed + own_speed) / 2 * later
        turn = moved * np.tan(self.steering) / config.wheelbase
        own_x = self.x + moved * np.cos(self.yaw + turn / 2)
        own_y = self.y + moved * np.sin(self.yaw + turn / 2)
        c, s = np.cos(yaw), np.sin(yaw)
        along = c * (x - own_x) + s * (y - own_y)
        across = c * (own_y - y) - s * (own_x - x)
        heading = float(wrap_angle(self.yaw + turn - yaw))
        if speed < _STANDS and self.speed < 4 * _STANDS and along < 0.2:
            return Command(_HOLD, self.steering)
        reach = max(_LEAST_REACH, _REACH_TIME * self.speed)
        kappa = curvature - across / reach**2 - _DAMPING * np.sin(heading) / reach
        wanted = acceleration + _ALONG * along + _SPEED * (speed - own_speed)
        return Command(float(wanted), float(np.arctan(config.wheelbase * kappa)))

    def _delayed(self, command: Command) -> Command:
        self._waiting.append(command)
        return self._waiting.popleft()

    def _integrate(self, command: Command) -> None:
        config, dt = self.config, SUBSTEP
        wanted = min(max(command.acceleration, -config.max_deceleration), config.max_acceleration)
        self.acceleration += (wanted - self.acceleration) * min(1.0, dt / max(config.acceleration_lag, dt))
        angle = min(max(command.steering, -config.max_steering), config.max_steering)
        turn = (angle - self.steering) * min(1.0, dt / max(config.steering_lag, dt))
        most = config.max_steering_rate * dt
        self.steering += min(max(turn, -most), most)
        before = self.speed
        self.speed = min(max(0.0, before + self.acceleration * dt), config.max_speed)
        self.acceleration = (self.speed - before) / dt if self.speed in (0.0, config.max_speed) else self.acceleration
        middle = (before + self.speed) / 2
        rate = middle * np.tan(self.steering) / config.wheelbase
        heading = self.yaw + rate * dt / 2
        self.x += float(middle * dt * np.cos(heading))
        self.y += float(middle * dt * np.sin(heading))
        self.yaw += float(rate * dt)


def _reference(trajectory: Trajectory, age: float) -> tuple[float, float, float, float, float, float]:
    """x, y, yaw, speed, acceleration, curvature of a plan `age` seconds after its stamp.

    The first point is one step after the stamp; before it the plan is drawn out backwards, after its end it stands.
    """
    plan = trajectory.plan
    place = age / plan.step - 1.0
    if place < 0:
        back = -place * plan.step
        speed = max(0.0, float(plan.speed[0] - plan.acceleration[0] * back))
        moved = (speed + float(plan.speed[0])) / 2 * back
        yaw = float(plan.yaw[0])
        return (
            float(plan.x[0]) - moved * np.cos(yaw), float(plan.y[0]) - moved * np.sin(yaw), yaw, speed,
            float(plan.acceleration[0]), float(plan.curvature[0]),
        )  # fmt: skip
    i = min(int(place), len(plan) - 1)
    j = min(i + 1, len(plan) - 1)
    share = min(place - i, 1.0)

    def mix(values: np.ndarray) -> float:
        return float(values[i] + share * (values[j] - values[i]))

    over = place > len(plan) - 1
    turned = float(wrap_angle(plan.yaw[j] - plan.yaw[i]))
    return (
        mix(plan.x), mix(plan.y), float(plan.yaw[i]) + share * turned,
        0.0 if over else mix(plan.speed), 0.0 if over else mix(plan.acceleration), mix(plan.curvature),
    )  # fmt: skip
