"""Words of the command line, ``--show-args``, ``--print``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from zoox_stack.launching.cli import parse_words, register
from zoox_stack.launching.errors import LaunchFileError

WriteLaunch = Callable[[str], Path]


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["launch", *words])
    return int(args.func(args))


def test_words() -> None:
    assert parse_words(["a.launch.xml", "x:=1", "y:=a:=b", "x:=2", "empty:="]) == (
        Path("a.launch.xml"),
        {"x": "2", "y": "a:=b", "empty": ""},
    )


@pytest.mark.parametrize("words", [["x:=1"], ["a", "b", "c"], ["a.launch.xml", ":=1"], ["no_such_package", "a.xml"]])
def test_wrong_words(words: list[str]) -> None:
    with pytest.raises(LaunchFileError):
        parse_words(words)


def test_package_and_file(package: Path) -> None:
    file = package / "share/shower/launch/x.launch.xml"
    file.write_text("<launch/>")
    assert parse_words(["shower", "x.launch.xml"]) == (file, {})


def test_show_args(launch_file: WriteLaunch, capsys: pytest.CaptureFixture[str]) -> None:
    path = launch_file(
        "<arg name='bag' description='What to play'/><arg name='rate' default='1'><choice value='1'/></arg>"
        "<arg if='$(equals $(var rate) 1)' name='maybe' default=''/>"
    )
    assert run("--show-args", str(path)) == 0
    text = capsys.readouterr().out
    for part in ("bag  (required)", "What to play", "rate  (default: '1')", "one of: 1", "only under a condition"):
        assert part in text


def test_print(launch_file: WriteLaunch, capsys: pytest.CaptureFixture[str], package: Path) -> None:
    path = launch_file(
        "<set_env name='A' value='two words'/><node pkg='shower' exec='show' name='n' respawn='true'>"
        "<param name='x' value='1'/></node><executable cmd='true' cwd='/tmp' on_exit='shutdown'/>"
    )
    assert run("--print", str(path)) == 0
    text = capsys.readouterr().out
    for part in (
        "2 processes",
        f"# show-1  ({path}:2; output log, respawn after 0 s)",
        "export A='two words'",
        f"{package}/lib/shower/show --ros-args -r __node:=n --params-file '<parameters 1>'",
        "ros__parameters:",
        "its end ends the launch",
        "cd /tmp",
    ):
        assert part in text


@pytest.mark.parametrize("option", ["--print", "--show-args"])
def test_errors(option: str, launch_file: WriteLaunch, capsys: pytest.CaptureFixture[str]) -> None:
    path = launch_file("<nod/>")
    assert run(option, str(path)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"zoox-stack launch: {path}:2: <launch> cannot hold <nod> (did you mean node?" in captured.err
