"""Upright boxes around clusters, for all clusters at once.

Heading by the search-based L-shape fit of Zhang, Xu, Dong and Dolan, "Efficient L-shape fitting for vehicle detection using
laser scanners" (IV 2017), closeness criterion: of all headings, the one whose rectangle has the points closest to its
edges. The search uses the outline facing the sensor (the nearest point in each of a number of lateral bins); the extents
use all points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import rotation_matrix
from zoox_stack.perception.clustering import Clusters

_OUTLINE_BINS = 40  # points of the outline per cluster
_COARSE = np.deg2rad(np.arange(0.0, 90.0, 5.0))
_FINE = np.deg2rad(np.arange(-3.75, 3.76, 1.25))
_CLOSEST = 0.05  # [m] distances below this count as this: sensor noise (d0 of the paper)


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of C clusters, as seen (not completed).

    Attributes:
        centre: float64 ``[C, 2]`` [m].
        yaw: float64 ``[C]`` [rad] of the longer side, in [0, pi).
        length: float64 ``[C]`` [m] longer side.
        width: float64 ``[C]`` [m] shorter side.
        bottom: float64 ``[C]`` [m] lowest height above ground.
        top: float64 ``[C]`` [m] highest height above ground.
        ground: float64 ``[C]`` [m] height of the ground under the cluster, in the frame of the points.
        counts: int64 ``[C]`` points.
    """

    centre: NDArray[np.float64]
    yaw: NDArray[np.float64]
    length: NDArray[np.float64]
    width: NDArray[np.float64]
    bottom: NDArray[np.float64]
    top: NDArray[np.float64]
    ground: NDArray[np.float64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.yaw)


def fit_boxes(
    xyz: NDArray[np.float32], height: NDArray[np.float32], clusters: Clusters, origin: tuple[float, float]
) -> Boxes:
    """Fit one box per cluster.

    Args:
        xyz: ``[P, 3]`` points the clusters refer to [m].
        height: ``[P]`` their height above ground [m].
        clusters: C clusters.
        origin: x, y of the sensor in the frame of the points [m].
    """
    if len(clusters) == 0:
        none = np.zeros(0)
        return Boxes(np.zeros((0, 2)), none, none, none, none, none, none, np.zeros(0, np.int64))
    starts, rows = clusters.offsets[:-1], clusters.rows()
    points = xyz[clusters.order]
    xy = (points[:, :2] - np.asarray(origin, np.float32)).astype(np.float32)
    mean = np.add.reduceat(xy, starts, axis=0) / clusters.counts[:, None].astype(np.float32)
    relative = xy - mean[rows]
    outline, valid = _outline(relative, mean, rows, starts)
    theta = _search_heading(outline, valid)
    c, s = np.cos(theta).astype(np.float32), np.sin(theta).astype(np.float32)
    along = relative[:, 0] * c[rows] + relative[:, 1] * s[rows]
    across = relative[:, 1] * c[rows] - relative[:, 0] * s[rows]
    low = np.stack([np.minimum.reduceat(along, starts), np.minimum.reduceat(across, starts)], axis=1)
    high = np.stack([np.maximum.reduceat(along, starts), np.maximum.reduceat(across, starts)], axis=1)
    extent = (high - low).astype(np.float64)
    centre = np.einsum("cij,cj->ci", rotation_matrix(theta), (low + high) / 2.0) + mean + np.asarray(origin)
    turned = extent[:, 1] > extent[:, 0]
    tall = height[clusters.order]
    ground = np.add.reduceat(points[:, 2] - tall, starts) / clusters.counts
    return Boxes(
        centre=centre,
        yaw=np.where(turned, theta + np.pi / 2, theta),
        length=extent.max(axis=1),
        width=extent.min(axis=1),
        bottom=np.minimum.reduceat(tall, starts).astype(np.float64),
        top=np.maximum.reduceat(tall, starts).astype(np.float64),
        ground=ground.astype(np.float64),
        counts=clusters.counts,
    )


