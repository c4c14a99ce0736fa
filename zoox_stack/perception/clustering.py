"""Clustering of obstacle points.

Two methods behind one signature, compared by `benchmarks/perception.py` on time and recall:

- `cluster_grid` (used): occupancy grid in bird's-eye view, widened by a number of cells that grows with range (the gap
  between neighbouring LiDAR points does too), then connected components (OpenCV). Time grows with cells, not with
  points.
- `cluster_dbscan`: Open3D's voxel thinning and DBSCAN (Ester et al. 1996) with one distance for all ranges, in the
  plane.

Points high above ground count only where something stands under them: tree crowns, bridges and signs overhead do not
join what passes below.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Clusters:
    """Points grouped by cluster. C clusters, Q points in clusters.

    Attributes:
        order: int64 ``[Q]`` indices of the input points, cluster by cluster.
        offsets: int64 ``[C + 1]``; cluster ``i`` is ``order[offsets[i]:offsets[i + 1]]``.
    """

    order: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Points per cluster, shape ``[C]``."""
        return np.diff(self.offsets)

    def rows(self) -> NDArray[np.int64]:
        """Cluster of every entry of `order`, shape ``[Q]``."""
        return np.repeat(np.arange(len(self)), self.counts)

    @classmethod
    def from_labels(cls, labels: NDArray[np.int32], min_points: int) -> Clusters:
        """Group points by label; labels < 0 and groups below `min_points` are left out. Ordered by label."""
        chosen = np.flatnonzero(labels >= 0)
        if len(chosen) == 0:
            return cls(np.zeros(0, np.int64), np.zeros(1, np.int64))
        counts = np.bincount(labels[chosen])
        number = np.flatnonzero(counts >= min_points)
        compact = np.full(len(counts), -1, np.int32)
        compact[number] = np.arange(len(number))
        chosen = chosen[compact[labels[chosen]] >= 0]
        rows = compact[labels[chosen]]
        order = chosen[_stable_order(rows, len(number))]
        return cls(order, np.concatenate([[0], np.cumsum(counts[number])]).astype(np.int64))


def cluster_grid(
    xy: NDArray[np.float32],
    height: NDArray[np.float32],
    *,
    reach: float,
    cell: float,
    widen_ranges: tuple[float, ...],
    overhead: float,
    min_points: int,
    max_extent: float,
) -> Clusters:
    """Cluster points by connected components of a bird's-eye occupancy grid.

    Args:
        xy: ``[P, 2]`` obstacle points relative to the sensor [m].
        height: ``[P]`` height above ground [m].
        reach: Half side of the square grid [m]; points outside are left out.
        cell: Cell size [m].
        widen_ranges: Ranges [m] beyond which cells are widened by one more cell on each side.
        overhead: Points higher than this [m] do not occupy cells, they only join what is under them.
        min_points: Smaller clusters are dropped.
        max_extent: Clusters with a longer diagonal [m] are split by the grid without widening, edge neighbours only.
    """
    size = int(np.ceil(2 * reach / cell))
    scale, shift = np.float32(1 / cell), np.float32(reach / cell)
    column, row = (np.floor(xy[:, axis] * scale + shift).astype(np.int32) for axis in (0, 1))
    flat = row * np.int32(size) + column
    outside = (column < 0) | (column >= size) | (row < 0) | (row >= size)
    if outside.any():
        height = np.where(outside, np.float32(np.inf), height)
        flat[outside] = 0
    cells = np.zeros(size * size, np.uint8)
    cells[flat[height < overhead]] = 1
    # Points high up or outside have no label of their own: they count if their cell is occupied from below.
    counts = (cells[flat] > 0) & ~outside
    occupied = cells.reshape(size, size)
    number, labels = cv2.connectedComponents(widened(occupied, cell, widen_ranges), connectivity=8, ltype=cv2.CV_32S)
    of_point = labels.ravel()[flat] * counts
    large = _diagonals(occupied, labels, number) * cell > max_extent
    if large.any():
        split = np.flatnonzero(large[of_point])
        kept = np.zeros(size * size, np.uint8)
        kept[flat[split]] = 1
        _, finer = cv2.connectedComponents(kept.reshape(size, size), connectivity=4, ltype=cv2.CV_32S)
        of_point[split] = finer.ravel()[flat[split]] + number - 1
    return Clusters.from_labels(of_point - 1, min_points)


def _stable_order(values: NDArray[np.int32], limit: int) -> NDArray[np.intp]:
    """Stable sorting order of integers in 0..`limit`; numpy sorts 16-bit ones by radix, many times faster."""
    return np.argsort(values.astype(np.uint16) if limit < 65536 else values, kind="stable")


