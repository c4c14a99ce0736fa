"""Answering what-if questions: who may react, what becomes of the futures, who is hit, what is a bad question."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.collision import PlanArrays, agent_sizes_of, collision_probability
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents, WhatIfRequest
from zoox_stack.prediction.features import KNOT_STEPS

MAX_PLANS = 16
REACTION_RANGE = 50.0  # [m] the network's reactions are exactly zero beyond it
REACTION_MARGIN = 15.0  # [m] a reaction itself may bring an agent nearer
COLLISION_RANGE = 40.0  # [m] at a knot; nobody comes from farther to touch between two knots of 0.5 s
PLAN_START_TOLERANCE = 3.0  # [m] between the ego and the first point of a plan, beyond its own motion


@dataclass(frozen=True, eq=False)
class Reactions:
    """Futures of R agents under each of P plans; all others keep their unconditional futures.

    Attributes:
        rows: int64 ``[R]`` rows of the agents in the unconditional prediction, rising.
        positions: float32 ``[P, R, K, T, 2]`` relative to its origin [m].
        headings: float32 ``[P, R, K, T]`` [rad].
    """

    rows: NDArray[np.int64]
    positions: NDArray[np.float32]
    headings: NDArray[np.float32]


def no_reactions(base: PredictedAgents, plans: int) -> Reactions:
    """Nobody is near any plan."""
    shape = (plans, 0, base.modes, base.steps)
    return Reactions(np.zeros(0, np.int64), np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32))


def distances_to_plans(base: PredictedAgents, plans: tuple[EgoPlan, ...]) -> NDArray[np.float32]:
    """Smallest distance ``[A]`` between any mode of an agent and any plan at the same knot [m]."""
    if not len(base):
        return np.zeros(0, np.float32)
    at = slice(KNOT_STEPS - 1, None, KNOT_STEPS)
    ego = (np.stack([plan.xy[at] for plan in plans]) - base.origin).astype(np.float32)  # [P, J, 2]
    agents = base.positions[:, None, :, at]  # [A, 1, K, J, 2]
    gap_x = agents[..., 0] - ego[None, :, None, :, 0]
    gap_y = agents[..., 1] - ego[None, :, None, :, 1]
    return np.sqrt((gap_x * gap_x + gap_y * gap_y).min(axis=(1, 2, 3)))


def reacting_rows(base: PredictedAgents, plans: tuple[EgoPlan, ...], most: int) -> NDArray[np.int64]:
    """Agents that come within the network's reaction range of some plan; at most `most`, the nearest; rising."""
    nearest = distances_to_plans(base, plans)
    near = np.flatnonzero(nearest < REACTION_RANGE + REACTION_MARGIN)
    return np.sort(near[np.argsort(nearest[near], kind="stable")[:most]])


def take(predicted: PredictedAgents, rows: NDArray[np.int64]) -> PredictedAgents:
    """Only some agents."""
    return replace(
        predicted,
        agent_ids=predicted.agent_ids[rows],
        probabilities=predicted.probabilities[rows],
        positions=predicted.positions[rows],
        headings=predicted.headings[rows],
        covariances=predicted.covariances[rows],
    )


def all_futures(base: PredictedAgents, reactions: Reactions) -> tuple[PredictedAgents, ...]:
    """Futures of all agents under each plan."""
    predictions = []
    for moved, turned in zip(reactions.positions, reactions.headings, strict=True):
        positions, headings = np.array(base.positions), np.array(base.headings)
        positions[reactions.rows], headings[reactions.rows] = moved, turned
        predictions.append(replace(base, positions=positions, headings=headings))
    return tuple(predictions)


def affected_futures(base: PredictedAgents, reactions: Reactions, least: float) -> tuple[PredictedAgents, ...]:
    """Under each plan only the agents that some mode of moves by more than `least` [m]."""
    own = base.positions[reactions.rows]
    predictions = []
    for moved, turned in zip(reactions.positions, reactions.headings, strict=True):
        chosen = np.flatnonzero(np.abs(moved - own).max(axis=(1, 2, 3), initial=0.0) > least)
        rows = reactions.rows[chosen]
        predictions.append(
            replace(
                base,
                agent_ids=base.agent_ids[rows],
                probabilities=base.probabilities[rows],
                positions=moved[chosen],
                headings=turned[chosen],
                covariances=base.covariances[rows],
            )
        )
    return tuple(predictions)


def collision_probabilities(
    scene: TrackedAgents, base: PredictedAgents, plans: tuple[EgoPlan, ...], reactions: Reactions | None
) -> NDArray[np.float32]:
    """Probability ``[P]`` that the ego hits anyone under each plan, with the futures that belong to the plan."""
    if scene.ego is None or not len(scene):
        return np.zeros(len(plans), np.float32)
    near = distances_to_plans(base, plans) < COLLISION_RANGE
    if reactions is not None:
        near[reactions.rows] = True
    rows = np.flatnonzero(near)
    some, existence = take(base, rows), scene.existence[rows]
    sizes = agent_sizes_of(base, scene)[rows]
    if reactions is None:
        futures = [some] * len(plans)
    else:
        within = np.searchsorted(rows, reactions.rows)
        futures = list(all_futures(some, replace(reactions, rows=within)))
    return np.array(
        [
            collision_probability(PlanArrays.from_plans([plan]), scene.ego, predicted, sizes, existence)[0]
            for plan, predicted in zip(plans, futures, strict=True)
        ],
        dtype=np.float32,
    )


def trouble_with(request: WhatIfRequest, scene: TrackedAgents) -> str:
    """What is wrong with the plans, empty if nothing."""
    if not 1 <= len(request.plans) <= MAX_PLANS:
        return f"plans: expected 1..{MAX_PLANS}, found {len(request.plans)}"
    if not (np.isfinite(request.deadline) and request.deadline > 0):
        return f"deadline: expected > 0 s, found {request.deadline}"
    for plan in request.plans:
        if len(plan) != STEPS or abs(plan.step - STEP) > 1e-6:
            return f"plan {plan.id}: expected {STEPS} points every {STEP} s, found {len(plan)} every {plan.step:g} s"
        if scene.ego is not None:
            reach = PLAN_START_TOLERANCE + abs(plan.speed[0]) * plan.step
            gap = float(np.hypot(plan.x[0] - scene.ego.x, plan.y[0] - scene.ego.y))
            if gap > reach:
                return f"plan {plan.id}: expected to start within {reach:.1f} m of the ego, found {gap:.1f} m"
    return ""
