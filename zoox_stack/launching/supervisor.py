"""The process that runs a launch: starts, watches, starts again, ends the processes of a `LaunchDescription`.

It is a process of its own, started by `runner`, so that nothing survives whatever dies:

- the launcher dies (even by SIGKILL): its end of the control pipe closes, the supervisor ends the launch;
- the supervisor dies by SIGKILL: the kernel kills the processes (parent-death signal), the launcher their children;
- a process dies and leaves children: they are in its process group, or the supervisor inherits them.

One thread, no asyncio: the parent-death signal is tied to the thread that forks.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from zoox_stack.launching.child import Child
from zoox_stack.launching.console import Console, log_directory
from zoox_stack.launching.linux import adopt_orphans, signal_descendants
from zoox_stack.launching.model import LaunchDescription
from zoox_stack.launching.transfer import from_json

_GRACE_WITHOUT_LAUNCHER = 2.0  # [s] per step of the shutdown when nobody waits for it any more
_GRACE_OF_LEFTOVERS = 1.0  # [s] from SIGTERM to SIGKILL for what processes left behind
_CHECK_PARENT = 1.0  # [s]
_STOP_STEPS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
_USER_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs a launch.

    Args:
        description: What to run.
        environment: The launcher's environment.
        console: Where output goes.
        folder: For parameter files.
        control: Read end of a pipe whose other end only the launcher holds.
    """

    def __init__(
        self,
        description: LaunchDescription,
        environment: Mapping[str, str],
        console: Console,
        folder: Path,
        control: int,
    ) -> None:
        self._environment = environment
        self._console = console
        self._children = [Child(process, folder, console) for process in description.processes]
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._on_launcher_gone)
        self._control = control
        self._parent = os.getppid()
        self._failed = False
        self._stopping = False
        self._grace: float | None = None  # shortens the processes' own timeouts
        self._steps: dict[Child, tuple[int, float]] = {}  # last step of _STOP_STEPS taken, time of the next [s]

    def run(self) -> int:
        """Run until all processes have ended; returns the launch's exit code."""
        wakeup_read, wakeup_write = os.pipe()
        os.set_blocking(wakeup_read, False)
        os.set_blocking(wakeup_write, False)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        for number in (*_USER_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(wakeup_read, selectors.EVENT_READ, self._on_signals)
        self._wakeup = wakeup_read
        try:
            for child in self._children:
                self._start(child)
            while any(child.pending for child in self._children):
                self._turn()
        finally:
            self._end_leftovers()
        return int(self._failed)

    def _turn(self) -> None:
        now = time.monotonic()
        due = [c.starts_again_at for c in self._children if c.starts_again_at is not None]
        due += [at for _, at in self._steps.values()]
        timeout = min([_CHECK_PARENT, *(max(0.0, at - now) for at in due)])
        for key, _ in self._selector.select(timeout):
            if callable(key.data):
                key.data()
            else:
                child, stream = key.data
                if not stream.closed and not child.forward(stream):
                    self._selector.unregister(stream)
        self._reap()
        if os.getppid() != self._parent:
            self._on_launcher_gone()
        now = time.monotonic()
        for child in self._children:
            if child.starts_again_at is not None and child.starts_again_at <= now:
                self._start(child)
            if child.running and child in self._steps and self._steps[child][1] <= now:
                self._step(child)

    def _start(self, child: Child) -> None:
        if self._stopping:
            child.starts_again_at = None
            return
        try:
            child.start(self._environment)
        except (OSError, ValueError) as error:
            place = child.description.location
            self._console.say("ERROR", child.name, f"{place}: cannot be started: {error}")
            self._failed = True
            self._stop("a process cannot be started")
            return
        for stream in child.streams():
            self._selector.register(stream, selectors.EVENT_READ, (child, stream))

    def _reap(self) -> None:
        """Handle the end of processes, ours and inherited ones."""
        by_pid = {child.popen.pid: child for child in self._children if child.popen is not None}
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            child = by_pid.pop(ended.si_pid, None)
            if child is None:
                os.waitpid(ended.si_pid, 0)
            else:
                self._on_end(child)

    def _on_end(self, child: Child) -> None:
        for stream in child.streams():
            with contextlib.suppress(KeyError):
                self._selector.unregister(stream)
        code = child.end()
        process = child.description
        was_killed = self._steps.pop(child, (0, 0.0))[0] == len(_STOP_STEPS) - 1
        if self._stopping:
            self._failed |= was_killed
            return
        if process.shutdown_on_exit:
            self._failed |= code != 0
            self._stop(f"{child.name} has ended")
        elif process.respawn and (process.respawn_max_retries < 0 or child.respawns < process.respawn_max_retries):
            child.respawns += 1
            child.starts_again_at = time.monotonic() + process.respawn_delay
        else:
            self._failed |= code != 0

    def _on_signals(self) -> None:
        numbers = set()
        with contextlib.suppress(BlockingIOError):
            numbers = set(os.read(self._wakeup, 4096))
        for number in _USER_SIGNALS:
            if number in numbers:
                self._on_user_signal(number)

    def _on_user_signal(self, number: signal.Signals) -> None:
        if not self._stopping:
            self._stop(f"{number.name} received")
            return
        self._console.say("WARNING", "launch", f"{number.name} received again: not waiting any longer")
        for child in self._children:
            if child.running:
                self._step(child)

    def _on_launcher_gone(self) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._control)
        self._parent = os.getppid()
        self._grace = _GRACE_WITHOUT_LAUNCHER
        self._stop("the launcher has died")

    def _stop(self, reason: str) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._console.say("INFO", "launch", f"shutting down: {reason}")
        for child in self._children:
            child.starts_again_at = None
            if child.running:
                self._step(child)

    def _step(self, child: Child) -> None:
        """The next harder way to end a process."""
        process = child.description
        last, _ = self._steps.get(child, (-1, 0.0))
        step = min(last + 1, len(_STOP_STEPS) - 1)
        if step > max(last, 0):
            text = f"process[{child.name}] did not end after {_STOP_STEPS[step - 1].name}"
            self._console.say("ERROR", child.name, text)
        child.send(_STOP_STEPS[step])
        wait = process.sigterm_timeout if step == 0 else process.sigkill_timeout
        if self._grace is not None:
            wait = min(wait, self._grace)
        self._steps[child] = step, time.monotonic() + wait

    def _end_leftovers(self) -> None:
        """End every descendant that is still there, wherever it hides."""
        me = os.getpid()
        if not signal_descendants(me, signal.SIGTERM):
            return
        kill_at = time.monotonic() + _GRACE_OF_LEFTOVERS
        while signal_descendants(me, signal.SIGKILL if time.monotonic() >= kill_at else 0):
            _reap_all()
            time.sleep(0.01)
        _reap_all()


def _reap_all() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _receive(stream: BinaryIO) -> tuple[LaunchDescription, dict[str, str]]:
    """Description and environment, as `runner` sends them: 8 bytes of length, then JSON."""
    length = int.from_bytes(stream.read(8), "little")
    data = stream.read(length)
    if not length or len(data) != length:
        raise SystemExit(1)  # the launcher died before it was done
    return from_json(data)


def main() -> int:
    """Run the launch that the launcher sends through stdin."""
    adopt_orphans()
    stream = os.fdopen(0, "rb", closefd=False)
    description, environment = _receive(stream)
    console = Console(log_folder=log_directory(environment))
    with tempfile.TemporaryDirectory(prefix="zoox_stack_launch_") as folder:
        try:
            return Supervisor(description, environment, console, Path(folder), 0).run()
        finally:
            console.close()


if __name__ == "__main__":
    sys.exit(main())
