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

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

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
    if not places.size:
        return places
    start = np.asarray(ways[0, 0], np.float64)
    turn = _along(ways)
    mine = (ways - start).astype(np.float32) @ turn
    limit = np.asarray(reach, np.float32)
    row, point = np.nonzero(_spaced(others))
    points = (others[row, point] - start).astype(np.float32) @ turn
    bound = limit[row, None]
    near = ((points > mine.min(axis=(0, 1)) - bound) & (points < mine.max(axis=(0, 1)) + bound)).all(axis=1)
    row, point, points = row[near], point[near], points[near]
    for number, (way, keep) in enumerate(zip(mine, _spaced(ways), strict=True)):
        found = _conflicts(way[keep], points, row, point, limit)
        theirs, place = row[found[0]], points[found[0]]
        places[number, theirs] = (way[keep][found[1]] + place) / 2 @ turn.T.astype(np.float64) + start
    return places


def _conflicts(
    way: NDArray[np.float32],
    points: NDArray[np.float32],
    row: NDArray[np.int64],
    number: NDArray[np.int64],
    limit: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the `points` of other ways, and which one of `way`, are the two nearest where a conflict begins.

    Args:
        way: ``[S, 2]``.
        points: ``[M, 2]`` of all other ways.
        row: ``[M]`` whose they are, rising.
        number: ``[M]`` which of its owner's they are, 0 the first.
        limit: ``[N]`` reach of each other way.
    """
    bound = limit[row, None]
    low, high = way.min(axis=0), way.max(axis=0)
    near = np.flatnonzero(((points > low - bound) & (points < high + bound)).all(axis=1))
    none = np.zeros(0, np.int64)
    if not len(near):
        return none, none
    owner = row[near]
    dx, dy = points[near, 0, None] - way[:, 0], points[near, 1, None] - way[:, 1]
    distance = dx * dx + dy * dy
    close = distance <= limit[owner, None] ** 2
    some = close.any(axis=1)
    begins = np.zeros(len(limit), bool)
    begins[owner[close[:, 0] | (some & (number[near] == 0))]] = True
    keep = np.flatnonzero(some & ~begins[owner])
    if not len(keep):
        return none, none
    owner, first = owner[keep], close[keep].argmax(axis=1)
    earliest = np.full(len(limit), len(way))
    np.minimum.at(earliest, owner, first)
    order = np.lexsort((distance[keep, earliest[owner]], owner))
    best = order[np.flatnonzero(np.diff(owner[order], prepend=-1))]
    return near[keep[best]], earliest[owner[best]]


def _along(ways: NDArray[Any]) -> NDArray[np.float32]:
    """Matrix that turns points into axes along the longest way: straight ways are in a narrow box then."""
    ends = np.asarray(ways[:, -1] - ways[:, 0], np.float64)
    length = np.hypot(*ends.T)
    c, s = ends[length.argmax()] / length.max() if length.max() > 0 else (1.0, 0.0)
    return np.array([[c, -s], [s, c]], np.float32)


def _spaced(ways: NDArray[Any]) -> NDArray[np.bool_]:
    """Points to keep of ways ``[N, T, 2]``, about `_SPACING` apart, the first always; none that are NaN."""
    steps = np.diff(ways, axis=1)
    metres = np.cumsum(np.sqrt(steps[..., 0] ** 2 + steps[..., 1] ** 2), axis=1) / _SPACING
    keep = np.empty(ways.shape[:2], bool)
    keep[:, 0] = np.isfinite(ways[:, 0, 0])
    cell = np.floor(metres)
    keep[:, 1] = cell[:, 0] > 0
    keep[:, 2:] = cell[:, 1:] > cell[:, :-1]
    return keep


def longest(paths: NDArray[Any]) -> NDArray[Any]:
    """The longest ``[..., T, 2]`` of several possible paths of each road user, ``[B, ..., T, 2]``; NaN ends a path."""
    best = lengths(paths).argmax(axis=0)[None, ..., None, None]
    return np.take_along_axis(paths, best, axis=0)[0]


def lengths(paths: NDArray[Any]) -> NDArray[Any]:
    """Lengths ``[...]`` of paths ``[..., T, 2]`` [m]; NaN ends a path."""
    steps = np.diff(paths, axis=-2)
    return np.asarray(np.nansum(np.sqrt(steps[..., 0] ** 2 + steps[..., 1] ** 2), axis=-1))


def time_of_passing(paths: NDArray[Any], places: NDArray[Any], reach: NDArray[Any] | float) -> NDArray[np.float64]:
    """When each path first comes within reach of its place [s]; inf if never, or if there is no place.

    Args:
        paths: ``[..., T, 2]`` [m]; step t is at ``(t + 1) * 0.1`` s. NaN once somebody has left.
        places: ``[..., 2]`` [m], NaN for none.
        reach: ``[...]`` [m].
    """
    distance, limit = _distances(paths, places), np.asarray(reach, np.float64)[..., None]
    return np.asarray(STEP * (1.0 + _first_within(distance, limit)))


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
    distance = _distances(paths, places)
    limit, steps = np.asarray(reach, np.float64)[..., None], distance.shape[-1]
    moved = np.diff(np.asarray(paths, np.float64), axis=-2)
    way = np.concatenate([np.zeros((*moved.shape[:-2], 1)), np.cumsum(np.hypot(*np.moveaxis(moved, -1, 0)), -1)], -1)
    row = np.clip(np.asarray(until) / STEP - 1.0, 0.0, steps - 1.0)
    first = np.minimum(_first_within(distance, limit), steps)
    comes = first < steps
    beyond = _between(way, row) - _between(way, np.minimum(first, steps - 1.0).clip(min=0.0))
    gap = np.where(comes, beyond, limit[..., 0] - _between(distance, row))
    step = np.rint(row).astype(np.int64)[..., None, None]
    offset = np.asarray(places) - np.take_along_axis(np.asarray(paths, np.float64), step, -2)[..., 0, :]
    xx, xy, yy = np.moveaxis(np.take_along_axis(np.asarray(covariances, np.float64), step, -2)[..., 0, :], -1, 0)
    far = np.maximum(np.hypot(offset[..., 0], offset[..., 1]), _AT_PLACE)
    ux, uy = offset[..., 0] / far, offset[..., 1] / far
    variance = ux * ux * xx + 2 * ux * uy * xy + uy * uy * yy
    return np.asarray(ndtr(gap / np.sqrt(np.maximum(variance, _LEAST_SIGMA**2))))


def _distances(paths: NDArray[Any], places: NDArray[Any]) -> NDArray[np.float64]:
    offset = np.asarray(paths, np.float64) - np.asarray(places, np.float64)[..., None, :]
    return np.asarray(np.hypot(offset[..., 0], offset[..., 1]))


def _first_within(distance: NDArray[np.float64], limit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row, between rows, at which a distance ``[..., T]`` first is within the limit ``[..., 1]``; inf if never."""
    inside = distance <= limit
    row = inside.argmax(axis=-1)[..., None]
    after = np.take_along_axis(distance, row, -1)
    before = np.take_along_axis(distance, np.maximum(row - 1, 0), -1)
    fell = before - after
    share = np.where((row > 0) & (fell > 0), (limit - after) / np.where(fell > 0, fell, 1.0), 0.0)
    return np.asarray(np.where(inside.any(axis=-1), (row - share)[..., 0], np.inf))


def _between(values: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values ``[..., T]`` at rows ``[...]`` that may lie between two."""
    low = np.floor(row).astype(np.int64)
    high = np.minimum(low + 1, values.shape[-1] - 1)
    a, b = (np.take_along_axis(values, r[..., None], -1)[..., 0] for r in (low, high))
    return np.asarray(a + (row - low) * (b - a))
