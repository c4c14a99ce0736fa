from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.perception.clustering import Clusters, cluster_dbscan, cluster_grid, without_overhang

GRID: dict[str, Any] = {
    "reach": 50.0, "cell": 0.2, "widen_ranges": (25.0,), "overhead": 2.2, "min_points": 4, "max_extent": 8.0,
}  # fmt: skip


def blob(x: float, y: float, n: int = 30, spread: float = 0.15, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (np.array([x, y]) + rng.uniform(-spread, spread, (n, 2))).astype(np.float32)


def groups(clusters: Clusters) -> set[frozenset[int]]:
    parts = np.split(clusters.order, clusters.offsets[1:-1])
    return {frozenset(part.tolist()) for part in parts} if len(clusters) else set()


@pytest.mark.parametrize("method", ["grid", "dbscan"])
def test_far_apart_blobs_are_clusters_of_their_own(method: str) -> None:
    xy = np.concatenate([blob(5, 5), blob(-8, 3, seed=1), blob(20, -10, seed=2)])
    height = np.ones(len(xy), np.float32)
    if method == "grid":
        clusters = cluster_grid(xy, height, **GRID)
    else:
        clusters = cluster_dbscan(xy, height, eps=0.7, voxel=0.2, overhead=2.2, min_points=4)
    expected = {frozenset(range(i * 30, (i + 1) * 30)) for i in range(3)}
    assert groups(clusters) == expected


def test_the_same_gap_joins_far_away_and_parts_close_by() -> None:
    for distance, number in ((8.0, 2), (40.0, 1)):
        xy = np.concatenate([blob(distance, 0.0, spread=0.05), blob(distance, 0.72, spread=0.05, seed=1)])
        assert len(cluster_grid(xy, np.ones(len(xy), np.float32), **GRID)) == number


def test_what_hangs_overhead_does_not_join_what_is_below() -> None:
    bridge = np.column_stack([np.linspace(-5, 5, 400), np.full(400, 10.0)]).astype(np.float32)
    xy = np.concatenate([blob(-4, 10), blob(4, 10, seed=1), bridge])
    height = np.concatenate([np.ones(60), np.full(400, 4.0)]).astype(np.float32)
    clusters = cluster_grid(xy, height, **GRID)
    assert len(clusters) == 2
    below = without_overhang(clusters, height, 0.6)
    assert groups(below) == {frozenset(range(30)), frozenset(range(30, 60))}


def test_a_long_chain_is_split_where_only_corners_touch() -> None:
    steps = np.arange(60)
    diagonal = np.column_stack([0.1 + 0.2 * steps, 0.1 + 0.2 * steps]).repeat(5, axis=0).astype(np.float32)
    height = np.ones(len(diagonal), np.float32)
    assert len(cluster_grid(diagonal, height, **{**GRID, "max_extent": 100.0, "widen_ranges": ()})) == 1
    assert len(cluster_grid(diagonal, height, **{**GRID, "widen_ranges": ()})) == 60


def test_small_groups_points_outside_and_nothing() -> None:
    xy = np.concatenate([blob(5, 5, n=3), np.full((10, 2), 80, np.float32)])
    assert len(cluster_grid(xy, np.ones(len(xy), np.float32), **GRID)) == 0
    none = np.zeros((0, 2), np.float32)
    assert len(cluster_grid(none, np.zeros(0, np.float32), **GRID)) == 0
    assert len(cluster_dbscan(none, np.zeros(0, np.float32), eps=0.7, voxel=0.2, overhead=2.2, min_points=4)) == 0


def test_every_point_is_in_at_most_one_cluster() -> None:
    rng = np.random.default_rng(3)
    xy = rng.uniform(-60, 60, (3000, 2)).astype(np.float32)
    height = rng.uniform(0, 4, 3000).astype(np.float32)
    clusters = cluster_grid(xy, height, **{**GRID, "min_points": 1})
    assert len(np.unique(clusters.order)) == len(clusters.order)
    assert (clusters.counts >= 1).all()
    assert clusters.offsets[-1] == len(clusters.order)
