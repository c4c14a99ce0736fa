"""Putting futures from different sources together and comparing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.predictions import PredictedAgents

_NEARLY_STANDS = 2.0  # [m] of way in 8 s
_OF_MODES = ("probabilities", "positions", "headings", "covariances")


def overlay(base: PredictedAgents, over: PredictedAgents) -> PredictedAgents:
    """The agents of `base`; those also in `over` with the futures from there.

    Numbers of modes may differ: the source with fewer is filled up with modes of probability 0. Source, model and
    provider are those of `over`.
    """
    if np.array_equal(base.agent_ids, over.agent_ids):
        return over
    if not len(over) or not len(base):
        return base
    k = max(base.modes, over.modes)
    order = np.argsort(base.agent_ids, kind="stable")
    place = np.searchsorted(base.agent_ids, over.agent_ids, sorter=order)
    rows = order[np.minimum(place, len(base) - 1)]
    known = base.agent_ids[rows] == over.agent_ids
    rows = rows[known]

    def joined(name: str) -> NDArray[Any]:
        array = pad_modes(getattr(base, name), k, name).copy()
        new = pad_modes(getattr(over, name), k, name)[known]
        array[rows] = new + (over.origin - base.origin).astype(np.float32) if name == "positions" else new
        return array

    return replace(
        over,
        agent_ids=base.agent_ids,
        origin=base.origin,
        probabilities=joined("probabilities"),
        positions=joined("positions"),
        headings=joined("headings"),
        covariances=joined("covariances"),
    )


def later(predicted: PredictedAgents, steps: int) -> PredictedAgents:
    """The same futures seen `steps` later; beyond their end agents go on as in the last step."""
    if steps <= 0:
        return predicted
    keep = min(steps, predicted.steps - 1)

    def shifted(array: NDArray[Any], end: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([array[:, :, keep:], end], axis=2)

    last = predicted.positions[:, :, -1:]
    ahead = np.arange(1, keep + 1, dtype=np.float32)[:, None]
    return replace(
        predicted,
        positions=shifted(predicted.positions, last + (last - predicted.positions[:, :, -2:-1]) * ahead),
        headings=shifted(predicted.headings, np.repeat(predicted.headings[:, :, -1:], keep, axis=2)),
        covariances=shifted(predicted.covariances, np.repeat(predicted.covariances[:, :, -1:], keep, axis=2)),
    )


def staying(predicted: PredictedAgents, position: NDArray[np.float64], share: NDArray[np.float64]) -> PredictedAgents:
    """The same futures with more belief that agents stay where they are.

    An agent's mode with the least way becomes standing still if it is nearly that already, otherwise a new mode does.
    It takes `share` of the probability of the others.

    Args:
        predicted: Futures of A agents.
        position: ``[A, 2]`` where they are now [m].
        share: ``[A]`` 0..1; agents with 0 keep their futures.
    """
    rows = np.flatnonzero(share > 0)
    if not len(rows):
        return predicted
    way = np.hypot(*(predicted.positions[rows, :, -1] - predicted.positions[rows, :, 0]).transpose(2, 0, 1))
    modes = predicted.modes + int((way.min(axis=1) > _NEARLY_STANDS).any())
    joined = {name: pad_modes(getattr(predicted, name), modes, name).copy() for name in _OF_MODES}
    mode = np.where(way.min(axis=1) > _NEARLY_STANDS, modes - 1, way.argmin(axis=1))
    joined["positions"][rows, mode] = (position[rows] - predicted.origin)[:, None]
    joined["headings"][rows, mode] = joined["headings"][rows, mode, :1]
    spread, sure = joined["covariances"][rows, mode], share[rows, None, None]  # who stays is where it is now
    joined["covariances"][rows, mode] = (1.0 - sure) * spread + sure * spread[:, :1]
    joined["probabilities"][rows] *= (1.0 - share[rows])[:, None]
    joined["probabilities"][rows, mode] += share[rows]
    changes: dict[str, Any] = joined
    return replace(predicted, **changes)


def concatenated(parts: Sequence[PredictedAgents]) -> PredictedAgents:
    """The agents of all parts, one after the other, though numbers of modes and origins differ.

    Everything else is that of the first.
    """
    modes, origin = max(part.modes for part in parts), parts[0].origin
    alike = []
    for part in parts:
        arrays: dict[str, Any] = {name: pad_modes(getattr(part, name), modes, name) for name in _OF_MODES}
        if not np.array_equal(part.origin, origin):
            arrays["positions"] = arrays["positions"] + (part.origin - origin).astype(np.float32)
        alike.append(replace(part, origin=origin, **arrays))
    return PredictedAgents.concatenate(alike)


def expected_way(predicted: PredictedAgents, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Expected distance between the first and the last step of each agent, ``[len(ids)]`` [m], NaN for absent ones."""
    way = np.full(len(ids), np.nan)
    if not len(predicted):
        return way
    moved = np.hypot(*(predicted.positions[:, :, -1] - predicted.positions[:, :, 0]).transpose(2, 0, 1))
    expected = (moved * predicted.probabilities).sum(axis=1)
    order = np.argsort(predicted.agent_ids, kind="stable")
    rows = order[np.minimum(np.searchsorted(predicted.agent_ids, ids, sorter=order), len(predicted) - 1)]
    found = predicted.agent_ids[rows] == ids
    way[found] = expected[rows[found]]
    return way


def way_lost(
    answers: Sequence[PredictedAgents], unconditional: PredictedAgents | None, ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How much way each agent loses under each plan against the answer that suits it best.

    Args:
        answers: Conditional futures, one per plan; agents left out keep their unconditional future.
        unconditional: Futures by the same source without a plan; None: not known, agents left out lose nothing.
        ids: ``[A]`` agents looked at.

    Returns:
        ``[N, A]`` [m], >= 0.
    """
    ways = np.stack([expected_way(answer, ids) for answer in answers])
    if unconditional is not None:
        usual = expected_way(unconditional, ids)
        ways = np.where(np.isnan(ways), usual, ways)
    known = np.where(np.isnan(ways), -np.inf, ways)
    best = known.max(axis=0)
    with np.errstate(invalid="ignore"):  # an agent without a way in any answer loses none
        lost = best - known
    return np.asarray(np.where(np.isfinite(lost), lost, 0.0))


def pad_modes(array: NDArray[Any], modes: int, name: str) -> NDArray[Any]:
    """An array of futures with more modes: with probability 0, or with copies of the first mode."""
    missing = modes - array.shape[1]
    if missing == 0:
        return array
    fill = np.zeros_like(array[:, :1]) if name == "probabilities" else array[:, :1]
    return np.concatenate([array, np.repeat(fill, missing, axis=1)], axis=1)
