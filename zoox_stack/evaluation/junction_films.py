"""Which passages of junctions show best what asking "what if" is good for, and the instants a filmstrip has of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import Rejection, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import PlanDecision
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.evaluation.closed_loop_drive import EgoMotion
from zoox_stack.evaluation.closed_loop_junctions import APPROACH, DEPARTURE, Junction, JunctionFinder, JunctionKind
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_questions import plan_of
from zoox_stack.planning.futures import way_lost
from zoox_stack.prediction.crossings import crossing_places, longest, reach_of
from zoox_stack.prediction.plan_effects import ego_ways
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex

MOST_WEIGHT = 10.0  # [m] more way lost is not more telling
LEAST_WEIGHT = 1.0  # [m] somebody has to lose under some plan
_OTHER_PLAN = 1.0  # [m] mean distance from which on a plan is another one
_BEFORE = 3.0  # [s] from the approach that is shown to the question, at most
_AFTER = 3.0  # [s] between the instants after it, at most, but for the last
_AT_ONCE = 0.8  # [s] closer to the question an approach shows nothing new
_LEAST_INSIDE = 15.0  # [m] before its end that are inside a junction, however near the one before it
_BESIDE = 4.0  # [m] from the route; places of conflict farther away are not on it
_LEAST_MODE = 0.1  # less probable futures do not make a conflict


@dataclass(frozen=True, eq=False)
class Frame:
    """One instant: what was seen, asked, answered and chosen. A agents, N plans asked about.

    Attributes:
        seconds: After the question the film is about [s].
        scene: Agents and ego.
        signals: States of the signals, None if not known.
        decision: What was asked and chosen, without the candidates that were not asked about.
        usual: Futures of all agents that some answer moves, whatever the ego does.
        answers: Futures under each plan asked about; agents left out keep `usual`. Empty without an answer.
        lost: float64 ``[N, A]`` way each agent of the scene loses under each plan against the one that suits it best
            [m]; 0 for whose way does not meet that of the ego in the junction: that who follows it brakes when it
            brakes is no news.
    """

    seconds: float
    scene: TrackedAgents
    signals: TrafficSignals | None
    decision: PlanDecision
    usual: PredictedAgents
    answers: tuple[PredictedAgents, ...]
    lost: NDArray[np.float64]

    @property
    def ego(self) -> EgoState:
        """The ego."""
        assert self.scene.ego is not None
        return self.scene.ego

    @property
    def answered(self) -> bool:
        """Whether one of the plans asked about was chosen with the answer; what else is chosen is a stop in need."""
        return bool(self.answers) and self.decision.acceptable and self.decision.chosen in self.decision.asked


@dataclass(frozen=True, eq=False)
class Film:
    """How one junction was passed.

    Attributes:
        kind: Of the junction.
        town: Where.
        seed: Of town, traffic and route.
        at: Time of the drive at which the question was asked [s].
        weight: How much the question mattered, see `weight_of`.
        network: The map.
        route: float64 ``[P, 2]`` the way [m].
        frames: In order of time; `question` is one of them.
        question: Which frame is the question's.
    """

    kind: JunctionKind
    town: str
    seed: int
    at: float
    weight: tuple[float, float]
    network: RoadNetwork
    route: NDArray[np.float64]
    frames: tuple[Frame, ...]
    question: int


def weight_of(frame: Frame) -> tuple[float, float]:
    """How much a question with an answer mattered; whether that was right plays no part.

    First the most way that somebody loses under one of the plans [m]: beyond `MOST_WEIGHT` it adds nothing, and it
    counts double if the answer made the ego do something else. Then what that saved: how much more the plan that was
    best before the answer costs with it than the chosen one.
    """
    decision, changed = frame.decision, changed_plan(frame.decision)
    lost = min(float(frame.lost.max(initial=0.0)), MOST_WEIGHT) * (2.0 if changed else 1.0)
    rows = decision.asked.tolist()
    if not changed:
        return lost, 0.0
    first, chosen = (float(decision.conditional_totals[k]) for k in (0, rows.index(decision.chosen)))
    return lost, np.inf if decision.rejections[rows[0]] != Rejection.KEPT else first - chosen


def changed_plan(decision: PlanDecision) -> bool:
    """Whether the answer made a plan win that is not just another name for the one that was best before it."""
    if not decision.changed:
        return False
    apart = decision.positions[decision.chosen] - decision.positions[int(decision.asked[0])]
    return float(np.hypot(*apart.T).mean()) > _OTHER_PLAN


def films_of(run: RecordedRun, town: str, seed: int) -> list[Film]:
    """Of each kind of junction on a drive the passage whose question mattered most, the first of equal ones.

    Only junctions that were left behind count, and questions under which somebody loses `LEAST_WEIGHT`.

    Raises:
        InvalidInputError: It is no trace: map, route, true ego or answers are missing.
    """
    asked = any(len(decision.asked) for decision in run.decisions.values())
    if run.network is None or run.route is None or not run.true_egos or (asked and not run.answers):
        raise InvalidInputError(f"drive {town} {seed}", "a trace with map, route, true ego and answers", "not all")
    line = Polyline.from_points(run.route.points)
    motion = EgoMotion.from_states(run.true_egos, line)
    best: dict[JunctionKind, Film] = {}
    for junction in JunctionFinder(LaneIndex(run.network)).along(run.route):
        stamps, inside = _passing(motion, junction)
        way = _inside(line, junction)
        answered = [(weight_of(frame), frame) for frame in _frames(run, way, stamps[:inside]) if frame.answered]
        weight, question = max(answered, key=lambda entry: entry[0], default=((0.0, 0.0), None))
        known = best.get(junction.kind)
        if question is None or weight[0] < LEAST_WEIGHT or (known is not None and known.weight >= weight):
            continue
        stamp = question.decision.stamp_ns
        frames = tuple(_frames(run, way, _instants(stamps, stamp), stamp))
        best[junction.kind] = Film(
            junction.kind, town, seed, (stamp - run.begin_ns) * 1e-9, weight, run.network, run.route.points[:, :2],
            frames, next(n for n, frame in enumerate(frames) if frame.decision.stamp_ns == stamp),
        )  # fmt: skip
    return list(best.values())


def best_films(films: Sequence[Film]) -> Mapping[JunctionKind, Film]:
    """Of each kind the one whose question mattered most, in the order of kinds; of equal ones the first."""
    return {
        kind: max(of_kind, key=lambda film: film.weight)
        for kind in JunctionKind
        if (of_kind := [film for film in films if film.kind == kind])
    }


def _passing(motion: EgoMotion, junction: Junction) -> tuple[list[int], int]:
    """Stamps from the approach of a junction until it is left behind, none if it is not; how many until its end."""
    station = np.maximum.accumulate(motion.station)
    places = [junction.start, junction.end - DEPARTURE, junction.end]
    first, out, end = (int(k) for k in np.searchsorted(station, places))
    return (motion.stamps_ns[first : end + 1].tolist(), out - first) if end < len(station) else ([], 0)


def _inside(line: Polyline, junction: Junction) -> NDArray[np.float64]:
    """Points of the route inside a junction, ``[P, 2]`` [m]."""
    out = junction.end - DEPARTURE
    begin = max(min(junction.start + APPROACH, out - _LEAST_INSIDE), junction.start)
    return line.at(np.arange(begin, out, 1.0))[0][:, :2]


def _instants(stamps: Sequence[int], question: int) -> list[int]:
    """The approach, the question, two instants after it, the exit; stamps nearest to these times."""
    begin, last = (stamps[0] - question) * 1e-9, (stamps[-1] - question) * 1e-9
    step = min(last / 3, _AFTER)
    wanted = [0.0, step, 2 * step, last]
    if begin < -_AT_ONCE:
        wanted.insert(0, max(begin, -_BEFORE))
    times = (np.array(stamps) - question) * 1e-9
    return sorted({stamps[int(np.abs(times - at).argmin())] for at in wanted})


def _frames(run: RecordedRun, inside: NDArray[np.float64], stamps: Sequence[int], question: int = 0) -> Iterator[Frame]:
    """Those of the instants at which something was decided."""
    for stamp in stamps:
        scene, decision = run.tracks.get(stamp), run.decisions.get(stamp)
        usual, answers = run.predictions.get(stamp), tuple(run.answers.get(stamp, ()))
        if scene is None or scene.ego is None or decision is None or usual is None:
            continue
        if decision.answer_status != WhatIfStatus.OK or len(answers) != len(decision.asked):
            answers = ()
        moved = np.unique(np.concatenate([np.zeros(0, np.int64), *(answer.agent_ids for answer in answers)]))
        usual = usual.take(np.flatnonzero(np.isin(usual.agent_ids, moved)))
        lost = np.zeros((len(answers), len(scene)))
        if len(usual):
            meets = np.isin(scene.ids, usual.agent_ids[_meets(scene, scene.ego, decision, usual, answers, inside)])
            lost = way_lost(answers, usual, scene.ids) * meets
        yield Frame(
            seconds=(stamp - question) * 1e-9,
            scene=scene,
            signals=run.signals_at(stamp),
            decision=decision.shortened(0),
            usual=usual,
            answers=answers,
            lost=lost,
        )


def under_plan(usual: PredictedAgents, answer: PredictedAgents, rows: NDArray[np.int64]) -> PredictedAgents:
    """Futures of the agents at `rows` of `usual` under a plan, whose answer leaves out those whom it does not move."""
    order = np.argsort(answer.agent_ids)
    found = []
    for row in rows.tolist():
        place = int(np.searchsorted(answer.agent_ids[order], usual.agent_ids[row]))
        moved = place < len(answer) and answer.agent_ids[order[place]] == usual.agent_ids[row]
        found.append(answer.take(order[place : place + 1]) if moved else usual.take(np.array([row])))
    return PredictedAgents.concatenate(found)


def _meets(
    scene: TrackedAgents, ego: EgoState, decision: PlanDecision, usual: PredictedAgents,
    answers: Sequence[PredictedAgents], inside: NDArray[np.float64],
) -> NDArray[np.bool_]:  # fmt: skip
    """Of each agent of `usual` whether its way crosses or joins that of some plan at the points `inside` ``[P, 2]``."""
    rows = np.arange(len(usual))
    every = [usual, *(under_plan(usual, answer, rows) for answer in answers)]
    ways = longest(np.stack([futures.map_positions for futures in every]))  # whoever yields would go on
    at = [int(np.flatnonzero(scene.ids == agent_id)[0]) for agent_id in usual.agent_ids.tolist()]
    now = np.broadcast_to(scene.position[at, None, None, :2], (*ways.shape[:2], 1, 2))
    ways = np.concatenate([now, ways], axis=2)
    ways[usual.probabilities < _LEAST_MODE] = np.nan
    own = ego_ways(tuple(plan_of(decision, row, ego) for row in decision.asked.tolist()), ego, np.zeros(2))
    reach = np.repeat(reach_of(ego.width, scene.size[at, 1]), usual.modes)
    places = crossing_places(own, ways.reshape(-1, *ways.shape[2:]), reach)  # [N, A * K, 2]
    apart = np.hypot(*np.moveaxis(places[:, :, None] - inside, -1, 0)).min(axis=2, initial=np.inf)
    return np.asarray((apart < _BESIDE).any(axis=0).reshape(len(usual), -1).any(axis=1))
