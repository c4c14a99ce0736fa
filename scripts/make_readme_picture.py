"""Draw one tick of a recording of the demo, with what was decided in it: ``docs/images/demo.png``.

.. code:: sh

    python scripts/make_readme_picture.py out/demo/bag docs/images/demo.png --at 14.8
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import PlanDecision
from zoox_stack.evaluation.birds_eye import PLAN, draw_scene
from zoox_stack.evaluation.map_picture import MapPicture
from zoox_stack.evaluation.report_player import candidate_rows, frame_stamps
from zoox_stack.evaluation.run import RecordedRun, read_run

_INK, _SOFT = "#1b2026", "#67717c"
_LINE = 0.052  # of the height of the text column
_COLUMNS = (
    ("name", 0.0, "left"),
    ("total", 0.5, "right"),
    ("conditional", 0.75, "right"),
    ("collision", 0.97, "right"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path, help="bag of a demo")
    parser.add_argument("out", type=Path, help="PNG file to write")
    parser.add_argument("--at", type=float, help="time of the drive [s]; the tick in which most is decided if left out")
    args = parser.parse_args()
    run = read_run(args.recording)
    draw(run, tick(run, args.at)).savefig(args.out)


def tick(run: RecordedRun, seconds: float | None) -> int:
    """Stamp of the tick nearest to a time, or of that with most agents among those whose answer changed the plan."""
    stamps = frame_stamps(run, len(run.decisions))
    if not stamps:
        raise InvalidInputError("recording", "ticks with tracks, ego and decision", "none")
    if seconds is not None:
        return min(stamps, key=lambda stamp: abs((stamp - run.begin_ns) * 1e-9 - seconds))

    def told(stamp: int) -> tuple[bool, int]:
        decision = run.decisions[stamp]
        changed = decision.conditional and decision.chosen != int(decision.asked[0])
        return changed, len(run.tracks[stamp])

    return max(stamps, key=told)


def draw(run: RecordedRun, stamp: int) -> Figure:
    scene, decision = run.tracks[stamp], run.decisions[stamp]
    assert scene.ego is not None
    image = draw_scene(
        scene,
        background=None
        if run.network is None
        else MapPicture(run.network, None if run.route is None else run.route.points[:, :2]),
        predicted=run.predictions.get(stamp),
        decision=decision,
        signals=run.signals_at(stamp),
        truth=run.label_at(stamp),
        scale=16.0,
    )
    height = 7.4
    width = height * image.shape[1] / image.shape[0]
    figure = Figure(figsize=(width + 6.4, height), dpi=130, facecolor="white")
    left = figure.add_axes((0.0, 0.0, width / (width + 6.4), 1.0))
    left.imshow(np.asarray(image))
    left.set_axis_off()
    right = figure.add_axes((width / (width + 6.4) + 0.03, 0.0, 0.94 - width / (width + 6.4), 1.0))
    right.set_axis_off()
    seconds = (stamp - run.begin_ns) * 1e-9
    _write(right, f"{seconds:.1f} s   {len(scene)} agents   {scene.ego.speed:.1f} m/s", decision)
    return figure


def _write(axes: Axes, head: str, decision: PlanDecision) -> None:
    chosen = decision.names[decision.chosen]
    y = 0.95
    axes.text(0, y, head, color=_SOFT, size=11, va="top")
    y -= 1.1 * _LINE
    axes.text(0, y, chosen, color=_INK, size=17, weight="bold", va="top")
    y -= 1.5 * _LINE
    lines = textwrap.wrap(decision.explanation.removeprefix(f"{chosen}: "), 66)
    axes.text(0, y, "\n".join(lines), color=_INK, size=11, va="top", linespacing=1.4)
    y -= 0.85 * _LINE * len(lines) + 0.8 * _LINE
    heads = {"name": "plan", "total": "cost", "conditional": "if others react", "collision": "collision"}
    for key, x, side in _COLUMNS:
        axes.text(x, y, heads[key], color=_SOFT, size=11, ha=side, va="top")
    for row in candidate_rows(decision):
        y -= _LINE
        for key, x, side in _COLUMNS:
            colour, weight = (PLAN, "bold") if row["chosen"] else (_INK, "normal")
            axes.text(x, y, row[key], color=colour, weight=weight, size=11.5, ha=side, va="top")
    axes.set(xlim=(0, 1), ylim=(0, 1))


if __name__ == "__main__":
    main()
