"""The loop of `straight_on` over plans, agents, modes, moments and times."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled

_DRIVES = 0.3  # [m/s] a slower ego drives into nobody
_STANDS = 0.3  # [m/s]
_LEAST_MODE = 0.05  # less probable modes are not looked at
_AHEAD, _BEHIND = math.cos(math.radians(35.0)), math.cos(math.radians(150.0))  # seen from the rear axle


@compiled("UniTuple(f8, 2)(f8, f8, f8, f8, f8)")
def _overlap(offset: float, pace: float, reach: float, begin: float, end: float) -> tuple[float, float]:
    """The part of the time from `begin` to `end` in which an offset that changes at `pace` is within `reach`."""
    if abs(pace) < 1e-9:
        return (begin, end) if abs(offset) <= reach else (end, begin)
    first, last = (-reach - offset) / pace, (reach - offset) / pace
    return max(begin, min(first, last)), min(end, max(first, last))


@compiled("f8(f8, f8, f8, f8, f8, f8, f8, f8, f8, f8, f8, f8, f8)")
def _meet(
    dx: float, dy: float, wx: float, wy: float, cos: float, sin: float, other_cos: float, other_sin: float,
    half_length: float, half_width: float, other_length: float, other_width: float, until: float,
) -> float:  # fmt: skip
    """When two boxes first touch, at a constant relative velocity [s]; `until` if not before.

    By the times in which they overlap along each of their four separating axes, as in Ericson, Real-Time Collision
    Detection, 2005, 5.5.
    """
    c, s = abs(cos * other_cos + sin * other_sin), abs(sin * other_cos - cos * other_sin)
    begin, end = _overlap(
        dx * cos + dy * sin, wx * cos + wy * sin, half_length + other_length * c + other_width * s, 0.0, until
    )
    if begin < end:
        begin, end = _overlap(
            dy * cos - dx * sin, wy * cos - wx * sin, half_width + other_length * s + other_width * c, begin, end
        )
    if begin < end:
        begin, end = _overlap(
            dx * other_cos + dy * other_sin, wx * other_cos + wy * other_sin,
            other_length + half_length * c + half_width * s, begin, end,
        )  # fmt: skip
    if begin < end:
        begin, end = _overlap(
            dy * other_cos - dx * other_sin, wy * other_cos - wx * other_sin,
            other_width + half_length * s + half_width * c, begin, end,
        )  # fmt: skip
    return begin if begin < end else until


@compiled(
    "void(f8[:, :, ::1], b1[:, ::1], f8[::1], f8[:, :, :, ::1], f8[:, ::1], f8[:, ::1], i8[::1], UniTuple(f8, 2),"
    "UniTuple(f8, 2), f8[::1], f8[:, ::1])"
)
def measure_danger(
    ego: NDArray[np.float64],
    everywhere: NDArray[np.bool_],
    size: NDArray[np.float64],
    others: NDArray[np.float64],
    weight: NDArray[np.float64],
    half: NDArray[np.float64],
    only_plan: NDArray[np.int64],
    moving: tuple[float, float],
    standing: tuple[float, float],
    fade: NDArray[np.float64],
    danger: NDArray[np.float64],
) -> None:
    """Share of danger of N plans with A agents: boxes that meet soon if both go straight on from a moment.

    Args:
        ego: ``[N, Q, 5]`` middle of the box x, y [m], cosine, sine, speed [m/s] at Q moments.
        everywhere: ``[N, Q]`` whether all but those behind count, else those ahead.
        size: Half length, half width, middle before base_link of the ego [m].
        others: ``[A, K, Q, 6]`` x, y [m], cosine, sine, velocity x, y [m/s] by mode.
        weight: ``[A, K]`` probability of each mode.
        half: ``[A, 2]`` half length and width [m].
        only_plan: ``[A]`` the only plan an agent counts for, -1 for all.
        moving: Time to collision [s] up to which the danger is 1, and the one at which it has fallen to 0,
        standing: and of those who stand.
        fade: ``[Q]`` how much each moment counts.
        danger: ``[N, A]`` 0 everywhere; filled, 0..1: the sum over the modes of the worst moment times the probability.
    """
    plans, moments = ego.shape[0], ego.shape[1]
    reach = math.sqrt(size[0] * size[0] + size[1] * size[1])
    worst = np.empty(plans)  # over the moments, of one future
    for a in range(len(others)):
        span = reach + math.sqrt(half[a, 0] * half[a, 0] + half[a, 1] * half[a, 1])
        for k in range(others.shape[1]):
            if weight[a, k] < _LEAST_MODE:
                continue
            worst[:] = 0.0
            for q in range(moments):
                x, y, cos, sin, vx, vy = others[a, k, q]
                certain, none = standing if vx * vx + vy * vy < _STANDS * _STANDS else moving
                for n in range(plans):
                    if only_plan[a] >= 0 and only_plan[a] != n:
                        continue
                    v = ego[n, q, 4]
                    if v < _DRIVES or fade[q] <= worst[n]:
                        continue
                    own_cos, own_sin = ego[n, q, 2], ego[n, q, 3]
                    dx, dy = x - ego[n, q, 0], y - ego[n, q, 1]
                    wx, wy = vx - v * own_cos, vy - v * own_sin
                    away, pace = dx * dx + dy * dy, wx * wx + wy * wy
                    far = span + none * math.sqrt(pace)
                    if away > far * far:
                        continue
                    if away > span * span:  # they come together, and not too far aside
                        missed = dx * wy - dy * wx
                        if dx * wx + dy * wy >= 0.0 or missed * missed > span * span * pace:
                            continue
                    ahead = dx * own_cos + dy * own_sin + size[2]
                    aside = dy * own_cos - dx * own_sin
                    cosine = ahead / max(math.sqrt(ahead * ahead + aside * aside), 0.01)
                    if cosine < (_BEHIND if everywhere[n, q] else _AHEAD):
                        continue
                    time = _meet(
                        dx, dy, wx, wy, own_cos, own_sin, cos, sin, size[0], size[1], half[a, 0], half[a, 1], none
                    )
                    if time < none:
                        share = min((none - time) / (none - certain), 1.0)
                        worst[n] = max(worst[n], share * fade[q])
            for n in range(plans):
                danger[n, a] += weight[a, k] * worst[n]
