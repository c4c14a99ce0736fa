"""Upright boxes around clusters, for all clusters at once.

Heading by the search-based L-shape fit of Zhang, Xu, Dong and Dolan, "Efficient L-shape fitting for vehicle detection
using laser scanners" (IV 2017), closeness criterion: of all headings, the one whose rectangle has the points closest
to its edges. The search uses the outline facing the sensor (the nearest point in each of a number of lateral bins);
the extents use all points.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import rotation_matrix
from zoox_stack.perception.clustering import Clusters

_OUTLINE_BINS = 32  # points of the outline per cluster
_COARSE = np.deg2rad(np.arange(0.0, 90.0, 6.0))
_FINE = np.deg2rad(np.arange(-4.0, 4.01, 2.0))
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

    def take(self, rows: NDArray[np.intp]) -> Boxes:
        """Only the boxes `rows`."""
        return Boxes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


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
    starts, rows, counts = clusters.offsets[:-1], clusters.rows(), clusters.counts
    points = np.take(xyz, clusters.order, axis=0)
    x, y = points[:, 0] - np.float32(origin[0]), points[:, 1] - np.float32(origin[1])
    mean = np.column_stack([np.add.reduceat(v, starts) / counts for v in (x, y)]).astype(np.float32)
    x -= mean[:, 0][rows]
    y -= mean[:, 1][rows]
    theta = _search_heading(*_outline(x, y, mean, rows, starts))
    along, across = _turned(x, y, np.cos(theta), np.sin(theta), rows)
    low = np.column_stack([np.minimum.reduceat(v, starts) for v in (along, across)])
    high = np.column_stack([np.maximum.reduceat(v, starts) for v in (along, across)])
    extent = (high - low).astype(np.float64)
    centre = np.einsum("cij,cj->ci", rotation_matrix(theta), (low + high) / 2.0) + mean + np.asarray(origin)
    turned = extent[:, 1] > extent[:, 0]
    tall = height[clusters.order]
    ground = np.add.reduceat(points[:, 2] - tall, starts) / counts
    return Boxes(
        centre=centre,
        yaw=np.where(turned, theta + np.pi / 2, theta),
        length=extent.max(axis=1),
        width=extent.min(axis=1),
        bottom=np.minimum.reduceat(tall, starts).astype(np.float64),
        top=np.maximum.reduceat(tall, starts).astype(np.float64),
        ground=ground.astype(np.float64),
        counts=counts,
    )


def _turned(
    x: NDArray[np.float32], y: NDArray[np.float32], c: NDArray[Any], s: NDArray[Any], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates along and across the axis with cosine and sine ``[C]`` of each point's cluster."""
    c, s = c.astype(np.float32)[rows], s.astype(np.float32)[rows]
    return x * c + y * s, y * c - x * s


def _outline(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    mean: NDArray[np.float32],
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points facing the sensor: per cluster and lateral bin the nearest one.

    Returns:
        Points ``[C, B, 2]`` and weights ``[C, B]``: 1, or 0 where a bin is empty (its point repeats another of the
        cluster).
    """
    distance = np.maximum(np.hypot(mean[:, 0], mean[:, 1]), np.float32(1e-3))
    depth, lateral = _turned(x, y, mean[:, 0] / distance, mean[:, 1] / distance, rows)
    low, high = np.minimum.reduceat(lateral, starts), np.maximum.reduceat(lateral, starts)
    scale = (np.float32(_OUTLINE_BINS - 1e-3) / np.maximum(high - low, np.float32(1e-3))).astype(np.float32)
    slot = rows * _OUTLINE_BINS + ((lateral - low[rows]) * scale[rows]).astype(np.int64)
    # One sort of packed integers (slot, depth, point) gives the nearest point of every slot.
    steps = np.clip((depth + np.float32(200)) * np.float32(100), 0, (1 << 16) - 1).astype(np.int64)
    packed = np.sort((slot << 40) | (steps << 24) | np.arange(len(slot)))
    slots = packed >> 40
    first = np.flatnonzero(np.concatenate([[True], slots[1:] != slots[:-1]]))
    chosen, slots = packed[first] & ((1 << 24) - 1), slots[first]
    weight = np.zeros(len(starts) * _OUTLINE_BINS, np.float32)
    weight[slots] = 1
    # Every cluster's first bin is filled (its lowest lateral point): that point stands in for empty bins.
    outline = np.repeat(np.column_stack([x[chosen], y[chosen]])[slots % _OUTLINE_BINS == 0], _OUTLINE_BINS, axis=0)
    outline[slots, 0], outline[slots, 1] = x[chosen], y[chosen]
    return outline.reshape(-1, _OUTLINE_BINS, 2), weight.reshape(-1, _OUTLINE_BINS)


def _search_heading(outline: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """Heading in [0, pi/2) with the best closeness, coarse then fine, shape ``[C]`` [rad]."""
    coarse = np.broadcast_to(_COARSE, (len(outline), len(_COARSE)))
    best = _COARSE[np.argmax(_closeness(outline, weight, coarse), axis=1)]
    fine = best[:, None] + _FINE
    best = fine[np.arange(len(fine)), np.argmax(_closeness(outline, weight, fine), axis=1)]
    return np.asarray(best % (np.pi / 2))


def _closeness(
    outline: NDArray[np.float32], weight: NDArray[np.float32], theta: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Closeness score (algorithm 4 of the paper) of headings ``[C, A]``; higher is better, shape ``[C, A]``."""
    axes = np.stack([np.cos(theta), np.sin(theta)], axis=1).astype(np.float32)  # [C, 2, A]
    normals = np.stack([-axes[:, 1], axes[:, 0]], axis=1)
    mean = (weight[:, None] @ outline / weight.sum(axis=1)[:, None, None]).astype(np.float32)  # [C, 1, 2]
    distance = np.minimum(*(_edge_distance(outline @ axis, mean @ axis) for axis in (axes, normals)))
    np.maximum(distance, np.float32(_CLOSEST), out=distance)
    np.reciprocal(distance, out=distance)
    return np.asarray((weight[:, None] @ distance)[:, 0])


def _edge_distance(along: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance ``[C, B, A]`` of projections to the end of their span that is nearer to their mean ``[C, 1, A]``."""
    high, low = along.max(axis=1, keepdims=True), along.min(axis=1, keepdims=True)
    edge = np.where(high - mean < mean - low, high, low)
    return np.abs(along - edge)


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
