"""Runs the whole runtime of prediction (history, scene image, ONNX network) over scenes and scores what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.datasets.past_motion import with_past_motion
from zoox_stack.evaluation.prediction_off_road import KnownRoad
from zoox_stack.evaluation.prediction_scores import PredictionScores, sample_rows, score_scene
from zoox_stack.evaluation.prediction_sources import PredictionScene, PredictionSource, scenes_of
from zoox_stack.prediction.baselines import LaneFollower, baseline_futures
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.workers import Job, run_jobs


@dataclass(frozen=True)
class PredictionSettings:
    """How scenes are predicted.

    Attributes:
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.
        past_motion: Take velocities and accelerations from the poses before the scene, not from the log.
    """

    model_dir: str = ""
    past_motion: bool = False


@dataclass(frozen=True, eq=False)
class PredictionEvaluation:
    """Results of everything.

    Attributes:
        scores: All road users.
        labels: Of the scenes; `PredictionScores.scene` counts them.
        groups: The bag or town of each scene.
        origins: Source of each scene, and which scene of the source it is.
        model: Name and version of the network.
    """

    scores: PredictionScores
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    origins: tuple[tuple[PredictionSource, int], ...]
    model: str


@dataclass(frozen=True, eq=False)
class _Part:
    """Results of one source."""

    scores: list[PredictionScores]
    labels: list[str]
    groups: list[str]


def evaluate_sources(
    sources: list[PredictionSource], settings: PredictionSettings, jobs: int, on_progress: Callable[[float], None]
) -> PredictionEvaluation:
    """Predict and score every scene of the sources; the same whatever `jobs` is.

    Args:
        sources: What to measure on.
        settings: How scenes are predicted.
        jobs: Sources at a time, each in a process.
        on_progress: Called with how many sources are done.

    Raises:
        ModelError: The network cannot be used.
        ZooxStackError: A source could not be evaluated; the text names it.
    """
    model = _predictor(settings).model  # a model that does not fit shall fail here, not in every process
    work = [Job(source.name, evaluate_source, (source, settings)) for source in sources]
    progress = dict.fromkeys(range(len(work)), 0.0)
    rows = {id(job): row for row, job in enumerate(work)}
    parts: dict[int, _Part] = {}

    def advance(job: Job, done: float) -> None:
        progress[rows[id(job)]] = done
        on_progress(sum(progress.values()))

    for outcome in run_jobs(work, jobs, advance):
        if outcome.failure:
            raise ZooxStackError(f"{outcome.job.name}: {outcome.failure}")
        parts[rows[id(outcome.job)]] = outcome.result
        advance(outcome.job, 1.0)
    ordered = [parts[row] for row in range(len(work))]
    scores, first = [], 0
    for part in ordered:
        for score in part.scores:
            score.scene[:] += first
            scores.append(score)
        first += len(part.labels)
    if not scores:
        names = ", ".join(source.name for source in sources[:3])
        raise ZooxStackError(f"{names}: expected scenes with an ego and agents, found none a second after the begin")
    return PredictionEvaluation(
        scores=PredictionScores.concatenate(scores),
        labels=tuple(label for part in ordered for label in part.labels),
        groups=tuple(group for part in ordered for group in part.groups),
        origins=tuple(
            (source, row) for source, part in zip(sources, ordered, strict=True) for row in range(len(part.labels))
        ),
        model=model,
    )


def evaluate_source(source: PredictionSource, settings: PredictionSettings, report: Callable[[float], None]) -> _Part:
    """Scores of one source, scenes counted from 0.

    Raises:
        InvalidInputError: The source is damaged, or a bag without agents or without ego.
        ModelError: The network cannot be used.
    """
    part = _Part([], [], [])
    for scene, predicted, by_network in predictions_of(source, settings):
        road, follower = _of_map(scene.network)
        rows, _ = sample_rows(scene.history, scene.futures)
        baselines = baseline_futures(scene.history.states[rows], scene.history.scene.classes[rows], follower)
        number = len(part.labels)
        scores = score_scene(number, scene.history, scene.futures, predicted, by_network, baselines, road)
        part.scores.append(scores)
        part.labels.append(scene.label)
        part.groups.append(scene.group)
        report(min(scene.share, 1.0))
    return part


def predictions_of(
    source: PredictionSource, settings: PredictionSettings
) -> Iterator[tuple[PredictionScene, PredictedAgents, NDArray[np.bool_]]]:
    """Every scene of a source with its prediction, and which of its agents the network predicted.

    On the CPU in one thread, whatever the machine, so that the numbers are the same everywhere.

    Raises:
        InvalidInputError: The source is damaged, or a bag without agents or without ego.
        ModelError: The network cannot be used.
    """
    predictor = _predictor(settings)
    shown: RoadNetwork | None = None
    for scene in scenes_of(source):
        if scene.network is not None and scene.network is not shown:
            predictor.set_road_network(scene.network)
            shown = scene.network
        history = with_past_motion(scene.history) if settings.past_motion else scene.history
        predicted = predictor.predict_history(history, scene.signals, scene.route)
        yield scene, predicted, predictor.by_network(predicted.stamp_ns)


def _predictor(settings: PredictionSettings) -> Predictor:
    return Predictor(PredictionConfig(model_dir=settings.model_dir, provider="cpu", threads=1, kept_scenes=1))


@lru_cache(maxsize=2)
def _of_map(network: RoadNetwork | None) -> tuple[KnownRoad, LaneFollower]:
    lanes = None if network is None else LaneIndex(network)
    return KnownRoad(lanes), LaneFollower(lanes)
