"""Drivers who brake for a vehicle that will probably not stop for them, and for what SUMO does not know of.

SUMO lets traffic with right of way drive on whatever a vehicle on the minor road does. Real drivers watch: when a
crossing vehicle comes so fast that stopping would need hard braking, many lift off or brake, each at a point of their
own. This rule adds them. Both vehicles are extrapolated with constant velocity to their closest approach.

Nor does SUMO know how much room turning vehicles take: somebody about to touch the body of a vehicle on another course
brakes (`about_to_touch`).

Somebody who stands or walks in a driver's way, or will step into it before the driver is there, is met with the other
rule: the way is the circle on which the vehicle drives now, as wide as the vehicle and a little more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import boxes_overlap
from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView

HORIZON = 4.0  # [s]
NEAR = 3.0  # [m] closest approach that counts as a meeting
CROSSING_SINE = 0.35  # sine of the smallest angle between courses that counts as crossing
BRAKING = 2.5  # [m/s^2] of the driver who gives way
LEAST_SPEED = 2.0  # [m/s] slower drivers have nothing to anticipate
HARDEST = 7.5  # [m/s^2] of a driver who brakes for somebody on the road
STANDOFF = 2.0  # [m] kept between the front bumper and somebody on the road
STOPPING = 4.5  # [m/s^2] of a driver who is about to touch another vehicle
_NOTICED, _LEFT = 0.3, 0.4  # [s] before that driver brakes, [m] that are left then
_STANDS = 0.5  # [m/s]
_ALONGSIDE = 0.1  # sine of the angle between courses up to which SUMO keeps vehicles apart
_LOOKS = np.array([0.25, 0.5, 0.75, 1.0])  # parts of the way to a stop
_TOUCH = 0.1  # [m] by which boxes may overlap: positions are not exact
_SIDE, _SIDE_PASSABLE = 0.4, 0.2  # [m] kept aside of people, and of things at the side of the lane
_FARTHEST = 70.0  # [m]
_STEPS_IN = 4.0  # [s] within which somebody will step into the way
_CURVATURE = 0.2  # [1/m] largest
_MOVES = 1.0  # [m/s] slower vehicles cross nobody's way
_LEAST_PACE = 1e-3  # [m/s]
_SPARE = 0.1  # [m] for what is left out at once because it is too far away


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
    others = np.flatnonzero(speed > _MOVES)
    brake = np.zeros(len(position), bool)
    if not len(watchers):
        return brake
    to_other = position.T[:, None, others] - position.T[:, watchers, None]
    relative = velocity.T[:, None, others] - velocity.T[:, watchers, None]
    square = np.maximum(relative[0] ** 2 + relative[1] ** 2, 1e-6)
    time = -(to_other[0] * relative[0] + to_other[1] * relative[1]) / square
    row, column = np.nonzero((time > 0.3) & (time < HORIZON))  # few pairs meet at all
    time, watcher, other = time[row, column], watchers[row], others[column]
    apart = to_other[:, row, column] + time * relative[:, row, column]
    sine = np.abs(velocity[watcher, 0] * velocity[other, 1] - velocity[watcher, 1] * velocity[other, 0])
    sine = sine / np.maximum(speed[watcher] * speed[other], 1e-6)
    needed = speed[other] / (2 * time)  # v^2 / 2d with d = v t
    meets = (np.hypot(apart[0], apart[1]) < NEAR) & (sine > CROSSING_SINE) & (needed > caution[watcher])
    brake[watcher[meets]] = True
    return brake


def about_to_touch(view: TrafficView, yaw_rate: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Who will run into a vehicle on another course if it does not brake now.

    Of two who stand in each other's way it is only one, so that the other can go.
    Everyone goes on along its circle, as far as it takes to stop; the others meanwhile with constant velocity.

    Args:
        view: N vehicles.
        yaw_rate: ``[N]`` [rad/s].

    Returns:
        bool ``[N]``.
    """
    blocked = np.zeros(len(view.ids), bool)
    way = view.speed * _NOTICED + view.speed**2 / (2 * STOPPING) + _LEFT
    to_other = view.position.T[:, None, :] - view.position.T[:, :, None]
    reach = way + view.size[:, 0]
    near = to_other[0] ** 2 + to_other[1] ** 2 < (reach[:, None] + view.size[:, 0] / 2 + view.speed) ** 2
    near &= np.abs(np.sin(view.yaw[:, None] - view.yaw)) > _ALONGSIDE
    one, other = np.nonzero(near)
    if not len(one):
        return blocked
    part = _LOOKS[:, None] * way[one]
    curvature = np.clip(yaw_rate / np.maximum(view.speed, 1.0), -_CURVATURE, _CURVATURE)[one]
    turned = curvature * part
    course = view.yaw[one] + turned / 2
    centre = view.position[one] + part[..., None] * np.stack([np.cos(course), np.sin(course)], axis=-1)
    time = part / np.maximum(view.speed[one], _MOVES)
    away = view.position[other] + time[..., None] * view.velocity[other]
    sizes = view.size - _TOUCH
    touching = boxes_overlap(centre, view.yaw[one] + turned, sizes[one], away, view.yaw[other], sizes[other])
    together = boxes_overlap(
        view.position[one], view.yaw[one], sizes[one], view.position[other], view.yaw[other], sizes[other]
    )  # who has touched already may part
    pairs = touching.any(axis=0) & ~together
    one, other = one[pairs], other[pairs]
    count = len(view.ids)
    mutual = np.isin(one * count + other, other * count + one)
    stand = np.maximum(view.speed[one], view.speed[other]) < _STANDS
    blocked[one[~(mutual & stand & (one < other))]] = True
    return blocked


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
    way, around = np.full(len(view.ids), np.inf), np.zeros(len(view.ids))
    c, s = np.cos(view.yaw), np.sin(view.yaw)
    half, front = view.size[:, 1] / 2, view.size[:, 0] / 2
    pace = np.hypot(obstacles.velocity[:, 0], obstacles.velocity[:, 1])
    side = obstacles.radius + np.where(obstacles.passable, _SIDE_PASSABLE, _SIDE)
    # Only few are near and ahead. No way around a bend is shorter than the straight one.
    farthest = _FARTHEST + (front + half).max() + (obstacles.radius + side + _STEPS_IN * pace).max() + _SPARE
    to_x = obstacles.position[:, 0] - view.position[:, 0, None]
    to_y = obstacles.position[:, 1] - view.position[:, 1, None]
    ahead = to_x * c[:, None] + to_y * s[:, None]
    row, column = np.nonzero((ahead > 0) & (to_x * to_x + to_y * to_y < farthest**2))
    ahead, left = ahead[row, column], to_y[row, column] * c[row] - to_x[row, column] * s[row]
    curvature = np.clip(yaw_rate / np.maximum(view.speed, 1.0), -_CURVATURE, _CURVATURE)
    curvature[np.abs(curvature) < 1e-4] = 1e-4
    bend = curvature[row]
    radius, sign = 1 / np.abs(bend), np.sign(bend)
    inwards = radius - sign * left
    angle = np.arctan2(ahead, inwards)
    along = radius * angle
    aside = sign * (radius - np.hypot(ahead, inwards))  # to the left of the circle
    gap = along - front[row] - obstacles.radius[column]
    reach = half[row] + side[column]
    near = (gap > -front[row]) & (gap < _FARTHEST) & (angle < np.pi / 2)
    near &= np.abs(aside) < reach + _STEPS_IN * pace[column] + _SPARE
    pick = np.flatnonzero(near)
    if not len(pick):
        return way, around
    row, column, sign, angle = row[pick], column[pick], sign[pick], angle[pick]
    gap, aside, reach = gap[pick], aside[pick], reach[pick]
    course = view.yaw[row] + sign * angle
    motion = obstacles.velocity[column]
    drift = motion[:, 1] * np.cos(course) - motion[:, 0] * np.sin(course)
    away = motion[:, 0] * np.cos(course) + motion[:, 1] * np.sin(course)
    arrives = np.maximum(gap, 0) / np.maximum(view.speed[row] - away, 0.5)
    inside = np.abs(aside) < reach
    coming = (np.abs(aside) - reach) / np.maximum(np.abs(drift), _LEAST_PACE) < np.minimum(arrives + 1.0, _STEPS_IN)
    coming &= (aside * drift < 0) & (gap > 0)
    leaves = (reach - aside * np.sign(drift)) / np.maximum(np.abs(drift), _LEAST_PACE)
    gone = (np.abs(drift) > 0.3) & (leaves < arrives - 1.0)
    rest = gap - STANDOFF + np.maximum(away, 0) ** 2 / (2 * BRAKING)
    pick = np.flatnonzero((inside | coming) & ~gone)
    pick = pick[np.lexsort((rest[pick], row[pick]))]
    pick = pick[np.searchsorted(row[pick], np.unique(row[pick]))]  # the nearest for each driver
    row, column, aside = row[pick], column[pick], aside[pick]
    way[row] = rest[pick]
    around[row] = np.where(obstacles.passable[column], -np.sign(aside) * (reach[pick] - np.abs(aside)), 0.0)
    return way, around
