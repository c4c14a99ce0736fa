"""What scripted road users and drivers see of the traffic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoox_stack.prediction.history import HistoryColumn


@dataclass(frozen=True, eq=False)
class TrafficView:
    """Moving vehicles at one instant; N vehicles.

    Attributes:
        time: [s] since the start of the simulation.
        ids: int64 ``[N]``, rising.
        position: float64 ``[N, 2]`` box centres [m].
        yaw: float64 ``[N]`` [rad].
        velocity: float64 ``[N, 2]`` [m/s].
        size: float64 ``[N, 2]`` length, width [m].
    """

    time: float
    ids: NDArray[np.int64]
    position: NDArray[np.float64]
    yaw: NDArray[np.float64]
    velocity: NDArray[np.float64]
    size: NDArray[np.float64]

    @cached_property
    def speed(self) -> NDArray[np.float64]:
        """float64 ``[N]`` [m/s]."""
        return np.asarray(np.hypot(self.velocity[:, 0], self.velocity[:, 1]))


@dataclass(frozen=True, eq=False)
class Obstacles:
    """What stands or moves on the road and is unknown to SUMO; H points with a radius.

    Attributes:
        position: float64 ``[H, 2]`` [m].
        velocity: float64 ``[H, 2]`` [m/s].
        radius: float64 ``[H]`` [m].
        passable: bool ``[H]``: stands at the side of the lane; drivers steer around it where there is room.
    """

    position: NDArray[np.float64]
    velocity: NDArray[np.float64]
    radius: NDArray[np.float64]
    passable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.radius)

    @classmethod
    def of(cls, rows: list[tuple[float, float, float, float, float, bool]]) -> Obstacles:
        """From rows x, y, vx, vy, radius, passable."""
        table = np.array(rows, np.float64).reshape(-1, 6)
        return cls(table[:, :2], table[:, 2:4], table[:, 4], table[:, 5] > 0)

    def and_people(self, states: NDArray[np.float64], radius: NDArray[np.float64]) -> Obstacles:
        """These and P more, whom nobody passes: states ``[P, 5]``, columns `HistoryColumn`, radius ``[P]`` [m]."""
        return Obstacles(
            np.concatenate([self.position, states[:, : HistoryColumn.YAW]]),
            np.concatenate([self.velocity, states[:, HistoryColumn.VX :]]),
            np.concatenate([self.radius, radius]),
            np.concatenate([self.passable, np.zeros(len(radius), bool)]),
        )
