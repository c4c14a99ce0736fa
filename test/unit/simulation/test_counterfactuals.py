"""Forked futures: same past, same future for the same behaviour, other futures for others."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.simulation.counterfactuals import (
    Behaviour,
    CounterfactualConfig,
    branch,
    choose_ego,
    counterfactual_samples,
)
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.make_training_set import TrainingSetPlan, make_shard, make_training_set
from zoox_stack.simulation.samples import (
    CounterfactualSample,
    PlanColumn,
    affected_agents,
    is_plausible,
    iterate_samples,
    load_samples,
    load_town_networks,
    reacts_early,
    save_samples,
    without_jumps,
)
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import TrafficWorld

CONFIG = CounterfactualConfig(warm_up=8.0, instants=3, keep_unaffected=1.0, min_agents=3)
DEMAND = DemandConfig(vehicles_per_km=13.0, pedestrians_per_km=5.0, duration=30.0)


@pytest.fixture(scope="module")
def samples(town: Town, tmp_path_factory: pytest.TempPathFactory) -> list[CounterfactualSample]:
    made = counterfactual_samples(town, 4, tmp_path_factory.mktemp("routes"), demand=DEMAND, config=CONFIG)
    return list(made)


def _equal(a: CounterfactualSample, b: CounterfactualSample) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def test_samples_are_whole(samples: list[CounterfactualSample]) -> None:
    assert samples
    for sample in samples:
        n = len(sample.ids)
        assert sample.futures.shape == (len(Behaviour), n, 80, 3)
        assert sample.ego_id not in sample.ids
        assert (np.diff(sample.ids) > 0).all()
        assert sample.history_valid[:, -1].all()
        distance = np.hypot(*(sample.history[:, -1, :2] - sample.ego_history[-1, :2]).T)
        assert (distance < CONFIG.radius).all()
        assert n <= CONFIG.max_agents


def test_futures_continue_the_present(samples: list[CounterfactualSample]) -> None:
    for sample in samples:
        first = sample.futures[:, :, 0, :2] - sample.history[:, -1, :2]
        ahead = sample.history[:, -1, 3:] * 0.1
        there = sample.futures_valid[:, :, 0]
        assert (np.hypot(*np.moveaxis(first - ahead, -1, 0))[there] < 0.25).all()
        assert (np.hypot(*(sample.ego_plans[:, 0, :2] - sample.ego_history[-1, :2]).T) < 2.5).all()


def test_reactions_before_the_plans_differ_are_noticed(samples: list[CounterfactualSample]) -> None:
    for sample in samples:
        plans = np.repeat(sample.ego_plans[:1], len(Behaviour), axis=0)
        plans[1, 30:, 0] += 1.0
        futures = np.repeat(sample.futures[:1], len(Behaviour), axis=0)
        valid = np.repeat(sample.futures_valid[:1], len(Behaviour), axis=0)
        calm = replace(sample, ego_plans=plans, futures=futures, futures_valid=valid)
        assert not reacts_early(calm)
        later, earlier = futures.copy(), futures.copy()
        later[1, 0, 31] += 2.0
        earlier[1, 0, 29] += 2.0
        assert not reacts_early(replace(calm, futures=later))
        assert reacts_early(replace(calm, futures=earlier))


def test_jumps_end_what_is_valid(samples: list[CounterfactualSample]) -> None:
    sample = samples[0]
    assert without_jumps(sample) is sample
    row = int(sample.futures_valid.all(axis=(0, 2)).argmax())
    futures, history = sample.futures.copy(), sample.history.copy()
    futures[2, row, 40:, 0] += 9.0
    history[row, :4, 1] += 9.0
    cut = without_jumps(replace(sample, futures=futures, history=history))
    assert cut.futures_valid[2, row].sum() == 40
    assert not cut.futures[2, row, 40:].any()
    assert np.array_equal(cut.futures_valid[3], sample.futures_valid[3])
    assert not cut.history_valid[row, :4].any()
    assert np.array_equal(cut.history_valid[row, 4:], sample.history_valid[row, 4:])


def test_a_dead_stop_is_not_plausible(samples: list[CounterfactualSample]) -> None:
    plans = samples[0].ego_plans.copy()
    plans[..., PlanColumn.ACCELERATION] = 0
    assert is_plausible(replace(samples[0], ego_plans=plans)) or reacts_early(samples[0])
    plans[1, 5, PlanColumn.ACCELERATION] = -49.0
    assert not is_plausible(replace(samples[0], ego_plans=plans))


def test_behaviours_do_what_they_say(samples: list[CounterfactualSample]) -> None:
    for sample in samples:
        plans = sample.ego_plans
        assert plans[Behaviour.BRAKE, -1, PlanColumn.SPEED] < 0.1
        way = np.hypot(*np.diff(plans[..., :2], axis=1).transpose(2, 0, 1)).sum(axis=1)
        assert way[Behaviour.BRAKE] <= way.min() + 0.5
        assert way[Behaviour.GO_FIRST] >= way[Behaviour.SLOW] - 0.5


def test_somebody_reacts(samples: list[CounterfactualSample]) -> None:
    assert any(affected_agents(sample, 0.2).any() for sample in samples)


def test_forks_leave_the_world_as_it_was(town: Town, tmp_path: Path) -> None:
    def final(forked: bool) -> np.ndarray:
        random = np.random.default_rng(1)
        with TrafficWorld(town, DEMAND, 4, tmp_path) as world:
            world.run(7)
            past = deque((world.step() for _ in range(HISTORY_STEPS)), maxlen=HISTORY_STEPS)
            if forked:
                ego = choose_ego(world, past, random, CONFIG)
                assert ego is not None
                once, twice = (branch(world, past, ego, np.random.default_rng(2), CONFIG) for _ in range(2))
                assert once is not None
                assert twice is not None
                assert _equal(once, twice)
            return world.run(3).states

    assert np.array_equal(final(True), final(False))


def test_file_gives_back_the_samples(samples: list[CounterfactualSample], tmp_path: Path) -> None:
    save_samples(tmp_path / "shard_00000.npz", samples)
    back = list(iterate_samples(tmp_path))
    assert len(back) == len(samples)
    assert all(map(_equal, samples, back))
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not a file")
    with pytest.raises(InvalidInputError, match=r"bad\.npz"):
        load_samples(tmp_path / "bad.npz")


@pytest.mark.usefixtures("town")  # skips without SUMO
def test_training_set_resumes_and_repeats(tmp_path: Path) -> None:
    plan = TrainingSetPlan(samples=1, seed=3, layouts=("roundabout",), town_seeds=(2,))
    make_training_set(plan, tmp_path / "a", jobs=1)
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["samples"] == 1
    assert manifest["towns"] == ["roundabout_2"]
    assert set(load_town_networks(tmp_path / "a")) == {"roundabout_2"}
    shard = tmp_path / "a" / "shard_00000.npz"
    before = shard.stat().st_mtime_ns
    make_training_set(plan, tmp_path / "a", jobs=1)
    assert shard.stat().st_mtime_ns == before
    make_shard(plan, 0, 1, tmp_path / "again.npz")
    assert all(map(_equal, load_samples(shard), load_samples(tmp_path / "again.npz")))
    with pytest.raises(ConfigurationError, match="another folder"):
        make_training_set(TrainingSetPlan(2, 3, ("roundabout",), (2,)), tmp_path / "a", jobs=1)
