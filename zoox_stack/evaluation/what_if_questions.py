"""Which of the what-if questions of a drive are worth checking, and what was asked in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import EgoPlan, PlanDecision
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.prediction.what_if import MAX_PLANS

WINDOW = 2.5  # [s] of which one question is checked
MOST_PLANS = 4  # of a question that are driven
_CRAWL = 0.05  # [m] between points; the heading of slower ones is that of the last faster one


@dataclass(frozen=True, eq=False)
class Question:
    """One question of a drive, and which of its plans are driven.

    Attributes:
        stamp_ns: Scene it was about [ns].
        plans: All plans asked about, the best by unconditional futures first; last the one that won, if it was not
            among them.
        shown: Rows of the plans that are driven, rising.
        chosen: Row of the plan that won.
        recorded: Collision probabilities answered during the drive, one per plan asked about then.
        changed: See `PlanDecision`.
        acceptable: See `PlanDecision`.
    """

    stamp_ns: int
    plans: tuple[EgoPlan, ...]
    shown: tuple[int, ...]
    chosen: int
    recorded: NDArray[np.float32]
    changed: bool
    acceptable: bool


def questions_of(run: RecordedRun) -> list[Question]:
    """The most telling question of every `WINDOW` of a drive, in order.

    In a window a question whose answer changed the decision comes first, then the one whose answer changed the costs
    most. There must be 8 s left to drive. The choice looks at decisions only, never at what was right.
    """
    stamps = sorted(
        stamp
        for stamp, decision in run.decisions.items()
        if decision.answer_status == WhatIfStatus.OK and len(decision.asked) > 1 and run.ego(stamp) is not None
    )
    if not stamps:
        return []
    begin, last = min(run.decisions), max(run.decisions) - round(STEPS * STEP * 1e9)
    best: dict[int, tuple[tuple[bool, float], int]] = {}
    for stamp in stamps:
        decision = run.decisions[stamp]
        if stamp > last or decision.positions.shape[1] != STEPS:
            continue
        window = int((stamp - begin) // round(WINDOW * 1e9))
        shift = np.abs(decision.conditional_totals - decision.totals[decision.asked])
        weight = (decision.changed, float(np.nanmax(shift, initial=0.0)))
        if window not in best or weight > best[window][0]:
            best[window] = weight, stamp
    return [question(run.decisions[stamp], run.ego(stamp)) for _, (_, stamp) in sorted(best.items())]  # type: ignore[arg-type]


def question(decision: PlanDecision, ego: EgoState) -> Question:
    """The question behind a decision."""
    asked = decision.asked.astype(np.int64)
    if decision.chosen not in asked:
        asked = asked[: MAX_PLANS - 1]
    rows = np.array(list(dict.fromkeys([*asked.tolist(), decision.chosen])))
    plans = tuple(plan_of(decision, row, ego) for row in rows.tolist())
    chosen = int(np.flatnonzero(rows == decision.chosen)[0])
    return Question(
        stamp_ns=decision.stamp_ns,
        plans=plans,
        shown=most_different(plans, [0, chosen], MOST_PLANS),
        chosen=chosen,
        recorded=decision.collision_probabilities[: len(asked)],
        changed=decision.changed,
        acceptable=decision.acceptable,
    )


def most_different(plans: Sequence[EgoPlan], first: Sequence[int], most: int) -> tuple[int, ...]:
    """Rows of `first` and of the plans that are, one after the other, farthest from those taken; at most `most`."""
    xy = np.stack([plan.xy for plan in plans])
    taken = list(dict.fromkeys(first))
    while len(taken) < min(most, len(plans)):
        apart = np.hypot(*np.moveaxis(xy[:, None] - xy[None, taken], -1, 0)).mean(axis=-1).min(axis=1)
        apart[taken] = -1.0
        taken.append(int(apart.argmax()))
    return tuple(sorted(taken))


def plan_of(decision: PlanDecision, row: int, ego: EgoState) -> EgoPlan:
    """Candidate `row` of a decision; heading, acceleration and curvature, which it leaves out, follow from the way."""
    xy = decision.positions[row].astype(np.float64) + decision.origin
    speed = decision.speeds[row].astype(np.float64)
    yaw = headings_of(np.concatenate([[[ego.x, ego.y]], xy]), ego.yaw)
    before = np.concatenate([[ego.speed], speed[:-1]])
    way = np.maximum((before + speed) / 2 * decision.step, _CRAWL)
    return EgoPlan(
        id=row,
        name=decision.names[row],
        step=decision.step,
        x=xy[:, 0],
        y=xy[:, 1],
        yaw=np.asarray(wrap_angle(yaw[1:])),
        speed=speed,
        acceleration=(speed - before) / decision.step,
        curvature=np.diff(yaw) / way,
    )


def headings_of(xy: NDArray[np.float64], first: float) -> NDArray[np.float64]:
    """Headings along a way ``[P, 2]``, ``[P]`` [rad] without leaps: `first` until it moves, kept while it stands."""
    around = np.concatenate([xy[1:2] - xy[:1], xy[2:] - xy[:-2], xy[-1:] - xy[-2:-1]])
    steps = np.hypot(*around.T)
    moving = steps > _CRAWL * np.array([1.0, *[2.0] * (len(xy) - 2), 1.0])
    moving[0] = False
    known = np.where(moving, np.arctan2(around[:, 1], around[:, 0]), first)
    last = np.maximum.accumulate(np.where(moving, np.arange(len(xy)), 0))
    return np.asarray(np.unwrap(known[last]))
