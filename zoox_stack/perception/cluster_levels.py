"""Clusters of several levels: pieces, what they may be parts of, and what that may be a part of.

No single gap parts all road users: the roof and the bonnet of a car are farther apart than two people side by side. So
points are joined across small, larger and large gaps (connected components of a bird's-eye occupancy grid whose cells
are widened more and more, and the more the farther away they are). Every cluster lies within one of the next level.
Which level is right, cluster by cluster, is decided when it is known what each would be (`chosen_clusters`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.perception.clustering import Clusters, widened

_DOUBT = 0.5  # with less than this probability something is no road user


@dataclass(frozen=True, eq=False)
class ClusterTree:
    """Nested clusters: C of all levels, the finest first.

    A cluster that is the same on the next level is there once.

    Attributes:
        clusters: A point is in one cluster of each level, or in none.
        parents: int64 ``[C]`` the cluster of the next level that holds this one, -1: none. Always a later row.
    """

    clusters: Clusters
    parents: NDArray[np.int64]

    @classmethod
    def flat(cls, clusters: Clusters) -> ClusterTree:
        """Of one level."""
        return cls(clusters, np.full(len(clusters), -1, np.int64))


def cluster_levels(
    xy: NDArray[np.float32],
    height: NDArray[np.float32],
    *,
    reach: float,
    cell: float,
    levels: Sequence[Sequence[float]],
    overhead: float,
    min_points: int,
    max_extent: float,
) -> ClusterTree:
    """Cluster points by connected components of occupancy grids widened level by level.

    Args:
        xy: ``[P, 2]`` obstacle points relative to the sensor [m].
        height: ``[P]`` height above ground [m].
        reach: Half side of the square grid [m]; points outside are left out.
        cell: Cell size [m].
        levels: For each level the ranges [m] beyond which cells are widened by one more cell on each side; each level
            has every range of the one before, or smaller ones, and maybe more.
        overhead: Points higher than this [m] do not occupy cells, they only join what is under them.
        min_points: Smaller clusters are dropped.
        max_extent: Clusters of the second and further levels with a longer diagonal [m] are left out: they are streets,
            not road users.
    """
    size = int(np.ceil(2 * reach / cell))
    scale, shift = np.float32(1 / cell), np.float32(reach / cell)
    column, row = (np.floor(xy[:, axis] * scale + shift).astype(np.int32) for axis in (0, 1))
    flat = row * np.int32(size) + column
    outside = (column < 0) | (column >= size) | (row < 0) | (row >= size)
    flat[outside] = 0
    cells = np.zeros(size * size, np.uint8)
    cells[flat[(height < overhead) & ~outside]] = 1
    # Points high up or outside have no label of their own: they count if their cell is occupied from below.
    points = np.flatnonzero((cells[flat] > 0) & ~outside)
    occupied = np.flatnonzero(cells)
    place = np.zeros(size * size, np.int32)
    place[occupied] = np.arange(len(occupied), dtype=np.int32)
    of_point = place[flat[points]]  # occupied cell of each point
    weight = np.bincount(of_point, minlength=len(occupied))
    grid = cells.reshape(size, size)
    found: list[NDArray[np.int64]] = []  # per level the cluster of each occupied cell, -1: none
    for number, ranges in enumerate(levels):
        # On the finest level cells that touch at a corner alone are apart: people walk close to each other.
        connectivity = 8 if number else 4
        wide = widened(grid, cell, tuple(ranges))
        _, labels = cv2.connectedComponents(wide, connectivity=connectivity, ltype=cv2.CV_32S)
        found.append(_compact(labels.ravel()[occupied], weight, min_points, occupied, size, max_extent / cell, number))
    return _joined(found, of_point, points)


def _compact(
    labels: NDArray[np.int32],
    weight: NDArray[np.int64],
    min_points: int,
    occupied: NDArray[np.intp],
    size: int,
    max_cells: float,
    level: int,
) -> NDArray[np.int64]:
    """Labels of the occupied cells, 0, 1, ... for those clusters that are kept, -1 for the others."""
    number = int(labels.max(initial=0)) + 1
    kept = np.bincount(labels, weight, minlength=number) >= min_points
    if level:
        diagonal = np.zeros(number)
        for along in np.divmod(occupied, size):
            low, high = np.full(number, size), np.zeros(number, np.int64)
            np.minimum.at(low, labels, along)
            np.maximum.at(high, labels, along)
            diagonal += np.maximum(high - low + 1, 0) ** 2
        kept &= diagonal <= max_cells**2
    compact = np.full(number, -1, np.int64)
    compact[kept] = np.arange(int(kept.sum()))
    return compact[labels]


def _joined(found: Sequence[NDArray[np.int64]], of_point: NDArray[np.int32], points: NDArray[np.intp]) -> ClusterTree:
    """Levels as one tree, without clusters that a finer level has already."""
    rows, offsets, parents = [np.zeros(0, np.int64)], [np.zeros(1, np.int64)], np.zeros(0, np.int64)
    nodes = np.full(len(found[0]), -1, np.int64)  # per occupied cell the coarsest cluster so far
    first = 0
    for labels in found:
        number = int(labels.max(initial=-1)) + 1
        # A cluster of this level is new if its cells are not all of one cluster, or one cluster's only in part.
        inside = np.flatnonzero(labels >= 0)
        low, high = np.full(number, len(points) + len(nodes)), np.full(number, -2)
        np.minimum.at(low, labels[inside], nodes[inside])
        np.maximum.at(high, labels[inside], nodes[inside])
        new = np.flatnonzero((low != high) | (high < 0))
        ids = np.where(low == high, high, -1)
        ids[new] = first + np.arange(len(new))
        here = np.where(labels >= 0, ids[np.maximum(labels, 0)], -1) if number else np.full(len(labels), -1, np.int64)
        changed = (nodes >= 0) & (here != nodes) & (here >= 0)
        parents[nodes[changed]] = here[changed]
        parents = np.concatenate([parents, np.full(len(new), -1, np.int64)])
        fresh = np.full(first + len(new) + 1, -1, np.int64)
        fresh[first : first + len(new)] = np.arange(len(new))
        group = Clusters.from_labels(fresh[here][of_point].astype(np.int32), 1)
        rows.append(points[group.order])
        offsets.append(group.offsets[1:] + sum(len(part) for part in rows[:-1]))
        nodes = np.where(here >= 0, here, nodes)
        first += len(new)
    return ClusterTree(Clusters(np.concatenate(rows), np.concatenate(offsets)), parents)


def chosen_clusters(
    tree: ClusterTree, worth: NDArray[np.float64], small: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Clusters that together are the best reading of the sweep; no point is in two of them.

    A cluster is taken instead of those within it if it is worth more than the best of them, or if nobody knows what any
    of them is: a thing of no class is reported as one, not as its splinters.

    Args:
        tree: C clusters.
        worth: ``[C]`` probability that each is a whole road user, and one alone; equal values go to the finer level.
        small: ``[C]`` clusters that may be one thing of no class; none if None.

    Returns:
        Rows, rising.
    """
    small = np.zeros(len(worth), bool) if small is None else small
    best, taken = worth.copy(), np.ones(len(worth), bool)
    inside = np.full(len(worth), -np.inf)
    for row in range(len(worth)):  # parents come later than their children
        nobody_knows = small[row] and max(inside[row], best[row]) < _DOUBT
        if inside[row] >= best[row] and not nobody_knows:
            best[row], taken[row] = inside[row], False
        parent = tree.parents[row]
        if parent >= 0:
            inside[parent] = max(inside[parent], best[row])
    covered = np.zeros(len(worth), bool)  # by a cluster of a higher level
    for row in range(len(worth) - 1, -1, -1):
        parent = tree.parents[row]
        if parent >= 0:
            covered[row] = covered[parent] or taken[parent]
    return np.flatnonzero(taken & ~covered)
