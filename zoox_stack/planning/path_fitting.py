"""A path whose whole box stays on the road: in tight turns the middle of the lane is not where base_link can drive.

Where the box would come closer to the edge of the ground than a margin, and in bends, the path is drawn anew: of all
curves that the wheels can follow, the one that least leaves the ground, strays from the lane, enters the lanes beside
and bends. Found by non-linear least squares over the curvature every 2 m; compare Ziegler, Bender, Dang and Stiller,
"Trajectory Planning for Bertha", IV 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.optimize import least_squares

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import box_corners
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.polyline import Polyline, polyline_through
from zoox_stack.road_network.queries import LanePath

_MARGIN = 0.15  # [m] wanted between the box and the edge of the ground
_CLOSE = 0.1  # [m] a path that keeps so much is left alone,
_SHARP = 0.1  # [1/m] if it bends no more than this
_NEARBY, _BENT = 8, 0.03  # [points] around a narrow place within which it bends by so much [1/m], or it is left alone
_LONGEST = 90  # [points] of a place; the work grows with the square
_LEAD = 15  # [points], about as many metres, before and after a tight place within which the path may move
_LANE_OVER = 0.2  # [m] the box may reach over the edge of its lane
_DEVIATION, _OFF_ROAD, _OFF_LANE, _BEND, _WINDING = 0.15, 6.0, 1.0, 1.5, 3.0  # weights of the residuals
_JOIN = 10.0  # weight of coming back to the line at the end
_WORSE = 0.02  # [m] of clearance that a better bend may cost
_JOINED = 0.1  # [m], [rad] by which the end may miss the line
_KNOT = 2  # [points] between which the curvature is linear
_STEP = 1e-4  # [1/m] of the numeric derivative
_MOST_STEPS = 40


@dataclass(frozen=True)
class BoxShape:
    """Of the ego [m]: length, width, and from base_link forward to the middle."""

    length: float
    width: float
    to_centre: float

    @classmethod
    def of(cls, ego: EgoState) -> BoxShape:
        """Of an ego."""
        return cls(ego.length, ego.width, ego.rear_axle_to_centre)


def fit_to_road(
    path: LanePath, line: Polyline, lane_width: NDArray[np.float64], ground: DrivableGrid, box: BoxShape, limit: float
) -> LanePath:
    """A path with its tight places drawn anew; a place that cannot be made better stays as it is.

    Args:
        path: Along the middles of lanes, P points about 1 m apart.
        line: The same smoothed, for base_link to follow: P points.
        lane_width: ``[P]`` of the lane that the box should stay in [m], inf where it is free, as in intersections.
        ground: Drivable ground.
        box: The ego.
        limit: Sharpest bend that the wheels can follow [1/m].

    Returns:
        The line to follow, and the lanes of its points; not of P points if something was drawn anew.
    """
    rows = np.arange(len(line.s), dtype=np.float64)
    if not ground.known:
        return LanePath(line, path.lanes)
    points, kept, done = [], [], 0.0
    for first, last in _tight_places(line, ground, box):
        place = _Place(path.line, line, first, last, lane_width, ground, box, limit)
        found = place.solve() if first >= done else None
        if found is None:
            continue
        xy, end = found
        before = np.flatnonzero((rows >= done) & (rows < first))
        points += [line.xy[before], xy]
        kept += [rows[before], np.linspace(first, end, len(xy))]
        done = end + 0.5
    rest = np.flatnonzero(rows >= done)
    if not points:
        return LanePath(line, path.lanes)
    lanes = path.lanes[np.round(np.concatenate([*kept, rows[rest]])).astype(np.int64)]
    return LanePath(polyline_through(np.concatenate([*points, line.xy[rest]])), lanes)


def _tight_places(line: Polyline, ground: DrivableGrid, box: BoxShape) -> list[tuple[int, int]]:
    """First and past-the-last points of the parts of a line to draw anew; they do not overlap."""
    clearance = ground.clearance(_corners(line.xy, line.heading, box)).min(axis=-1)
    inside = (line.s > box.length) & (line.s < line.length - box.length)  # else the box reaches beyond the road's end
    bend = np.abs(line.curvature)
    turns = maximum_filter1d(bend, 2 * _NEARBY + 1) > _BENT  # a narrow straight road is as good as it gets
    tight = np.flatnonzero(inside & (((clearance < _CLOSE) & turns) | (bend > _SHARP)))
    found: list[tuple[int, int]] = []
    for group in _groups(tight):
        first, last = int(group[0]) - _LEAD, int(group[-1]) + _LEAD + 1
        if found and first < found[-1][1]:  # two that are close to each other share what lies between
            first = (found[-1][1] - _LEAD + int(group[0])) // 2
            found[-1] = (found[-1][0], first)
        found.append((max(0, first), min(len(line.s), last)))
    return [(first, last) for first, last in found if last - first <= _LONGEST]


def _groups(tight: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Points parted where they are far apart, and where they would be too many at the largest gap."""
    if not len(tight):
        return []
    groups = []
    waiting = np.split(tight, np.flatnonzero(np.diff(tight) > 2 * _LEAD + 5) + 1)[::-1]
    while waiting:
        group = waiting.pop()
        gaps = np.diff(group)
        if group[-1] - group[0] > _LONGEST - 2 * _LEAD and gaps.max() >= _LEAD // 2:
            cut = int(gaps.argmax()) + 1
            waiting += [group[cut:], group[:cut]]
        else:
            groups.append(group)
    return groups


