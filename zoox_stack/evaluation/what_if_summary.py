"""Scores of what-if answers as numbers for people and for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass
from zoox_stack.evaluation.skill import area_under_curve, brier_skill, interval
from zoox_stack.evaluation.what_if_scores import Answer, Contact, WhatIfScores
from zoox_stack.simulation.samples import AFFECTED

LEAST_CONTACTS = 30  # with fewer overlaps collision skill is that of near misses
GROUPS = {
    "vehicle": VEHICLE_CLASSES,
    "cyclist": CYCLIST_CLASSES,
    "pedestrian": (AgentClass.PEDESTRIAN,),
    "animal": (AgentClass.ANIMAL,),
}
_NAMES = {
    Answer.CONDITIONAL: "conditional_minADE6_8s",
    Answer.UNCONDITIONAL: "unconditional_minADE6_8s",
    Answer.MASKED: "masked_minADE6_8s",
    Answer.SHUFFLED: "shuffled_minADE6_8s",
    Answer.CONSTANT_VELOCITY: "constant_velocity_ADE_8s",
}


def summarise(scores: WhatIfScores) -> dict[str, Any]:
    """Everything ready for JSON; None where there is nothing to measure, as with recorded drives (one plan each)."""
    first = scores.crossing_first
    auc = {a: area_under_curve(first, scores.crossing_score[:, a]) for a in Answer}
    told = np.isfinite(scores.crossing_told)
    contacts = {kind: _contacts(scores, kind) for kind in Contact}
    enough = contacts[Contact.OVERLAP]["events"] >= LEAST_CONTACTS
    event = Contact.OVERLAP if enough else Contact.NEAR_MISS
    change, beside = scores.unaffected_change, scores.unaffected_beside
    return {
        "scenes": len(scores.plans),
        "plans": int(scores.plans.sum()),
        "affected": _errors(scores.affected_error, scores.affected_scene) | {"threshold_m": AFFECTED},
        "affected_classes": {
            name: _errors(scores.affected_error[rows], scores.affected_scene[rows])
            for name, kinds in GROUPS.items()
            if (rows := np.isin(scores.affected_class, [int(kind) for kind in kinds])).any()
        },
        "affected_plans": {
            str(name): _errors(scores.affected_error[rows], scores.affected_scene[rows])
            for name in np.unique(scores.affected_plan)
            if (rows := scores.affected_plan == name).any()
        },
        "goes_first_auc": _number(auc[Answer.CONDITIONAL]),
        "goes_first": {
            "n": len(first),
            "agent_first": _number(first.mean()) if len(first) else None,
            "auc": _by_answer(auc),
            "auc_ci95": _interval(scores.crossing_scene, first, scores.crossing_score[:, Answer.CONDITIONAL]),
            "told": int(told.sum()),
            "told_auc": _number(area_under_curve(first[told], scores.crossing_told[told])),
        },
        "collision_auc": contacts[event]["auc"]["conditional"],
        "collision_brier_skill": contacts[event]["brier_skill"]["conditional"],
        "collision_event": event.name.lower(),
        "contacts": {kind.name.lower(): entry for kind, entry in contacts.items()},
        "driven": _errors(scores.driven_error, scores.driven_scene),
        "unaffected_median_change_m": _number(np.median(change)) if len(change) else None,
        "unaffected": {
            "n": len(change),
            "mean_change_m": _number(change.mean()) if len(change) else None,
            "p95_change_m": _number(np.percentile(change, 95)) if len(change) else None,
            "beside": int(beside.sum()),
            "beside_median_change_m": _number(np.median(change[beside])) if beside.any() else None,
            "beside_p95_change_m": _number(np.percentile(change[beside], 95)) if beside.any() else None,
        },
        "early_reaction_max_m": float(scores.early.max()) if (scores.plans > 1).any() else None,
    }


def _errors(errors: NDArray[np.float64], scene: NDArray[np.int64]) -> dict[str, Any]:
    """Means of ``[E, 5]`` and the ratio of conditional to unconditional with its interval."""
    means = errors.mean(axis=0) if len(errors) else np.full(len(Answer), np.nan)
    told, usual = errors[:, Answer.CONDITIONAL], errors[:, Answer.UNCONDITIONAL]

    def ratio(weight: NDArray[np.float64]) -> float:
        below = float((weight * usual).sum())
        return float((weight * told).sum()) / below if below > 0 else float("nan")

    low, high = interval(scene, ratio)
    return {
        "n": len(errors),
        "scenes": len(np.unique(scene)),
        **{name: _number(means[answer]) for answer, name in _NAMES.items()},
        "ratio": _number(ratio(np.ones(len(errors)))),
        "ratio_ci95": [_number(low), _number(high)],
    }


def _contacts(scores: WhatIfScores, kind: Contact) -> dict[str, Any]:
    happened, score = scores.contact_true[:, kind], scores.contact_score[:, kind]
    close, told = scores.contact_close, score[:, Answer.CONDITIONAL]
    return {
        "n": len(happened),
        "events": int(happened.sum()),
        "base_rate": _number(happened.mean()) if len(happened) else None,
        "auc": _by_answer({a: area_under_curve(happened, score[:, a]) for a in Answer}),
        "auc_ci95": _interval(scores.contact_scene, happened, told),
        "brier_skill": _by_answer({a: brier_skill(happened, score[:, a]) for a in Answer}),
        "mean_probability": _number(told.mean()) if len(told) else None,
        "close": int(close.sum()),
        "close_auc": _by_answer({a: area_under_curve(happened[close], score[close, a]) for a in Answer}),
    }


def _interval(scene: NDArray[np.int64], happened: NDArray[np.bool_], score: NDArray[np.float64]) -> list[float | None]:
    low, high = interval(scene, lambda weight: area_under_curve(happened, score, weight))
    return [_number(low), _number(high)]


def _by_answer(values: dict[Answer, float]) -> dict[str, float | None]:
    return {answer.name.lower(): _number(value) for answer, value in values.items()}


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
