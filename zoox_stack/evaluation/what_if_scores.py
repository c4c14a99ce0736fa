"""What-if answers of one scene against what really happens under each plan.

* **Affected**: a road user whose true future under a plan is at some time more than `AFFECTED` (0.5 m) from that under
  the first plan, as in the table of a counterfactual set. It counts if it is there for the whole 8 s.
* **Crossing**: its way and the ego's conflict (`zoox_stack.prediction.crossings`). Its way is the longest of its true
  ones over all plans, so that who yields has a way too; the ego's is that of the plan.
* **Contact**: its box and the ego's overlap at some time (`OVERLAP`), or come closer than `NEAR_MISS` (0.5 m: the ego's
  box is made larger by it on every side). Asked of everyone within `WATCHED` (50 m) who does not do so already.
* **Unaffected**: its true futures stay within `UNAFFECTED` (0.1 m) of each other's first under every plan.

The answers compared are in `Answer`. *Masked*: the same weights in the same pass of the decoder, without the plan.
*Shuffled*: the answer to another plan of the same scene, drawn anew for each scene.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.collision import PlanArrays, assess_collisions
from zoox_stack.core.geometry import boxes_overlap
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.datasets.scene_futures import SceneFutures
from zoox_stack.prediction.crossings import (
    crossing_places,
    longest,
    probability_of_passing,
    reach_of,
    time_of_passing,
)
from zoox_stack.prediction.plan_effects import ego_ways
from zoox_stack.simulation.samples import AFFECTED

UNAFFECTED = 0.1  # [m]
WATCHED = 50.0  # [m] from the ego
BESIDE = 30.0  # [m] from the ego: whose predictions might well change
CLOSE = 10.0  # [m] between the middles of both at some time under some plan: where collisions are hard to tell
NEAR_MISS = 0.5  # [m]
_MOVED = 1e-6  # [m] of an answer


class Answer(IntEnum):
    """Columns of errors and scores: what was asked for an answer."""

    CONDITIONAL = 0
    UNCONDITIONAL = 1
    MASKED = 2
    SHUFFLED = 3
    CONSTANT_VELOCITY = 4


class Contact(IntEnum):
    """Columns of contacts."""

    OVERLAP = 0
    NEAR_MISS = 1


@dataclass(frozen=True, eq=False)
class SceneAnswers:
    """Everything prediction says of a scene with M plans.

    Attributes:
        conditional: Futures of everyone under each plan, M.
        unconditional: Without a plan.
        masked: By the decoder pass of the question, without the plans.
        constant_velocity: The physics baseline.
        goes_first: float64 ``[M, N]`` as answered; NaN where the answer knows no crossing.
        early: Largest change of any future before the plans of a question differ [m].
    """

    conditional: tuple[PredictedAgents, ...]
    unconditional: PredictedAgents
    masked: PredictedAgents
    constant_velocity: PredictedAgents
    goes_first: NDArray[np.float64]
    early: float

    def of_plan(self, plan: int, shift: int) -> tuple[PredictedAgents, ...]:
        """Futures under a plan in the order of `Answer`; `shift` to the plan whose answer is taken for shuffled."""
        other = self.conditional[(plan + shift) % len(self.conditional)]
        return self.conditional[plan], self.unconditional, self.masked, other, self.constant_velocity


@dataclass(frozen=True, eq=False)
class WhatIfScores:
    """Scores of many scenes, as columns: E pairs of affected agent and plan, D of answer and what happened (plan 0),
    C crossings, H chances to touch, U unaffected agents; S scenes.

    Attributes:
        affected_scene: int64 ``[E]``.
        affected_class: uint8 ``[E]`` `AgentClass`.
        affected_plan: str ``[E]`` name of the plan.
        affected_error: float64 ``[E, 5]`` minADE of all modes over 8 s [m], columns `Answer`.
        driven_scene: int64 ``[D]``.
        driven_error: float64 ``[D, 5]`` the same where the answer to what the ego did moves somebody.
        crossing_scene: int64 ``[C]``.
        crossing_first: bool ``[C]`` the agent goes first.
        crossing_score: float64 ``[C, 5]`` probability that it does, at the true place, columns `Answer`.
        crossing_told: float64 ``[C]`` as answered; NaN where the answer knows no crossing.
        contact_scene: int64 ``[H]``.
        contact_close: bool ``[H]`` they come closer than `CLOSE` under some plan.
        contact_true: bool ``[H, 2]`` columns `Contact`.
        contact_score: float64 ``[H, 2, 5]``.
        unaffected_scene: int64 ``[U]``.
        unaffected_beside: bool ``[U]`` within `BESIDE` of the ego.
        unaffected_change: float64 ``[U]`` largest distance between its futures under two plans, any mode and time [m].
        early: float64 ``[S]`` see `SceneAnswers`.
        plans: int64 ``[S]`` plans of each scene.
    """

    affected_scene: NDArray[np.int64]
    affected_class: NDArray[np.uint8]
    affected_plan: NDArray[np.str_]
    affected_error: NDArray[np.float64]
    driven_scene: NDArray[np.int64]
    driven_error: NDArray[np.float64]
    crossing_scene: NDArray[np.int64]
    crossing_first: NDArray[np.bool_]
    crossing_score: NDArray[np.float64]
    crossing_told: NDArray[np.float64]
    contact_scene: NDArray[np.int64]
    contact_close: NDArray[np.bool_]
    contact_true: NDArray[np.bool_]
    contact_score: NDArray[np.float64]
    unaffected_scene: NDArray[np.int64]
    unaffected_beside: NDArray[np.bool_]
    unaffected_change: NDArray[np.float64]
    early: NDArray[np.float64]
    plans: NDArray[np.int64]

    @classmethod
    def concatenate(cls, parts: list[WhatIfScores]) -> WhatIfScores:
        """All scores, scenes counted on from part to part."""
        columns: dict[str, Any] = {}
        first = np.cumsum([0, *(len(part.early) for part in parts)])
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            if field.name.endswith("_scene"):
                values = [value + start for value, start in zip(values, first[:-1], strict=True)]
            columns[field.name] = np.concatenate(values)
        return cls(**columns)


def score_scene(scene: SceneFutures, answers: SceneAnswers, seed: int) -> WhatIfScores:
    """Scores of one scene; `seed` draws which plan's answer is the shuffled one."""
    plans = len(scene.plans)
    shift = int(np.random.default_rng(seed).integers(1, plans)) if plans > 1 else 0
    apart = apart_from_first(scene.futures)
    whole = np.asarray(scene.valid.all(axis=2))
    affected = np.argwhere((apart > AFFECTED) & whole & whole[0])
    moved = np.stack([_displaced(one, answers.unconditional) for one in answers.conditional])
    driven = np.flatnonzero(moved[0] & whole[0])
    errors = np.stack([_errors(scene, answers.of_plan(plan, shift), plan) for plan in range(plans)])  # [M, N, 5]
    errors[:, :, Answer.SHUFFLED] = np.where(plans > 1, errors[:, :, Answer.SHUFFLED], np.nan)
    known = scene.valid[:1] & scene.valid
    unaffected = np.flatnonzero((apart <= UNAFFECTED).all(axis=0) & known.any(axis=2).all(axis=0) & (plans > 1))
    distance = np.hypot(*(scene.scene.position[:, :2] - scene.ego.centre).T)
    names = np.array([plan.name.split(":")[0] for plan in scene.plans])
    count = len(affected)
    return WhatIfScores(
        affected_scene=np.zeros(count, np.int64),
        affected_class=scene.scene.classes[affected[:, 1]],
        affected_plan=names[affected[:, 0]],
        affected_error=errors[affected[:, 0], affected[:, 1]],
        driven_scene=np.zeros(len(driven), np.int64),
        driven_error=errors[0, driven],
        **_crossings(scene, answers, shift),
        **_contacts(scene, answers, shift, distance),
        unaffected_scene=np.zeros(len(unaffected), np.int64),
        unaffected_beside=distance[unaffected] < BESIDE,
        unaffected_change=_changes(answers.conditional, unaffected, np.asarray(moved.any(axis=0))),
        early=np.array([answers.early]),
        plans=np.array([plans]),
    )


