"""``report.html``: one self-contained page about a run, with pictures and latencies."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure
from rich.progress import track

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.classes import Rejection
from zoox_stack.core.plans import PlanDecision
from zoox_stack.evaluation.birds_eye import draw_scene
from zoox_stack.evaluation.run import RecordedRun

TEMPLATE = Path(__file__).with_name("report.html.jinja")
STAGE_ORDER = ("perception", "prediction", "what_if", "planner")
WORST_ROWS = 8


def write_report(run: RecordedRun, result: dict[str, Any], path: Path, pictures: int = 16) -> None:
    """Write the page.

    Args:
        run: The recording.
        result: What `zoox_stack.evaluation.stack_run.result_of` made of it.
        path: Where to.
        pictures: Number of bird's-eye pictures, spread evenly over the run.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text())
    html = template.render(
        result=result,
        frames=[_frame(run, stamp) for stamp in track(_chosen_stamps(run, pictures), "drawing the report")],
        latency=_png(latency_figure(run)),
        over_time=_png(timeline_figure(run)),
    )
    path.write_text(html)


def _chosen_stamps(run: RecordedRun, count: int) -> list[int]:
    """Ticks with everything to show, spread evenly."""
    complete = [s for s in sorted(run.decisions) if s in run.tracks and run.ego(s) is not None]
    if not complete:
        return []
    rows = np.unique(np.linspace(min(10, len(complete) - 1), len(complete) - 1, count).round().astype(int))
    return [complete[r] for r in rows]


def _frame(run: RecordedRun, stamp: int) -> dict[str, Any]:
    decision, scene = run.decisions[stamp], run.tracks[stamp]
    seconds = (stamp - min(run.tracks)) * 1e-9
    figure = draw_scene(
        scene,
        network=run.network,
        predicted=run.predictions.get(stamp),
        decision=decision,
        signals=_signals_at(run, stamp),
        title=f"{seconds:.1f} s   {len(scene)} agents   {run.ego(stamp).speed:.1f} m/s",  # type: ignore[union-attr]
    )
    return {
        "image": _png(figure),
        "seconds": f"{seconds:.1f}",
        "chosen": decision.names[decision.chosen],
        "explanation": decision.explanation,
        "answer": decision.answer_status.name,
        "conditional": decision.conditional,
        "candidates": _candidates(decision),
    }


def _candidates(decision: PlanDecision) -> list[dict[str, Any]]:
    """The asked candidates and the chosen one, cheapest first."""
    asked = {int(row): n for n, row in enumerate(decision.asked)}
    rows = sorted({*asked, decision.chosen}, key=lambda r: (r != decision.chosen, float(decision.totals[r])))
    table = []
    for row in rows:
        n = asked.get(row)
        told = None if n is None or not np.isfinite(decision.conditional_totals[n]) else n
        table.append(
            {
                "name": decision.names[row],
                "chosen": row == decision.chosen,
                "total": f"{decision.totals[row]:.2f}",
                "conditional": "" if told is None else f"{decision.conditional_totals[told]:.2f}",
                "collision": "" if told is None else f"{decision.collision_probabilities[told]:.1%}",
                "rejection": ""
                if decision.rejections[row] == Rejection.KEPT
                else Rejection(decision.rejections[row]).name,
            }
        )
    return table[:WORST_ROWS]


def _signals_at(run: RecordedRun, stamp: int) -> TrafficSignals | None:
    known = [s for s in run.signals if s.stamp_ns <= stamp]
    return known[-1] if known else None


def latency_figure(run: RecordedRun) -> Figure:
    """Share of ticks done within a time, per stage."""
    figure = Figure(figsize=(5.6, 3.2), dpi=110)
    axes = figure.add_subplot()
    for name in STAGE_ORDER:
        values = np.sort([t.latency * 1e3 for t in run.timing if t.stage == name])
        if len(values):
            axes.step(values, np.arange(1, len(values) + 1) / len(values), where="post", label=name)
    axes.set(xlabel="latency [ms]", ylabel="share of ticks", xlim=(0, None), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="lower right")
    figure.tight_layout()
    return figure


def timeline_figure(run: RecordedRun) -> Figure:
    """Latency of every stage over the run."""
    figure = Figure(figsize=(5.6, 3.2), dpi=110)
    axes = figure.add_subplot()
    start = min((t.input_stamp_ns for t in run.timing), default=0)
    for name in STAGE_ORDER:
        ticks = [t for t in run.timing if t.stage == name]
        if ticks:
            axes.plot(
                [(t.input_stamp_ns - start) * 1e-9 for t in ticks], [t.latency * 1e3 for t in ticks], lw=0.9, label=name
            )
    axes.set(xlabel="time [s]", ylabel="latency [ms]", ylim=(0, None))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="upper right")
    figure.tight_layout()
    return figure


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()
