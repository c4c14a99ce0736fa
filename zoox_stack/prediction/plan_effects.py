"""What each plan of a question does to whom: collisions, displacement, who goes first."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.collision import agent_sizes_of, rows_of
from zoox_stack.core.compiled import compiled, plain
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PlanEffects, PredictedAgents
from zoox_stack.prediction.crossings import (
    crossing_places,
    lengths,
    probability_of_passing,
    reach_of,
    time_of_passing,
)
from zoox_stack.prediction.what_if import Reactions

_LEAST_HIT = 1e-3  # collision probabilities below it are not told
_LEAST_CROSSING = 0.1  # ways cross if modes with at least this probability together do
_LEAST_MODE = 0.02  # less probable modes are not looked at


def plan_effects(
    scene: TrackedAgents,
    base: PredictedAgents,
    plans: tuple[EgoPlan, ...],
    reactions: Reactions,
    hits: NDArray[np.float64],
) -> tuple[PlanEffects, ...]:
    """Effects of every plan.

    Args:
        scene: The scene the question is about.
        base: Its unconditional futures.
        plans: What the ego might do.
        reactions: Futures that differ from the unconditional ones.
        hits: ``[P, A]`` probability of the ego hitting each agent.
    """
    moved = np.zeros(hits.shape)
    moved[reactions.plan, reactions.rows] = displacements(base, reactions)
    first = np.full(hits.shape, np.nan)
    if scene.ego is not None and len(base):
        first = goes_first(scene, scene.ego, base, plans, reactions)
    told = (moved > 0) | (hits > _LEAST_HIT) | np.isfinite(first)
    order = np.argsort(base.agent_ids, kind="stable")
    effects = []
    for plan in range(len(plans)):
        rows = order[told[plan, order]]
        effects.append(PlanEffects(base.agent_ids[rows], hits[plan, rows], moved[plan, rows], first[plan, rows]))
    return tuple(effects)


def displacements(base: PredictedAgents, reactions: Reactions) -> NDArray[np.float64]:
    """Largest distance of each reaction to the unconditional future, mean over the modes: ``[Q]`` [m]."""
    result = np.empty(len(reactions.rows))
    _fill_displacements(
        plain(base.positions, np.float32),
        plain(base.probabilities, np.float32),
        plain(reactions.rows, np.int64),
        plain(reactions.positions, np.float32),
        result,
    )
    return result


@compiled("void(f4[:, :, :, ::1], f4[:, ::1], i8[::1], f4[:, :, :, ::1], f8[::1])")
def _fill_displacements(
    base: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    rows: NDArray[np.int64],
    positions: NDArray[np.float32],
    result: NDArray[np.float64],
) -> None:
    for q in range(len(rows)):
        result[q] = 0.0
        for k in range(positions.shape[1]):
            most = np.float32(0.0)
            for t in range(positions.shape[2]):
                x = positions[q, k, t, 0] - base[rows[q], k, t, 0]
                y = positions[q, k, t, 1] - base[rows[q], k, t, 1]
                most = max(most, x * x + y * y)
            result[q] += math.sqrt(most) * probabilities[rows[q], k]


def goes_first(
    scene: TrackedAgents, ego: EgoState, base: PredictedAgents, plans: tuple[EgoPlan, ...], reactions: Reactions
) -> NDArray[np.float64]:
    """Probability ``[P, A]`` that an agent is at the place of conflict before the ego; NaN where there is none.

    Every mode has a way and a place of its own; those that do not conflict do not count.
    """
    own = ego_ways(plans, ego, base.origin)
    agents = _near(base, own)
    result = np.full((len(plans), len(base)), np.nan)
    if not len(agents):
        return result
    widths = agent_sizes_of(base.take(agents), scene)[:, 1]
    ways, reach = _ways(scene, base, reactions, agents), reach_of(ego.width, widths)
    modes = base.modes
    flat_ways, flat_reach = ways.reshape(-1, *ways.shape[2:]), np.repeat(reach, modes)
    unlikely = base.probabilities[agents].reshape(-1) < _LEAST_MODE
    flat_ways[unlikely] = np.nan
    places = crossing_places(own, flat_ways, flat_reach)  # [P, C * K, 2]
    plan, slot = np.nonzero(np.isfinite(places[..., 0]))
    if not len(plan):
        return result
    column, mode = np.divmod(slot, modes)
    place, limit = places[plan, slot], flat_reach[slot]
    until = time_of_passing(own[plan, 1:], place, limit)
    paths = base.positions[agents[column], mode]
    reaction = np.full(result.shape, -1)
    reaction[reactions.plan, reactions.rows] = np.arange(len(reactions.plan))
    theirs = reaction[plan, agents[column]]
    paths[theirs >= 0] = reactions.positions[theirs[theirs >= 0], mode[theirs >= 0]]
    before = probability_of_passing(paths, base.covariances[agents[column], mode], place, limit, until)
    weight = base.probabilities[agents[column], mode].astype(np.float64)
    sums = np.zeros((2, *result.shape))
    np.add.at(sums[0], (plan, agents[column]), weight)
    np.add.at(sums[1], (plan, agents[column]), weight * before)
    crossing = sums[0] >= _LEAST_CROSSING
    result[crossing] = np.minimum(sums[1][crossing] / sums[0][crossing], 1.0)
    return result


def ego_ways(plans: tuple[EgoPlan, ...], ego: EgoState, origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Box centre of the ego now and along each plan, ``[P, T + 1, 2]`` relative to `origin` [m]."""
    yaw = np.stack([plan.yaw for plan in plans])
    heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    centres = np.stack([plan.xy for plan in plans]) + ego.rear_axle_to_centre * heading
    now = np.broadcast_to(ego.centre, (len(plans), 1, 2))
    return np.asarray(np.concatenate([now, centres], axis=1) - origin)


def _near(base: PredictedAgents, own: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of the agents some mode of which enters the region that all plans lie in."""
    points, margin = own.reshape(-1, 2), 5.0
    low, high = (points.min(axis=0) - margin).astype(np.float32), (points.max(axis=0) + margin).astype(np.float32)
    x, y = base.positions[..., 0], base.positions[..., 1]
    inside = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
    return np.flatnonzero(inside.any(axis=(1, 2)))


def _ways(
    scene: TrackedAgents, base: PredictedAgents, reactions: Reactions, agents: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Way of every mode of some agents with where they are now, ``[C, K, T + 1, 2]`` relative to the origin [m]."""
    paths = base.positions[agents]
    column = np.searchsorted(agents, reactions.rows).clip(max=len(agents) - 1)
    here = np.flatnonzero(agents[column] == reactions.rows)
    column, possible = column[here], reactions.positions[here]
    length = lengths(possible)
    most = lengths(paths)
    np.maximum.at(most, column, length)
    chosen, mode = np.nonzero(length >= most[column])
    paths[column[chosen], mode] = possible[chosen, mode]
    now = (scene.position[rows_of(base.agent_ids[agents], scene), :2] - base.origin).astype(np.float32)
    return np.concatenate([np.broadcast_to(now[:, None, None], (*paths.shape[:2], 1, 2)), paths], axis=2)
