"""Made-up trajectories and scenes for the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.supervisor.motion import Proposal

SECOND = 1_000_000_000


def make_motion(
    stamp_ns: int = SECOND,
    *,
    x: float = 0.0,
    y: float = 0.0,
    speed: float = 10.0,
    acceleration: float = 0.0,
    curvature: float = 0.0,
) -> Proposal:
    """Along +x from (x, y) at the stamp, with constant acceleration until it stands, on a circle or straight."""
    t = 0.1 * np.arange(1, 81)
    if acceleration < 0:
        t = np.minimum(t, -speed / acceleration)
    s = speed * t + acceleration * t * t / 2
    v = np.maximum(speed + acceleration * t, 0.0)
    yaw = curvature * s
    px, py = (s, 0 * s) if curvature == 0 else (np.sin(yaw) / curvature, (1 - np.cos(yaw)) / curvature)
    a = np.where(v > 1e-9, acceleration, 0.0)
    return Proposal(stamp_ns, 0.1, x + px, y + py, yaw, v, a, np.full(80, curvature))


def make_agents(
    agents: Sequence[tuple[Any, ...]], stamp_ns: int = SECOND, kind: AgentClass = AgentClass.CAR
) -> TrackedAgents:
    """Agents (id, x, y, yaw, speed), 4.6 m x 1.9 m, pedestrians 0.6 m x 0.6 m."""
    if not agents:
        return TrackedAgents.empty(stamp_ns)
    table = np.array(agents, dtype=float)
    yaw, speed = table[:, 3], table[:, 4]
    size = [0.6, 0.6, 1.8] if kind == AgentClass.PEDESTRIAN else [4.6, 1.9, 1.6]
    return TrackedAgents.from_states(
        stamp_ns,
        table[:, 0].astype(np.int64),
        np.full(len(table), kind),
        np.stack([table[:, 1], table[:, 2], 0 * yaw], axis=1),
        yaw,
        speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1),
        np.tile(np.array(size, np.float32), (len(table), 1)),
    )


@pytest.fixture
def motion() -> Callable[..., Proposal]:
    return make_motion


@pytest.fixture
def agents() -> Callable[..., TrackedAgents]:
    return make_agents


@pytest.fixture
def ego() -> EgoState:
    """10 m/s along +x from the origin, at one second."""
    return EgoState(SECOND, 0.0, 0.0, speed=10.0)
