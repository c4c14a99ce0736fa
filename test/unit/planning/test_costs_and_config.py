"""The cost table and the parameters belong together; what costs grow with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass, Rejection
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import build, describe
from zoox_stack.planning import weighing
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.costs import COST_NAMES, COST_TERMS, weights
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.road_network.made_up import straight_road


def propose(scene: Any, **parameters: Any) -> Proposal:
    planner = Planner(PlannerConfig(**parameters))
    planner.set_road_network(straight_road(lanes=2))
    return planner.propose(scene, None, None)


def column(proposal: Proposal, term: str) -> dict[str, float]:
    values = proposal.costs[:, COST_NAMES.index(term)]
    return dict(zip(proposal.candidates.names, values.tolist(), strict=True))


def test_every_term_has_a_weight_and_every_weight_a_term() -> None:
    declared = {
        info.name.removeprefix("weight_") for info in describe(PlannerConfig) if info.name.startswith("weight_")
    }
    assert declared == set(COST_NAMES)
    assert len(weights(PlannerConfig())) == len(COST_TERMS)
    assert all(term.meaning for term in COST_TERMS)


def test_the_documented_table_is_the_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "planning.md").read_text()
    rows = [f"| `{term.name}` | {term.unit or '-'} | {term.meaning} |" for term in COST_TERMS]
    assert [line for line in text.splitlines() if line in rows] == rows


def test_parameters_are_checked() -> None:
    assert build(PlannerConfig, {"shortlist": 4}, "planner").shortlist == 4
    with pytest.raises(ConfigurationError, match="did you mean shortlist"):
        build(PlannerConfig, {"short_list": 4}, "planner")
    with pytest.raises(ConfigurationError, match="max_deceleration"):
        build(PlannerConfig, {"max_deceleration": 0.0}, "planner")


def test_costs_grow_with_what_they_are_for(agent: Any, scene: Any) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    empty = propose(scene(ego, []))
    progress = column(empty, "progress")
    assert progress["go"] < progress["ease"] < progress["slow"] < progress["emergency stop"]
    acceleration = column(empty, "acceleration")
    assert acceleration["keep"] < acceleration["comfortable stop"] < acceleration["emergency stop"]
    assert column(empty, "lane_change")["keep to left lane"] > column(empty, "lane_change")["keep"] == 0.0
    deviation = column(empty, "lane_deviation")
    assert deviation["keep left in lane"] > deviation["keep"]
    assert deviation["keep to left lane"] < deviation["keep left in lane"]
    assert (empty.costs[:, COST_NAMES.index("collision")] == 0).all()
    blocked = propose(scene(ego, [agent(1, 60.0, 0.0)]))
    assert column(blocked, "collision")["go"] > 10 * column(blocked, "collision")["comfortable stop"]
    assert column(blocked, "time_to_collision")["go"] > column(blocked, "time_to_collision")["emergency stop"]


def test_what_comes_after_the_time_that_is_judged_costs_nothing(agent: Any, scene: Any) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    later, sooner = agent(1, 60.0, 0.0), agent(1, 32.0, 0.0)  # met after 3.5 s, and after 0.7 s
    for who, counts in ((later, False), (sooner, True)):
        brief = propose(scene(ego, [who]), judged_time=1.5)
        assert (column(brief, "collision")["keep"] > 0.0) == counts
        assert (brief.rejections[brief.candidates.names.index("keep")] == Rejection.COLLISION) == counts
    progress = [column(propose(scene(ego, []), judged_time=until), "progress")["ease"] for until in (1.0, 4.0)]
    assert progress[0] < progress[1]  # braking has just begun


def test_headway_counts_only_in_the_own_lane(agent: Any, scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "_FIRST", 10**6)  # those that cannot win, too
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    ahead = propose(scene(ego, [agent(1, 31.0, 0.0, 10.0)]))
    beside = propose(scene(ego, [agent(1, 31.0, 3.5, 10.0)]))
    assert column(ahead, "headway")["keep"] > 0.1
    assert column(beside, "headway")["keep"] == 0.0
    assert column(beside, "headway")["keep to left lane"] > 0.1


def test_speed_over_the_limit_costs(scene: Any) -> None:
    planner = Planner()
    planner.set_road_network(straight_road(speed_limit=8.0))
    proposal = planner.propose(scene(EgoState(0, 20.0, 0.0, speed=12.0), []), None, None)
    over = column(proposal, "speed_limit")
    assert min(over["keep"], over["ease"]) > over["emergency stop"] > 0.0


def test_a_weight_of_zero_switches_a_term_off(scene: Any) -> None:
    proposal = propose(scene(EgoState(0, 20.0, 0.0, speed=10.0), []), weight_progress=0.0)
    assert (np.array(list(column(proposal, "progress").values())) == 0).all()


def test_no_shortlist_means_no_question(agent: Any, scene: Any) -> None:
    now = scene(EgoState(0, 20.0, 0.0, speed=10.0), [agent(1, 60.0, 0.0)])
    assert propose(now, shortlist=0).request is None
    few = propose(now, shortlist=3).request
    assert few is not None
    assert len(few.plans) == 3


def test_people_are_not_passed_fast_and_closely(agent: Any, scene: Any) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=8.0)

    def passing(y: float, name: str = "keep", **change: Any) -> float:
        walker = {"length": 0.6, "width": 0.6, "kind": AgentClass.PEDESTRIAN} | change
        return column(propose(scene(ego, [agent(1, 45.0, y, 1.0, **walker)])), "passing")[name]

    assert passing(-1.9) > 0.3
    assert passing(-1.9) > passing(-2.2) > passing(-3.0) == 0.0
    assert passing(-1.9, "slow") < passing(-1.9)
    assert passing(-1.9, "keep half left in lane") < passing(-1.9)
    assert passing(-1.9, length=4.6, width=1.0) == 0.0
