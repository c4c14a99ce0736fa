"""How good the futures of one scene were, road user by road user: the rows all results are averaged over.

A row is a road user seen during the whole last second. It counts at a horizon if it is there at every step until then
and has moved more than `MOVED`; each horizon so has its own samples. The ego is none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents
from zoox_stack.evaluation.prediction_errors import GROUPS, HORIZONS, MISS, MOVED
from zoox_stack.evaluation.prediction_off_road import KnownRoad
from zoox_stack.prediction.history import SceneHistory

COVERAGES = (0.5, 0.9, 0.95)  # of the ellipses that the truth should lie in so often
BASELINES = ("cv", "ctrv", "ctr", "lane")
CLASS_NAMES = tuple(GROUPS)
_HORIZON_STEPS = tuple(round(horizon / STEP) for horizon in HORIZONS)
_SQUARED_RADII = -2.0 * np.log(1.0 - np.array(COVERAGES))  # of a 2-D normal distribution: chi-squared, 2 degrees


class Measure(IntEnum):
    """Columns of `PredictionScores.model`; the first three are those of the baselines too."""

    ADE_1 = 0  # [m] mean distance over the steps, likeliest mode
    FDE_1 = 1  # [m] distance at the horizon, likeliest mode
    MISS_1 = 2  # 1 if that is over 2 m
    ADE_6 = 3  # [m] mean distance of the mode that has the least
    FDE_6 = 4  # [m] distance at the horizon of the mode that has the least
    MISS_6 = 5  # 1 if that is over 2 m
    BRIER_FDE_6 = 6  # [m] FDE_6 + (1 - probability of that mode)^2
    NLL = 7  # [nats] -log density of the truth under the mixture of the modes' Gaussians, mean over the steps


class OffRoad(IntEnum):
    """Columns of `PredictionScores.off_road`."""

    STEPS = 0  # share of the steps
    ENDS = 1  # share of the last positions


@dataclass(frozen=True, eq=False)
class PredictionScores:
    """Results of R road users; H = 3 horizons (3, 5, 8 s), K modes, B = 4 baselines.

    What is said of ``8 s`` is NaN (-1 in `nearest`) for rows that do not count there.

    Attributes:
        scene: int32 ``[R]`` number of the scene.
        agent: int64 ``[R]`` id.
        kind: uint8 ``[R]`` row of `CLASS_NAMES`.
        by_network: bool ``[R]``, False: outside the image or beyond its most agents, predicted by rule.
        counts: bool ``[R, H]``.
        model: float64 ``[R, H, 8]``, columns `Measure`; NaN where the row does not count.
        baselines: float64 ``[R, B, H, 3]``, the first columns of `Measure`; NaN where the row does not count.
        probabilities: float32 ``[R, K]``.
        nearest: int8 ``[R]`` mode with the least mean distance to the truth over 8 s.
        covered: float64 ``[R, 3]`` share of the steps of 8 s at which the truth is inside the ellipse of the nearest
            mode that should hold `COVERAGES`.
        off_road: float64 ``[R, 1 + B, 2]`` of all modes, and of each baseline, over 8 s; columns `OffRoad`; NaN unless
            it is a vehicle on a known road.
    """

    scene: NDArray[np.int32]
    agent: NDArray[np.int64]
    kind: NDArray[np.uint8]
    by_network: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    model: NDArray[np.float64]
    baselines: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    nearest: NDArray[np.int8]
    covered: NDArray[np.float64]
    off_road: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scene)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> PredictionScores:
        """Only some rows."""
        return PredictionScores(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def concatenate(cls, parts: Sequence[PredictionScores]) -> PredictionScores:
        """All rows of at least one part, one after the other."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})


