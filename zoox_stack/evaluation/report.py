"""``report.html``: one self-contained page about a run: the drive, what-if answers beside the truth, latencies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from rich.progress import track

from zoox_stack.core.classes import EventKind
from zoox_stack.evaluation.map_picture import MapPicture
from zoox_stack.evaluation.report_player import RATE, frame_stamps, frames
from zoox_stack.evaluation.report_plots import (
    egos_of,
    latency_figure,
    latency_over_time_figure,
    motion_figure,
    png,
)
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_section import WhatIfCheck
from zoox_stack.simulation.rerun import SimulatedDrive

TEMPLATE = Path(__file__).with_name("report.html.jinja")
MOST_PICTURES = 241  # 60 s at 4 frames/s
_STANDS = 0.1  # [m/s]


def write_report(
    run: RecordedRun,
    result: dict[str, Any],
    path: Path,
    pictures: int = MOST_PICTURES,
    simulated: SimulatedDrive | None = None,
) -> None:
    """Write the page.

    Args:
        run: The recording.
        result: What `zoox_stack.evaluation.stack_run.result_of` made of it.
        path: Where to.
        pictures: Most bird's-eye pictures; they are spread evenly over the run.
        simulated: The drive in closed loop that was recorded: what-if answers are then held against what really
            happens. None for a replay.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    background = None
    if run.network is not None:
        background = MapPicture(run.network, None if run.route is None else run.route.points[:, :2])
    stamps = frame_stamps(run, pictures)
    with WhatIfCheck(run, simulated) as checking:
        drawn = list(track(frames(run, background, stamps), "drawing the drive", total=len(stamps)))
        section = checking.section()
    html = template.render(
        result=result,
        simulated=simulated,
        facts=facts_of(run),
        frames=drawn,
        frame_ms=round(1e3 / RATE),
        events=event_rows(run),
        what_if=section,
        motion=png(motion_figure(run)),
        latency=png(latency_figure(run)),
        over_time=png(latency_over_time_figure(run)),
    )
    path.write_text(html, encoding="utf-8")


def facts_of(run: RecordedRun) -> dict[str, Any]:
    """Length, way and events of a run, as the page shows them."""
    egos = egos_of(run)
    stamps = np.array([ego.stamp_ns for ego in egos], np.int64)
    xy = np.array([[ego.x, ego.y] for ego in egos]).reshape(-1, 2)
    speed = np.array([ego.speed for ego in egos])
    kinds = Counter(event.kind for event in run.events)
    return {
        "name": run.network.name if run.network is not None else "",
        "seconds": float(stamps[-1] - stamps[0]) * 1e-9 if len(stamps) else 0.0,
        "metres": float(np.hypot(*np.diff(xy, axis=0).T).sum()) if len(xy) > 1 else 0.0,
        "standing": float((np.abs(speed) < _STANDS).mean()) if len(speed) else 0.0,
        "changed": sum(decision.changed for decision in run.decisions.values()),
        "events": [f"{count} {_words(kind)}" for kind, count in sorted(kinds.items())],
        "watched": bool(run.events) or bool(run.true_egos),
    }


def event_rows(run: RecordedRun) -> list[dict[str, Any]]:
    """The table of events."""
    return [
        {
            "seconds": (event.stamp_ns - run.begin_ns) * 1e-9,
            "kind": _words(event.kind),
            "blame": event.blame.name.lower(),
            "text": event.text,
            "duration": event.duration,
            "grave": event.kind in (EventKind.COLLISION, EventKind.RED_LIGHT, EventKind.OFF_ROAD, EventKind.WRONG_WAY),
        }
        for event in run.events
    ]


def _words(kind: EventKind) -> str:
    return kind.name.lower().replace("_", " ")
