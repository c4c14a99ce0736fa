"""A driver of the benchmark with the supervisor behind it."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, TrajectorySource
from zoox_stack.core.plans import EgoPlan, Route, Trajectory
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.evaluation.planning_driver import Decided
from zoox_stack.evaluation.planning_supervised import SupervisedDriver
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork

SPEED, SECOND = 10.0, 1_000_000_000


class Straight:
    """Goes on at its speed whatever comes."""

    def begin(self, network: RoadNetwork, route: Route) -> None:
        self.begun = True

    def decide(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Decided:
        assert scene.ego is not None
        rest = np.zeros(STEPS)
        x = scene.ego.x + SPEED * STEP * np.arange(1, STEPS + 1)
        plan = EgoPlan(0, "straight", STEP, x, rest, rest, rest + SPEED, rest, rest)
        return Decided(Trajectory(scene.stamp_ns, plan, TrajectorySource.DECISION))


def scenes(gap: float) -> list[TrackedAgents]:
    """A second towards a car that stands so far ahead [m]."""
    return [
        TrackedAgents.from_states(
            SECOND + tick * SECOND // 10, np.array([1]), np.array([AgentClass.CAR]), np.array([[gap, 0.0, 0.8]]),
            np.zeros(1), np.zeros((1, 2)), np.array([[4.5, 1.9, 1.6]], np.float32),
            ego=EgoState(SECOND + tick * SECOND // 10, SPEED * tick / 10, 0.0, speed=SPEED),
        )
        for tick in range(10)
    ]  # fmt: skip


def decided(gap: float) -> list[Decided]:
    driver = SupervisedDriver(Straight())
    driver.begin(straight_road(lanes=1, length=300.0), Route(SECOND, np.array([[0.0, 0.0, 0.0], [300.0, 0.0, 0.0]])))
    return [driver.decide(scene, None) for scene in scenes(gap)]


def test_it_takes_over_before_a_crash_and_says_why() -> None:
    last = decided(gap=22.0)[-1]
    assert last.trajectory.source == TrajectorySource.EMERGENCY_STOP
    assert last.trajectory.plan.speed[-1] == 0.0
    assert last.taken_over.startswith("emergency stop: ")
    assert "agent 1" in last.taken_over


def test_what_is_safe_passes_as_it_is() -> None:
    for one in decided(gap=200.0):
        assert one.trajectory.source == TrajectorySource.DECISION
        assert one.trajectory.plan.name == "straight"
        assert not one.taken_over
