"""Choosing among candidates, with conditional futures where there are any, and saying why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import PredictionSource, Rejection, TrajectorySource, WhatIfStatus
from zoox_stack.core.collision import CollisionReport, assess_collisions
from zoox_stack.core.plans import PlanDecision, Trajectory
from zoox_stack.core.predictions import STEP, PredictedAgents, WhatIfAnswer
from zoox_stack.planning.answer_check import check_answer
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.costs import COST_NAMES, interaction_costs
from zoox_stack.planning.fallback import FallbackCheck
from zoox_stack.planning.futures import concatenated, staying, way_lost
from zoox_stack.planning.giving_way import give_way
from zoox_stack.planning.lattice import STOPS, Lateral, desired_speed
from zoox_stack.planning.path_agents import MOST_PATH_AGENTS, find_path_agents
from zoox_stack.planning.proposal import PlanningScene, Proposal
from zoox_stack.planning.straight_on import straight_on
from zoox_stack.planning.weighing import judge_collisions

_KEPT = int(Rejection.KEPT)
_FALLEN = {int(code): code.name.lower() for code in Rejection}
_UNRECOVERABLE = COST_NAMES.index("unrecoverable")
_RIGHT_OF_WAY = COST_NAMES.index("right_of_way")
_STANDS, _MOVES = 0.05, 0.02  # [m/s], [m]
_SOON = 4  # step until which a plan that drives off has moved
_AT_ONCE = 8  # plans looked at together
_WORTH_SAYING = 5.0  # [m] of way lost by another agent that an explanation mentions
_NO_ANSWER = {
    WhatIfStatus.NOT_ASKED: "nothing to ask",
    WhatIfStatus.TIMEOUT: "no answer in time",
    WhatIfStatus.NO_SERVICE: "what_if is not there",
    WhatIfStatus.INVALID: "the answer was garbage",
    WhatIfStatus.NO_SCENE: "what_if had no scene",
    WhatIfStatus.STALE_SCENE: "what_if no longer had the scene",
    WhatIfStatus.DEADLINE: "what_if could not finish in time",
    WhatIfStatus.BAD_PLAN: "what_if refused a plan",
    WhatIfStatus.MODEL_ERROR: "the model of what_if failed",
}


@dataclass(frozen=True, eq=False)
class _Conditional:
    """What an answer changes for the N asked plans."""

    totals: NDArray[np.float64]  # [N]
    report: CollisionReport  # of the N plans
    lost: NDArray[np.float64]  # [N, A] way lost by each agent [m]


class _Recovery:
    """Which plans leave a way back: looked at for those that may be chosen, the cheapest first.

    Attributes:
        costs: float64 ``[C, M]`` weighted costs with those of being unrecoverable, as far as looked at.
        added: float64 ``[C]`` the latter alone.
    """

    def __init__(self, proposal: Proposal, config: PlannerConfig) -> None:
        path = proposal.path
        limit = float(np.interp(path.ego_s, path.line.s, desired_speed(path, config)))
        self._check = FallbackCheck(proposal.scene, proposal.ego, limit, config)
        self._proposal, self._weight = proposal, config.weight_unrecoverable
        self.costs, self.added = proposal.costs.copy(), np.zeros(len(proposal.candidates))
        self._known, self._met = np.zeros(len(self.added), bool), np.full(len(self.added), -1)

    def check(self, rows: NDArray[np.int64]) -> None:
        """Look at some candidates."""
        found = self._check.check(self._proposal.candidates, rows)
        self.added[rows] = self._weight * found.term
        self.costs[rows, _UNRECOVERABLE] = self.added[rows]
        self._known[rows], self._met[rows] = True, found.agent_ids

    def cheapest(self, rows: NDArray[np.int64], totals: NDArray[np.float64]) -> int:
        """The cheapest of `rows`, looked at; a plan not yet looked at costs at least its `totals` ``[C]``."""
        while True:
            order = rows[np.argsort(totals[rows] + self.added[rows], kind="stable")]
            if self._known[order[0]]:
                return int(order[0])
            self.check(order[~self._known[order]][:_AT_ONCE])

    def words(self, chosen: int, hoped_for: int) -> str:
        """For people: why the cheapest plan was not taken, and whether the chosen one has no way back either."""
        names = self._proposal.candidates.names
        said = ""
        if hoped_for not in (-1, chosen) and self._met[hoped_for] >= 0:
            said = f"; '{names[hoped_for]}' leaves no way back if agent {self._met[hoped_for]} does not make room"
        if self._known[chosen] and self._met[chosen] >= 0:
            said += f"; no way back if agent {self._met[chosen]} behaves badly"
        return said


def choose(
    proposal: Proposal, answer: WhatIfAnswer | None, status: WhatIfStatus, config: PlannerConfig, may_start: bool = True
) -> tuple[Trajectory, PlanDecision, bool]:
    """Choose a candidate; arguments and result as `Planner.decide`.

    Args:
        proposal: From `Planner.judge`.
        answer: To its request.
        status: Of the question.
        config: Parameters.
        may_start: Whether an ego that stands may drive off; otherwise it goes on standing, if that is acceptable.

    Returns:
        What to do, why, and whether it is or would have been to drive off from standing.
    """
    candidates, asked = proposal.candidates, proposal.asked
    status, problem = _outcome(proposal, answer, status)
    totals, codes = proposal.totals, proposal.rejections.copy()
    n = len(asked)
    conditional_totals, answered = np.full(n, np.nan), np.full(n, np.nan)
    rescored: _Conditional | None = None
    if status == WhatIfStatus.OK and answer is not None:
        rescored = _rescore(proposal, answer, config)
        conditional_totals = rescored.totals
        answered = np.asarray(answer.collision_probabilities, dtype=np.float64)
        codes[asked] = judge_collisions(codes[asked], rescored.report, config)
    final = totals.copy()
    if rescored is not None:
        final[asked] = conditional_totals
    acceptable = np.flatnonzero(codes == Rejection.KEPT)
    if rescored is not None and np.isin(acceptable, asked).any():
        # Reactions cost: plans nobody was asked about would win only because theirs are not known.
        acceptable = acceptable[np.isin(acceptable, asked)]
    source, drives_off = TrajectorySource.DECISION, False
    recovery = _Recovery(proposal, config)
    recovery.check(asked)
    if len(acceptable):
        hoped_for = int(acceptable[final[acceptable].argmin()])
        chosen = recovery.cheapest(acceptable, final)
        starts = _starts(proposal)
        drives_off = bool(starts[chosen])
        staying = np.flatnonzero((codes == Rejection.KEPT) & ~starts)
        if drives_off and not may_start and len(staying):
            chosen = recovery.cheapest(staying, final)
    else:
        hoped_for = -1
        source = TrajectorySource.SAFE_STOP
        chosen = _safest_stop(proposal, final)
    conditional = bool(rescored is not None and answer is not None and answer.conditional and chosen in asked)
    explanation = _explain(proposal, chosen, source, codes, status, problem, rescored)
    decision = PlanDecision(
        stamp_ns=proposal.stamp_ns,
        predictions_from=proposal.predictions_from,
        answer_status=status,
        conditional=conditional,
        chosen=chosen,
        explanation=explanation + recovery.words(chosen, hoped_for),
        names=candidates.names,
        origin=np.array([proposal.ego.x, proposal.ego.y]),
        step=STEP,
        positions=np.stack([candidates.x - proposal.ego.x, candidates.y - proposal.ego.y], axis=-1).astype(np.float32),
        speeds=candidates.speed.astype(np.float32),
        rejections=codes,
        cost_names=COST_NAMES,
        costs=recovery.costs.astype(np.float32),
        totals=recovery.costs.sum(axis=1).astype(np.float32),
        asked=asked.astype(np.uint32),
        collision_probabilities=answered.astype(np.float32),
        conditional_totals=(conditional_totals + recovery.added[asked]).astype(np.float32),
    )
    return Trajectory(proposal.stamp_ns, candidates.plan(chosen), source), decision, drives_off


def _starts(proposal: Proposal) -> NDArray[np.bool_]:
    """Which candidates drive off, where the ego stands; ``[C]``."""
    stands = abs(proposal.ego.speed) < _STANDS
    return np.asarray((proposal.candidates.distance[:, _SOON] > _MOVES) & stands)


def _outcome(proposal: Proposal, answer: WhatIfAnswer | None, status: WhatIfStatus) -> tuple[WhatIfStatus, str]:
    if proposal.request is None:
        return WhatIfStatus.NOT_ASKED, ""
    if answer is not None:
        return check_answer(answer, proposal.request, proposal.known_ids, proposal.ego.centre)
    if status == WhatIfStatus.OK:
        return WhatIfStatus.INVALID, "expected an answer with status OK, found none"
    return status, ""


def _rescore(proposal: Proposal, answer: WhatIfAnswer, config: PlannerConfig) -> _Conditional:
    """Judge every asked plan with its own futures; agents an answer leaves out keep what was found without it."""
    scene, candidates, ego, asked = proposal.scene, proposal.candidates, proposal.ego, proposal.asked
    from_model = proposal.predictions_from == PredictionSource.MODEL
    answers = _believed(answer.predictions, scene)
    lost = way_lost(answers, scene.futures if from_model else None, scene.ids)
    lost = lost * scene.existence
    imposed = lost.max(axis=1, initial=0.0)
    answers = give_way(answers, proposal.own_way, scene, candidates, asked, ego, proposal.path)
    report, agents, counted = proposal.report.of_plans(asked), proposal.agents, None
    danger = proposal.danger[asked]
    parts = [(plan, part) for plan, part in enumerate(answers) if len(part)]
    if parts and len(scene.ids):
        # All answered futures in one go, each with the plan it belongs to.
        every = concatenated([part for _, part in parts])
        here = np.flatnonzero(np.isin(every.agent_ids, scene.ids))
        plan = np.repeat([plan for plan, _ in parts], [len(part) for _, part in parts])[here]
        futures = every.take(here)
        rows = np.searchsorted(scene.ids, futures.agent_ids)
        sizes, existence = scene.sizes[rows], scene.existence[rows]
        arrays = candidates.arrays.until(config.judged_steps).take(asked)
        answered = assess_collisions(
            arrays, ego, futures, sizes, existence,
            discount_time=config.risk_discount_time, certain_until=config.collision_limit_time,
            standing_share=config.standing_risk,
            speeds=candidates.speed[asked], only_plan=plan,
        )  # fmt: skip
        report = report.with_answers(plan, rows, answered)
        there = replace(
            scene, position=scene.position[rows], yaw=scene.yaw[rows], speed=scene.speed[rows], sizes=sizes,
            existence=existence, futures=futures,
        )  # fmt: skip
        danger[plan, rows] = straight_on(candidates, asked, ego, there, proposal.path, plan)[plan, np.arange(len(plan))]
        new = find_path_agents(
            proposal.path, ego, futures, scene.position[rows], scene.yaw[rows], sizes, existence,
            most=MOST_PATH_AGENTS * len(asked),
        )  # fmt: skip
        replaced = np.zeros((len(asked), len(scene.ids)), bool)
        replaced[plan, rows] = True
        counted = np.concatenate([~replaced[:, agents.rows], plan[new.rows] == np.arange(len(asked))[:, None]], axis=1)
        agents = agents.joined(new)
    costs = interaction_costs(candidates, asked, ego, agents, report, danger, config, imposed, counted)
    # Who goes first is a question of what the others would do if they were alone.
    taken = proposal.costs[asked, _RIGHT_OF_WAY]
    return _Conditional(proposal.motion[asked].sum(axis=1) + costs.sum(axis=1) + taken, report, lost)


def _believed(answered: Sequence[PredictedAgents], scene: PlanningScene) -> Sequence[PredictedAgents]:
    """Answered futures with the same belief in who goes on standing as the unconditional ones have."""
    every = [part for part in answered if len(part)]
    if not every or not scene.stays.any():
        return answered
    joined = PredictedAgents.concatenate(every)
    order = np.argsort(scene.ids, kind="stable")
    rows = order[np.minimum(np.searchsorted(scene.ids, joined.agent_ids, sorter=order), len(scene.ids) - 1)]
    known = scene.ids[rows] == joined.agent_ids
    joined = staying(joined, scene.position[rows], np.where(known, scene.stays[rows], 0.0))
    ends = np.cumsum([len(part) for part in answered])
    return [
        joined.take(np.arange(end - len(part), end)) if len(part) else part
        for part, end in zip(answered, ends, strict=True)
    ]


def _safest_stop(proposal: Proposal, totals: NDArray[np.float64]) -> int:
    """The stop in lane with the least risk, of equal ones the cheapest; if all hit something, the slowest then."""
    candidates = proposal.candidates
    rows = [
        i
        for i, (profile, lateral) in enumerate(zip(candidates.profiles, candidates.laterals, strict=True))
        if profile in STOPS and lateral == Lateral.CENTRE
    ]
    clear = [row for row in rows if proposal.rejections[row] not in (Rejection.COLLISION, Rejection.SIGNAL)]
    if clear:
        return min(clear, key=lambda row: (round(float(proposal.report.risk[row]), 2), float(totals[row]), row))

    def impact(row: int) -> tuple[float, float, int]:
        time = float(proposal.report.time[row])
        step = min(round(time / STEP) - 1, candidates.speed.shape[1] - 1) if np.isfinite(time) else -1
        return float(candidates.speed[row, step]), float(candidates.distance[row, -1]), row

    return min(rows, key=impact)


def _explain(
    proposal: Proposal,
    chosen: int,
    source: TrajectorySource,
    codes: NDArray[np.uint8],
    status: WhatIfStatus,
    problem: str,
    rescored: _Conditional | None,
) -> str:
    """One sentence for people."""
    names = proposal.candidates.names
    counts = enumerate(np.bincount(codes).tolist())
    fallen = ", ".join(f"{count} by {_FALLEN[code]}" for code, count in counts if count and code != _KEPT)
    parts = [f"{names[chosen]}: "]
    if source == TrajectorySource.SAFE_STOP:
        parts.append(f"safe stop, none of {len(names)} candidates is acceptable ({fallen})")
    else:
        parts.append(f"best of {len(names)} candidates" + (f" ({fallen} ruled out)" if fallen else ""))
    parts.append(f"; path from {proposal.path.source}")
    parts += [f"; {note}" for note in proposal.notes]
    if proposal.predictions_from == PredictionSource.CONSTANT_VELOCITY and len(proposal.scene.ids):
        parts.append("; constant velocities assumed")
    if len(proposal.scene.overlapping):
        parts.append(f"; {len(proposal.scene.overlapping)} agents inside the ego's box ignored")
    if rescored is None:
        parts.append(f"; decided without an answer: {_NO_ANSWER.get(status, status.name.lower())}")
        return "".join([*parts, f" ({problem})" if problem else ""])
    parts.append(f"; asked {len(proposal.asked)} plans")
    kept = np.flatnonzero(proposal.rejections == Rejection.KEPT)
    if len(kept):
        before = int(kept[proposal.totals[kept].argmin()])
        if before != chosen:
            parts.append(f", without the answer it would have been '{names[before]}'")
    if rescored.lost.size:
        i, agent = np.unravel_index(int(rescored.lost.argmax()), rescored.lost.shape)
        lost = float(rescored.lost[i, agent])
        if lost > _WORTH_SAYING:
            row, verb = int(proposal.asked[i]), "makes" if int(proposal.asked[i]) == chosen else "would make"
            agent_id = int(proposal.scene.ids[agent])
            parts.append(f"; '{names[row]}' {verb} agent {agent_id} brake ({lost:.0f} m less way)")
    return "".join(parts)
