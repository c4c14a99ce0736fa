"""The loops of `zoox_stack.planning.candidates`: ways beside a path, and poses along them at given distances."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled

_FADE = 10.0  # [m] within which a plan leaves the ego's own pose for the line's
_LEAST_SCALE = 0.1  # of lengths beside a bend to those on the line


@compiled("void(f8[:, ::1], f8[::1], f8[::1], f8[:, ::1], f8[:, ::1], f8[::1], f8, f8[:, :, ::1])")
def shift_ways(
    point: NDArray[np.float64],
    heading: NDArray[np.float64],
    curvature: NDArray[np.float64],
    wanted: NDArray[np.float64],
    start: NDArray[np.float64],
    pose: NDArray[np.float64],
    spacing: float,
    shifted: NDArray[np.float64],
) -> None:
    """The path moved sideways by quintics over arc length, W ways at G places.

    Args:
        point: ``[G, 2]`` of the path ahead of the ego [m], every `spacing`.
        heading: ``[G]`` without jumps [rad].
        curvature: ``[G]`` [1/m].
        wanted: ``[W, 4]`` offset to the left [m], the distance within which it is reached, and from where on and within
            what distance it is given up again [m].
        start: ``[W, 3]`` offset [m], slope and second derivative [1/m] at the ego.
        pose: x, y [m] and yaw [rad] of the ego; the yaw within half a turn of the path's.
        spacing: [m].
        shifted: ``[W, 6, G]`` filled: travelled, d, x, y, yaw (without jumps), curvature.
    """
    places = len(heading)
    for w in range(len(wanted)):
        offset, over, back_from, back_over = wanted[w, 0], wanted[w, 1], wanted[w, 2], wanted[w, 3]
        a0, a1, a2 = start[w, 0], start[w, 1] * over, start[w, 2] * over * over / 2.0
        r0, r1, r2 = offset - a0 - a1 - a2, -a1 - 2.0 * a2, -2.0 * a2
        a3 = 10.0 * r0 - 4.0 * r1 + 0.5 * r2
        a4 = -15.0 * r0 + 7.0 * r1 - r2
        a5 = 6.0 * r0 - 3.0 * r1 + 0.5 * r2
        travelled, rate_before = 0.0, 0.0
        gap_x = gap_y = gap_yaw = 0.0
        for g in range(places):
            u = min(g * spacing / over, 1.0)
            d = a0 + u * (a1 + u * (a2 + u * (a3 + u * (a4 + u * a5))))
            d1 = 0.0
            if g * spacing < over:
                d1 = (a1 + u * (2.0 * a2 + u * (3.0 * a3 + u * (4.0 * a4 + u * 5.0 * a5)))) / over
            u = min(max((g * spacing - back_from) / back_over, 0.0), 1.0)
            if u > 0.0:
                d -= offset * u * u * u * (10.0 + u * (-15.0 + u * 6.0))
                d1 -= offset * 30.0 * u * u * (1.0 - u) * (1.0 - u) / back_over
            scale = max(1.0 - curvature[g] * d, _LEAST_SCALE)
            rate = math.sqrt(scale * scale + d1 * d1)
            if g > 0:
                travelled += (rate + rate_before) / 2.0 * spacing
            rate_before = rate
            x = point[g, 0] - d * math.sin(heading[g])
            y = point[g, 1] + d * math.cos(heading[g])
            yaw = heading[g] + math.atan2(d1, scale)
            if g == 0:  # the normal of a polyline differs a little from that of the segment the ego was projected on
                gap_x, gap_y, gap_yaw = pose[0] - x, pose[1] - y, pose[2] - yaw
            fade = math.exp(-travelled / _FADE)
            shifted[w, 0, g] = travelled
            shifted[w, 1, g] = d
            shifted[w, 2, g] = x + gap_x * fade
            shifted[w, 3, g] = y + gap_y * fade
            shifted[w, 4, g] = yaw + gap_yaw * fade
        for g in range(places):
            before, after = max(g - 1, 0), min(g + 1, places - 1)
            shifted[w, 5, g] = (shifted[w, 4, after] - shifted[w, 4, before]) / (
                shifted[w, 0, after] - shifted[w, 0, before]
            )


@compiled("void(f8[:, :, ::1], f8[:, ::1], i8[::1], i8[::1], f8, f8, f8[:, :, ::1])")
def drive_ways(
    shifted: NDArray[np.float64],
    distance: NDArray[np.float64],
    way: NDArray[np.int64],
    profile: NDArray[np.int64],
    start_s: float,
    spacing: float,
    driven: NDArray[np.float64],
) -> None:
    """Where C candidates are at T times.

    Args:
        shifted: ``[W, 6, G]`` from `shift_ways`.
        distance: ``[P, T]`` travelled in each profile, not falling [m].
        way: ``[C]`` row of the way of each candidate.
        profile: ``[C]`` row of its profile.
        start_s: Arc length of the path where the ways begin [m].
        spacing: Of the places along the path [m].
        driven: ``[6, C, T]`` filled: s, d, x, y, yaw (-pi..pi), curvature.
    """
    last = shifted.shape[2] - 1
    for c in range(len(way)):
        w, p, g = way[c], profile[c], 0
        for t in range(distance.shape[1]):
            here = distance[p, t]
            while g < last - 1 and shifted[w, 0, g + 1] < here:
                g += 1
            low = shifted[w, 0, g]
            share = min(max((here - low) / (shifted[w, 0, g + 1] - low), 0.0), 1.0)
            driven[0, c, t] = start_s + (g + share) * spacing
            for k in range(1, 6):
                value = shifted[w, k, g] + share * (shifted[w, k, g + 1] - shifted[w, k, g])
                if k == 4:
                    value -= 2.0 * math.pi * math.floor((value + math.pi) / (2.0 * math.pi))
                driven[k, c, t] = value
