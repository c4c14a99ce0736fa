"""Forked futures: same past, same future for the same plan, other futures for others."""

from __future__ import annotations

from collections import deque
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.simulation import counterfactuals
from zoox_stack.simulation.actors.traffic_view import Obstacles
from zoox_stack.simulation.branch_plans import BranchPlan, PlanChooser, PlanKind
from zoox_stack.simulation.branching import branch, roll_out
from zoox_stack.simulation.counterfactuals import CounterfactualConfig, choose_ego, counterfactual_scenes
from zoox_stack.simulation.demand import DemandConfig, RoadUser
from zoox_stack.simulation.ego_route import ego_route
from zoox_stack.simulation.samples import (
    CounterfactualSample,
    CounterfactualScene,
    PlanColumn,
    affected_agents,
    affected_by_plan,
    plausible_plans,
    reacts_early,
    with_plans,
)
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import EGO_ID, TrafficWorld

CONFIG = CounterfactualConfig(warm_up=8.0, instants=3, min_agents=3, plans=12)
DEMAND = DemandConfig(vehicles_per_km=13.0, pedestrians_per_km=5.0, duration=30.0)


@pytest.fixture(scope="module")
def scenes(town: Town, tmp_path_factory: pytest.TempPathFactory) -> list[CounterfactualScene]:
    made = counterfactual_scenes(town, 4, tmp_path_factory.mktemp("routes"), demand=DEMAND, config=CONFIG)
    return list(made)


@pytest.fixture(scope="module")
def samples(scenes: list[CounterfactualScene]) -> list[CounterfactualSample]:
    return [scene.sample for scene in scenes]


def _equal(a: CounterfactualSample, b: CounterfactualSample) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def test_scenes_are_whole(scenes: list[CounterfactualScene]) -> None:
    assert scenes
    for scene in scenes:
        sample = scene.sample
        n, m = len(sample.ids), len(scene.plan_names)
        assert m + len(scene.refused) >= CONFIG.plans // 2
        assert sample.behaviours[0] == PlanKind.KEEP
        assert sample.futures.shape == (m, n, 80, 3)
        assert sample.ego_id not in sample.ids
        assert (np.diff(sample.ids) > 0).all()
        assert sample.history_valid[:, -1].all()
        distance = np.hypot(*(sample.history[:, -1, :2] - sample.ego_history[-1, :2]).T)
        assert (distance < CONFIG.radius).all()
        assert n <= CONFIG.max_agents


def test_the_identity_branch_is_exactly_what_really_happened(scenes: list[CounterfactualScene]) -> None:
    for scene in scenes:
        assert scene.identity_max_diff == 0.0
        assert np.array_equal(scene.log_futures, scene.sample.futures[0])
        assert np.array_equal(scene.log_ego, scene.sample.ego_plans[0])
        assert np.array_equal(scene.log_valid, scene.sample.futures_valid[0])


def test_futures_continue_the_present(samples: list[CounterfactualSample]) -> None:
    for sample in samples:
        first = sample.futures[:, :, 0, :2] - sample.history[:, -1, :2]
        ahead = sample.history[:, -1, 3:] * 0.1
        there = sample.futures_valid[:, :, 0]
        assert (np.hypot(*np.moveaxis(first - ahead, -1, 0))[there] < 0.25).all()
        speed = sample.ego_plans[:, 0, PlanColumn.SPEED]
        moved = np.hypot(*(sample.ego_plans[:, 0, :2] - sample.ego_history[-1, :2]).T)
        assert (moved < 0.1 * speed + 0.35).all()  # no jump, also where a plan with its own geometry begins


def test_plans_with_a_geometry_are_driven_exactly(scenes: list[CounterfactualScene]) -> None:
    steered = [np.isfinite(scene.plan_errors) for scene in scenes]
    assert sum(map(np.sum, steered)) >= 4
    for scene, rows in zip(scenes, steered, strict=True):
        assert (scene.plan_errors[rows] < 0.02).all()
        assert set(scene.sample.behaviours[~rows]) <= set(range(PlanKind.LEFT_OFFSET))


