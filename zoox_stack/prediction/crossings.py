"""Where the ways of two road users cross or merge, and who is there first.

Two ways *conflict* if their middle lines come closer than both half widths and `MARGIN`, at whatever times, and neither
begins on the other: whoever begins on the other's way is ahead of it or behind it in the same lane, or already there,
and nothing is left to decide. Ways that merge conflict, ways beside each other do not. The *place* of the conflict lies
midway between the first point of the one way that is so close to the other, and the point of the other nearest to it.
Who comes within reach of the place earlier *goes first*.

A way is a path without its times: what its owner would drive if nothing held it up. Whoever yields stops before the
place, and its way ends there; so the longest of its possible paths has to be taken, see `longest`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled, plain
from zoox_stack.core.predictions import STEP

MARGIN = 0.3  # [m] ways that pass closer than this between the boxes conflict
_SPACING = 1.0  # [m] between points of a way that are looked at
_LEAST_SIGMA = 0.5  # [m] of a position on its way
_AT_PLACE = 0.1  # [m] nearer than this the direction to a place means nothing


def reach_of(width: float, widths: NDArray[Any]) -> NDArray[np.float64]:
    """Distance of middle lines below which ways of road users of these widths conflict [m]."""
    return np.asarray((width + np.asarray(widths, np.float64)) / 2 + MARGIN)


def crossing_places(ways: NDArray[Any], others: NDArray[Any], reach: NDArray[Any]) -> NDArray[np.float64]:
    """The place where each of P ways conflicts with each of N others.

    Points of a way may be up to `reach` apart: steps of 0.1 s suffice up to 20 m/s.

    Args:
        ways: ``[P, S, 2]`` points [m], the first is where the owner is now.
        others: ``[N, T, 2]`` the same.
        reach: ``[N]`` see `reach_of` [m].

    Returns:
        float64 ``[P, N, 2]`` [m]; NaN where there is no conflict. The place is the first one along the one of `ways`.
    """
    places = np.full((len(ways), len(others), 2), np.nan)
    if places.size:
        _fill_places(*_spaced(ways), *_spaced(others), plain(reach, np.float64), places)
    return places


@compiled("f8(f8, f8)")
def _norm(x: float, y: float) -> float:
    return math.sqrt(x * x + y * y)  # several times as fast as hypot, which guards against overflow


@compiled("void(f8[:, ::1], i8[::1], f8[:, ::1], i8[::1], f8[::1], f8[:, :, ::1])")
def _fill_places(
    ways: NDArray[np.float64],
    way_ends: NDArray[np.int64],
    others: NDArray[np.float64],
    other_ends: NDArray[np.int64],
    reach: NDArray[np.float64],
    places: NDArray[np.float64],
) -> None:
    """Fill the places ``[P, N, 2]`` of ways whose points ``[..., 2]`` lie one after the other, up to `way_ends`."""
    for p in range(len(way_ends)):
        way = ways[way_ends[p - 1] if p else 0 : way_ends[p]]
        if not len(way):
            continue
        low_x, low_y, high_x, high_y, apart = way[0, 0], way[0, 1], way[0, 0], way[0, 1], _AT_PLACE
        for i in range(1, len(way)):
            low_x, high_x = min(low_x, way[i, 0]), max(high_x, way[i, 0])
            low_y, high_y = min(low_y, way[i, 1]), max(high_y, way[i, 1])
            apart = max(apart, _norm(way[i, 0] - way[i - 1, 0], way[i, 1] - way[i - 1, 1]))
        per_metre = 1.0 / apart
        for n in range(len(other_ends)):
            limit, first = reach[n], other_ends[n - 1] if n else 0
            earliest = len(way)
            for j in range(first, other_ends[n]):
                x, y = others[j, 0], others[j, 1]
                if not (low_x - limit < x < high_x + limit and low_y - limit < y < high_y + limit):
                    continue
                i = 0
                while i < (len(way) if j == first else earliest):
                    gap = _norm(way[i, 0] - x, way[i, 1] - y) - limit
                    if gap <= 0:
                        earliest = 0 if j == first else i
                        break
                    i += max(1, int(gap * per_metre))  # no point in between can be near enough
                if earliest == 0:
                    break  # one begins on the other
            if not 0 < earliest < len(way):
                continue
            nearest, at = np.inf, first
            for j in range(first, other_ends[n]):
                gap = _norm(way[earliest, 0] - others[j, 0], way[earliest, 1] - others[j, 1])
                if gap < nearest:
                    nearest, at = gap, j
            places[p, n, 0] = (way[earliest, 0] + others[at, 0]) / 2
            places[p, n, 1] = (way[earliest, 1] + others[at, 1]) / 2


def _spaced(ways: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points of ways ``[N, T, 2]`` about `_SPACING` apart, the first always, none that are NaN; where each way ends."""
    keep = np.empty(ways.shape[:2], np.bool_)
    _mark_spaced(plain(ways, np.float64), keep)
    return plain(ways[keep], np.float64), np.cumsum(keep.sum(axis=1))


