from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.perception.cluster_levels import ClusterTree, chosen_clusters, cluster_levels
from zoox_stack.perception.clustering import Clusters


def line(x: float, y: float, length: float) -> NDArray[np.float32]:
    """Points every 5 cm along x."""
    along = np.arange(0, length, 0.05)
    return np.column_stack([x + along, np.full(len(along), y)]).astype(np.float32)


def tree_of(xy: NDArray[np.float32], height: float = 1.0, **changes: float) -> ClusterTree:
    return cluster_levels(
        xy, np.full(len(xy), height, np.float32), reach=50.0, cell=0.2, levels=((), (0.0,), (0.0, 0.0, 0.0)),
        overhead=2.2, min_points=int(changes.pop("min_points", 3)), max_extent=changes.pop("max_extent", 20.0),
    )  # fmt: skip


def members(tree: ClusterTree) -> list[list[int]]:
    c = tree.clusters
    return [sorted(c.order[a:b].tolist()) for a, b in pairwise(c.offsets)]


def test_pieces_are_joined_level_by_level() -> None:
    parts = [line(10, 0, 1.0), line(11.5, 0, 1.0), line(13.5, 0, 1.0)]  # gaps of 0.5 m and 1.0 m
    tree = tree_of(np.concatenate(parts))
    ends = np.cumsum([0, *map(len, parts)])
    a, b, c = (list(range(low, high)) for low, high in pairwise(ends))
    assert members(tree) == [a, b, c, a + b, a + b + c]
    assert tree.parents.tolist() == [3, 3, 4, 4, -1]


def test_what_no_level_changes_is_there_once() -> None:
    tree = tree_of(np.concatenate([line(10, 0, 1.0), line(-20, 5, 1.0)]))
    assert len(tree.clusters) == 2
    assert tree.parents.tolist() == [-1, -1]


def test_streets_are_not_joined() -> None:
    tree = tree_of(np.concatenate([line(0, 0, 9.0), line(9.4, 0, 9.0)]), max_extent=10.0)
    assert len(tree.clusters) == 2


def test_pieces_too_small_alone_count_together() -> None:
    xy = np.array([[10, 0], [10, 0.3], [10.4, 0], [10.4, 0.3]], np.float32)
    tree = tree_of(xy)
    assert members(tree) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("points", [np.zeros((0, 2), np.float32), np.array([[200, 0]], np.float32)])
def test_nothing_in_reach_gives_no_clusters(points: NDArray[np.float32]) -> None:
    assert len(tree_of(points).clusters) == 0


def test_what_hangs_overhead_alone_gives_no_clusters() -> None:
    assert len(tree_of(line(10, 0, 1.0), height=3.0).clusters) == 0


def test_the_level_worth_most_is_chosen() -> None:
    clusters = Clusters(np.zeros(0, np.int64), np.zeros(6, np.int64))
    tree = ClusterTree(clusters, np.array([3, 3, 4, 4, -1]))
    assert chosen_clusters(tree, np.array([0.1, 0.2, 0.9, 0.8, 0.3])).tolist() == [2, 3]  # a car and its neighbour
    assert chosen_clusters(tree, np.array([0.1, 0.2, 0.3, 0.4, 0.9])).tolist() == [4]  # a bus
    assert chosen_clusters(tree, np.array([0.9, 0.9, 0.9, 0.4, 0.2])).tolist() == [0, 1, 2]  # people
    assert chosen_clusters(tree, np.zeros(5)).tolist() == [0, 1, 2]
