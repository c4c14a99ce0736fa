"""A smooth line with arc length, heading and curvature, and Frenet coordinates along it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial import cKDTree

from zoox_stack.core.compiled import plain
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths, resample
from zoox_stack.road_network.polyline_loop import fill_frenet_points

_ROUNDINGS = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)  # [m] standard deviations tried to round off sharp bends


@dataclass(frozen=True, eq=False)
class FrenetPoints:
    """Points relative to a polyline; N points, arrays ``[N]``.

    Attributes:
        s: Along the line [m]; below 0 or beyond its length for points before its start or after its end.
        d: To the left of the line [m].
        heading: Of the line there [rad], -pi..pi.
        curvature: Of the line there [1/m], positive to the left.
    """

    s: NDArray[np.float64]
    d: NDArray[np.float64]
    heading: NDArray[np.float64]
    curvature: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Polyline:
    """About equally spaced points of a line in the ground plane; P >= 2 points, arrays ``[P]`` or ``[P, 2]``.

    Attributes:
        xy: float64 ``[P, 2]`` [m].
        s: float64 ``[P]`` arc length [m], from 0, strictly rising.
        heading: float64 ``[P]`` [rad], unwrapped: without jumps along the line.
        curvature: float64 ``[P]`` [1/m], positive to the left.
    """

    xy: NDArray[np.float64]
    s: NDArray[np.float64]
    heading: NDArray[np.float64]
    curvature: NDArray[np.float64]

    @classmethod
    def from_points(cls, points: NDArray[Any], spacing: float = 1.0, smoothing: float = 0.0) -> Polyline:
        """Resample and, if asked, smooth a list of points.

        Args:
            points: ``[N, 2 or more]`` [m]; only x and y are used.
            spacing: [m] between points of the result, about.
            smoothing: [m] standard deviation of the Gaussian the points are smoothed with; the ends stay.

        Raises:
            InvalidInputError: Fewer than two different points.
        """
        xy = np.asarray(points, dtype=np.float64)[:, :2]
        if len(xy) < 2 or float(arc_lengths(xy)[-1]) < 1e-3:
            raise InvalidInputError("polyline", "at least two points 1 mm apart", f"{len(xy)} points")
        xy = resample(xy, spacing)
        if smoothing > 0:
            xy = resample(_smoothed(xy, smoothing / spacing), spacing)
        s = arc_lengths(xy)
        tangent = np.gradient(xy, s, axis=0)
        heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
        curvature = np.gradient(heading, s)
        return cls(xy, s, heading, curvature)

    def bent_at_most(self, limit: float) -> Polyline:
        """The same number of points, with bends sharper than `limit` [1/m] rounded off as far as needed.

        Only the places around such bends move: they are blended with the line smoothed by ever wider Gaussians. Where
        even the widest does not do, the bend stays sharper. The ends stay.
        """
        line = self
        for sigma in _ROUNDINGS:
            sharp = np.abs(line.curvature) > limit
            if not sharp.any():
                return line
            spacing = self.length / (len(self.s) - 1)
            near = gaussian_filter1d(
                maximum_filter1d(sharp.astype(float), 2 * round(2 * sigma / spacing) + 1), sigma / spacing
            )
            line = polyline_through(line.xy + near[:, None] * (_smoothed(line.xy, sigma / spacing) - line.xy))
        return line

    def smoothed(self, sigma: float) -> Polyline:
        """The same number of points, smoothed by a Gaussian of `sigma` [m] along the line; the ends stay.

        Where bends begin and end, the curvature comes and goes over about ``3 sigma``. Once smoothed, an arc of radius
        R would move inwards by ``sigma^2 / 2R``; so what was lost is smoothed and added again ("twicing", Tukey,
        Exploratory Data Analysis, 1977), which leaves a quarter of that in a turn of 90 degrees.
        """
        sigma /= self.length / (len(self.s) - 1)
        once = _smoothed(self.xy, sigma)
        return polyline_through(once + _smoothed(self.xy - once, sigma))

    @property
    def length(self) -> float:
        """[m]."""
        return float(self.s[-1])

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.xy)

    def at(self, s: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Position ``[..., 2]``, heading and curvature ``[...]`` at arc lengths `s`; straight on beyond both ends."""
        s = np.asarray(s, dtype=np.float64)
        inside = np.clip(s, 0.0, self.s[-1])
        position = np.stack([np.interp(inside, self.s, self.xy[:, d]) for d in range(2)], axis=-1)
        heading = np.interp(inside, self.s, self.heading)
        over = (s - inside)[..., None]
        position = position + over * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        curvature = np.where(s == inside, np.interp(inside, self.s, self.curvature), 0.0)
        return position, heading, curvature

    def project(self, points: NDArray[Any]) -> FrenetPoints:
        """Frenet coordinates of points ``[N, 2]`` [m] at the nearest place of the line."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        nearest = np.asarray(self._tree.query(points)[1], dtype=np.int64)
        return self._at(points, nearest)

    def project_pose(self, x: float, y: float, yaw: float, start: float, end: float) -> FrenetPoints | None:
        """Frenet coordinates of one pose, looked for between arc lengths `start` and `end`.

        Places where the line runs the other way than `yaw` do not count; None if there is no other.
        """
        rows = np.flatnonzero((self.s >= start - 1e-6) & (self.s <= end + 1e-6))
        rows = rows[np.cos(self.heading[rows] - yaw) > 0]
        if not len(rows):
            return None
        point = np.array([[x, y]])
        distance = np.hypot(*(self.xy[rows] - point).T)
        return self._at(point, rows[[int(np.argmin(distance))]])

    def cut(self, start: float, end: float) -> Polyline:
        """The part from arc length `start` to `end` [m] (whole points within the line, at least two)."""
        first = int(np.clip(np.searchsorted(self.s, start, side="right") - 1, 0, len(self.s) - 2))
        last = int(np.clip(np.searchsorted(self.s, end, side="left"), first + 1, len(self.s) - 1))
        part = slice(first, last + 1)
        return Polyline(self.xy[part], self.s[part] - self.s[first], self.heading[part], self.curvature[part])

    def _at(self, points: NDArray[np.float64], nearest: NDArray[np.int64]) -> FrenetPoints:
        first, last = np.zeros_like(nearest), np.full_like(nearest, len(self.s) - 1)
        return frenet_points(points, nearest, first, last, self.xy, self.s, self.heading, self.curvature)


def frenet_points(
    points: NDArray[np.float64],
    nearest: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    xy: NDArray[np.float64],
    s: NDArray[np.float64],
    heading: NDArray[np.float64],
    curvature: NDArray[np.float64],
) -> FrenetPoints:
    """Frenet coordinates of N points, each along a line of its own; the lines lie one after the other in `xy`.

    Of the two segments at the nearest point of the line the closer one is taken; the projection on it is orthogonal.

    Args:
        points: ``[N, 2]`` [m].
        nearest: ``[N]`` row in `xy` of the point of the line that is nearest to each point.
        first: ``[N]`` first row of the line.
        last: ``[N]`` last row of the line.
        xy: ``[P, 2]`` [m] points of all lines.
        s: ``[P]`` arc length [m] of each along its line.
        heading: ``[P]`` [rad], without jumps along a line.
        curvature: ``[P]`` [1/m].
    """
    count = len(points)
    station, d, directions, bends = (np.zeros(count) for _ in range(4))
    f8, i8 = np.float64, np.int64
    fill_frenet_points(
        plain(points, f8), plain(nearest, i8), plain(first, i8), plain(last, i8), plain(xy, f8), plain(s, f8),
        plain(heading, f8), plain(curvature, f8), station, d, directions, bends,
    )  # fmt: skip
    return FrenetPoints(station, d, directions, bends)


def polyline_through(xy: NDArray[np.float64]) -> Polyline:
    """The line through points that are already dense."""
    s = arc_lengths(xy)
    tangent = np.gradient(xy, s, axis=0)
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    return Polyline(xy, s, heading, np.gradient(heading, s))


def thin(points: NDArray[Any], least: float) -> NDArray[np.float64]:
    """Drop points closer than `least` [m] to the last kept one, so that standing leaves no knot; keep the last."""
    points = np.asarray(points, dtype=np.float64)
    kept = [0]
    for i in range(1, len(points)):
        if np.hypot(*(points[i, :2] - points[kept[-1], :2])) >= least:
            kept.append(i)
    if kept[-1] != len(points) - 1 and len(kept) > 1:
        kept[-1] = len(points) - 1
    return points[kept]


def _smoothed(xy: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian smoothing that keeps both end points: the line goes on point-mirrored beyond its ends."""
    pad = min(len(xy) - 1, max(1, int(4 * sigma)))
    before = 2 * xy[0] - xy[1 : pad + 1][::-1]
    after = 2 * xy[-1] - xy[-pad - 1 : -1][::-1]
    smooth = gaussian_filter1d(np.concatenate([before, xy, after]), sigma, axis=0, mode="nearest")
    return np.asarray(smooth[pad : pad + len(xy)])
