"""Points of all lanes in one search tree: what lies beside a lane, and what crosses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.geometry import resample, wrap_angle
from zoox_stack.road_network.line_shapes import headings

NEIGHBOUR_LATERAL = (1.8, 5.5)  # [m] between centre lines of neighbouring lanes
NEIGHBOUR_HEADING = np.radians(20)  # [rad]
NEIGHBOUR_SHARE = 0.6  # of the length of a lane that must lie beside the other
CROSSING_ANGLE = np.radians(30)  # [rad] lanes that meet at more than this cross


class LanePoints:
    """Points of all lanes in one search tree.

    Args:
        lanes: Centre lines.
        spacing: Between the points [m].
    """

    def __init__(self, lanes: Sequence[NDArray[np.float64]], spacing: float = 1.0) -> None:
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
