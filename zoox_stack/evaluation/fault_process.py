"""Faults of a process: which one is a node, and the signals it gets, in time."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from zoox_stack.evaluation.fault_table import Fault, FaultKind
from zoox_stack.launching.linux import descendants


def pid_of(node: str, launcher: int) -> int | None:
    """Process of a node below a launcher; None if it does not run."""
    wanted = f"__node:={node}".encode()
    for pid in descendants(launcher):
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    return None


class ProcessFault:
    """Does to a process what a fault asks for; call `at` again and again.

    Args:
        fault: One of a process.
        find: Process id of the node now, None if it does not run.
        send: Sends a signal to a process.

    Attributes:
        begun_ns: Wall time at which it began [ns]; None before.
    """

    def __init__(
        self,
        fault: Fault,
        find: Callable[[], int | None],
        send: Callable[[int, signal.Signals], None] = os.kill,
    ) -> None:
        self._fault, self._find, self._send = fault, find, send
        self._stopped: int | None = None
        self._over = False
        self.begun_ns: int | None = None

    def at(self, driven: float) -> None:
        """The drive has lasted so long [s]."""
        fault = self._fault
        if self._over or driven < fault.begin:
            return
        if self.begun_ns is None:
            self._hit()
        elif fault.kind is FaultKind.KILL or (fault.lasts and driven >= fault.begin + fault.lasts):
            self.end()
        elif fault.kind is FaultKind.GONE:
            self._hit()

    def end(self) -> None:
        """Nothing more is done; a process that was stopped goes on."""
        self._over = True
        if self._stopped is not None:
            with contextlib.suppress(ProcessLookupError):
                self._send(self._stopped, signal.SIGCONT)
            self._stopped = None

    def _hit(self) -> None:
        pid = self._find()
        if pid is None:
            return
        stalls = self._fault.kind is FaultKind.STALL
        now_ns = time.time_ns()
        with contextlib.suppress(ProcessLookupError):
            self._send(pid, signal.SIGSTOP if stalls else signal.SIGKILL)
            self._stopped = pid if stalls else None
            self.begun_ns = self.begun_ns or now_ns
