"""Pictures of predictions with what followed, and the reliability diagram."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.evaluation.birds_eye import TRUTH, agent_colour, draw_agents, draw_ego
from zoox_stack.evaluation.canvas import Canvas, View, mixed
from zoox_stack.evaluation.map_picture import GROUND, ROAD, MapPicture
from zoox_stack.evaluation.prediction_run import PredictionEvaluation, PredictionSettings, predictions_of
from zoox_stack.evaluation.prediction_scores import CLASS_NAMES, Measure, sample_rows
from zoox_stack.evaluation.prediction_sources import PredictionScene, PredictionSource
from zoox_stack.evaluation.prediction_summary import calibration_error, reliability
from zoox_stack.evaluation.small_png import save_small

LEAST_PICTURES = 12
_AHEAD, _BEHIND, _SIDE = 100.0, 40.0, 60.0  # [m] around the ego that are shown: what the scene image shows
_SCALE = 8.0  # [pixels/m]
_LEAST_SHOWN = 0.03  # modes less probable are left out
_LEAST_NAMED = 0.1  # probabilities from here on are written
_DPI = 100


@dataclass(frozen=True)
class ChosenScene:
    """A scene to draw.

    Attributes:
        scene: Its number.
        kind: The class whose error chose it.
        rank: 0 for the least error of the class, 1 for the largest.
        error: Mean minADE of the class in it [m].
    """

    scene: int
    kind: str
    rank: float
    error: float


def chosen_scenes(evaluation: PredictionEvaluation, least: int = LEAST_PICTURES) -> list[ChosenScene]:
    """Scenes at even ranks of error, from the best to the worst of each class, `least` in all, or all there are.

    The error of a class in a scene is the mean minADE (K modes, 8 s) of its road users there; scenes without one do not
    take part. Rare classes choose first, and what they lack the others share. A scene that another class has chosen is
    passed over for the next one; a class that may choose one alone takes that in the middle.
    """
    scores = evaluation.scores
    tables: dict[str, list[tuple[float, int]]] = {}
    for kind, name in enumerate(CLASS_NAMES):
        rows = np.flatnonzero((scores.kind == kind) & scores.counts[:, -1])
        scenes = np.unique(scores.scene[rows])
        errors = scores.model[rows, -1, Measure.ADE_6]
        if len(scenes):
            tables[name] = sorted((float(errors[scores.scene[rows] == scene].mean()), int(scene)) for scene in scenes)
    least = min(least, len({scene for table in tables.values() for _, scene in table}))
    by_rarity = sorted(tables.items(), key=lambda entry: len(entry[1]))
    chosen: dict[int, ChosenScene] = {}
    while len(chosen) < least:  # again where scenes of the last class were taken by the others
        for number, (name, table) in enumerate(by_rarity):
            wanted = math.ceil((least - len(chosen)) / (len(by_rarity) - number))
            for rank in np.linspace(0.0, 1.0, wanted) if wanted > 1 else [0.5] * wanted:
                free = [row for row, (_, scene) in enumerate(table) if scene not in chosen]
                if not free:
                    break
                row = min(free, key=lambda r: (abs(r - rank * (len(table) - 1)), r))
                error, scene = table[row]
                chosen[scene] = ChosenScene(scene, name, row / max(len(table) - 1, 1), error)
    return [chosen[scene] for scene in sorted(chosen)]


def write_pictures(evaluation: PredictionEvaluation, settings: PredictionSettings, folder: Path) -> list[str]:
    """Draw the chosen scenes and the reliability diagram into a folder; paths of the files.

    Raises:
        InvalidInputError: A source is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_source: dict[PredictionSource, dict[int, ChosenScene]] = defaultdict(dict)
    for choice in chosen_scenes(evaluation):
        source, row = evaluation.origins[choice.scene]
        by_source[source][row] = choice
    paths = []
    for source, wanted in by_source.items():
        for row, (scene, predicted, _) in enumerate(predictions_of(source, settings)):
            if row in wanted:
                paths.append(folder / f"{wanted[row].kind}_{wanted[row].rank:.2f}_scene_{wanted[row].scene:04d}.png")
                save_small(scene_figure(scene, predicted, wanted[row]), paths[-1], _DPI)
            if row >= max(wanted):
                break
    paths.append(folder / "reliability.png")
    save_small(reliability_figure(evaluation), paths[-1], _DPI)
    return [str(path) for path in paths]


