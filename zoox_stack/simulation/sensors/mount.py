"""Where a sensor sits on the vehicle, and where it is while the vehicle moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.terrain import Terrain


@dataclass(frozen=True)
class Mount:
    """Pose of a sensor in base_link. Its frame: x forward, y left, z up; turned by yaw, then pitch, then roll."""

    x: float = parameter(1.2, "forward of base_link", unit="m", low=-20.0, high=20.0)
    y: float = parameter(0.0, "to the left of base_link", unit="m", low=-5.0, high=5.0)
    z: float = parameter(1.9, "above base_link", unit="m", low=0.05, high=6.0)
    roll: float = parameter(0.0, "about the forward axis, left side up", unit="deg", low=-180.0, high=180.0)
    pitch: float = parameter(0.0, "about the left axis, nose down", unit="deg", low=-90.0, high=90.0)
    yaw: float = parameter(0.0, "about the upward axis, to the left", unit="deg", low=-180.0, high=180.0)

    @cached_property
    def position(self) -> NDArray[np.float64]:
        """``[3]`` [m] in base_link."""
        return np.array([self.x, self.y, self.z])

    @cached_property
    def rotation(self) -> NDArray[np.float64]:
        """``[3, 3]`` from the sensor's frame to base_link."""
        (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in np.deg2rad([self.roll, self.pitch, self.yaw]))
        about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        return np.asarray(about_z @ about_y @ about_x)


@dataclass(frozen=True, eq=False)
class EgoPose:
    """base_link in the map, tilted as the ground is.

    Attributes:
        position: float64 ``[3]`` [m].
        rotation: float64 ``[3, 3]`` from base_link to the map frame.
    """

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @classmethod
    def of(cls, ego: EgoState, terrain: Terrain) -> EgoPose:
        """Of an ego that stands on the ground."""
        return cls(np.array([ego.x, ego.y, ego.z]), terrain.orientation((ego.x, ego.y), ego.yaw))

    def to_map(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points ``[..., 3]`` of base_link in the map frame."""
        return np.asarray(points @ self.rotation.T + self.position)

    def to_base(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points ``[..., 3]`` of the map frame in base_link."""
        return np.asarray((points - self.position) @ self.rotation)


def motion(ego: EgoState, time_offset: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the ego is a little earlier or later, seen from where it is now; speed and yaw rate constant.

    Args:
        ego: Now.
        time_offset: ``[...]`` [s].

    Returns:
        Position ``[..., 2]`` [m] in base_link of now, and the angle turned ``[...]`` [rad].
    """
    dt = np.asarray(time_offset, float)
    turned = ego.yaw_rate * dt
    along = dt * np.sinc(turned / np.pi)  # sin(turned) / yaw_rate
    across = dt * (turned / 2) * np.sinc(turned / (2 * np.pi)) ** 2  # (1 - cos(turned)) / yaw_rate
    x = ego.speed * along - ego.lateral_velocity * across
    y = ego.speed * across + ego.lateral_velocity * along
    return np.stack([x, y], axis=-1), turned
