"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # works, but not as well as it could, or it could not be found out
    FAIL = "fail"  # something of the stack does not work


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        check: What was looked at.
        status: How bad it is.
        finding: What was found.
        fix: What to do; empty if nothing is to be done.
    """

    check: str
    status: Status
    finding: str
    fix: str = ""


def ok(check: str, finding: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Status.OK, finding)


def warn(check: str, finding: str, fix: str) -> Finding:
    """Works, but."""
    return Finding(check, Status.WARN, finding, fix)


def fail(check: str, finding: str, fix: str) -> Finding:
    """Does not work."""
    return Finding(check, Status.FAIL, finding, fix)
