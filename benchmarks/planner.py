"""Time of the planner: proposing without what-if and deciding with an answer. Prints one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, PredictionSource, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer
from zoox_stack.planning.planner import Planner
from zoox_stack.road_network.made_up import crossing

STAMP = 1_000_000_000


def make_scene(agents: int, rng: np.random.Generator) -> TrackedAgents:
    """Agents on and around a crossing that the ego approaches."""
    yaw = rng.uniform(-np.pi, np.pi, agents)
    speed = rng.uniform(0.0, 10.0, agents)
    return TrackedAgents.from_states(
        STAMP,
        np.arange(agents),
        np.full(agents, AgentClass.CAR),
        np.concatenate([rng.uniform(-60.0, 60.0, (agents, 2)), np.zeros((agents, 1))], axis=1),
        yaw,
        speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1),
        np.tile(np.array([4.6, 1.9, 1.6], np.float32), (agents, 1)),
        ego=EgoState(STAMP, -60.0, -1.75, speed=10.0),
    )


def make_predictions(scene: TrackedAgents, modes: int, rng: np.random.Generator) -> PredictedAgents:
    """Futures that differ between modes in speed and drift."""
    base = constant_velocity_prediction(scene, modes)
    shape = base.positions.shape
    drift = rng.normal(0.0, 0.05, (*shape[:2], 1, 2)) * np.arange(1, shape[2] + 1)[None, None, :, None]
    probabilities = rng.dirichlet(np.full(modes, 2.0), len(scene))
    return replace(
        base,
        positions=(base.positions + drift).astype(np.float32),
        probabilities=probabilities.astype(np.float32),
        source=PredictionSource.MODEL,
        model="made up",
    )


def measure(call: Callable[[], Any], runs: int) -> dict[str, float]:
    """Percentiles of the wall time of a call, and the median of its CPU time [ms]."""
    for _ in range(5):
        call()
    times, cpu = [], []
    for _ in range(runs):
        start, start_cpu = time.perf_counter(), time.process_time()
        call()
        times.append(1e3 * (time.perf_counter() - start))
        cpu.append(1e3 * (time.process_time() - start_cpu))
    names = ("p50", "p95", "p99")
    values = dict(zip(names, np.percentile(times, (50, 95, 99)).round(3).tolist(), strict=True))
    return values | {
        "min": round(min(times), 3),
        "max": round(max(times), 3),
        "cpu_p50": round(float(np.median(cpu)), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=64, help="agents in the scene (default 64)")
    parser.add_argument("--modes", type=int, default=6, help="futures per agent (default 6)")
    parser.add_argument("--affected", type=int, default=8, help="agents that react to a plan (default 8)")
    parser.add_argument("--runs", type=int, default=200, help="measured calls (default 200)")
    parser.add_argument("--json", action="store_true", help="print one line instead of indented text")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    scene = make_scene(arguments.agents, rng)
    predicted = make_predictions(scene, arguments.modes, rng)
    planner = Planner()
    planner.set_road_network(crossing())
    prepared = planner.prepare(scene, None)
    proposal = planner.judge(prepared, predicted)
    asked = len(proposal.asked)
    affected = predicted.take(np.arange(min(arguments.affected, len(predicted))))

    def answer(futures: PredictedAgents) -> WhatIfAnswer:
        return WhatIfAnswer(
            WhatIfStatus.OK,
            scene_stamp_ns=STAMP,
            conditional=True,
            predictions=(futures,) * asked,
            collision_probabilities=np.zeros(asked, np.float32),
        )

    some, every = answer(affected), answer(predicted)

    def whole_tick() -> None:
        planner.decide(planner.propose(scene, predicted, None), None, WhatIfStatus.TIMEOUT)

    result = {
        "benchmark": "planner",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load": [round(x, 2) for x in os.getloadavg()],
        "agents": arguments.agents,
        "modes": arguments.modes,
        "candidates": len(proposal.candidates),
        "asked": asked,
        "runs": arguments.runs,
        "without_what_if_ms": measure(whole_tick, arguments.runs),
        "prepare_ms": measure(lambda: planner.prepare(scene, None), arguments.runs),
        "judge_ms": measure(lambda: planner.judge(prepared, predicted), arguments.runs),
        "affected": len(affected),
        "decide_some_affected_ms": measure(lambda: planner.decide(proposal, some, WhatIfStatus.OK), arguments.runs),
        "decide_all_affected_ms": measure(lambda: planner.decide(proposal, every, WhatIfStatus.OK), arguments.runs),
    }
    print(json.dumps(result, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
