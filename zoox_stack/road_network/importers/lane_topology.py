"""What a lane map leaves unsaid: boundaries from polygons, successors from ends, neighbours from sides, turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import LaneTurn, LineType
from zoox_stack.core.geometry import resample, wrap_angle
from zoox_stack.road_network.line_shapes import clean_polyline, end_headings, headings

SUCCESSOR_GAP = 1.0  # [m] between the end of a lane and the start of the next
SUCCESSOR_HEADING = np.radians(40)  # [rad] largest kink between them
TURN_ANGLE = np.radians(35)  # [rad] change of heading from which a lane turns
U_TURN_ANGLE = np.radians(150)
BOUNDARY_REACH = 8.0  # [m] a lane's edge is looked for this far from its centre line
_LINE_DISTANCE = 0.7  # [m] between a lane's edge and the painted line that marks it


def turn_of(points: NDArray[np.float64]) -> LaneTurn:
    """Turn direction from the summed change of heading along a lane."""
    step = np.diff(points[:, :2], axis=0)
    change = float(wrap_angle(np.diff(np.arctan2(step[:, 1], step[:, 0]))).sum())
    if abs(change) > U_TURN_ANGLE:
        return LaneTurn.U_TURN
    if abs(change) < TURN_ANGLE:
        return LaneTurn.STRAIGHT
    return LaneTurn.LEFT if change > 0 else LaneTurn.RIGHT


def boundaries_from_polygon(
    centre: NDArray[np.float64], ring: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
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


def successors_from_ends(lanes: Sequence[NDArray[np.float64]]) -> list[list[int]]:
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


def line_types_of(
    edges: Sequence[NDArray[np.float64]], lines: Sequence[NDArray[np.float64]], types: Sequence[LineType]
) -> list[LineType]:
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
