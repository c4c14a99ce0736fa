"""Input that is missing or wrong: a sensible trajectory follows, and the explanation says what was missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrafficSignals
from zoox_stack.core.classes import PredictionSource, SignalState, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import WhatIfAnswer
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.lattice import desired_speed
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.reference_path import ReferencePathFinder
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork


def planner_on(network: RoadNetwork | None) -> Planner:
    planner = Planner(PlannerConfig(cruise_speed=9.0))
    planner.set_road_network(network)
    return planner


def without_limits(network: RoadNetwork) -> RoadNetwork:
    return replace(network, lane_speed_limits=np.full(len(network.lane_ids), np.nan, np.float32))


def test_missing_speed_limits_are_replaced_by_the_cruise_speed(loop: Any) -> None:
    ticks = loop(planner_on(without_limits(straight_road())), EgoState(0, 20.0, 0.0, speed=6.0), lambda _: [], 8)
    assert ticks[-1].ego.speed == pytest.approx(9.0, abs=0.3)
    assert "no speed limit known, 9.0 m/s assumed" in ticks[0].decision.explanation


def test_a_limit_of_zero_is_refused_at_the_door_and_counts_as_missing_inside(scene: Any) -> None:
    road = straight_road()
    with pytest.raises(InvalidInputError, match="lane_speed_limits"):
        replace(road, lane_speed_limits=np.zeros(len(road.lane_ids), np.float32))
    path = ReferencePathFinder().find(EgoState(0, 0.0, 0.0, speed=5.0), 50.0)
    zero = replace(path, speed_limit=np.zeros(len(path.line.s)))
    assert (desired_speed(zero, PlannerConfig(cruise_speed=9.0)) == 9.0).all()


def test_unknown_signals_are_mentioned_and_close_nothing(scene: Any) -> None:
    planner = planner_on(crossing())
    now = scene(EgoState(0, -60.0, -1.75, speed=8.0), [])
    dark = TrafficSignals(now.stamp_ns, np.arange(1, 5), np.full(4, SignalState.UNKNOWN, np.uint8), np.ones(4))
    green = replace(dark, states=np.full(4, SignalState.GREEN, np.uint8))
    for signals, said in ((None, True), (dark, True), (green, False)):
        trajectory, decision = planner.decide(planner.propose(now, None, signals), None, WhatIfStatus.NOT_ASKED)
        assert ("signals unknown at 1 stop line ahead" in decision.explanation) is said
        assert trajectory.plan.speed[-1] > 5.0


def test_no_map_and_no_predictions(agent: Any, scene: Any) -> None:
    planner = planner_on(None)
    now = scene(EgoState(0, 0.0, 0.0, speed=8.0), [agent(1, 40.0, 0.0)])
    trajectory, decision = planner.decide(planner.propose(now, None, None), None, WhatIfStatus.NO_SERVICE)
    assert trajectory.plan.x[-1] + 3.8 < 40.0 - 2.3
    assert "without map or route" in decision.explanation
    assert "constant velocities assumed" in decision.explanation
    assert "what_if is not there" in decision.explanation


def test_after_predictions_for_unknown_agents_it_plans_without(agent: Any, scene: Any) -> None:
    planner = planner_on(straight_road(lanes=1))
    now = scene(EgoState(0, 20.0, 0.0, speed=8.0), [agent(1, 60.0, 0.0)])
    prepared = planner.prepare(now, None)
    strangers = constant_velocity_prediction(scene(now.ego, [agent(1, 60.0, 0.0), agent(9, 30.0, 0.0)]))
    with pytest.raises(InvalidInputError, match="ids of the scene"):
        planner.judge(prepared, strangers)
    trajectory, decision = planner.decide(planner.judge(prepared, None), None, WhatIfStatus.TIMEOUT)
    assert decision.predictions_from == PredictionSource.CONSTANT_VELOCITY
    assert trajectory.plan.x[-1] + 3.8 < 60.0 - 2.3


def test_an_answer_for_another_scene_is_not_used(agent: Any, scene: Any) -> None:
    planner = planner_on(straight_road(lanes=1))
    now = scene(EgoState(0, 20.0, 0.0, speed=8.0), [agent(1, 60.0, 0.0, 5.0)])
    proposal = planner.propose(now, None, None)
    n = len(proposal.asked)
    futures = tuple(replace(constant_velocity_prediction(now), stamp_ns=77) for _ in range(n))
    answer = WhatIfAnswer(WhatIfStatus.OK, "", 77, True, futures, np.zeros(n, np.float32))
    _, decision = planner.decide(proposal, answer, WhatIfStatus.OK)
    assert decision.answer_status == WhatIfStatus.INVALID
    assert not decision.conditional
    assert "found 77 ns" in decision.explanation


def test_facing_the_wrong_way_it_stops_and_says_so(loop: Any) -> None:
    ticks = loop(planner_on(straight_road(lanes=1)), EgoState(0, 200.0, 0.3, yaw=np.pi, speed=6.0), lambda _: [], 10)
    assert "this lane leads the other way" in ticks[0].decision.explanation
    assert ticks[-1].ego.speed < 0.1
    assert ticks[-1].ego.x > 200.0 - 25.0
    assert ticks[-4].ego.x == pytest.approx(ticks[-1].ego.x, abs=0.1)  # and stays there
    assert min(t.ego.acceleration for t in ticks) > -4.0


def test_facing_the_wrong_way_on_a_two_way_road_it_takes_the_other_lane(loop: Any) -> None:
    network = crossing(arm=250.0, signals=False)
    ticks = loop(planner_on(network), EgoState(0, -100.0, -1.75, yaw=np.pi, speed=5.0), lambda _: [], 12)
    assert ticks[-1].ego.y == pytest.approx(1.75, abs=0.3)
    assert ticks[-1].ego.x < -130.0


def test_beside_all_lanes_it_goes_slowly_and_says_so(loop: Any) -> None:
    ticks = loop(planner_on(straight_road(lanes=1)), EgoState(0, 50.0, 30.0, speed=8.0), lambda _: [], 6)
    assert "no lane here" in ticks[0].decision.explanation
    assert ticks[-1].ego.speed == pytest.approx(4.0, abs=0.5)


def test_a_start_off_the_lane_leads_back_to_it(loop: Any) -> None:
    ticks = loop(planner_on(straight_road(lanes=1)), EgoState(0, 50.0, 3.0, yaw=0.2, speed=5.0), lambda _: [], 10)
    assert "path from lane network" in ticks[0].decision.explanation
    assert ticks[-1].ego.y == pytest.approx(0.0, abs=0.3)
