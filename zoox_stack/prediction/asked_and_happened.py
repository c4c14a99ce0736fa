"""While driving: the answer given for the plan that was then driven, against what followed.

One question every `EVERY` seconds is kept. The ego plans anew at every tick, so that no plan is driven to its end. But
what an answer says for a time depends on its plan up to that time only; so it is held against what follows for as long
as the ego stays within `TOLERANCE` of the plan at every step, at most 8 s. Of all plans asked about, the one that was
followed longest counts. Only road users that the answer moves are compared, those for whom it says something else than
the prediction without a plan; for all others both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents, WhatIfAnswer, WhatIfRequest

EVERY = 1.0  # [s]
TOLERANCE = 2.0  # [m] between the ego and the plan at the same time
SHORTEST = 20  # steps (2 s) that a plan must be followed, and a road user be seen
_PREFIX = "asked versus happened: "
_OFF_GRID = 0.3  # steps that a scene may be off the times of a prediction


@dataclass(frozen=True)
class AskedAndHappened:
    """Sums over a drive.

    Attributes:
        questions: Kept.
        followed: Of them, those with a plan that was then driven for at least 2 s.
        seconds: For which their plans were driven, together [s].
        agents: Road users that their answers move and that were seen for at least 2 s.
        conditional: Sum over them of the error of the answer: minADE of all modes [m].
        unconditional: The same of the prediction that knows no plan [m].
        conditional_likeliest: Sum of the mean error of the likeliest mode of the answer [m].
        unconditional_likeliest: The same of the prediction that knows no plan [m].
        better: For how many of them the answer is nearer (minADE).
    """

    questions: int = 0
    followed: int = 0
    seconds: float = 0.0
    agents: int = 0
    conditional: float = 0.0
    unconditional: float = 0.0
    conditional_likeliest: float = 0.0
    unconditional_likeliest: float = 0.0
    better: int = 0

    def plus(self, other: AskedAndHappened) -> AskedAndHappened:
        """Both together."""
        return AskedAndHappened(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def means(self) -> dict[str, float | int | None]:
        """For people and JSON: times and errors as means, None over nobody."""

        def mean(total: float, count: int) -> float | None:
            return round(total / count, 3) if count else None

        return {
            "questions": self.questions,
            "followed": self.followed,
            "followed_s": mean(self.seconds, self.followed),
            "agents": self.agents,
            "conditional_minADE6_m": mean(self.conditional, self.agents),
            "unconditional_minADE6_m": mean(self.unconditional, self.agents),
            "conditional_ADE_m": mean(self.conditional_likeliest, self.agents),
            "unconditional_ADE_m": mean(self.unconditional_likeliest, self.agents),
            "better": mean(self.better, self.agents),
        }

    def values(self) -> dict[str, str]:
        """For /diagnostics."""
        return {_PREFIX + f.name: repr(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_values(cls, values: Mapping[str, str]) -> AskedAndHappened | None:
        """Inverse of `values`; None if they are not all there."""
        try:
            found = {f.name: float(values[_PREFIX + f.name]) for f in fields(cls)}
        except (KeyError, ValueError):
            return None
        whole = {f.name for f in fields(cls) if isinstance(f.default, int)}
        return cls(**{name: int(value) if name in whole else value for name, value in found.items()})  # type: ignore[arg-type]


@dataclass(eq=False)
class _Question:
    """A question and what has followed so far: P plans, T steps, U road users that some answer moves."""

    stamp_ns: int
    plans: NDArray[np.float64]  # [P, T, 2] base_link, map frame
    answers: tuple[PredictedAgents, ...]
    base: PredictedAgents  # of the U road users
    egos: NDArray[np.float64]  # [T, 2], NaN for what has not followed
    paths: NDArray[np.float64]  # [U, T, 2], the same

    def see(self, scene: TrackedAgents) -> None:
        """One scene later."""
        late = (scene.stamp_ns - self.stamp_ns) * 1e-9 / STEP - 1.0
        step = round(late)
        if not 0 <= step < STEPS or abs(late - step) > _OFF_GRID:
            return
        if scene.ego is not None:
            self.egos[step] = scene.ego.x, scene.ego.y
        if len(scene) and len(self.base):
            rows = np.searchsorted(scene.ids, self.base.agent_ids).clip(max=len(scene) - 1)
            there = scene.ids[rows] == self.base.agent_ids
            self.paths[there, step] = scene.position[rows[there], :2]

    def scores(self) -> AskedAndHappened:
        """What can be said by now."""
        gap = np.hypot(*np.moveaxis(self.plans - self.egos, -1, 0))
        steps = _leading(gap <= TOLERANCE)
        plan = int(np.lexsort((np.nan_to_num(gap).sum(axis=1), -steps))[0])
        until, one = int(steps[plan]), AskedAndHappened(questions=1)
        if until < SHORTEST:
            return one
        answer = self.answers[plan]
        one = replace(one, followed=1, seconds=until * STEP)
        for row, agent in enumerate(answer.agent_ids.tolist()):
            place = int(np.searchsorted(self.base.agent_ids, agent))
            path = self.paths[place, :until]
            seen = int(_leading(np.isfinite(path[None, :, 0]))[0])
            if seen < SHORTEST:
                continue
            likeliest, least = _errors(answer, row, path[:seen])
            usual_likeliest, usual = _errors(self.base, place, path[:seen])
            told = AskedAndHappened(0, 0, 0.0, 1, least, usual, likeliest, usual_likeliest, int(least < usual))
            one = one.plus(told)
        return one


class AskedVersusHappened:
    """Keeps answers while driving and scores them. Not thread-safe."""

    def __init__(self) -> None:
        self._open: list[_Question] = []
        self._done = AskedAndHappened()

    def reset(self) -> None:
        """A log began anew: what is open ends here, the sums stay."""
        self._done = self.scores()
        self._open.clear()

    def seen(self, scene: TrackedAgents) -> None:
        """The next scene, in order."""
        for question in self._open:
            question.see(scene)
        horizon = round(STEPS * STEP * 1e9)
        while self._open and scene.stamp_ns - self._open[0].stamp_ns >= horizon:
            self._done = self._done.plus(self._open.pop(0).scores())

    def asked(self, request: WhatIfRequest, answer: WhatIfAnswer, base: PredictedAgents) -> None:
        """A question was answered.

        Args:
            request: The question.
            answer: What was said; anything but a conditional answer is passed over.
            base: Unconditional futures of the same scene.
        """
        stamp = answer.scene_stamp_ns
        if answer.status is not WhatIfStatus.OK or not answer.conditional or base.stamp_ns != stamp:
            return
        if self._open and stamp - self._open[-1].stamp_ns < EVERY * 1e9:
            return
        moved = [effects.agent_ids[effects.displacement > 0] for effects in answer.effects]
        answers = tuple(
            predicted.take(np.flatnonzero(np.isin(predicted.agent_ids, ids)))
            for predicted, ids in zip(answer.predictions, moved, strict=True)
        )
        rows = np.flatnonzero(np.isin(base.agent_ids, np.concatenate(moved)))
        self._open.append(
            _Question(
                stamp_ns=stamp,
                plans=np.stack([plan.xy for plan in request.plans]),
                answers=answers,
                base=base.take(rows),
                egos=np.full((STEPS, 2), np.nan),
                paths=np.full((len(rows), STEPS, 2), np.nan),
            )
        )

    def scores(self) -> AskedAndHappened:
        """Sums so far; of questions less than 8 s old what has followed by now."""
        total = self._done
        for question in self._open:
            total = total.plus(question.scores())
        return total


def _leading(good: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each row ``[P, T]`` are good before the first that is not."""
    return np.asarray(np.cumprod(good, axis=1).sum(axis=1), np.int64)


def _errors(predicted: PredictedAgents, row: int, path: NDArray[np.float64]) -> tuple[float, float]:
    """Mean distance of the likeliest mode, and of the nearest one, to a path ``[S, 2]`` [m]."""
    positions = predicted.positions[row, :, : len(path)].astype(np.float64) + predicted.origin
    by_mode = np.linalg.norm(positions - path, axis=-1).mean(axis=-1)
    return float(by_mode[int(predicted.probabilities[row].argmax())]), float(by_mode.min())
