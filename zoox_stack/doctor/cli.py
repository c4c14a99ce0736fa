"""``zoox-stack doctor``: look at this machine, say what is wrong and how to put it right."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoox_stack.doctor.checks import run_checks
from zoox_stack.doctor.finding import Finding, Status

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``doctor`` command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check this machine: ROS 2, ONNX Runtime, libraries, disk, network, clock",
        description="Check this machine and name a fix for all that is not right. Exit code 1 if something fails.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    parser.set_defaults(func=command)


def command(args: argparse.Namespace) -> int:
    """Run the ``doctor`` command."""
    findings = list(run_checks())
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        show(findings, Console())
    return int(any(finding.status is Status.FAIL for finding in findings))


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print findings as a table, below it how many of which kind."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "check", "finding and fix"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        text = Text(finding.finding)
        if finding.fix:
            text.append(f"\n→ {finding.fix}", style="cyan")
        table.add_row(Text(finding.status.value, style=_STYLES[finding.status]), finding.check, text)
    console.print(table)
    counts = Counter(finding.status for finding in findings)
    console.print(", ".join(f"{counts[status]} {status.value}" for status in Status))
