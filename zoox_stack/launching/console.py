"""Output of a launch: lines of all processes with their label, to the screen and the log file."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from zoox_stack.launching.model import Output


def log_directory(environment: Mapping[str, str]) -> Path:
    """Folder of one launch's log, as in ROS 2: below ``ROS_LOG_DIR``, else ``ROS_HOME``/log, else ``~/.ros/log``."""
    base = environment.get("ROS_LOG_DIR") or str(Path(environment.get("ROS_HOME") or "~/.ros") / "log")
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d-%H-%M-%S-%f")
    return Path(base).expanduser() / f"{stamp}-{socket.gethostname()}-{os.getpid()}"


class Console:
    """Screen and log file.

    Args:
        screen: Binary stream; writing stops without an error when its reader is gone.
        log_folder: Made, with ``launch.log`` inside, at the first line that goes to the log.
    """

    def __init__(self, screen: BinaryIO | None = None, log_folder: Path | None = None) -> None:
        self._screen: BinaryIO | None = sys.stdout.buffer if screen is None else screen
        self._folder = log_folder
        self._log: BinaryIO | None = None

    def say(self, level: str, who: str, text: str) -> None:
        """A line of the launcher itself."""
        line = f"[{level}] [{who}]: {text}".encode()
        self._to_screen(line)
        if self._log is not None:
            self._to_log(line)

    def line(self, label: str, text: bytes, output: Output, *, is_error: bool) -> None:
        """A line of a process.

        Args:
            label: The process.
            text: Without line end.
            output: Where the process's output goes.
            is_error: It came from stderr.
        """
        labelled = f"[{label}] ".encode() + text
        if output is not Output.LOG or is_error:
            self._to_screen(labelled)
        if output is not Output.SCREEN:
            self._to_log(labelled)

    def _to_screen(self, line: bytes) -> None:
        if self._screen is None:
            return
        try:
            self._screen.write(line + b"\n")
            self._screen.flush()
        except OSError:  # the terminal or the reader of the pipe is gone; the processes go on
            if self._screen is sys.stdout.buffer:
                # What it still holds would fail once more when Python ends, and be taken for a failed launch.
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, sys.stdout.fileno())
                os.close(nowhere)
            self._screen = None

    def _to_log(self, line: bytes) -> None:
        if self._log is None:
            if self._folder is None:
                return
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._log = (self._folder / "launch.log").open("ab", buffering=0)
            except OSError as error:
                folder, self._folder = self._folder, None
                self.say("WARNING", "launch", f"no log file in {folder}: {error.strerror} (set ROS_LOG_DIR)")
                return
            self.say("INFO", "launch", f"log file: {self._folder / 'launch.log'}")
        try:
            self._log.write(line + b"\n")
        except OSError as error:  # disk full
            self._log, self._folder = None, None
            self.say("ERROR", "launch", f"log file ended: {error.strerror}")

    def close(self) -> None:
        """Close the log file."""
        if self._log is not None:
            self._log.close()
            self._log = None