def _corners(xy: NDArray[np.float64], yaw: NDArray[np.float64], box: BoxShape) -> NDArray[np.float64]:
    """``[..., 4, 2]`` of boxes whose base_link is at ``[..., 2]``, heading ``[...]``."""
    centre = xy + box.to_centre * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    return box_corners(centre, yaw, box.length, box.width)


def _part_of(line: Polyline, rows: slice) -> Polyline:
    return Polyline(line.xy[rows], line.s[rows] - line.s[rows.start], line.heading[rows], line.curvature[rows])


class _Place:
    """One tight place of a line: its N points from `first` to before `last`."""

    def __init__(
        self,
        centre: Polyline,
        line: Polyline,
        first: int,
        last: int,
        lane_width: NDArray[np.float64],
        ground: DrivableGrid,
        box: BoxShape,
        limit: float,
    ) -> None:
        self._first, self._ground, self._box, self._limit = first, ground, box, limit
        self._line, self._part = line, slice(first, last)
        around = slice(max(0, first - 5), min(len(centre.s), last + 10))  # a route may come by the same place again
        self._around, self._centre, self._smooth = around.start, _part_of(centre, around), _part_of(line, around)
        self._half_width = lane_width[around] / 2 + _LANE_OVER
        count = last - first
        self._step = float(line.s[last - 1] - line.s[first]) / (count - 1)
        knots = np.linspace(0, count - 1, (count - 1) // _KNOT + 1)
        self._now = np.clip(np.interp(knots, np.arange(count), line.curvature[self._part]), -0.99 * limit, 0.99 * limit)
        self._between = np.stack([np.interp(np.arange(count), knots, row) for row in np.eye(len(knots))])

    def solve(self) -> tuple[NDArray[np.float64], float] | None:
        """Points ``[N, 2]`` of the better way, and the point of the line at which it ends; None if there is none."""
        found, cost = self._from(self._now)
        if self._clearance(found) < -_MARGIN:  # the way round a very sharp corner is found from straight on only
            other, other_cost = self._from(np.zeros_like(self._now))
            found = other if other_cost < cost else found
        xy, yaw = self._drive(found)
        foot = self._smooth.project(xy[-1:])
        missed = max(abs(float(foot.d[0])), abs(float(np.sin(foot.heading[0] - yaw[-1]))))
        corners = _corners(self._line.xy[self._part], self._line.heading[self._part], self._box)
        wanted = min(float(self._ground.clearance(corners).min()), _MARGIN)
        if missed > _JOINED or self._clearance(found) < wanted - _WORSE:
            return None
        end = np.interp(foot.s[0], self._smooth.s, np.arange(len(self._smooth.s)))
        return xy, self._around + float(end)

    def _from(self, curvature: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Curvatures at the knots, and what they cost."""
        solved = least_squares(
            lambda bends: self._residuals(bends), curvature, lambda bends: self._jacobian(bends),
            bounds=(-self._limit, self._limit), ftol=1e-3, xtol=1e-4, max_nfev=_MOST_STEPS,
        )  # fmt: skip
        return np.asarray(solved.x), float(solved.cost)

    def _jacobian(self, bends: NDArray[np.float64]) -> NDArray[np.float64]:
        changed = self._residuals(bends + _STEP * np.eye(len(bends)))
        return np.asarray(((changed - self._residuals(bends)) / _STEP).T)

    def _residuals(self, bends: NDArray[np.float64]) -> NDArray[np.float64]:
        """``[..., R]`` of curvatures at the knots ``[..., K]`` [1/m]."""
        xy, yaw = self._drive(bends)
        bends = bends @ self._between
        foot = self._centre.project(xy.reshape(-1, 2))
        aside, heading, bend = (value.reshape(yaw.shape) for value in (foot.d, foot.heading, foot.curvature))
        turned = np.sin(yaw - heading)
        half_width = np.interp(foot.s, self._centre.s, self._half_width).reshape(yaw.shape)
        front, rear = self._box.to_centre + self._box.length / 2, self._box.to_centre - self._box.length / 2
        reach = np.maximum(np.abs(aside + front * turned), np.abs(aside + rear * turned)) + self._box.width / 2
        off = np.maximum(_MARGIN - self._ground.clearance(_corners(xy, yaw, self._box)), 0.0)
        return np.concatenate(
            [
                _DEVIATION * aside,
                _OFF_ROAD * off.reshape(*off.shape[:-2], -1),
                _OFF_LANE * np.maximum(reach - half_width, 0.0),
                _BEND * bends,
                _WINDING * np.diff(bends, axis=-1),
                _JOIN * aside[..., -4:],
                _JOIN * turned[..., -3:],
                _WINDING * (bends - bend)[..., -2:],
            ],
            axis=-1,
        )

    def _drive(self, bends: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions ``[..., N, 2]`` and headings ``[..., N]`` of curvatures at the knots ``[..., K]``."""
        bends = bends @ self._between
        yaw = float(self._line.heading[self._first]) + np.concatenate(
            [np.zeros((*bends.shape[:-1], 1)), np.cumsum((bends[..., 1:] + bends[..., :-1]) / 2 * self._step, axis=-1)],
            axis=-1,
        )
        middle = (yaw[..., 1:] + yaw[..., :-1]) / 2
        steps = self._step * np.stack([np.cos(middle), np.sin(middle)], axis=-1)
        moved = np.concatenate([np.zeros((*bends.shape[:-1], 1, 2)), np.cumsum(steps, axis=-2)], axis=-2)
        return self._line.xy[self._first] + moved, yaw

    def _clearance(self, bends: NDArray[np.float64]) -> float:
        """Smallest between the box and the edge of the ground [m]."""
        xy, yaw = self._drive(bends)
        return float(self._ground.clearance(_corners(xy, yaw, self._box)).min())
