"""Motion and measurement models per class. State order (x, y, yaw, vx, vy, yaw_rate) as in `core.agents.STATE_DIM`.

Constant velocity with independent yaw. Process noise is white acceleration in continuous time, so that the same numbers
hold for any time step (Bar-Shalom, Li, Kirubarajan, "Estimation with applications to tracking and navigation", 2001,
6.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import N_CLASSES, STATE_DIM
from zoox_stack.core.classes import AgentClass

_YOUNG = 10  # detections after which a velocity is believed as it is


class State(IntEnum):
    """Columns of the state."""

    X = 0
    Y = 1
    YAW = 2
    VX = 3
    VY = 4
    YAW_RATE = 5


@dataclass(frozen=True)
class ClassMotion:
    """How a class moves and how well it is measured.

    Attributes:
        acceleration: Spectral density of white acceleration, [m/s^2 / sqrt(Hz)].
        turn: Spectral density of white yaw acceleration, [rad/s^2 / sqrt(Hz)].
        along: Standard deviation of measured position along the heading [m].
        across: Standard deviation of measured position across the heading [m].
        heading: Standard deviation of measured yaw [rad].
        speed: Standard deviation of the unknown speed at birth [m/s].
        turning: Standard deviation of the unknown yaw rate at birth [rad/s].
    """

    acceleration: float
    turn: float
    along: float
    across: float
    heading: float
    speed: float
    turning: float


CLASS_MOTION: dict[AgentClass, ClassMotion] = {
    AgentClass.UNKNOWN: ClassMotion(0.5, 0.3, 0.3, 0.3, 0.5, 4.0, 0.3),
    AgentClass.CAR: ClassMotion(1.2, 0.3, 0.3, 0.15, 0.12, 10.0, 0.3),
    AgentClass.TRUCK: ClassMotion(0.8, 0.15, 0.45, 0.2, 0.08, 10.0, 0.2),
    AgentClass.BUS: ClassMotion(0.8, 0.15, 0.45, 0.2, 0.08, 8.0, 0.2),
    AgentClass.TRAILER: ClassMotion(0.8, 0.2, 0.45, 0.2, 0.1, 8.0, 0.2),
    AgentClass.MOTORCYCLE: ClassMotion(1.2, 0.5, 0.25, 0.15, 0.25, 8.0, 0.5),
    AgentClass.BICYCLE: ClassMotion(0.9, 0.6, 0.25, 0.2, 0.25, 5.0, 0.5),
    AgentClass.PEDESTRIAN: ClassMotion(0.6, 1.0, 0.2, 0.2, 2.0, 2.0, 0.6),
    AgentClass.ANIMAL: ClassMotion(1.2, 1.0, 0.15, 0.15, 1.0, 3.0, 0.6),
    AgentClass.HAZARD: ClassMotion(0.1, 0.1, 0.15, 0.15, 0.5, 0.5, 0.1),
}

# Row c holds the numbers of class c in the order of ClassMotion.
_TABLE = np.array([list(vars(CLASS_MOTION[AgentClass(c)]).values()) for c in range(N_CLASSES)])
_ACCELERATION, _TURN, _ALONG, _ACROSS, _HEADING, _SPEED, _TURNING = _TABLE.T


def transition(dt: float) -> NDArray[np.float64]:
    """State transition over `dt` [s], ``[6, 6]``."""
    matrix = np.eye(STATE_DIM)
    matrix[State.X, State.VX] = matrix[State.Y, State.VY] = matrix[State.YAW, State.YAW_RATE] = dt
    return matrix


def process_noise(classes: NDArray[np.intp], dt: float) -> NDArray[np.float64]:
    """Covariance added over `dt` [s] for tracks of the given classes ``[T]``; ``[T, 6, 6]``."""
    noise = np.zeros((len(classes), STATE_DIM, STATE_DIM))
    for position, velocity, density in (
        (State.X, State.VX, _ACCELERATION[classes]),
        (State.Y, State.VY, _ACCELERATION[classes]),
        (State.YAW, State.YAW_RATE, _TURN[classes]),
    ):
        power = density**2
        noise[:, position, position] = power * dt**3 / 3
        noise[:, position, velocity] = noise[:, velocity, position] = power * dt**2 / 2
        noise[:, velocity, velocity] = power * dt
    return noise


def measurement_noise(classes: NDArray[np.intp], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariance ``[T, 3, 3]`` of measured (x, y, yaw) for detections of the given classes ``[T]`` at `yaw` ``[T]``."""
    c, s = np.cos(yaw), np.sin(yaw)
    along, across = _ALONG[classes] ** 2, _ACROSS[classes] ** 2
    noise = np.zeros((len(classes), 3, 3))
    noise[:, 0, 0] = along * c * c + across * s * s
    noise[:, 1, 1] = along * s * s + across * c * c
    noise[:, 0, 1] = noise[:, 1, 0] = (along - across) * c * s
    noise[:, 2, 2] = _HEADING[classes] ** 2
    return noise


def birth_covariance(classes: NDArray[np.intp], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """State covariance of new tracks of the given classes ``[T]`` at `yaw` ``[T]``; ``[T, 6, 6]``."""
    covariance = np.zeros((len(classes), STATE_DIM, STATE_DIM))
    covariance[:, :3, :3] = measurement_noise(classes, yaw)
    covariance[:, State.VX, State.VX] = covariance[:, State.VY, State.VY] = _SPEED[classes] ** 2
    covariance[:, State.YAW_RATE, State.YAW_RATE] = _TURNING[classes] ** 2
    return covariance


def shrunk(
    velocity: NDArray[np.float64], covariance: NDArray[np.float64], hits: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Velocities of young tracks drawn to zero as far as they are not told from it.

    Most of what is new stands or is slow, and the first differences of positions are large. The factor is that of the
    best linear estimate for a velocity whose size is that of the estimate itself; it fades with every detection.

    Args:
        velocity: ``[T, 2]`` [m/s].
        covariance: ``[T, 2, 2]``.
        hits: ``[T]`` detections so far.
    """
    squared = (velocity**2).sum(axis=1)
    noise = np.trace(covariance, axis1=1, axis2=2)
    share = noise / np.maximum(squared + noise, 1e-9) * np.maximum(1 - hits / _YOUNG, 0)
    return np.asarray(velocity * (1 - share)[:, None])
