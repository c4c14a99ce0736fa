"""The loop of `feasibility` and of the costs of the ego's own motion, over candidates and times."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled
from zoox_stack.road_network.drivable import DEPTH_STEP

_MOVES = 0.3  # [m/s]
_SMALL = 1.5  # [m] half length and half width of people and two-wheelers together are less
_PASSING_GAP, _PASSING_TIME = 0.2, 0.1  # [m], [s] wanted at their side: so much and so much times the speed
_PASSING_BEFORE = 1.0  # [s] before the ego reaches them it counts already
_FAST = 8.0  # [m/s] from which passing them closely is as bad as can be
_COMES = 0.5  # [m/s] against the ego, from which on an agent is oncoming
_OVER = 0.3  # [m/s] above the wanted speed that cost nothing
_LINE_MARGIN = 0.15  # [m] a box may reach over a line
_JERK_WINDOW = 6  # steps over which the jerk that passengers feel is taken
_YAW_WINDOW = 4  # steps over which the yaw acceleration is taken
_IN_INTERSECTION = 3.0  # times as much counts being beside the path there
_SETTLED = 3  # steps after which a plan has left what the ego does now
_NEAR = 40  # steps of the last plan that are compared
_DEPTH_STEP = DEPTH_STEP  # compiled functions take constants of their own file
_CORNERS_OVER = 0.2  # [m] corners may be over the edge when the ego leaves the middle of its lane
_TOO_DEEP, _DEEP_SHARE = 0.3, 0.1  # [m] off the road count as a tenth of being off it for good
_GROUND_EVERY, _GROUND_FIRST = 2, 1  # steps at which the ground under the middle and the corners is looked at


class Kinematics(IntEnum):
    """Rows of the candidates' motion."""

    S = 0
    D = 1
    X = 2
    Y = 3
    YAW = 4
    CURVATURE = 5
    SPEED = 6
    ACCELERATION = 7


class Broken(IntEnum):
    """Bits of what a candidate breaks."""

    OFF_ROAD = 1
    ACCELERATION = 2
    CURVATURE = 4
    JERK = 8
    STEERING = 16
    FRICTION = 32


class Term(IntEnum):
    """Columns of the costs that come from the ego's motion."""

    ACCELERATION = 0  # mean square [m^2/s^4]
    JERK = 1  # mean square [m^2/s^6]
    LATERAL = 2  # mean square [m^2/s^4]
    LANE_DEVIATION = 3  # mean [m], in intersections three times
    SPEED_LIMIT = 4  # mean square [m^2/s^2]
    OFF_ROAD = 5  # share of corners, and a tenth for the deepest of them
    CONSISTENCY = 6  # mean [m]
    DISCOMFORT = 7  # largest share by which a bound of comfort is exceeded
    WRONG_WAY = 8  # mean share of the ego's width
    SOLID_LINE = 9  # share of moments
    OCCLUSION = 10  # mean square [m^2/s^2]


class PathColumn(IntEnum):
    """Columns of the reference path; edges are distances from it, inf where there is none."""

    S = 0  # [m]
    WANTED_SPEED = 1  # [m/s]
    ON_GROUND = 2  # 0..1
    CLOSED_LEFT = 3  # [m] line that must not be crossed
    CLOSED_RIGHT = 4
    ONCOMING_LEFT = 5  # [m] lanes of the opposite direction
    ONCOMING_RIGHT = 6
    SIGHT_SPEED = 7  # [m/s] at which the ego, with its base_link here, can stop for who is hidden; inf
    IN_INTERSECTION = 8  # 0 or 1


class Limit(IntEnum):
    """Entries of the limits."""

    ACCELERATION = 0
    DECELERATION = 1
    LATERAL = 2
    CURVATURE = 3
    JERK = 4
    STEERING_RATE = 5
    FRICTION = 6  # [m/s^2] of the whole acceleration
    WHEELBASE = 7


class Rss(IntEnum):
    """Entries of what is assumed of braking and reacting for the safe distance."""

    RESPONSE_TIME = 0  # [s] of the ego
    ACCELERATION = 1  # [m/s^2] of anybody meanwhile
    BRAKING = 2  # [m/s^2] of the ego, at least
    HARDEST_BRAKING = 3  # [m/s^2] of who is ahead
    OTHER_RESPONSE_TIME = 4  # [s]
    OTHER_BRAKING = 5  # [m/s^2] of who comes towards the ego, at least
    STANDSTILL_GAP = 6  # [m]


