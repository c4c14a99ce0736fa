"""Scattered points joined by lines that do not cross: the streets of a town that has grown."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoox_stack.simulation.layouts.pieces import chosen

Pair = tuple[int, int]  # two points that a street joins, the smaller number first

_LEAST_ANGLE = np.deg2rad(52)  # between streets at a junction
_MOST_STREETS = 4  # at a junction
_LEAST_LOOPS = 2  # so that one can drive for ever


def scattered(random: Generator, count: int, spacing: float) -> NDArray[np.float64]:
    """Points ``[count, 2]`` that keep their distance, in a town about as wide as high."""
    side = int(np.ceil(np.sqrt(count)))
    cells = random.permutation(side * side)[:count]
    row, column = np.divmod(np.sort(cells), side)
    points = np.stack([column + 0.5 * (row % 2), row * 0.9], axis=1) * spacing
    return np.asarray(points + random.uniform(-0.17, 0.17, (count, 2)) * spacing)


def joined(random: Generator, points: NDArray[np.float64], loops: float) -> list[Pair]:
    """Pairs of points that streets join; all are connected."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import Delaunay

    triangles = Delaunay(points).simplices
    edges = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]])), axis=0
    )
    lengths = np.hypot(*(points[edges[:, 0]] - points[edges[:, 1]]).T)
    n = len(points)
    tree = minimum_spanning_tree(coo_matrix((lengths, edges.T), shape=(n, n))).tocoo()
    pairs = [(int(min(a, b)), int(max(a, b))) for a, b in zip(tree.row, tree.col, strict=True)]
    able = [(int(a), int(b)) for a, b in edges[np.argsort(lengths, kind="stable")] if (int(a), int(b)) not in pairs]
    wanted = chosen(random, len(able), loops)
    for k in sorted(range(len(able)), key=lambda k: (k not in wanted, k)):
        if k not in wanted and len(pairs) >= n - 1 + _LEAST_LOOPS:
            break
        a, b = able[k]
        if _has_room(points, pairs, a, points[b]) and _has_room(points, pairs, b, points[a]):
            pairs.append((a, b))
    return sorted(pairs)


def _has_room(points: NDArray[np.float64], pairs: list[Pair], k: int, towards: NDArray[np.float64]) -> bool:
    """Whether a street from point k towards a place keeps an angle to the few others there."""
    others = [points[a + b - k] for a, b in pairs if k in (a, b)]
    directions = [np.arctan2(*(place - points[k])[::-1]) for place in [*others, towards]]
    apart = np.abs(np.angle(np.exp(1j * (np.array(directions[:-1]) - directions[-1]))))
    return len(others) < _MOST_STREETS and bool((apart > _LEAST_ANGLE).all())


def with_ways_out(
    random: Generator, points: NDArray[np.float64], pairs: list[Pair], count: int, reach: float
) -> tuple[NDArray[np.float64], list[Pair]]:
    """Add streets that lead outwards from points of the rim."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points).vertices
    middle = points.mean(axis=0)
    for k in random.permutation(hull)[:count].tolist():
        outwards = points[k] - middle
        outwards = outwards / np.hypot(*outwards)
        end = points[k] + outwards * reach * random.uniform(0.8, 1.0)
        if _has_room(points, pairs, k, end):
            points = np.concatenate([points, end[None]])
            pairs = [*pairs, (k, len(points) - 1)]
    return points, pairs


def chains(pairs: list[Pair]) -> list[int]:
    """A number for every pair; streets that are each other's only continuation have the same."""
    degree = np.bincount(np.array(pairs).ravel())
    numbers = list(range(len(pairs)))
    seen: dict[int, int] = {}  # a pair at every point of degree 2
    for k, pair in enumerate(pairs):
        for point in pair:
            if degree[point] != 2:
                continue
            if point in seen:
                old, new = numbers[k], numbers[seen[point]]
                numbers = [new if number == old else number for number in numbers]
            seen[point] = k
    return numbers
