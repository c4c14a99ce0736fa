"""Many scored drives as one JSON object, and as tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from itertools import combinations
from typing import Any

import numpy as np

from zoox_stack.core.classes import EventKind
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
from zoox_stack.evaluation.closed_loop_paired import Comparison, Difference, by_place, compare
from zoox_stack.evaluation.closed_loop_score import ClosedLoopScore, ScoredDrive
from zoox_stack.evaluation.replay_records import percentiles
from zoox_stack.evaluation.skill import interval

PLANNERS = ("what_if", "unconditional", "constant_velocity", "idm", "human")  # each is compared with those after it
_METRICS = tuple(f.name for f in fields(ClosedLoopScore))


def summarise(drives: Sequence[ScoredDrive]) -> dict[str, Any]:
    """Everything of all drives, ready for JSON; None where there is nothing to say.

    Args:
        drives: Of any of `PLANNERS`, in any order; one for each planner, town and seed.

    Raises:
        InvalidInputError: An unknown planner, or two drives of one planner with the same town and seed.
    """
    by_planner: dict[str, list[ScoredDrive]] = {}
    for drive in drives:
        if drive.planner not in PLANNERS:
            raise InvalidInputError("planner of a drive", f"one of {', '.join(PLANNERS)}", drive.planner)
        by_planner.setdefault(drive.planner, []).append(drive)
    present = {name: list(by_place(by_planner[name]).values()) for name in PLANNERS if name in by_planner}
    places = {(drive.town, drive.seed) for drive in drives}
    return {
        "towns": sorted({town for town, _ in places}),
        "seeds": sorted({seed for _, seed in places}),
        "planners": {name: _planner(own, len(places)) for name, own in present.items()},
        "paired": {f"{a}-{b}": _pair(compare(present[a], present[b])) for a, b in combinations(present, 2)},
    }


def markdown(summary: Mapping[str, Any]) -> str:
    """The same for people: a row per planner, a row per pair, a row per pair and kind of junction."""
    planners, paired = summary["planners"], summary["paired"]
    head = ["planner", "drives", "score", "95 %", "at-fault collisions", "all", "progress vs human", "red lights"]
    rows = [
        [
            name, _of(p["drives"], p["missing_drives"]), _said(p["score"]), _between(p["score_ci95"]),
            str(p["at_fault_collisions"]), str(p["collisions"]), _said(p["progress_vs_human"]),
            str(p["events"]["red_light"]), str(p["interventions"]), _said(p["latency_ms"]["p50"], 1),
            _said(p["latency_ms"]["p99"], 1),
        ]
        for name, p in planners.items()
    ]  # fmt: skip
    parts = [_table([*head, "interventions", "decision p50 [ms]", "p99 [ms]"], rows)]
    rows = [[name, *(_said(p["metrics"][metric]) for metric in _METRICS)] for name, p in planners.items()]
    parts.append(_table(["planner", *(metric.replace("_", " ") for metric in _METRICS)], rows))
    rows = [
        [name, str(p["n"]), _said(p["mean"], 4), _between(p["ci95"], 4), _said(p["progress"]["mean"], 4)]
        for name, p in paired.items()
    ]
    parts.append(_table(["score of one minus the other", "pairs", "mean", "95 %", "progress"], rows))
    rows = [
        [
            name, kind.replace("_", " "), str(entry["n"]), _said(entry["mean"], 4), _between(entry["ci95"], 4),
            _said(entry["seconds_saved"]["mean"], 2), _between(entry["seconds_saved"]["ci95"]),
        ]
        for name, p in paired.items()
        for kind, entry in p["junctions"].items()
    ]  # fmt: skip
    parts.append(_table(["pair", "junction", "passages", "score", "95 %", "seconds saved", "95 %"], rows))
    return "\n".join(parts)


def _planner(drives: Sequence[ScoredDrive], places: int) -> dict[str, Any]:
    totals = np.array([drive.score.total for drive in drives])
    every = np.arange(len(drives))
    ends = interval(every, lambda weight: float((weight * totals).sum() / weight.sum())) if len(drives) > 1 else None
    expert = sum(drive.measures.expert_way for drive in drives)
    struck = Counter(pair for drive in drives for pair in drive.collisions)
    kinds: dict[JunctionKind, list[float]] = {kind: [] for kind in JunctionKind}
    for part in (part for drive in drives for part in drive.passages):
        kinds[part.kind].append(part.score)
    return {
        "score": _number(totals.mean()),
        "score_ci95": [None, None] if ends is None else [_number(end) for end in ends],
        "at_fault_collisions": sum(drive.at_fault_collisions for drive in drives),
        "progress_vs_human": _number(sum(drive.measures.way for drive in drives) / expert) if expert > 0 else None,
        "drives": len(drives),
        "missing_drives": places - len(drives),
        "driven_s": round(sum(drive.duration for drive in drives), 1),
        "metrics": {
            name: _number(float(np.mean([getattr(drive.score, name) for drive in drives]))) for name in _METRICS
        },
        "collisions": sum(struck.values()),
        "collisions_by_class_and_blame": {f"{kind}/{blame}": n for (kind, blame), n in sorted(struck.items())},
        "events": {kind.name.lower(): sum(d.events[kind.name.lower()] for d in drives) for kind in EventKind},
        "uncomfortable": dict(sorted(Counter(n for d in drives for n in d.measures.uncomfortable).items())),
        "interventions": sum(drive.interventions for drive in drives),
        "interventions_per_minute": _number(
            60 * sum(drive.interventions for drive in drives) / max(sum(drive.duration for drive in drives), 1e-9)
        ),
        "latency_ms": percentiles([value for drive in drives for value in drive.latencies_ms]),
        "junctions": {str(k): {"n": len(v), "score": _number(float(np.mean(v)))} for k, v in kinds.items() if v},
    }


def _pair(comparison: Comparison) -> dict[str, Any]:
    return {
        **_difference(comparison.score),
        "progress": _difference(comparison.progress),
        "junctions": {
            str(kind): {
                **_difference(difference),
                "seconds_saved": _difference(comparison.seconds.get(kind, _NOTHING)),
            }
            for kind, difference in comparison.junctions.items()
        },
    }


_NOTHING = Difference(0, 0, float("nan"), float("nan"), float("nan"))


def _difference(difference: Difference) -> dict[str, Any]:
    values = asdict(difference)
    return {
        "mean": _number(values["mean"]),
        "ci95": [_number(values["low"]), _number(values["high"])],
        "n": values["n"],
        "drives": values["drives"],
        "excludes_zero": difference.excludes_zero,
    }


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _of(drives: int, missing: int) -> str:
    return f"{drives} of {drives + missing}" if missing else str(drives)


def _between(ends: Sequence[float | None], digits: int = 3) -> str:
    return " .. ".join(_said(end, digits) for end in ends)


def _said(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
