"""Made-up scenes and a closed loop without noise: the ego follows every plan exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, WhatIfStatus
from zoox_stack.core.plans import PlanDecision, Trajectory
from zoox_stack.planning.planner import Planner

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Agent:
    """One made-up agent."""

    id: int
    x: float
    y: float
    speed: float = 0.0
    yaw: float = 0.0
    length: float = 4.6
    width: float = 1.9
    kind: AgentClass = AgentClass.CAR


@dataclass(frozen=True)
class Tick:
    """One tick of a closed loop."""

    ego: EgoState
    trajectory: Trajectory
    decision: PlanDecision


def make_scene(ego: EgoState | None, agents: Sequence[Agent], stamp_ns: int = SECOND) -> TrackedAgents:
    if ego is not None:
        ego = replace(ego, stamp_ns=stamp_ns)
    if not agents:
        return TrackedAgents.empty(stamp_ns, ego)
    yaw = np.array([a.yaw for a in agents])
    speed = np.array([a.speed for a in agents])
    return TrackedAgents.from_states(
        stamp_ns,
        np.array([a.id for a in agents]),
        np.array([a.kind for a in agents]),
        np.array([[a.x, a.y, 0.0] for a in agents]),
        yaw,
        speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1),
        np.array([[a.length, a.width, 1.6] for a in agents], np.float32),
        ego=ego,
    )


def run_loop(
    planner: Planner,
    ego: EgoState,
    agents_at: Callable[[float], Sequence[Agent]],
    seconds: float,
    *,
    signals_at: Callable[[int], TrafficSignals] | None = None,
    step: float = 0.5,
) -> list[Tick]:
    ticks = []
    for i in range(round(seconds / step)):
        stamp_ns = SECOND + round(i * step * SECOND)
        signals = signals_at(stamp_ns) if signals_at else None
        proposal = planner.propose(make_scene(ego, agents_at(i * step), stamp_ns), None, signals)
        trajectory, decision = planner.decide(proposal, None, WhatIfStatus.TIMEOUT)
        ticks.append(Tick(replace(ego, stamp_ns=stamp_ns), trajectory, decision))
        plan, k = trajectory.plan, round(step / 0.1) - 1
        ego = replace(
            ego,
            x=plan.x[k],
            y=plan.y[k],
            yaw=plan.yaw[k],
            speed=plan.speed[k],
            acceleration=plan.acceleration[k],
            yaw_rate=plan.speed[k] * plan.curvature[k],
        )
    return ticks


@pytest.fixture
def agent() -> type[Agent]:
    return Agent


@pytest.fixture
def scene() -> Callable[..., TrackedAgents]:
    return make_scene


@pytest.fixture
def loop() -> Callable[..., list[Tick]]:
    return run_loop
