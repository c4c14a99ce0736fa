"""Spinning LiDARs.

A sensor turns once per sweep. With `rolling`, each direction is measured at its own time: the sensor moves with the
ego (exactly, for a constant twist), and every agent stands where it is when the beam passes its middle; one that lies
across the seam of the turn, behind the sensor, is shown once. The turn ends at the stamp of the scene. Without
`rolling` everything is measured at the stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.sensors import PointCloud
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.meshes import GLASS
from zoox_stack.simulation.sensors.lidar_pattern import LidarConfig, LidarPattern, LidarSensor
from zoox_stack.simulation.sensors.mount import EgoPose, Mount
from zoox_stack.simulation.sensors.ray_world import AgentScene, Hits, RayWorld
from zoox_stack.simulation.sensors.seeds import NoiseBank, generator

_RAW_RANGE = 15.0  # [m] from here on raw intensity falls with the square of the range
_FAR_LOSS = 0.4  # share of returns lost at the end of the range


@dataclass(frozen=True, eq=False)
class LidarReturns:
    """What one LiDAR measured in one turn. P points.

    Attributes:
        name: Of the sensor.
        distance: float32 ``[P]`` [m] measured.
        rays: int64 ``[P]`` rows of `directions`, rising: the ray of each point.
        directions: float32 ``[R, 3]`` unit vectors of all rays of a turn, frame of the sensor.
        intensity: float32 ``[P]``, 0..255.
        time_offset: float32 ``[P]`` [s] from the stamp of the scan to the time of the point, <= 0.
        agent_rows: int32 ``[P]`` row of the agent hit, -1 for scenery.
    """

    name: str
    distance: NDArray[np.float32]
    rays: NDArray[np.int64]
    directions: NDArray[np.float32]
    intensity: NDArray[np.float32]
    time_offset: NDArray[np.float32]
    agent_rows: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.distance)

    @cached_property
    def xyz(self) -> NDArray[np.float32]:
        """Points ``[P, 3]`` [m], frame of the sensor at the time of each point."""
        return np.asarray(self.directions.take(self.rays, axis=0) * self.distance[:, None])


@dataclass(frozen=True, eq=False)
class LidarScan:
    """What all LiDARs measured in one turn. N agents, P points of all sensors together.

    Attributes:
        sensors: Each sensor by itself.
        cloud: All points, motion-compensated to the stamp, base_link; sensor after sensor.
        agent_rows: int32 ``[P]`` row of the agent hit, -1 for scenery.
        hits: int64 ``[N]`` points on each agent.
    """

    sensors: tuple[LidarReturns, ...]
    cloud: PointCloud
    agent_rows: NDArray[np.int32]
    hits: NDArray[np.int64]


class MountedLidars:
    """The LiDARs of a vehicle.

    Args:
        world: What they look at.
        sensors: Each with its own pose and parameters.
        seed: Of the noise.
    """

    def __init__(self, world: RayWorld, sensors: Sequence[LidarSensor], seed: int = 0) -> None:
        self.world, self.sensors, self.seed = world, tuple(sensors), seed
        self._patterns = [LidarPattern.of(sensor) for sensor in sensors]
        self._noise = NoiseBank(seed)

    def scan(self, agents: TrackedAgents, sensors: Sequence[int] | None = None) -> LidarScan:
        """Scan a scene from its ego, which itself is not drawn.

        Args:
            agents: Who is there, standing on the ground, map frame; `agents.ego` carries the sensors.
            sensors: Rows of the sensors that turn; all if None.

        Raises:
            ConfigurationError: The scene has no ego.
        """
        ego = agents.ego
        if ego is None:
            raise ConfigurationError("MountedLidars.scan: expected a scene with an ego, found none")
        turning = range(len(self.sensors)) if sensors is None else sensors
        pose = EgoPose.of(ego, self.world.terrain)
        shared: dict[bytes, AgentScene] = {}
        parts = [self._turn(number, agents, ego, pose, shared) for number in turning]
        xyz = np.concatenate([np.zeros((0, 3), np.float32), *(compensated for _, compensated in parts)])
        intensity = np.concatenate([np.zeros(0, np.float32), *(returns.intensity for returns, _ in parts)])
        rows = np.concatenate([np.zeros(0, np.int32), *(returns.agent_rows for returns, _ in parts)])
        return LidarScan(
            sensors=tuple(returns for returns, _ in parts),
            cloud=PointCloud(agents.stamp_ns, xyz, intensity),
            agent_rows=rows,
            hits=np.bincount(rows[rows >= 0], minlength=len(agents)),
        )

    def _turn(
        self, number: int, agents: TrackedAgents, ego: EgoState, pose: EgoPose, shared: dict[bytes, AgentScene]
    ) -> tuple[LidarReturns, NDArray[np.float32]]:
        """One turn of one sensor, and its points compensated to the stamp, base_link."""
        config, pattern = self.sensors[number].config, self._patterns[number]
        origins, directions = pattern.rays(ego)
        rays = self.world.rays(pose.to_map(origins), directions, pose.rotation)
        hits = self.world.cast_at_scenery(rays, pose.position[:2], config.range_high)
        rows, dt, which = pattern.towards(agents, ego, pose, hits.distance)
        if len(rows):
            key = rows.tobytes() + dt.tobytes()
            if key not in shared:
                shared[key] = self.world.with_agents(agents, rows, dt)
            hits = hits.overlaid(which, shared[key].cast(rays.take(which, axis=0)))
        random = generator(self.seed, agents.stamp_ns, number)
        inside = (hits.distance > config.range_low) & (hits.distance < config.range_high)
        back = np.flatnonzero(inside & _kept(config, hits, self._noise.uniform(random, len(rays))))
        distance, facing = hits.distance.take(back), hits.facing.take(back)
        column = pattern.column.take(back) if config.rolling else np.zeros(1, np.int32)
        measured = distance + self._noise.normal(random, len(back)) * np.float32(config.range_noise)
        returns = LidarReturns(
            self.sensors[number].name,
            measured,
            back,
            pattern.directions,
            _intensity(config, hits.reflectivity.take(back), facing, distance, self._noise.normal(random, len(back))),
            pattern.time_offset.take(column) if config.rolling else np.zeros(len(back), np.float32),
            hits.agent_rows.take(back),
        )
        compensated = np.empty((len(back), 3), np.float32)
        for axis in range(3):
            start = origins[:, axis].astype(np.float32)
            compensated[:, axis] = directions[:, axis].take(back) * measured + start.take(column)
        return returns, compensated


class LidarWorld(MountedLidars):
    """A place and a single LiDAR on the roof of the ego, at the default `Mount`.

    Args:
        network: The map; its scenery is made from it.
        config: The sensor.
        seed: Of noise and scenery.

    Raises:
        ConfigurationError: Open3D is not installed.
    """

    def __init__(self, network: RoadNetwork, config: LidarConfig | None = None, *, seed: int = 0) -> None:
        super().__init__(RayWorld(network, seed), [LidarSensor("lidar_roof", Mount(), config or LidarConfig())], seed)

    def sweep(self, agents: TrackedAgents) -> LidarScan:
        """One turn; as `scan`."""
        return self.scan(agents)


def _kept(config: LidarConfig, hits: Hits, chance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which returns reach the detector; `chance` is uniform from 0 to 1."""
    lost = np.full(len(chance), config.dropout, np.float32)
    if config.dropout > 0:
        lost += np.float32(_FAR_LOSS) * np.square(hits.distance / np.float32(config.range_high))
    glass = np.flatnonzero(hits.reflectivity == np.float32(GLASS))
    lost[glass] = np.maximum(lost.take(glass), np.float32(config.glass_loss))
    return np.asarray(chance >= lost)


def _intensity(
    config: LidarConfig,
    reflectivity: NDArray[np.float32],
    facing: NDArray[np.float32],
    distance: NDArray[np.float32],
    noise: NDArray[np.float32],
) -> NDArray[np.float32]:
    intensity = 255 * reflectivity * (np.float32(0.3) + np.float32(0.7) * facing)
    if config.intensity == "raw":
        intensity *= np.minimum(np.square(np.float32(_RAW_RANGE) / distance), 1)
    if config.intensity_noise > 0:
        intensity += noise * np.float32(config.intensity_noise)
        intensity = np.clip(intensity, 0, 255)
    return intensity
