"""Errors of launch files: always with file and line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from zoox_stack.core.errors import ConfigurationError


@dataclass(frozen=True)
class Location:
    """A place in a launch file.

    Attributes:
        file: Path as opened.
        line: From 1; 0 for the file as a whole.
    """

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class LaunchFileError(ConfigurationError):
    """A launch file, or what was given to it, is wrong.

    Args:
        location: Where; None for errors of the command line.
        problem: What is wrong.
        hint: What to do about it, if something is known.
    """

    def __init__(self, location: Location | None, problem: str, hint: str = "") -> None:
        self.location, self.problem, self.hint = location, problem, hint
        text = f"{location}: {problem}" if location else problem
        super().__init__(f"{text} ({hint})" if hint else text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Hint for a name that does not exist: the nearest known one, else all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known are {', '.join(names)}" if names else "there are none"
