"""Assignment of detections to tracks: gated Mahalanobis distance plus class disagreement, Hungarian method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from zoox_stack.core.agents import N_CLASSES
from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass


def _agreement() -> NDArray[np.float64]:
    """How well two classes go together, ``[10, 10]``: 1 same, 0.7 easily confused, 0.5 unknown, 0 exclusive."""
    table = np.eye(N_CLASSES)
    small = (AgentClass.MOTORCYCLE, AgentClass.BICYCLE, AgentClass.PEDESTRIAN, AgentClass.ANIMAL)
    for group in (
        VEHICLE_CLASSES,
        small,
        (AgentClass.HAZARD, AgentClass.PEDESTRIAN),
        (AgentClass.HAZARD, AgentClass.ANIMAL),
    ):
        for a in group:
            for b in group:
                table[a, b] = max(table[a, b], 0.7)
    table[AgentClass.UNKNOWN] = np.maximum(table[AgentClass.UNKNOWN], 0.5)
    table[:, AgentClass.UNKNOWN] = np.maximum(table[:, AgentClass.UNKNOWN], 0.5)
    return table


_AGREEMENT = _agreement()


def match_cost(
    expected: NDArray[np.float64],
    covariance: NDArray[np.float64],
    track_classes: NDArray[np.float64],
    measured: NDArray[np.float64],
    noise: NDArray[np.float64],
    detection_classes: NDArray[np.float64],
    *,
    gate: float,
    max_distance: float,
    class_weight: float,
) -> NDArray[np.float64]:
    """Cost of every pair.

    Args:
        expected: ``[T, 2]`` predicted positions [m].
        covariance: ``[T, 2, 2]`` their covariance.
        track_classes: ``[T, 10]`` class probabilities.
        measured: ``[D, 2]`` detected positions [m].
        noise: ``[D, 2, 2]`` their covariance.
        detection_classes: ``[D, 10]`` class probabilities.
        gate: Largest squared Mahalanobis distance.
        max_distance: Largest distance [m].
        class_weight: Cost of classes that exclude each other.

    Returns:
        ``[T, D]``; infinity where the pair is not allowed.
    """
    cost = np.full((len(expected), len(measured)), np.inf)
    near = np.abs(measured[None, :, 0] - expected[:, None, 0]) <= max_distance
    near &= np.abs(measured[None, :, 1] - expected[:, None, 1]) <= max_distance
    i, j = np.nonzero(near)  # the rest is worked out for these pairs only
    dx, dy = (measured[j] - expected[i]).T
    xx = covariance[i, 0, 0] + noise[j, 0, 0]
    yy = covariance[i, 1, 1] + noise[j, 1, 1]
    xy = covariance[i, 0, 1] + noise[j, 0, 1]
    squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    agreement = (track_classes @ _AGREEMENT @ detection_classes.T)[i, j]
    allowed = (squared <= gate) & (dx * dx + dy * dy <= max_distance**2) & (agreement > 0.05)
    cost[i[allowed], j[allowed]] = (squared + class_weight * (1 - agreement))[allowed]
    return cost


def assign(cost: NDArray[np.float64], unmatched: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of least total cost, where leaving a row unmatched costs `unmatched`.

    Args:
        cost: ``[T, D]``, infinity where not allowed.
        unmatched: Upper bound of useful costs.

    Returns:
        Rows and columns of the pairs, rows rising.
    """
    if cost.size == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    rows, columns = linear_sum_assignment(np.minimum(cost, unmatched))
    good = cost[rows, columns] < unmatched
    return rows[good], columns[good]
