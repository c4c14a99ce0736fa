"""Filmstrips of junctions as pictures: panels over time, under each what was asked, answered and chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass, Rejection
from zoox_stack.core.errors import StorageError
from zoox_stack.core.predictions import STEP
from zoox_stack.evaluation.birds_eye import outlines
from zoox_stack.evaluation.canvas import View
from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
from zoox_stack.evaluation.junction_film_panels import (
    AHEAD,
    COLOURS,
    Shown,
    common_view,
    draw_panel,
    ego_futures,
    shown_of,
)
from zoox_stack.evaluation.junction_films import Film, Frame
from zoox_stack.evaluation.map_picture import MapPicture
from zoox_stack.evaluation.small_png import save_small

_INK, _SOFT, _MARK = "#1b2026", "#5d6873", "#fff3d6"
_DPI = 100
_EDGE, _GAP = 16, 12  # [pixels] around the strip, between panels
_TITLE, _HEAD = 46, 34  # [pixels] above the panels: of the title, of what is written over each
_NAME, _TOLD, _APART = 27, 24, 9  # [pixels] height of a name, of what is told of it, between plans
_SENTENCE = 31  # [pixels]
_BIG, _NORMAL, _SMALL, _TAG = 20, 14.5, 12.5, 11  # sizes of letters [pt]
_HALO = [withStroke(linewidth=3.5, foreground="white")]
_SPEEDS = re.compile(r"^\d+ %")  # names of plans that are a share of the present speed
_TITLES = {
    JunctionKind.ROUNDABOUT: "Roundabout", JunctionKind.MERGE: "Merge",
    JunctionKind.UNPROTECTED_LEFT: "Unprotected left turn", JunctionKind.SIGNALS: "Signals",
    JunctionKind.GIVE_WAY: "Giving way", JunctionKind.RIGHT_OF_WAY: "Right of way",
}  # fmt: skip
_CLASSES = {
    AgentClass.CAR: "car", AgentClass.TRUCK: "lorry", AgentClass.BUS: "bus", AgentClass.TRAILER: "trailer",
    AgentClass.MOTORCYCLE: "motorcycle", AgentClass.BICYCLE: "cyclist", AgentClass.PEDESTRIAN: "pedestrian",
}  # fmt: skip


def write_films(films: Mapping[JunctionKind, Film], folder: Path) -> list[Path]:
    """Draw films into a folder, ``KIND.png``; paths of the files, in order.

    Raises:
        StorageError: The folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, film in films.items():
            written.append(folder / f"{kind}.png")
            save_small(draw_film(film), written[-1], _DPI)
    except OSError as error:
        raise StorageError(f"{folder}: {error}") from error
    return written


def draw_film(film: Film) -> Figure:
    """A filmstrip: what happened from left to right, and in words what the question in it led to."""
    view, background = common_view(film), MapPicture(film.network, film.route)
    panel = np.round(np.array([view.width, view.height]) * view.scale).astype(int)
    shown = [shown_of(frame) for frame in film.frames]
    width = 2 * _EDGE + len(film.frames) * (int(panel[0]) + _GAP) - _GAP
    room = width - 2 * _EDGE
    sentences = [(line, _NORMAL, _INK) for text in sentences_of(film) for line in _wrapped(text, room, _NORMAL)]
    own = f"In the planner's own words: {film.frames[film.question].decision.explanation}."
    sentences += [(line, _SMALL, _SOFT) for line in _wrapped(own, room, _SMALL)]
    rows = max(max(len(s.plans), 1) for s in shown) * (_NAME + _TOLD + _APART)
    top = _EDGE + _TITLE + _HEAD
    below = top + int(panel[1]) + 2 * _APART
    height = below + rows + _APART + len(sentences) * _SENTENCE + _EDGE
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    _write_title(axes, film, width)
    for number, (frame, chosen) in enumerate(zip(film.frames, shown, strict=True)):
        left = _EDGE + number * (int(panel[0]) + _GAP)
        right, bottom = left + int(panel[0]), top + int(panel[1])
        if number == film.question:
            corner = (left - _GAP / 2, top - _HEAD)
            size = (int(panel[0]) + _GAP, below + rows - top + _HEAD)
            _fill(axes, *corner, *size, _MARK)
        image = draw_panel(frame, chosen, background, view)
        axes.imshow(image, extent=(left, right, bottom, top), interpolation="none", aspect="auto", zorder=1)
        _write_head(axes, film, number, left, right)
        _write_tags(axes, frame, chosen, view, left, top, image)
        _write_plans(axes, frame, chosen, left, below, int(panel[0]))
    for number, (line, letters, colour) in enumerate(sentences):
        y = below + rows + _APART + number * _SENTENCE
        axes.text(_EDGE, y, line, size=letters, color=colour, va="top")
    return figure


