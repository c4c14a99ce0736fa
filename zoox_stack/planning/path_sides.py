"""What lies beside the reference path: lines that must not be crossed, and lanes of the opposite direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LineType
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.road_network.queries import LaneIndex

CLOSED_LINES = (LineType.SOLID_WHITE, LineType.SOLID_YELLOW, LineType.DOUBLE_SOLID, LineType.KERB)
_PROBED_EVERY = 4.0  # [m] along a lane
_EVERY = 4  # points of a path between those whose offset in the lane is looked at
_BESIDE = 1.4  # [m] beyond the edge of a carriageway where a lane the other way is looked for
_TURNED_BY = 0.6  # [rad] it may deviate from the opposite direction


@dataclass(frozen=True, eq=False)
class PathSides:
    """Edges beside each of P points of a reference path; float64 ``[P, 2]``, left and right.

    Distances from the path [m], inf where there is no such edge.

    Attributes:
        closed: To the nearest line that must not be crossed.
        oncoming: To the lanes of the opposite direction.
    """

    closed: NDArray[np.float64]
    oncoming: NDArray[np.float64]

    @classmethod
    def unknown(cls, points: int) -> PathSides:
        """Nothing known on either side."""
        return cls(np.full((points, 2), np.inf), np.full((points, 2), np.inf))


class LaneSides:
    """Edges beside every lane of a map, found once.

    Args:
        index: The map.
    """

    def __init__(self, index: LaneIndex) -> None:
        self._index = index
        network = index.network
        half = np.array([index.width(row) / 2 for row in range(len(network.lane_ids))])
        self._closed, self._oncoming = (np.full((len(half), 2), np.inf) for _ in range(2))
        sides = (
            (network.left_neighbours, network.left_boundary_types),
            (network.right_neighbours, network.right_boundary_types),
        )
        for side, (neighbours, types) in enumerate(sides):
            closed, beyond = np.isin(types, CLOSED_LINES), self._runs_against(half, 1.0 - 2.0 * side)
            for row in index.lines:
                lane, edge, passed = row, half[row], {row}
                while not closed[lane] and int(neighbours[lane]) in index.lines and int(neighbours[lane]) not in passed:
                    lane = int(neighbours[lane])
                    passed.add(lane)
                    edge += 2 * half[lane]
                self._closed[row, side] = edge if closed[lane] else np.inf
                while int(neighbours[lane]) in index.lines and int(neighbours[lane]) not in passed:
                    lane = int(neighbours[lane])
                    passed.add(lane)
                    edge += 2 * half[lane]
                self._oncoming[row, side] = edge if beyond[lane] else np.inf

    def along(self, path: ReferencePath) -> PathSides:
        """The edges beside a path."""
        sides = PathSides.unknown(len(path.lanes))
        known = np.flatnonzero(path.lanes >= 0)
        if len(known):
            rows = path.lanes[known]
            looked_at = (np.arange(len(known)) % _EVERY == 0) | (np.diff(rows, prepend=-1) != 0)
            d = self._index.project(path.line.xy[known[looked_at]], rows[looked_at]).d
            aside = d[np.cumsum(looked_at) - 1][:, None] * [1.0, -1.0]
            sides.closed[known] = self._closed[rows] - aside
            sides.oncoming[known] = self._oncoming[rows] - aside
        return sides

    def _runs_against(self, half: NDArray[np.float64], sign: float) -> NDArray[np.bool_]:
        """Whether a lane of the opposite direction lies beside each lane, ``[L]``; never in intersections."""
        index, found = self._index, np.zeros(len(half), bool)
        rows = [row for row in index.lines if not index.network.lane_in_intersection[row]]
        if not rows:
            return found
        places = {row: np.arange(_PROBED_EVERY / 2, index.lines[row].length, _PROBED_EVERY) for row in rows}
        at = [index.lines[row].at(places[row]) for row in rows]
        owner = np.repeat(rows, [len(places[row]) for row in rows])
        xy, yaw = np.concatenate([a[0] for a in at]), np.concatenate([a[1] for a in at])
        normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
        probes = xy + sign * (half[owner] + _BESIDE)[:, None] * normal
        hit = index.nearest(probes, yaw + np.pi, max_distance=_BESIDE, max_heading_error=_TURNED_BY).rows >= 0
        counted, hits = np.bincount(owner, minlength=len(half)), np.bincount(owner[hit], minlength=len(half))
        return np.asarray(hits * 2 > counted)