def apart_from_first(futures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest distance ``[M, N]`` of futures ``[M, N, T, 3]`` to those under the first plan, while both are there."""
    offset = futures[..., :2] - futures[:1, ..., :2]
    return np.asarray(np.nan_to_num(np.hypot(offset[..., 0], offset[..., 1])).max(axis=2, initial=0.0))


def _displaced(one: PredictedAgents, other: PredictedAgents) -> NDArray[np.bool_]:
    return np.asarray((np.abs(one.positions - other.positions) > _MOVED).any(axis=(1, 2, 3)))


def _errors(scene: SceneFutures, predictions: tuple[PredictedAgents, ...], plan: int) -> NDArray[np.float64]:
    """Errors (minADE) ``[N, 5]`` of several answers to the truth of one plan; NaN where it is not known to the end."""
    truth = scene.futures[plan, :, None, :, :2]
    return np.stack(
        [np.linalg.norm(p.map_positions - truth, axis=-1).mean(axis=-1).min(axis=-1) for p in predictions], axis=-1
    )


def _changes(
    conditional: tuple[PredictedAgents, ...], rows: NDArray[np.int64], moved: NDArray[np.bool_]
) -> NDArray[np.float64]:
    changes = np.zeros(len(rows))
    for place in np.flatnonzero(moved[rows]).tolist():
        futures = np.stack([p.positions[rows[place]].astype(np.float64) for p in conditional])
        pairs = futures[:, None] - futures[None]
        changes[place] = np.hypot(pairs[..., 0], pairs[..., 1]).max()
    return changes


def _crossings(scene: SceneFutures, answers: SceneAnswers, shift: int) -> dict[str, Any]:
    origin = answers.unconditional.origin
    own = ego_ways(scene.plans, scene.ego, origin)
    now = np.broadcast_to(scene.scene.position[:, None, :2], (len(scene.plans), len(scene.scene), 1, 2))
    true_paths = scene.futures[..., :2] - origin
    ways = longest(np.concatenate([now - origin, true_paths], axis=2))
    reach = reach_of(scene.ego.width, scene.scene.size[:, 1])
    places = crossing_places(own, ways, reach)
    plan, agent = np.nonzero(np.isfinite(places[..., 0]))
    place, limit = places[plan, agent], reach[agent]
    ego_time = time_of_passing(own[plan, 1:], place, limit)
    reached = np.isfinite(ego_time)
    plan, agent, place = plan[reached], agent[reached], place[reached]
    limit, ego_time = limit[reached], ego_time[reached]
    scores = np.zeros((len(plan), len(Answer)))
    for number in np.unique(plan).tolist():
        here = np.flatnonzero(plan == number)
        for column, predicted in enumerate(answers.of_plan(number, shift)):
            part = predicted.take(agent[here])
            before = probability_of_passing(
                part.positions + (part.origin - origin), part.covariances, place[here, None], limit[here, None],
                ego_time[here, None],
            )  # fmt: skip
            scores[here, column] = (before * part.probabilities).sum(axis=1)
    if len(scene.plans) == 1:
        scores[:, Answer.SHUFFLED] = np.nan
    return {
        "crossing_scene": np.zeros(len(plan), np.int64),
        "crossing_first": time_of_passing(true_paths[plan, agent], place, limit) < ego_time,
        "crossing_score": scores,
        "crossing_told": answers.goes_first[plan, agent],
    }


def _contacts(scene: SceneFutures, answers: SceneAnswers, shift: int, distance: NDArray[np.float64]) -> dict[str, Any]:
    agents = np.flatnonzero(distance < WATCHED)
    sizes, plans = scene.scene.size[agents, :2].astype(np.float64), len(scene.plans)
    futures = scene.futures[:, agents]
    own = ego_ways(scene.plans, scene.ego, np.zeros(2))[:, 1:]
    yaws = np.stack([plan.yaw for plan in scene.plans])
    gap = np.hypot(*np.moveaxis(futures[..., :2] - own[:, None], -1, 0))
    close = np.nanmin(np.where(np.isfinite(gap), gap, np.inf), axis=(0, 2), initial=np.inf) < CLOSE
    truth = np.zeros((plans, len(agents), len(Contact)), bool)
    scores = np.zeros((plans, len(agents), len(Contact), len(Answer)))
    free = np.ones(len(agents), bool)
    for kind, ego in ((Contact.OVERLAP, scene.ego), (Contact.NEAR_MISS, larger(scene.ego, NEAR_MISS))):
        size = [ego.length, ego.width]
        now = boxes_overlap(
            scene.ego.centre, scene.ego.yaw, size, scene.scene.position[agents, :2], scene.scene.yaw[agents], sizes
        )
        free &= ~now
        with np.errstate(invalid="ignore"):
            touching = boxes_overlap(
                own[:, None], yaws[:, None], size, futures[..., :2], futures[..., 2], sizes[:, None]
            ) & np.isfinite(futures[..., 0])
        truth[..., kind] = touching.any(axis=2)
        for plan, one in enumerate(scene.plans):
            for column, predicted in enumerate(answers.of_plan(plan, shift)):
                scores[plan, :, kind, column] = _hits(one, ego, predicted.take(agents), sizes)
    if plans == 1:
        scores[..., Answer.SHUFFLED] = np.nan
    free_everywhere = np.flatnonzero(free)
    count = plans * len(free_everywhere)
    return {
        "contact_scene": np.zeros(count, np.int64),
        "contact_close": np.tile(close[free_everywhere], plans),
        "contact_true": truth[:, free_everywhere].reshape(count, len(Contact)),
        "contact_score": scores[:, free_everywhere].reshape(count, len(Contact), len(Answer)),
    }


def larger(ego: EgoState, gap: float) -> EgoState:
    """The ego with a box larger by `gap` on every side [m]."""
    return replace(ego, length=ego.length + 2 * gap, width=ego.width + 2 * gap)


def _hits(plan: EgoPlan, ego: EgoState, predicted: PredictedAgents, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return assess_collisions(PlanArrays.from_plans((plan,)), ego, predicted, sizes).agent_probability[0]
