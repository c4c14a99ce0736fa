"""How likely ego plans are to hit predicted agents: boxes, Gaussian position errors, modes with probabilities.

Per plan, agent, mode and time the probability of overlap is that of the relative position lying in the Minkowski sum
of both boxes. The sum is bounded by a rectangle, once aligned with the ego and once with the agent, and the smaller of
both probabilities is taken; within a rectangle the error along and across is taken as independent (as in Lambert,
Gruyer and Saint Pierre, "A Fast Monte Carlo Algorithm for Collision Probability Estimation", 2008, discussion of
rectangular bounds). Over time the greatest value counts, over modes the weighted sum, over agents "at least one".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.collision_loop import compare
from zoox_stack.core.compiled import plain
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PredictedAgents

_FINE_UNTIL = 4.0  # [s] every second step until here, every fourth after it
_STANDING = 0.2  # [m/s]


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

    def take(self, rows: NDArray[np.int64]) -> PlanArrays:
        """Only the plans `rows`."""
        return PlanArrays(self.x[rows], self.y[rows], self.yaw[rows], self.step)

    def until(self, steps: int) -> PlanArrays:
        """Only the first `steps` points."""
        return PlanArrays(self.x[:, :steps], self.y[:, :steps], self.yaw[:, :steps], self.step)

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
    """

    agent_probability: NDArray[np.float64]
    agent_risk: NDArray[np.float64]
    agent_certain: NDArray[np.float64]
    agent_time: NDArray[np.float64]

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
    standing_share: float = 1.0,
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
        standing_share: Factor on `risk` while the ego stands, as `speeds` say: who stands is hit, and does not hit.

    Raises:
        InvalidInputError: Steps differ or the sizes do not fit the agents.
    """
    c, a = len(plans.x), len(predicted)
    if len(agent_sizes) != a:
        raise InvalidInputError("agent_sizes", f"{a} rows", f"{len(agent_sizes)} rows")
    if abs(plans.step - predicted.step) > 1e-6:
        raise InvalidInputError("step of plans and predictions", f"{predicted.step} s", f"{plans.step} s")
    report = CollisionReport(*(np.full((c, a), value) for value in (0.0, 0.0, 0.0, np.inf)))
    if a == 0 or c == 0:
        return report
    # Plans that end near each other one after the other; where each agent has a plan of its own, order does not matter.
    of = _by_way(plans) if only_plan is None else np.arange(c)
    rows = _time_rows(min(plans.x.shape[1], predicted.steps), plans.step)
    picked = np.ix_(of, rows)
    time, yaw = (rows + 1) * plans.step, plans.yaw[picked]
    cos, sin = np.cos(yaw), np.sin(yaw)
    x = plans.x[picked] - predicted.origin[0] + ego.rear_axle_to_centre * cos
    y = plans.y[picked] - predicted.origin[1] + ego.rear_axle_to_centre * sin
    moving = np.ones(x.shape, bool) if speeds is None else np.asarray(speeds)[picked] > _STANDING
    weight = predicted.probabilities.astype(np.float64)
    if existence is not None:
        weight = weight * np.asarray(existence, dtype=np.float64)[:, None]
    compare(
        plain(np.stack([x, y, cos, sin], axis=-1).swapaxes(0, 1), np.float64),
        (ego.length / 2, ego.width / 2),
        plain(predicted.positions, np.float32),
        plain(predicted.headings, np.float32),
        plain(predicted.covariances, np.float32),
        plain(predicted.probabilities, np.float32),
        plain(weight, np.float64),
        plain(np.asarray(agent_sizes)[:, :2] / 2, np.float64),
        np.full(a, -1) if only_plan is None else plain(only_plan, np.int64),
        plain(rows, np.int64),
        plain(time, np.float64),
        plain(np.exp(-time / discount_time), np.float64),
        plain(moving.T, np.bool_),
        float(certain_until),
        float(standing_share),
        report.agent_probability,
        report.agent_risk,
        report.agent_certain,
        report.agent_time,
    )
    if only_plan is None:
        for field in fields(CollisionReport):
            array = getattr(report, field.name)
            array[of] = array.copy()
    return report


def _by_way(plans: PlanArrays) -> NDArray[np.int64]:
    """An order in which plans that end near each other follow each other."""
    way = np.hypot(plans.x[:, -1] - plans.x[:, 0], plans.y[:, -1] - plans.y[:, 0])
    return np.argsort(way, kind="stable")


def _time_rows(steps: int, step: float) -> NDArray[np.int64]:
    """Rows of the time axis that are looked at: every second one early, every fourth one late, and the last."""
    fine = round(_FINE_UNTIL / step)
    rows = np.concatenate([np.arange(1, min(fine, steps), 2), np.arange(fine + 3, steps, 4), [steps - 1]])
    return np.unique(rows[rows < steps])
