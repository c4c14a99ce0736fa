"""Pictures and the report page."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.timing import StageTick
from zoox_stack.evaluation.birds_eye import EGO, View, agent_colour, draw_scene
from zoox_stack.evaluation.replay_records import summarise
from zoox_stack.evaluation.report import write_report
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.planning.planner import Planner
from zoox_stack.road_network.made_up import straight_road


def scene(step: int = 0) -> TrackedAgents:
    stamp = 10**12 + step * 10**8
    return TrackedAgents.from_states(
        stamp, np.array([4]), np.array([1], np.uint8), np.array([[60.0, 10.0, 0.8]]), np.zeros(1),
        np.array([[6.0, 0.0]]), np.array([[4.5, 1.9, 1.6]], np.float32),
        ego=EgoState(stamp_ns=stamp, x=40.0 + 0.8 * step, y=0.0, speed=8.0),
    )  # fmt: skip


def pixels(now: TrackedAgents) -> np.ndarray:
    buffer = io.BytesIO()
    draw_scene(now).savefig(buffer, format="png")
    buffer.seek(0)
    return matplotlib.image.imread(buffer)[..., :3]


def place(image: np.ndarray, colour: str) -> tuple[float, float]:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    rows, columns = np.nonzero(np.abs(image - rgb).max(axis=-1) < 0.02)
    return float(rows.mean() / image.shape[0]), float(columns.mean() / image.shape[1])


def test_ahead_is_up_and_left_is_left() -> None:
    image = pixels(scene())
    ego, agent = place(image, EGO), place(image, agent_colour(1))
    assert agent[0] < ego[0]  # 20 m ahead: higher up
    assert agent[1] < ego[1] - 0.05  # 10 m to the left
    view = View()
    scale = (image.shape[0] * 0.95) / (view.ahead + view.behind)
    assert (ego[0] - agent[0]) * image.shape[0] == pytest.approx(scale * (20 - 1.4), rel=0.15)


def test_a_scene_without_ego_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="ego"):
        draw_scene(replace(scene(), ego=None))


def test_report_is_one_complete_page(tmp_path: Path) -> None:
    network = straight_road()
    planner = Planner()
    planner.set_road_network(network)
    run = RecordedRun(network=network)
    for step in range(30):
        now = scene(step)
        proposal = planner.propose(now, constant_velocity_prediction(now), None)
        trajectory, decision = planner.decide(proposal, None, WhatIfStatus.NO_SERVICE)
        run.tracks[now.stamp_ns], run.decisions[now.stamp_ns] = now, decision
        run.trajectories[now.stamp_ns] = trajectory
        run.predictions[now.stamp_ns] = constant_velocity_prediction(now)
        run.timing.append(StageTick("planner", step, now.stamp_ns, 0, 7_000_000, 0.005))
    result = summarise([]) | {
        "bag": "<made-up>", "prediction_model": ["rule"], "machine": "m", "date": "d", "conditional_decisions": 0,
        "prediction_errors_m": {"truth": "tracks"},
    }  # fmt: skip
    path = tmp_path / "report.html"
    write_report(run, result, path, pictures=3)
    html = path.read_text()
    assert len(re.findall(r'class="scene"', html)) == 3
    assert "&lt;made-up&gt;" in html
    assert "http" not in html  # self-contained
    assert run.decisions[min(run.decisions)].answer_status.name in html


def test_a_run_without_ticks_gives_a_page_that_says_so(tmp_path: Path) -> None:
    result = summarise([]) | {
        "bag": "b", "prediction_model": [], "machine": "m", "date": "d", "conditional_decisions": 0,
        "prediction_errors_m": {"truth": "tracks"},
    }  # fmt: skip
    write_report(RecordedRun(), result, tmp_path / "r.html")
    assert "no tick" in (tmp_path / "r.html").read_text()
