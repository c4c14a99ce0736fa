"""Each metric at, below and above its thresholds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass, Blame, EventKind
from zoox_stack.core.events import SimulationEvent
from zoox_stack.evaluation.closed_loop_map import DriveMap
from zoox_stack.evaluation.closed_loop_metrics import (
    collision_score,
    collisions,
    drivable_area_score,
    driving_direction_score,
    farthest_against,
    farthest_off_road,
    making_progress_score,
    overspeed,
    progress_ratio,
    speed_limit_score,
    ways,
)
from zoox_stack.road_network.made_up import straight_road

CAR, HAZARD, PEDESTRIAN = AgentClass.CAR, AgentClass.HAZARD, AgentClass.PEDESTRIAN


@pytest.mark.parametrize(
    ("struck", "score"),
    [
        ([], 1.0),
        ([(Blame.EGO, CAR)], 0.0),
        ([(Blame.BOTH, CAR)], 0.0),
        ([(Blame.OTHER, CAR)], 1.0),
        ([(Blame.UNCLEAR, CAR)], 1.0),
        ([(Blame.NOBODY, CAR)], 1.0),
        ([(Blame.EGO, PEDESTRIAN)], 0.0),
        ([(Blame.EGO, AgentClass.MOTORCYCLE)], 0.0),
        ([(Blame.EGO, AgentClass.ANIMAL)], 0.0),
        ([(Blame.EGO, HAZARD)], 0.5),
        ([(Blame.EGO, AgentClass.UNKNOWN)], 0.5),
        ([(Blame.EGO, HAZARD), (Blame.EGO, HAZARD)], 0.0),
        ([(Blame.EGO, HAZARD), (Blame.OTHER, HAZARD)], 0.5),
        ([(Blame.EGO, HAZARD), (Blame.EGO, PEDESTRIAN)], 0.0),
    ],
)
def test_collisions_with_things_count_half(make, struck, score):
    events = [make.collision(k, blame, kind, agent=k) for k, (blame, kind) in enumerate(struck)]
    assert collision_score(events) == score


def test_only_the_first_collision_with_each_counts(make):
    events = [make.collision(9, Blame.EGO), make.collision(2, Blame.OTHER), make.collision(4, Blame.EGO, agent=8)]
    assert [(e.stamp_ns, e.agent_id) for e in collisions(events)] == [(make.stamp(2), 7), (make.stamp(4), 8)]


def test_near_misses_are_no_collisions(make):
    near = SimulationEvent(0, EventKind.NEAR_MISS, Blame.EGO, 0.0, 0.0, 0.5, "", 7, CAR)
    assert collision_score([near]) == 1.0


@pytest.mark.parametrize(("y", "farthest", "score"), [(-1.0, 0.2, 1.0), (-1.09, 0.29, 1.0), (-1.11, 0.31, 0.0)])
def test_a_corner_0_3_m_off_the_road_is_too_far(make, road, y, farthest, score):
    """1.9 m wide, the road begins at y = -1.75 m."""
    found = farthest_off_road(make.drive(make.straight(y=y)).ego, road)
    assert found == pytest.approx(farthest)
    assert drivable_area_score(found) == score


def test_the_threshold_of_the_road_itself_is_too_far():
    assert drivable_area_score(0.3) == 0.0


@pytest.mark.parametrize(
    ("speed", "against", "score"), [(1.9, 1.9, 1.0), (2.1, 2.1, 0.5), (5.9, 5.9, 0.5), (6.1, 6.1, 0.0)]
)
def test_the_way_against_the_lanes_within_a_second_counts(make, road, speed, against, score):
    egos = [EgoState(make.stamp(k), 300.0 - 0.1 * k * speed, 0.0, yaw=np.pi, speed=speed) for k in range(40)]
    ego = make.drive(egos, route=None).ego
    found = farthest_against(ego, road.lanes_under(ego.centre, ego.yaw))
    assert found == pytest.approx(against)
    assert driving_direction_score(found) == score


@pytest.mark.parametrize(("against", "score"), [(0.0, 1.0), (2.0, 0.5), (6.0, 0.0)])
def test_at_the_thresholds_of_direction_the_worse_score_counts(against, score):
    assert driving_direction_score(against) == score


def test_short_ways_against_the_lanes_do_not_add_up_over_time(make, road):
    """Half a second back, two seconds forth, again and again: 1 m within a second, 4 m in all."""
    speed = np.tile(np.repeat([-2.0, 2.0], [5, 20]), 4)
    x = 100.0 + np.concatenate([[0.0], np.cumsum(0.1 * speed)[:-1]])
    ego = make.drive([EgoState(make.stamp(k), v, 0.0, speed=s) for k, (v, s) in enumerate(zip(x, speed, strict=True))])
    found = farthest_against(ego.ego, road.lanes_under(ego.ego.centre, ego.ego.yaw))
    assert found == pytest.approx(1.0)


def test_off_the_lanes_there_is_no_direction(make, road):
    egos = [EgoState(make.stamp(k), 300.0 - k, 20.0, yaw=np.pi, speed=10.0) for k in range(40)]
    ego = make.drive(egos, route=None).ego
    assert farthest_against(ego, road.lanes_under(ego.centre, ego.yaw)) == 0.0


@pytest.mark.parametrize(
    ("ego", "expert", "ratio", "making"),
    [
        (50.0, 100.0, 0.5, 1.0),
        (20.0, 100.0, 0.2, 1.0),
        (19.9, 100.0, 0.199, 0.0),
        (120.0, 100.0, 1.0, 1.0),
        (0.0, 0.0, 1.0, 1.0),  # both stand all the time
        (0.0, 1.9, 1.0, 1.0),
        (0.0, 4.0, 0.5, 1.0),
        (0.0, 100.0, 0.02, 0.0),
        (-1.9, 1.0, 1.0, 1.0),
        (-2.1, 1.0, 0.0, 0.0),
    ],
)
def test_progress_is_the_way_by_that_of_the_expert(ego, expert, ratio, making):
    assert progress_ratio(ego, expert) == pytest.approx(ratio)
    assert making_progress_score(progress_ratio(ego, expert)) == making


def test_both_ways_are_of_the_planned_time(make):
    """The drive broke off after 5 of 10 s: the expert's way is that of 10 s."""
    drive = make.drive(expert=make.straight(steps=120), duration=10.0)
    assert ways(drive) == pytest.approx((50.0, 100.0))


