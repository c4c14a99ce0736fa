"""What drives in a closed-loop benchmark: scene in, trajectory out, in one process and one thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.plans import PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer
from zoox_stack.road_network.network import RoadNetwork


@dataclass(frozen=True, eq=False)
class Decided:
    """What came of one scene.

    Attributes:
        trajectory: What the ego is to do.
        decision: Why; None if the driver does not say.
        predicted: What the others were expected to do; None if the driver does not say.
        answer: What prediction said to the driver's question; None if it asked nothing.
        seconds: Time each part of the work took [s], by its name.
        latency: Time from the planner's input to its trajectory [s].
        taken_over: What the supervisor does instead of what was decided, and why; empty where it does nothing.
    """

    trajectory: Trajectory
    decision: PlanDecision | None = None
    predicted: PredictedAgents | None = None
    answer: WhatIfAnswer | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    latency: float = 0.0
    taken_over: str = ""


class Driver(Protocol):
    """A planner with everything it needs, for one drive."""

    def begin(self, network: RoadNetwork, route: Route) -> None:
        """A drive begins on this map along this route."""

    def decide(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Decided:
        """What to do at one instant; scenes come in the order of time.

        Raises:
            Exception: Nothing comes of this scene; the ego goes on with its last trajectory.
        """
