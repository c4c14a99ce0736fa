"""Panels of filmstrips: one instant from above, with plans, and the futures of others under each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.geometry import box_corners
from zoox_stack.evaluation.birds_eye import PLAN, draw_ego, outlines
from zoox_stack.evaluation.canvas import Canvas, View
from zoox_stack.evaluation.junction_films import Film, Frame, changed_plan, under_plan
from zoox_stack.evaluation.map_picture import GROUND, MapPicture
from zoox_stack.evaluation.what_if_questions import plan_of
from zoox_stack.prediction.plan_effects import ego_ways

COLOURS = (PLAN, "#2563eb", "#7c3aed")  # of plans, the chosen one first
AHEAD = 50  # steps of plans and futures that are drawn
_LEAST_LOST = 1.0  # [m] of way from which on the futures of an agent are drawn
_MOST_AGENTS = 2  # whose futures are drawn
_PIXELS = 400  # width of a panel
_TALLEST = 1.25  # height of a panel for its width
_LEAST_WIDTH, _MOST_WIDTH = 40.0, 66.0  # [m]
_MARGIN = 7.0  # [m]
_BESIDE = 0.45  # [m] between lines on the same way
_WIDTHS = (5.0, 3.0)  # [pixels] of lines of the chosen plan and of others
_OTHERS, _MOVED = "#aab2bb", "#4b5662"
_LEAST_BOX = 0.8  # [m] width of the outline of thin ones


@dataclass(frozen=True)
class Shown:
    """What is drawn of a frame.

    Attributes:
        plans: Places in `PlanDecision.asked`, the chosen one first; empty without an answer.
        agents: Rows of the scene whose futures are drawn, who loses most way first.
    """

    plans: tuple[int, ...]
    agents: tuple[int, ...]


def shown_of(frame: Frame) -> Shown:
    """The chosen plan, the one that was best before the answer, and those most different for the agents that lose."""
    asked = frame.decision.asked.tolist()
    if not frame.answered:
        return Shown((), ())
    worst = frame.lost.max(axis=0, initial=0.0)
    agents = tuple(int(row) for row in np.argsort(-worst, kind="stable")[:_MOST_AGENTS] if worst[row] >= _LEAST_LOST)
    plans = [asked.index(frame.decision.chosen)]
    if changed_plan(frame.decision):
        plans.append(0)
    positions = frame.decision.positions[asked]
    while len(plans) < min(len(COLOURS), len(asked)):
        if agents:
            lost = frame.lost[:, agents]
            apart = np.abs(lost[:, None] - lost[None, plans]).max(axis=2).min(axis=1)
        else:
            apart = np.hypot(*np.moveaxis(positions[:, None] - positions[None, plans], -1, 0)).mean(axis=2).min(axis=1)
        apart[plans] = -1.0
        plans.append(int(apart.argmax()))
    return Shown(tuple(plans), agents)


def common_view(film: Film) -> View:
    """What all panels of a film show: the ego in all of them, and those whose futures are drawn, as far as possible."""
    question = film.frames[film.question]
    ego = question.ego
    named = {int(question.scene.ids[row]) for row in shown_of(question).agents}
    points = [frame.ego.centre[None] for frame in film.frames]
    points.append(question.scene.position[np.isin(question.scene.ids, list(named)), :2])
    up = film.frames[0].ego.yaw
    view = View(ego.x, ego.y, up, 1.0, 1.0, 1.0)
    shares = view.shares(np.concatenate(points))  # with a view of 1 m: metres from the ego
    low, high = shares.min(axis=0) - _MARGIN, shares.max(axis=0) + _MARGIN
    wanted = high - low
    width = float(np.clip(max(wanted[0], wanted[1] / _TALLEST), _LEAST_WIDTH, _MOST_WIDTH))
    height = float(np.clip(wanted[1], width, _TALLEST * width))
    # where not everything fits, the ego does
    own = view.shares(np.concatenate(points[: len(film.frames)]))
    spare = np.array([width, height]) / 2 - _MARGIN
    middle = np.clip(
        (low + high) / 2, own.max(axis=0) - spare, np.maximum(own.min(axis=0) + spare, own.max(axis=0) - spare)
    )
    right, down = middle - 0.5
    c, s = np.cos(up), np.sin(up)
    return View(ego.x - down * c + right * s, ego.y - down * s - right * c, up, width, height, _PIXELS / width)


def draw_panel(frame: Frame, shown: Shown, background: MapPicture, view: View) -> NDArray[np.uint8]:
    """One instant, uint8 ``[H, W, 3]``, red first."""
    canvas = Canvas(view, GROUND)
    background.draw(canvas, frame.signals)
    scene = frame.scene
    for row, corners in enumerate(outlines(scene)):
        colour = _MOVED if row in shown.agents else _OTHERS
        if scene.classes[row] == AgentClass.PEDESTRIAN:
            canvas.dot(scene.position[row, :2], 0.45, colour, metres=True)
        else:
            canvas.fill(corners, colour)
            canvas.lines([corners], "#ffffff", 0.7, closed=True)
    for row in shown.agents:
        for place, way, yaw in reversed(list(_futures(frame, shown, row))):
            _draw_way(canvas, way, yaw, scene.size[row, :2], place, len(shown.plans))
    for place, way, yaw in reversed(list(ego_futures(frame, shown))):
        _draw_way(canvas, way, yaw, np.array([frame.ego.length, frame.ego.width]), place, len(shown.plans))
    draw_ego(canvas, frame.ego)
    return canvas.image()


def ego_futures(frame: Frame, shown: Shown) -> Iterable[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Of each plan shown its place, the way ``[T, 2]`` of the middle of the ego [m] and its headings ``[T]`` [rad].

    Where no plan is shown it is the chosen one.
    """
    decision, ego = frame.decision, frame.ego
    rows = decision.asked[list(shown.plans)].tolist() if shown.plans else [decision.chosen]
    plans = tuple(plan_of(decision, row, ego) for row in rows)
    for place, (plan, way) in enumerate(zip(plans, ego_ways(plans, ego, np.zeros(2)), strict=True)):
        yield place, way[: AHEAD + 1], np.concatenate([[ego.yaw], plan.yaw])[: AHEAD + 1]


