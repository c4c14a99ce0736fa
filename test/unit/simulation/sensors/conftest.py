"""Small scenes on the made-up crossing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.sensors.ray_world import RayWorld

SIZES = {
    AgentClass.CAR: (4.5, 1.8, 1.5), AgentClass.TRUCK: (8.0, 2.5, 3.5), AgentClass.PEDESTRIAN: (0.6, 0.6, 1.7),
    AgentClass.BUS: (12.0, 2.5, 3.1), AgentClass.BICYCLE: (1.8, 0.65, 1.75), AgentClass.HAZARD: (1.0, 0.14, 1.2),
}  # fmt: skip
MakeScene = Callable[..., TrackedAgents]


def make_scene(
    ego: EgoState | None, *rows: tuple[Any, ...], stamp_ns: int = 1_000, attributes: dict[Attribute, int] | None = None
) -> TrackedAgents:
    """Rows are class, x, y, yaw and, if it moves, velocity (x, y); attributes go to all."""
    n = len(rows)
    sizes = np.array([SIZES[row[0]] for row in rows], np.float32).reshape(-1, 3)
    table = np.zeros((n, 6), np.uint8)
    for column, value in (attributes or {}).items():
        table[:, column] = value
    return TrackedAgents.from_states(
        stamp_ns,
        np.arange(n),
        np.array([row[0] for row in rows], np.uint8),
        np.column_stack([np.array([row[1:3] for row in rows], float).reshape(-1, 2), sizes[:, 2] / 2]),
        np.array([row[3] for row in rows], float),
        np.array([row[4] if len(row) > 4 else (0.0, 0.0) for row in rows], float).reshape(-1, 2),
        sizes,
        ego=ego,
        attributes=table,
    )


@pytest.fixture(scope="session")
def scene_of() -> MakeScene:
    return make_scene


@pytest.fixture(scope="session")
def bare_world() -> RayWorld:
    """Flat ground and nothing else."""
    pytest.importorskip("open3d", reason="needs open3d")
    return RayWorld(RoadNetwork())


@pytest.fixture(scope="session")
def town_world() -> RayWorld:
    pytest.importorskip("open3d", reason="needs open3d")
    return RayWorld(crossing())
