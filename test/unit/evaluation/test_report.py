"""The report page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, Blame, EventKind, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.timing import StageTick
from zoox_stack.evaluation.replay_records import summarise
from zoox_stack.evaluation.report import facts_of, write_report
from zoox_stack.evaluation.report_player import candidate_rows, frame_stamps
from zoox_stack.evaluation.report_plots import accelerations
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.planning.planner import Planner
from zoox_stack.prediction.asked_and_happened import AskedAndHappened
from zoox_stack.road_network.made_up import straight_road

_START = 10**12
_EMPTY_TAGS = {"img", "meta", "input", "br", "link"}


class Page(HTMLParser):
    """Checks that tags are closed in order; collects them, all attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.tags if name in (a.get("class") or "").split()]


def scene(step: int) -> TrackedAgents:
    stamp = _START + step * 10**8
    return TrackedAgents.from_states(
        stamp, np.array([4]), np.array([1], np.uint8), np.array([[60.0 + 0.6 * step, 0.0, 0.8]]), np.zeros(1),
        np.array([[6.0, 0.0]]), np.array([[4.5, 1.9, 1.6]], np.float32),
        ego=EgoState(stamp_ns=stamp, x=30.0 + 0.8 * step, y=0.0, speed=8.0),
    )  # fmt: skip


def drive(steps: int = 30) -> RecordedRun:
    network = straight_road()
    planner = Planner()
    planner.set_road_network(network)
    run = RecordedRun(network=network)
    for step in range(steps):
        now = scene(step)
        proposal = planner.propose(now, constant_velocity_prediction(now), None)
        trajectory, decision = planner.decide(proposal, None, WhatIfStatus.NO_SERVICE)
        run.tracks[now.stamp_ns], run.decisions[now.stamp_ns] = now, decision
        run.trajectories[now.stamp_ns] = trajectory
        run.predictions[now.stamp_ns] = constant_velocity_prediction(now)
        run.timing.append(StageTick("planner", step, now.stamp_ns, 0, 7_000_000, 0.005))
    return run


def result() -> dict[str, Any]:
    return summarise([]) | {
        "bag": "<made-up>", "prediction_model": ["rule"], "machine": "m", "date": "d", "conditional_decisions": 0,
        "prediction_errors_m": {"truth": "tracks"},
    }  # fmt: skip


def written(run: RecordedRun, path: Path, pictures: int = 5) -> tuple[Page, str]:
    write_report(run, result(), path / "report.html", pictures=pictures)
    html = (path / "report.html").read_text(encoding="utf-8")
    return Page(html), html


def test_report_is_one_complete_page(tmp_path: Path) -> None:
    run = drive()
    page, html = written(run, tmp_path)
    frames = page.of_class("frame")
    assert len(frames) == 5
    assert [float(f["data-seconds"] or "") for f in frames] == pytest.approx([0.0, 0.7, 1.5, 2.2, 2.9], abs=0.05)
    assert any(attributes.get("max") == "4" for tag, attributes in page.tags if tag == "input")
    assert "<made-up>" in page.text
    assert "<made-up>" not in html  # escaped
    assert "http" not in html  # nothing from elsewhere
    sources = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == 5 + 3
    assert all(source.startswith("data:image/") for source in sources)
    decision = run.decisions[_START]
    assert decision.explanation.split(": ", 1)[1] in page.text
    assert "no service" in page.text
    assert "known only in a simulated world" in page.text  # why there is no truth


def test_some_frames_are_shown_where_nothing_plays(tmp_path: Path) -> None:
    page, _ = written(drive(60), tmp_path, pictures=24)
    assert len(page.of_class("frame")) == 24
    assert len(page.of_class("key")) == 12


def test_names_with_markup_do_no_harm(tmp_path: Path) -> None:
    run = drive(3)
    run.events.append(event(0.1, "<script>alert(1)</script>"))
    page, html = written(run, tmp_path)
    assert "<script>alert" not in html
    assert page.text.count("<script>alert(1)</script>") >= 2  # in the table and in the frame


