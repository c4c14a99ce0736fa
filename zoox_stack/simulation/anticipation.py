"""Drivers who brake for a vehicle that will probably not stop for them, and for what SUMO does not know of.

SUMO lets traffic with right of way drive on whatever a vehicle on the minor road does. Real drivers watch: when a
crossing vehicle comes so fast that stopping would need hard braking, many lift off or brake, each at a point of their
own. This rule adds them. Both vehicles are extrapolated with constant velocity to their closest approach.

Somebody who stands or walks in a driver's way, or will step into it before the driver is there, is met with the other
rule: the way is the circle on which the vehicle drives now, as wide as the vehicle and a little more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView

HORIZON = 4.0  # [s]
NEAR = 3.0  # [m] closest approach that counts as a meeting
CROSSING_SINE = 0.35  # sine of the smallest angle between courses that counts as crossing
BRAKING = 2.5  # [m/s^2] of the driver who gives way
LEAST_SPEED = 2.0  # [m/s] slower drivers have nothing to anticipate
HARDEST = 7.5  # [m/s^2] of a driver who brakes for somebody on the road
STANDOFF = 2.0  # [m] kept between the front bumper and somebody on the road
_SIDE, _SIDE_PASSABLE = 0.4, 0.2  # [m] kept aside of people, and of things at the side of the lane
_FARTHEST = 70.0  # [m]
_STEPS_IN = 4.0  # [s] within which somebody will step into the way
_CURVATURE = 0.2  # [1/m] largest


def must_brake(
    position: NDArray[np.float64], velocity: NDArray[np.float64], caution: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Who brakes for a crossing vehicle.

    Args:
        position: Box centres ``[N, 2]`` [m].
        velocity: ``[N, 2]`` [m/s].
        caution: ``[N]`` deceleration [m/s^2] the other would need to stop before the meeting point from which on the
            driver no longer trusts that it stops; infinity: trusts always.

    Returns:
        bool ``[N]``.
    """
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    watchers = np.flatnonzero(np.isfinite(caution) & (speed > LEAST_SPEED))
    brake = np.zeros(len(position), bool)
    if not len(watchers):
        return brake
    to_other = position[None, :] - position[watchers, None]
    relative = velocity[None, :] - velocity[watchers, None]
    square = np.maximum((relative**2).sum(axis=-1), 1e-6)
    time = -(to_other * relative).sum(axis=-1) / square
    gap = np.hypot(*np.moveaxis(to_other + time[..., None] * relative, -1, 0))
    mine, other = velocity[watchers, None], velocity[None, :]
    sine = np.abs(mine[..., 0] * other[..., 1] - mine[..., 1] * other[..., 0])
    sine = sine / np.maximum(speed[watchers, None] * speed[None, :], 1e-6)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = speed[None, :] / (2 * time)  # v^2 / 2d with d = v t
    meets = (time > 0.3) & (time < HORIZON) & (gap < NEAR) & (sine > CROSSING_SINE) & (speed[None, :] > 1.0)
    brake[watchers] = (meets & (needed > caution[watchers, None])).any(axis=1)
    return brake


def free_way(
    view: TrafficView, yaw_rate: NDArray[np.float64], obstacles: Obstacles
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far everyone may drive on before somebody is in the way.

    Args:
        view: N vehicles.
        yaw_rate: ``[N]`` [rad/s].
        obstacles: H of them.

    Returns:
        Way ``[N]`` from the front bumper to a stop in due distance [m], infinity: free; and how far to the left ``[N]``
        the vehicle would have to be to pass what is in the way [m], 0 where that is no solution.
    """
    speed = np.hypot(view.velocity[:, 0], view.velocity[:, 1])
    curvature = np.clip(yaw_rate / np.maximum(speed, 1.0), -_CURVATURE, _CURVATURE)
    c, s = np.cos(view.yaw), np.sin(view.yaw)
    to_other = obstacles.position[None] - view.position[:, None]
    ahead = to_other[..., 0] * c[:, None] + to_other[..., 1] * s[:, None]
    left = to_other[..., 1] * c[:, None] - to_other[..., 0] * s[:, None]
    bend = np.where(np.abs(curvature) < 1e-4, 1e-4, curvature)[:, None]
    radius, sign = 1 / np.abs(bend), np.sign(bend)
    angle = np.arctan2(ahead, radius - sign * left)
    along = radius * angle
    aside = sign * (radius - np.hypot(ahead, radius - sign * left))  # to the left of the circle
    course = view.yaw[:, None] + sign * angle
    motion = obstacles.velocity[None]
    drift = motion[..., 1] * np.cos(course) - motion[..., 0] * np.sin(course)
    away = motion[..., 0] * np.cos(course) + motion[..., 1] * np.sin(course)
    half, front = view.size[:, 1, None] / 2, view.size[:, 0, None] / 2
    reach = half + obstacles.radius + np.where(obstacles.passable, _SIDE_PASSABLE, _SIDE)
    gap = along - front - obstacles.radius
    arrives = np.maximum(gap, 0) / np.maximum(speed[:, None] - away, 0.5)
    inside = np.abs(aside) < reach
    pace = np.maximum(np.abs(drift), 1e-3)
    coming = (aside * drift < 0) & ((np.abs(aside) - reach) / pace < np.minimum(arrives + 1.0, _STEPS_IN))
    leaves = (reach - aside * np.sign(drift)) / pace
    gone = (np.abs(drift) > 0.3) & (leaves < arrives - 1.0)
    counts = (gap > -2 * front) & (gap < _FARTHEST) & (angle < np.pi / 2) & (along > 0)
    counts &= (inside & (gap > -front)) | (coming & (gap > 0))
    way = np.where(counts & ~gone, gap - STANDOFF + np.maximum(away, 0) ** 2 / (2 * BRAKING), np.inf)
    nearest = way.argmin(axis=1)
    rows = np.arange(len(way))
    around = -np.sign(aside[rows, nearest]) * (reach[rows, nearest] - np.abs(aside[rows, nearest]))
    return way[rows, nearest], np.where(obstacles.passable[nearest] & np.isfinite(way[rows, nearest]), around, 0.0)
