"""Launch files in a temporary folder, a made-up package, running launches."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

DATA = Path(__file__).resolve().parents[2] / "data" / "launch"
COMMAND = (
    "import argparse, sys; from zoox_stack.launching.cli import register; p = argparse.ArgumentParser();"
    "register(p.add_subparsers()); a = p.parse_args(['launch', *sys.argv[1:]]); sys.exit(a.func(a))"
)
WriteLaunch = Callable[[str], Path]


@pytest.fixture
def launch_file(tmp_path: Path) -> WriteLaunch:
    """Writes the inside of <launch> to a file, its first line being line 2."""

    def write(content: str) -> Path:
        path = tmp_path / "test.launch.xml"
        path.write_text(f"<launch>\n{content}\n</launch>\n")
        return path

    return write


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prefix with the package `shower`, found through AMENT_PREFIX_PATH."""
    prefix = tmp_path / "prefix"
    index = prefix / "share/ament_index/resource_index/packages"
    for folder in (index, prefix / "lib/shower", prefix / "share/shower/launch"):
        folder.mkdir(parents=True)
    (index / "shower").touch()
    shutil.copy(DATA / "show", prefix / "lib/shower/show")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    return prefix


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait for a condition; the limit only keeps a broken test from hanging."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited in vain for {what}")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """It runs: exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def read_pid(path: Path) -> int:
    """Wait for a file with a process id."""
    wait_until(lambda: path.exists() and path.read_text().strip(), f"{path.name}")
    return int(path.read_text())


def popen(words: list[str], stdout: int) -> subprocess.Popen[bytes]:
    """``zoox-stack launch`` writing to a file descriptor."""
    return subprocess.Popen([sys.executable, "-c", COMMAND, *words], stdout=stdout, stderr=stdout)


@pytest.fixture
def tools() -> SimpleNamespace:
    """Helpers that wait for and look at processes."""
    return SimpleNamespace(wait_until=wait_until, is_alive=is_alive, read_pid=read_pid, popen=popen)


class Launched:
    """``zoox-stack launch`` as a process, its output in a file."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self.output = folder / "output.txt"
        with self.output.open("wb") as file:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", COMMAND, *words],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"ROS_LOG_DIR": str(folder / "log")},
            )

    @property
    def text(self) -> str:
        """All output so far."""
        return self.output.read_text()

    def wait_for(self, text: str, count: int = 1) -> None:
        """Wait until the output holds a text so many times."""
        wait_until(lambda: self.text.count(text) >= count, f"{text!r} in {self.text!r}")

    def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        return self.popen.wait(60)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Starts ``zoox-stack launch``; kills what is left at the end."""
    started: list[Launched] = []

    def start(path: Path, *words: str) -> Launched:
        started.append(Launched(tmp_path, [str(path), *words]))
        return started[-1]

    yield start
    for launched in started:
        if launched.popen.poll() is None:
            launched.popen.send_signal(signal.SIGKILL)
        launched.popen.wait()
