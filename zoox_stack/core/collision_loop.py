"""The loop of `zoox_stack.core.collision` over plans, agents, modes and times."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled

_SIGMAS = 2.5  # agents further than this many standard deviations beyond touching count as out of reach
_SURE = 0.999  # who is hit with this probability already cannot be hit much more
_NEGLIGIBLE = 1e-3  # probabilities below it do not count
_BEYOND_SQUARE = 3.1**2  # squared standard deviations, beyond which less than that lies
_CERTAIN = 2.8  # where the error function is 1 but for 1e-4
_LEAST_MODE = 1e-3  # less probable modes are not looked at
_LEAST_TOUCH = 0.01  # an agent and mode less probable than this have no time of touching
_GROUP = 8  # plans that are ruled out together where an agent is far from all of them
_PER_UNIT = 256.0  # entries of the table of the error function
_TABLE = np.array([math.erf(i / _PER_UNIT) for i in range(int(_CERTAIN * _PER_UNIT) + 3)])
_LEAST_VARIANCE = 1e-4  # [m^2]


@compiled("f8(f8)")
def _error_function(x: float) -> float:
    """Of 0 or more, to 2e-6 between the table's entries: a third of the time of the function itself."""
    if x >= _CERTAIN:
        return 1.0
    place = x * _PER_UNIT
    row = int(place)
    return _TABLE[row] + (place - row) * (_TABLE[row + 1] - _TABLE[row])


@compiled("f8(f8, f8, f8)")
def _between(offset: float, half: float, sigma: float) -> float:
    """Probability that a Gaussian around `offset`, 0 or more, lies in -half..half."""
    scale = math.sqrt(0.5) / sigma
    low, high = (half + offset) * scale, (half - offset) * scale
    nearer = _error_function(high) if high >= 0.0 else -_error_function(-high)
    return 0.5 * (_error_function(low) + nearer)


@compiled("UniTuple(f8, 2)(f8, f8, f8, f8, f8, f8, f8, f8, f8)")
def _in_frame(
    dx: float, dy: float, xx: float, xy: float, yy: float, cos: float, sin: float, length: float, width: float
) -> tuple[float, float]:
    """Probability that an offset lies in a rectangle turned like this, and by how much its mean lies outside [m]."""
    u, v = abs(cos * dx + sin * dy), abs(cos * dy - sin * dx)
    out_u, out_v = max(u - length, 0.0), max(v - width, 0.0)
    cross = 2.0 * cos * sin * xy
    var_u = max(cos * cos * xx + cross + sin * sin * yy, _LEAST_VARIANCE)
    var_v = max(sin * sin * xx - cross + cos * cos * yy, _LEAST_VARIANCE)
    if out_u * out_u > _BEYOND_SQUARE * var_u or out_v * out_v > _BEYOND_SQUARE * var_v:
        return 0.0, out_u + out_v
    return _between(u, length, math.sqrt(var_u)) * _between(v, width, math.sqrt(var_v)), out_u + out_v


