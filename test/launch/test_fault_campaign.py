"""A fault campaign with the real graph: a planner that hangs, and a trajectory that the injector spoils."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
pytest.importorskip("ad_rss", reason="the library ad-rss is not installed")

pytestmark = pytest.mark.slow


def evaluate(out: Path, domain: int) -> tuple[int, dict[str, Any]]:
    command = [
        sys.executable, "-m", "zoox_stack.cli", "evaluate", "faults", "--towns", "signal_grid", "--faults",
        "planner_stall,proposal_nans", "--duration", "11", "--out", str(out), "--json",
    ]  # fmt: skip
    environment = {**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": str(domain)}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False)
    return done.returncode, json.loads(done.stdout)


def test_two_faults_and_what_is_there_is_not_driven_again(tmp_path: Path, domain: int) -> None:
    code, result = evaluate(tmp_path, domain)
    logs = "\n".join(file.read_text(errors="replace")[-2000:] for file in tmp_path.rglob("nodes.log"))
    assert (code, result["safe"], result["driven_now"]) == (0, 2, 2), f"{result}\n{logs}"
    for row in result["runs"]:
        assert row["named"].startswith("supervisor"), row
        assert row["manoeuvre_after_s"] is not None, row
    again, same = evaluate(tmp_path, domain)
    assert (again, same["driven_now"], same["runs"]) == (0, 0, result["runs"])
