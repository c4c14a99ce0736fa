"""Who goes first by the map, what it costs to go before them, and how close is safe by RSS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.ragged import Ragged
from zoox_stack.planning import weighing
from zoox_stack.planning.costs import COST_NAMES, RSS
from zoox_stack.planning.motion_loop import Rss
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.supervisor.config import SupervisorConfig

WEST_STRAIGHT, SOUTH_STRAIGHT = 15, 18


def with_priority(giving: int, first: int) -> RoadNetwork:
    network = crossing(signals=False)
    rows: list[list[int]] = [[] for _ in network.lane_ids]
    rows[giving] = [first]
    return replace(network, yields=Ragged.from_rows(rows, np.int32))


def propose(network: RoadNetwork, now: Any) -> Proposal:
    planner = Planner(replace(Planner().config, weight_right_of_way=1.0, weight_rss_margin=1.0))
    planner.set_road_network(network)
    return planner.propose(now, None, None)


def terms(proposal: Proposal, name: str) -> dict[str, float]:
    return dict(zip(proposal.candidates.names, proposal.costs[:, COST_NAMES.index(name)].tolist(), strict=True))


@pytest.fixture(autouse=True)
def weigh_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "_FIRST", 10**6)


@pytest.mark.parametrize("ego_gives_way", [True, False])
def test_going_before_who_has_priority_costs_what_they_have_to_brake(
    ego_gives_way: bool, agent: Any, scene: Any
) -> None:
    order = (WEST_STRAIGHT, SOUTH_STRAIGHT) if ego_gives_way else (SOUTH_STRAIGHT, WEST_STRAIGHT)
    now = scene(EgoState(0, -22.0, -1.75, speed=8.0), [agent(1, 1.75, -28.0, 8.0, np.pi / 2)])
    taken = terms(propose(with_priority(*order), now), "right_of_way")
    assert (taken["keep"] > 0.5) is ego_gives_way
    assert taken["comfortable stop"] == 0.0


def test_who_is_far_away_loses_nothing(agent: Any, scene: Any) -> None:
    now = scene(EgoState(0, -22.0, -1.75, speed=8.0), [agent(1, 1.75, -62.0, 8.0, np.pi / 2)])
    taken = terms(propose(with_priority(WEST_STRAIGHT, SOUTH_STRAIGHT), now), "right_of_way")
    assert taken["keep"] == 0.0


def test_pedestrians_go_first_on_a_crosswalk(agent: Any, scene: Any) -> None:
    ego, found = EgoState(0, -30.0, -1.75, speed=6.0), {}
    for x in (-10.5, -20.0):  # on the crosswalk, and elsewhere
        walker = agent(1, x, -6.5, 1.4, np.pi / 2, 0.6, 0.6, AgentClass.PEDESTRIAN)
        found[x] = terms(propose(crossing(signals=False), scene(ego, [walker])), "right_of_way")
    assert max(found[-10.5].values()) > 0.0
    assert max(found[-20.0].values()) == 0.0
    assert found[-10.5]["hard stop"] == 0.0


def test_rss_margin_grows_as_the_gap_shrinks(agent: Any, scene: Any) -> None:
    front, short = 20.0 + 1.4 + 2.4, []
    for gap in (2.0, 5.0, 20.0):
        now = scene(EgoState(0, 20.0, 0.0, speed=12.0), [agent(1, front + gap + 2.3, 0.0, 12.0)])
        short.append(terms(propose(straight_road(lanes=1), now), "rss_margin")["keep"])
    assert short[0] > short[1] > short[2] == 0.0


def test_somebody_oncoming_needs_more_room(agent: Any, scene: Any) -> None:
    ego, road = EgoState(0, 20.0, 0.0, speed=8.0), straight_road(lanes=1)
    away = terms(propose(road, scene(ego, [agent(1, 44.0, 0.0, 6.0)])), "rss_margin")
    towards = terms(propose(road, scene(ego, [agent(1, 44.0, 0.0, 6.0, np.pi)])), "rss_margin")
    assert towards["emergency stop"] > away["emergency stop"] == 0.0


def test_the_planner_assumes_what_the_supervisor_assumes() -> None:
    supervisor = SupervisorConfig()
    for entry, name in (
        (Rss.RESPONSE_TIME, "response_time"), (Rss.ACCELERATION, "acceleration"), (Rss.BRAKING, "ego_braking"),
        (Rss.HARDEST_BRAKING, "max_braking"), (Rss.OTHER_RESPONSE_TIME, "other_response_time"),
        (Rss.OTHER_BRAKING, "other_braking"), (Rss.STANDSTILL_GAP, "standstill_gap"),
    ):  # fmt: skip
        assert RSS[entry] == getattr(supervisor, f"rss_{name}"), name