class Comfort(IntEnum):
    """Entries of the bounds of comfort, all > 0."""

    ACCELERATION = 0
    DECELERATION = 1
    LATERAL = 2
    YAW_RATE = 3
    YAW_ACCELERATION = 4
    JERK = 5


@compiled("f8(u1[:, ::1], f8, f8, f8, f8, f8)")
def _off_ground(grid: NDArray[np.uint8], low_x: float, low_y: float, cell: float, x: float, y: float) -> float:
    """How far a point is off drivable ground [m], 0 on it."""
    column, row = math.floor((x - low_x) / cell), math.floor((y - low_y) / cell)
    if 0 <= column < grid.shape[1] and 0 <= row < grid.shape[0]:
        return _DEPTH_STEP * grid[int(row), int(column)]
    return _DEPTH_STEP * 255.0


@compiled(
    "void(f8[:, :, ::1], f8[::1], b1[::1], f8[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], u1[:, ::1], f8[::1],"
    "b1[::1], f8[:, ::1], f8, u1[::1], f8[:, ::1])"
)
def measure_motion(
    motion: NDArray[np.float64],
    target_d: NDArray[np.float64],
    beside: NDArray[np.bool_],
    path: NDArray[np.float64],
    now: NDArray[np.float64],
    past: NDArray[np.float64],
    limits: NDArray[np.float64],
    comfort: NDArray[np.float64],
    grid: NDArray[np.uint8],
    raster: NDArray[np.float64],
    on_road_now: NDArray[np.bool_],
    last_plan: NDArray[np.float64],
    dt: float,
    broken: NDArray[np.uint8],
    terms: NDArray[np.float64],
) -> None:
    """What C candidates of T steps break, and the terms of their costs.

    Args:
        motion: ``[8, C, T]``, rows `Kinematics`.
        target_d: ``[C]`` centre of the lane driven to [m].
        beside: ``[C]`` whether the candidate leaves the middle of the lane of its own accord.
        path: ``[P, 9]``, columns `PathColumn`.
        now: Of the ego: acceleration [m/s^2], lateral acceleration [m/s^2], middle before base_link, half length, half
            width [m].
        past: ``[6]`` acceleration of the ego now and 1, 2, ... steps ago [m/s^2].
        limits: As `Limit`.
        comfort: As `Comfort`.
        grid: How far cells are off drivable ground, `DrivableGrid.depths`; ``[0, 0]`` if unknown.
        raster: Its low x, low y, cell [m].
        on_road_now: Whether the ego's middle is on drivable ground, and whether its whole box is.
        last_plan: ``[T, 2]`` positions [m], NaN beyond its end; ``[0, 2]`` without one.
        dt: [s].
        broken: ``[C]`` filled: bits of `Broken`.
        terms: ``[C, 11]`` filled: columns `Term`.
    """
    count, steps = motion.shape[1], motion.shape[2]
    points = len(path)
    to_centre, half_length, half_width = now[2], now[3], now[4]
    known = grid.shape[0] > 0
    for c in range(count):
        squares = jerks = laterals = deviation = over = off = seen = apart = compared = worst = 0.0
        wrong = crossed = blind = deepest = 0.0
        flags = 0
        before_a, place, place_middle = now[0], 0, 0
        for t in range(steps):
            s, d, yaw = motion[0, c, t], motion[1, c, t], motion[4, c, t]
            kappa, v, a = motion[5, c, t], motion[6, c, t], motion[7, c, t]
            lateral = v * v * kappa
            squares += a * a
            jerk = (a - before_a) / dt
            jerks += jerk * jerk
            laterals += lateral * lateral
            while place < points - 2 and path[place + 1, 0] < s:
                place += 1
            share = min(max((s - path[place, 0]) / (path[place + 1, 0] - path[place, 0]), 0.0), 1.0)
            wanted = path[place, 1] + share * (path[place + 1, 1] - path[place, 1])
            excess = max(v - wanted - _OVER, 0.0)
            over += excess * excess
            here = place + 1 if share > 0.5 else place
            if path[here, 8] > 0.5:  # the lanes beside lead somewhere else
                deviation += _IN_INTERSECTION * abs(d)
            else:
                deviation += min(abs(d), abs(d - target_d[c]))
            excess = max(v - path[here, 7], 0.0)
            blind += excess * excess
            beyond = max(d - path[here, 5], -d - path[here, 6]) + half_width
            wrong += min(max(beyond / (2.0 * half_width), 0.0), 1.0)
            if max(d - path[here, 3], -d - path[here, 4]) + half_width > _LINE_MARGIN:
                crossed += 1.0
            if t < _NEAR and t < len(last_plan) and not math.isnan(last_plan[t, 0]):
                dx, dy = motion[2, c, t] - last_plan[t, 0], motion[3, c, t] - last_plan[t, 1]
                apart += math.sqrt(dx * dx + dy * dy)
                compared += 1.0
            # What the ego breaks already does not rule a plan out while it does not get worse.
            if abs(lateral) > max(limits[2], abs(now[1]) + 0.5):
                flags |= 2
            if a > max(limits[0], now[0]) + 0.01 or a < min(-limits[1], now[0]) - 0.01:
                flags |= 2
            if v > _MOVES:
                if abs(kappa) > limits[3]:
                    flags |= 4
                if t >= _SETTLED:
                    if abs(jerk) > limits[4]:
                        flags |= 8
                    wheels, before = limits[7] * kappa, limits[7] * motion[5, c, t - 1]
                    # the angle turns by less than its tangent
                    if abs(wheels - before) > limits[5] * dt and (
                        abs(math.atan(wheels) - math.atan(before)) > limits[5] * dt
                    ):
                        flags |= 16
                    if a * a + lateral * lateral > limits[6] * limits[6]:
                        flags |= 32
            worst = max(worst, a / comfort[0], -a / comfort[1], abs(lateral) / comfort[2], abs(v * kappa) / comfort[3])
            if t >= _JERK_WINDOW:
                worst = max(worst, abs(a - motion[7, c, t - _JERK_WINDOW]) / (_JERK_WINDOW * dt) / comfort[5])
            else:
                worst = max(worst, abs(a - past[_JERK_WINDOW - 1 - t]) / (_JERK_WINDOW * dt) / comfort[5])
            if t >= _YAW_WINDOW + _SETTLED:
                rate = v * kappa - motion[6, c, t - _YAW_WINDOW] * motion[5, c, t - _YAW_WINDOW]
                worst = max(worst, abs(rate) / (_YAW_WINDOW * dt) / comfort[4])
            before_a = a
            if known and t % _GROUND_EVERY == _GROUND_FIRST:
                cos, sin = math.cos(yaw), math.sin(yaw)
                x, y = motion[2, c, t] + to_centre * cos, motion[3, c, t] + to_centre * sin
                while place_middle < points - 2 and path[place_middle + 1, 0] < s + to_centre:
                    place_middle += 1
                mapped = path[place_middle, 2] > 0.99 and path[place_middle + 1, 2] > 0.99
                if mapped and on_road_now[0] and _off_ground(grid, raster[0], raster[1], raster[2], x, y) > 0.0:
                    flags |= 1
                seen += 4.0
                for corner in range(4):
                    along = half_length if corner < 2 else -half_length
                    across = half_width if corner % 2 else -half_width
                    px, py = x + along * cos - across * sin, y + along * sin + across * cos
                    if mapped:
                        depth = _off_ground(grid, raster[0], raster[1], raster[2], px, py)
                        deepest = max(deepest, depth)
                        if depth > 0.0:
                            off += 1.0
                        if depth > _CORNERS_OVER and beside[c] and on_road_now[1]:
                            flags |= 1
        broken[c] = flags
        terms[c, 0], terms[c, 1], terms[c, 2] = squares / steps, jerks / steps, laterals / steps
        terms[c, 3], terms[c, 4] = deviation / steps, over / steps
        deepest = min(deepest / _TOO_DEEP, 1.0)
        terms[c, 5] = (off / seen if seen > 0.0 else 0.0) + _DEEP_SHARE * deepest * deepest
        terms[c, 6] = apart / compared if compared > 0.0 else 0.0
        terms[c, 7] = min(max(worst - 1.0, 0.0), 1.0)
        terms[c, 8], terms[c, 9], terms[c, 10] = wrong / steps, crossed / steps, blind / steps


