"""``zoox-stack goal``: what it takes, says and returns; a running graph is in test/launch/test_goals.py."""

from __future__ import annotations

import pytest

from zoox_stack import cli
from zoox_stack.core.classes import GoalStatus
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.routes import GoalAnswer, RouteProgress
from zoox_stack.planning.goal_command import accepted_text, outcome, progress_text

ANSWER = GoalAnswer(GoalStatus.ACCEPTED, "", 100, 250.4, 21.0, 1)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--to", "1"], "--to: expected 2 or 3 numbers"),
        (["--to", "nan,2"], "goal x: expected a finite number"),
        (["--to", "1,2,inf"], "goal yaw: expected a finite number"),
        (["--to", "here"], "'here'"),
        (["--to", "1,2", "--timeout", "0"], "--timeout"),
    ],
)
def test_wrong_words_are_named(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["goal", *words]) == 2
    assert named in capsys.readouterr().err


def test_texts() -> None:
    assert accepted_text(ANSWER) == "on the way: 250 m, 21 s at the speed limits, 1 lane change"
    told = RouteProgress(200, 150, True, 10.0, 90.0, 8.0, 0.1, rerouted=2, off_route=True, problem="car #7 stands")
    assert progress_text(told) == "90 m, 8 s left, rerouted 2 x, off the route: car #7 stands"


def test_there_is_who_has_stopped_at_this_goal() -> None:
    def now(stamp: int, **values: object) -> bool | None:
        values = {"route_stamp_ns": 100, "has_goal": True, "remaining": 5.0} | values
        return outcome(RouteProgress(stamp, **values), ANSWER)  # type: ignore[arg-type]

    assert now(100, has_goal=False) is None  # from before the goal was set
    assert now(90, reached=True) is None
    assert now(120) is None
    assert now(130, route_stamp_ns=125, rerouted=1) is None
    assert now(140, reached=True) is True
    for other in ({"has_goal": False}, {"route_stamp_ns": 130}):
        with pytest.raises(ZooxStackError, match="another route or goal"):
            now(150, **other)