def _diagonals(occupied: NDArray[np.uint8], labels: NDArray[np.int32], number: int) -> NDArray[np.float64]:
    """Diagonal in cells of the bounding rectangle of each label's occupied cells, shape ``[number]``; 0 for label 0.

    (OpenCV's own statistics visit every cell of the grid and cost ten times the labelling.)
    """
    cells = np.flatnonzero(occupied)
    of_cell = labels.ravel()[cells]
    diagonal = np.zeros(number)
    if len(cells) == 0:
        return diagonal
    order = _stable_order(of_cell, number)
    of_cell = of_cell[order]
    starts = np.flatnonzero(np.concatenate([[True], of_cell[1:] != of_cell[:-1]]))
    present = of_cell[starts]
    for along in np.divmod(cells[order], len(occupied)):
        diagonal[present] += (np.maximum.reduceat(along, starts) - np.minimum.reduceat(along, starts) + 1.0) ** 2
    return np.sqrt(diagonal)


def widened(occupied: NDArray[np.uint8], cell: float, ranges: tuple[float, ...]) -> NDArray[np.uint8]:
    """Occupancy with every cell widened by as many cells as `ranges` it lies beyond."""
    size = len(occupied)
    joined: NDArray[np.uint8] = occupied
    axis = (np.arange(size, dtype=np.float32) + 0.5 - size / 2) * cell
    for steps, limit in enumerate(sorted(ranges), start=1):
        kernel = np.ones((2 * steps + 1, 2 * steps + 1), np.uint8)
        far = occupied.copy()
        # Clear the disc inside the range, row by row of its bounding square.
        inner = np.flatnonzero(np.abs(axis) < limit)
        if len(inner):
            square = slice(inner[0], inner[-1] + 1)
            squared = axis[square] ** 2
            far[square, square] *= squared[:, None] + squared >= limit * limit
        joined = joined | cv2.dilate(far, kernel)
    return joined


def cluster_dbscan(
    xy: NDArray[np.float32], height: NDArray[np.float32], *, eps: float, voxel: float, overhead: float, min_points: int
) -> Clusters:
    """Cluster points with Open3D's DBSCAN on voxel-thinned points, in the plane.

    Args:
        xy: ``[P, 2]`` obstacle points [m].
        height: ``[P]`` height above ground [m].
        eps: Neighbour distance [m].
        voxel: Edge of the thinning voxels [m].
        overhead: Points higher than this [m] are left out.
        min_points: Smaller clusters are dropped.
    """
    import open3d as o3d  # only needed here; importing takes a second

    low = np.flatnonzero(height < overhead)
    if len(low) == 0:
        return Clusters.from_labels(np.full(0, -1, np.int32), min_points)
    flat = np.column_stack([xy[low], np.zeros(len(low))]).astype(np.float64)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(flat))
    lowest, highest = flat.min(axis=0) - voxel, flat.max(axis=0) + voxel
    thinned, _, members = cloud.voxel_down_sample_and_trace(voxel, lowest, highest)
    thin_labels = np.asarray(thinned.cluster_dbscan(eps, 1), dtype=np.int32)
    labels = np.full(len(xy), -1, np.int32)
    sizes = [len(group) for group in members]
    labels[low[np.concatenate([np.asarray(group) for group in members])]] = np.repeat(thin_labels, sizes)
    return Clusters.from_labels(labels, min_points)


def without_overhang(clusters: Clusters, height: NDArray[np.float32], gap: float) -> Clusters:
    """Clusters without their points above a vertical gap: a person under a tree is not as tall as the tree.

    Args:
        clusters: C clusters.
        height: ``[P]`` height above ground of the points the clusters refer to [m].
        gap: Least height without points [m], from the lowest point upwards, that parts what is above.
    """
    if len(clusters) == 0:
        return clusters
    layer = gap / 2  # two empty layers are a gap
    rows = clusters.rows()
    tall = height[clusters.order]
    level = np.maximum(tall * np.float32(1 / layer), 0).astype(np.int64)
    levels = int(level.max()) + 3
    filled = np.zeros((len(clusters), levels), bool)
    filled.ravel()[rows * levels + level] = True
    begun = np.logical_or.accumulate(filled, axis=1)
    parted = begun[:, :-1] & ~filled[:, :-1] & ~filled[:, 1:]
    kept = level < parted.argmax(axis=1)[rows]  # the two topmost layers are empty: there is always a gap
    counts = np.bincount(rows[kept], minlength=len(clusters))
    return Clusters(clusters.order[kept], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