@compiled(
    "void(f8[:, :, ::1], UniTuple(f8, 2), f4[:, :, :, ::1], f4[:, :, ::1], f4[:, :, :, ::1], f4[:, ::1], f8[:, ::1],"
    "f8[:, ::1], i8[::1], i8[::1], f8[::1], f8[::1], b1[:, ::1], f8, f8,"
    "f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1])"
)
def compare(
    ego: NDArray[np.float64],
    ego_half: tuple[float, float],
    positions: NDArray[np.float32],
    headings: NDArray[np.float32],
    covariances: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    weight: NDArray[np.float64],
    half: NDArray[np.float64],
    only_plan: NDArray[np.int64],
    rows: NDArray[np.int64],
    time: NDArray[np.float64],
    discount: NDArray[np.float64],
    moving: NDArray[np.bool_],
    certain_until: float,
    standing: float,
    probability: NDArray[np.float64],
    risk: NDArray[np.float64],
    certain: NDArray[np.float64],
    touch: NDArray[np.float64],
) -> None:
    """Fill the arrays of a `CollisionReport`: C plans, A agents, K modes, S times that are looked at.

    Args:
        ego: ``[S, C, 4]`` box centre x, y relative to the origin of the predictions [m], cosine and sine of the yaw;
            faster when plans that are near each other follow each other.
        ego_half: Half length and half width [m].
        positions: ``[A, K, T, 2]`` [m].
        headings: ``[A, K, T]`` [rad].
        covariances: ``[A, K, T, 3]`` xx, xy, yy [m^2].
        probabilities: ``[A, K]``.
        weight: ``[A, K]`` the same times the probability that the agent exists.
        half: ``[A, 2]`` half length and half width [m].
        only_plan: ``[A]`` the one plan it is compared with, -1 for all.
        rows: ``[S]`` which of the T steps.
        time: ``[S]`` [s], rising.
        discount: ``[S]`` factor on the risk, falling.
        moving: ``[S, C]`` whether the ego does; overlaps of means with one that stands do not count as certain.
        certain_until: [s] nor do later ones.
        standing: Factor on the risk while the ego stands.
        probability: ``[C, A]`` 0 everywhere; filled, as are the following.
        risk: ``[C, A]`` 0 everywhere.
        certain: ``[C, A]`` 0 everywhere.
        touch: ``[C, A]`` inf everywhere [s].
    """
    steps, plans = ego.shape[0], ego.shape[1]
    groups = (plans + _GROUP - 1) // _GROUP
    low, high = np.full((steps, groups, 2), np.inf), np.full((steps, groups, 2), -np.inf)
    all_low, all_high = np.full((steps, 2), np.inf), np.full((steps, 2), -np.inf)
    for s in range(steps):
        for c in range(plans):
            for axis in range(2):
                low[s, c // _GROUP, axis] = min(low[s, c // _GROUP, axis], ego[s, c, axis])
                high[s, c // _GROUP, axis] = max(high[s, c // _GROUP, axis], ego[s, c, axis])
                all_low[s, axis] = min(all_low[s, axis], ego[s, c, axis])
                all_high[s, axis] = max(all_high[s, axis], ego[s, c, axis])
    radius = math.sqrt(ego_half[0] ** 2 + ego_half[1] ** 2)
    greatest = np.zeros((3, plans))  # over time: probability, risk, certain
    for a in range(positions.shape[0]):
        touching = radius + math.sqrt(half[a, 0] ** 2 + half[a, 1] ** 2)
        first, last = (0, plans) if only_plan[a] < 0 else (only_plan[a], only_plan[a] + 1)
        for k in range(positions.shape[1]):
            if not probabilities[a, k] > _LEAST_MODE:
                continue
            greatest[:] = 0.0
            for s in range(steps):
                t = rows[s]
                x, y = np.float64(positions[a, k, t, 0]), np.float64(positions[a, k, t, 1])
                xx, yy = np.float64(covariances[a, k, t, 0]), np.float64(covariances[a, k, t, 2])
                reach = touching + _SIGMAS * math.sqrt(max(xx + yy, 0.0))
                if not (
                    all_low[s, 0] - reach < x < all_high[s, 0] + reach
                    and all_low[s, 1] - reach < y < all_high[s, 1] + reach
                ):
                    continue
                xy, yaw = np.float64(covariances[a, k, t, 1]), np.float64(headings[a, k, t])
                cos, sin, turned = 0.0, 0.0, False
                for group in range(first // _GROUP, (last + _GROUP - 1) // _GROUP):
                    if not (
                        low[s, group, 0] - reach < x < high[s, group, 0] + reach
                        and low[s, group, 1] - reach < y < high[s, group, 1] + reach
                    ):
                        continue
                    for c in range(max(first, group * _GROUP), min(last, (group + 1) * _GROUP)):
                        dx, dy = x - ego[s, c, 0], y - ego[s, c, 1]
                        if not dx * dx + dy * dy < reach * reach:
                            continue
                        worth = discount[s] if moving[s, c] else discount[s] * standing
                        early = time[s] <= certain_until
                        if greatest[0, c] > _SURE and greatest[1, c] >= worth and not (early and greatest[2, c] < 1.0):
                            continue
                        if not turned:
                            cos, sin, turned = math.cos(yaw), math.sin(yaw), True
                        ego_cos, ego_sin = ego[s, c, 2], ego[s, c, 3]
                        turn_cos = abs(cos * ego_cos + sin * ego_sin)
                        turn_sin = abs(sin * ego_cos - cos * ego_sin)
                        inside, outside = _in_frame(
                            dx, dy, xx, xy, yy, ego_cos, ego_sin,
                            ego_half[0] + half[a, 0] * turn_cos + half[a, 1] * turn_sin,
                            ego_half[1] + half[a, 0] * turn_sin + half[a, 1] * turn_cos,
                        )  # fmt: skip
                        # The other frame can only lessen the probability and add to the distance, and later times count
                        # less: what cannot be the greatest so far need not be known exactly.
                        greater = inside > greatest[0, c] or inside * worth > greatest[1, c]
                        if not (greater and inside > _NEGLIGIBLE) and outside > 0:
                            continue
                        second, further = _in_frame(
                            dx, dy, xx, xy, yy, cos, sin,
                            half[a, 0] + ego_half[0] * turn_cos + ego_half[1] * turn_sin,
                            half[a, 1] + ego_half[0] * turn_sin + ego_half[1] * turn_cos,
                        )  # fmt: skip
                        inside = min(inside, second)
                        if inside > _NEGLIGIBLE:
                            greatest[0, c] = max(greatest[0, c], inside)
                            greatest[1, c] = max(greatest[1, c], inside * worth)
                        if outside <= 0 and further <= 0 and moving[s, c]:
                            if early:
                                greatest[2, c] = 1.0
                            if weight[a, k] > _LEAST_TOUCH:
                                touch[c, a] = min(touch[c, a], time[s])
            for c in range(first, last):
                probability[c, a] += weight[a, k] * greatest[0, c]
                risk[c, a] += weight[a, k] * greatest[1, c]
                certain[c, a] += weight[a, k] * greatest[2, c]
        for c in range(first, last):
            probability[c, a] = min(probability[c, a], 1.0)
            risk[c, a] = min(risk[c, a], 1.0)
            certain[c, a] = min(certain[c, a], 1.0)
