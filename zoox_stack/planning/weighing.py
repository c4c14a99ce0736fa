"""Weighing candidates with the unconditional futures of others, as many of them as may matter, and what to ask."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import Rejection
from zoox_stack.core.collision import CollisionReport, assess_collisions
from zoox_stack.core.compiled import plain
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.costs import interaction_costs
from zoox_stack.planning.lattice import STOPS, Lateral
from zoox_stack.planning.path_agents import PathAgents
from zoox_stack.planning.proposal import PlanningScene, Preparation
from zoox_stack.planning.right_of_way import imposed_on_priority
from zoox_stack.planning.straight_on import straight_on
from zoox_stack.planning.weighing_loop import pick_apart

_COLLIDING_SHARE = 4  # at most one in so many questions goes to plans that collide with the unconditional futures ...
_SAME_PLAN = 0.75  # [m] plans closer than this on average are not both asked about
_COARSE = slice(3, None, 8)  # steps at which plans are compared with each other
_NOT_YET = int(Rejection.OUTWEIGHED)
_FIRST, _BLOCK = 48, 96  # candidates weighed at first, and then at a time


@dataclass(frozen=True, eq=False)
class Weighed:
    """What candidates cost with unconditional futures; C candidates, M cost terms.

    Attributes:
        costs: float64 ``[C, M]`` weighted; of outweighed candidates those of their own motion alone.
        report: Collisions; outweighed candidates count as free of everybody.
        danger: float64 ``[C, A]`` from `straight_on`; 0 of outweighed candidates.
        rejections: uint8 ``[C]`` `Rejection`.
        asked: int64 ``[N]`` rows to ask about, the best first.
    """

    costs: NDArray[np.float64]
    report: CollisionReport
    danger: NDArray[np.float64]
    rejections: NDArray[np.uint8]
    asked: NDArray[np.int64]


def weigh(prepared: Preparation, scene: PlanningScene, agents: PathAgents, config: PlannerConfig) -> Weighed:
    """Weigh the cheapest candidates, and the others too if one of them might be among those to ask about.

    What others do only adds to the cost of a plan. So a candidate whose own motion costs more than the last of those
    asked about does altogether cannot be one of them: branch and bound, after Land and Doig, 1960. What is asked, and
    the best plan without an answer, are those of weighing all of them. What is found later, an answer or a missing way
    back, can only choose among the weighed ones, the stops in lane always among them.
    """
    candidates, motion = prepared.candidates, prepared.motion
    own = motion.sum(axis=1)
    open_rows = np.flatnonzero(prepared.rejections == int(Rejection.KEPT))
    open_rows = open_rows[np.argsort(own[open_rows], kind="stable")]
    costs, codes = motion.copy(), prepared.rejections.copy()
    empty = (np.full((len(candidates), len(scene.ids)), value) for value in (0.0, 0.0, 0.0, np.inf))
    report, danger = CollisionReport(*empty), np.zeros((len(candidates), len(scene.ids)))
    block, rest = open_rows[:_FIRST], open_rows[_FIRST:]
    block = np.union1d(block, _stops(candidates))  # one of the stops may have to do if nothing else is left
    rest = rest[~np.isin(rest, block, assume_unique=True)]
    asked = np.zeros(0, np.int64)
    weighed = np.zeros(len(candidates), np.bool_)
    while len(block):
        weighed[block] = True
        _weigh_rows(block, prepared, scene, agents, config, costs, report, danger)
        codes[block] = judge_collisions(prepared.rejections[block], report.of_plans(block), config)
        known = np.where(weighed | (codes != int(Rejection.KEPT)), codes, np.uint8(_NOT_YET))
        totals = costs.sum(axis=1)
        asked, bound = shortlist(candidates, known, totals, own, max(config.shortlist, 1))
        rest = rest[: int(np.searchsorted(own[rest], bound))]
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
    codes[open_rows[~weighed[open_rows]]] = int(Rejection.OUTWEIGHED)
    return Weighed(costs, report, danger, codes, asked if config.shortlist else asked[:0])


def weigh_all(prepared: Preparation, scene: PlanningScene, agents: PathAgents, config: PlannerConfig) -> Weighed:
    """As `weigh`, but everybody's futures count for every candidate that can be driven, and nothing is asked."""
    costs, codes = prepared.motion.copy(), prepared.rejections.copy()
    empty = (np.full((len(codes), len(scene.ids)), value) for value in (0.0, 0.0, 0.0, np.inf))
    report, danger = CollisionReport(*empty), np.zeros((len(codes), len(scene.ids)))
    rows = np.flatnonzero(codes == int(Rejection.KEPT))
    _weigh_rows(rows, prepared, scene, agents, config, costs, report, danger)
    codes[rows] = judge_collisions(codes[rows], report.of_plans(rows), config)
    return Weighed(costs, report, danger, codes, np.zeros(0, np.int64))


