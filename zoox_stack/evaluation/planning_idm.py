"""The lane follower as a driver of the benchmark."""

from __future__ import annotations

import time

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.plans import Route
from zoox_stack.evaluation.planning_driver import Decided
from zoox_stack.planning.idm import IdmPlanner
from zoox_stack.road_network.network import RoadNetwork


class IdmDriver:
    """See `zoox_stack.planning.idm`."""

    def __init__(self) -> None:
        self._planner = IdmPlanner()

    def begin(self, network: RoadNetwork, route: Route) -> None:
        """A drive begins."""
        self._planner.set_road_network(network)
        self._planner.set_route(route)

    def decide(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Decided:
        """Follow the lane."""
        started = time.perf_counter()
        trajectory = self._planner.plan(scene, signals)
        spent = time.perf_counter() - started
        return Decided(trajectory, seconds={"plan": spent}, latency=spent)
