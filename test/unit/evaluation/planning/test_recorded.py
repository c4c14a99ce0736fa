"""Planning problems in recorded traffic: what is solved, what is not and why, on made-up scenarios."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import STEPS
from zoox_stack.evaluation.recorded_drive import (
    AT_START,
    BEHIND,
    COLLISION,
    FAILED,
    GOAL_MISSED,
    OFF_ROAD,
    SOLVED,
    ProblemResult,
    drive_problem,
)
from zoox_stack.evaluation.recorded_futures import RECORDED, RecordedFutures
from zoox_stack.evaluation.recorded_run import summarise_recorded, wilson
from zoox_stack.logs.importers.commonroad import load_commonroad_traffic
from zoox_stack.logs.importers.commonroad_problems import GoalState, Interval, inside, load_planning_problems

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[5] / "shared" / "data")) / "ngsim_commonroad"
RIGHT, LEFT = 1, 2  # lanelets, along +x, centres at y = 0 and 3.5 m
_SIZE = "<shape><rectangle><length>4.5</length><width>1.8</width></rectangle></shape>"


def exact(tag: str, value: float) -> str:
    return f"<{tag}><exact>{value}</exact></{tag}>"


def interval(tag: str, low: float, high: float) -> str:
    return f"<{tag}><intervalStart>{low}</intervalStart><intervalEnd>{high}</intervalEnd></{tag}>"


def state(tag: str, x: float, y: float, more: str) -> str:
    point = f"<position><point><x>{x}</x><y>{y}</y></point></position>"
    return f"<{tag}>{point}{exact('orientation', 0.0)}{more}</{tag}>"


def car(number: int, x: float, y: float, speed: float, steps: int = 60) -> str:
    states = [state("state", x + 0.1 * k * speed, y, exact("time", k)) for k in range(1, steps + 1)]
    start = state("initialState", x, y, exact("time", 0))
    return (
        f'<obstacle id="{number}"><role>dynamic</role><type>car</type>{_SIZE}{start}'
        f"<trajectory>{''.join(states)}</trajectory></obstacle>"
    )


def goal(steps: tuple[int, int], place: str = "", more: str = "") -> str:
    where = f"<position>{place}</position>" if place else ""
    return f"<goalState>{where}{more}{interval('time', *steps)}</goalState>"


def in_lane(number: int) -> str:
    return f'<lanelet ref="{number}"/>'


def rectangle(x: float, y: float, length: float = 8.0, width: float = 2.0) -> str:
    size = f"<length>{length}</length><width>{width}</width><orientation>0.0</orientation>"
    return f"<rectangle>{size}<center><x>{x}</x><y>{y}</y></center></rectangle>"


def write(path: Path, goals: str, *cars: str, speed: float = 12.0, length: float = 400.0) -> Path:
    """A scenario whose ego starts in the middle of the right lane at x = 50 m."""
    lanes = ""
    for number, middle, beside in (
        (RIGHT, 0.0, f'<adjacentLeft ref="{LEFT}" drivingDir="same"/>'),
        (LEFT, 3.5, f'<adjacentRight ref="{RIGHT}" drivingDir="same"/>'),
    ):
        bounds = "".join(
            f"<{tag}>"
            + "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x in (0.0, length / 2, length))
            + f"</{tag}>"
            for tag, y in (("leftBound", middle + 1.75), ("rightBound", middle - 1.75))
        )
        lanes += f'<lanelet id="{number}">{bounds}{beside}</lanelet>'
    more = exact("velocity", speed) + exact("yawRate", 0.0) + exact("slipAngle", 0.0) + exact("time", 0)
    problem = f'<planningProblem id="9">{state("initialState", 50.0, 0.0, more)}{goals}</planningProblem>'
    traffic = "".join(cars) or car(90, 50.0, 100.0, 10.0)  # somebody far away
    head = '<commonRoad timeStepSize="0.1" benchmarkID="MADE_UP-1" commonRoadVersion="2018b">'
    path.write_text(f"{head}{lanes}{traffic}{problem}</commonRoad>", encoding="utf-8")
    return path


def test_a_problem_is_read(tmp_path: Path) -> None:
    more = interval("orientation", -0.1, 0.1) + interval("velocity", 5.0, 15.0)
    path = write(tmp_path / "a.xml", goal((10, 20), rectangle(70.0, 0.0), more) + goal((5, 5), in_lane(LEFT)))
    (problem,) = load_planning_problems(path)
    assert (problem.id, problem.x, problem.y, problem.speed, problem.last_step) == (9, 50.0, 0.0, 12.0, 20)
    box, lane = problem.goals
    assert box.missed(70.0, 0.0, 0.05, 10.0) == ()
    assert box.missed(75.0, 0.0, 0.2, 16.0) == ("position", "orientation", "velocity")
    assert lane.missed(10.0, 3.5, 3.0, 99.0) == ()
    assert lane.missed(10.0, 0.0, 0.0, 1.0) == ("position",)


@pytest.mark.parametrize(
    ("goals", "said"),
    [("", "goalState"), ("<goalState/>", "without a time"), (goal((4, 2)), "an interval that rises"),
     (goal((1, 2), "<heart/>"), "rectangle"), (goal((1, 2), in_lane(7)), "'7'")],
)  # fmt: skip
def test_wrong_problems_are_named(goals: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=said):
        load_planning_problems(write(tmp_path / "a.xml", goals))


def test_angles_are_compared_over_whole_turns() -> None:
    assert GoalState(Interval(0, 1), yaw=Interval(3.0, 3.4)).missed(0.0, 0.0, -3.1, 0.0) == ()
    assert Interval(-0.1, 0.1).holds_angle(2 * np.pi)
    assert not Interval(-0.1, 0.1).holds_angle(np.pi)


def test_a_ring_need_not_be_convex() -> None:
    ring = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]])
    assert inside(ring, np.array([[2.0, 0.5], [2.0, 2.0], [3.8, 3.0], [-1.0, 1.0]])).tolist() == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("planner", ["constant_velocity", RECORDED])
@pytest.mark.parametrize(
    "goals",
    [
        goal((40, 40)),
        goal((60, 60), in_lane(LEFT)),
        goal((40, 44), rectangle(100.0, 0.0), interval("velocity", 9.0, 15.0) + interval("orientation", -0.1, 0.1)),
        goal((30, 30), in_lane(RIGHT)),
    ],
)
def test_goals_are_reached_behind_slower_traffic(goals: str, planner: str, tmp_path: Path) -> None:
    slower = car(20, 90.0, 0.0, 10.0)
    assert drive_problem(write(tmp_path / "a.xml", goals, slower), 0, planner).outcome == SOLVED


def test_a_goal_too_far_away_is_missed(tmp_path: Path) -> None:
    result = drive_problem(write(tmp_path / "a.xml", goal((20, 20), rectangle(150.0, 0.0))), 0, "constant_velocity")
    assert (result.outcome, result.detail, result.steps) == (GOAL_MISSED, "position", 20)


def test_what_comes_after_the_last_step_does_not_matter(tmp_path: Path) -> None:
    fast = goal((15, 17), rectangle(70.0, 0.0), interval("velocity", 11.0, 13.0))
    queue = (car(20, 82.0, 0.0, 0.0), car(30, 82.0, 3.5, 0.0))  # standing 6 m behind the goal
    assert drive_problem(write(tmp_path / "a.xml", fast, *queue), 0, RECORDED).outcome == SOLVED


def test_who_stands_starts_at_once_where_time_is_short(tmp_path: Path) -> None:
    soon = goal((40, 40), rectangle(70.0, 0.0))
    assert drive_problem(write(tmp_path / "a.xml", soon, speed=0.0), 0, RECORDED).outcome == SOLVED


def test_the_end_of_the_map_is_not_driven_over_where_there_is_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", goal((60, 60)), length=120.0)
    assert drive_problem(path, 0, "constant_velocity").outcome == SOLVED
    path = write(tmp_path / "b.xml", goal((60, 60)), length=70.0, speed=25.0)
    assert drive_problem(path, 0, "constant_velocity").outcome == OFF_ROAD


def test_who_is_driven_into_is_told_from_who_drives_in_from_behind(tmp_path: Path) -> None:
    queue = (car(20, 57.0, 0.0, 2.0), car(30, 43.0, 0.0, 25.0), car(40, 50.0, 3.5, 12.0), car(50, 57.0, 3.5, 12.0))
    result = drive_problem(write(tmp_path / "a.xml", goal((40, 40)), *queue), 0, "constant_velocity")
    assert result.outcome == COLLISION
    alone = (car(30, 40.0, 0.0, 30.0), car(40, 50.0, 3.5, 30.0), car(60, 42.0, 3.5, 30.0))
    result = drive_problem(write(tmp_path / "b.xml", goal((40, 40)), *alone), 0, "constant_velocity")
    assert (result.outcome, result.detail) == (COLLISION, BEHIND)
    result = drive_problem(write(tmp_path / "c.xml", goal((40, 40)), car(20, 52.0, 0.0, 5.0)), 0, RECORDED)
    assert (result.outcome, result.detail, result.steps) == (COLLISION, AT_START, 0)


def test_recorded_futures_are_the_recording_and_go_on_after_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", goal((5, 5)), car(20, 90.0, 0.0, 10.0, steps=30))
    scenes = load_commonroad_traffic(path).scenes
    predicted = RecordedFutures(scenes).predict(scenes[10])
    x = predicted.positions[0, 0, :, 0] + predicted.origin[0]
    assert np.allclose(x, 100.0 + np.arange(1, STEPS + 1), atol=1e-3)


def test_a_goal_off_the_lanes_is_a_failure(tmp_path: Path) -> None:
    circle = "<circle><radius>2.0</radius><center><x>60.0</x><y>40.0</y></center></circle>"
    result = drive_problem(write(tmp_path / "a.xml", goal((20, 20), circle)), 0, "constant_velocity")
    assert result.outcome == FAILED
    assert "expected a way there" in result.detail


def test_a_result_survives_being_written_and_is_summed_up() -> None:
    solved = ProblemResult("a", 1, RECORDED, SOLVED, steps=3, latencies_ms=(1.0, 2.0))
    assert ProblemResult.from_values(json.loads(json.dumps(solved.to_values()))) == solved
    with pytest.raises(InvalidInputError, match="record of a problem"):
        ProblemResult.from_values({"scenario": "a"})
    hit = ProblemResult("b", 1, RECORDED, COLLISION, BEHIND)
    found = summarise_recorded([solved, hit])["planners"][RECORDED]
    assert (found["solved"], found["problems"], found["solve_rate"]) == (1, 2, 0.5)
    assert (found["outcomes"][COLLISION], found["collisions"][BEHIND]) == (1, 1)
    low, high = wilson(74, 78)
    assert (round(low, 3), round(high, 3)) == (0.875, 0.980)  # R: prop.test(74, 78, correct = FALSE)


def test_the_command_drives_keeps_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write(tmp_path / "in" / f"{name}.xml", goal((3, 3)))
    command = ["evaluate", "planning", "--commonroad", str(tmp_path / "in"), "--planners", "constant_velocity"]
    command += ["--out", str(tmp_path / "out")]
    assert cli.main([*command, "--problems", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["driven_now"] == 1
    assert cli.main([*command, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["driven_now"], summary["planners"]["constant_velocity"]["solved"]) == (1, 2)
    assert [row["scenario"] for row in summary["problems"]] == ["a", "b"]
    assert cli.main(command) == 0
    assert "2 of 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--planners", "idm"], "found 'idm'"),
        (["--problems", "0"], "--problems: expected at least 1"),
        (["--jobs", "0"], "--jobs: expected at least 1"),
        ([], "expected a folder with CommonRoad .xml files"),
    ],
)
def test_wrong_arguments(arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "planning", "--commonroad", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main([*command, *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(not DATA.is_dir(), reason="recorded data is not here")
def test_recorded_problems_are_read(tmp_path: Path) -> None:
    with tarfile.open(DATA / "ngsim_us101_lankershim.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    problems = [load_planning_problems(path) for path in tmp_path.rglob("*.xml")]
    assert len(problems) == 78
    assert {len(found) for found in problems} == {1}