def scene_figure(scene: PredictionScene, predicted: PredictedAgents, choice: ChosenScene) -> Figure:
    """The map with everyone; of the road users that are measured at 8 s truth and modes with their probabilities."""
    agents = scene.history.scene
    ego = agents.ego
    assert ego is not None, "scenes that are measured have an ego"
    view = _view(ego)
    canvas = Canvas(view, GROUND)
    if scene.network is not None:
        MapPicture(scene.network).draw(canvas, scene.signals)
    rows, counts = sample_rows(scene.history, scene.futures)
    rows = rows[counts[:, -1]]
    modes, starts = predicted.map_positions, agents.position[:, None, :2]
    names: list[tuple[NDArray[np.float64], float, str]] = []
    for row in rows.tolist():
        colour = agent_colour(int(agents.classes[row]))
        for mode in np.argsort(predicted.probabilities[row]).tolist():  # the likeliest on top
            probability = float(predicted.probabilities[row, mode])
            if probability < _LEAST_SHOWN:
                continue
            way = np.concatenate([starts[row], modes[row, mode, 1::2]])
            canvas.lines([way], mixed(ROAD, colour, 0.25 + 0.75 * probability), 1.0 + 2.4 * probability)
            if probability >= _LEAST_NAMED:
                names.append((way[-1], probability, colour))
    draw_agents(canvas, agents)
    draw_ego(canvas, ego)
    for row in rows.tolist():
        canvas.lines([np.concatenate([starts[row], scene.futures[row, :, :2]])], TRUTH, 1.4)
        canvas.dot(scene.futures[row, -1, :2], 4.0, TRUTH)
    return _framed(
        canvas,
        names,
        f"{scene.label}   {choice.kind}: minADE {choice.error:.2f} m, rank {choice.rank:.0%}   "
        "(black: what followed, numbers: probability in %)",
    )


def reliability_figure(evaluation: PredictionEvaluation) -> Figure:
    """How often modes of a probability were the nearest to the truth, and how many there were."""
    bins = reliability(evaluation.scores)
    figure = Figure(figsize=(5.0, 5.6), dpi=_DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    assert isinstance(upper, Axes)
    assert isinstance(lower, Axes)
    upper.plot([0, 1], [0, 1], color="#98a1ab", lw=1.0, ls="--", label="perfect")
    x, y = [row["probability"] for row in bins], [row["frequency"] for row in bins]
    upper.plot(x, y, "o-", color="#2563eb", lw=1.6, ms=4.0, label="modes")
    error = calibration_error(bins)
    title = "no road user at 8 s" if error is None else f"ECE {error:.3f}"
    upper.set(title=title, ylabel="share that was nearest to the truth", xlim=(0, 1), ylim=(0, 1))
    upper.legend(frameon=False)
    width = [row["high"] - row["low"] for row in bins]
    lower.bar([row["low"] for row in bins], [row["n"] for row in bins], width=width, align="edge", color="#9db4e8")
    lower.set(xlabel="probability of the mode", ylabel="modes", yscale="log" if bins else "linear")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    return figure


def _view(ego: EgoState) -> View:
    middle = (_AHEAD - _BEHIND) / 2
    x, y = ego.x + middle * np.cos(ego.yaw), ego.y + middle * np.sin(ego.yaw)
    return View(x, y, ego.yaw, 2 * _SIDE, _AHEAD + _BEHIND, _SCALE)


def _framed(canvas: Canvas, names: list[tuple[NDArray[np.float64], float, str]], title: str) -> Figure:
    """The picture with probabilities at the ends of modes and a line of text above."""
    image = canvas.image()
    rows, columns = image.shape[:2]
    head = 28  # [pixels]
    figure = Figure(figsize=(columns / _DPI, (rows + head) / _DPI), dpi=_DPI)
    axes = figure.add_axes((0.0, 0.0, 1.0, rows / (rows + head)))
    axes.imshow(image)
    axes.set_axis_off()
    for point, probability, colour in names:
        share = canvas.view.shares(point)
        if (share > 0).all() and (share < 1).all():
            x, y = (share * [columns, rows]).tolist()
            axes.text(x + 4, y - 4, f"{100 * probability:.0f}", fontsize=6.5, color=mixed(colour, "#000000", 0.3))
    figure.text(0.01, 1 - 19 / (rows + head), title, fontsize=10)
    return figure