@compiled(
    "void(f8[:, :, ::1], f8[::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1], b1[:, ::1],"
    "f8, f8, f8, f8, f8, f8[::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1])"
)
def measure_gaps(
    ego: NDArray[np.float64],
    time: NDArray[np.float64],
    s: NDArray[np.float64],
    d: NDArray[np.float64],
    speed: NDArray[np.float64],
    half_along: NDArray[np.float64],
    half_across: NDArray[np.float64],
    probability: NDArray[np.float64],
    counted: NDArray[np.bool_],
    half_length: float,
    half_width: float,
    headway_time: float,
    collision_time: float,
    fade_time: float,
    rss: NDArray[np.float64],
    headway: NDArray[np.float64],
    to_collision: NDArray[np.float64],
    margin: NDArray[np.float64],
    passing: NDArray[np.float64],
) -> None:
    """Squares of the shares by which distances to B agents ahead and beside fall short, worst moments.

    The distance that is safe by RSS is that of Shalev-Shwartz, Shammah and Shashua, "On a Formal Model of Safe and
    Scalable Self-driving Cars", 2017, definitions 1 and 2.

    Args:
        ego: ``[3, N, Q]`` s of the front, d [m] and speed [m/s] of N plans at Q times.
        time: ``[Q]`` [s].
        s: ``[B, Q]`` centres of the agents along the path [m].
        d: ``[B, Q]`` to its left [m].
        speed: ``[B, Q]`` along it [m/s].
        half_along: ``[B, Q]`` [m].
        half_across: ``[B, Q]`` [m].
        probability: ``[B]``.
        counted: ``[N, B]`` which agents count for which plan.
        half_length: Of the ego [m].
        half_width: Of the ego with what it keeps at its sides [m].
        headway_time: Wanted [s].
        collision_time: Wanted [s].
        fade_time: Time constant with which later moments count less [s].
        rss: As `Rss`.
        headway: ``[N, B]`` of the time headway, 0 everywhere; filled.
        to_collision: ``[N, B]`` of the time to collision, 0 everywhere; filled.
        margin: ``[N, B]`` of the distance that is safe by RSS, 0 everywhere; filled.
        passing: ``[N, B]`` of the distance to the side, when going past somebody small, 0 everywhere; filled.
    """
    plans, agents, times = ego.shape[1], len(probability), len(time)
    fade = np.exp(-time / fade_time)
    for b in range(agents):
        for n in range(plans):
            if not counted[n, b]:
                continue
            for q in range(times):
                v = ego[2, n, q]
                if v <= 0.5:
                    continue
                aside = abs(d[b, q] - ego[1, n, q]) - half_across[b, q] - half_width
                if half_along[b, q] + half_across[b, q] < _SMALL:
                    wanted = _PASSING_GAP + _PASSING_TIME * v
                    near = v * _PASSING_BEFORE + half_along[b, q]
                    if aside < wanted and -2.0 * half_length - half_along[b, q] < s[b, q] - ego[0, n, q] < near:
                        short = 1.0 - max(aside, 0.0) / wanted
                        passing[n, b] = max(
                            passing[n, b], short * short * min(v / _FAST, 1.0) * probability[b] * fade[q]
                        )
                if aside >= 0.0:
                    continue
                if s[b, q] <= ego[0, n, q] - half_length:
                    continue
                gap = max(s[b, q] - half_along[b, q] - ego[0, n, q], 0.0)
                weight = probability[b] * fade[q]
                short = 1.0 - gap / max(v * headway_time, 0.1)
                if short > 0.0:
                    headway[n, b] = max(headway[n, b], short * short * weight)
                top = v + rss[1] * rss[0]
                safe = rss[6] + (v + top) / 2.0 * rss[0] + top * top / (2.0 * rss[2])
                if speed[b, q] > 0.0:
                    safe -= speed[b, q] * speed[b, q] / (2.0 * rss[3])
                elif speed[b, q] < -_COMES:
                    top = rss[1] * rss[4] - speed[b, q]
                    safe += (top - speed[b, q]) / 2.0 * rss[4] + top * top / (2.0 * rss[5])
                short = 1.0 - gap / safe if safe > 0.0 else 0.0
                if short > 0.0:
                    margin[n, b] = max(margin[n, b], short * short * weight)
                closing = v - speed[b, q]
                if closing > 0.3:
                    short = 1.0 - gap / max(closing * collision_time, 0.1)
                    if short > 0.0:
                        to_collision[n, b] = max(to_collision[n, b], short * short * weight)
