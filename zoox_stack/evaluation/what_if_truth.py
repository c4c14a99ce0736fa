"""What-if answers of a drive beside what really happens: the world is built again and every plan is driven in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.geometry import to_local
from zoox_stack.core.predictions import PredictedAgents, WhatIfRequest
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_questions import Question
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.simulation.rerun import PRESENT, SimulatedDrive, drive_plan, largest_difference, rerun
from zoox_stack.simulation.world import TrafficWorld

REACTS = 0.5  # [m] between the futures of an agent under two plans: from here on it counts as affected
MATCH = 2.0  # [m] between a track and the road user it is of
WATCHED = 80.0  # [m] from the ego
_MEMORY = 1.2  # [s] of scenes before a question that prediction has to see again
_MOST_DRAWN = 3  # agents whose futures are worth a line
_MOST_WEIGHT = 10.0  # [m] more apart is not more telling
_FOLLOWING = 0.1  # weight of those who follow the ego ...
_BESIDE = 0.3  # ... in a wedge behind it that opens by so much
_PATIENCE = 60.0  # [s] a question may take here


@dataclass(frozen=True, eq=False)
class Truth:
    """What happens after one instant. N road users, P plans, T steps.

    Attributes:
        scene: The road users at the instant as they really are, N of them.
        futures: float64 ``[P, T, N, 4]``: x, y [m], yaw [rad], 1 while present; of the plans shown.
    """

    scene: TrackedAgents
    futures: NDArray[np.float64]

    @property
    def spread(self) -> NDArray[np.float64]:
        """``[N]`` how far apart the futures of each are under different plans, at most [m]."""
        xy, there = self.futures[..., :2], self.futures[..., PRESENT] > 0
        widest = np.zeros(len(self.scene))
        for one in range(len(xy)):
            for other in range(one):
                apart = np.hypot(*np.moveaxis(xy[one] - xy[other], -1, 0))
                widest = np.maximum(widest, np.where(there[one] & there[other], apart, 0.0).max(axis=0, initial=0.0))
        return widest


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A drive, driven again.

    Attributes:
        truths: By stamp of the question.
        max_difference: Largest distance between a road user in the recording and in the world built again [m].
        compared: Positions compared.
    """

    truths: Mapping[int, Truth]
    max_difference: float
    compared: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What prediction says to a question, computed again from the recorded scenes.

    Attributes:
        unconditional: Futures of everyone whatever the ego does.
        predictions: Futures of everyone, one per plan asked about.
        collisions: float32, one per plan asked about.
    """

    unconditional: PredictedAgents
    predictions: tuple[PredictedAgents, ...]
    collisions: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Checked:
    """A question with its answer and the truth. R agents react and were tracked, P plans are shown.

    Attributes:
        question: What was asked.
        scene: What perception saw.
        answer: What was said.
        truth: What happens.
        tracks: int64 ``[R]`` rows of the agents that react in `scene`: those behind the ego last, the nearest first;
            before them the others, those that react most first.
        users: int64 ``[R]`` rows of the same in `truth`.
        unseen: Road users that react and were not tracked.
        told: float64 ``[P, R]`` error of the answer for a plan to the truth of that plan: likeliest future, mean over
            the way [m]; NaN for those who leave at once.
        usual: float64 ``[P, R]`` the same of the unconditional prediction.
    """

    question: Question
    scene: TrackedAgents
    answer: Answer
    truth: Truth
    tracks: NDArray[np.int64]
    users: NDArray[np.int64]
    unseen: int
    told: NDArray[np.float64] = field(repr=False)
    usual: NDArray[np.float64] = field(repr=False)

    @property
    def weight(self) -> float:
        """How telling it is [m]; it counts double if the answer changed the decision."""
        return float(self.weights.sum()) * (2.0 if self.question.changed else 1.0)

    @property
    def drawn(self) -> int:
        """How many of them, the first ones, are worth drawing: not more than one of those behind the ego."""
        ego = self.scene.ego
        assert ego is not None
        behind = int(_follows(self.scene, self.tracks, ego).sum())
        return min(_MOST_DRAWN, len(self.tracks) - behind + min(behind, 1))

    @property
    def weights(self) -> NDArray[np.float64]:
        """``[R]`` by how much the reactions of each differ between plans [m]; little for those behind the ego."""
        ego = self.scene.ego
        assert ego is not None
        spread = self.truth.spread[self.users]
        return np.minimum(spread, _MOST_WEIGHT) * np.where(_follows(self.scene, self.tracks, ego), _FOLLOWING, 1.0)


def rebuild(
    drive: SimulatedDrive,
    egos: Sequence[EgoState],
    recorded: Mapping[int, TrackedAgents],
    questions: Sequence[Question],
    report: Callable[[float], None],
) -> Rebuilt:
    """Drive again, compare with the recording, and at each question drive every plan shown.

    Args:
        drive: Which drive.
        egos: Recorded states of the ego without error, every step.
        recorded: Recorded ground truth by stamp.
        questions: What to find out, in order.
        report: Called with the share that is done, 0..1.

    Raises:
        ConfigurationError: Unknown town, or SUMO is not installed.
        InvalidInputError: The recording is not one of this drive, or somebody is elsewhere.
        ZooxStackError: The simulation ended.
    """
    wanted = {question.stamp_ns: question for question in questions}
    truths: dict[int, Truth] = {}
    worst, compared = 0.0, 0
    with tempfile.TemporaryDirectory(prefix="zoox-rerun-") as folder:
        for number, loop in enumerate(rerun(drive, egos, Path(folder), recorded)):
            stamp, scene = loop.scene.stamp_ns, loop.scene
            if stamp in recorded:
                worst = max(worst, largest_difference(recorded[stamp], scene))
                compared += len(recorded[stamp])
            if stamp in wanted:
                truths[stamp] = _truth(loop.world, scene, wanted[stamp])
            report((number + 1) / len(egos))
    return Rebuilt(truths, worst, compared)


def _truth(world: TrafficWorld, scene: TrackedAgents, question: Question) -> Truth:
    ego = scene.ego
    assert ego is not None
    near = np.flatnonzero(np.hypot(*(scene.position[:, :2] - ego.centre).T) < WATCHED)
    watched = scene.take(near)
    driven = [drive_plan(world, question.plans[row], watched.ids, ego.rear_axle_to_centre) for row in question.shown]
    return Truth(watched, np.stack(driven))


def answer_again(run: RecordedRun, questions: Sequence[Question], predictor: Predictor) -> dict[int, Answer]:
    """What prediction says to questions of a drive, by stamp.

    Args:
        run: The recording.
        questions: What to ask, in order.
        predictor: A fresh one.

    Raises:
        ZooxStackError: A question is refused.
    """
    if run.network is not None:
        predictor.set_road_network(run.network)
    predictor.set_route(run.route)
    answers = {}
    for question in questions:
        stamp = question.stamp_ns
        predictor.reset()
        for past in (s for s in sorted(run.tracks) if 0 <= stamp - s <= _MEMORY * 1e9):
            unconditional = predictor.predict(run.tracks[past], run.signals_at(past))
        answer = predictor.what_if(WhatIfRequest(stamp, question.plans, _PATIENCE))
        if answer.status != WhatIfStatus.OK:
            raise ZooxStackError(f"what-if at {stamp} ns: {answer.status.name}: {answer.message}")
        answers[stamp] = Answer(unconditional, answer.predictions, answer.collision_probabilities)
    return answers


def check(question: Question, scene: TrackedAgents, answer: Answer, truth: Truth) -> Checked:
    """Hold an answer against the truth, for those who react."""
    reacts = truth.spread > REACTS
    tracks, users = matches(scene.position[:, :2], truth.scene.position[:, :2])
    tracks, users = tracks[reacts[users]], users[reacts[users]]
    assert scene.ego is not None
    behind = _follows(scene, tracks, scene.ego)
    distance = np.hypot(*(scene.position[tracks, :2] - scene.ego.centre).T)
    order = np.lexsort([np.where(behind, distance, -truth.spread[users]), behind])
    tracks, users = tracks[order], users[order]
    told, usual = np.full((2, len(question.shown), len(tracks)), np.nan)
    for place, row in enumerate(question.shown):
        for column, (track, user) in enumerate(zip(tracks, users, strict=True)):
            future = truth.futures[place, :, user]
            told[place, column] = likeliest_error(answer.predictions[row], int(track), future)
            usual[place, column] = likeliest_error(answer.unconditional, int(track), future)
    return Checked(question, scene, answer, truth, tracks, users, int(reacts.sum()) - len(users), told, usual)


def _follows(scene: TrackedAgents, tracks: NDArray[np.int64], ego: EgoState) -> NDArray[np.bool_]:
    """Who is behind the ego: that they stop when it stops is no news."""
    local = to_local(scene.position[tracks, :2], ego.centre, ego.yaw)
    return np.asarray((local[:, 0] < 0) & (np.abs(local[:, 1]) < -local[:, 0] * _BESIDE + ego.width))


def matches(tracks: NDArray[np.float64], users: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of tracks ``[A, 2]`` and of road users ``[B, 2]`` that belong together: within `MATCH`, one to one."""
    distance = np.hypot(*np.moveaxis(tracks[:, None] - users[None], -1, 0))
    rows, columns = linear_sum_assignment(np.minimum(distance, 10.0 * MATCH))
    close = distance[rows, columns] < MATCH
    return rows[close], columns[close]


def likeliest_error(predicted: PredictedAgents, row: int, future: NDArray[np.float64]) -> float:
    """Mean distance of the likeliest future of an agent to what happens, ``[T, 4]``, while it is there [m]."""
    there = future[:, PRESENT] > 0
    if not there.any():
        return float("nan")
    mode = int(predicted.probabilities[row].argmax())
    path = predicted.positions[row, mode].astype(np.float64) + predicted.origin
    return float(np.hypot(*(path - future[:, :2])[there].T).mean())


def most_telling(checked: Sequence[Checked], most: int, apart: float) -> list[Checked]:
    """At most `most` questions at least `apart` [s] from each other, the heaviest first chosen, in order of time.

    Those in which nobody reacts are left out. How good the answers were plays no part.
    """
    taken: list[Checked] = []
    for candidate in sorted(checked, key=lambda c: (-c.weight, c.question.stamp_ns)):
        near = [c for c in taken if abs(c.question.stamp_ns - candidate.question.stamp_ns) < apart * 1e9]
        if candidate.weight > 0 and not near and len(taken) < most:
            taken.append(candidate)
    return sorted(taken, key=lambda c: c.question.stamp_ns)
