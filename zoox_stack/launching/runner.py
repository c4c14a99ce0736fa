"""Run a `LaunchDescription` from this process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from zoox_stack.launching.linux import adopt_orphans, descendants
from zoox_stack.launching.model import LaunchDescription
from zoox_stack.launching.transfer import to_json

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class RunningLaunch:
    """A launch under way: a supervisor process and below it the processes of the launch.

    Leaving it as a context manager ends the launch. However this process ends, the processes of the launch end too.

    Args:
        description: What to run.
    """

    def __init__(self, description: LaunchDescription) -> None:
        adopt_orphans()
        self._others = set(descendants(os.getpid()))
        sys.stdout.flush()
        sys.stderr.flush()
        # The supervisor needs the standard library and this package alone: -S keeps it from running the environment's
        # start-up files, -P from importing what lies in the working directory.
        self._popen = subprocess.Popen(
            [sys.executable, "-S", "-P", "-m", "zoox_stack.launching.supervisor"],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            start_new_session=True,
        )
        data = to_json(description, os.environ)
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: wait() tells
            self._popen.stdin.write(len(data).to_bytes(8, "little") + data)
            self._popen.stdin.flush()

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._popen.pid

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; returns 0, or 1 if a process failed.

        Args:
            timeout: [s], None for ever.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        code = self._popen.wait(timeout)
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()
        if code < 0:  # killed: its processes are ours now
            self._kill_orphans()
        adopt_orphans(on=False)
        return int(code != 0)

    def _kill_orphans(self) -> None:
        while orphans := [pid for pid in descendants(os.getpid()) if pid not in self._others]:
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Begin an orderly shutdown; a second call presses harder (SIGINT, SIGTERM, SIGKILL to the processes)."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._popen.poll() is None:
            self.interrupt()
        self.wait()


@contextlib.contextmanager
def _forwarding_signals(launch: RunningLaunch) -> Iterator[None]:
    """Hand SIGINT, SIGTERM and SIGHUP of this process on to the launch."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def forward(number: int, _frame: FrameType | None) -> None:
        launch.interrupt(signal.Signals(number))

    before = {number: signal.signal(number, forward) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_launch(description: LaunchDescription) -> int:
    """Run a launch to its end.

    Args:
        description: What to run.

    Returns:
        0; 1 if a process failed: one with ``on_exit="shutdown"`` or without respawn ended with an error, one could not
        be started, one had to be killed.
    """
    launch = RunningLaunch(description)
    with _forwarding_signals(launch):
        return launch.wait()