def event(seconds: float, text: str, kind: EventKind = EventKind.HARSH_BRAKING) -> SimulationEvent:
    stamp = _START + round(seconds * 1e9)
    return SimulationEvent(stamp, kind, Blame.OTHER, 0.0, 0.0, 5.0, text, 7, AgentClass.CAR, 0.4)


def test_events_are_listed_with_blame_and_marked_on_the_slider(tmp_path: Path) -> None:
    run = drive()
    run.events += [event(0.5, "car 7 braked"), event(2.0, "hit by car 7", EventKind.COLLISION)]
    page, _ = written(run, tmp_path)
    for text in ("car 7 braked", "hit by car 7", "0.5 s", "2.0 s", "collision", "harsh braking", "other", "0.4 s"):
        assert text in page.text
    marks = page.of_class("event")
    assert [m["data-at"] for m in marks] == ["0.50", "2.00"]
    assert float((marks[1]["style"] or "").removeprefix("left:").removesuffix("%")) == pytest.approx(
        100 * 2 / 2.9, abs=0.1
    )
    assert len(page.of_class("grave")) == 1
    facts = facts_of(run)
    assert facts["events"] == ["1 collision", "1 harsh braking"]


def test_facts_are_those_of_the_drive() -> None:
    run = drive(11)
    facts = facts_of(run)
    assert facts["seconds"] == pytest.approx(1.0)
    assert facts["metres"] == pytest.approx(8.0)
    assert facts["standing"] == 0.0
    assert not facts["watched"]
    run.true_egos = [EgoState(_START + k * 10**8, float(k), 0.0, speed=10.0 if k else 0.0) for k in range(5)]
    facts = facts_of(run)
    assert facts["metres"] == pytest.approx(4.0)
    assert facts["standing"] == pytest.approx(0.2)
    assert facts["watched"]


def test_a_run_without_ticks_gives_a_page_that_says_so(tmp_path: Path) -> None:
    page, _ = written(RecordedRun(), tmp_path)
    assert "no tick" in page.text


def test_frames_come_at_an_even_rate_and_never_too_many() -> None:
    run = drive(41)  # 4 s
    assert len(frame_stamps(run, 1000)) == 17  # 4 a second
    few = frame_stamps(run, 5)
    assert np.diff(few).tolist() == [10**9] * 4
    del run.decisions[few[2]]
    assert few[2] not in frame_stamps(run, 5)


def test_accelerations_follow_speeds() -> None:
    seconds = np.arange(0.0, 2.0, 0.1)
    np.testing.assert_allclose(accelerations(seconds, 3.0 - 1.5 * seconds), -1.5)
    assert accelerations(seconds[:1], np.array([3.0])).tolist() == [0.0]


def test_the_chosen_candidate_leads_the_table() -> None:
    decision = drive(1).decisions[_START]
    rows = candidate_rows(decision)
    assert rows[0]["name"] == decision.names[decision.chosen]
    assert [row["chosen"] for row in rows] == [True] + [False] * (len(rows) - 1)
    costs = [float(row["total"]) for row in rows[1:]]
    assert costs == sorted(costs)
    assert all(row["conditional"] == "" for row in rows)  # there was no answer


def test_answers_that_were_driven_are_one_row(tmp_path: Path) -> None:
    asked = AskedAndHappened(4, 3, 12.0, 7, 7.0, 14.0, 21.0, 28.0, 5)
    for told, texts in ((asked, ("4.0 s", "1.00 m", "2.00 m", "3.00 m", "71 %")), (AskedAndHappened(), ("\u2013",))):
        path = tmp_path / "report.html"
        write_report(drive(3), result() | {"asked_versus_happened": told.means()}, path, pictures=1)
        text = Page(path.read_text(encoding="utf-8")).text
        row = text[text.index("Asked versus happened") :]
        assert all(one in row for one in texts)
