"""The demo command, apart from the run itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoox_stack.demo.command import write_scene


def test_a_second_demo_replaces_the_scene_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_new(drive: str, path: Path) -> None:
        with path.open("x") as file:  # as the bag writer: never over an existing file
            file.write(drive)

    monkeypatch.setattr("zoox_stack.logs.drive.write_drive", write_new)
    for drive in ("first", "second"):
        monkeypatch.setattr("zoox_stack.simulation.demo.render_demo_drive", lambda drive=drive: drive)
        write_scene(tmp_path / "scene.mcap")
    assert (tmp_path / "scene.mcap").read_text() == "second"