@compiled("void(f8[:, :, ::1], b1[:, ::1])")
def _mark_spaced(ways: NDArray[np.float64], keep: NDArray[np.bool_]) -> None:
    for n in range(ways.shape[0]):
        metres, cell = 0.0, 0.0
        keep[n, 0] = np.isfinite(ways[n, 0, 0])
        for t in range(1, ways.shape[1]):
            metres += _norm(ways[n, t, 0] - ways[n, t - 1, 0], ways[n, t, 1] - ways[n, t - 1, 1]) / _SPACING
            keep[n, t] = math.floor(metres) > cell if np.isfinite(metres) else False
            cell = math.floor(metres) if keep[n, t] else cell


def longest(paths: NDArray[Any]) -> NDArray[Any]:
    """The longest ``[..., T, 2]`` of several possible paths of each road user, ``[B, ..., T, 2]``; NaN ends a path."""
    best = lengths(paths).argmax(axis=0)[None, ..., None, None]
    return np.take_along_axis(paths, best, axis=0)[0]


def lengths(paths: NDArray[Any]) -> NDArray[Any]:
    """Lengths ``[...]`` of paths ``[..., T, 2]`` [m]; NaN ends a path."""
    result = np.empty(paths.shape[:-2])
    _fill_lengths(plain(paths, np.float64).reshape(-1, *paths.shape[-2:]), result.reshape(-1))
    return result


@compiled("void(f8[:, :, ::1], f8[::1])")
def _fill_lengths(paths: NDArray[np.float64], result: NDArray[np.float64]) -> None:
    for n in range(len(result)):
        result[n] = 0.0
        for t in range(1, paths.shape[1]):
            step = _norm(paths[n, t, 0] - paths[n, t - 1, 0], paths[n, t, 1] - paths[n, t - 1, 1])
            result[n] += step if np.isfinite(step) else 0.0


def time_of_passing(paths: NDArray[Any], places: NDArray[Any], reach: NDArray[Any] | float) -> NDArray[np.float64]:
    """When each path first comes within reach of its place [s]; inf if never, or if there is no place.

    Args:
        paths: ``[..., T, 2]`` [m]; step t is at ``(t + 1) * 0.1`` s. NaN once somebody has left.
        places: ``[..., 2]`` [m], NaN for none.
        reach: ``[...]`` [m].
    """
    shape = np.broadcast_shapes(paths.shape[:-2], places.shape[:-1])
    times = np.empty(shape)
    _fill_times(_rows(paths, shape, 2), _rows(places, shape, 1), _rows(reach, shape), times.reshape(-1))
    return times


