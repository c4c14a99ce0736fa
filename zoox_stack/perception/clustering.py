"""Clustering of obstacle points.

Two methods behind one signature, compared by `benchmarks/perception.py` on time and recall:

- `cluster_grid` (used): occupancy grid in bird's-eye view, widened by a number of cells that grows with range (the gap
  between neighbouring LiDAR points does too), then connected components (OpenCV). Time grows with cells, not with points.
- `cluster_dbscan`: Open3D's voxel thinning and DBSCAN (Ester et al. 1996) with one distance for all ranges, in the plane.

Points high above ground count only where something stands under them: tree crowns, bridges and signs overhead do not join
what passes below.
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
        # numpy sorts 16-bit integers by radix, many times faster than wider ones.
        key = rows.astype(np.uint16) if len(number) < 65536 else rows
        order = chosen[np.argsort(key, kind="stable")]
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
    column = ((xy + np.float32(reach)) * np.float32(1 / cell)).astype(np.int32)
    inside = ((column >= 0) & (column < size)).all(axis=1)
    flat = np.where(inside, column[:, 1] * np.int32(size) + column[:, 0], 0)
    occupied = np.zeros(size * size, np.uint8)
    occupied[flat[inside & (height < overhead)]] = 1
    occupied = occupied.reshape(size, size)
    joined = _widen(occupied, cell, widen_ranges)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8, ltype=cv2.CV_32S)
    extent = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) * cell
    large = extent > max_extent
    large[0] = False
    of_point = np.where(inside, labels.ravel()[flat], 0)
    if large.any():
        kept = (occupied & large[labels]).astype(np.uint8)
        _, finer = cv2.connectedComponents(kept, connectivity=4, ltype=cv2.CV_32S)
        split = large[of_point]
        fine = finer.ravel()[flat[split]]
        of_point[split] = np.where(fine > 0, fine + len(stats) - 1, 0)
    of_point[~occupied.ravel()[flat].astype(bool)] = 0
    return Clusters.from_labels(of_point.astype(np.int32) - 1, min_points)


def _widen(occupied: NDArray[np.uint8], cell: float, ranges: tuple[float, ...]) -> NDArray[np.uint8]:
    """Occupancy with every cell widened by as many cells as `ranges` it lies beyond."""
    size = len(occupied)
    joined = occupied
    axis = (np.arange(size, dtype=np.float32) + 0.5 - size / 2) * cell
    squared = axis[:, None] ** 2 + axis**2 if ranges else None
    for steps, limit in enumerate(sorted(ranges), start=1):
        far = occupied * (squared >= limit * limit)
        kernel = np.ones((2 * steps + 1, 2 * steps + 1), np.uint8)
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