# --- words ------------------------------------------------------------------------------------------------------------


def sentences_of(film: Film) -> tuple[str, str, str]:
    """What was asked, what was answered, why this plan."""
    frame = film.frames[film.question]
    decision, shown = frame.decision, shown_of(frame)
    rows = decision.asked.tolist()
    names = [f"'{plan_name(decision.names[row])}'" for row in rows]
    listed = [names[plan] for plan in shown.plans]
    more = f" (or one of {len(names) - len(listed)} more plans)" if len(names) > len(listed) else ""
    asked = f"Asked: what will the others do if the ego drives {_either(listed)}{more}?"
    told = []
    for row in shown.agents:
        lost = frame.lost[:, row]
        plans = sorted({int(lost.argmax()), *shown.plans}, key=lambda plan: (-round(float(lost[plan])), plan))
        alike: dict[str, list[str]] = {}
        for plan in plans:
            alike.setdefault(_lost(float(lost[plan])), []).append(names[plan])
        told.append(f"{name_of(frame, row)} {', '.join(f'{way} under {_either(of)}' for way, of in alike.items())}")
    answered = f"Answered: of its way in the next 8 s {'; '.join(told)}." if told else "Answered: nobody loses way."
    place, cost = rows.index(decision.chosen), decision.conditional_totals
    if decision.changed:
        fell = decision.rejections[rows[0]] != Rejection.KEPT
        because = "which the answer rules out" if fell else f"which costs {cost[0]:.1f} with it"
        said = f"Without the answer it would have been {names[0]}, {because}."
    else:
        said = "It was the cheapest before the answer, too."
    return asked, answered, f"Chosen: {names[place]}, the cheapest with this answer ({cost[place]:.1f}). {said}"


def plan_name(name: str) -> str:
    """Name of a plan for people who do not know the planner."""
    return _SPEEDS.sub(lambda share: f"{share.group()} of its speed", name)


def name_of(frame: Frame, row: int) -> str:
    """Class and number of an agent."""
    scene = frame.scene
    return f"{_CLASSES.get(AgentClass(int(scene.classes[row])), 'agent')} #{int(scene.ids[row])}"


def told_of(frame: Frame, shown: Shown, plan: int) -> str:
    """What was answered about a plan, at `plan` in `PlanDecision.asked`, and what it costs with this answer."""
    decision = frame.decision
    parts = [f"#{int(frame.scene.ids[row])} {_lost(float(frame.lost[plan, row]))}" for row in shown.agents[:1]]
    fell = decision.rejections[int(decision.asked[plan])] != Rejection.KEPT
    parts.append("ruled out" if fell else f"cost {decision.conditional_totals[plan]:.1f}")
    return ", ".join(parts)


def _lost(way: float) -> str:
    return "loses nothing" if way < 0.5 else f"loses {way:.0f} m"


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _width(text: str, size: float, weight: str = "normal") -> float:
    """Of a line of text [pixels]."""
    font = FontProperties(size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) * _DPI / 72


