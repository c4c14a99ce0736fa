"""Which tracks of a scene are which road users: one to one, by overlap of boxes or distance of centres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.geometry import rotation_matrix, to_outer
from zoox_stack.core.sensors import PointCloud

LEAST_IOU = 0.3  # of boxes seen from above; either this
MOST_DISTANCE = 1.0  # [m] or this makes a track and a road user one
_NO_MATCH = 10.0  # a cost above that of every match
_PIECE = 0.5  # [m] around the box of a road user: a track whose middle lies there is a piece of it
_FOOT = 0.2  # [m] the lowest part of a road user is not told from the ground
_ROOM = 0.1  # [m] around a box that noise of the points may need


class TrackKind(IntEnum):
    """What a track is."""

    ROAD_USER = 0  # it is one
    PIECE = 1  # lies on a road user that is another track, or none
    GHOST = 2  # lies on none


@dataclass(frozen=True, eq=False)
class SceneMatch:
    """Who is who in a scene. N tracks, M road users.

    Attributes:
        truth_of: int64 ``[N]`` row of the road user that a track is, -1: none.
        kinds: int64 ``[N]`` `TrackKind`.
    """

    truth_of: NDArray[np.int64]
    kinds: NDArray[np.int64]


def match_scene(tracks: TrackedAgents, truth: TrackedAgents) -> SceneMatch:
    """Assign tracks to road users, as many as possible, then the best (largest overlap, least distance)."""
    distance = np.linalg.norm(tracks.position[:, None, :2] - truth.position[None, :, :2], axis=2)
    overlap = _overlaps(tracks, truth, distance)
    allowed = (overlap >= LEAST_IOU) | (distance <= MOST_DISTANCE)
    cost = np.where(allowed, 1 - overlap + 0.1 * np.minimum(distance, 10), _NO_MATCH)
    rows, columns = linear_sum_assignment(cost)
    good = allowed[rows, columns]
    truth_of = np.full(len(tracks), -1, np.int64)
    truth_of[rows[good]] = columns[good]
    local = np.einsum("mij,nmi->nmj", rotation_matrix(truth.yaw), tracks.position[:, None, :2] - truth.position[:, :2])
    on_one = (np.abs(local) < truth.size[:, :2] / 2 + _PIECE).all(axis=2).any(axis=1)
    kinds = np.where(truth_of >= 0, TrackKind.ROAD_USER, np.where(on_one, TrackKind.PIECE, TrackKind.GHOST))
    return SceneMatch(truth_of, kinds.astype(np.int64))


def _overlaps(tracks: TrackedAgents, truth: TrackedAgents, distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of the boxes seen from above ``[N, M]``."""
    overlap = np.zeros(distance.shape)
    reach = [np.hypot(*agents.size[:, :2].T) / 2 for agents in (tracks, truth)]
    for i, j in np.argwhere(distance < reach[0][:, None] + reach[1]):
        middle = tracks.position[i, :2]  # near it 32-bit numbers are exact
        first, second = (
            ((agents.position[row, :2] - middle).tolist(), agents.size[row, :2].tolist(), np.rad2deg(agents.yaw[row]))
            for agents, row in ((tracks, i), (truth, j))
        )
        _, common = cv2.rotatedRectangleIntersection(first, second)
        if common is not None:
            shared = cv2.contourArea(cv2.convexHull(common))
            overlap[i, j] = shared / (np.prod(first[1]) + np.prod(second[1]) - shared)
    return overlap


def points_on(truth: TrackedAgents, sweep: PointCloud) -> NDArray[np.int64]:
    """Number of points of a sweep on each road user ``[M]``, without those on its feet or tyres.

    Args:
        truth: With the ego, in whose frame the sweep is.
        sweep: In base_link.
    """
    counts = np.zeros(len(truth), np.int64)
    ego = truth.ego
    if ego is None or len(truth) == 0:
        return counts
    xyz = sweep.xyz.astype(np.float64)
    xyz[:, :2] = to_outer(xyz[:, :2], [0.0, 0.0], ego.yaw)
    order = np.argsort(xyz[:, 0])
    xyz = xyz[order]
    offset = truth.position - np.array([ego.x, ego.y, ego.z])
    half = truth.size.astype(np.float64) / 2
    reach = np.hypot(half[:, 0], half[:, 1]) + _ROOM
    first, last = (np.searchsorted(xyz[:, 0], offset[:, 0] + side * reach) for side in (-1, 1))
    turn = rotation_matrix(truth.yaw)
    for row in range(len(truth)):
        local = xyz[first[row] : last[row]] - offset[row]
        local[:, :2] = local[:, :2] @ turn[row]
        inside = (np.abs(local) < half[row] + _ROOM).all(axis=1) & (local[:, 2] > _FOOT - half[row, 2])
        counts[row] = int(inside.sum())
    return counts
