"""The command itself; what its commands do is tested with them."""

from __future__ import annotations

import argparse

import pytest

from zoox_stack import cli
from zoox_stack.core.errors import InvalidInputError, ZooxStackError


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_registered_under_its_name(name: str) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n    {name} " in out or f"\n    {name}\n" in out for name in cli.COMMANDS)


def test_an_unknown_command_is_an_error_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["reply"])
    assert end.value.code == 2
    assert "replay" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInputError("bag x", "a file", "nothing"), 2),
        (ZooxStackError("it broke"), 1),
        (PermissionError(13, "not allowed", "/x"), 1),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_args: argparse.Namespace) -> int:
        raise error

    def parser(_commands: object) -> argparse.ArgumentParser:
        made = argparse.ArgumentParser()
        made.add_argument("words", nargs="*")
        made.set_defaults(func=fail)
        return made

    monkeypatch.setattr(cli, "build_parser", parser)
    assert cli.main(["doctor"]) == code
    assert capsys.readouterr().err == f"zoox-stack: {error}\n"


def test_replay_of_a_missing_bag_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "no/such/bag"]) == 2
    assert "no/such/bag" in capsys.readouterr().err


def test_replay_refuses_a_rate_of_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "x.mcap", "--rate", "0"]) == 2
    assert "--rate" in capsys.readouterr().err
