"""Points in areas: exact, and as looking at one polygon after the other."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path

from zoox_stack.core.classes import AreaType
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.network import RoadNetwork


def areas(*rings: tuple[AreaType, list[list[float]]]) -> AreaIndex:
    return AreaIndex(
        RoadNetwork(
            area_ids=np.arange(len(rings)),
            area_types=np.array([kind for kind, _ in rings], np.uint8),
            areas=Ragged.from_rows([[[*p, 0.0] for p in ring] for _, ring in rings], np.float64, 3),
        )
    )


def test_kinds_of_the_crossing() -> None:
    index = AreaIndex(crossing())
    points = np.array([[0.0, 0.0], [10.5, 0.0], [60.0, 3.4], [60.0, 3.6], [13.9, 13.9]])
    assert index.contains(points, AreaType.DRIVABLE).tolist() == [True, True, True, False, True]
    assert index.contains(points, AreaType.INTERSECTION).tolist() == [True, True, False, False, True]
    assert index.contains(points, AreaType.CROSSWALK).tolist() == [False, True, False, False, False]
    assert not index.contains(points, AreaType.PARKING).any()
    both = (AreaType.CROSSWALK, AreaType.INTERSECTION)
    assert index.contains(points, both).tolist() == [True, True, False, False, True]


def test_rows_and_shapes() -> None:
    network = crossing()
    index = AreaIndex(network)
    points = np.array([[[10.5, 0.0], [0.0, 10.5]], [[0.0, 0.0], [-10.5, 1.0]]])
    rows = index.row_at(points, AreaType.CROSSWALK)
    assert rows.shape == (2, 2)
    assert network.area_ids[rows[rows >= 0]].tolist() == [10, 11, 12]
    assert rows[1, 0] == -1
    assert index.contains(points[0, 0], AreaType.CROSSWALK).shape == ()
    assert index.row_at(np.zeros((1, 2)), AreaType.DRIVABLE).tolist() == [4]  # of three areas the lowest row


def test_a_hundred_random_polygons_as_matplotlib_sees_them() -> None:
    rng = np.random.default_rng(2)
    rings = []
    for _ in range(100):  # stars around random centres, not convex, up to 200 m wide
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 40)))
        radius = rng.uniform(2, 100) * rng.uniform(0.3, 1, len(angle))
        ring = rng.uniform(-300, 300, 2) + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        rings.append((AreaType(rng.integers(0, 6)), ring.tolist()))
    index = areas(*rings)
    points = rng.uniform(-400, 400, (3000, 2))
    for kind in AreaType:
        expected = np.zeros(len(points), bool)
        for ring_kind, ring in rings:
            if ring_kind == kind:
                # Star-shaped rings around the centre may be wound more than once nowhere: even-odd is the same.
                expected |= Path(ring).contains_points(points)
        assert (index.contains(points, kind) == expected).all()
        assert 0 < expected.sum() < len(points)


def test_a_ring_that_overlaps_itself_has_no_hole() -> None:
    index = areas((AreaType.SIDEWALK, [[0, 0], [10, 0], [10, 10], [4, 10], [4, -5], [6, -5], [6, 8], [0, 8]]))
    assert index.contains(np.array([[5.0, 5.0], [5.0, -2.0], [2.0, -2.0]]), AreaType.SIDEWALK).tolist() == [
        True, True, False,
    ]  # fmt: skip


def test_no_areas_and_far_points() -> None:
    assert not AreaIndex(RoadNetwork()).contains(np.zeros((4, 2)), AreaType.DRIVABLE).any()
    far = np.array([[1e12, 0.0], [-1e12, 5.0]])
    assert not AreaIndex(grid_of_crossings(2, 1)).contains(far, AreaType.DRIVABLE).any()
    assert len(AreaIndex(crossing()).pairs(np.zeros((0, 2)), AreaType.DRIVABLE)[0]) == 0


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_corners_of_bands_and_cells(offset: float) -> None:
    index = areas((AreaType.PARKING, [[offset, 0], [offset + 64, 0], [offset + 64, 64], [offset, 64]]))
    y = np.arange(0.0, 64.0, 0.5) + 0.25
    points = np.stack([np.full_like(y, offset + 16.0), y], axis=1)
    assert index.contains(points, AreaType.PARKING).all()
    assert not index.contains(points - [17.0, 0.0], AreaType.PARKING).any()
