"""How agents stand to the ego: on made-up roads, with and without a map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.encounters import Encounter, EncounterFinder, Relation, ego_way, lanes_under
from zoox_stack.supervisor.motion import Proposal

SECOND = 1_000_000_000
Make = Callable[..., Proposal]
Agents = Callable[..., TrackedAgents]
TURNS = (lambda h: h[-1] - h[0], lambda h: abs(h[-1] - h[0]))  # least: furthest to the right; straightest
FROM_WEST = EgoState(SECOND, -40.0, -1.75, speed=10.0)  # heading east into the crossing


def look(
    ego: EgoState,
    proposal: Proposal,
    scene: TrackedAgents,
    network: RoadNetwork | None = None,
    signals: TrafficSignals | None = None,
    **more: float,
) -> list[Encounter]:
    index = LaneIndex(network) if network is not None else None
    config = SupervisorConfig(**more)  # type: ignore[arg-type]
    return EncounterFinder(config).find(ego, scene, ego_way(ego, proposal, index, 120.0), index, signals)


def road_or_none(known: bool) -> RoadNetwork | None:
    return straight_road(lanes=2, length=300.0) if known else None


@pytest.mark.parametrize("known", [True, False], ids=["map", "no map"])
def test_a_vehicle_ahead(motion: Make, agents: Agents, known: bool) -> None:
    """Ego box from -1.0 to 3.8 around its middle, agent from 27.7 to 32.3: gap 23.9 m."""
    ego = EgoState(SECOND, 50.0, 0.0, speed=10.0)
    (one,) = look(ego, motion(x=50.0), agents([(7, 80.0, 0.5, 0.0, 6.0)]), road_or_none(known))
    assert (one.agent_id, one.relation, one.walker) == (7, Relation.SAME_DIRECTION, False)
    assert one.agent.rear - one.ego.front == pytest.approx(80.0 - 2.3 - 53.8, abs=1e-5)
    assert (one.ego.speed, one.agent.speed) == pytest.approx((10.0, 6.0))
    assert (one.agent.right, one.agent.left) == pytest.approx((-0.45, 1.45), abs=1e-6)


@pytest.mark.parametrize("known", [True, False], ids=["map", "no map"])
def test_a_vehicle_beside_that_moves_over(motion: Make, agents: Agents, known: bool) -> None:
    ego = EgoState(SECOND, 50.0, 0.0, speed=10.0)
    (one,) = look(ego, motion(x=50.0), agents([(7, 52.0, 3.5, -0.1, 10.0)]), road_or_none(known))
    assert one.relation == Relation.SAME_DIRECTION
    assert one.agent.sideways == pytest.approx(-10 * np.sin(0.1), abs=1e-6)
    assert one.agent.right > one.ego.left


def test_an_oncoming_vehicle_counts_until_it_has_passed(motion: Make, agents: Agents) -> None:
    ego = EgoState(SECOND, 50.0, 0.0, speed=10.0)
    (one,) = look(ego, motion(x=50.0), agents([(7, 100.0, 3.5, np.pi, 12.0)]))
    assert one.relation == Relation.OPPOSITE
    assert one.agent.speed == pytest.approx(12.0)
    assert not look(ego, motion(x=50.0), agents([(7, 40.0, 3.5, np.pi, 12.0)]))


def test_a_parked_vehicle_that_faces_the_other_way_is_only_an_obstacle(motion: Make, agents: Agents) -> None:
    ego = EgoState(SECOND, 50.0, 0.0, speed=10.0)
    (one,) = look(ego, motion(x=50.0), agents([(7, 100.0, 3.5, np.pi, 0.0)]))
    assert one.relation == Relation.SAME_DIRECTION


def test_pedestrians_count_until_they_are_passed(motion: Make, agents: Agents) -> None:
    ego = EgoState(SECOND, 50.0, 0.0, speed=10.0)
    people = agents([(1, 70.0, 4.0, -np.pi / 2, 1.4), (2, 40.0, 4.0, 0.0, 1.4)], kind=AgentClass.PEDESTRIAN)
    (one,) = look(ego, motion(x=50.0), people, road_or_none(True))
    assert (one.agent_id, one.walker, one.relation) == (1, True, Relation.SAME_DIRECTION)
    assert one.agent.sideways == pytest.approx(-1.4)
    assert one.agent.speed == pytest.approx(0.0, abs=1e-6)


def priority(first: int, second: int) -> RoadNetwork:
    """The crossing without signals, where connection `first` gives way to `second`."""
    network = crossing(signals=False)
    rows: list[list[int]] = [[] for _ in network.lane_ids]
    rows[first].append(second)
    return replace(network, yields=Ragged.from_rows(rows, np.int32))


# Connections: 8 + 3 * arm + (right, straight, left); arms are east, north, west, south.
WEST_STRAIGHT, SOUTH_STRAIGHT = 8 + 3 * 2 + 1, 8 + 3 * 3 + 1
FROM_SOUTH = (5, 1.75, -20.0, np.pi / 2, 8.0)


@pytest.mark.parametrize(
    ("network", "relation"),
    [
        (crossing(signals=False), Relation.NOBODY_FIRST),
        (priority(WEST_STRAIGHT, SOUTH_STRAIGHT), Relation.AGENT_FIRST),
        (priority(SOUTH_STRAIGHT, WEST_STRAIGHT), Relation.EGO_FIRST),
    ],
    ids=["nobody", "agent", "ego"],
)
def test_who_crosses_has_a_place_and_a_right_of_way(
    motion: Make, agents: Agents, network: RoadNetwork, relation: Relation
) -> None:
    """The ways cross at (1.75, -1.75), each 2.2 m wide: the ego's front is at -36.2, so 37.95 m before, less 2.2."""
    proposal = motion(x=-40.0, y=-1.75)
    (one,) = look(FROM_WEST, proposal, agents([FROM_SOUTH]), network)
    assert one.relation == relation
    assert one.ego.front == pytest.approx(1.75 + 36.2 - 2.2, abs=1.0)
    assert one.ego.leave == pytest.approx(1.75 + 41.0 + 2.2, abs=1.0)
    assert one.agent.front == pytest.approx(-1.75 + 20.0 - 2.3 - 2.2, abs=1.0)
    assert one.ego.rear - one.ego.front == pytest.approx(4.8)
    assert one.agent.speed == pytest.approx(8.0)