def test_reactions_before_the_plans_differ_are_noticed(samples: list[CounterfactualSample]) -> None:
    for sample in samples:
        m = len(sample.behaviours)
        plans = np.repeat(sample.ego_plans[:1], m, axis=0)
        plans[1, 30:, 0] += 1.0
        futures = np.repeat(sample.futures[:1], m, axis=0)
        valid = np.repeat(sample.futures_valid[:1], m, axis=0)
        valid[:, 0] = True
        calm = replace(sample, ego_plans=plans, futures=futures, futures_valid=valid)
        assert not reacts_early(calm).any()
        later, earlier = futures.copy(), futures.copy()
        later[1, 0, 31:] += 2.0
        earlier[1, 0, 29:] += 2.0
        assert not reacts_early(replace(calm, futures=later)).any()
        assert reacts_early(replace(calm, futures=earlier)).tolist() == [False, True] + [False] * (m - 2)
        (found,) = affected_by_plan(replace(calm, futures=later))
        assert (found.plan, found.agent) == (1, 0)
        assert found.displacement == pytest.approx(np.hypot(2, 2), rel=1e-4)
        assert found.since == pytest.approx(32 * STEP)


def test_a_dead_stop_is_not_plausible(samples: list[CounterfactualSample]) -> None:
    plans = samples[0].ego_plans.copy()
    plans[..., PlanColumn.ACCELERATION] = 0
    calm = plausible_plans(replace(samples[0], ego_plans=plans))
    assert calm[0]
    plans[1, 5, PlanColumn.ACCELERATION] = -49.0
    sample = replace(samples[0], ego_plans=plans)
    assert not plausible_plans(sample)[1]
    assert (plausible_plans(sample)[2:] == calm[2:]).all()
    kept = with_plans(sample, plausible_plans(sample))
    assert len(kept.behaviours) == plausible_plans(sample).sum() == len(kept.futures)
    assert PlanKind(int(sample.behaviours[1])) not in kept.behaviours


def test_plans_do_what_they_say(samples: list[CounterfactualSample]) -> None:
    for sample in samples:
        rows = {PlanKind(int(kind)): row for row, kind in enumerate(sample.behaviours)}
        plans = sample.ego_plans
        way = np.hypot(*np.diff(plans[..., :2], axis=1).transpose(2, 0, 1)).sum(axis=1)
        assert plans[rows[PlanKind.STOP], -1, PlanColumn.SPEED] < 0.1
        assert way[rows[PlanKind.GO]] >= way[rows[PlanKind.BRAKE]] - 0.5
        assert way[rows[PlanKind.STOP]] <= way[rows[PlanKind.BRAKE]] + 0.5
        if PlanKind.LEFT_OFFSET in rows and PlanKind.RIGHT_OFFSET in rows:
            left, right = (plans[rows[k]] for k in (PlanKind.LEFT_OFFSET, PlanKind.RIGHT_OFFSET))
            along = left[:, PlanColumn.YAW]
            apart = left[:, :2] - right[:, :2]
            across = -np.sin(along) * apart[:, 0] + np.cos(along) * apart[:, 1]
            assert across[-1] > -1e-6


def test_somebody_reacts(samples: list[CounterfactualSample]) -> None:
    assert any(affected_agents(sample, 0.2).any() for sample in samples)


