"""The demo command says what is wrong before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoox_stack.cli import main

pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--town", "atlantis"], "town: expected one of arterial"),
        (["--sensors", "crystal_ball"], "crystal_ball"),
        (["--duration", "0.5"], "--duration: expected 1 .. 36000 s, found 0.5"),
        (["--duration", "nan"], "--duration"),
        (["--seed", "-1"], "--seed: expected 0 .. 2147483647, found -1"),
    ],
)
def test_wrong_arguments_are_named(
    words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["demo", "--out", str(out), *words]) == 2
    assert named in capsys.readouterr().err
    assert not out.exists()


def test_a_town_without_a_way_for_the_ego_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    town = tmp_path / "lane.yaml"
    town.write_text(
        "description: one short street\n"
        "layout:\n  kind: explicit\n"
        "  nodes: {a: {x: 0.0, y: 0.0, kind: dead_end}, b: {x: 60.0, y: 0.0, kind: dead_end}}\n"
        "  streets: [{start: a, end: b}]\n"
    )
    assert main(["demo", "--out", str(tmp_path / "out"), "--town", str(town)]) == 2
    assert "lane" in capsys.readouterr().err
