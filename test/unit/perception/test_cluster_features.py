from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.perception.box_fit import fit_boxes
from zoox_stack.perception.cluster_features import Feature, cluster_features
from zoox_stack.perception.clustering import Clusters

ORIGIN = (1.0, 0.0)


def features(*parts: NDArray[np.float64], others: NDArray[np.float64] | None = None) -> NDArray[np.float32]:
    """Of clusters, each given by its points with height as z; `others` are points of no cluster."""
    xyz = np.concatenate([*parts, np.zeros((0, 3)) if others is None else others]).astype(np.float32)
    ends = np.cumsum([0, *map(len, parts)])
    clusters = Clusters(np.arange(ends[-1]), ends)
    boxes = fit_boxes(xyz, xyz[:, 2], clusters, ORIGIN)
    return cluster_features(xyz, xyz[:, 2], clusters, boxes, ORIGIN, reach=75.0)


def block(x: float, y: float, length: float, width: float, low: float, high: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return rng.uniform([x - length / 2, y - width / 2, low], [x + length / 2, y + width / 2, high], (400, 3))


def test_size_place_and_heights() -> None:
    (row,) = features(block(11, 0, 4.0, 1.6, 0.3, 1.5))
    np.testing.assert_allclose(row[[Feature.LENGTH, Feature.WIDTH, Feature.TOP]], [4.0, 1.6, 1.5], atol=0.1)
    np.testing.assert_allclose(row[Feature.RANGE], 10, atol=0.1)
    np.testing.assert_allclose(row[Feature.HEIGHT_MEAN], 0.9, atol=0.05)
    np.testing.assert_allclose(row[Feature.SPREAD_LONG], 4.0 / np.sqrt(12), atol=0.1)
    np.testing.assert_allclose(row[Feature.BAND_0 : Feature.BAND_6 + 1].sum(), 1, atol=1e-6)
    assert 0.9 < row[Feature.LAYERS] < 1.3


def test_a_cluster_is_described_as_if_alone_but_for_what_is_around() -> None:
    person, car = block(10, 5, 0.5, 0.5, 0.3, 1.7), block(30, -5, 4.0, 1.6, 0.3, 1.5)
    alone, both = features(person), features(car, person)
    np.testing.assert_allclose(both[1], alone[0], atol=1e-3)


def test_what_is_around_is_told_and_what_hangs_above_too() -> None:
    person, crown = block(10, 5, 0.5, 0.5, 0.3, 1.7), block(10, 5, 1.8, 1.8, 3.0, 4.0)
    (alone,), (under,) = features(person), features(person, others=crown)
    assert alone[Feature.AROUND] == alone[Feature.AROUND_HIGH] == 0
    assert under[Feature.AROUND_HIGH] > 4


def test_points_over_each_other_and_none_are_fine() -> None:
    assert np.isfinite(features(np.full((5, 3), 7.0))).all()