def judge_collisions(codes: NDArray[np.uint8], report: CollisionReport, config: PlannerConfig) -> NDArray[np.uint8]:
    """Rejections with those by collision set or lifted according to `report`; other reasons stay."""
    hits = report.certain >= config.collision_limit
    judged = codes.copy()
    open_codes = (codes == Rejection.KEPT) | (codes == Rejection.COLLISION)
    judged[open_codes & hits] = Rejection.COLLISION
    judged[open_codes & ~hits] = Rejection.KEPT
    return judged


def shortlist(
    candidates: Candidates,
    rejections: NDArray[np.uint8],
    totals: NDArray[np.float64],
    motion_totals: NDArray[np.float64],
    most: int,
) -> tuple[NDArray[np.int64], float]:
    """The candidates worth a question, the best first, no two nearly alike.

    Mostly the cheapest of the kept ones. A quarter of the places goes to the plans that would be among them if nobody
    else were there but collide with the unconditional futures: whether the others would make room is the question.

    Returns:
        Rows; and what a candidate must cost less than by its own motion to be one of them, inf where places are left.
    """
    for_colliding = max(1, most // _COLLIDING_SHARE) if most > 1 else 0
    kept = np.flatnonzero(rejections == int(Rejection.KEPT))
    colliding = np.flatnonzero(rejections == int(Rejection.COLLISION))
    kept = kept[np.argsort(totals[kept], kind="stable")]
    colliding = colliding[np.argsort(motion_totals[colliding], kind="stable")]
    if not len(kept):
        for_colliding = most
    coarse = plain(np.stack([candidates.x[:, _COARSE], candidates.y[:, _COARSE]], axis=-1), np.float64)
    nobody = np.zeros(0, np.int64)
    free = _apart(coarse, kept, nobody, most)
    bound = float(totals[free[-1]]) if len(free) == most else np.inf
    colliding = colliding[motion_totals[colliding] < bound]
    chosen = _apart(coarse, colliding, nobody, for_colliding)
    chosen = _apart(coarse, kept, chosen, most)
    order = {row: i for i, row in enumerate([*kept.tolist(), *colliding.tolist()])}
    return np.array(sorted(chosen.tolist(), key=order.__getitem__), np.int64), bound


def _apart(
    coarse: NDArray[np.float64], rows: NDArray[np.int64], before: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """The first of some plans that are apart from each other and from those chosen before; these and they, `most`."""
    chosen = np.full(max(most, len(before)), -1)
    chosen[: len(before)] = before
    return chosen[: pick_apart(coarse, plain(rows, np.int64), _SAME_PLAN, len(before), chosen)]


def _stops(candidates: Candidates) -> NDArray[np.int64]:
    rows = [row for row, profile in enumerate(candidates.profiles) if profile in STOPS]
    return np.array([row for row in rows if candidates.laterals[row] == int(Lateral.CENTRE)], np.int64)


def _weigh_rows(
    rows: NDArray[np.int64],
    prepared: Preparation,
    scene: PlanningScene,
    agents: PathAgents,
    config: PlannerConfig,
    costs: NDArray[np.float64],
    report: CollisionReport,
    danger: NDArray[np.float64],
) -> None:
    """Fill in costs, collisions and danger of some candidates."""
    found = assess_collisions(
        prepared.candidates.arrays.until(config.judged_steps).take(rows), prepared.ego, scene.futures, scene.sizes,
        scene.existence, discount_time=config.risk_discount_time, certain_until=config.collision_limit_time,
        standing_share=config.standing_risk, speeds=prepared.candidates.speed[rows],
    )  # fmt: skip
    for field in fields(CollisionReport):
        getattr(report, field.name)[rows] = getattr(found, field.name)
    walks = scene.walks[agents.rows]
    first = imposed_on_priority(prepared.give_way, prepared.candidates, rows, prepared.ego, agents, walks)
    danger[rows] = straight_on(prepared.candidates, rows, prepared.ego, scene, prepared.path)
    costs[rows] = prepared.motion[rows] + interaction_costs(
        prepared.candidates, rows, prepared.ego, agents, found, danger[rows], config, on_priority=first
    )
