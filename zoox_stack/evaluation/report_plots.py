"""Plots of the report, for light and dark pages: nothing behind them, neutral axes."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import Blame, EventKind
from zoox_stack.core.events import SimulationEvent
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.road_network.queries import LaneIndex

STAGE_ORDER = ("perception", "prediction", "what_if", "planner", "supervisor")
_COLOURS = dict(zip(STAGE_ORDER, ("#3b82c4", "#c2622d", "#8d5bb5", "#3f9a63", "#b08a1e"), strict=True))
_NEUTRAL = "#808890"
_SPEED, _LIMIT, _ACCELERATION, _BLAMED, _OTHER = "#3b82c4", "#c2622d", "#3f9a63", "#cf3b3b", "#b08a1e"


def latency_figure(run: RecordedRun) -> Figure:
    """Share of ticks done within a time, per stage."""
    figure, (axes,) = _figure(5.6, 3.1)
    for name in STAGE_ORDER:
        values = np.sort([t.latency * 1e3 for t in run.timing if t.stage == name])
        if len(values):
            share = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, share, where="post", color=_COLOURS[name], label=name.replace("_", "-"))
    axes.set(xlabel="latency [ms]", ylabel="share of ticks", xlim=(0, None), ylim=(0, 1.02))
    _legend(axes)
    return figure


def latency_over_time_figure(run: RecordedRun) -> Figure:
    """Latency of every stage over the run."""
    figure, (axes,) = _figure(5.6, 3.1)
    for name in STAGE_ORDER:
        ticks = [t for t in run.timing if t.stage == name]
        seconds = [(t.input_stamp_ns - run.begin_ns) * 1e-9 for t in ticks]
        if ticks:
            axes.plot(
                seconds, [t.latency * 1e3 for t in ticks], lw=0.8, color=_COLOURS[name], label=name.replace("_", "-")
            )
    axes.set(xlabel="time [s]", ylabel="latency [ms]", ylim=(0, None))
    axes.margins(x=0.01)
    _legend(axes)
    return figure


def motion_figure(run: RecordedRun) -> Figure:
    """Speed with the limit, acceleration, and events over time."""
    figure, (upper, lower) = _figure(11.4, 3.9, rows=2)
    egos = egos_of(run)
    seconds = np.array([(ego.stamp_ns - run.begin_ns) * 1e-9 for ego in egos])
    speed = np.array([ego.speed for ego in egos])
    upper.plot(seconds, speed, color=_SPEED, lw=1.6, label="speed")
    limits = _limits(run, egos)
    if limits is not None and np.isfinite(limits).any():
        upper.step(seconds, limits, color=_LIMIT, lw=1.0, ls="--", label="limit of the lane")
    upper.set(ylabel="m/s", ylim=(0, None))
    _legend(upper)
    lower.axhline(0.0, color=_NEUTRAL, lw=0.6)
    lower.plot(seconds, accelerations(seconds, speed), color=_ACCELERATION, lw=1.0, label="acceleration")
    lower.set(ylabel="m/s²", xlabel="time [s]")
    _legend(lower)
    lower.sharex(upper)
    upper.tick_params(labelbottom=False)
    upper.margins(x=0.01)
    for event in run.events:
        _mark(upper, event, (event.stamp_ns - run.begin_ns) * 1e-9)
        _mark(lower, event, (event.stamp_ns - run.begin_ns) * 1e-9)
    return figure


def egos_of(run: RecordedRun) -> list[EgoState]:
    """The ego over the drive: as it was, or, where that is not known, as the stack knew it."""
    if run.true_egos:
        return run.true_egos
    return [ego for _, scene in sorted(run.tracks.items()) if (ego := scene.ego) is not None]


def accelerations(seconds: NDArray[np.float64], speed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Acceleration from speeds at rising times, over two steps each way, ``[N]`` [m/s^2]."""
    if len(speed) < 2:
        return np.zeros(len(speed))
    rows = np.arange(len(speed))
    before, after = np.maximum(rows - 2, 0), np.minimum(rows + 2, len(speed) - 1)
    return np.asarray((speed[after] - speed[before]) / (seconds[after] - seconds[before]))


def png(figure: Figure) -> str:
    """A figure as the address of itself."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _limits(run: RecordedRun, egos: list[EgoState]) -> NDArray[np.float64] | None:
    """Speed limit where the ego was; NaN where the map does not say."""
    if run.network is None or not len(run.network.lane_ids) or not egos:
        return None
    matches = LaneIndex(run.network).nearest(np.array([ego.centre for ego in egos]), np.array([e.yaw for e in egos]))
    limits = np.full(len(egos), np.nan)
    on_lane = matches.rows >= 0
    limits[on_lane] = run.network.lane_speed_limits[matches.rows[on_lane]]
    return limits


def _mark(axes: Axes, event: SimulationEvent, seconds: float) -> None:
    colour = _BLAMED if event.blame in (Blame.EGO, Blame.BOTH) or event.kind == EventKind.COLLISION else _OTHER
    axes.axvspan(seconds, seconds + max(event.duration, 0.05), color=colour, alpha=0.25, lw=1.2)


def _figure(width: float, height: float, rows: int = 1) -> tuple[Figure, tuple[Axes, ...]]:
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    every = tuple(np.atleast_1d(figure.subplots(rows, 1)).tolist())
    for axes in every:
        axes.grid(alpha=0.25, color=_NEUTRAL, lw=0.6)
        axes.tick_params(colors=_NEUTRAL, labelsize=8)
        axes.xaxis.label.set(color=_NEUTRAL, size=8.5)
        axes.yaxis.label.set(color=_NEUTRAL, size=8.5)
        for side, spine in axes.spines.items():
            spine.set(visible=side in ("left", "bottom"), color=_NEUTRAL, linewidth=0.7)
    return figure, every


def _legend(axes: Axes) -> None:
    if axes.lines:
        axes.legend(loc="best", fontsize=8, frameon=False, labelcolor=_NEUTRAL)
