"""The part of the report that holds what-if answers against what really happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.geometry import arc_lengths, boxes_overlap
from zoox_stack.core.predictions import STEP
from zoox_stack.evaluation.canvas import data_uri
from zoox_stack.evaluation.map_picture import MapPicture
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_pictures import Tag, common_view, draw_question, tags_of
from zoox_stack.evaluation.what_if_questions import WINDOW, Question, questions_of
from zoox_stack.evaluation.what_if_truth import Checked, Rebuilt, answer_again, check, most_telling, rebuild
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.simulation.rerun import PRESENT, SimulatedDrive
from zoox_stack.simulation.workers import Job, Outcome, run_jobs

PANELS = 6
APART = 3.0  # [s] between panels
_NOTABLE = 0.1  # [m]
_NAMED = 6  # agents that react
SAME_ANSWER = 0.05  # of collision probabilities, asked again: plans come back from the recording without headings


@dataclass(frozen=True)
class PlanPicture:
    """One plan of a question.

    Attributes:
        name: Of the plan.
        notes: What it was: chosen, best before the answer.
        image: Address of the picture.
        ways: Of each agent drawn: its name and the way it goes in 8 s [m] by the answer, in truth (None if it has left)
            and by the prediction that does not know the plan.
        collision: Probability answered.
        contact: What really happens between the ego and others, empty if nothing.
        told: Mean error of the answer [m], None if nobody reacts long enough.
        usual: The same of the prediction that does not know the plan [m].
    """

    name: str
    notes: tuple[str, ...]
    image: str
    ways: tuple[tuple[str, float, float | None, float], ...]
    collision: float
    contact: str
    told: float | None
    usual: float | None


@dataclass(frozen=True)
class Panel:
    """One question with all its plans.

    Attributes:
        seconds: Time of the drive [s].
        text: What was asked and decided.
        reacting: Who reacts, by how much.
        tags: Names at places of all its pictures.
        plans: The plans shown.
        shape: Height of a picture for its width.
    """

    seconds: float
    text: str
    reacting: str
    tags: tuple[Tag, ...]
    plans: tuple[PlanPicture, ...]
    shape: float


@dataclass(frozen=True)
class WhatIfSection:
    """All panels and what they say together.

    Attributes:
        panels: In order of time.
        summary: Sentences.
        reason: Why there is nothing; empty if there is.
    """

    panels: tuple[Panel, ...] = ()
    summary: tuple[str, ...] = ()
    reason: str = ""


class WhatIfCheck:
    """Checks the questions of a drive; the world is built again in another process meanwhile. A context manager.

    Args:
        run: The recording.
        simulated: Which drive it is; None if it is not one of the simulator.
    """

    def __init__(self, run: RecordedRun, simulated: SimulatedDrive | None) -> None:
        self._run, self._simulated = run, simulated
        self._questions: list[Question] = []
        self._pool: ThreadPoolExecutor | None = None
        self._outcome: Future[Outcome] | None = None

    def __enter__(self) -> WhatIfCheck:
        if self._simulated is not None and self._run.true_egos:
            self._questions = questions_of(self._run)
        if self._questions:
            truth = {scene.stamp_ns: scene for scene in self._run.labels}
            arguments = (self._simulated, self._run.true_egos, truth, self._questions)
            job = Job("driving again", rebuild, arguments)
            self._pool = ThreadPoolExecutor(1)
            self._outcome = self._pool.submit(lambda: next(iter(list(run_jobs([job], 1)))))
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def section(self) -> WhatIfSection:
        """The finished section; waits for the other process."""
        reason = self._missing()
        if reason:
            return WhatIfSection(reason=reason)
        assert self._outcome is not None
        try:
            answers = answer_again(self._run, self._questions, Predictor())
        except ZooxStackError as error:
            return WhatIfSection(reason=f"The questions could not be asked again: {error}")
        outcome = self._outcome.result()
        if outcome.failure:
            return WhatIfSection(reason=f"The drive could not be driven again: {outcome.failure}")
        rebuilt: Rebuilt = outcome.result
        checked = [
            check(q, self._run.tracks[q.stamp_ns], answers[q.stamp_ns], rebuilt.truths[q.stamp_ns])
            for q in self._questions
        ]
        shift = max(answers_apart(c) for c in checked)
        if not shift <= SAME_ANSWER:
            return WhatIfSection(
                reason="The answers computed again from the recorded scenes are not those of the drive (collision "
                f"probabilities differ by up to {shift:.2f}), so that nothing can be said about them. Was the model "
                "changed since?"
            )
        background = None if self._run.network is None else MapPicture(self._run.network)
        panels = tuple(_panel(self._run, background, c) for c in most_telling(checked, PANELS, APART))
        return WhatIfSection(panels, (*summary_of(checked), _proof(rebuilt, shift)))

    def _missing(self) -> str:
        if self._simulated is None:
            return (
                "This is a recorded drive. What would have happened had the ego driven another plan is known only in a "
                "simulated world."
            )
        if not self._run.true_egos:
            return "The recording has no exact poses of the ego, without which the drive cannot be driven again."
        if not self._questions:
            return "No what-if question was answered with at least 8 s of drive left."
        return ""


def summary_of(checked: Sequence[Checked]) -> tuple[str, ...]:
    """What all checked questions say together."""
    told = np.concatenate([c.told.ravel() for c in checked])
    usual = np.concatenate([c.usual.ravel() for c in checked])
    known = np.isfinite(told)
    plans = sum(len(c.question.shown) for c in checked)
    text = (
        f"{len(checked)} questions, one from every {WINDOW:g} s, were checked by driving {plans} plans for 8 s each. "
        f"In {sum(bool(len(c.tracks)) for c in checked)} of them somebody reacts."
    )
    if not known.any():
        return (text,)
    told, usual = told[known], usual[known]
    errors = (
        f"Over all {len(told)} futures of agents that react, the likeliest future is off by {told.mean():.2f} m when "
        f"prediction knows the plan and by {usual.mean():.2f} m when it does not (mean over 8 s). Knowing the plan "
        f"makes it better by more than {_NOTABLE} m in {(told < usual - _NOTABLE).mean():.0%} of them and worse in "
        f"{(told > usual + _NOTABLE).mean():.0%}."
    )
    return text, errors


def answers_apart(checked: Checked) -> float:
    """Largest difference between a collision probability answered in the drive and the same asked again."""
    recorded = checked.question.recorded
    return float(np.abs(checked.answer.collisions[: len(recorded)] - recorded).max())


def decided(question: Question) -> str:
    """What the answer to a question led to."""
    first, won = question.plans[0].name, question.plans[question.chosen].name
    if not question.acceptable:
        return (
            f"Before the answer '{first}' was best; after it no plan was acceptable any more: '{won}' is a safe stop."
        )
    if question.changed:
        return f"Before the answer '{first}' was best; the answer made it '{won}'."
    return f"The answer confirmed '{won}'."


def _proof(rebuilt: Rebuilt, shift: float) -> str:
    return (
        "The world was built again step by step: its largest difference to the recording is "
        f"{rebuilt.max_difference:.3g} m over {rebuilt.compared:,} positions. The answers were computed again from the "
        f"recorded scenes: their collision probabilities differ from those of the drive by at most {shift:.4f}."
    )


def _panel(run: RecordedRun, background: MapPicture | None, checked: Checked) -> Panel:
    question = checked.question
    view = common_view(checked)
    pictures = draw_question(run, background, checked, view)
    plans = [_plan_picture(checked, place, data_uri(picture)) for place, picture in enumerate(pictures)]
    spread = checked.truth.spread[checked.users]
    reacting = [
        f"#{int(checked.scene.ids[track])} (by {apart:.1f} m)"
        for track, apart in zip(checked.tracks[:_NAMED].tolist(), spread[:_NAMED].tolist(), strict=True)
    ]
    more = len(checked.tracks) - len(reacting)
    return Panel(
        seconds=(question.stamp_ns - run.begin_ns) * 1e-9,
        text=f"{len(question.recorded)} plans asked about, {len(question.shown)} of them driven here. "
        f"{decided(question)}",
        reacting=", ".join(reacting)
        + (f" and {more} more" if more else "")
        + (f"; {checked.unseen} more that perception had not seen" if checked.unseen else ""),
        tags=tuple(tags_of(checked, view)),
        plans=tuple(plans),
        shape=view.height / view.width,
    )


def _plan_picture(checked: Checked, place: int, image: str) -> PlanPicture:
    question = checked.question
    row = question.shown[place]
    notes = ("chosen",) if row == question.chosen else ()
    if row == 0 and (question.changed or not question.acceptable):
        notes = (*notes, "best before the answer")
    told, usual = checked.told[place], checked.usual[place]
    known = np.isfinite(told)
    return PlanPicture(
        name=question.plans[row].name,
        notes=notes,
        image=image,
        ways=tuple(ways_of(checked, place)),
        collision=float(checked.answer.collisions[row]),
        contact=contact_of(checked, place),
        told=float(told[known].mean()) if known.any() else None,
        usual=float(usual[known].mean()) if known.any() else None,
    )


def ways_of(checked: Checked, place: int) -> Iterator[tuple[str, float, float | None, float]]:
    """See `PlanPicture.ways`."""
    answer, row = checked.answer, checked.question.shown[place]
    for track, user in zip(
        checked.tracks[: checked.drawn].tolist(), checked.users[: checked.drawn].tolist(), strict=True
    ):
        start, truth = checked.scene.position[track, :2], checked.truth
        mode = int(answer.unconditional.probabilities[track].argmax())
        told, usual = (
            float(arc_lengths(np.vstack([start, predicted.map_positions[track, mode]]))[-1])
            for predicted in (answer.predictions[row], answer.unconditional)
        )
        future = truth.futures[place, :, user]
        way = np.vstack([truth.scene.position[user, :2], future[:, :2]])
        stays = bool(future[-1, PRESENT])
        yield f"#{int(checked.scene.ids[track])}", told, float(arc_lengths(way)[-1]) if stays else None, usual


def contact_of(checked: Checked, place: int) -> str:
    """Whom the ego touches first when it drives a plan, and when; empty if nobody."""
    question, truth, ego = checked.question, checked.truth, checked.scene.ego
    assert ego is not None
    plan = question.plans[question.shown[place]]
    centre = plan.xy + ego.rear_axle_to_centre * np.stack([np.cos(plan.yaw), np.sin(plan.yaw)], axis=1)
    future = truth.futures[place]
    touching = boxes_overlap(
        centre[:, None], plan.yaw[:, None], [ego.length, ego.width], future[..., :2], future[..., 2],
        truth.scene.size[:, :2],
    ) & (future[..., PRESENT] > 0)  # fmt: skip
    if not touching.any():
        return ""
    step, user = np.argwhere(touching)[0].tolist()
    kind = truth.scene.classes[user]
    return f"{_NAMES[int(kind)]}, {(step + 1) * STEP:.1f} s"


_NAMES = (
    "road user", "car", "lorry", "bus", "trailer", "motorcycle", "bicycle", "pedestrian", "animal", "hazard",
)  # fmt: skip
