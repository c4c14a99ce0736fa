"""What lies beside the path, and what it costs to go there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import LineType
from zoox_stack.planning.costs import COST_NAMES
from zoox_stack.planning.path_sides import LaneSides
from zoox_stack.planning.planner import Planner
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex


def terms(network: RoadNetwork, now: Any, name: str) -> dict[str, float]:
    planner = Planner(replace(Planner().config, **{f"weight_{name}": 1.0}))
    planner.set_road_network(network)
    proposal = planner.propose(now, None, None)
    return dict(zip(proposal.candidates.names, proposal.costs[:, COST_NAMES.index(name)].tolist(), strict=True))


def test_edges_of_one_way_lanes() -> None:
    network = straight_road(lanes=3)
    planner, index = Planner(), LaneIndex(network)
    planner.set_road_network(network)
    path = planner._finder.find(EgoState(0, 20.0, 3.5, speed=5.0), 100.0)
    sides = LaneSides(index).along(path)
    np.testing.assert_allclose(sides.closed[10:50], [[5.25, 5.25]] * 40, atol=1e-6)
    assert np.isinf(sides.oncoming).all()


def test_oncoming_lanes_on_a_two_way_road_but_not_in_the_crossing() -> None:
    network = crossing()
    planner, index = Planner(), LaneIndex(network)
    planner.set_road_network(network)
    path = planner._finder.find(EgoState(0, -60.0, -1.75, speed=5.0), 100.0)
    sides = LaneSides(index).along(path)
    before = np.flatnonzero(path.line.xy[:, 0] < -15.0)
    inside = np.flatnonzero(np.abs(path.line.xy[:, 0]) < 12.0)
    np.testing.assert_allclose(sides.oncoming[before, 0], 1.75, atol=1e-3)
    assert np.isinf(sides.oncoming[before, 1]).all()
    assert np.isinf(sides.oncoming[inside]).all()


def test_the_wrong_way_costs_more_the_farther_over(scene: Any) -> None:
    wrong = terms(crossing(signals=False), scene(EgoState(0, -110.0, -1.75, speed=8.0), []), "wrong_way")
    assert wrong["keep"] == wrong["keep very far right in lane"] == 0
    assert 0 < wrong["keep left in lane"] < wrong["keep far left in lane"] < wrong["keep very far left in lane"] < 1


@pytest.mark.parametrize(("kind", "costs"), [(LineType.SOLID_WHITE, True), (LineType.DASHED_WHITE, False)])
def test_changing_lanes_over_a_solid_line(kind: LineType, costs: bool, scene: Any) -> None:
    network = straight_road(lanes=2)
    left = network.left_boundary_types.copy()
    left[network.left_neighbours >= 0] = kind
    marked = replace(network, left_boundary_types=left)
    solid = terms(marked, scene(EgoState(0, 20.0, 0.0, speed=10.0), []), "solid_line")
    assert solid["keep"] == 0
    assert (solid["keep to left lane"] > 0) is costs


def test_without_a_map_nothing_is_known_of_the_sides(scene: Any) -> None:
    planner = Planner()
    proposal = planner.propose(scene(EgoState(0, 0.0, 0.0, speed=8.0), []), None, None)
    for name in ("wrong_way", "solid_line"):
        assert (proposal.costs[:, COST_NAMES.index(name)] == 0).all()
