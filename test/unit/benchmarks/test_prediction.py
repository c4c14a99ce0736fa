"""The benchmark of prediction measures what it says: a full network, and why a provider is not measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoox_stack.prediction.channels import X_AHEAD, X_BEHIND, Y_LEFT, Y_RIGHT
from zoox_stack.prediction.config import PredictionConfig

pytest.importorskip("libsumo", reason="the scenes of benchmarks need the simulation extra (libsumo)")

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import json
import numpy as np
from benchmarks._scenes import crowd
seen = []
for step in (0, 10, 120, 131, 1000):
    scene = crowd(step, 64)
    place = scene.position[:, :2] - [scene.ego.x, scene.ego.y]
    later = crowd(step + 1, 64)
    same, now, then = np.intersect1d(scene.ids, later.ids, return_indices=True)
    gap = abs(later.position[then, :2] - scene.position[now, :2] - 0.1 * scene.velocity[now]).max()
    seen.append([len(scene), *place.min(axis=0).tolist(), *place.max(axis=0).tolist(), len(same), float(gap)])
print(json.dumps(seen))
"""


def said(*words: str) -> Any:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_crowd_stays_around_the_ego_and_keeps_its_velocity() -> None:
    for count, behind, right, ahead, left, same, gap in said("-c", SCRIPT):
        assert count == 64
        assert X_BEHIND < behind < ahead < X_AHEAD
        assert Y_RIGHT < right < left < Y_LEFT
        assert same > 55
        assert gap < 1e-6


def test_a_row_per_provider_and_all_agents_in_the_network() -> None:
    result = said("-m", "benchmarks.prediction", "--runs", "1", "--plans", "2", "--provider", "cpu", "cuda")
    cpu, cuda = result["rows"]
    assert (cpu["asked"], cpu["provider"]) == ("cpu", "CPUExecutionProvider")
    assert cpu["agents_in_network"] == result["agents"] == 64
    assert cpu["agents_reacting"] == PredictionConfig().max_reacting
    assert len(cpu["agents_affected"]) == 2
    parts = {name for name in cpu if name.endswith("_ms")}
    assert {"decoder_with_plans_ms", "what_if_ms", "what_if_affected_only_ms"} <= parts
    assert all(cpu[name]["p50"] > 0 for name in parts)
    assert cuda["asked"] == "cuda"
    if cuda.get("provider") != "CUDAExecutionProvider":
        assert cuda["result"] == "not measured"
        assert "expected provider CUDAExecutionProvider" in cuda["why"]
        assert not any(name.endswith("_ms") for name in cuda)
