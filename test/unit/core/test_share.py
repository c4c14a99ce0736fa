"""The files that come with the code are found in every kind of install."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoox_stack.core import share
from zoox_stack.core.share import share_folder


def test_here() -> None:
    assert (share_folder() / "config" / "planner.yaml").is_file()
    assert (share_folder() / "launch").is_dir()


@pytest.mark.parametrize("inside", ["lib/python3.11/site-packages", "local/lib/python3.11/dist-packages"])
def test_an_install_finds_the_share_folder_of_its_prefix(tmp_path: Path, inside: str) -> None:
    package = tmp_path / inside / "zoox_stack" / "core"
    package.mkdir(parents=True)
    for name in ("share.py", "errors.py"):
        shutil.copy(Path(share.__file__).parent / name, package)
    program = "from zoox_stack.core.share import share_folder; print(share_folder())"
    command = [sys.executable, "-S", "-c", program]
    bare = subprocess.run(command, cwd=package.parents[1], capture_output=True, text=True, check=False)
    assert "ConfigurationError" in bare.stderr
    assert "install zoox_stack again" in bare.stderr
    (tmp_path / "share" / "zoox_stack" / "config").mkdir(parents=True)
    found = subprocess.run(command, cwd=package.parents[1], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(tmp_path / "share" / "zoox_stack")