def _wrapped(text: str, width: float, size: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fitting(text: str, width: float, size: float, weight: str) -> float:
    """Size of letters at which a line fits, at most `size` [pt]."""
    return size * min(1.0, width / max(_width(text, size, weight), 1.0))


# --- layout -----------------------------------------------------------------------------------------------------------


def _fill(axes: Axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    axes.add_patch(Rectangle((x, y), width, height, color=colour, lw=0, zorder=0))


def _write_title(axes: Axes, film: Film, width: int) -> None:
    middle = _EDGE + _TITLE / 2 - 5
    axes.text(_EDGE, middle, _TITLES[film.kind], size=_BIG, weight="bold", color=_INK, va="center_baseline")
    where = f"{film.town}, seed {film.seed}, at {film.at:.1f} s"
    legend = f"{where}  |  black: the ego; a colour per plan; outlines: {AHEAD * STEP:g} s later; dark grey: loses way"
    axes.text(width - _EDGE, middle, legend, size=_NORMAL, color=_SOFT, va="center_baseline", ha="right")


def _write_head(axes: Axes, film: Film, number: int, left: float, right: float) -> None:
    frame = film.frames[number]
    words = "the question" if number == film.question else f"{frame.seconds:+.1f} s".replace("-", "\N{MINUS SIGN}")
    y = _EDGE + _TITLE + _HEAD / 2 - 1
    axes.text(left + 3, y, words, size=_NORMAL, weight="bold", color=_INK, va="center_baseline")
    speed = f"{abs(frame.ego.speed):.1f} m/s"
    axes.text(right - 3, y, speed, size=_NORMAL, color=_SOFT, va="center_baseline", ha="right")


def _write_plans(axes: Axes, frame: Frame, shown: Shown, left: float, y: float, width: int) -> None:
    decision = frame.decision
    rows = decision.asked[list(shown.plans)].tolist() if shown.plans else [decision.chosen]
    for place, row in enumerate(rows):
        weight = "normal" if place else "bold"
        _fill(axes, left + 5, y + 4, 15, 15, COLOURS[place])
        name = plan_name(decision.names[row])
        letters = _fitting(name, width - 40, _NORMAL, weight)
        axes.text(left + 28, y + 12, name, size=letters, weight=weight, color=_INK, va="center_baseline")
        told = (
            told_of(frame, shown, shown.plans[place])
            if shown.plans
            else "decided without an answer"
            if decision.acceptable
            else "nothing else is safe"
        )
        axes.text(left + 28, y + _NAME, told, size=_SMALL, color=_SOFT, va="top")
        y += _NAME + _TOLD + _APART


def _write_tags(
    axes: Axes, frame: Frame, shown: Shown, view: View, left: float, top: float, image: NDArray[np.uint8]
) -> None:
    """Numbers beside the boxes: of those whose futures are drawn anyhow, of others where there is room."""
    scene = frame.scene
    size = np.array(image.shape[1::-1], float)
    corners = view.shares(outlines(scene)) * size  # [N, 4, 2] pixels
    middle = corners.mean(axis=1)
    along = np.linspace(0.0, 1.0, 5)[:, None, None, None]
    edges = corners + along * (np.roll(corners, 1, axis=1) - corners)
    taken = [*edges.reshape(-1, 2), *middle, *(view.shares(frame.ego.centre[None]) * size)]
    taken += [point for _, way, _ in ego_futures(frame, shown) for point in (view.shares(way[::3]) * size)]
    blocked = np.array(taken)
    rest = [row for row in range(len(scene)) if row not in shown.agents]
    near = np.hypot(*(scene.position[:, :2] - frame.ego.centre).T)
    boxes: list[tuple[float, float, float, float]] = []
    for row in [*shown.agents, *sorted(rest, key=lambda r: (near[r], r))]:
        if row not in shown.agents and scene.classes[row] == AgentClass.PEDESTRIAN:
            continue
        x, y = middle[row]
        if not ((middle[row] > 0) & (middle[row] < size)).all():
            continue
        text = f"#{int(scene.ids[row])}"
        w, h = 9.5 * len(text), 17.0
        reach_x, reach_y = (np.ptp(corners[row], axis=0) / 2 + 4).tolist()
        best: tuple[float, tuple[float, float]] | None = None
        for dx, dy in ((reach_x + w / 2, 0), (-reach_x - w / 2, 0), (0, -reach_y - h / 2), (0, reach_y + h / 2)):
            cx, cy = x + dx, y + dy
            if not (w / 2 < cx < size[0] - w / 2 and h / 2 < cy < size[1] - h / 2):
                continue
            if any(abs(cx - bx) < (w + bw) / 2 and abs(cy - by) < (h + bh) / 2 for bx, by, bw, bh in boxes):
                continue
            hidden = float(((np.abs(blocked - [cx, cy]) < [w / 2, h / 2]).all(axis=1)).sum())
            if best is None or hidden < best[0]:
                best = hidden, (cx, cy)
        if best is None or (best[0] > 0 and row not in shown.agents):
            continue
        cx, cy = best[1]
        boxes.append((cx, cy, w, h))
        bold = row in shown.agents
        axes.text(
            left + cx, top + cy, text, size=_TAG + bold, weight="bold" if bold else "normal",
            color=_INK if bold else _SOFT, ha="center", va="center", path_effects=_HALO, zorder=3,
        )  # fmt: skip
