"""Slower where somebody hidden might come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.ragged import Ragged
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.costs import COST_NAMES
from zoox_stack.planning.occlusion import sight_speeds
from zoox_stack.planning.occlusion_loop import cast_shadows
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.reference_path import ReferencePathFinder
from zoox_stack.planning.right_of_way import GiveWayFinder
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex


def speeds(network: RoadNetwork, ego: EgoState, scene: Any, agents: Sequence[Any]) -> NDArray[np.float64]:
    index, finder = LaneIndex(network), ReferencePathFinder()
    finder.set_index(index)
    path = finder.find(ego, 100.0)
    places = GiveWayFinder(index).find(path, ego)
    return sight_speeds(path, ego, scene(ego, agents), places, index, PlannerConfig())


def test_a_box_hides_what_is_behind_it() -> None:
    points = np.array([[20.0, 0.0], [20.0, 6.0], [5.0, 0.0], [-20.0, 0.0]])
    hidden = np.zeros(4, bool)
    cast_shadows(0.0, 0.0, points, np.array([[10.0, 0.0, 0.3, 2.3, 0.95]]), hidden)
    assert hidden.tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("y", "speed", "kind", "slow"),
    [
        (-2.6, 0.0, AgentClass.CAR, True),
        (-6.5, 0.0, AgentClass.CAR, False),  # far from the path: there is time to stop
        (-2.6, 8.0, AgentClass.CAR, False),  # nobody walks out from behind a moving car
        (-2.6, 0.0, AgentClass.PEDESTRIAN, False),
    ],
)
def test_parked_cars_close_to_the_path_ask_for_less_speed(
    y: float, speed: float, kind: AgentClass, slow: bool, agent: Any, scene: Any
) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    allowed = speeds(straight_road(lanes=1), ego, scene, [agent(1, 60.0, y, speed, kind=kind)])
    assert bool(allowed.min() < 10.0) is slow
    assert allowed.min() >= 2.0


def test_a_hidden_side_of_a_crosswalk(agent: Any, scene: Any) -> None:
    """A van in the oncoming lane hides the left side of the crosswalk; without it everything is in sight."""
    ego, network = EgoState(0, -40.0, -1.75, speed=8.0), crossing(signals=False)
    van = agent(1, -16.0, 0.6, 8.0, np.pi, 6.0, 2.2)
    assert np.isinf(speeds(network, ego, scene, [])).all()
    hidden = speeds(network, ego, scene, [van])
    assert hidden.min() < np.inf
    assert np.isinf(speeds(network, replace(ego, x=-20.0), scene, [replace(van, x=-40.0)])).all()


def test_a_hidden_lane_that_goes_first(agent: Any, scene: Any) -> None:
    network = crossing(signals=False)
    rows: list[list[int]] = [[] for _ in network.lane_ids]
    rows[15] = [18]  # from the west straight on, from the south straight on
    network = replace(network, yields=Ragged.from_rows(rows, np.int32))
    ego, lorry = EgoState(0, -22.0, -1.75, speed=5.0), agent(1, -10.0, -8.0, 0.0, 0.0, 8.0, 2.5)
    assert np.isinf(speeds(network, ego, scene, [])).all()
    assert speeds(network, ego, scene, [lorry]).min() == pytest.approx(2.0)


def test_driving_fast_past_a_hidden_place_costs(agent: Any, scene: Any) -> None:
    planner = Planner(replace(PlannerConfig(), weight_occlusion=1.0))
    planner.set_road_network(straight_road(lanes=1))
    proposal = planner.propose(scene(EgoState(0, 20.0, 0.0, speed=10.0), [agent(1, 60.0, -2.6)]), None, None)
    costs = dict(zip(proposal.candidates.names, proposal.costs[:, COST_NAMES.index("occlusion")], strict=True))
    assert costs["keep"] > costs["slow"] > 0
    assert costs["comfortable stop"] == 0
