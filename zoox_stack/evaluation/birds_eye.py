"""Bird's-eye pictures: map, tracks, weighted futures, candidate plans, the chosen plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import box_corners
from zoox_stack.core.plans import PlanDecision
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.evaluation.canvas import Canvas, View, mixed
from zoox_stack.evaluation.map_picture import GROUND, ROAD, MapPicture

EGO, PLAN, ASKED, CANDIDATE, TRUTH = "#111111", "#e4572e", "#d99a72", "#c9b6a8", "#3b4148"
AHEAD, BEHIND, SIDE = 54.0, 20.0, 33.0  # [m] around the ego that are shown
SCALE = 10.0  # [pixels/m]
_LEAST_SHOWN = 0.03  # modes less probable are left out
_STRENGTHS = 8  # of the colours of futures


def agent_colour(agent_class: int) -> str:
    """Colour of a class."""
    if agent_class in VEHICLE_CLASSES:
        return "#2b6cb0"
    if agent_class in CYCLIST_CLASSES:
        return "#2f855a"
    return "#9b2c9b" if agent_class == AgentClass.PEDESTRIAN else "#6b7280"


def view_around(ego: EgoState, scale: float = SCALE) -> View:
    """The picture of a drive: the ego drives up."""
    middle = (AHEAD - BEHIND) / 2
    x, y = ego.x + middle * np.cos(ego.yaw), ego.y + middle * np.sin(ego.yaw)
    return View(x, y, ego.yaw, 2 * SIDE, AHEAD + BEHIND, scale)


def draw_scene(
    scene: TrackedAgents,
    *,
    background: MapPicture | None = None,
    predicted: PredictedAgents | None = None,
    decision: PlanDecision | None = None,
    signals: TrafficSignals | None = None,
    truth: TrackedAgents | None = None,
    scale: float = SCALE,
) -> NDArray[np.uint8]:
    """One picture of a tick.

    Args:
        scene: Agents and ego.
        background: The map, None without one.
        predicted: Futures.
        decision: Candidate plans.
        signals: States of the signals.
        truth: The agents as they really are; shown as outlines.
        scale: [pixels/m].

    Returns:
        uint8 ``[H, W, 3]``, red first.

    Raises:
        InvalidInputError: The scene has no ego to draw around.
    """
    if scene.ego is None:
        raise InvalidInputError("scene.ego", "the state of the ego, the middle of the picture", "none")
    canvas = Canvas(view_around(scene.ego, scale), GROUND)
    if background is not None:
        background.draw(canvas, signals)
    if predicted is not None:
        draw_futures(canvas, scene, predicted)
    if decision is not None:
        _draw_plans(canvas, decision)
    if truth is not None:
        canvas.lines(outlines(truth), TRUTH, 0.8, closed=True)
    draw_agents(canvas, scene)
    draw_ego(canvas, scene.ego)
    return canvas.image()


def outlines(scene: TrackedAgents) -> NDArray[np.float64]:
    """Corners of all boxes, ``[N, 4, 2]`` [m]."""
    return box_corners(scene.position[:, :2], scene.yaw, scene.size[:, 0], scene.size[:, 1])


def draw_futures(canvas: Canvas, scene: TrackedAgents, predicted: PredictedAgents, strength: float = 1.0) -> None:
    """All futures, the more probable the stronger; `strength` 0..1 makes all of them fainter."""
    classes = dict(zip(scene.ids.tolist(), scene.classes.tolist(), strict=True))
    near = np.hypot(*(predicted.positions[:, 0, 0] + (predicted.origin - [canvas.view.x, canvas.view.y])).T)
    paths = predicted.map_positions[:, :, ::4]
    groups: dict[tuple[int, str], list[NDArray[np.float64]]] = {}
    for row in np.flatnonzero(near < 2 * canvas.view.reach).tolist():
        colour = agent_colour(classes.get(int(predicted.agent_ids[row]), AgentClass.UNKNOWN))
        for mode, probability in enumerate(predicted.probabilities[row].tolist()):
            if probability >= _LEAST_SHOWN:
                level = round(probability * _STRENGTHS)
                groups.setdefault((level, colour), []).append(paths[row, mode])
    for (level, colour), lines in sorted(groups.items()):  # the probable ones on top
        share = level / _STRENGTHS
        canvas.lines(lines, mixed(ROAD, colour, strength * (0.2 + 0.8 * share)), 0.6 + 2.2 * share)


def draw_agents(canvas: Canvas, scene: TrackedAgents) -> None:
    """Boxes with a lighter nose; pedestrians are discs; the fainter the less sure they exist."""
    for row, shape in enumerate(outlines(scene)):
        kind = int(scene.classes[row])
        colour = mixed(ROAD, agent_colour(kind), 0.35 + 0.65 * float(scene.existence[row]))
        if kind == AgentClass.PEDESTRIAN:
            canvas.dot(scene.position[row, :2], 0.55, "#ffffff", metres=True)
            canvas.dot(scene.position[row, :2], 0.42, colour, metres=True)
        else:
            _draw_box(canvas, shape, colour)


def draw_ego(canvas: Canvas, ego: EgoState) -> None:
    """The ego's box."""
    corners = box_corners(ego.centre[None], np.array([ego.yaw]), ego.length, ego.width)
    _draw_box(canvas, corners[0], EGO)


def _draw_box(canvas: Canvas, corners: NDArray[np.float64], colour: str) -> None:
    canvas.fill(corners, colour)
    front_left, rear_left, rear_right, front_right = corners
    screen = [
        front_left + 0.2 * (rear_left - front_left), front_left + 0.36 * (rear_left - front_left),
        front_right + 0.36 * (rear_right - front_right), front_right + 0.2 * (rear_right - front_right),
    ]  # fmt: skip
    canvas.fill(np.array(screen), mixed(colour, "#ffffff", 0.55))
    canvas.lines([corners], "#ffffff", 0.7, closed=True)


def _draw_plans(canvas: Canvas, decision: PlanDecision) -> None:
    paths = decision.positions.astype(np.float64) + decision.origin
    asked = set(decision.asked.tolist())
    others = [row for row in range(len(paths)) if row != decision.chosen]
    canvas.lines([paths[row] for row in others if row not in asked], CANDIDATE, 0.5)
    canvas.lines([paths[row] for row in others if row in asked], ASKED, 1.0)
    canvas.lines([paths[decision.chosen]], PLAN, 3.0)
