"""People who wait on red while the ego has green."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.plans import Route
from zoox_stack.core.ragged import Ragged
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.planning.signal_states import known_states
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.queries import LaneIndex

SECOND = 1_000_000_000
EGO = EgoState(0, -40.0, -1.75, speed=8.0)
STRAIGHT, LEFT = (2, 122, 10), (2, 123, 11)  # lanes from the western arm on


def signals(state: SignalState, stamp_ns: int = SECOND, confidence: float = 1.0) -> TrafficSignals:
    return TrafficSignals(stamp_ns, np.array([3]), np.array([state], np.uint8), np.array([confidence], np.float32))


def waited(scene: Any, walkers: list[Any], state: SignalState, lanes: tuple[int, ...] = STRAIGHT) -> Proposal:
    """What the planner knows after two seconds."""
    planner = Planner()
    planner.set_road_network(crossing())
    planner.set_route(Route(0, np.zeros((2, 3)), np.array(lanes)))
    for stamp in (SECOND, 2 * SECOND, 3 * SECOND):
        proposal = planner.propose(scene(EGO, walkers, stamp), None, signals(state, stamp))
    return proposal


@pytest.mark.parametrize(
    ("x", "y", "speed", "state", "lanes", "kept"),
    [
        (-10.5, -5.5, 0.0, SignalState.GREEN, STRAIGHT, True),  # at the near crosswalk
        (10.5, 5.5, 0.0, SignalState.GREEN, STRAIGHT, True),  # at the far one
        (-10.5, -5.5, 0.0, SignalState.RED, STRAIGHT, False),
        (-10.5, -5.5, 0.0, SignalState.UNKNOWN, STRAIGHT, False),
        (-10.5, -5.5, 1.2, SignalState.GREEN, STRAIGHT, False),  # walks
        (-10.5, -2.5, 0.0, SignalState.GREEN, STRAIGHT, False),  # in the ego's lane
        (-30.5, -5.5, 0.0, SignalState.GREEN, STRAIGHT, False),  # elsewhere
        (-10.5, -5.5, 0.0, SignalState.GREEN, LEFT, True),
        (5.5, 10.5, 0.0, SignalState.GREEN, LEFT, False),  # has green too
    ],
)
def test_who_stays_because_the_ego_has_green(
    x: float, y: float, speed: float, state: SignalState, lanes: tuple[int, ...], kept: bool, agent: Any, scene: Any
) -> None:
    walker = agent(1, x, y, speed, np.pi / 2, 0.6, 0.6, AgentClass.PEDESTRIAN)
    proposal = waited(scene, [walker], state, lanes)
    assert proposal.scene.stays.tolist() == [0.95 if kept else 0.0]


def test_who_has_turned_still_crosses_people_who_have_green(agent: Any, scene: Any) -> None:
    planner = Planner()
    planner.set_road_network(crossing(half_size=40.0))
    planner.set_route(Route(0, np.zeros((2, 3)), np.array(LEFT)))
    turned = EgoState(0, 1.75, 33.0, yaw=np.pi / 2, speed=6.0)
    walker = agent(1, 5.5, 36.5, 0.0, np.pi / 2, 0.6, 0.6, AgentClass.PEDESTRIAN)
    for stamp in (SECOND, 2 * SECOND, 3 * SECOND):
        proposal = planner.propose(scene(turned, [walker], stamp), None, signals(SignalState.GREEN, stamp))
    assert proposal.scene.stays.tolist() == [0.0]


def test_signals_of_the_lane_before_the_intersection(agent: Any, scene: Any) -> None:
    network = crossing()
    before = Ragged.from_rows([[0], [1], [2], [3]], np.int32)  # of each signal the lane that leads in
    planner = Planner()
    planner.set_road_network(replace(network, signal_lanes=before))
    walker = agent(1, -10.5, -5.5, 0.0, np.pi / 2, 0.6, 0.6, AgentClass.PEDESTRIAN)
    for stamp in (SECOND, 2 * SECOND, 3 * SECOND):
        proposal = planner.propose(scene(EGO, [walker], stamp), None, signals(SignalState.GREEN, stamp))
    assert proposal.scene.stays.tolist() == [0.95]


def test_cars_at_a_crosswalk_are_not_people(agent: Any, scene: Any) -> None:
    assert waited(scene, [agent(1, -10.5, -8.5)], SignalState.GREEN).scene.stays.tolist() == [0.0]


def test_only_new_and_certain_states_are_known() -> None:
    config = PlannerConfig()
    assert known_states(None, SECOND, config) == {}
    assert known_states(signals(SignalState.RED), SECOND, config) == {3: SignalState.RED}
    assert known_states(signals(SignalState.RED), 9 * SECOND, config) == {}
    assert known_states(signals(SignalState.RED, confidence=0.2), SECOND, config) == {}
    assert LaneIndex(crossing()).signals_of(15) == (3,)
    assert LaneIndex(crossing()).signals_of(2) == ()
