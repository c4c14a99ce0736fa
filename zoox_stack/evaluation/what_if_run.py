"""Asks the whole runtime of prediction about every plan of recorded and simulated scenes, and scores the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.geometry import to_local
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.datasets.bags import LoggedScenes
from zoox_stack.datasets.counterfactuals import counterfactual_futures
from zoox_stack.datasets.scene_futures import SceneFutures
from zoox_stack.evaluation.prediction_sources import PredictionSource
from zoox_stack.evaluation.what_if_scores import SceneAnswers, WhatIfScores, score_scene
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.prediction.what_if import MAX_PLANS
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.counterfactual_store import CounterfactualSet
from zoox_stack.simulation.workers import Job, run_jobs

PARTED = 40  # step until which plans are made equal to see whether anybody reacts before they differ
_PATIENCE = 600.0  # [s] a question may take here


@dataclass(frozen=True, eq=False)
class WhatIfEvaluation:
    """Results of everything.

    Attributes:
        scores: Of all scenes.
        labels: Of the scenes.
        origins: Source of each scene, and which scene of the source it is.
        model: Name and version of the network.
    """

    scores: WhatIfScores
    labels: tuple[str, ...]
    origins: tuple[tuple[PredictionSource, int], ...]
    model: str


def evaluate_sources(
    sources: list[PredictionSource], model_dir: str, jobs: int, on_progress: Callable[[float], None]
) -> WhatIfEvaluation:
    """Ask and score every scene of the sources; the same whatever `jobs` is.

    Args:
        sources: What to measure on.
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.
        jobs: Sources at a time, each in a process.
        on_progress: Called with how many sources are done.

    Raises:
        ModelError: The network cannot be used.
        ZooxStackError: A source could not be evaluated; the text names it.
    """
    model = open_predictor(model_dir).model  # a model that does not fit shall fail here, not in every process
    work = [Job(f"{row}: {source.name}", evaluate_source, (source, model_dir)) for row, source in enumerate(sources)]
    progress = {job.name: 0.0 for job in work}
    parts: dict[str, list[tuple[str, WhatIfScores]]] = {}

    def advance(job: Job, done: float) -> None:
        progress[job.name] = done
        on_progress(sum(progress.values()))

    for outcome in run_jobs(work, jobs, advance):
        if outcome.failure:
            raise ZooxStackError(f"{outcome.job.name.split(': ', 1)[1]}: {outcome.failure}")
        parts[outcome.job.name] = outcome.result
        advance(outcome.job, 1.0)
    ordered = [parts[job.name] for job in work]
    if not any(ordered):
        names = ", ".join(source.name for source in sources[:3])
        raise ZooxStackError(f"{names}: expected scenes with an ego and agents and 8 s after them, found none")
    return WhatIfEvaluation(
        scores=WhatIfScores.concatenate([score for part in ordered for _, score in part]),
        labels=tuple(label for part in ordered for label, _ in part),
        origins=tuple((source, row) for source, part in zip(sources, ordered, strict=True) for row in range(len(part))),
        model=model,
    )


def evaluate_source(
    source: PredictionSource, model_dir: str, report: Callable[[float], None]
) -> list[tuple[str, WhatIfScores]]:
    """Name and scores of every scene of one source.

    Raises:
        InvalidInputError: The source is damaged, or a bag without agents or without ego.
        ModelError: The network cannot be used.
        ZooxStackError: Prediction refuses a question.
    """
    scores = []
    for scene, answers, share in answers_of(source, model_dir):
        scores.append((scene.source, score_scene(scene, answers, seed=scene.scene.stamp_ns % 2**32)))
        report(min(share, 1.0))
    return scores


def answers_of(source: PredictionSource, model_dir: str) -> Iterator[tuple[SceneFutures, SceneAnswers, float]]:
    """Every scene of a source with the answers about it, and the share of the source that is done.

    On the CPU in one thread, whatever the machine, so that the numbers are the same everywhere.
    """
    predictor = open_predictor(model_dir)
    shown: RoadNetwork | None = None
    for scene, share in scenes_of(source):
        if scene.network is not None and scene.network is not shown:
            predictor.set_road_network(scene.network)
            shown = scene.network
        yield scene, ask(predictor, scene), share


def scenes_of(source: PredictionSource) -> Iterator[tuple[SceneFutures, float]]:
    """Scenes in order with the share of the source that they end: of a bag one per second, with one plan."""
    if source.part is not None:
        total = max(len(CounterfactualSet(source.path).part(source.part)), 1)
        for row, scene in enumerate(counterfactual_futures(source.path, source.part)):
            yield scene, (row + 1) / total
        return
    log = LoggedScenes.read(source.path)
    first, last = log.scenes[0].stamp_ns, log.scenes[-1].stamp_ns
    for scene in log.futures():
        yield scene, (scene.scene.stamp_ns - first) / max(last - first, 1)


def ask(predictor: Predictor, scene: SceneFutures) -> SceneAnswers:
    """All answers about a scene.

    Raises:
        ZooxStackError: Prediction refuses a question.
    """
    unconditional = predictor.predict_history(scene.history, scene.signals, scene.route)
    told = [_told(predictor, scene, plans) for plans in _in_groups(scene.plans)]
    conditional = tuple(p for answer in told for p in answer.predictions)
    first = np.full((len(scene.plans), len(unconditional)), np.nan)
    for row, effects in enumerate(e for answer in told for e in answer.effects):
        first[row, np.searchsorted(unconditional.agent_ids, effects.agent_ids)] = effects.goes_first
    return SceneAnswers(
        conditional=conditional,
        unconditional=unconditional,
        masked=predictor.masked(scene.scene.stamp_ns, scene.plans[:MAX_PLANS]),
        constant_velocity=constant_velocity_prediction(scene.scene),
        goes_first=first,
        early=_early(predictor, scene),
    )


def _early(predictor: Predictor, scene: SceneFutures) -> float:
    """Largest change of any future until `PARTED` between the first plan and those that part from it then [m].

    The plans are asked about in one question, and again one at a time: a question must not tell of its plans either.
    """
    if len(scene.plans) < 2:
        return 0.0
    plans = (scene.plans[0], *(parting(scene.plans[0], other, PARTED) for other in scene.plans[1:MAX_PLANS]))
    alone = tuple(_told(predictor, scene, (plan,)).predictions[0] for plan in plans)
    return max(_change(_told(predictor, scene, plans).predictions), _change(alone))


def _change(predictions: tuple[PredictedAgents, ...]) -> float:
    """Largest distance of any future until `PARTED` from the first prediction's, along x or y [m]."""
    first, *others = (predicted.positions[:, :, :PARTED] for predicted in predictions)
    return max(float(np.abs(other - first).max(initial=0.0)) for other in others)


