"""Past somebody who stands in the lane for good, on a road with oncoming traffic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass, Attribute, TriState, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.standing import StandingWatch, belief_in_staying
from zoox_stack.road_network.made_up import crossing, straight_road

EGO = EgoState(0, -160.0, -1.75, speed=8.0)
PARKED = -100.0


def two_way_road() -> Planner:
    planner = Planner()
    planner.set_road_network(crossing(arm=200.0, signals=False))
    return planner


def distance(tick: Any, x: float, y: float) -> float:
    """Between the middles, with the length counted less [m]: below 2 m two cars side by side touch."""
    return float(np.hypot((tick.ego.x + 1.4 - x) / 2.4, tick.ego.y - y))


def test_passes_a_parked_car_when_nobody_comes(agent: Any, loop: Any) -> None:
    ticks = loop(two_way_road(), EGO, lambda _: [agent(1, PARKED, -1.75)], 16)
    assert ticks[-1].ego.x > PARKED + 10.0
    assert ticks[-1].ego.y == pytest.approx(-1.75, abs=0.3)  # back in its lane
    assert min(distance(t, PARKED, -1.75) for t in ticks) > 1.95


def test_waits_for_the_oncoming_traffic_with_room_to_pull_out(agent: Any, loop: Any) -> None:
    def oncoming(t: float) -> list[Any]:
        return [agent(10 + i, PARKED - 10.0 + 16.0 * i - 8.0 * t, 1.75, 8.0, np.pi) for i in range(12)]

    ticks = loop(two_way_road(), EGO, lambda t: [agent(1, PARKED, -1.75), *oncoming(t)], 34)
    for tick in ticks:
        others = oncoming((tick.ego.stamp_ns - 1e9) / 1e9)
        assert min(distance(tick, a.x, a.y) for a in others) > 1.95
    standing = [t.ego.x + 3.8 for t in ticks if t.ego.speed < 0.1]
    assert standing
    assert standing[0] < PARKED - 2.3 - 5.0
    assert ticks[-1].ego.x > PARKED + 10.0


def test_a_queue_is_not_passed(agent: Any, loop: Any) -> None:
    queue = [agent(i, PARKED + 8.0 * i, -1.75) for i in range(1, 12)]
    ticks = loop(two_way_road(), EGO, lambda _: queue, 20)
    assert ticks[-1].ego.x < PARKED
    assert max(abs(t.ego.y + 1.75) for t in ticks) < 1.0


def test_who_brakes_waits_and_is_not_passed(agent: Any, scene: Any) -> None:
    names = {}
    for lights in (TriState.NO, TriState.YES):
        planner = two_way_road()
        for stamp in range(1, 9):
            now = scene(EGO, [agent(1, PARKED, -1.75)], stamp * 1_000_000_000)
            attributes = now.attributes.copy()
            attributes[:, Attribute.BRAKE_LIGHT] = lights
            prepared = planner.prepare(replace(now, attributes=attributes), None)
        names[lights] = [name for name in prepared.candidates.names if "past #1" in name]
    assert names[TriState.NO]
    assert not names[TriState.YES]


def test_how_long_somebody_has_stood(agent: Any, scene: Any) -> None:
    watch = StandingWatch()
    second = 1_000_000_000
    watch.update(scene(EGO, [agent(1, 0.0, 0.0), agent(2, 9.0, 0.0, 5.0)], second))
    stood = watch.update(scene(EGO, [agent(1, 0.0, 0.0), agent(2, 9.0, 0.0), agent(3, 30.0, 0.0)], 3 * second))
    assert stood.tolist() == [2.0, 0.0, 0.0]
    stood = watch.update(scene(EGO, [agent(1, 0.0, 0.0, 1.0), agent(2, 9.0, 0.0)], 5 * second))
    assert stood.tolist() == [0.0, 2.0]


def test_without_ground_beside_it_there_is_no_way_past(agent: Any, scene: Any) -> None:
    for network, passes in ((straight_road(lanes=1), False), (straight_road(lanes=2), True)):
        planner = Planner()
        planner.set_road_network(network)
        for stamp in range(1, 9):
            now = scene(EgoState(0, 20.0, 0.0, speed=8.0), [agent(1, 70.0, 0.0)], stamp * 1_000_000_000)
            prepared = planner.prepare(now, None)
        assert any("past #1" in name for name in prepared.candidates.names) is passes


def test_who_waits_for_the_waiting_ego_is_believed_to_stay_people_later_and_queues_not(agent: Any, scene: Any) -> None:
    ego = EgoState(0, 0.0, 0.0, speed=0.0)
    across, ahead = agent(1, 8.0, 5.0, 0.0, -np.pi / 2), agent(2, 12.0, 0.0)
    walker = agent(3, 6.0, -4.0, 0.0, np.pi / 2, kind=AgentClass.PEDESTRIAN)
    comes = agent(4, 30.0, 5.0, 6.0, -np.pi / 2)
    watch, second, seen = StandingWatch(), 1_000_000_000, []
    for stamp in range(1, 24):
        now = scene(replace(ego, stamp_ns=stamp * second), [across, ahead, walker, comes], stamp * second)
        stood = watch.update(now)
        seen.append(belief_in_staying(now, ego, stood, watch.ego_stood))
    assert seen[3].tolist() == [0.0] * 4
    assert seen[4][2] == 0.0 < seen[4][0] < seen[9][0] == pytest.approx(0.95)
    assert 0.0 < seen[6][2] < seen[12][2] == pytest.approx(0.8)
    assert not np.array(seen)[:, [1, 3]].any()
    moving = scene(replace(ego, stamp_ns=24 * second, speed=2.0), [across], 24 * second)
    watch.update(moving)
    assert watch.ego_stood == 0.0


def test_two_who_wait_for_each_other_do_not_wait_for_ever(agent: Any, scene: Any) -> None:
    """Everybody's futures say that the other goes at once; after a while the ego no longer believes it."""
    wait = [agent(1, 1.75, -9.0, 0.0, np.pi / 2)]

    def soon(stamp: float, planner: Planner) -> float:
        now = scene(EgoState(0, -14.0, -1.75, speed=0.0), wait, round(stamp * 1e9))
        there = constant_velocity_prediction(now)
        goes = there.positions.copy()
        goes[..., 1] += 2.0 * np.arange(1, 81) / 10
        predicted = replace(there, positions=goes)
        proposal = planner.propose(now, predicted, None)
        _, decision = planner.decide(proposal, None, WhatIfStatus.TIMEOUT)
        return float(decision.positions[decision.chosen, 39, 0])

    planner = two_way_road()
    way = [soon(1.0 + 0.5 * tick, planner) for tick in range(44)]
    assert max(way[:12]) < 3.0
    assert min(way[-3:]) > 8.0
