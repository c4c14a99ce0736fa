"""What the runner asks of Linux: who descends from whom, who inherits orphans, who dies with whom."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections import defaultdict
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {value}): {os.strerror(number)}")


def adopt_orphans(*, on: bool = True) -> None:
    """Let descendants whose parent died become children of this process instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent`, which started it, dies. Survives exec.

    The kernel watches the *thread* that forked: the parent must fork in a thread that lives as long as it does.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os.kill(os.getpid(), signal.SIGKILL)


def _parents() -> dict[int, int]:
    """Parent of every live process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # "pid (name) state ppid …"; the name may hold anything, so look behind its last parenthesis.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry.name)] = int(parent)
    return parents


def descendants(pid: int) -> list[int]:
    """All live descendants of a process, parents before children. Zombies do not count."""
    children = defaultdict(list)
    for child, parent in _parents().items():
        children[parent].append(child)
    found, todo = [], [pid]
    while todo:
        below = sorted(children[todo.pop(0)])
        found += below
        todo += below
    return found


def signal_descendants(pid: int, number: int) -> int:
    """Send a signal to all descendants of a process; returns how many there were."""
    found = descendants(pid)
    for child in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
    return len(found)
