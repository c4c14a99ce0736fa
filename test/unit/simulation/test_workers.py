"""Jobs in processes: results, failures of every kind, progress, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from zoox_stack.simulation.workers import Job, Outcome, cause_of_death, run_jobs

JOBS = """
import os, signal
from zoox_stack.core.errors import InvalidInputError

def double(number, report):
    report(0.5)
    return 2 * number

def refuse(report):
    report(3.0)
    raise InvalidInputError("thing", "this", "that")

def full_disk(report):
    raise OSError(28, "No space left on device")

def stumble(report):
    raise KeyError("x")

def die(report):
    report(7.0)
    os.kill(os.getpid(), signal.SIGSEGV)

def leave(report):
    os._exit(3)
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs of a module that child processes can import."""
    (tmp_path / "jobs_to_run.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "jobs_to_run", raising=False)
    work = import_module("jobs_to_run")
    return [
        Job("refuse", work.refuse, ()), Job("die", work.die, ()), Job("one", work.double, (1,)),
        Job("disk", work.full_disk, ()), Job("leave", work.leave, ()), Job("stumble", work.stumble, ()),
        Job("two", work.double, (2,)),
    ]  # fmt: skip


def test_results_and_failures(jobs: list[Job]) -> None:
    seen: list[tuple[str, float]] = []
    outcomes: dict[str, Outcome] = {}
    for outcome in run_jobs(jobs, 2, lambda job, progress: seen.append((job.name, progress))):
        outcomes[outcome.job.name] = outcome
    assert outcomes["one"].result == 2
    assert outcomes["two"].result == 4
    assert outcomes["one"].failure == ""
    assert "expected this, found that" in outcomes["refuse"].failure
    assert "SIGSEGV" in outcomes["die"].failure
    assert outcomes["die"].progress == 7.0
    assert "No space left" in outcomes["disk"].failure
    assert "exit code 3" in outcomes["leave"].failure
    assert "KeyError" in outcomes["stumble"].failure
    assert ("refuse", 3.0) in seen
    assert ("two", 0.5) in seen
    assert sum(outcome.result is not None for outcome in outcomes.values()) == 2


@pytest.mark.parametrize(("code", "text"), [(-9, "SIGKILL"), (1, "exit code 1"), (-99, "-99"), (None, "None")])
def test_cause_of_death(code: int | None, text: str) -> None:
    assert text in cause_of_death(code)


_PARENT = """
import sys, time
from zoox_stack.simulation.workers import Job, run_jobs
sys.path.insert(0, {folder!r})
import sleeper
if __name__ == "__main__":
    for outcome in run_jobs([Job("a", sleeper.sleep, ({file!r},))], 1):
        print(outcome)
"""


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    (tmp_path / "sleeper.py").write_text(
        "import os, pathlib, time\n"
        "def sleep(file, report):\n"
        "    pathlib.Path(file).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(_PARENT.format(folder=str(tmp_path), file=str(file)))
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")])
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(file.read_text())
    parent.kill()
    parent.wait()
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
