"""Constant-velocity futures: the kinematic rule used where no model answer is available, and a baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass, PredictionSource
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents

# Strength of the white-noise acceleration [m^2/s^3] along and across the heading: the position variance grows by
# q t^3 / 3. Sizes chosen so that the spread after 3 s and 8 s is about the error of constant velocity on urban logs.
_NOISE_MOVING = {"vehicle": (1.0, 0.05), "cyclist": (0.5, 0.05), "other": (0.05, 0.05)}
_NOISE_STANDING = (0.01, 0.005)
_FULL_NOISE_SPEED = 5.0  # [m/s] below it the noise falls linearly to that of a standing agent
_WALKING_NOISE_SPEED = 1.0  # [m/s] the same for pedestrians and animals
_LEAST_VARIANCE = 0.01  # [m^2]


def constant_velocity_prediction(
    scene: TrackedAgents, modes: int = 1, steps: int = STEPS, step: float = STEP
) -> PredictedAgents:
    """Every agent goes on with its present velocity and heading.

    The covariance is that of the track (position, velocity and their correlation), carried forward, plus a random
    acceleration along and across the direction of motion that depends on the class and vanishes for standing agents.

    Args:
        scene: Agents to predict; N agents.
        modes: Number of modes K to fill; all are equal, the first has probability 1.
        steps: Number of steps T.
        step: [s] between them.

    Returns:
        Futures of all N agents in the order of the scene.
    """
    n = len(scene)
    time = step * np.arange(1.0, steps + 1)
    origin = np.zeros(2)
    if scene.ego is not None:
        origin = np.array([scene.ego.x, scene.ego.y])
    elif n:
        origin = np.array(scene.position[0, :2])
    start = scene.position[:, :2] - origin
    positions = start[:, None] + scene.velocity[:, None] * time[:, None]
    covariance = _covariance(scene, time)
    shape = (n, modes, steps)
    probabilities = np.zeros((n, modes), np.float32)
    probabilities[:, 0] = 1.0
    return PredictedAgents(
        stamp_ns=scene.stamp_ns,
        agent_ids=scene.ids,
        probabilities=probabilities,
        origin=origin,
        positions=np.broadcast_to(positions.astype(np.float32)[:, None], (*shape, 2)),
        headings=np.broadcast_to(scene.yaw.astype(np.float32)[:, None, None], shape),
        covariances=np.broadcast_to(covariance.astype(np.float32)[:, None], (*shape, 3)),
        step=step,
        source=PredictionSource.CONSTANT_VELOCITY,
    )


def _covariance(scene: TrackedAgents, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position covariance (xx, xy, yy) ``[N, T, 3]`` [m^2]."""
    along, across = _noise(scene)
    speed = scene.speed
    moving = speed > 0.1
    safe = np.where(moving, speed, 1.0)
    cos = np.where(moving, scene.velocity[:, 0] / safe, np.cos(scene.yaw))
    sin = np.where(moving, scene.velocity[:, 1] / safe, np.sin(scene.yaw))
    grown = time**3 / 3
    rows = []
    for i, j, noise in (
        (0, 0, along * cos**2 + across * sin**2),
        (0, 1, (along - across) * cos * sin),
        (1, 1, along * sin**2 + across * cos**2),
    ):
        p = scene.covariance.astype(np.float64)
        cross = p[:, i, 3 + j] + p[:, 3 + i, j]
        rows.append(
            p[:, i, j, None]
            + cross[:, None] * time
            + p[:, 3 + i, 3 + j, None] * time**2
            + noise[:, None] * grown
            + (_LEAST_VARIANCE if i == j else 0.0)
        )
    return np.stack(rows, axis=-1)


def _noise(scene: TrackedAgents) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Acceleration noise along and across the motion, each ``[N]`` [m^2/s^3]."""
    vehicle = np.isin(scene.classes, [*VEHICLE_CLASSES, AgentClass.UNKNOWN])
    cyclist = np.isin(scene.classes, CYCLIST_CLASSES)
    full = np.where(vehicle | cyclist, _FULL_NOISE_SPEED, _WALKING_NOISE_SPEED)
    share = np.minimum(1.0, scene.speed / full)
    out = []
    for axis in range(2):
        moving = np.where(
            vehicle,
            _NOISE_MOVING["vehicle"][axis],
            np.where(cyclist, _NOISE_MOVING["cyclist"][axis], _NOISE_MOVING["other"][axis]),
        )
        out.append(_NOISE_STANDING[axis] + share * (moving - _NOISE_STANDING[axis]))
    return out[0], out[1]
