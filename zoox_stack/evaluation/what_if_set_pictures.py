"""Pictures of what-if answers of a set: a row of plans per scene, answer and truth in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import StorageError
from zoox_stack.core.geometry import box_corners
from zoox_stack.core.plans import EgoPlan
from zoox_stack.datasets.scene_futures import SceneFutures
from zoox_stack.evaluation.birds_eye import EGO, PLAN, outlines
from zoox_stack.evaluation.canvas import Canvas, View
from zoox_stack.evaluation.map_picture import GROUND, MapPicture, dashed
from zoox_stack.evaluation.small_png import save_small
from zoox_stack.evaluation.what_if_pictures import ANSWER, TRUTH, USUAL
from zoox_stack.evaluation.what_if_questions import most_different
from zoox_stack.evaluation.what_if_run import WhatIfEvaluation, answers_of
from zoox_stack.evaluation.what_if_scores import SceneAnswers, apart_from_first
from zoox_stack.prediction.plan_effects import ego_ways
from zoox_stack.simulation.samples import AFFECTED

MOST_SCENES = 12
MOST_PLANS = 4
_SIZE, _SCALE = 70.0, 7.0  # [m] shown, [pixels/m]
_AHEAD = 12.0  # [m] from the ego to the middle of a picture
_OTHERS, _REACTING = "#b3bac2", "#5f6b78"
_DPI = 75
_LINES = ((PLAN, "-", "the ego's plan"), (ANSWER, "-", "answer: likeliest future under the plan"),
          (TRUTH, "-", "what happens"), (USUAL, "--", "prediction that knows no plan"))  # fmt: skip


def chosen_scenes(evaluation: WhatIfEvaluation, most: int = MOST_SCENES) -> list[int]:
    """The scenes with the most pairs of affected road user and plan, the first ones of equal ones; in order.

    How good the answers are plays no part. A recorded drive has no such pairs: scenes are then taken at even distances.
    """
    count = np.bincount(evaluation.scores.affected_scene, minlength=len(evaluation.labels))
    if not count.any():
        rows = np.linspace(0, len(count) - 1, min(most, len(count)))
        return sorted({int(row) for row in np.round(rows)})
    order = np.argsort(-count, kind="stable")[:most]
    return sorted(int(row) for row in order if count[row])


def write_pictures(evaluation: WhatIfEvaluation, model_dir: str, folder: Path) -> list[Path]:
    """Draw the chosen scenes into a folder; paths of the files, in order.

    Raises:
        StorageError: The folder cannot be written.
        ZooxStackError: A source can no longer be read.
    """
    chosen = chosen_scenes(evaluation)
    wanted = {evaluation.origins[number]: number for number in chosen}
    written: dict[int, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in dict.fromkeys(evaluation.origins[number][0] for number in chosen):
            for row, (scene, answers, _) in enumerate(answers_of(source, model_dir)):
                number = wanted.get((source, row))
                if number is not None:
                    written[number] = folder / f"what_if_{number:04d}.png"
                    save_small(draw_scene(scene, answers), written[number], _DPI)
    except OSError as error:
        raise StorageError(f"{folder}: {error}") from error
    return [written[number] for number in chosen]


def draw_scene(scene: SceneFutures, answers: SceneAnswers) -> Figure:
    """The first plan and those most different from it, side by side."""
    shown = most_different(scene.plans, [0], MOST_PLANS)
    apart = apart_from_first(scene.futures)
    reacting = np.flatnonzero((apart > AFFECTED).any(axis=0))
    background = None if scene.network is None else MapPicture(scene.network)
    figure = Figure(figsize=(5.2 * len(shown), 6.4), layout="constrained")
    for place, plan in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), place + 1)
        axes.imshow(_draw_plan(scene, answers, plan, reacting, background))
        axes.axis("off")
        axes.set_title(f"{scene.plans[plan].name}\n{_errors_of(scene, answers, plan, reacting)}", fontsize=10)
    handles = [Line2D([], [], color=colour, linestyle=style, label=text) for colour, style, text in _LINES]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.suptitle(f"{scene.source}; road users that move differently under some plan: {len(reacting)}")
    return figure


def _errors_of(scene: SceneFutures, answers: SceneAnswers, plan: int, reacting: NDArray[np.int64]) -> str:
    whole = reacting[scene.valid[plan, reacting].all(axis=1)]
    if not len(whole):
        return "nobody reacts for 8 s"
    truth = scene.futures[plan, whole, None, :, :2]
    told, usual = (
        float(np.linalg.norm(p.take(whole).map_positions - truth, axis=-1).mean(axis=-1).min(axis=-1).mean())
        for p in (answers.conditional[plan], answers.unconditional)
    )
    return f"minADE of those who react: {told:.1f} m, without plan {usual:.1f} m"


def _draw_plan(
    scene: SceneFutures, answers: SceneAnswers, plan: int, reacting: NDArray[np.int64], background: MapPicture | None
) -> NDArray[np.uint8]:
    ego, now = scene.ego, scene.scene
    middle = ego.centre + _AHEAD * np.array([np.cos(ego.yaw), np.sin(ego.yaw)])
    canvas = Canvas(View(float(middle[0]), float(middle[1]), ego.yaw, _SIZE, _SIZE, _SCALE), GROUND)
    if background is not None:
        background.draw(canvas, scene.signals)
    for row, corners in enumerate(outlines(now)):
        canvas.fill(corners, _REACTING if row in reacting else _OTHERS)
    _draw_ego(canvas, ego, scene.plans[plan])
    told, usual = answers.conditional[plan], answers.unconditional
    for row in reacting.tolist():
        start, best = now.position[row : row + 1, :2], int(told.probabilities[row].argmax())
        canvas.lines(dashed(np.concatenate([start, usual.map_positions[row, best]]), 1.2, 1.0), USUAL, 1.8)
        canvas.lines([np.concatenate([start, told.map_positions[row, best]])], ANSWER, 3.4)
        future = scene.futures[plan, row][scene.valid[plan, row]]
        canvas.lines([np.concatenate([start, future[:, :2]])], TRUTH, 1.8)
        size = now.size[row]
        _outline(canvas, told.map_positions[row, best, -1], float(told.headings[row, best, -1]), size, ANSWER)
        if len(future):
            _outline(canvas, future[-1, :2], float(future[-1, 2]), size, TRUTH)
    return canvas.image()


def _draw_ego(canvas: Canvas, ego: EgoState, plan: EgoPlan) -> None:
    way = ego_ways((plan,), ego, np.zeros(2))[0]
    canvas.lines([way], PLAN, 3.6)
    size = np.array([ego.length, ego.width])
    canvas.fill(box_corners(ego.centre[None], np.array([ego.yaw]), ego.length, ego.width)[0], EGO)
    _outline(canvas, way[-1], float(plan.yaw[-1]), size, PLAN)


def _outline(
    canvas: Canvas,
    centre: NDArray[np.float64],
    yaw: float,
    size: NDArray[np.float32] | NDArray[np.float64],
    colour: str,
) -> None:
    corners = box_corners(centre[None], np.array([yaw]), float(size[0]), max(float(size[1]), 0.7))[0]
    canvas.lines([corners], "#ffffff", 4.4, closed=True)
    canvas.lines([corners], colour, 2.6, closed=True)