def parting(one: EgoPlan, other: EgoPlan, step: int) -> EgoPlan:
    """Plan `one` for its first steps, from then on moving as `other` does."""

    def joined(name: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(one, name)[:step], getattr(other, name)[step:]])

    last = step - 1
    turn = float(one.yaw[last] - other.yaw[last])
    back = to_local(other.xy, (float(other.x[last]), float(other.y[last])), -turn)
    x, y = (np.concatenate([one.xy[:step, d], back[step:, d] + one.xy[last, d]]) for d in range(2))
    yaw = np.concatenate([one.yaw[:step], other.yaw[step:] + turn])
    return EgoPlan(
        other.id, f"{one.name}, then {other.name}", one.step, x, y, yaw,
        joined("speed"), joined("acceleration"), joined("curvature"),
    )  # fmt: skip


def _told(predictor: Predictor, scene: SceneFutures, plans: tuple[EgoPlan, ...]) -> WhatIfAnswer:
    answer = predictor.what_if(WhatIfRequest(scene.scene.stamp_ns, plans, _PATIENCE))
    if answer.status is not WhatIfStatus.OK:
        raise ZooxStackError(f"{scene.source}: prediction refuses the question: {answer.message}")
    return answer


def _in_groups(plans: tuple[EgoPlan, ...]) -> list[tuple[EgoPlan, ...]]:
    return [plans[first : first + MAX_PLANS] for first in range(0, len(plans), MAX_PLANS)]


def open_predictor(model_dir: str) -> Predictor:
    """The runtime as it drives, but the same on every machine."""
    return Predictor(PredictionConfig(model_dir=model_dir, provider="cpu", threads=1, kept_scenes=1))