def _futures(frame: Frame, shown: Shown, row: int) -> Iterable[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Likeliest future of an agent under each plan shown, as `ego_futures`."""
    scene = frame.scene
    here = np.flatnonzero(frame.usual.agent_ids == scene.ids[row])
    start, heading = scene.position[row : row + 1, :2], scene.yaw[row : row + 1]
    for place, plan in enumerate(shown.plans):
        told = under_plan(frame.usual, frame.answers[plan], here)
        mode = int(told.probabilities[0].argmax())
        way, yaw = (
            np.concatenate([start, told.map_positions[0, mode]]),
            np.concatenate([heading, told.headings[0, mode]]),
        )
        yield place, way[: AHEAD + 1], yaw[: AHEAD + 1]


def _draw_way(
    canvas: Canvas, way: NDArray[np.float64], yaw: NDArray[np.float64], size: Sequence[float] | NDArray[np.floating],
    place: int, plans: int,
) -> None:  # fmt: skip
    """A way beside those of other plans, and the box at its end."""
    aside = (place - (plans - 1) / 2) * _BESIDE
    line = way + aside * np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    canvas.lines([line], COLOURS[place], _WIDTHS[place > 0])
    corners = box_corners(way[-1:], yaw[-1:], float(size[0]), max(float(size[1]), _LEAST_BOX))[0]
    canvas.lines([corners], "#ffffff", _WIDTHS[place > 0] + 1.0, closed=True)
    canvas.lines([corners], COLOURS[place], _WIDTHS[place > 0] - 0.8, closed=True)
