"""How likely ego plans are to hit predicted agents: boxes, Gaussian position errors, modes with probabilities.

Per plan, agent, mode and time the probability of overlap is that of the relative position lying in the Minkowski sum
of both boxes. The sum is bounded by a rectangle, once aligned with the ego and once with the agent, and the smaller of
both probabilities is taken; within a rectangle the error along and across is taken as independent (as in Lambert,
Gruyer and Saint Pierre, "A Fast Monte Carlo Algorithm for Collision Probability Estimation", 2008, discussion of
rectangular bounds). Over time the greatest value counts, over modes the weighted sum, over agents "at least one".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PredictedAgents

_SIGMAS = 2.5  # agents further than this many standard deviations beyond touching count as out of reach
_FINE_UNTIL = 4.0  # [s] every second step until here, every fourth after it
_NEAR = 1.0  # [m] boxes that stay further apart than this and out of reach of the errors are not looked at
_BLOCK = 16_384  # distances worked out at once
_NEGLIGIBLE = 1e-3  # probabilities below it are not worked out further


@dataclass(frozen=True, eq=False)
class PlanArrays:
    """C ego plans of equal length: point i is at ``(i + 1) * step``; base_link in the map frame.

    Attributes:
        x: float64 ``[C, T]`` [m].
        y: float64 ``[C, T]`` [m].
        yaw: float64 ``[C, T]`` [rad].
        step: [s].
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    step: float

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or not self.x.shape == self.y.shape == self.yaw.shape:
            raise InvalidInputError(
                "PlanArrays", "x, y, yaw of one shape [C, T]", f"{self.x.shape}, {self.y.shape}, {self.yaw.shape}"
            )

    @classmethod
    def from_plans(cls, plans: Sequence[EgoPlan]) -> PlanArrays:
        """Stack plans; they must share length and step."""
        if len({(len(p), round(p.step, 6)) for p in plans}) != 1:
            raise InvalidInputError(
                "ego plans", "one or more of equal length and step", f"{[(len(p), p.step) for p in plans]}"
            )
        return cls(
            np.stack([p.x for p in plans]),
            np.stack([p.y for p in plans]),
            np.stack([p.yaw for p in plans]),
            plans[0].step,
        )


