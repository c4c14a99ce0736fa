"""One process of a launch while it runs: start, output, signals, end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from zoox_stack.launching.console import Console
from zoox_stack.launching.linux import die_with_parent
from zoox_stack.launching.model import ParameterFile, ProcessDescription

_CHUNK = 65536
_MOST_READS = 64  # of the output left at the end: a process that escaped may write for ever


class Child:
    """A process of a launch; started again and again if it respawns.

    Attributes:
        description: What to start.
        popen: The running process, None if it does not run.
        exit_code: Of the last run (negative: signal), None before the first end.
        starts_again_at: Monotonic time of the next start [s], None if none is due.
        respawns: Number of starts after the first.
    """

    def __init__(self, description: ProcessDescription, folder: Path, console: Console) -> None:
        self.description = description
        self.popen: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        self.starts_again_at: float | None = None
        self.respawns = 0
        self._console = console
        self._command = [self._argument(part, folder) for part in description.command]
        self._partial: dict[bool, bytes] = {}

    @property
    def name(self) -> str:
        """Label of its output."""
        return self.description.name

    @property
    def running(self) -> bool:
        """It is alive."""
        return self.popen is not None

    @property
    def pending(self) -> bool:
        """It is alive or will be started again."""
        return self.running or self.starts_again_at is not None

    @staticmethod
    def _argument(part: str | ParameterFile, folder: Path) -> str:
        if isinstance(part, str):
            return part
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix="parameters_", suffix=".yaml", delete=False) as file:
            file.write(part.text)
        return file.name

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it in a process group of its own; it dies with this process.

        Raises:
            OSError: It cannot be started.
        """
        wanted = dict(environment)
        for key, value in self.description.environment:
            if value is None:
                wanted.pop(key, None)
            else:
                wanted[key] = value
        parent = os.getpid()
        self.starts_again_at = None
        self.popen = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.description.cwd,
            env=wanted,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(parent),  # safe: this process has one thread
        )
        for stream in self.streams():
            os.set_blocking(stream.fileno(), False)
        self._console.say("INFO", self.name, f"process started with pid [{self.popen.pid}]")

    def streams(self) -> list[IO[bytes]]:
        """Its stdout and stderr."""
        return [] if self.popen is None else [s for s in (self.popen.stdout, self.popen.stderr) if s is not None]

    def forward(self, stream: IO[bytes]) -> bool:
        """Pass on what a stream holds; False at its end."""
        data = _read(stream)
        if data:
            self._take(stream, data)
        return data != b""

    def _take(self, stream: IO[bytes], data: bytes) -> None:
        is_error = self.popen is not None and stream is self.popen.stderr
        lines = (self._partial.pop(is_error, b"") + data).split(b"\n")
        for line in lines[:-1]:
            self._console.line(self.name, line, self.description.output, is_error=is_error)
        if lines[-1]:
            self._partial[is_error] = lines[-1]

    def end(self) -> int:
        """Take note of its end: kill what it left in its process group, reap it, pass on the rest of its output.

        Returns:
            The exit code.
        """
        assert self.popen is not None
        pid = self.popen.pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        self.exit_code = self.popen.wait()
        for stream in self.streams():
            for _ in range(_MOST_READS):
                data = _read(stream)
                if not data:
                    break
                self._take(stream, data)
            stream.close()
        for is_error, rest in sorted(self._partial.items()):
            self._console.line(self.name, rest, self.description.output, is_error=is_error)
        self._partial.clear()
        self.popen = None
        if self.exit_code == 0:
            self._console.say("INFO", self.name, f"process has finished cleanly [pid {pid}]")
        else:
            command = " ".join(self._command)
            text = f"process has died [pid {pid}, exit code {self.exit_code}, cmd '{command}']."
            self._console.say("ERROR", self.name, text)
        return self.exit_code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its process group."""
        if self.popen is not None:
            self._console.say("INFO", self.name, f"sending signal '{number.name}' to process[{self.name}]")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)


def _read(stream: IO[bytes]) -> bytes | None:
    """What a non-blocking stream holds: None if nothing now, empty at its end."""
    try:
        return os.read(stream.fileno(), _CHUNK)
    except BlockingIOError:
        return None
