"""Made-up logs and counterfactual sets: traffic on a straight road whose followers brake when the ego brakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.datasets.counterfactuals import of_sample
from zoox_stack.datasets.scene_futures import SceneFutures
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.simulation.counterfactual_store import write_manifest, write_map, write_part
from zoox_stack.simulation.samples import CounterfactualSample, CounterfactualScene

NETWORK = straight_road(length=400.0).with_name("straight")


def _make_sample(seed: int, agents: int = 6, plans: int = 3) -> CounterfactualSample:
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


def as_scene(sample: CounterfactualSample) -> CounterfactualScene:
    """The sample with the rest made up."""
    m, n = len(sample.behaviours), len(sample.ids)
    return CounterfactualScene(
        sample=sample, seed=0, ego_class=1, plan_names=tuple(f"plan {i}" for i in range(m)),
        speeds=np.ones((m, n, STEPS), np.float32), plan_errors=np.full(m, np.nan, np.float32), refused=(),
        log_ego=sample.ego_plans[0], log_futures=sample.futures[0], log_speeds=np.ones((n, STEPS), np.float32),
        log_valid=sample.futures_valid[0], identity_max_diff=0.0,
    )  # fmt: skip


def _write_set(folder: Path, parts: Sequence[Sequence[CounterfactualSample]]) -> Path:
    """A counterfactual set."""
    write_map(folder, NETWORK)
    write_manifest(folder, {})
    for number, samples in enumerate(parts):
        write_part(folder, number, number * len(samples), [as_scene(sample) for sample in samples])
    return folder


def traffic_at(step: int, seed: int) -> TrackedAgents:
    """The ego, two cars and a pedestrian."""
    rng = np.random.default_rng(seed)
    t, speed = step * STEP, rng.uniform(6, 12, 3)
    stamp = 10**9 + round(t * 1e9)
    ego = EgoState(stamp_ns=stamp, x=60 + speed[0] * t, y=0.0, speed=float(speed[0]))
    position = np.array([[80 + speed[1] * t, 3.5, 0.8], [40 + speed[2] * t, 0, 0.8], [100.0, -6 + 1.2 * t, 0.9]])
    velocity = np.array([[speed[1], 0], [speed[2], 0], [0, 1.2]])
    return TrackedAgents.from_states(
        stamp, np.array([1, 2, 3]), np.array([AgentClass.CAR, AgentClass.CAR, AgentClass.PEDESTRIAN], np.uint8),
        position, np.array([0, 0, np.pi / 2]), velocity,
        np.array([[4.5, 1.8, 1.6], [4.5, 1.8, 1.6], [0.5, 0.5, 1.8]], np.float32), ego=ego,
    )  # fmt: skip


def _write_bag(path: Path, seed: int, *, seconds: float = 4.1, has_map: bool = True, has_agents: bool = True) -> Path:
    """A log of traffic on the straight road; of 4.1 s one scene is learned from, with 3 s of its future."""
    used = [topics.KINEMATIC_STATE, *([topics.GROUND_TRUTH] if has_agents else [])]
    with BagWriter(path) as writer:
        for topic in (*used, *([topics.ROAD_NETWORK] if has_map else [])):
            writer.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
        if has_map:
            writer.write(topics.ROAD_NETWORK.name, 10**9, encode(NETWORK))
        for step in range(round(seconds / STEP)):
            scene = traffic_at(step, seed)
            for topic, message in zip(used, (scene.ego, scene), strict=False):
                writer.write(topic.name, scene.stamp_ns, encode(message))
    return path


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., CounterfactualSample]:
    return _make_sample


@pytest.fixture(scope="session")
def write_set() -> Callable[..., Path]:
    return _write_set


@pytest.fixture(scope="session")
def write_bag() -> Callable[..., Path]:
    return _write_bag


@pytest.fixture
def samples() -> list[CounterfactualSample]:
    return [_make_sample(seed, agents=4 + seed % 3) for seed in range(4)]


@pytest.fixture
def scenes(samples: list[CounterfactualSample]) -> list[SceneFutures]:
    return [of_sample(sample, NETWORK, "made up") for sample in samples]


@pytest.fixture(scope="session")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three bags."""
    folder = tmp_path_factory.mktemp("logs") / "drives"
    folder.mkdir()
    for seed, name in enumerate(("morning", "noon", "evening")):
        _write_bag(folder / name, seed)
    return folder
