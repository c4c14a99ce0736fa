"""Answering what-if questions: who may react, what becomes of the futures, who is hit, what is a bad question."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.collision import PlanArrays, agent_sizes_of, assess_collisions
from zoox_stack.core.compiled import compiled, plain
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents, WhatIfRequest
from zoox_stack.prediction.features import KNOT_STEPS
from zoox_stack.prediction.futures import headings_along
from zoox_stack.prediction.history import HistoryColumn, ego_row

MAX_PLANS = 16
REACTION_RANGE = 50.0  # [m] from the ego, beyond which only those react who follow somebody that does
PLAN_MARGIN = 64.0  # [m] that a plan may depart from standing or from driving on: 2 m/s^2 for 8 s
PLAN_START_TOLERANCE = 3.0  # [m] between the ego and the first point of a plan, beyond its own motion


@dataclass(frozen=True, eq=False)
class Reactions:
    """Futures of agents that a plan affects: Q pairs of plan and agent; all others keep their unconditional futures.

    Attributes:
        plan: int64 ``[Q]`` rising.
        rows: int64 ``[Q]`` rows of the agents in the unconditional prediction, rising within a plan.
        positions: float32 ``[Q, K, T, 2]`` relative to its origin [m].
        headings: float32 ``[Q, K, T]`` [rad].
    """

    plan: NDArray[np.int64]
    rows: NDArray[np.int64]
    positions: NDArray[np.float32]
    headings: NDArray[np.float32]

    def futures(self, base: PredictedAgents) -> PredictedAgents:
        """All Q futures, one after the other."""
        return replace(base.take(self.rows), positions=self.positions, headings=self.headings)


def no_reactions(base: PredictedAgents) -> Reactions:
    """Nobody is near any plan."""
    none, shape = np.zeros(0, np.int64), (0, base.modes, base.steps)
    return Reactions(none, none, np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32))


def causal_reactions(
    base: PredictedAgents,
    rows: NDArray[np.int64],
    starts: NDArray[np.float64],
    yaw: NDArray[np.float64],
    change: NDArray[np.float32],
    least: float,
) -> Reactions:
    """Reactions from what the network says that plans change.

    Small changes mean nothing and are left out, without looking into the future: a change fades in while the largest
    so far, of any mode, grows from `least` to twice that. Until then the unconditional future stays as it is, to the
    bit, so that plans that are equal until a time have equal answers until then.

    Args:
        base: Unconditional futures.
        rows: ``[R]`` agents the network was asked about, rising.
        starts: ``[R, 2]`` where they are relative to the origin of `base` [m].
        yaw: ``[R]`` their headings.
        change: ``[P, R, K, T, 2]`` conditional minus unconditional positions, each agent's own frame [m].
        least: [m].
    """
    change = plain(change, np.float32)
    shown = np.empty((change.shape[0], change.shape[1], change.shape[3]), np.float32)
    _fill_shown(change, float(least), shown)
    plan, agent = np.nonzero(shown[..., -1] > 0)
    if not len(plan):
        return no_reactions(base)
    positions = plain(base.positions[rows[agent]], np.float32)
    turn = plain(np.stack([np.cos(yaw), np.sin(yaw)], axis=1), np.float32)
    _move(positions, change, plain(plan, np.int64), plain(agent, np.int64), shown, turn)
    return Reactions(plan, rows[agent], positions, headings_along(positions, starts[agent], yaw[agent]))


@compiled("void(f4[:, :, :, :, ::1], f8, f4[:, :, ::1])")
def _fill_shown(change: NDArray[np.float32], least: float, shown: NDArray[np.float32]) -> None:
    """How much of a change ``[P, R, K, T, 2]`` is shown at each time, 0..1: ``[P, R, T]``."""
    for p in range(change.shape[0]):
        for r in range(change.shape[1]):
            so_far = np.float32(0.0)
            for t in range(change.shape[3]):
                for k in range(change.shape[2]):
                    along, across = change[p, r, k, t, 0], change[p, r, k, t, 1]
                    so_far = max(so_far, along * along + across * across)
                shown[p, r, t] = min(max((math.sqrt(so_far) - least) / max(least, 1e-6), 0.0), 1.0)


@compiled("void(f4[:, :, :, ::1], f4[:, :, :, :, ::1], i8[::1], i8[::1], f4[:, :, ::1], f4[:, ::1])")
def _move(
    positions: NDArray[np.float32],
    change: NDArray[np.float32],
    plan: NDArray[np.int64],
    agent: NDArray[np.int64],
    shown: NDArray[np.float32],
    turn: NDArray[np.float32],
) -> None:
    """Add to the positions ``[Q, K, T, 2]`` of pairs of plan and agent what is shown of the change."""
    for q in range(len(plan)):
        p, r = plan[q], agent[q]
        c, s = turn[r, 0], turn[r, 1]
        for k in range(change.shape[2]):
            for t in range(change.shape[3]):
                along, across = shown[p, r, t] * change[p, r, k, t, 0], shown[p, r, t] * change[p, r, k, t, 1]
                positions[q, k, t, 0] += c * along - s * across
                positions[q, k, t, 1] += s * along + c * across


def distances_to_ego(base: PredictedAgents, ego: EgoState) -> NDArray[np.float32]:
    """Smallest distance ``[A]`` at a knot between any mode of an agent and an ego that stands or that drives on [m].

    Standing, the ego stays where it is now; driving on, it keeps its present velocity.
    """
    if not len(base):
        return np.zeros(0, np.float32)
    at = slice(KNOT_STEPS - 1, None, KNOT_STEPS)
    now, time = ego_row(ego), base.step * np.arange(1, base.steps + 1)[at]
    here = now[: HistoryColumn.YAW] - base.origin
    velocity = now[HistoryColumn.VX :]
    egos = np.stack([here + np.zeros((len(time), 2)), here + velocity * time[:, None]]).astype(np.float32)  # [2, J, 2]
    agents = base.positions[:, None, :, at]  # [A, 1, K, J, 2]
    gap_x = agents[..., 0] - egos[None, :, None, :, 0]
    gap_y = agents[..., 1] - egos[None, :, None, :, 1]
    return np.sqrt((gap_x * gap_x + gap_y * gap_y).min(axis=(1, 2, 3)))


def reacting_rows(base: PredictedAgents, ego: EgoState, most: int) -> NDArray[np.int64]:
    """Agents whose reaction is computed, rising: at most `most`, those nearest by `distances_to_ego`.

    No plan counts here. Were it those nearest to the plans, what the ego does late would decide who may react early.
    """
    nearest = distances_to_ego(base, ego)
    near = np.flatnonzero(nearest < REACTION_RANGE + PLAN_MARGIN)
    return np.sort(near[np.argsort(nearest[near], kind="stable")[:most]])


def all_futures(base: PredictedAgents, plans: int, reactions: Reactions) -> tuple[PredictedAgents, ...]:
    """Futures of all agents under each plan."""
    predictions = []
    for plan in range(plans):
        mine = reactions.plan == plan
        positions, headings = np.array(base.positions), np.array(base.headings)
        positions[reactions.rows[mine]], headings[reactions.rows[mine]] = (
            reactions.positions[mine],
            reactions.headings[mine],
        )
        predictions.append(replace(base, positions=positions, headings=headings))
    return tuple(predictions)


def affected_futures(reacted: PredictedAgents, plans: int, reactions: Reactions) -> tuple[PredictedAgents, ...]:
    """Futures of the affected agents under each plan; `reacted` are those of all, `Reactions.futures`."""
    return tuple(reacted.take(np.flatnonzero(reactions.plan == plan)) for plan in range(plans))


def hit_probabilities(
    scene: TrackedAgents,
    base: PredictedAgents,
    plans: tuple[EgoPlan, ...],
    reactions: Reactions,
    reacted: PredictedAgents,
) -> NDArray[np.float64]:
    """Probability ``[P, A]`` that the ego hits each agent under each plan, with the futures that belong to the plan.

    They are those of `base`, for the pairs of plan and agent in `reactions` those of `reacted`, `Reactions.futures`.
    """
    if scene.ego is None or not len(scene):
        return np.zeros((len(plans), len(base)))
    arrays, sizes = PlanArrays.from_plans(plans), agent_sizes_of(base, scene)
    hits = assess_collisions(arrays, scene.ego, base, sizes, scene.existence).agent_probability
    if len(reactions.rows):
        rows = reactions.rows
        report = assess_collisions(
            arrays, scene.ego, reacted, sizes[rows], scene.existence[rows], only_plan=reactions.plan
        )
        hits[reactions.plan, rows] = report.agent_probability[reactions.plan, np.arange(len(rows))]
    return hits


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
