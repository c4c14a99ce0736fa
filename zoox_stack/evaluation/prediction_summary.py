"""Averages of prediction scores, as they are printed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.predictions import MODES
from zoox_stack.evaluation.prediction_errors import HORIZONS
from zoox_stack.evaluation.prediction_run import PredictionEvaluation
from zoox_stack.evaluation.prediction_scores import (
    BASELINES,
    CLASS_NAMES,
    COVERAGES,
    Measure,
    OffRoad,
    PredictionScores,
)

BINS = 15  # of equal width, of the mode probabilities
_NAMES = {
    Measure.ADE_1: "minADE1",
    Measure.FDE_1: "minFDE1",
    Measure.MISS_1: "miss_rate1",
    Measure.ADE_6: f"minADE{MODES}",
    Measure.FDE_6: f"minFDE{MODES}",
    Measure.MISS_6: f"miss_rate{MODES}",
    Measure.BRIER_FDE_6: f"brier_minFDE{MODES}",
    Measure.NLL: "nll",
}
_DIGITS = 4


def summarise(evaluation: PredictionEvaluation, *, per_source: bool = False) -> dict[str, Any]:
    """Everything that is said about an evaluation, ready for JSON.

    Distances are metres, `nll` nats per step; numbers that nothing was measured for are None. ``n`` of a class is its
    samples at 8 s, ``samples`` those of each horizon.

    Args:
        evaluation: The scores.
        per_source: The same for every bag or town, under ``sources``.
    """
    result = {"model": evaluation.model, "scenes": len(evaluation.labels)} | _summary(evaluation.scores)
    if per_source:
        groups = np.array(evaluation.groups)
        of_row = groups[evaluation.scores.scene]
        result["sources"] = {
            name: {"scenes": int((groups == name).sum())} | _summary(evaluation.scores.take(of_row == name))
            for name in dict.fromkeys(evaluation.groups)
        }
    return result


def reliability(scores: PredictionScores) -> list[dict[str, Any]]:
    """How often a mode of a given probability was the nearest to the truth over 8 s.

    Every mode of every road user that the network predicted counts once. Bins without a mode are left out.
    """
    chosen = scores.take((scores.nearest >= 0) & scores.by_network)
    probability = chosen.probabilities.astype(np.float64).ravel()
    hit = (np.arange(chosen.probabilities.shape[1]) == chosen.nearest[:, None]).ravel()
    return _binned(probability, hit)


def calibration_error(bins: list[dict[str, Any]]) -> float | None:
    """ECE: mean gap between probability and frequency, bins weighted by their modes (Guo et al., ICML 2017)."""
    n = sum(row["n"] for row in bins)
    return _rounded(sum(row["n"] * abs(row["probability"] - row["frequency"]) for row in bins) / n) if n else None


def _summary(scores: PredictionScores) -> dict[str, Any]:
    bins = reliability(scores)
    vehicles = scores.take(scores.kind == CLASS_NAMES.index("vehicle"))
    at_8s = scores.take(scores.counts[:, -1])
    return {
        "classes": {
            name: _class_summary(scores.take(scores.kind == kind))
            for kind, name in enumerate(CLASS_NAMES)
            if (scores.kind == kind).any()
        },
        "samples": len(at_8s),
        "samples_by_rule": int((~at_8s.by_network).sum()),
        "ece": calibration_error(bins),
        "ece_likeliest": calibration_error(_likeliest(scores)),
        "reliability": [{key: _rounded(value) for key, value in row.items()} for row in bins],
        "nll": _mean(at_8s.model[:, -1, Measure.NLL]),
        "coverage": _coverage(scores),
        "off_road": {
            "n": int(np.isfinite(vehicles.off_road[:, 0, 0]).sum()),
            **{
                name: {
                    "steps": _mean(vehicles.off_road[:, column, OffRoad.STEPS]),
                    "ends": _mean(vehicles.off_road[:, column, OffRoad.ENDS]),
                }
                for column, name in enumerate(("model", *BASELINES))
            },
        },
    }


def _class_summary(scores: PredictionScores) -> dict[str, Any]:
    seconds = [f"{horizon:g}s" for horizon in HORIZONS]
    baselines = {
        name: {
            f"{_NAMES[measure]}_{when}": _mean(scores.baselines[:, row, column, measure])
            for column, when in enumerate(seconds)
            for measure in (Measure.ADE_1, Measure.FDE_1, Measure.MISS_1)
        }
        for row, name in enumerate(BASELINES)
    }
    model = {
        f"{name}_{when}": _mean(scores.model[:, column, measure])
        for column, when in enumerate(seconds)
        for measure, name in _NAMES.items()
    }
    model["off_road_rate"] = _mean(scores.off_road[:, 0, OffRoad.STEPS])
    best = min((b["minADE1_8s"] for b in baselines.values() if b["minADE1_8s"] is not None), default=None)
    ours = model[f"minADE{MODES}_8s"]
    return {
        "n": int(scores.counts[:, -1].sum()),
        "samples": {when: int(scores.counts[:, column].sum()) for column, when in enumerate(seconds)},
        "samples_by_rule": int((scores.counts[:, -1] & ~scores.by_network).sum()),
        "model": model,
        "baselines": baselines,
        "model_over_best_baseline": _rounded(ours / best) if best and ours is not None else None,
        "ece": calibration_error(reliability(scores)),
        "coverage": _coverage(scores),
    }


def _likeliest(scores: PredictionScores) -> list[dict[str, Any]]:
    """`reliability` of the likeliest modes alone."""
    chosen = scores.take((scores.nearest >= 0) & scores.by_network)
    best = chosen.probabilities.argmax(axis=1)
    return _binned(chosen.probabilities.max(axis=1, initial=0.0).astype(np.float64), best == chosen.nearest)


def _binned(probability: NDArray[np.float64], hit: NDArray[np.bool_]) -> list[dict[str, Any]]:
    number = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    return [
        {
            "low": row / BINS,
            "high": (row + 1) / BINS,
            "n": int((number == row).sum()),
            "probability": float(probability[number == row].mean()),
            "frequency": float(hit[number == row].mean()),
        }
        for row in np.unique(number).tolist()
    ]


def _coverage(scores: PredictionScores) -> dict[str, float | None]:
    """Share of truths inside the ellipses, by the share that should be."""
    covered = scores.covered[scores.by_network]
    return {f"{100 * share:g}": _mean(covered[:, column]) for column, share in enumerate(COVERAGES)}


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return _rounded(float(known.mean())) if len(known) else None


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else round(value, _DIGITS)