def _outline(
    relative: NDArray[np.float32], mean: NDArray[np.float32], rows: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Points facing the sensor: per cluster and lateral bin the nearest one. ``[C, B, 2]`` and which exist ``[C, B]``."""
    distance = np.maximum(np.hypot(mean[:, 0], mean[:, 1]), 1e-3)
    view = (mean / distance[:, None]).astype(np.float32)
    lateral = relative[:, 1] * view[rows, 0] - relative[:, 0] * view[rows, 1]
    depth = relative[:, 0] * view[rows, 0] + relative[:, 1] * view[rows, 1]
    low, high = np.minimum.reduceat(lateral, starts), np.maximum.reduceat(lateral, starts)
    scale = ((_OUTLINE_BINS - 1e-3) / np.maximum(high - low, 1e-3)).astype(np.float32)
    slot = rows * _OUTLINE_BINS + ((lateral - low[rows]) * scale[rows]).astype(np.int64)
    # One sort of packed integers (slot, depth, point) gives the nearest point of every slot.
    steps = np.clip((depth + np.float32(200)) * np.float32(100), 0, (1 << 16) - 1).astype(np.int64)
    packed = np.sort((slot << 40) | (steps << 24) | np.arange(len(slot)))
    slots = packed >> 40
    first = np.flatnonzero(np.concatenate([[True], slots[1:] != slots[:-1]]))
    outline = np.zeros((len(starts) * _OUTLINE_BINS, 2), np.float32)
    valid = np.zeros(len(outline), bool)
    outline[slots[first]] = relative[packed[first] & ((1 << 24) - 1)]
    valid[slots[first]] = True
    return outline.reshape(-1, _OUTLINE_BINS, 2), valid.reshape(-1, _OUTLINE_BINS)


def _search_heading(outline: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Heading in [0, pi/2) with the best closeness, coarse then fine, shape ``[C]`` [rad]."""
    coarse = np.broadcast_to(_COARSE, (len(outline), len(_COARSE)))
    best = coarse[0, np.argmax(_closeness(outline, valid, coarse), axis=1)]
    fine = best[:, None] + _FINE
    best = fine[np.arange(len(fine)), np.argmax(_closeness(outline, valid, fine), axis=1)]
    return np.asarray(best % (np.pi / 2))


def _closeness(
    outline: NDArray[np.float32], valid: NDArray[np.bool_], theta: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Closeness score (algorithm 4 of the paper) of headings ``[C, A]``; higher is better, shape ``[C, A]``."""
    c, s = np.cos(theta).astype(np.float32)[:, :, None], np.sin(theta).astype(np.float32)[:, :, None]
    x, y = outline[:, None, :, 0], outline[:, None, :, 1]
    there = valid[:, None, :]
    distance = np.minimum(_edge_distance(x * c + y * s, there), _edge_distance(y * c - x * s, there))
    score = np.where(there, 1 / np.maximum(distance, np.float32(_CLOSEST)), np.float32(0))
    return np.asarray(score.sum(axis=2))


def _edge_distance(along: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance ``[C, A, B]`` of projections to that end of their span which is nearer on the whole."""
    far = np.float32(1e6)
    from_high = np.where(there, along, -far).max(axis=2, keepdims=True) - along
    from_low = along - np.where(there, along, far).min(axis=2, keepdims=True)
    high_is_nearer = np.where(there, from_high - from_low, 0).sum(axis=2, keepdims=True) < 0
    return np.where(high_is_nearer, from_high, from_low)


def extend_away(
    centre: NDArray[np.float64],
    yaw: NDArray[np.float64],
    size: NDArray[np.float64],
    target: NDArray[np.float64],
    sensor: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Centres of boxes enlarged to a target size while the sides facing the sensor stay where they are.

    Along an axis on which the sensor looks at the box end-on (both edges visible) the box grows to both sides.

    Args:
        centre: ``[C, 2]`` [m].
        yaw: ``[C]`` [rad].
        size: ``[C, 2]`` length and width as seen [m].
        target: ``[C, 2]`` length and width wanted [m].
        sensor: ``[2]`` position of the sensor [m], same frame.
    """
    turn = rotation_matrix(yaw)
    local = np.einsum("cji,cj->ci", turn, sensor - centre)
    side = np.clip(local / np.maximum(size / 2, 0.1), -1, 1)
    shift = -side * (target - size) / 2
    return np.asarray(centre + np.einsum("cij,cj->ci", turn, shift))
