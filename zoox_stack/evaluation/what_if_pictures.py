"""Pictures of one what-if question: for each plan the answer and what really happens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.geometry import box_corners
from zoox_stack.core.plans import EgoPlan
from zoox_stack.evaluation.birds_eye import EGO, PLAN, outlines
from zoox_stack.evaluation.canvas import Canvas, View, mixed
from zoox_stack.evaluation.map_picture import GROUND, ROAD, MapPicture, dashed
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_truth import Checked
from zoox_stack.simulation.rerun import PRESENT

ANSWER, TRUTH, USUAL = "#2563eb", "#15171a", "#98a1ab"
_OTHERS, _REACTING = "#b3bac2", "#5f6b78"
_PIXELS = 560  # width of a picture
_TALLEST = 1.5  # height of a picture for its width, at most
_LEAST_WIDTH, _MOST_WIDTH = 30.0, 75.0  # [m]
_MARGIN = 6.0  # [m]
_TAG_WIDTH, _TAG_HEIGHT = 0.12, 0.05  # shares of a picture that a name takes
_TURNING = 3.0  # [m] over which headings in the end are measured
_LEAST_BOX = 0.7  # [m] width of the outline of thin ones
_LEAST_SHOWN = 0.05  # modes less probable are left out


@dataclass(frozen=True)
class Tag:
    """A name at a place of a picture.

    Attributes:
        text: For people.
        left: Share of the width.
        top: Share of the height.
    """

    text: str
    left: float
    top: float


def common_view(checked: Checked) -> View:
    """What all pictures of a question show: the ego's plans and those who react, as far as possible."""
    ego = _ego(checked)
    points = [checked.question.plans[row].xy for row in checked.question.shown]
    points.append(np.array([[ego.x, ego.y]]))
    for user in checked.users[: checked.drawn].tolist():
        future = checked.truth.futures[:, :, user]
        points += [checked.truth.scene.position[user : user + 1, :2], future[future[..., PRESENT] > 0][:, :2]]
    view = View(ego.x, ego.y, ego.yaw, 1.0, 1.0, 1.0)
    shares = view.shares(np.concatenate(points))  # with a view of 1 m: metres from the ego
    low, high = shares.min(axis=0) - _MARGIN, shares.max(axis=0) + _MARGIN
    wanted = high - low
    width = float(np.clip(max(wanted[0], wanted[1] / _TALLEST), _LEAST_WIDTH, _MOST_WIDTH))
    height = float(np.clip(wanted[1], width, _TALLEST * width))
    # where not everything fits, what is near the ego does
    reach = np.array([width, height]) / 2 - _MARGIN
    right, down = np.clip((low + high) / 2, 0.5 - reach, 0.5 + reach) - 0.5
    c, s = np.cos(ego.yaw), np.sin(ego.yaw)
    return View(ego.x - down * c + right * s, ego.y - down * s - right * c, ego.yaw, width, height, _PIXELS / width)


def draw_question(
    run: RecordedRun, background: MapPicture | None, checked: Checked, view: View
) -> list[NDArray[np.uint8]]:
    """One picture per plan shown, uint8 ``[H, W, 3]``, red first."""
    return [_draw_plan(run, background, checked, view, place) for place in range(len(checked.question.shown))]


def tags_of(checked: Checked, view: View) -> list[Tag]:
    """Names of the agents whose futures are drawn; those side by side share one."""
    tags: list[Tag] = []
    for track in checked.tracks[: checked.drawn].tolist():
        left, top = view.shares(checked.scene.position[track, :2]).tolist()
        if not (0.0 < left < 1.0 and 0.0 < top < 1.0):
            continue
        name = f"#{int(checked.scene.ids[track])}"
        near = [
            n for n, tag in enumerate(tags) if abs(tag.left - left) < _TAG_WIDTH and abs(tag.top - top) < _TAG_HEIGHT
        ]
        if near:
            tags[near[0]] = replace(tags[near[0]], text=f"{tags[near[0]].text} {name}")
        else:
            tags.append(Tag(name, left, top))
    return tags


