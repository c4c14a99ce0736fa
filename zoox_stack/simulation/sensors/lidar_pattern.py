"""What a spinning LiDAR is like, and where and when it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.sensors.mount import EgoPose, Mount, motion

_SPREAD = 1.6  # exponent that packs the beams near the horizon
_MARGIN = 0.15  # [m] around boxes, for those that stand tilted on a slope
_SIGNS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


@dataclass(frozen=True)
class LidarConfig:
    """A LiDAR. Beams lie closer together near the horizon, as in most sensors for driving."""

    beams: int = parameter(48, "beams above one another", low=1, high=256)
    elevation_low: float = parameter(-22.0, "lowest beam", unit="deg", low=-89.0, high=-0.1)
    elevation_high: float = parameter(5.0, "highest beam", unit="deg", low=0.1, high=89.0)
    elevations: tuple[float, ...] = parameter(
        (), "elevation of every beam, instead of beams, elevation_low and elevation_high", unit="deg", low=-89.0,
        high=89.0,
    )  # fmt: skip
    azimuth_steps: int = parameter(1440, "directions per whole turn", low=8, high=8192)
    azimuth_low: float = parameter(-180.0, "right end of the field of view", unit="deg", low=-180.0, high=180.0)
    azimuth_high: float = parameter(180.0, "left end of the field of view", unit="deg", low=-180.0, high=180.0)
    rate: float = parameter(10.0, "turns per second", unit="Hz", low=1.0, high=100.0)
    rolling: bool = parameter(False, "directions are measured one after another while ego and agents move")
    range_low: float = parameter(1.5, "nearer returns are dropped", unit="m", low=0.0, high=10.0)
    range_high: float = parameter(100.0, "farther returns are dropped", unit="m", low=1.0, high=500.0)
    range_noise: float = parameter(0.02, "standard deviation of the range", unit="m", low=0.0, high=1.0)
    dropout: float = parameter(
        0.03, "share of returns lost near the sensor, growing with range; 0: none at all", low=0.0, high=1.0
    )
    glass_loss: float = parameter(0.7, "share of returns from window glass that are lost", low=0.0, high=1.0)
    intensity: str = parameter(
        "calibrated", "calibrated: by surface and angle alone; raw: falling with range too",
        choices=("calibrated", "raw"),
    )  # fmt: skip
    intensity_noise: float = parameter(0.0, "standard deviation of the intensity", low=0.0, high=64.0)

    def __post_init__(self) -> None:
        for low, high in (("elevation_low", "elevation_high"), ("azimuth_low", "azimuth_high"),
                          ("range_low", "range_high")):  # fmt: skip
            if getattr(self, low) >= getattr(self, high):
                raise ConfigurationError(
                    f"LidarConfig.{low}: expected less than {high} {getattr(self, high)}, found {getattr(self, low)}"
                )
        if self.elevations:
            usual = type(self)()
            unused = [k for k in ("beams", "elevation_low", "elevation_high") if getattr(self, k) != getattr(usual, k)]
            if unused:
                raise ConfigurationError(f"LidarConfig.elevations: expected without {unused[0]}, found both")
            if len(set(self.elevations)) < len(self.elevations):
                raise ConfigurationError(
                    f"LidarConfig.elevations: expected different ones, found {list(self.elevations)}"
                )
        if not len(_azimuths(self)):
            expected, found = f"a direction in {self.azimuth_low} .. {self.azimuth_high} deg", self.azimuth_steps
            raise ConfigurationError(f"LidarConfig.azimuth_steps: expected {expected}, found none of {found}")


@dataclass(frozen=True)
class LidarSensor:
    """A LiDAR on the vehicle; its name is that of its frame."""

    name: str
    mount: Mount
    config: LidarConfig


@dataclass(frozen=True, eq=False)
class LidarPattern:
    """Directions and times of one turn. B beams, A azimuths; R = B * A rays, beam after beam.

    Attributes:
        sensor: Whose.
        elevation: float64 ``[B]`` [rad], rising, sensor frame.
        azimuth: float64 ``[A]`` [rad], rising, sensor frame.
        time_offset: float32 ``[A]`` [s], <= 0; all zero unless rolling.
        column: int32 ``[R]`` azimuth of each ray, a row of `azimuth`.
        directions: float32 ``[R, 3]`` unit vectors, sensor frame.
        in_base: float32 ``[R, 3]`` the same in base_link of the time of measurement.
    """

    sensor: LidarSensor
    elevation: NDArray[np.float64]
    azimuth: NDArray[np.float64]
    time_offset: NDArray[np.float32]
    column: NDArray[np.int32]
    directions: NDArray[np.float32]
    in_base: NDArray[np.float32]

    @classmethod
    def of(cls, sensor: LidarSensor) -> LidarPattern:
        """The pattern of a sensor."""
        config = sensor.config
        azimuth = _azimuths(config)
        elevation = np.deg2rad(np.sort(_elevations(config)))
        e, a = np.meshgrid(elevation, azimuth, indexing="ij")
        directions = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1).reshape(-1, 3)
        turn = _time_at(config, azimuth) if config.rolling else np.zeros(len(azimuth))
        return cls(
            sensor,
            elevation,
            azimuth,
            turn.astype(np.float32),
            np.tile(np.arange(len(azimuth), dtype=np.int32), len(elevation)),
            directions.astype(np.float32),
            (directions @ sensor.mount.rotation.T).astype(np.float32),
        )

    def rays(self, ego: EgoState) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Origins [m] and directions ``[R, 3]`` in base_link of the stamp; an origin for each azimuth, or one for all.

        Returns:
            Origins ``[A, 3]`` if the sensor is rolling, else ``[1, 3]``, and directions.
        """
        if not self.sensor.config.rolling:
            return np.reshape(self.sensor.mount.position, (1, 3)), self.in_base
        moved, turned = motion(ego, self.time_offset)
        c, s = np.cos(turned), np.sin(turned)
        x, y, z = self.sensor.mount.position
        origins = np.stack([moved[:, 0] + c * x - s * y, moved[:, 1] + s * x + c * y, np.full(len(c), z)], axis=1)
        c, s = c.astype(np.float32), s.astype(np.float32)
        old = self.in_base.reshape(len(self.elevation), -1, 3)
        directions = old.copy()
        directions[..., 0] = c * old[..., 0] - s * old[..., 1]
        directions[..., 1] = s * old[..., 0] + c * old[..., 1]
        return origins, directions.reshape(-1, 3)

    def towards(
        self, agents: TrackedAgents, ego: EgoState, pose: EgoPose, depth: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Who can be hit, when, and by which rays.

        Args:
            agents: Everyone.
            ego: Carries the sensor.
            pose: The ego's pose at the stamp.
            depth: ``[R]`` [m] distance of the scenery; who is wholly behind it is left out.

        Returns:
            Rows ``[n]``, the time offset ``[n]`` [s] at which the beam passes each, rays that may hit any of them.
        """
        config = self.sensor.config
        reach = np.linalg.norm(agents.size, axis=1) / 2 + config.range_high + abs(ego.speed)
        rows = np.flatnonzero(np.hypot(*(agents.position[:, :2] - pose.position[:2]).T) < reach)
        dt = np.zeros(len(rows))
        corners = self._corners(agents, rows, dt, ego, pose)
        if config.rolling:
            for _ in range(3):  # the time moves the agent, and the agent's place the time
                middle = corners.mean(axis=1)
                dt = _time_at(config, np.arctan2(middle[:, 1], middle[:, 0]))
                corners = self._corners(agents, rows, dt, ego, pose)
        image = depth.reshape(len(self.elevation), -1)
        chosen = np.zeros(image.shape, bool)
        seen = np.zeros(len(rows), bool)
        for i, (beams, columns, nearest) in enumerate(self._windows(corners)):
            for part in columns:
                free = image[beams, part] > nearest
                chosen[beams, part] |= free
                seen[i] |= free.any()
        return rows[seen], dt[seen], np.flatnonzero(chosen)

    def _windows(self, corners: NDArray[np.float64]) -> list[tuple[slice, list[slice], float]]:
        """Beams and azimuths that can meet boxes, and the least distance of each box [m].

        Args:
            corners: ``[n, 8, 3]`` [m], frame of the sensor.
        """
        middle = corners[..., :2].mean(axis=1)
        radius = np.hypot(*(corners[..., :2] - middle[:, None]).T).max(axis=0)
        across = np.hypot(*middle.T)
        # everything lies beyond the corner that is nearest along any one direction: try the middle and the four sides
        sides = np.stack(
            [middle, *(sign * (corners[:, step, :2] - corners[:, 0, :2]) for step in (2, 4) for sign in (-1, 1))]
        )
        sides /= np.maximum(np.linalg.norm(sides, axis=-1, keepdims=True), 1e-9)
        gap = np.einsum("sni,nci->snc", sides, corners[..., :2]).min(axis=2).max(axis=0)
        near, far = np.maximum(gap, 0.05), across + radius
        low, high = corners[..., 2].min(axis=1), corners[..., 2].max(axis=1)
        first = np.searchsorted(self.elevation, np.arctan2(low, np.where(low < 0, near, far)) - 1e-6)
        last = np.searchsorted(self.elevation, np.arctan2(high, np.where(high > 0, near, far)) + 1e-6)
        direction = np.arctan2(middle[:, 1], middle[:, 0])
        spread = np.asarray(wrap_angle(np.arctan2(corners[..., 1], corners[..., 0]) - direction[:, None]))
        around = gap <= 0  # the sensor is over the box: no side is safe
        left = direction + (np.where(around, np.pi, spread.max(axis=1)) + 1e-6)
        right = direction - (np.where(around, np.pi, -spread.min(axis=1)) + 1e-6)
        windows = []
        for i in range(len(corners)):
            columns = []
            for turn in (-2 * np.pi, 0.0, 2 * np.pi):  # across the seam a window is in two parts
                a, b = np.searchsorted(self.azimuth, (right[i] + turn, left[i] + turn))
                if b > a:
                    columns.append(slice(int(a), int(b)))
            windows.append((slice(int(first[i]), int(last[i])), columns, float(gap[i])))
        return windows

    def _corners(
        self, agents: TrackedAgents, rows: NDArray[np.int64], dt: NDArray[np.float64], ego: EgoState, pose: EgoPose
    ) -> NDArray[np.float64]:
        """Corners a little outside the boxes of agents at times `dt`, frame of the sensor then ``[n, 8, 3]`` [m]."""
        half = agents.size[rows] / 2 + _MARGIN
        yaw = agents.yaw[rows] + agents.yaw_rate[rows] * dt
        local = _SIGNS * half[:, None, :]
        c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        position = agents.position[rows].copy()
        position[:, :2] += agents.velocity[rows] * dt[:, None]
        corners = position[:, None] + np.stack(
            [c * local[..., 0] - s * local[..., 1], s * local[..., 0] + c * local[..., 1], local[..., 2]], axis=-1
        )
        moved, turned = motion(ego, dt)
        base = pose.to_base(corners)
        base[..., :2] -= moved[:, None]
        c, s = np.cos(turned)[:, None], np.sin(turned)[:, None]
        base = np.stack([c * base[..., 0] + s * base[..., 1], c * base[..., 1] - s * base[..., 0], base[..., 2]], -1)
        return np.asarray((base - self.sensor.mount.position) @ self.sensor.mount.rotation)


def _time_at(config: LidarConfig, azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """When the beam of a rolling sensor looks into a direction: the turn ends behind the sensor, at the stamp [s]."""
    return np.asarray((wrap_angle(azimuth) - np.pi) / (2 * np.pi) / config.rate)


def _azimuths(config: LidarConfig) -> NDArray[np.float64]:
    """Directions in the field of view, rising [rad]."""
    azimuth = -np.pi + np.arange(config.azimuth_steps) * 2 * np.pi / config.azimuth_steps
    low, high = np.deg2rad([config.azimuth_low, config.azimuth_high])
    return np.asarray(azimuth[(azimuth >= low - 1e-9) & (azimuth <= high + 1e-9)])


def _elevations(config: LidarConfig) -> NDArray[np.float64]:
    """Elevation of every beam [deg]."""
    if config.elevations:
        return np.array(config.elevations, float)
    share = config.elevation_high / (config.elevation_high - config.elevation_low)
    u = np.linspace(-((1 - share) ** (1 / _SPREAD)), share ** (1 / _SPREAD), config.beams)
    return np.asarray(np.sign(u) * np.abs(u) ** _SPREAD * (config.elevation_high - config.elevation_low))
