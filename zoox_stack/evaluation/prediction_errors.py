"""How far predictions were from what happened next, from a recorded run.

Samples follow one rule for every log: one prediction per second, road users that are there at the horizon and have
moved more than `MOVED` by then, other than the ego. The error is the distance at each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass
from zoox_stack.core.predictions import PredictedAgents

HORIZONS = (3.0, 5.0, 8.0)  # [s]
MOVED = 2.0  # [m]
MATCH_DISTANCE = 2.0  # [m] between a track and the labelled agent it stands for
EVERY = 10  # predictions: one per second
MISS = 2.0  # [m]
GROUPS = {
    "vehicle": VEHICLE_CLASSES,
    "cyclist": CYCLIST_CLASSES,
    "pedestrian": (AgentClass.PEDESTRIAN,),
    "animal": (AgentClass.ANIMAL,),
}


@dataclass(frozen=True, eq=False)
class _Truth:
    """Agents by stamp, looked up by time."""

    stamps: NDArray[np.int64]
    scenes: Sequence[TrackedAgents]

    def at(self, stamp_ns: int, tolerance_ns: int = 50_000_000) -> TrackedAgents | None:
        if not len(self.stamps):
            return None
        row = int(np.argmin(np.abs(self.stamps - stamp_ns)))
        return self.scenes[row] if abs(int(self.stamps[row]) - stamp_ns) <= tolerance_ns else None


def prediction_errors(
    predictions: Sequence[PredictedAgents],
    tracks: Mapping[int, TrackedAgents],
    labels: Sequence[TrackedAgents],
) -> dict[str, Any]:
    """Errors by class and horizon.

    Args:
        predictions: In order of time.
        tracks: The scenes predicted from, by stamp.
        labels: Ground truth of the log; empty: later tracks with the same id are the truth.

    Returns:
        ``{"truth": "labels" | "tracks", group: {"3s": {...}, ...}}`` with n, ade_1, fde_1 (likeliest mode), min_ade,
        min_fde (best of K), miss_rate (share with min_fde over 2 m), cv_ade, cv_fde (constant velocity) in metres.
    """
    scenes = list(labels) if labels else [tracks[s] for s in sorted(tracks)]
    truth = _Truth(np.array([s.stamp_ns for s in scenes], np.int64), scenes)
    rows: dict[tuple[str, float], list[NDArray[np.float64]]] = {}
    for predicted in predictions[::EVERY]:
        scene, now = tracks.get(predicted.stamp_ns), truth.at(predicted.stamp_ns)
        if scene is None or now is None or not len(predicted):
            continue
        true_ids = matched(scene, now) if labels else dict(zip(scene.ids.tolist(), scene.ids.tolist(), strict=True))
        longest = round(HORIZONS[-1] / predicted.step)
        future = [truth.at(predicted.stamp_ns + round((t + 1) * predicted.step * 1e9)) for t in range(longest)]
        for row, agent in enumerate(predicted.agent_ids.tolist()):
            if agent not in true_ids:
                continue
            start = _position(now, true_ids[agent])
            track = int(np.searchsorted(scene.ids, agent))
            if start is None or scene.ids[track] != agent:
                continue
            path = np.array([_or_nan(_position(s, true_ids[agent])) for s in future])
            group = _group(int(now.classes[np.searchsorted(now.ids, true_ids[agent])]))
            if group is None:
                continue
            time = predicted.step * np.arange(1, longest + 1)[:, None]
            cv = np.linalg.norm(scene.position[track, :2] + scene.velocity[track] * time - path, axis=-1)
            gap = np.linalg.norm(predicted.map_positions[row, :, :longest] - path[: predicted.steps], axis=-1)
            likeliest = int(predicted.probabilities[row].argmax())
            for horizon in HORIZONS:
                n = round(horizon / predicted.step)
                if n > gap.shape[1] or not np.isfinite(path[:n]).all() or np.linalg.norm(path[n - 1] - start) <= MOVED:
                    continue
                ade, fde = gap[:, :n].mean(axis=1), gap[:, n - 1]
                rows.setdefault((group, horizon), []).append(
                    np.array(
                        [
                            ade[likeliest],
                            fde[likeliest],
                            ade.min(),
                            fde.min(),
                            fde.min() > MISS,
                            cv[:n].mean(),
                            cv[n - 1],
                        ]
                    )
                )
    names = ("ade_1", "fde_1", "min_ade", "min_fde", "miss_rate", "cv_ade", "cv_fde")
    result: dict[str, Any] = {"truth": "labels" if labels else "tracks"}
    for (group, horizon), values in sorted(rows.items()):
        means = np.mean(values, axis=0)
        entry = {"n": len(values)} | {name: round(float(v), 3) for name, v in zip(names, means, strict=True)}
        result.setdefault(group, {})[f"{horizon:g}s"] = entry
    return result


def matched(scene: TrackedAgents, labels: TrackedAgents) -> dict[int, int]:
    """Label id of each track id: the one-to-one assignment with the smallest total distance, up to 2 m."""
    if not len(scene) or not len(labels):
        return {}
    gap = np.linalg.norm(scene.position[:, None, :2] - labels.position[None, :, :2], axis=-1)
    tracks, rows = linear_sum_assignment(np.minimum(gap, 10 * MATCH_DISTANCE))
    return {
        int(scene.ids[a]): int(labels.ids[b]) for a, b in zip(tracks, rows, strict=True) if gap[a, b] <= MATCH_DISTANCE
    }


def _position(scene: TrackedAgents | None, agent: int) -> NDArray[np.float64] | None:
    if scene is None or not len(scene):
        return None
    row = int(np.searchsorted(scene.ids, agent))
    return scene.position[row, :2] if row < len(scene) and scene.ids[row] == agent else None


def _or_nan(position: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return np.full(2, np.nan) if position is None else position


def _group(agent_class: int) -> str | None:
    return next((name for name, classes in GROUPS.items() if agent_class in classes), None)