def probability_of_passing(
    paths: NDArray[Any], covariances: NDArray[Any], places: NDArray[Any], reach: NDArray[Any], until: NDArray[Any]
) -> NDArray[np.float64]:
    """Probability that somebody predicted on a path is at a place before a given time.

    It is the probability that at that time it is beyond the place on its way, if its position has a Gaussian error in
    the direction of the place. Who does not come to the place at all is as far from it as it is then.

    Args:
        paths: ``[..., T, 2]`` [m], as `time_of_passing`; finite.
        covariances: ``[..., T, 3]`` xx, xy, yy [m^2].
        places: ``[..., 2]`` [m].
        reach: ``[...]`` [m].
        until: ``[...]`` [s], not after the last step.

    Returns:
        float64 ``[...]``.
    """
    shape = np.broadcast_shapes(paths.shape[:-2], places.shape[:-1])
    result = np.empty(shape)
    _fill_probabilities(
        _rows(paths, shape, 2),
        _rows(covariances, shape, 2),
        _rows(places, shape, 1),
        _rows(reach, shape),
        _rows(until, shape),
        result.reshape(-1),
    )
    return result


def _rows(values: NDArray[Any] | float, shape: tuple[int, ...], rest: int = 0) -> NDArray[np.float64]:
    """Values for every one of the M cases of this shape, ``[M, ...]`` with their own `rest` last axes."""
    own = np.shape(values)[len(np.shape(values)) - rest :]
    return plain(np.broadcast_to(values, shape + own), np.float64).reshape(-1, *own)


@compiled("f8(f8[:, ::1], f8[::1], f8)")
def _first_within(path: NDArray[np.float64], place: NDArray[np.float64], limit: float) -> float:
    """Row, between rows, at which a path ``[T, 2]`` first comes within the limit of a place; inf if never."""
    before = np.inf
    for t in range(len(path)):
        gap = _norm(path[t, 0] - place[0], path[t, 1] - place[1])
        if gap <= limit:
            return t - (limit - gap) / (before - gap) if t > 0 and before > gap else float(t)
        before = gap
    return np.inf


@compiled("void(f8[:, :, ::1], f8[:, ::1], f8[::1], f8[::1])")
def _fill_times(
    paths: NDArray[np.float64], places: NDArray[np.float64], reach: NDArray[np.float64], times: NDArray[np.float64]
) -> None:
    for m in range(len(times)):
        times[m] = STEP * (1.0 + _first_within(paths[m], places[m], reach[m]))


@compiled("f8(f8[::1], f8)")
def _between(values: NDArray[np.float64], row: float) -> float:
    """The value at a row that may lie between two."""
    low = int(row)
    high = min(low + 1, len(values) - 1)
    return float(values[low] + (row - low) * (values[high] - values[low]))


@compiled("void(f8[:, :, ::1], f8[:, :, ::1], f8[:, ::1], f8[::1], f8[::1], f8[::1])")
def _fill_probabilities(
    paths: NDArray[np.float64],
    covariances: NDArray[np.float64],
    places: NDArray[np.float64],
    reach: NDArray[np.float64],
    until: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    last = paths.shape[1] - 1.0
    way, distance = np.zeros(paths.shape[1]), np.zeros(paths.shape[1])
    for m in range(len(result)):
        path, place = paths[m], places[m]
        for t in range(len(path)):
            distance[t] = _norm(path[t, 0] - place[0], path[t, 1] - place[1])
            if t > 0:
                way[t] = way[t - 1] + _norm(path[t, 0] - path[t - 1, 0], path[t, 1] - path[t - 1, 1])
        row, first = min(max(until[m] / STEP - 1.0, 0.0), last), _first_within(path, place, reach[m])
        if first < np.inf:
            gap = _between(way, row) - _between(way, min(max(first, 0.0), last))
        else:
            gap = reach[m] - _between(distance, row)
        t = round(row)
        x, y = place[0] - path[t, 0], place[1] - path[t, 1]
        far = max(_norm(x, y), _AT_PLACE)
        x, y = x / far, y / far
        variance = x * x * covariances[m, t, 0] + 2.0 * x * y * covariances[m, t, 1] + y * y * covariances[m, t, 2]
        sigma = math.sqrt(max(variance, _LEAST_SIGMA**2))
        result[m] = 0.5 * (1.0 + math.erf(gap / sigma * math.sqrt(0.5)))