def sample_rows(history: SceneHistory, futures: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Agents of a scene that are samples at any horizon, and at which.

    Args:
        history: The last second.
        futures: ``[N, T, 3]`` x, y, yaw; NaN where an agent is not there.

    Returns:
        Rows ``[R]``, rising, and ``[R, H]``.
    """
    there = np.isfinite(futures[..., 0])
    moved = np.hypot(*(futures[..., :2] - history.states[:, -1, None, :2]).transpose(2, 0, 1))
    with np.errstate(invalid="ignore"):
        counts = np.stack([there[:, :n].all(axis=1) & (moved[:, n - 1] > MOVED) for n in _HORIZON_STEPS], axis=1)
    known = history.valid.all(axis=1) & (kinds_of(history.scene.classes) >= 0)
    rows = np.flatnonzero(known & counts.any(axis=1))
    return rows, counts[rows]


def kinds_of(classes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Rows of `CLASS_NAMES`, -1 for classes that are none of them."""
    kinds = np.full(len(classes), -1)
    for number, members in enumerate(GROUPS.values()):
        kinds[np.isin(classes, [int(member) for member in members])] = number
    return kinds


def score_scene(
    number: int,
    history: SceneHistory,
    futures: NDArray[np.float64],
    predicted: PredictedAgents,
    by_network: NDArray[np.bool_],
    baselines: Mapping[str, NDArray[np.float64]],
    road: KnownRoad,
) -> PredictionScores:
    """Results of a scene.

    Args:
        number: Of the scene.
        history: The last second, N agents.
        futures: ``[N, T, 3]`` what followed; NaN where an agent is not there.
        predicted: Futures of the N agents.
        by_network: ``[N]`` whom the network predicted; the others were by rule.
        baselines: Positions ``[R, T, 2]`` of the agents `sample_rows` gives, for each of `BASELINES`.
        road: Where vehicles may be.
    """
    rows, counts = sample_rows(history, futures)
    truth = futures[rows, :, :2]
    chosen = predicted.take(rows)
    modes, probabilities = chosen.map_positions, chosen.probabilities.astype(np.float64)
    distance = _distance(modes, truth[:, None])
    at_8s = counts[:, -1]
    nearest = np.where(at_8s, np.nan_to_num(distance.mean(axis=-1), nan=np.inf).argmin(axis=1), -1)
    squared, log_density = _gaussians(truth[:, None] - modes, chosen.covariances.astype(np.float64))
    kind = kinds_of(history.scene.classes[rows])
    on_road = at_8s & (kind == CLASS_NAMES.index("vehicle"))
    ways = {"model": modes} | {name: way[:, None] for name, way in baselines.items()}
    best = squared[np.arange(len(rows)), np.maximum(nearest, 0)]
    return PredictionScores(
        scene=np.full(len(rows), number, np.int32),
        agent=history.scene.ids[rows],
        kind=kind.astype(np.uint8),
        by_network=by_network[rows],
        counts=counts,
        model=_measures(distance, probabilities, log_density, counts),
        baselines=np.stack([_measures_of_one(_distance(baselines[name], truth), counts) for name in BASELINES], axis=1),
        probabilities=chosen.probabilities,
        nearest=nearest.astype(np.int8),
        covered=np.where(at_8s[:, None], (best[:, :, None] <= _SQUARED_RADII).mean(axis=1), np.nan),
        off_road=np.stack([_off_road(ways[name], truth, road, on_road) for name in ("model", *BASELINES)], axis=1),
    )


def _distance(positions: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(positions - truth, axis=-1))


def _gaussians(
    offset: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared Mahalanobis distance and log density of offsets ``[..., 2]`` under ``[..., 3]`` xx, xy, yy."""
    xx, xy, yy = np.moveaxis(covariance, -1, 0)
    dx, dy = np.moveaxis(offset, -1, 0)
    determinant = xx * yy - xy * xy
    squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant
    return squared, -0.5 * squared - 0.5 * np.log(determinant) - np.log(2 * np.pi)


def _measures(
    distance: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    log_density: NDArray[np.float64],
    counts: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """``[R, H, 8]`` of modes at distances ``[R, K, T]``."""
    every = np.arange(len(distance))
    likeliest = probabilities.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # probabilities of 0, and steps without truth
        nll = -np.logaddexp.reduce(np.log(probabilities)[..., None] + log_density, axis=1)
    table = np.full((*counts.shape, len(Measure)), np.nan)
    table[..., : Measure.ADE_6] = _measures_of_one(distance[every, likeliest], counts)
    for column, n in enumerate(_HORIZON_STEPS):
        rows = np.flatnonzero(counts[:, column])
        near, end = distance[rows, :, :n].mean(axis=-1), distance[rows, :, n - 1]
        closest = end.argmin(axis=1)
        least = end.min(axis=1)
        table[rows, column, Measure.ADE_6] = near.min(axis=1)
        table[rows, column, Measure.FDE_6] = least
        table[rows, column, Measure.MISS_6] = least > MISS
        table[rows, column, Measure.BRIER_FDE_6] = least + (1 - probabilities[rows, closest]) ** 2
        table[rows, column, Measure.NLL] = nll[rows, :n].mean(axis=1)
    return table


def _measures_of_one(distance: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``[R, H, 3]`` of one future at distances ``[R, T]``."""
    table = np.full((*counts.shape, Measure.ADE_6), np.nan)
    for column, n in enumerate(_HORIZON_STEPS):
        rows = counts[:, column]
        table[rows, column, Measure.ADE_1] = distance[rows, :n].mean(axis=1)
        table[rows, column, Measure.FDE_1] = distance[rows, n - 1]
        table[rows, column, Measure.MISS_1] = distance[rows, n - 1] > MISS
    return table


def _off_road(
    ways: NDArray[np.float64], truth: NDArray[np.float64], road: KnownRoad, wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """``[R, 2]``, columns `OffRoad`, of ways ``[R, K, T, 2]``."""
    table = np.full((len(ways), len(OffRoad)), np.nan)
    rows = np.flatnonzero(wanted)
    rows = rows[road.carries(truth[rows])]
    if len(rows):
        off = road.off(ways[rows])
        table[rows, OffRoad.STEPS] = off.mean(axis=(1, 2))
        table[rows, OffRoad.ENDS] = off[:, :, STEPS - 1].mean(axis=1)
    return table