def test_who_is_affected_is_the_same_everywhere(samples: list[CounterfactualSample]) -> None:
    for sample in samples:
        rows = {found.agent for found in affected_by_plan(sample)}
        assert set(np.flatnonzero(affected_agents(sample)).tolist()) == rows


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"radius": -5.0}, "counterfactual.radius: expected 10.0 .. 300.0 m, found -5.0"),
        ({"plans": 200}, "counterfactual.plans: expected 1 .. 64 "),
        ({"runs_red": float("nan")}, "counterfactual.runs_red: expected a finite number"),
        ({"shortest_gap": 5.0}, "longest_gap: expected at least shortest_gap, 5.0 s, found 3.5 s"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        CounterfactualConfig(**values)


def test_egos_mind_those_whom_sumo_does_not_know(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody stands 40 m ahead. Who is only asked for a speed stops before them, in whatever hurry."""
    lonely = DemandConfig(vehicles_per_km=0.0, pedestrians_per_km=0.0, jaywalkers_per_hour=0.0, animals_per_hour=0.0)
    ids = np.array([EGO_ID])
    with TrafficWorld(town, lonely, 1, tmp_path) as world:
        world.insert(RoadUser(EGO_ID, AgentClass.CAR, (4.8, 1.9, 1.7), float("inf")), ego_route(town, 1), 10.0, 8.0)
        x, y, yaw, *_ = world.step().states[0]
        place = np.array([x + 40.0 * np.cos(yaw), y + 40.0 * np.sin(yaw)])
        empty = roll_out(world, ids, BranchPlan(PlanKind.ACCELERATE, "accelerate"))
        standing = Obstacles(place[None], np.zeros((1, 2)), np.array([0.4]), np.array([False]))
        monkeypatch.setattr(world._scripts, "obstacles", lambda *_: standing)
        for kind in (PlanKind.KEEP, PlanKind.ACCELERATE, PlanKind.BRAKE, PlanKind.YIELD, PlanKind.STOP):
            way = roll_out(world, ids, BranchPlan(kind, kind.name))[:, 0]
            assert np.hypot(*(way[:, :2] - place).T).min() > 2.4 + 0.4, kind
        went = roll_out(world, ids, BranchPlan(PlanKind.GO, "go"))[:, 0]
    assert np.hypot(*(went[:, :2] - place).T).min() < 1.0
    assert np.diff(empty[:15, 0, 4]) == pytest.approx(0.15, abs=0.02)  # asked, and nobody in the way


def test_who_follows_a_script_is_never_the_ego(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TrafficWorld(town, DEMAND, 4, tmp_path) as world:
        world.run(7)
        past = deque((world.step() for _ in range(HISTORY_STEPS)), maxlen=HISTORY_STEPS)
        assert choose_ego(world, past, np.random.default_rng(1), CONFIG) is not None
        monkeypatch.setattr(counterfactuals, "FIRST_SCRIPTED", 0)  # as if all did: they may leave SUMO at any time
        assert choose_ego(world, past, np.random.default_rng(1), CONFIG) is None


def test_forks_leave_the_world_as_it_was(town: Town, tmp_path: Path) -> None:
    chooser = PlanChooser(town.net.network)

    def final(*, forked: bool) -> np.ndarray:
        random = np.random.default_rng(1)
        with TrafficWorld(town, DEMAND, 4, tmp_path) as world:
            world.run(7)
            past = deque((world.step() for _ in range(HISTORY_STEPS)), maxlen=HISTORY_STEPS)
            if forked:
                ego = choose_ego(world, past, random, CONFIG)
                assert ego is not None
                once, twice = (branch(world, past, ego, chooser, radius=80, most_agents=9, plans=10) for _ in range(2))
                assert once is not None
                assert twice is not None
                assert _equal(once.sample, twice.sample)
            return world.run(3).states

    assert np.array_equal(final(forked=True), final(forked=False))


def test_a_follower_stops_behind_an_ego_driven_from_outside(town: Town, tmp_path: Path) -> None:
    edges = ego_route(town, 1)
    follower = EGO_ID - 1
    with TrafficWorld(town, DemandConfig(vehicles_per_km=0.0, pedestrians_per_km=0.0), 1, tmp_path) as world:
        for identity, front in ((EGO_ID, 40.0), (follower, 15.0)):
            world.insert(RoadUser(identity, AgentClass.CAR, (4.8, 1.9, 1.7), float("inf")), edges, front, 8.0)
        now = world.step()
        x, y, yaw, *_ = now.states[int(np.searchsorted(now.ids, EGO_ID))]
        speed = np.maximum(0.0, 8.0 - 4.0 * STEP * np.arange(1, STEPS + 1))
        way = np.cumsum(speed) * STEP
        states = np.stack([x + way * np.cos(yaw), y + way * np.sin(yaw), np.full(STEPS, yaw), speed], axis=1)
        ids = np.array([follower, EGO_ID])
        stop = roll_out(world, ids, BranchPlan(PlanKind.CANDIDATE, "stop", states))
        keep = roll_out(world, ids, BranchPlan(PlanKind.KEEP, "keep"))
    assert np.allclose(stop[:, 1, :2], states[:, :2], atol=0.02)
    gap = np.hypot(*(stop[:, 1, :2] - stop[:, 0, :2]).T) - 4.8
    assert gap.min() > 0.0
    assert stop[-1, 0, 4] < 0.1
    assert np.hypot(*(keep[-1, 0, :2] - stop[-1, 0, :2])) > 10.0
