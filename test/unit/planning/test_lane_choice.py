"""Slower vehicles are overtaken where there is a lane for it, and the ego comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.plans import Route
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.lane_choice import lanes_lost
from zoox_stack.planning.lattice import Lateral
from zoox_stack.planning.path_agents import PathAgents, find_path_agents
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.reference_path import ReferencePath, ReferencePathFinder
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

CONFIG = PlannerConfig()
LANE = 3.5  # [m]


def seen(scene: Any, ego: EgoState, agents: list[Any], road: RoadNetwork) -> tuple[ReferencePath, PathAgents]:
    finder = ReferencePathFinder()
    finder.set_index(LaneIndex(road))
    path, now = finder.find(ego, 200.0), scene(ego, agents)
    return path, find_path_agents(
        path, ego, constant_velocity_prediction(now), now.position[:, :2], now.yaw,
        now.size[:, :2].astype(float), now.existence.astype(float),
    )  # fmt: skip


def test_way_lost_behind_a_slower_vehicle_by_hand(scene: Any, agent: Any) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    path, agents = seen(scene, ego, [agent(1, 60.0, 0.0, 5.0)], straight_road(lanes=2, length=900.0, speed_limit=13.0))
    lost = lanes_lost(path, ego, agents, CONFIG)
    free = 10.0 * 2.0 + 0.5 * 1.5 * 2.0**2 + 13.0 * 18.0  # 2 s to 13 m/s
    front = 20.0 + ego.rear_axle_to_centre + ego.length / 2
    way = (60.0 - 2.3 - front) + 5.0 * (20.0 - CONFIG.time_headway) - CONFIG.standstill_gap
    assert lost[Lateral.CENTRE] == pytest.approx(1 - way / free, abs=1e-3)
    assert lost[Lateral.LANE_LEFT] == 0.0
    assert Lateral.LANE_RIGHT not in lost


@pytest.mark.parametrize(
    ("agents", "length"),
    [
        ([(1, 60.0, 0.0, 5.0), (2, 50.0, LANE, 4.0)], 900.0),  # the other lane is slower still
        ([(1, 60.0, 0.0, 5.0), (2, 60.0, LANE, 0.0)], 900.0),  # somebody stands there
        ([(1, 60.0, 0.0, 5.0)], 100.0),  # it ends too early
    ],
)
def test_a_lane_that_is_no_better_is_not_wanted(scene: Any, agent: Any, agents: list[Any], length: float) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    road = straight_road(lanes=2, length=length, speed_limit=13.0)
    path, near = seen(scene, ego, [agent(*a) for a in agents], road)
    lost = lanes_lost(path, ego, near, CONFIG)
    assert lost[Lateral.LANE_LEFT] >= lost[Lateral.CENTRE] > 0.3


def test_who_waits_in_the_own_lane_is_no_reason_to_change(scene: Any, agent: Any) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    path, agents = seen(scene, ego, [agent(1, 60.0, 0.0, 0.5)], straight_road(lanes=2, length=900.0, speed_limit=13.0))
    assert lanes_lost(path, ego, agents, CONFIG)[Lateral.CENTRE] == 0.0


def test_a_lorry_is_overtaken_and_the_ego_comes_back(scene: Any, agent: Any, loop: Any) -> None:
    planner = Planner()
    road = straight_road(lanes=2, length=1500.0, speed_limit=20.0)
    planner.set_road_network(road)
    planner.set_route(Route(0, np.zeros((2, 3)), road.lane_ids[::2]))
    lorry = 70.0, 10.0
    ticks = loop(
        planner, EgoState(0, 20.0, 0.0, speed=16.0),
        lambda t: [agent(1, lorry[0] + lorry[1] * t, 0.0, lorry[1], length=10.0, width=2.5)], 28, step=0.2,
    )  # fmt: skip
    x, y = np.array([t.ego.x for t in ticks]), np.array([t.ego.y for t in ticks])
    times = 0.2 * np.arange(len(ticks))
    assert (y > 0.8 * LANE).any()
    beside = np.abs(x - (lorry[0] + lorry[1] * times)) < 8.0
    assert beside.any()
    assert (y[beside] > 2.6).all()
    assert x[-1] > lorry[0] + lorry[1] * times[-1] + 20.0
    assert abs(y[-1]) < 0.5
    assert min(t.ego.speed for t in ticks) > 13.0
