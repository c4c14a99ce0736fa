"""The command that measures towns."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.evaluation import statistics_command
from zoox_stack.evaluation.statistics_command import add_arguments, run
from zoox_stack.simulation.workers import cause_of_death


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def need_sumo() -> None:
    for name in ("libsumo", "sumo"):  # not imported here: libsumo greets on standard output
        if find_spec(name) is None:
            pytest.skip(f"needs the simulation extra ({name})")


@pytest.mark.parametrize(
    "words",
    [
        ("--duration", "0"), ("--duration", "nan"), ("--duration", "inf"), ("--jobs", "0"), ("--seed", "-1"),
        ("--towns", "no_such_town"), ("--markdown", "no/such/folder/page.md"), ("--markdown", "{folder}"),
        ("--markdown", "{unmarked}"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_before_anything_is_simulated(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics_command, "_measure_towns", lambda *_: pytest.fail("it simulates"))
    (tmp_path / "unmarked.md").write_text("no tables here")
    words = tuple(word.format(folder=tmp_path, unmarked=tmp_path / "unmarked.md") for word in words)
    with pytest.raises(ConfigurationError, match="expected"):
        run(arguments(*words))


def test_a_recording_named_like_a_town_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.xml").write_text("")
    with pytest.raises(InvalidInputError, match="village"):
        run(arguments("--towns", "village", "--compare", f"village={tmp_path}/log.xml"))


def test_a_town_that_fails_does_not_take_the_others_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need_sumo()
    page, nowhere = tmp_path / "page.md", tmp_path / "nowhere.yaml"
    nowhere.write_text("description: no way for an ego\nlayout:\n  kind: explicit\n  nodes:\n"
                       "    a: {x: 0, y: 0, kind: dead_end}\n    b: {x: 40, y: 0, kind: dead_end}\n"
                       "  streets:\n    - {start: a, end: b}\n")  # fmt: skip
    words = ("--towns", f"priority_grid,{nowhere}", "--duration", "5", "--json", "--markdown", str(page))
    assert run(arguments(*words)) == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert list(result["towns"]) == ["priority_grid", str(nowhere)]
    assert "route" in result["towns"][str(nowhere)]["failure"]
    assert str(nowhere) in err
    town = result["towns"]["priority_grid"]
    assert town["steps_per_second"] > 0
    assert town["statistics"]["seconds"] == pytest.approx(4.9)
    assert town["statistics"]["agents"]["CAR"]["travelling"] > 2
    assert {check["quantity"] for check in town["physics"]} == {"speed", "acceleration", "yaw_rate", "jump"}
    assert town["overlaps"]["under_way"] > 10
    assert town["appearances"]["vehicles"] > 2
    assert 0 < town["deviation"]["vehicles"]["p99"] <= town["deviation"]["vehicles"]["max"] < 6
    assert f"| {nowhere} | failed" in page.read_text()


def test_a_simulator_that_hangs_is_ended_and_said_so() -> None:
    """Ends the process from outside of Python, which a loop in SUMO never comes back to."""
    program = (
        "import time; from zoox_stack.evaluation import statistics_command as command; command.PATIENCE = 1; "
        "command._simulate = lambda *arguments: time.sleep(60); command.measure_town('x', 1, 1.0, print)"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=30)
    assert done.returncode == -signal.SIGALRM
    text = statistics_command._failure(cause_of_death(done.returncode), 12.3)
    assert "no further for 120 s" in text
    assert "after 12 simulated seconds" in text
    assert "no further" not in statistics_command._failure("out of memory", 0.0)


def test_what_is_wrong_with_a_town() -> None:
    fine = {"stuck": [], "physics": [{"violations": 0}], "overlaps": {"share": 0.001}}
    assert not statistics_command._is_wrong(fine)
    assert statistics_command._is_wrong({"failure": "it died"})
    assert statistics_command._is_wrong(fine | {"physics": [{"violations": 1}]})
    assert statistics_command._is_wrong(fine | {"stuck": [{}]})
    assert statistics_command._is_wrong(fine | {"overlaps": {"share": 0.02}})


def test_many_stuck_agents_are_counted_and_the_first_named() -> None:
    agents = [{"agent_class": "CAR", "id": i, "x": 1.0, "y": 2.0, "since": 30.0, "seconds": 200.0} for i in range(5)]
    assert statistics_command._stuck(agents).startswith("5: car 0 at (1, 2) from 30 s on; car 1")
    assert statistics_command._stuck(agents).endswith("car 2 at (1, 2) from 30 s on; ...")
    assert statistics_command._stuck([]) == "0"
