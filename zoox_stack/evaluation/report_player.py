"""The frames of the drive that the report plays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import Rejection
from zoox_stack.core.plans import PlanDecision
from zoox_stack.evaluation.birds_eye import draw_scene, view_around
from zoox_stack.evaluation.canvas import data_uri
from zoox_stack.evaluation.map_picture import MapPicture
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_pictures import Tag

RATE = 4.0  # [frames/s]
KEY_FRAMES = 12  # shown where nothing plays: in print and without JavaScript
_MOST_ROWS = 8  # of the table of candidates
_EVENT_SHOWN = 1.5  # [s] after its end
_SPOKEN_OF = re.compile(r"(?:#|\bagent )(\d+)")


@dataclass(frozen=True)
class Frame:
    """One picture with what is said beside it.

    Attributes:
        seconds: Time of the drive [s].
        speed: [m/s].
        agents: Tracked agents.
        image: Address of the picture.
        tags: Names of agents that the texts speak of.
        chosen: Name of the chosen plan.
        explanation: Of the decision.
        answer: Outcome of the what-if question.
        candidates: Rows of a table.
        events: What happens then.
        key: Whether it is shown where nothing plays.
    """

    seconds: float
    speed: float
    agents: int
    image: str
    tags: tuple[Tag, ...]
    chosen: str
    explanation: str
    answer: str
    candidates: tuple[dict[str, Any], ...]
    events: tuple[str, ...]
    key: bool


def frame_stamps(run: RecordedRun, most: int) -> list[int]:
    """Ticks with everything to show, about `RATE` per second, at most `most`, spread evenly."""
    complete = np.array(
        [stamp for stamp in sorted(run.decisions) if stamp in run.tracks and run.ego(stamp) is not None], np.int64
    )
    if not len(complete):
        return []
    seen = np.array([len(run.tracks[stamp]) > 0 for stamp in complete.tolist()])
    complete = complete[int(seen.argmax()) :]  # perception begins with nobody
    seconds = (complete[-1] - complete[0]) * 1e-9
    wanted = np.linspace(complete[0], complete[-1], max(1, min(most, round(seconds * RATE) + 1)))
    after = np.searchsorted(complete, wanted).clip(max=len(complete) - 1)
    before = (after - 1).clip(min=0)
    nearest = np.where(wanted - complete[before] < complete[after] - wanted, before, after)
    return complete[np.unique(nearest)].tolist()


def frames(run: RecordedRun, background: MapPicture | None, stamps: list[int]) -> Iterator[Frame]:
    """Draw the frames of these ticks."""
    every = max(1, round(len(stamps) / KEY_FRAMES))
    for number, stamp in enumerate(stamps):
        yield _frame(run, background, stamp, number % every == every // 2 or len(stamps) <= KEY_FRAMES)


def _frame(run: RecordedRun, background: MapPicture | None, stamp: int, key: bool) -> Frame:
    decision, scene, ego = run.decisions[stamp], run.tracks[stamp], run.ego(stamp)
    assert ego is not None
    image = draw_scene(
        scene,
        background=background,
        predicted=run.predictions.get(stamp),
        decision=decision,
        signals=run.signals_at(stamp),
        truth=run.label_at(stamp),
    )
    now = [
        event.text
        for event in run.events
        if event.stamp_ns <= stamp <= event.stamp_ns + round((event.duration + _EVENT_SHOWN) * 1e9)
    ]
    chosen = decision.names[decision.chosen]
    return Frame(
        seconds=(stamp - run.begin_ns) * 1e-9,
        speed=ego.speed,
        agents=len(scene),
        image=data_uri(image),
        tags=_tags(scene, ego, f"{chosen} {decision.explanation}"),
        chosen=chosen,
        explanation=decision.explanation.removeprefix(f"{chosen}: "),
        answer=decision.answer_status.name.lower().replace("_", " ")
        + (", decided with conditional futures" if decision.conditional else ""),
        candidates=candidate_rows(decision),
        events=tuple(now),
        key=key,
    )


def _tags(scene: TrackedAgents, ego: EgoState, text: str) -> tuple[Tag, ...]:
    """Names of the agents a text speaks of."""
    wanted = np.array(sorted({int(number) for number in _SPOKEN_OF.findall(text)}), np.int64)
    rows = np.flatnonzero(np.isin(scene.ids, wanted))
    places = view_around(ego).shares(scene.position[rows, :2])
    inside = np.atleast_1d(((places > 0.02) & (places < 0.98)).all(axis=1))
    return tuple(
        Tag(f"#{int(scene.ids[row])}", float(left), float(top))
        for row, (left, top), shown in zip(rows, places.tolist(), inside.tolist(), strict=True)
        if shown
    )


def candidate_rows(decision: PlanDecision) -> tuple[dict[str, Any], ...]:
    """The asked candidates and the chosen one, the chosen first, then the cheapest."""
    asked = {int(row): n for n, row in enumerate(decision.asked)}

    def final(row: int) -> float:
        n = asked.get(row)
        told = np.nan if n is None else float(decision.conditional_totals[n])
        return told if np.isfinite(told) else float(decision.totals[row])

    rows = sorted({*asked, decision.chosen}, key=lambda row: (row != decision.chosen, final(row)))
    table = []
    for row in rows[:_MOST_ROWS]:
        n = asked.get(row)
        told = None if n is None or not np.isfinite(decision.conditional_totals[n]) else n
        rejection = Rejection(decision.rejections[row])
        table.append(
            {
                "name": decision.names[row],
                "chosen": row == decision.chosen,
                "total": f"{decision.totals[row]:.2f}",
                "conditional": "" if told is None else f"{decision.conditional_totals[told]:.2f}",
                "collision": "" if told is None else f"{decision.collision_probabilities[told]:.1%}",
                "rejection": "" if rejection == Rejection.KEPT else rejection.name.lower().replace("_", " "),
            }
        )
    return tuple(table)