def test_who_has_crossed_stands_in_no_way(motion: Make, agents: Agents) -> None:
    (one,) = look(FROM_WEST, motion(x=-40.0, y=-1.75), agents([(5, 1.75, 8.0, np.pi / 2, 8.0)]), crossing())
    assert one.relation == Relation.SAME_DIRECTION
    assert one.agent.right > 3.0


@pytest.mark.parametrize(
    ("west", "south", "relation"),
    [
        (SignalState.GREEN, SignalState.RED, Relation.EGO_FIRST),
        (SignalState.RED, SignalState.GREEN, Relation.AGENT_FIRST),
        (SignalState.RED, SignalState.RED, Relation.NOBODY_FIRST),
        (SignalState.UNKNOWN, SignalState.UNKNOWN, Relation.NOBODY_FIRST),
    ],
)
def test_signals_say_who_goes_first(
    motion: Make, agents: Agents, west: SignalState, south: SignalState, relation: Relation
) -> None:
    states = np.array([SignalState.UNKNOWN, SignalState.UNKNOWN, west, south], np.uint8)
    signals = TrafficSignals(SECOND, np.array([1, 2, 3, 4]), states, np.ones(4, np.float32))
    (one,) = look(FROM_WEST, motion(x=-40.0, y=-1.75), agents([FROM_SOUTH]), crossing(), signals)
    assert one.relation == relation


def test_without_a_map_the_course_of_an_agent_may_cross(motion: Make, agents: Agents) -> None:
    ego = EgoState(SECOND, 0.0, 0.0, speed=10.0)
    (one,) = look(ego, motion(), agents([(5, 30.0, -20.0, np.pi / 2, 8.0)]))
    assert one.relation == Relation.NOBODY_FIRST
    assert one.ego.front == pytest.approx(30.0 - 3.8 - 0.95, abs=0.1)
    assert one.agent.front == pytest.approx(20.0 - 2.3 - 1.9, abs=0.5)
    (away,) = look(ego, motion(), agents([(5, 30.0, -20.0, -np.pi / 2, 8.0)]))
    assert away.relation == Relation.SAME_DIRECTION


def test_who_is_far_unlikely_or_absent_is_left_out(motion: Make, agents: Agents) -> None:
    ego = EgoState(SECOND, 0.0, 0.0, speed=10.0)
    assert look(ego, motion(), agents([])) == []
    assert look(ego, motion(), agents([(1, 130.0, 0.0, 0.0, 5.0), (2, 20.0, 30.0, 0.0, 5.0)])) == []
    ghost = agents([(1, 30.0, 0.0, 0.0, 5.0)])
    assert len(look(ego, motion(), ghost)) == 1
    assert look(ego, motion(), replace(ghost, existence=np.array([0.4], np.float32))) == []


