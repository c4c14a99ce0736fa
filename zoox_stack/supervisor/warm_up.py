"""A made-up tick, so that the first real one finds everything loaded and compiled."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import Proposal
from zoox_stack.supervisor.pull_over import RoadMap
from zoox_stack.supervisor.supervisor import Supervisor, SupervisorInputs

_NS = 1_000_000_000


def warm_up(config: SupervisorConfig) -> None:
    """Let a supervisor of its own see a vehicle ahead, and stop."""
    supervisor = Supervisor(config, _NS, _NS)
    road = RoadMap.of(straight_road(lanes=1, length=300.0))
    for tick in range(4):
        now = _NS + tick * _NS // 10
        x = 20.0 + tick
        s = np.asarray(10.0 * STEP * np.arange(1, STEPS + 1), np.float64)
        rest = np.zeros(STEPS)
        agents = TrackedAgents.from_states(
            now, np.array([1]), np.array([AgentClass.CAR]), np.array([[x + 30.0 - 8 * tick, 0.0, 0.8]]), np.zeros(1),
            np.zeros((1, 2)), np.array([[4.5, 1.9, 1.6]], np.float32),
        )  # fmt: skip
        supervisor.step(
            SupervisorInputs(
                now, now, Proposal(now, STEP, x + s, rest, rest, rest + 10.0, rest, rest),
                EgoState(now, x, 0.0, speed=10.0), agents, now, None, road,
            )
        )  # fmt: skip
