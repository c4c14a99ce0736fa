"""What a lane map leaves unsaid: boundaries from polygons, successors from ends, neighbours from sides, turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import LaneTurn, LineType
from zoox_stack.core.geometry import arc_lengths, resample, wrap_angle

SUCCESSOR_GAP = 1.0  # [m] between the end of a lane and the start of the next
SUCCESSOR_HEADING = np.radians(40)  # [rad] largest kink between them
NEIGHBOUR_LATERAL = (1.8, 5.5)  # [m] between centre lines of neighbouring lanes
NEIGHBOUR_HEADING = np.radians(20)  # [rad]
NEIGHBOUR_SHARE = 0.6  # of the length of a lane that must lie beside the other
CROSSING_ANGLE = np.radians(30)  # [rad] lanes that meet at more than this cross
TURN_ANGLE = np.radians(35)  # [rad] change of heading from which a lane turns
U_TURN_ANGLE = np.radians(150)
BOUNDARY_REACH = 8.0  # [m] a lane's edge is looked for this far from its centre line
_LINE_DISTANCE = 0.7  # [m] between a lane's edge and the painted line that marks it

Polyline = NDArray[np.float64]


def clean_polyline(points: NDArray[Any]) -> Polyline:
    """Points ``[P, 3]`` without repeated ones (closer than 1 mm in the plane)."""
    points = np.asarray(points, dtype=np.float64)
    if len(points) < 2:
        return points
    keep = np.concatenate([[True], np.hypot(*np.diff(points[:, :2], axis=0).T) > 1e-3])
    return points[keep]


def headings(points: Polyline) -> NDArray[np.float64]:
    """Heading at every point of a polyline with at least 2 distinct points, shape ``[P]`` [rad]."""
    step = np.diff(points[:, :2], axis=0)
    ahead = np.concatenate([step, step[-1:]]) + np.concatenate([step[:1], step])
    return np.asarray(np.arctan2(ahead[:, 1], ahead[:, 0]))


def end_headings(points: Polyline) -> tuple[float, float]:
    """Heading of the first and of the last segment [rad]."""
    first, last = points[1, :2] - points[0, :2], points[-1, :2] - points[-2, :2]
    return float(np.arctan2(first[1], first[0])), float(np.arctan2(last[1], last[0]))


def turn_of(points: Polyline) -> LaneTurn:
    """Turn direction from the summed change of heading along a lane."""
    step = np.diff(points[:, :2], axis=0)
    change = float(wrap_angle(np.diff(np.arctan2(step[:, 1], step[:, 0]))).sum())
    if abs(change) > U_TURN_ANGLE:
        return LaneTurn.U_TURN
    if abs(change) < TURN_ANGLE:
        return LaneTurn.STRAIGHT
    return LaneTurn.LEFT if change > 0 else LaneTurn.RIGHT


def between(left: Polyline, right: Polyline, spacing: float = 2.0) -> tuple[Polyline, float]:
    """Centre line between two boundaries of the same direction, and the mean distance of the boundaries [m]."""
    longest = max(arc_lengths(left)[-1], arc_lengths(right)[-1])
    count = max(len(left), len(right), int(np.ceil(longest / spacing)) + 1, 2)
    a, b = _resampled(left, count), _resampled(right, count)
    return (a + b) / 2, float(np.hypot(*(a - b)[:, :2].T).mean())


def _resampled(points: Polyline, count: int) -> Polyline:
    """`count` points at equal distances along a polyline."""
    s = arc_lengths(points)
    samples = np.linspace(0, s[-1], count)
    return np.stack([np.interp(samples, s, points[:, d]) for d in range(3)], axis=1)


def boundaries_from_polygon(centre: Polyline, ring: NDArray[Any]) -> tuple[Polyline, Polyline, float]:
    """Left and right edge of a lane where lines across its centre line meet its polygon, and its mean width [m].

    Args:
        centre: ``[P, 3]``.
        ring: ``[Q, 2+]`` outline of the lane.

    Returns:
        Left and right edge, at most P points each (fewer where the outline is not met within 8 m; empty if fewer
        than 2), and the mean width, NaN if unknown.
    """
    start = np.asarray(ring, dtype=np.float64)[:, :2]
    edge = np.roll(start, -1, axis=0) - start
    heading = headings(centre)
    across = np.stack([-np.sin(heading), np.cos(heading)], axis=1)  # to the left
    # Solve centre + t * across = start + u * edge for every pair of centre point and edge.
    gap = start[None] - centre[:, None, :2]
    cross = across[:, None, 0] * edge[None, :, 1] - across[:, None, 1] * edge[None, :, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (gap[..., 0] * edge[None, :, 1] - gap[..., 1] * edge[None, :, 0]) / cross
        u = (gap[..., 0] * across[:, None, 1] - gap[..., 1] * across[:, None, 0]) / cross
    hit = (u >= -1e-9) & (u <= 1 + 1e-9) & np.isfinite(t) & (np.abs(t) <= BOUNDARY_REACH)
    sides = []
    for sign in (1.0, -1.0):
        distance = np.where(hit & (sign * t > 1e-6), sign * t, np.inf).min(axis=1)
        sides.append(distance)
    edges = []
    for sign, distance in zip((1.0, -1.0), sides, strict=True):
        found = np.isfinite(distance)
        points = centre[found].copy()
        points[:, :2] += sign * distance[found, None] * across[found]
        points = clean_polyline(points)
        edges.append(points if len(points) >= 2 else np.zeros((0, 3)))
    both = np.isfinite(sides[0]) & np.isfinite(sides[1])
    width = float((sides[0] + sides[1])[both].mean()) if both.any() else float("nan")
    return edges[0], edges[1], width


def strip(centre: Polyline, width: float) -> Polyline:
    """Outline of a strip of `width` [m] along a polyline."""
    heading = headings(centre)
    side = np.stack([-np.sin(heading), np.cos(heading), np.zeros_like(heading)], axis=1) * width / 2
    return np.concatenate([centre - side, (centre + side)[::-1]])


def successors_from_ends(lanes: Sequence[Polyline]) -> list[list[int]]:
    """Rows of the lanes that start where each lane ends, within 1 m and 40 degrees; nearest first."""
    if not lanes:
        return []
    starts = np.array([lane[0, :2] for lane in lanes])
    ends = np.array([lane[-1, :2] for lane in lanes])
    first, last = np.array([end_headings(lane) for lane in lanes]).T
    result = []
    for row, close in enumerate(cKDTree(starts).query_ball_point(ends, SUCCESSOR_GAP)):
        fitting = [
            (float(np.hypot(*(starts[j] - ends[row]))), j)
            for j in close
            if j != row and abs(wrap_angle(first[j] - last[row])) <= SUCCESSOR_HEADING
        ]
        result.append([j for _, j in sorted(fitting)])
    return result


class LanePoints:
    """Points of all lanes in one search tree.

    Args:
        lanes: Centre lines.
        spacing: Between the points [m].
    """

    def __init__(self, lanes: Sequence[Polyline], spacing: float = 1.0) -> None:
        dense = [resample(lane, spacing) for lane in lanes]
        self.lanes = dense
        self.row = np.repeat(np.arange(len(dense)), [len(d) for d in dense])
        self.points = np.concatenate([d[:, :2] for d in dense]) if dense else np.zeros((0, 2))
        self.heading = np.concatenate([headings(d) for d in dense]) if dense else np.zeros(0)
        self.tree = cKDTree(self.points) if dense else None

    def neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Row of the lane of the same direction beside each lane, left and right; -1 where there is none."""
        n = len(self.lanes)
        left, right = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        for row, lane in enumerate(self.lanes):
            inner = np.linspace(0, len(lane) - 1, 7).astype(int)[1:-1]
            samples = lane[inner]
            beside: dict[tuple[int, int], list[float]] = {}
            for point, heading in zip(samples, headings(lane)[inner], strict=True):
                for other, lateral in self._beside(row, point[:2], float(heading)).items():
                    beside.setdefault((other, 1 if lateral > 0 else -1), []).append(abs(lateral))
            for sign, target in ((1, left), (-1, right)):
                fitting = [
                    (float(np.mean(distances)), other)
                    for (other, side), distances in beside.items()
                    if side == sign and len(distances) >= NEIGHBOUR_SHARE * len(samples)
                ]
                if fitting:
                    target[row] = min(fitting)[1]
        return left, right

    def _beside(self, row: int, point: NDArray[Any], heading: float) -> dict[int, float]:
        """Lateral offset of each other lane beside a point."""
        assert self.tree is not None
        near = np.array(self.tree.query_ball_point(point, NEIGHBOUR_LATERAL[1]), dtype=int)
        near = near[self.row[near] != row]
        near = near[np.abs(wrap_angle(self.heading[near] - heading)) <= NEIGHBOUR_HEADING]
        offset = self.points[near] - point
        along = offset @ np.array([np.cos(heading), np.sin(heading)])
        lateral = offset @ np.array([-np.sin(heading), np.cos(heading)])
        result: dict[int, float] = {}
        for index in np.argsort(np.abs(along), kind="stable"):
            if abs(along[index]) <= 1.0 and NEIGHBOUR_LATERAL[0] <= abs(lateral[index]):
                result.setdefault(int(self.row[near[index]]), float(lateral[index]))
        return result

    def crossed(self) -> NDArray[np.bool_]:
        """True for lanes that another lane crosses away from its ends: they lie in an intersection."""
        result = np.zeros(len(self.lanes), np.bool_)
        if self.tree is None:
            return result
        for a, b in self.tree.query_pairs(1.0, output_type="ndarray"):
            if self.row[a] != self.row[b] and not (result[self.row[a]] and result[self.row[b]]):
                angle = abs(wrap_angle(self.heading[a] - self.heading[b]))
                if CROSSING_ANGLE < angle < np.pi - CROSSING_ANGLE:
                    result[self.row[a]] = result[self.row[b]] = True
        return result


def line_types_of(edges: Sequence[Polyline], lines: Sequence[Polyline], types: Sequence[LineType]) -> list[LineType]:
    """Type of the painted line that most of each lane edge lies on (within 0.7 m); UNKNOWN where there is none."""
    if not lines:
        return [LineType.UNKNOWN] * len(edges)
    dense = [resample(line, 0.5)[:, :2] for line in lines]
    kinds = np.repeat([int(kind) for kind in types], [len(d) for d in dense])
    tree = cKDTree(np.concatenate(dense))
    result = []
    for edge in edges:
        if len(edge) < 2:
            result.append(LineType.UNKNOWN)
            continue
        distance, index = tree.query(resample(edge, 1.0)[:, :2])
        on_line = kinds[index[distance <= _LINE_DISTANCE]]
        common = np.bincount(on_line).argmax() if len(on_line) * 2 >= len(distance) else LineType.UNKNOWN
        result.append(LineType(int(common)))
    return result