def test_the_way_follows_the_trajectory_at_a_fork(motion: Make) -> None:
    network = crossing()
    index = LaneIndex(network)
    left = index.path_of((2, 8 + 3 * 2 + 2, 5))  # from the west, left turn, to the north
    s = left.line.project(np.array([[-20.0, -1.75]])).s[0] + 0.7 * np.arange(1, 81)
    xy, yaw, curvature = left.line.at(s)
    turning = replace(motion(speed=7.0), x=xy[:, 0], y=xy[:, 1], yaw=yaw, curvature=curvature)
    ego = EgoState(SECOND, -20.0, -1.75, speed=7.0)
    assert ego_way(ego, turning, index, 80.0).line.project(np.array([[1.75, 60.0]])).d[0] == pytest.approx(0.0, abs=0.3)
    assert ego_way(ego, motion(x=-20.0, y=-1.75, speed=7.0), index, 80.0).line.xy[-1, 0] > 50.0


def test_of_the_branches_of_a_fork_the_one_with_most_of_the_trajectory_counts(motion: Make) -> None:
    """The first points lie on a lane that turns off, where it has hardly left the one that goes straight on."""
    network = crossing()
    index = LaneIndex(network)
    turning, straight = (min(network.successors[2].tolist(), key=lambda r: f(index.lines[r].heading)) for f in TURNS)
    plan = motion(x=float(index.lines[straight].xy[0, 0]), y=-1.75, speed=6.0)
    xy, yaw, _ = index.lines[turning].at(0.6 * np.arange(1, 9))
    for column, values in ((plan.x, xy[:, 0]), (plan.y, xy[:, 1]), (plan.yaw, yaw)):
        column[:8] = values
    places = np.stack([plan.x, plan.y], axis=1)
    assert {turning, straight} <= set(index.nearest(places, plan.yaw).rows.tolist())
    under = lanes_under(plan, index)
    assert straight in under
    assert turning not in under


def test_who_has_entered_a_crossing_leaves_it(motion: Make, agents: Agents) -> None:
    inside = replace(FROM_WEST, x=-2.0, speed=2.0)
    (one,) = look(inside, motion(x=-2.0, y=-1.75, speed=2.0), agents([FROM_SOUTH]), crossing())
    assert one.relation == Relation.SAME_DIRECTION
    assert one.agent.left < one.ego.right


def test_on_a_lane_only_leaving_it_is_a_sideways_motion(motion: Make, agents: Agents) -> None:
    """An oncoming vehicle where the ego's way turns left moves across that way, but not across its own lane."""
    network = crossing()
    index = LaneIndex(network)
    left = index.path_of((2, 8 + 3 * 2 + 2, 5))
    s = left.line.project(np.array([[-20.0, -1.75]])).s[0] + 0.7 * np.arange(1, 81)
    xy, yaw, curvature = left.line.at(s)
    turning = replace(motion(speed=7.0), x=xy[:, 0], y=xy[:, 1], yaw=yaw, curvature=curvature)
    ego = EgoState(SECOND, -20.0, -1.75, speed=7.0)
    past = agents([(5, -12.0, 1.75, np.pi, 12.0)])  # has crossed the ego's way already
    (one,) = look(ego, turning, past, network)
    assert abs(one.agent.sideways) < 0.05
    (drifting,) = look(ego, turning, agents([(5, -12.0, 1.75, np.pi + 0.1, 12.0)]), network)
    assert drifting.agent.sideways == pytest.approx(-12.0 * np.sin(0.1), abs=0.1)


def test_of_a_long_vehicle_aslant_only_what_is_beside_the_ego_is_beside_it(motion: Make, agents: Agents) -> None:
    ego = EgoState(SECOND, 0.0, 0.0, speed=0.4)
    scene = agents([(5, 8.0, 2.9, np.pi - 0.12, 3.0)])
    bus = replace(scene, size=np.array([[10.8, 2.5, 3.0]], np.float32))
    (one,) = look(ego, motion(speed=0.4), bus)
    assert one.relation == Relation.OPPOSITE
    # Its rear, far ahead, reaches 0.65 m further over than its middle, its front, beside the ego, as much less.
    assert one.agent.right > 2.9 - 1.25 + 0.2
