"""Agents on or near the reference path, seen along it: who is ahead, who will cross."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.speed_profiles import LeadMotion

_SAMPLES = np.arange(4, STEPS, 5)  # every 0.5 s from 0.5 s on
SIDE_MARGIN = 0.3  # [m] kept on both sides of the ego when asking whether an agent is in the way
MOST_PATH_AGENTS = 40
_AWAY = 1e6  # [m]
_CLEARS_WITHIN = 0.5  # [s] after the last sample at which it is in the way


@dataclass(frozen=True, eq=False)
class PathAgents:
    """B agents near the path, each in its most probable future; Q sample times (0 and every 0.5 s).

    Attributes:
        rows: int64 ``[B]`` rows of the predictions.
        ids: int64 ``[B]``.
        time: float64 ``[Q]`` [s].
        s: float64 ``[B, Q]`` box centre along the path [m].
        d: float64 ``[B, Q]`` to the left of it [m].
        half_along: float64 ``[B, Q]`` half extent along the path [m].
        half_across: float64 ``[B, Q]`` half extent across the path [m].
        probability: float64 ``[B]`` of that future times the agent's existence.
    """

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    time: NDArray[np.float64]
    s: NDArray[np.float64]
    d: NDArray[np.float64]
    half_along: NDArray[np.float64]
    half_across: NDArray[np.float64]
    probability: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def joined(self, other: PathAgents) -> PathAgents:
        """These agents, then the others."""

        def both(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(self, name), getattr(other, name)])

        return PathAgents(
            rows=both("rows"),
            ids=both("ids"),
            time=self.time,
            s=both("s"),
            d=both("d"),
            half_along=both("half_along"),
            half_across=both("half_across"),
            probability=both("probability"),
        )

    @cached_property
    def speed(self) -> NDArray[np.float64]:
        """Along the path, ``[B, Q]`` [m/s]."""
        return np.asarray(np.gradient(self.s, self.time, axis=1))


def find_path_agents(
    path: ReferencePath,
    ego: EgoState,
    predicted: PredictedAgents,
    position: NDArray[np.float64],
    yaw: NDArray[np.float64],
    sizes: NDArray[np.float64],
    existence: NDArray[np.float64],
    *,
    band: float = 8.0,
    most: int = MOST_PATH_AGENTS,
) -> PathAgents:
    """Agents that come within `band` [m] of the path ahead, the nearest `most` of them.

    Args:
        path: Reference path.
        ego: The ego.
        predicted: Futures of A agents.
        position: ``[A, 2]`` box centres now [m], map frame.
        yaw: ``[A]`` now [rad].
        sizes: ``[A, 2]`` length and width [m].
        existence: ``[A]``.
        band: [m].
        most: Largest number of agents.
    """
    a = len(predicted)
    samples = _SAMPLES[predicted.steps > _SAMPLES]
    time = np.concatenate([[0.0], (samples + 1) * STEP])
    mode = predicted.probabilities.argmax(axis=1) if a else np.zeros(0, np.int64)
    each = np.arange(a)
    future = predicted.positions[each[:, None], mode[:, None], samples] + predicted.origin
    points = np.concatenate([position[:, None], future], axis=1)
    heading = np.concatenate([yaw[:, None], predicted.headings[each[:, None], mode[:, None], samples]], axis=1)
    low, high = path.line.xy.min(axis=0) - band, path.line.xy.max(axis=0) + band
    close = ((points > low) & (points < high)).all(axis=2).any(axis=1)
    reach = np.hypot(*(points - [ego.x, ego.y]).transpose(2, 0, 1)).min(axis=1) if a else np.zeros(0)
    rows = np.flatnonzero(close)
    rows = np.sort(rows[np.argsort(reach[rows], kind="stable")][:most])
    flat = path.line.project(points[rows].reshape(-1, 2))
    shape = (len(rows), len(time))
    s, d = flat.s.reshape(shape), flat.d.reshape(shape)
    turn = heading[rows] - flat.heading.reshape(shape)
    half = sizes[rows] / 2
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    near = ((np.abs(d) < band) & (s > path.ego_s - 30.0)).any(axis=1)
    return PathAgents(
        rows=rows[near],
        ids=predicted.agent_ids[rows[near]],
        time=time,
        s=s[near],
        d=d[near],
        half_along=(half[:, :1] * cos + half[:, 1:] * sin)[near],
        half_across=(half[:, :1] * sin + half[:, 1:] * cos)[near],
        probability=(predicted.probabilities[each, mode] * existence)[rows[near]],
    )


def lead_at(agents: PathAgents, path: ReferencePath, ego: EgoState, offset: float) -> LeadMotion | None:
    """The nearest agent ahead of the ego in the lane at lateral `offset` [m] and its motion; None without."""
    if not len(agents):
        return None
    blocked = in_way(agents, ego, offset)
    centre = path.ego_s + ego.rear_axle_to_centre
    ahead = blocked[:, :2].any(axis=1) & (agents.s[:, 0] > centre)
    if not ahead.any():
        return None
    b = int(np.where(ahead, agents.s[:, 0] - agents.half_along[:, 0], np.inf).argmin())
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    gap = agents.s[b] - agents.half_along[b] - front
    times = STEP * np.arange(STEPS + 1)
    dense_gap = np.interp(times, agents.time, gap)
    dense_gap[np.interp(times, agents.time, blocked[b].astype(float)) < 0.5] = _AWAY
    return LeadMotion(int(agents.ids[b]), dense_gap, np.interp(times, agents.time, agents.speed[b]))


@dataclass(frozen=True)
class Crossing:
    """An agent that is beside the path now and will be on it.

    Attributes:
        agent_id: Its id.
        distance: At which the ego's front must stop to let it pass [m].
        clear: When it has left the path again [s], inf if it does not within the horizon.
    """

    agent_id: int
    distance: float
    clear: float


def crossings(agents: PathAgents, path: ReferencePath, ego: EgoState, reach: float, most: int = 2) -> list[Crossing]:
    """Agents that will cross, the nearest first; places beyond `reach` [m] and doubles within 3 m are left out."""
    if not len(agents):
        return []
    blocked = in_way(agents, ego, 0.0)
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    entry = np.where(blocked, agents.s - agents.half_along, np.inf).min(axis=1) - front
    entry[blocked[:, 0]] = np.inf
    last = np.where(blocked, agents.time, -np.inf).max(axis=1)
    found: list[Crossing] = []
    for b in np.argsort(entry, kind="stable"):
        if not 0.0 < entry[b] < reach or len(found) >= most:
            continue
        if all(abs(entry[b] - other.distance) > 3.0 for other in found):
            clear = float(last[b]) + _CLEARS_WITHIN if last[b] < agents.time[-1] else np.inf
            found.append(Crossing(int(agents.ids[b]), float(entry[b]), clear))
    return found


def in_way(agents: PathAgents, ego: EgoState, offset: float) -> NDArray[np.bool_]:
    """Whether each agent overlaps sideways with an ego driving at lateral `offset`, ``[B, Q]``."""
    return np.asarray(np.abs(agents.d - offset) < agents.half_across + ego.width / 2 + SIDE_MARGIN)
