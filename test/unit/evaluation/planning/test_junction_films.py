"""Filmstrips show of each kind of junction the question that mattered most, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import PredictionSource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import PlanDecision, Route
from zoox_stack.core.predictions import STEP, PredictedAgents
from zoox_stack.evaluation import planning_films
from zoox_stack.evaluation.canvas import rgb
from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
from zoox_stack.evaluation.junction_film_panels import COLOURS, shown_of
from zoox_stack.evaluation.junction_film_pictures import sentences_of, write_films
from zoox_stack.evaluation.junction_films import best_films, films_of
from zoox_stack.evaluation.planning_drive import DriveSettings
from zoox_stack.evaluation.planning_films import FilmResults, make_films
from zoox_stack.evaluation.planning_run import Benchmark
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.queries import LaneIndex

CROSSES, FOLLOWS = 7, 3
CHANGED = 115  # the step at which the answer changes the choice: 19 m before the crossing
_TIME = STEP * np.arange(1, 81)
_AFTER, _BEFORE = np.array([5.0, 3.0], np.float32), np.array([1.0, 2.0], np.float32)


def _futures(stamp: int, ids: list[int], xy: np.ndarray, velocity: np.ndarray) -> PredictedAgents:
    n = len(ids)
    positions = xy[:, None, None] + _TIME[:, None] * velocity[:, None, None]
    headings = np.broadcast_to(np.arctan2(velocity[:, 1], velocity[:, 0])[:, None, None], (n, 1, 80))
    return PredictedAgents(
        stamp, np.array(ids, np.int64), np.ones((n, 1), np.float32), np.zeros(2), positions.astype(np.float32),
        headings.astype(np.float32), np.full((n, 1, 80, 3), 0.1, np.float32),
    )  # fmt: skip


def _run(steps: int, ids: tuple[int, ...] = (FOLLOWS, CROSSES)) -> RecordedRun:
    """West over a crossing at 10 m/s; one car follows, one comes from the north and brakes if the ego goes first."""
    network = crossing(signals=False)
    line = LaneIndex(network).path_of((0, 9, 6)).line
    run = RecordedRun(
        network, Route(0, np.column_stack([line.xy, np.zeros(len(line.xy))]), network.lane_ids[[0, 9, 6]])
    )
    west, south = np.array([-1.0, 0.0]), np.array([0.0, -1.0])
    for step in range(steps):
        stamp, t = 10**9 + step * 10**8, step * STEP
        ego = EgoState(stamp_ns=stamp, x=line.xy[0, 0] - 10 * t, y=line.xy[0, 1], yaw=np.pi, speed=10.0)
        places = {FOLLOWS: np.array([ego.x + 20, ego.y]), CROSSES: np.array([-ego.y, 120 - 8 * t])}
        velocities = {FOLLOWS: 10 * west, CROSSES: 8 * south}
        xy, velocity = (np.array([what[k] for k in ids]).reshape(-1, 2) for what in (places, velocities))
        n = len(ids)
        run.tracks[stamp] = TrackedAgents.from_states(
            stamp, np.array(ids, np.int64), np.ones(n, np.uint8), np.column_stack([xy, np.zeros(n)]),
            np.arctan2(velocity[:, 1], velocity[:, 0]), velocity, np.full((n, 3), (4.5, 1.9, 1.5), np.float32), ego=ego,
        )  # fmt: skip
        run.true_egos.append(ego)
        run.predictions[stamp] = _futures(stamp, list(ids), xy, velocity)
        # Plan 0 goes on, plan 1 slows down: under the one who crosses brakes, under the other who follows.
        brakes = [[k for k in ids if k == who] for who in (CROSSES, FOLLOWS)]
        run.answers[stamp] = [
            _futures(stamp, who, np.array([places[k] for k in who]).reshape(-1, 2),
                     np.array([velocities[k] / 2 for k in who]).reshape(-1, 2))
            for who in brakes
        ]  # fmt: skip
        ways = (west * _TIME[:, None] * np.array([10.0, 5.0])[:, None, None]).astype(np.float32)
        changed = step == CHANGED
        run.decisions[stamp] = PlanDecision(
            stamp, PredictionSource.MODEL, WhatIfStatus.OK, True, int(changed), "why", ("go", "50 %"),
            np.array([ego.x, ego.y]), STEP, ways, np.repeat(np.array([[10.0], [5.0]], np.float32), 80, axis=1),
            np.zeros(2, np.uint8), ("progress",), _BEFORE[:, None], _BEFORE, np.array([0, 1], np.uint32),
            np.zeros(2, np.float32), _AFTER if changed else _BEFORE,
        )  # fmt: skip
    return run


@pytest.fixture(scope="module")
def run() -> RecordedRun:
    return _run(180)


def test_the_question_whose_answer_changed_the_choice_is_shown_from_approach_to_exit(run: RecordedRun) -> None:
    (film,) = films_of(run, "made_up", 1)
    assert (film.kind, film.town, film.seed) == (JunctionKind.RIGHT_OF_WAY, "made_up", 1)
    assert film.at == pytest.approx(CHANGED * STEP)
    assert film.weight == (20.0, pytest.approx(2.0))
    seconds = [frame.seconds for frame in film.frames]
    assert (seconds[0], seconds[film.question], len(seconds)) == (pytest.approx(-3.0), 0.0, 5)
    assert seconds == sorted(seconds)
    assert 0.5 < seconds[-1] - seconds[-2] < 3.1


def test_who_follows_does_not_count_and_who_crosses_does(run: RecordedRun) -> None:
    (film,) = films_of(run, "made_up", 1)
    frame = film.frames[film.question]
    assert frame.scene.ids.tolist() == [FOLLOWS, CROSSES]
    np.testing.assert_allclose(frame.lost, [[0.0, 4 * 7.9], [0.0, 0.0]], atol=0.1)
    assert (shown_of(frame).plans, shown_of(frame).agents) == ((1, 0), (1,))
    assert films_of(_run(180, (FOLLOWS,)), "made_up", 1) == []


def test_a_junction_that_is_not_left_behind_is_not_shown() -> None:
    assert films_of(_run(140), "made_up", 1) == []


def test_a_recording_without_answers_is_refused(run: RecordedRun) -> None:
    with pytest.raises(InvalidInputError, match=r"made_up 1.*answers"):
        films_of(replace(run, answers={}), "made_up", 1)


@pytest.mark.usefixtures("sumo")
def test_a_drive_that_fails_is_named_and_one_without_junctions_has_no_films() -> None:
    settings = DriveSettings(duration=2.5, warm_up=5.0)
    results = make_films(Benchmark(("village", "atlantis"), (1,), settings=settings), 1)
    assert results.films == {}
    assert list(results.failures) == [("atlantis", 1)]


def test_of_a_kind_the_heaviest_is_taken_and_of_equal_ones_the_first(run: RecordedRun) -> None:
    (film,) = films_of(run, "made_up", 1)
    lighter, later = replace(film, weight=(20.0, 1.0), seed=2), replace(film, seed=3)
    assert best_films([lighter, film, later]) == {JunctionKind.RIGHT_OF_WAY: film}


def test_it_is_told_in_words_and_drawn(run: RecordedRun, tmp_path: Path) -> None:
    films = best_films(films_of(run, "made_up", 1))
    asked, answered, chosen = sentences_of(films[JunctionKind.RIGHT_OF_WAY])
    assert asked == "Asked: what will the others do if the ego drives '50 % of its speed' or 'go'?"
    assert answered.endswith("car #7 loses 32 m under 'go', loses nothing under '50 % of its speed'.")
    assert chosen.endswith("(3.0). Without the answer it would have been 'go', which costs 5.0 with it.")
    (path,) = write_films(films, tmp_path)
    assert path == tmp_path / "right_of_way.png"
    picture = cv2.imread(str(path))[..., ::-1].astype(int)
    for colour in COLOURS[:2]:
        assert (np.abs(picture - rgb(colour)).max(axis=-1) < 12).sum() > 300


def test_the_command_says_what_it_drew_and_what_is_missing(
    run: RecordedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    films = best_films(films_of(run, "made_up", 1))
    results = FilmResults(films, {("village", 4): "SUMO lost the ego"})
    monkeypatch.setattr(planning_films, "make_films", lambda *_: results)
    assert cli.main(["evaluate", "planning", "--filmstrips", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / "filmstrips" / "right_of_way.png")]
    assert "village 4: SUMO lost the ego" in err
    assert "roundabout, merge, unprotected_left, signals, give_way\n" in err
