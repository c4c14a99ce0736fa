"""Counterfactual samples and scenes: what everyone did, by what the ego did."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.core.validation import checked_array
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn


class PlanColumn(IntEnum):
    """Columns of `CounterfactualSample.ego_plans`; box centre, map frame."""

    X = 0
    Y = 1
    YAW = 2
    SPEED = 3
    ACCELERATION = 4


@dataclass(frozen=True, eq=False)
class CounterfactualSample:
    """One scene and its futures under M ego behaviours. N agents without the ego, T = 80 steps of 0.1 s, map frame.

    Attributes:
        town: Name of the road network.
        stamp_ns: Time of the scene [ns].
        ids: int64 ``[N]``, rising.
        classes: uint8 ``[N]`` `AgentClass`.
        sizes: float32 ``[N, 3]`` length, width, height [m].
        attributes: uint8 ``[N, 6]``, columns `Attribute`.
        history: float64 ``[N, 11, 5]``, columns `HistoryColumn`, last is now; zero where not valid.
        history_valid: bool ``[N, 11]``.
        ego_id: Id of the ego.
        ego_history: float64 ``[11, 5]``.
        ego_size: float32 ``[3]`` [m].
        signal_ids: int64 ``[S]``.
        signal_states: uint8 ``[S]`` `SignalState` now.
        behaviours: uint8 ``[M]`` `PlanKind` of each plan; the first is KEEP.
        ego_plans: float32 ``[M, T, 5]``, columns `PlanColumn`; step t is ``(t + 1) * 0.1`` s after the scene.
        futures: float32 ``[M, N, T, 3]`` x, y, yaw of the box centres; zero where not valid.
        futures_valid: bool ``[M, N, T]``; false once an agent has left.
    """

    town: str
    stamp_ns: int
    ids: NDArray[np.int64]
    classes: NDArray[np.uint8]
    sizes: NDArray[np.float32]
    attributes: NDArray[np.uint8]
    history: NDArray[np.float64]
    history_valid: NDArray[np.bool_]
    ego_id: int
    ego_history: NDArray[np.float64]
    ego_size: NDArray[np.float32]
    signal_ids: NDArray[np.int64]
    signal_states: NDArray[np.uint8]
    behaviours: NDArray[np.uint8]
    ego_plans: NDArray[np.float32]
    futures: NDArray[np.float32]
    futures_valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, m, s = len(self.ids), len(self.behaviours), len(self.signal_ids)
        columns = len(HistoryColumn)
        for name, dtype, shape in (
            ("ids", np.int64, (n,)),
            ("classes", np.uint8, (n,)),
            ("sizes", np.float32, (n, 3)),
            ("attributes", np.uint8, (n, 6)),
            ("history", np.float64, (n, HISTORY_STEPS, columns)),
            ("history_valid", np.bool_, (n, HISTORY_STEPS)),
            ("ego_history", np.float64, (HISTORY_STEPS, columns)),
            ("ego_size", np.float32, (3,)),
            ("signal_ids", np.int64, (s,)),
            ("signal_states", np.uint8, (s,)),
            ("behaviours", np.uint8, (m,)),
            ("ego_plans", np.float32, (m, STEPS, len(PlanColumn))),
            ("futures", np.float32, (m, n, STEPS, 3)),
            ("futures_valid", np.bool_, (m, n, STEPS)),
        ):
            array = checked_array(f"CounterfactualSample.{name}", getattr(self, name), dtype, shape)
            object.__setattr__(self, name, array)


@dataclass(frozen=True)
class RefusedPlan:
    """A plan that was not driven, or not to its end.

    Attributes:
        kind: `PlanKind`.
        name: For people.
        reason: Why.
        rolled_out: Its simulation was begun; known only where it was made.
    """

    kind: int
    name: str
    reason: str
    rolled_out: bool = field(default=False, compare=False)


@dataclass(frozen=True, eq=False)
class AffectedAgent:
    """Someone whose future depends on which plan the ego drives.

    Attributes:
        plan: Row of the plan in its sample.
        agent: Row of the agent in its sample.
        displacement: Largest distance at one time from where it is when the ego keeps on [m].
        since: When it first exceeds the threshold [s] after the scene.
    """

    plan: int
    agent: int
    displacement: float
    since: float


@dataclass(frozen=True, eq=False)
class CounterfactualScene:
    """A sample and what else is known of it. M plans, N agents, T steps.

    Attributes:
        sample: The scene and its futures.
        seed: Of the traffic it was taken from.
        ego_class: `AgentClass` of the ego.
        plan_names: M names.
        speeds: float32 ``[M, N, T]`` [m/s]; zero where not valid.
        plan_errors: float32 ``[M]`` largest distance between what was asked and what was driven [m]; NaN where SUMO's
            driver drove.
        refused: Plans that are not among the M.
        log_ego: float32 ``[T, 5]``, columns `PlanColumn`: what the ego really did next, in the world nobody forked.
        log_futures: float32 ``[N, T, 3]`` as `CounterfactualSample.futures`: what everyone really did.
        log_speeds: float32 ``[N, T]``.
        log_valid: bool ``[N, T]``.
        identity_max_diff: Largest difference of any number [m, rad, m/s] between the first plan (keep), driven twice,
            and the log; infinity if someone is present in one and not in another.
    """

    sample: CounterfactualSample
    seed: int
    ego_class: int
    plan_names: tuple[str, ...]
    speeds: NDArray[np.float32]
    plan_errors: NDArray[np.float32]
    refused: tuple[RefusedPlan, ...]
    log_ego: NDArray[np.float32]
    log_futures: NDArray[np.float32]
    log_speeds: NDArray[np.float32]
    log_valid: NDArray[np.bool_]
    identity_max_diff: float

    def __post_init__(self) -> None:
        n, m = len(self.sample.ids), len(self.sample.behaviours)
        for name, dtype, shape in (
            ("speeds", np.float32, (m, n, STEPS)),
            ("log_ego", np.float32, (STEPS, len(PlanColumn))),
            ("log_futures", np.float32, (n, STEPS, 3)),
            ("log_speeds", np.float32, (n, STEPS)),
            ("log_valid", np.bool_, (n, STEPS)),
        ):
            array = checked_array(f"CounterfactualScene.{name}", getattr(self, name), dtype, shape)
            object.__setattr__(self, name, array)
        errors = checked_array("CounterfactualScene.plan_errors", self.plan_errors, np.float32, (m,), finite=False)
        object.__setattr__(self, "plan_errors", errors)


MOST_ACCELERATION = 10.0  # [m/s^2] of an ego
AFFECTED = 0.5  # [m] from which on an agent counts as affected


def affected_by_plan(sample: CounterfactualSample, distance: float = AFFECTED) -> list[AffectedAgent]:
    """Who is more than `distance` [m] from where it is under the first plan at some time, by plan and agent."""
    apart = _apart(sample)
    most = np.nan_to_num(apart, nan=0.0).max(axis=2, initial=0.0)
    found = []
    for plan, agent in np.argwhere(most > distance).tolist():
        first = int(np.argmax(apart[plan, agent] > distance))
        found.append(AffectedAgent(plan, agent, float(most[plan, agent]), (first + 1) * STEP))
    return found


def _apart(sample: CounterfactualSample) -> NDArray[np.float32]:
    """Distance from the place under the first plan ``[M, N, T]`` [m]; NaN where one of the two is not valid."""
    xy = np.where(sample.futures_valid[..., None], sample.futures[..., :2], np.nan)
    return np.asarray(np.hypot(*np.moveaxis(xy - xy[:1], -1, 0)), np.float32)


def affected_agents(sample: CounterfactualSample, distance: float = AFFECTED) -> NDArray[np.bool_]:
    """Agents that some plan affects (see `affected_by_plan`), bool ``[N]``."""
    with np.errstate(invalid="ignore"):
        return np.asarray((_apart(sample) > distance).any(axis=(0, 2)))


def reacts_early(sample: CounterfactualSample, distance: float = 0.05) -> NDArray[np.bool_]:
    """Plans under which someone's future differs by `distance` [m] before the ego's own does by 1 mm, bool ``[M]``.

    Both are compared with the first plan. SUMO's drivers know what others intend (who has claimed a junction, who wants
    to change lane); in the rare cases where that shows, an effect precedes its cause, and a model must not learn it.
    """
    plans = sample.ego_plans[..., :2]
    same = np.cumsum(np.hypot(*np.moveaxis(plans - plans[:1], -1, 0)) > 1e-3, axis=1) == 0
    with np.errstate(invalid="ignore"):
        moved = _apart(sample) > distance
    return np.asarray((moved & same[:, None, :]).any(axis=(1, 2)))


def plausible_plans(sample: CounterfactualSample) -> NDArray[np.bool_]:
    """Plans under which nobody reacts early and the ego neither stops dead nor leaps, bool ``[M]``.

    SUMO's driver does so in rare emergencies.
    """
    acceleration = np.abs(sample.ego_plans[..., PlanColumn.ACCELERATION])
    return np.asarray((acceleration.max(axis=1) < MOST_ACCELERATION) & ~reacts_early(sample))


def with_plans(sample: CounterfactualSample, chosen: NDArray[np.bool_]) -> CounterfactualSample:
    """The sample with some of its plans, bool ``[M]``."""
    names = ("behaviours", "ego_plans", "futures", "futures_valid")
    return replace(sample, **{name: getattr(sample, name)[chosen] for name in names})
