"""Which way traffic goes, looked up in the lanes of the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import LaneType
from zoox_stack.core.geometry import resample
from zoox_stack.road_network.network import RoadNetwork

_SPACING = 1.0  # [m] of the points that stand for the lanes
_NEAR = 3.0  # [m] from the middle of a lane: in it, or parked beside it
_ASKED = 6  # points of lanes
_ALONG = np.deg2rad(30.0)  # a heading further off an axis is not along it


class LaneDirections:
    """Directions of the lanes for vehicles around points.

    Args:
        network: The map.
    """

    def __init__(self, network: RoadNetwork) -> None:
        self.network = network
        rows = np.flatnonzero(np.isin(network.lane_types, (LaneType.VEHICLE, LaneType.BUS)))
        lines = [resample(network.centre_lines[row][:, :2], _SPACING) for row in rows.tolist()]
        lines = [line for line in lines if len(line) > 1]
        tangents = [np.gradient(line, axis=0) for line in lines]
        points = np.concatenate([np.zeros((0, 2)), *lines])
        self._yaw = np.concatenate([np.zeros(0), *(np.arctan2(part[:, 1], part[:, 0]) for part in tangents)])
        self._tree = cKDTree(points) if len(points) else None

    def agreement(self, xy: NDArray[np.float64], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Whether headings are those of the lanes or against them.

        Args:
            xy: ``[N, 2]`` map frame [m].
            yaw: ``[N]`` [rad].

        Returns:
            ``[N]`` 1: along all lanes around, -1: against all; 0 where none is near or along that axis, or they differ.
        """
        if self._tree is None or len(xy) == 0:
            return np.zeros(len(xy))
        distance, index = self._tree.query(xy, k=_ASKED, distance_upper_bound=_NEAR)
        found = np.isfinite(distance)
        lane = self._yaw[np.where(found, index, 0)]
        turn = np.cos(lane - yaw[:, None])
        weight = found * (np.abs(turn) > np.cos(_ALONG)) / (0.5 + np.where(found, distance, 0.0) ** 2)
        total = weight.sum(axis=1)
        return np.asarray((weight * np.sign(turn)).sum(axis=1) / np.maximum(total, 1e-9))

    def axis(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Along which axis traffic goes.

        Args:
            xy: ``[N, 2]`` map frame [m].

        Returns:
            ``[N, 2]`` mean cosine and sine of twice the directions of the lanes around: of length 1 where all have one
            axis, 0 where none is near.
        """
        if self._tree is None or len(xy) == 0:
            return np.zeros((len(xy), 2))
        distance, index = self._tree.query(xy, k=_ASKED, distance_upper_bound=_NEAR)
        found = np.isfinite(distance)
        twice = 2 * self._yaw[np.where(found, index, 0)]
        weight = found / (0.5 + np.where(found, distance, 0.0) ** 2)
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
        return np.column_stack([(weight * np.cos(twice)).sum(axis=1), (weight * np.sin(twice)).sum(axis=1)])
