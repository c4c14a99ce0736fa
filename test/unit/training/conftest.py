"""Made-up counterfactual samples: traffic on a straight road whose followers brake when the ego brakes."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.prediction.history import HISTORY_STEPS

pytest.importorskip("torch", reason="training needs the train extra (torch)")

from zoox_stack.simulation.samples import CounterfactualSample


def make_sample(seed: int, agents: int = 6, plans: int = 3) -> CounterfactualSample:
    rng = np.random.default_rng(seed)
    speed = rng.uniform(4, 12)
    gaps = 12.0 * (1 + np.arange(agents)) + rng.uniform(0, 4, agents)
    lanes = rng.choice([0.0, 3.5], agents)
    past = (np.arange(HISTORY_STEPS) - HISTORY_STEPS + 1) * STEP
    time = np.arange(1, STEPS + 1) * STEP

    def states(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        out = np.zeros((len(x), HISTORY_STEPS, 5))
        out[..., 0] = 100.0 + x[:, None] + speed * past
        out[..., 1] = y[:, None]
        out[..., 3] = speed
        return out

    def travelled(brake: float) -> tuple[np.ndarray, np.ndarray]:
        v = np.maximum(speed - brake * time, 0.0)
        return np.cumsum(v) * STEP, v

    ego_plans, futures = [], []
    for brake in np.linspace(0, 3, plans):
        s, v = travelled(brake)
        ego_plans.append(np.stack([100 + s, 0 * s, 0 * s, v, np.gradient(v, STEP)], axis=1))
        follow, _ = travelled(0.7 * brake)
        future = np.zeros((agents, STEPS, 3))
        future[..., 0] = 100.0 - gaps[:, None] + follow
        future[..., 1] = lanes[:, None]
        futures.append(future)
    return CounterfactualSample(
        town="straight", stamp_ns=10**9, ids=np.arange(agents) + 1, classes=np.ones(agents, np.uint8),
        sizes=np.tile(np.array([4.5, 1.9, 1.6], np.float32), (agents, 1)), attributes=np.zeros((agents, 6), np.uint8),
        history=states(-gaps, lanes), history_valid=np.ones((agents, HISTORY_STEPS), bool), ego_id=99,
        ego_history=states(np.zeros(1), np.zeros(1))[0], ego_size=np.array([4.8, 1.9, 1.6], np.float32),
        signal_ids=np.zeros(0, np.int64), signal_states=np.zeros(0, np.uint8),
        behaviours=np.arange(plans, dtype=np.uint8), ego_plans=np.array(ego_plans, np.float32),
        futures=np.array(futures, np.float32), futures_valid=np.ones((plans, agents, STEPS), bool),
    )  # fmt: skip


@pytest.fixture
def samples() -> list[CounterfactualSample]:
    return [make_sample(seed, agents=4 + seed % 3) for seed in range(4)]
