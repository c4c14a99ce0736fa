"""The lattice: how much is tried, and that looking at a part of it first changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import Rejection, WhatIfStatus
from zoox_stack.planning import weighing
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.lattice import Lateral
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.planning.weighing import shortlist, weigh
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork


def propose(network: RoadNetwork | None, now: Any, **parameters: Any) -> Proposal:
    planner = Planner(PlannerConfig(**parameters))
    planner.set_road_network(network)
    return planner.propose(now, None, None)


@pytest.mark.parametrize("speed", [0.0, 1.0, 5.0, 13.0, 25.0])
@pytest.mark.parametrize("network", [straight_road(lanes=1), curved_road(radius=30.0), crossing(), None])
def test_at_least_three_hundred_candidates_with_names_of_their_own(
    scene: Any, network: RoadNetwork | None, speed: float
) -> None:
    candidates = propose(network, scene(EgoState(0, 20.0, 0.0, speed=speed), [])).candidates
    assert 300 <= len(candidates) <= 700
    assert len(set(candidates.names)) == len(candidates)
    assert candidates.motion.shape == (8, len(candidates), 80)


def test_every_kind_of_manoeuvre_is_there(agent: Any, scene: Any) -> None:
    others = [agent(8, 60.0, 0.0, 8.0), agent(9, 70.0, -15.0, 3.0, np.pi / 2)]
    names = propose(straight_road(lanes=3), scene(EgoState(0, 20.0, 3.5, speed=10.0), others)).candidates.names
    for name in (
        "keep", "go", "emergency stop", "emergency stop left in lane", "keep to left lane",
        "keep to right lane, slowly",
        "slow far right in lane", "yield to #9", "roll up and yield to #9", "follow #8 to right lane",
        "pull over",
    ):  # fmt: skip
        assert name in names


def test_pulling_over_ends_at_the_right_edge_of_the_ground(scene: Any) -> None:
    proposal = propose(straight_road(lanes=2), scene(EgoState(0, 50.0, 3.5, speed=6.0), []))
    c = proposal.candidates
    row = int(np.flatnonzero(np.array(c.profiles) == "pull over")[0])
    assert c.laterals[row] == Lateral.PULL_OVER
    assert c.speed[row, -1] < 0.2
    assert -1.75 < c.y[row, -1] - 0.95 < -0.1  # its right side, on the right lane, whose edge lies at -1.75 m


def test_weighing_a_part_first_gives_what_weighing_all_gives(agent: Any, scene: Any, monkeypatch: Any) -> None:
    rng = np.random.default_rng(3)
    for _ in range(6):
        others = [
            agent(i, *rng.uniform(-40, 40, 2), rng.uniform(0, 10), rng.uniform(-3, 3))
            for i in range(rng.integers(1, 12))
        ]
        now = scene(EgoState(0, -45.0, -1.75, speed=9.0), others)
        part = propose(crossing(signals=False), now)
        monkeypatch.setattr(weighing, "_FIRST", 10**6)
        every = propose(crossing(signals=False), now)
        monkeypatch.undo()
        np.testing.assert_array_equal(part.asked, every.asked)
        told = part.rejections != Rejection.OUTWEIGHED
        np.testing.assert_array_equal(part.rejections[told], every.rejections[told])
        np.testing.assert_allclose(part.costs[told], every.costs[told])
        best = every.totals[every.rejections == Rejection.KEPT].min(initial=np.inf)
        assert (part.totals[~told] >= best).all()


def test_an_empty_road_needs_no_second_look(scene: Any) -> None:
    proposal = propose(straight_road(), scene(EgoState(0, 20.0, 0.0, speed=10.0), []))
    assert (proposal.rejections == Rejection.OUTWEIGHED).any()
    kept = proposal.rejections == Rejection.KEPT
    assert proposal.totals[kept].min() <= proposal.totals[proposal.rejections == Rejection.OUTWEIGHED].min()


def test_plans_that_are_nearly_alike_are_not_both_asked_about(agent: Any, scene: Any) -> None:
    proposal = propose(straight_road(lanes=2), scene(EgoState(0, 20.0, 0.0, speed=10.0), [agent(1, 60.0, 0.0, 5.0)]))
    c, asked = proposal.candidates, proposal.asked
    for i in asked:
        for j in asked[asked > i]:
            assert np.hypot(c.x[i] - c.x[j], c.y[i] - c.y[j]).mean() > 0.5
    assert len(shortlist(c, np.full(len(c), Rejection.OFF_ROAD), proposal.totals, proposal.totals, 8)[0]) == 0


def test_nothing_is_asked_with_a_shortlist_of_none(agent: Any, scene: Any) -> None:
    planner = Planner(PlannerConfig(shortlist=0))
    prepared = planner.prepare(scene(EgoState(0, 20.0, 0.0, speed=10.0), [agent(1, 60.0, 0.0)]), None)
    proposal = planner.judge(prepared, None)
    assert not len(weigh(prepared, proposal.scene, proposal.agents, planner.config).asked)


def test_a_decision_is_told_in_short(agent: Any, scene: Any) -> None:
    planner = Planner()
    planner.set_road_network(crossing())
    now = scene(EgoState(0, -40.0, -1.75, speed=9.0), [agent(1, 1.75, -30.0, 8.0, np.pi / 2)])
    whole = planner.decide(planner.propose(now, None, None), None, WhatIfStatus.TIMEOUT)[1]
    short = whole.shortened(40)
    assert len(short.names) == 40
    assert short.names[short.chosen] == whole.names[whole.chosen]
    assert [short.names[i] for i in short.asked] == [whole.names[i] for i in whole.asked]
    assert (short.rejections != Rejection.KEPT).sum() >= 10
    np.testing.assert_array_equal(short.rejected, np.bincount(whole.rejections, minlength=len(Rejection)))
    assert whole.shortened(1000) is whole
    row = whole.names.index(short.names[5])
    np.testing.assert_array_equal(short.positions[5], whole.positions[row])