def test_who_arrives_early_is_compared_until_then(make):
    drive = make.drive(expert=make.straight(steps=120), duration=10.0, arrived=True)
    assert ways(drive) == pytest.approx((50.0, 50.0))


def test_the_time_begins_when_both_are_there(make):
    """The expert's states are known from 0.8 s on: what the ego drove before does not count."""
    drive = make.drive(expert=make.straight(steps=60)[8:])
    assert ways(drive) == pytest.approx((42.0, 42.0))


def test_an_expert_who_arrived_stays_there(make):
    drive = make.drive(expert=make.straight(speed=20.0, steps=20))
    assert ways(drive)[1] == pytest.approx(38.0)


@pytest.mark.parametrize(
    ("speed", "score"), [(13.8, 1.0), (13.9, 1.0), (13.9 + 2.23 / 2, 0.5), (13.9 + 2.23, 0.0), (30.0, 0.0)]
)
def test_overspeed_costs_by_its_height(make, road, speed, score):
    ego = make.drive(make.straight(speed=speed)).ego
    excess = overspeed(ego, road.lanes_under(ego.centre, ego.yaw), road)
    # 51 instants count for 5.0 s, as in nuPlan.
    assert speed_limit_score(excess, ego.step) == pytest.approx(max(0.0, 1 - (1 - score) * 51 / 50), abs=1e-3)


def test_overspeed_costs_by_its_duration():
    excess = np.zeros(101)
    excess[:25] = 2.23
    assert speed_limit_score(excess, 0.1) == pytest.approx(0.75)


@pytest.mark.parametrize("y", [0.0, 40.0])
def test_without_limit_or_lane_nobody_is_too_fast(make, y):
    network = straight_road(lanes=2, length=400.0)
    if y == 0.0:
        network = replace(network, lane_speed_limits=np.full_like(network.lane_speed_limits, np.nan))
    place, ego = DriveMap(network), make.drive(make.straight(speed=30.0, y=y)).ego
    excess = overspeed(ego, place.lanes_under(ego.centre, ego.yaw), place)
    assert not excess.any()
    assert speed_limit_score(excess, ego.step) == 1.0
