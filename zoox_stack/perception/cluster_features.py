"""What a classifier is told of a cluster: size, shape, how its points lie over its height, and what is around it.

Nothing here depends on the intensity of the returns (every LiDAR has its own) or on the map (a person off the road is a
person).
"""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.perception.box_fit import Boxes
from zoox_stack.perception.clustering import Clusters

_BANDS = (0.5, 0.8, 1.1, 1.5, 2.0, 2.6)  # [m] above ground: borders of the bands of height
_WIDE_BANDS = (0.7, 1.2, 1.8)  # [m] the same for the spread in the plane
_AROUND_CELL = 0.5  # [m]
_AROUND = 5  # cells along each side of the square that is "around" a cluster
_OVERHEAD = 2.2  # [m] points higher up are looked at by themselves


class Feature(IntEnum):
    """Columns of the features of a cluster."""

    LENGTH = 0  # [m] of the box
    WIDTH = 1  # [m]
    TOP = 2  # [m] above ground
    BOTTOM = 3  # [m] above ground
    RANGE = 4  # [m] from the sensor
    POINTS = 5  # natural logarithm of their number
    DENSITY = 6  # logarithm of points per seen area at 1 m: how well the sensor samples it
    HEIGHT_MEAN = 7  # [m]
    HEIGHT_SPREAD = 8  # [m] standard deviation
    SPREAD_LONG = 9  # [m] standard deviation in the plane, along the longer axis
    SPREAD_SHORT = 10  # [m] and across it
    AROUND = 11  # logarithm of 1 + points of others around
    AROUND_HIGH = 12  # the same of points high up
    LAYERS = 13  # filled layers of 0.2 m by those that fit between bottom and top
    BAND_0 = 14  # share of points per band of height
    BAND_1 = 15
    BAND_2 = 16
    BAND_3 = 17
    BAND_4 = 18
    BAND_5 = 19
    BAND_6 = 20
    ALONG_0 = 21  # [m] standard deviation along the box, per wide band; 0 without points
    ALONG_1 = 22
    ALONG_2 = 23
    ALONG_3 = 24
    ACROSS_0 = 25  # [m] and across it
    ACROSS_1 = 26
    ACROSS_2 = 27
    ACROSS_3 = 28


def cluster_features(
    xyz: NDArray[np.float32],
    height: NDArray[np.float32],
    clusters: Clusters,
    boxes: Boxes,
    origin: tuple[float, float],
    reach: float,
) -> NDArray[np.float32]:
    """Features of clusters.

    Args:
        xyz: ``[P, 3]`` all obstacle points, those of no cluster too [m].
        height: ``[P]`` above ground [m].
        clusters: C clusters of them.
        boxes: Their boxes.
        origin: x, y of the sensor [m].
        reach: [m] from the sensor beyond which there are no points.

    Returns:
        float32 ``[C, 29]``, columns `Feature`.
    """
    n = len(clusters)
    made = np.zeros((n, len(Feature)), np.float32)
    if n == 0:
        return made
    rows, counts = clusters.rows(), clusters.counts
    tall = height[clusters.order]
    shift = boxes.centre[rows]
    x, y = (xyz[clusters.order, axis] - shift[:, axis] for axis in (0, 1))
    c, s = np.cos(boxes.yaw)[rows], np.sin(boxes.yaw)[rows]
    along, across = x * c + y * s, y * c - x * s
    distance = np.hypot(*(boxes.centre - np.asarray(origin)).T)

    def mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(rows, values, minlength=n) / counts

    made[:, Feature.LENGTH], made[:, Feature.WIDTH] = boxes.length, boxes.width
    made[:, Feature.TOP], made[:, Feature.BOTTOM] = boxes.top, boxes.bottom
    made[:, Feature.RANGE], made[:, Feature.POINTS] = distance, np.log(counts)
    area = (boxes.length + boxes.width + 0.2) * (boxes.top - boxes.bottom + 0.2)
    made[:, Feature.DENSITY] = np.log(counts * distance**2 / area + 1)
    made[:, Feature.HEIGHT_MEAN] = mean(tall)
    made[:, Feature.HEIGHT_SPREAD] = _spread(mean(tall), mean(tall * tall))
    xx, yy, xy, mx, my = mean(along * along), mean(across * across), mean(along * across), mean(along), mean(across)
    xx, yy, xy = xx - mx * mx, yy - my * my, xy - mx * my
    half, root = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    made[:, Feature.SPREAD_LONG] = np.sqrt(np.maximum(half + root, 0))
    made[:, Feature.SPREAD_SHORT] = np.sqrt(np.maximum(half - root, 0))
    _around(made, xyz, height, boxes, counts, mean((tall > _OVERHEAD).astype(np.float32)) * counts, origin, reach)
    layer = np.minimum((tall * 5).astype(np.int64), 31)
    filled = np.bincount(np.unique(rows * 32 + layer) // 32, minlength=n)
    made[:, Feature.LAYERS] = filled / np.maximum(np.ceil((boxes.top - boxes.bottom) * 5), 1)
    bands = len(_BANDS) + 1
    slot = rows * bands + np.searchsorted(np.asarray(_BANDS, np.float32), tall)
    shares = np.bincount(slot, minlength=n * bands).reshape(n, bands) / counts[:, None]
    made[:, Feature.BAND_0 : Feature.BAND_6 + 1] = shares
    wide = len(_WIDE_BANDS) + 1
    slot = rows * wide + np.searchsorted(np.asarray(_WIDE_BANDS, np.float32), tall)
    number = np.maximum(np.bincount(slot, minlength=n * wide), 1)
    for first, values in ((Feature.ALONG_0, along), (Feature.ACROSS_0, across)):
        mean_of, square_of = (np.bincount(slot, v, minlength=n * wide) / number for v in (values, values * values))
        made[:, first : first + wide] = _spread(mean_of, square_of).reshape(n, wide)
    return made


def _spread(mean: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation from mean and mean square."""
    return np.sqrt(np.maximum(square - mean * mean, 0))


def _around(
    made: NDArray[np.float32],
    xyz: NDArray[np.float32],
    height: NDArray[np.float32],
    boxes: Boxes,
    counts: NDArray[np.int64],
    high_counts: NDArray[np.float64],
    origin: tuple[float, float],
    reach: float,
) -> None:
    """Points of others in the square around each cluster, those high up also by themselves."""
    size = int(np.ceil(2 * reach / _AROUND_CELL)) + 1
    corner = np.asarray(origin) - reach

    def cells(xy: NDArray[np.floating]) -> NDArray[np.int64]:
        index = np.clip(((xy - corner) / _AROUND_CELL).astype(np.int64), 0, size - 1)
        return index[:, 1] * size + index[:, 0]

    of_point, of_cluster = cells(xyz[:, :2]), cells(boxes.centre)
    for column, chosen, own in (
        (Feature.AROUND, slice(None), counts),
        (Feature.AROUND_HIGH, height > _OVERHEAD, high_counts),
    ):
        grid = np.bincount(of_point[chosen], minlength=size * size).astype(np.float32).reshape(size, size)
        summed = cv2.boxFilter(grid, -1, (_AROUND, _AROUND), normalize=False, borderType=cv2.BORDER_CONSTANT)
        made[:, column] = np.log1p(np.maximum(summed.ravel()[of_cluster] - own, 0))