@dataclass(frozen=True, eq=False)
class CollisionReport:
    """What may happen between C plans and A agents; arrays ``[C, A]``, summed up over the agents by the properties.

    Attributes:
        agent_probability: Of a hit within the horizon, 0..1.
        agent_risk: The same with later times counting less (see `assess_collisions`), 0..1.
        agent_certain: Probability that the predicted means themselves overlap, position errors left aside, 0..1.
        agent_time: Earliest such overlap [s], inf for none.
        agent_distance: Smallest distance between the boxes of any predicted mean [m] (a lower bound where they are
            turned against each other); inf where it stays over a metre and out of reach of the error.
    """

    agent_probability: NDArray[np.float64]
    agent_risk: NDArray[np.float64]
    agent_certain: NDArray[np.float64]
    agent_time: NDArray[np.float64]
    agent_distance: NDArray[np.float64]

    @cached_property
    def probability(self) -> NDArray[np.float64]:
        """Of hitting at least one agent, ``[C]``."""
        return any_of(self.agent_probability)

    @cached_property
    def risk(self) -> NDArray[np.float64]:
        """`agent_risk` of at least one agent, ``[C]``."""
        return any_of(self.agent_risk)

    @cached_property
    def certain(self) -> NDArray[np.float64]:
        """`agent_certain` of at least one agent, ``[C]``."""
        return any_of(self.agent_certain)

    @cached_property
    def time(self) -> NDArray[np.float64]:
        """Earliest overlap of means [s], inf for none, ``[C]``."""
        return np.asarray(self.agent_time.min(axis=1, initial=np.inf))

    @cached_property
    def distance(self) -> NDArray[np.float64]:
        """Smallest distance to any agent [m], ``[C]``."""
        return np.asarray(self.agent_distance.min(axis=1, initial=np.inf))

    def of_plans(self, plans: NDArray[np.int64]) -> CollisionReport:
        """Only the rows `plans`."""
        return CollisionReport(*(values[plans] for values in self._arrays()))

    def with_answers(
        self, plan: NDArray[np.int64], agent: NDArray[np.int64], other: CollisionReport
    ) -> CollisionReport:
        """This report where some agents have other futures under some plans.

        Args:
            plan: ``[Q]`` row of the plan each of the other futures belongs to.
            agent: ``[Q]`` column of the agent whose future it is.
            other: Report ``[C, Q]`` of the same plans and the other futures.
        """

        def merged(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
            values = mine.copy()
            values[plan, agent] = theirs[plan, np.arange(len(plan))]
            return values

        return CollisionReport(*(merged(*pair) for pair in zip(self._arrays(), other._arrays(), strict=True)))

    def _arrays(self) -> tuple[NDArray[np.float64], ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def any_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability ``[C]`` of at least one of independent events with probabilities ``[C, A]``."""
    return np.asarray(1.0 - np.prod(1.0 - values, axis=1))


def agent_sizes_of(predicted: PredictedAgents, scene: TrackedAgents) -> NDArray[np.float64]:
    """Length and width of every predicted agent, float64 ``[A, 2]`` [m].

    Raises:
        InvalidInputError: A predicted agent is not in the scene.
    """
    rows = rows_of(predicted.agent_ids, scene)
    if (rows < 0).any():
        missing = predicted.agent_ids[rows < 0][:5].tolist()
        raise InvalidInputError("PredictedAgents.agent_ids", "ids of the scene", f"unknown ids {missing}")
    return scene.size[rows, :2].astype(np.float64)


def rows_of(ids: NDArray[np.int64], scene: TrackedAgents) -> NDArray[np.int64]:
    """Row of each id in the scene, -1 where it is not there; int64 ``[len(ids)]``."""
    if not len(scene):
        return np.full(len(ids), -1)
    rows = np.minimum(np.searchsorted(scene.ids, ids), len(scene) - 1)
    return np.where(scene.ids[rows] == ids, rows, -1)


def collision_probability(
    plans: PlanArrays,
    ego: EgoState,
    predicted: PredictedAgents,
    agent_sizes: NDArray[Any],
    existence: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Probability ``[C]`` that each plan hits at least one agent; arguments as `assess_collisions`."""
    return assess_collisions(plans, ego, predicted, agent_sizes, existence).probability


def assess_collisions(
    plans: PlanArrays,
    ego: EgoState,
    predicted: PredictedAgents,
    agent_sizes: NDArray[Any],
    existence: NDArray[Any] | None = None,
    *,
    discount_time: float = 8.0,
    certain_until: float = np.inf,
    speeds: NDArray[Any] | None = None,
    only_plan: NDArray[np.int64] | None = None,
) -> CollisionReport:
    """Compare C plans with the futures of A agents.

    Args:
        plans: What the ego would do.
        ego: Its size and where base_link lies in its box.
        predicted: Futures, same step as the plans; the shorter horizon counts.
        agent_sizes: ``[A, 2 or more]`` length and width [m], rows as in `predicted`.
        existence: ``[A]`` probability that the agent is real; None: all are.
        discount_time: [s] time constant with which later overlaps count less in `risk`.
        certain_until: [s] overlaps of means after this do not count as `certain`.
        speeds: ``[C, T]`` ego speeds [m/s]; where the ego stands, an overlap does not count as `certain`.
        only_plan: ``[A]`` the one plan each agent is compared with (futures that hold under this plan only); the
            agent counts as far away from the others. None: every agent with every plan.

    Raises:
        InvalidInputError: Steps differ or the sizes do not fit the agents.
    """
    c, a = len(plans.x), len(predicted)
    if len(agent_sizes) != a:
        raise InvalidInputError("agent_sizes", f"{a} rows", f"{len(agent_sizes)} rows")
    if abs(plans.step - predicted.step) > 1e-6:
        raise InvalidInputError("step of plans and predictions", f"{predicted.step} s", f"{plans.step} s")
    zero, never = np.zeros((c, a)), np.full((c, a), np.inf)
    empty = CollisionReport(zero, zero, zero, never, never)
    if a == 0 or c == 0:
        return empty
    steps = _time_rows(min(plans.x.shape[1], predicted.steps), plans.step)
    pairs = _Pairs.near(plans, ego, predicted, np.asarray(agent_sizes, dtype=np.float32), steps, only_plan)
    if not len(pairs.plan):
        return empty
    overlap, distance = pairs.evaluate()
    # Pairs are ordered by plan, agent, mode and time, so that equal slots lie side by side.
    both = pairs.plan * a + pairs.agent
    starts = np.flatnonzero(np.diff(both, prepend=-1))
    nearest = np.full(c * a, np.inf)
    nearest[both[starts]] = np.minimum.reduceat(distance, starts)
    counts = np.flatnonzero((overlap > _NEGLIGIBLE) | (distance <= 0))
    if not len(counts):
        return replace(empty, agent_distance=nearest.reshape(c, a))
    plan, agent, mode, when = pairs.plan[counts], pairs.agent[counts], pairs.mode[counts], pairs.time[counts]
    overlap, touching, both = overlap[counts], distance[counts] <= 0, both[counts]
    time = (steps + 1) * plans.step
    slot = both * predicted.modes + mode
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    weight = predicted.probabilities.astype(np.float64)
    if existence is not None:
        weight = weight * np.asarray(existence, dtype=np.float64)[:, None]

    def over_modes(values: NDArray[Any]) -> NDArray[np.float64]:
        """Greatest over time, weighted sum over modes: ``[C, A]``."""
        greatest = np.zeros(c * a * predicted.modes)
        greatest[slot[starts]] = np.maximum.reduceat(values, starts)
        return np.minimum(1.0, np.einsum("cak,ak->ca", greatest.reshape(c, a, -1), weight))

    if speeds is not None:
        touching &= speeds[plan, steps[when]] > 0.2
    first = np.full(c * a, np.inf)
    hit = np.flatnonzero(touching & (weight[agent, mode] > 0.01))
    np.minimum.at(first, both[hit], time[when[hit]])
    return CollisionReport(
        agent_probability=over_modes(overlap),
        agent_risk=over_modes(overlap * np.exp(-time / discount_time)[when]),
        agent_certain=over_modes((touching & (time[when] <= certain_until)).astype(np.float64)),
        agent_time=first.reshape(c, a),
        agent_distance=nearest.reshape(c, a),
    )


def _within(offset: NDArray[Any], half: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
    """Probability that a Gaussian around `offset` lies in -half..half.

    The normal distribution is approximated as by Page (1977), "Approximations to the Cumulative Normal Function and
    its Inverse for Use on a Pocket Calculator"; largest error 2e-4.
    """
    scale = np.float32(1.0) / sigma
    high, low = (half - offset) * scale, (half + offset) * scale
    a, b = np.float32(0.7978846), np.float32(0.0356774)  # sqrt(2 / pi) and sqrt(2 / pi) * 0.044715
    return np.float32(0.5) * (np.tanh(high * (a + b * high * high)) + np.tanh(low * (a + b * low * low)))


def _time_rows(steps: int, step: float) -> NDArray[np.int64]:
    """Rows of the time axis that are looked at: every second one early, every fourth one late, and the last."""
    fine = round(_FINE_UNTIL / step)
    rows = np.concatenate([np.arange(1, min(fine, steps), 2), np.arange(fine + 3, steps, 4), [steps - 1]])
    return np.unique(rows[rows < steps])


def _within_reach(
    x: NDArray[Any], y: NDArray[Any], limit: NDArray[Any], time: NDArray[np.int64], ex: NDArray[Any], ey: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Which of the places `x`, `y` ``[M]`` at rows `time` come nearer than the root of `limit` to which plan.

    Returns plan, place and offsets dx, dy of every such pair, ordered by plan.
    """
    found: list[tuple[NDArray[Any], ...]] = []
    block = max(1, _BLOCK // max(len(time), 1))
    for first in range(0, len(ex), block):  # small blocks stay in the cache
        dx = x - ex[first : first + block].take(time, axis=1)
        dy = y - ey[first : first + block].take(time, axis=1)
        row, column = np.nonzero(dx * dx + dy * dy < limit)
        found.append((row + first, column, dx[row, column], dy[row, column]))
    plan, column, dx, dy = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return plan, column, dx, dy


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Combinations of plan, agent, mode and time that come near each other: M of them, ordered; arrays ``[M]``."""

    plan: NDArray[np.int64]
    agent: NDArray[np.int64]
    mode: NDArray[np.int64]
    time: NDArray[np.int64]
    dx: NDArray[np.float32]  # [m] agent centre minus ego centre
    dy: NDArray[np.float32]
    ego_yaw: NDArray[np.float32]
    agent_yaw: NDArray[np.float32]
    covariance: NDArray[np.float32]  # [3, M] xx, xy, yy
    ego_half: tuple[float, float]
    agent_half: NDArray[np.float32]  # [2, M] half length, half width

    @classmethod
    def near(
        cls,
        plans: PlanArrays,
        ego: EgoState,
        predicted: PredictedAgents,
        sizes: NDArray[np.float32],
        steps: NDArray[np.int64],
        only_plan: NDArray[np.int64] | None,
    ) -> _Pairs:
        """Keep what can touch; first per agent, mode and time against the region of all plans, then per plan."""
        f32 = np.float32
        yaw = plans.yaw[:, steps]
        ex = (plans.x[:, steps] - predicted.origin[0] + ego.rear_axle_to_centre * np.cos(yaw)).astype(f32)
        ey = (plans.y[:, steps] - predicted.origin[1] + ego.rear_axle_to_centre * np.sin(yaw)).astype(f32)
        position = predicted.positions[:, :, steps]
        covariance = predicted.covariances[:, :, steps]
        spread = np.sqrt(np.maximum(covariance[..., 0] + covariance[..., 2], 0))
        radius = f32(np.hypot(ego.length, ego.width) / 2) + np.hypot(sizes[:, 0], sizes[:, 1]) / 2
        reach = radius[:, None, None] + np.maximum(f32(_SIGMAS) * spread, f32(_NEAR))
        px, py = position[..., 0], position[..., 1]
        close = (
            (px > ex.min(axis=0) - reach)
            & (px < ex.max(axis=0) + reach)
            & (py > ey.min(axis=0) - reach)
            & (py < ey.max(axis=0) + reach)
            & (predicted.probabilities[:, :, None] > 1e-3)
        )
        agent, mode, time = np.nonzero(close)
        x, y, limit = px[close], py[close], reach[close] ** 2
        if only_plan is None:
            plan, column, dx, dy = _within_reach(x, y, limit, time, ex, ey)
        else:
            mine = only_plan[agent]
            dx, dy = x - ex[mine, time], y - ey[mine, time]
            column = np.flatnonzero(dx * dx + dy * dy < limit)
            column = column[np.argsort(mine[column], kind="stable")]
            plan, dx, dy = mine[column], dx[column], dy[column]
        time = time[column]
        return cls(
            plan=plan,
            agent=agent[column],
            mode=mode[column],
            time=time,
            dx=dx,
            dy=dy,
            ego_yaw=yaw.astype(f32)[plan, time],
            agent_yaw=predicted.headings[:, :, steps][close][column],
            covariance=covariance[close].T.take(column, axis=1),
            ego_half=(ego.length / 2, ego.width / 2),
            agent_half=(sizes[:, :2] / f32(2)).T.take(agent[column], axis=1),
        )

    def evaluate(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Probability of overlap and distance of the boxes (0 when they overlap, a lower bound else), ``[M]`` each."""
        turn = self.agent_yaw - self.ego_yaw
        cos_turn, sin_turn = np.abs(np.cos(turn)), np.abs(np.sin(turn))
        length, width = self.ego_half
        agent_length, agent_width = self.agent_half
        in_ego = (
            length + agent_length * cos_turn + agent_width * sin_turn,
            width + agent_length * sin_turn + agent_width * cos_turn,
        )
        in_agent = (
            agent_length + length * cos_turn + width * sin_turn,
            agent_width + length * sin_turn + width * cos_turn,
        )
        every: slice = slice(None)
        inside, distance = self._in_frame(every, self.ego_yaw, *in_ego)
        rest = np.flatnonzero(inside > _NEGLIGIBLE)
        second = self._in_frame(rest, self.agent_yaw[rest], in_agent[0][rest], in_agent[1][rest])
        inside[rest] = np.minimum(inside[rest], second[0])
        distance[rest] = np.maximum(distance[rest], second[1])
        return inside, distance

    def _in_frame(
        self, rows: slice | NDArray[np.int64], yaw: NDArray[Any], half_length: NDArray[Any], half_width: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        cos, sin = np.cos(yaw), np.sin(yaw)
        dx, dy = self.dx[rows], self.dy[rows]
        u = np.abs(cos * dx + sin * dy)
        v = np.abs(cos * dy - sin * dx)
        xx, xy, yy = self.covariance[:, rows]
        cross = 2 * cos * sin * xy
        su = np.sqrt(np.maximum(cos * cos * xx + cross + sin * sin * yy, 1e-4))
        sv = np.sqrt(np.maximum(sin * sin * xx - cross + cos * cos * yy, 1e-4))
        inside = _within(u, half_length, su) * _within(v, half_width, sv)
        return inside, np.hypot(np.maximum(u - half_length, 0), np.maximum(v - half_width, 0))
