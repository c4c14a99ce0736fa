"""The planner's work up to the question: what it could do, what that costs, what it wants to ask."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, PredictionSource
from zoox_stack.core.collision import CollisionReport
from zoox_stack.core.predictions import PredictedAgents, WhatIfRequest
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.path_agents import PathAgents
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.right_of_way import GiveWayPlaces, OwnWay

WALKERS = (AgentClass.PEDESTRIAN, AgentClass.ANIMAL)


@dataclass(frozen=True, eq=False)
class PlanningScene:
    """The agents that matter for planning: rows of the tracked scene, aligned with `futures`.

    Attributes:
        ids: int64 ``[A]``.
        position: float64 ``[A, 2]`` [m].
        yaw: float64 ``[A]`` [rad].
        sizes: float64 ``[A, 2]`` length, width [m].
        existence: float64 ``[A]``.
        speed: float64 ``[A]`` [m/s].
        walks: bool ``[A]`` pedestrians and animals.
        futures: Unconditional futures of these agents.
        stays: float64 ``[A]`` how much to believe that they go on standing: `belief_in_staying`, `kept_by_signals`.
        overlapping: int64, ids left out because they overlap the ego now (most likely the ego itself or bad boxes).
    """

    ids: NDArray[np.int64]
    position: NDArray[np.float64]
    yaw: NDArray[np.float64]
    sizes: NDArray[np.float64]
    existence: NDArray[np.float64]
    speed: NDArray[np.float64]
    walks: NDArray[np.bool_]
    futures: PredictedAgents
    stays: NDArray[np.float64]
    overlapping: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class Preparation:
    """What the planner knows of a scene before it has its predictions. C candidates, M cost terms, A agents.

    Attributes:
        scene: The tracked scene.
        ego: The ego.
        path: Reference path.
        rows: int64 ``[A]`` rows of the agents of the scene that matter.
        stays: float64 ``[A]`` as in `PlanningScene`.
        overlapping: As in `PlanningScene`.
        candidates: The candidates.
        rejections: uint8 ``[C]`` `Rejection` by geometry, dynamics and signals.
        motion: float64 ``[C, M]`` weighted costs of the ego's own motion.
        give_way: Where others go first.
        own_way: Where the ego does.
        notes: What is missing in the input, for people.
    """

    scene: TrackedAgents
    ego: EgoState
    path: ReferencePath
    rows: NDArray[np.int64]
    stays: NDArray[np.float64]
    overlapping: NDArray[np.int64]
    candidates: Candidates
    rejections: NDArray[np.uint8]
    motion: NDArray[np.float64]
    give_way: GiveWayPlaces
    own_way: OwnWay
    notes: tuple[str, ...] = ()

    def planning_scene(self, futures: PredictedAgents) -> PlanningScene:
        """The agents that matter, with `futures` of all agents of the scene."""
        scene, rows = self.scene, self.rows
        return PlanningScene(
            ids=scene.ids[rows],
            position=scene.position[rows, :2],
            yaw=scene.yaw[rows],
            sizes=scene.size[rows, :2].astype(np.float64),
            existence=scene.existence[rows].astype(np.float64),
            speed=scene.speed[rows],
            walks=np.isin(scene.classes[rows], WALKERS),
            futures=futures.take(rows),
            stays=self.stays,
            overlapping=self.overlapping,
        )


@dataclass(frozen=True, eq=False)
class Proposal:
    """Everything the planner knows before it has an answer. C candidates, M cost terms.

    Attributes:
        stamp_ns: Stamp of the scene [ns].
        ego: The ego.
        path: Reference path.
        known_ids: int64, ids of all agents of the tracked scene.
        scene: Agents that matter.
        predictions_from: Where the unconditional futures came from.
        agents: Those near the path, by their unconditional futures.
        candidates: The candidates.
        rejections: uint8 ``[C]`` `Rejection`, collisions by unconditional futures.
        motion: float64 ``[C, M]`` weighted costs of the ego's own motion.
        costs: float64 ``[C, M]`` weighted costs with unconditional futures.
        report: Collisions with unconditional futures.
        danger: float64 ``[C, A]`` of going straight on, from `straight_on`, with unconditional futures.
        asked: int64 ``[N]`` candidate rows to ask about, the best first; empty if there is nothing to ask.
        request: The question, None if there is nothing to ask.
        own_way: Where the ego goes first.
        notes: What is missing in the input, for people.
    """

    stamp_ns: int
    ego: EgoState
    path: ReferencePath
    known_ids: NDArray[np.int64]
    scene: PlanningScene
    predictions_from: PredictionSource
    agents: PathAgents
    candidates: Candidates
    rejections: NDArray[np.uint8]
    motion: NDArray[np.float64]
    costs: NDArray[np.float64]
    report: CollisionReport
    danger: NDArray[np.float64]
    asked: NDArray[np.int64]
    request: WhatIfRequest | None
    own_way: OwnWay
    notes: tuple[str, ...] = ()

    @property
    def totals(self) -> NDArray[np.float64]:
        """``[C]``."""
        return np.asarray(self.costs.sum(axis=1))
