"""Many points against many lanes at once: the lane that fits best, and Frenet coordinates along given lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.road_network.buckets import CellGrid, expand
from zoox_stack.road_network.polyline import FrenetPoints, Polyline, frenet_points

_CELL = 2.0  # [m]
_METRES_PER_RADIAN = 4.0  # how much a wrong heading counts against a distance when lanes are compared


@dataclass(frozen=True, eq=False)
class LaneMatches:
    """The best lane for each of N points, arrays ``[N]``.

    Attributes:
        rows: int64 lane rows, -1 where no lane fits.
        distance: To the centre line [m], inf where no lane fits.
        heading_error: Of the point's heading to the lane's [rad], -pi..pi; 0 if headings were not given.
    """

    rows: NDArray[np.int64]
    distance: NDArray[np.float64]
    heading_error: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LaneHits:
    """Pieces of centre lines near points, H hits, arrays ``[H]``; all hits of a point follow each other.

    Attributes:
        points: int64 row of the point, rising.
        rows: int64 lane row.
        distance: To the piece [m].
        heading: Of the lane at its nearest place [rad], not wrapped.
    """

    points: NDArray[np.int64]
    rows: NDArray[np.int64]
    distance: NDArray[np.float64]
    heading: NDArray[np.float64]


class LaneSearch:
    """Centre lines cut into straight pieces of about a metre, sorted into cells of 2 m.

    Attributes:
        rows: int64 ``[P]`` lane row of every point of every line, rising.
        xy: float64 ``[P, 2]`` [m].
        s: float64 ``[P]`` arc length along the lane [m].
        heading: float64 ``[P]`` [rad], without jumps along a lane.

    Args:
        lines: Lines by lane row.
    """

    def __init__(self, lines: Mapping[int, Polyline]) -> None:
        ordered = sorted(lines)
        lengths = np.array([len(lines[row].s) for row in ordered], np.int64)

        def joined(parts: list[NDArray[np.float64]], empty: tuple[int, ...]) -> NDArray[np.float64]:
            return np.concatenate([np.zeros(empty), *parts])

        self.rows = np.repeat(np.array(ordered, np.int64), lengths)
        self.xy = joined([lines[row].xy for row in ordered], (0, 2))
        self.s = joined([lines[row].s for row in ordered], (0,))
        self.heading = joined([lines[row].heading for row in ordered], (0,))
        self._curvature = joined([lines[row].curvature for row in ordered], (0,))
        size = 1 + max(ordered, default=-1)
        self._first, self._count = np.full(size, -1, np.int64), np.zeros(size, np.int64)
        self._first[ordered] = np.cumsum(lengths) - lengths
        self._count[ordered] = lengths
        start = np.flatnonzero(self.rows[1:] == self.rows[:-1])
        step = self.xy[start + 1] - self.xy[start]
        self._start, self._step = self.xy[start].T.copy(), step.T.copy()  # [2, pieces]: faster to pick from
        self._squared = np.maximum((step**2).sum(axis=1), 1e-12)
        self._row = self.rows[start]
        self._heading, self._turn = self.heading[start], self.heading[start + 1] - self.heading[start]
        self._half = float(np.sqrt(self._squared.max())) / 2 if len(start) else 0.0
        self._grid = CellGrid.of_points(self.xy[start] + step / 2, _CELL)

    def near(self, points: NDArray[Any], max_distance: float) -> LaneHits:
        """All pieces of centre lines within `max_distance` [m] of points ``[N, 2]``."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        owner, piece = self._grid.near(points, max_distance + self._half)
        (x0, y0), (dx, dy) = self._start[:, piece], self._step[:, piece]
        x, y = points[:, 0][owner] - x0, points[:, 1][owner] - y0
        share = np.clip((x * dx + y * dy) / self._squared[piece], 0.0, 1.0)
        squared = (x - share * dx) ** 2 + (y - share * dy) ** 2
        hit = np.flatnonzero(squared <= max_distance**2)
        piece = piece[hit]
        heading = self._heading[piece] + share[hit] * self._turn[piece]
        return LaneHits(owner[hit], self._row[piece], np.sqrt(squared[hit]), heading)

    def nearest(
        self, points: NDArray[Any], yaw: NDArray[Any] | None, max_distance: float, max_heading_error: float
    ) -> LaneMatches:
        """The lane that fits each point best, see `LaneIndex.nearest`; of equal ones the lowest row."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        hits = self.near(points, max_distance)
        owner, rows, distance = hits.points, hits.rows, hits.distance
        error = np.zeros(len(owner)) if yaw is None else wrap_angle(np.asarray(yaw)[owner] - hits.heading)
        score = distance + _METRES_PER_RADIAN * np.abs(error)
        score[np.abs(error) > max_heading_error] = np.inf
        best = _least(owner, score, rows)
        n = len(points)
        result = LaneMatches(np.full(n, -1), np.full(n, np.inf), np.zeros(n))
        at = owner[best]
        result.rows[at], result.distance[at], result.heading_error[at] = rows[best], distance[best], error[best]
        return result

    def ordered(self, x: float, y: float, yaw: float, radius: float, max_heading_error: float) -> list[int]:
        """All lanes within `radius` [m] of a pose, the best fitting one first."""
        hits = self.near(np.array([[x, y]]), radius)
        error = np.abs(wrap_angle(yaw - hits.heading))
        score = hits.distance + _METRES_PER_RADIAN * error
        fitting = np.flatnonzero(error < max_heading_error)
        order = fitting[np.lexsort((hits.rows[fitting], score[fitting]))]
        return list(dict.fromkeys(hits.rows[order].tolist()))

    def project(self, points: NDArray[Any], rows: NDArray[Any]) -> FrenetPoints:
        """Frenet coordinates of N points, each along its own lane, as `Polyline.project` gives them.

        Args:
            points: ``[N, 2]`` [m].
            rows: ``[N]`` lane rows.

        Raises:
            InvalidInputError: A row that is no lane of this search; not one row per point.
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        rows = np.asarray(rows, dtype=np.int64).reshape(-1)
        if len(rows) != len(points):
            raise InvalidInputError("lane rows", f"one for each of {len(points)} points", f"{len(rows)}")
        known = (rows >= 0) & (rows < len(self._count))
        if not (known.all() and (self._count[rows] > 0).all()):
            wrong = [int(r) for r in rows if not 0 <= r < len(self._count) or self._count[r] == 0]
            raise InvalidInputError("lane rows", "rows of lanes that are searched", f"{wrong[:5]}")
        first, count = self._first[rows], self._count[rows]
        owner, place = expand(first, count)
        offset = self.xy[place] - points[owner]
        squared = np.einsum("ij,ij->i", offset, offset)
        starts = np.cumsum(count) - count
        least = np.minimum.reduceat(squared, starts) if len(starts) else squared
        at_least = np.flatnonzero(squared == least[owner])
        nearest = place[at_least[np.searchsorted(at_least, starts)]]
        return frenet_points(points, nearest, first, first + count - 1, self.xy, self.s, self.heading, self._curvature)


def _least(owner: NDArray[np.int64], score: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The entry with the least finite score of each owner; owners rise, of equal scores the lowest row counts."""
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    if not len(starts):
        return starts
    least = np.minimum.reduceat(score, starts)
    entries = np.flatnonzero((score == np.repeat(least, np.diff(starts, append=len(owner)))) & np.isfinite(score))
    entries = entries[np.lexsort((rows[entries], owner[entries]))]
    return entries[np.flatnonzero(np.diff(owner[entries], prepend=-1))]