def _draw_plan(
    run: RecordedRun, background: MapPicture | None, checked: Checked, view: View, place: int
) -> NDArray[np.uint8]:
    question, answer, scene = checked.question, checked.answer, checked.scene
    row = question.shown[place]
    canvas = Canvas(view, GROUND)
    if background is not None:
        background.draw(canvas, run.signals_at(question.stamp_ns))
    reacting = set(checked.tracks[: checked.drawn].tolist())
    for track, corners in enumerate(outlines(scene)):
        colour = _REACTING if track in reacting else _OTHERS
        if scene.classes[track] == AgentClass.PEDESTRIAN:
            canvas.dot(scene.position[track, :2], 0.42, colour, metres=True)
        else:
            canvas.fill(corners, colour)
    _draw_ego(canvas, _ego(checked), question.plans[row])
    told = answer.predictions[row]
    for track, user in zip(
        checked.tracks[: checked.drawn].tolist(), checked.users[: checked.drawn].tolist(), strict=True
    ):
        start, size = scene.position[track : track + 1, :2], checked.truth.scene.size[user]
        probabilities, ways = told.probabilities[track], told.map_positions[track]
        best = int(probabilities.argmax())
        usual = np.concatenate([start, answer.unconditional.map_positions[track, best]])
        canvas.lines(dashed(usual, 1.2, 1.0), USUAL, 1.6)
        for mode in np.flatnonzero(probabilities > _LEAST_SHOWN).tolist():
            if mode != best:
                colour = mixed(ROAD, ANSWER, 0.15 + 0.6 * float(probabilities[mode]))
                canvas.lines([np.concatenate([start, ways[mode]])], colour, 1.2)
        canvas.lines([np.concatenate([start, ways[best]])], ANSWER, 3.4)
        future = checked.truth.futures[place, :, user]
        future = future[future[:, PRESENT] > 0]
        canvas.lines([np.concatenate([checked.truth.scene.position[user : user + 1, :2], future[:, :2]])], TRUTH, 1.8)
        yaw = float(scene.yaw[track])
        _outline(canvas, usual[-1], _end_heading(usual, yaw), size, USUAL)
        _outline(canvas, ways[best, -1], _end_heading(ways[best], yaw), size, ANSWER)
        if len(future):
            _outline(canvas, future[-1, :2], float(future[-1, 2]), size, TRUTH)
    return canvas.image()


def _draw_ego(canvas: Canvas, ego: EgoState, plan: EgoPlan) -> None:
    xy = plan.xy + ego.rear_axle_to_centre * np.stack([np.cos(plan.yaw), np.sin(plan.yaw)], axis=1)
    canvas.lines([np.concatenate([ego.centre[None], xy])], PLAN, 3.6)
    corners = box_corners(ego.centre[None], np.array([ego.yaw]), ego.length, ego.width)[0]
    canvas.fill(corners, EGO)
    _outline(canvas, xy[-1], float(plan.yaw[-1]), np.array([ego.length, ego.width]), PLAN)


def _end_heading(way: NDArray[np.float64], first: float) -> float:
    """Direction of the last metres of a way ``[P, 2]``, `first` if it is shorter [rad]."""
    offset = way[-1] - way
    far = np.flatnonzero(np.hypot(*offset.T) > _TURNING)
    return float(np.arctan2(offset[far[-1], 1], offset[far[-1], 0])) if len(far) else first


def _outline(canvas: Canvas, centre: NDArray[np.float64], yaw: float, size: NDArray[Any], colour: str) -> None:
    """Where a box is in the end."""
    corners = box_corners(centre[None], np.array([yaw]), float(size[0]), max(float(size[1]), _LEAST_BOX))[0]
    canvas.lines([corners], "#ffffff", 4.4, closed=True)
    canvas.lines([corners], colour, 2.6, closed=True)


def _ego(checked: Checked) -> EgoState:
    ego = checked.scene.ego
    assert ego is not None, "questions are asked of scenes with an ego"
    return ego
