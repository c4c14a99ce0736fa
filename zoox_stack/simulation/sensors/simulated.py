"""All sensors of the simulated vehicle in one call per tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.sensors import CameraDetections, RadarScan
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.sensors.camera import Cameras
from zoox_stack.simulation.sensors.lidar import LidarScan, MountedLidars
from zoox_stack.simulation.sensors.odometry import OdometryNoise
from zoox_stack.simulation.sensors.radar import Radars
from zoox_stack.simulation.sensors.ray_world import RayWorld
from zoox_stack.simulation.sensors.rig import SensorRig
from zoox_stack.simulation.terrain import Terrain

_EARLY_NS = 1_000_000  # a sensor may be due this much early, for stamps that are not exact


@dataclass(frozen=True, eq=False)
class SensorFrame:
    """What the sensors measured at one tick.

    Attributes:
        lidar: Of the LiDARs that ended a turn; None if none did.
        radar: Of the radars that measured; None if none did.
        cameras: One for each camera that took a picture.
        ego: Odometry with its error.
        truth: The scene without any error, on the ground of the terrain; `truth.ego` is the true ego.
    """

    lidar: LidarScan | None
    radar: RadarScan | None
    cameras: tuple[CameraDetections, ...]
    ego: EgoState
    truth: TrackedAgents


class SimulatedSensors:
    """The sensors of a vehicle in a place.

    Noise depends on the seed and the stamp; only the error of the odometry, and which sensors are due, depend on the
    ticks before. That of radars and cameras is each road user's own, whoever else is there.
    Agents are where they are at the stamp; only a LiDAR with `rolling` looks at the time before.

    Args:
        rig: Which sensors there are.
        network: The place; its scenery is made from it.
        seed: Of scenery and noise.
        terrain: The ground; flat if None.

    Raises:
        ConfigurationError: Open3D is not installed.
    """

    def __init__(self, rig: SensorRig, network: RoadNetwork, seed: int = 0, terrain: Terrain | None = None) -> None:
        self.rig = rig
        self.world = RayWorld(network, seed, terrain)
        self._lidars = MountedLidars(self.world, rig.lidars, seed)
        first_radar = len(rig.lidars)
        self._radars = Radars(rig.radars, range(first_radar, first_radar + len(rig.radars)), seed)
        self._cameras = Cameras(rig.cameras, seed)
        self._odometry = OdometryNoise(rig.odometry, seed)
        self._begun: dict[str, tuple[int, int]] = {}  # first stamp and number of the next turn
        self._stamp_ns = 0

    def observe(self, agents: TrackedAgents) -> SensorFrame:
        """Measure. A sensor measures at the first tick, and then at the first tick after each period has passed.

        With 10 ticks per second a sensor of 4 Hz measures at 0, 0.3, 0.5, 0.8, 1.0 s.

        Args:
            agents: Everyone with the true ego, in a flat world (feet and base_link at z = 0); the terrain lifts them.

        Raises:
            ConfigurationError: The scene has no ego.
        """
        truth = self.world.terrain.lifted(agents)
        ego = truth.ego
        if ego is None:
            raise ConfigurationError("SimulatedSensors.observe: expected a scene with an ego, found none")
        stamp_ns = agents.stamp_ns
        if stamp_ns < self._stamp_ns:
            self._begun.clear()
        self._stamp_ns = stamp_ns
        turning, measuring, taking = (
            self._due([(sensor.name, sensor.config.rate) for sensor in sensors], stamp_ns)
            for sensors in (self.rig.lidars, self.rig.radars, self.rig.cameras)
        )
        radar: RadarScan | None = None
        pictures: tuple[CameraDetections, ...] = ()
        if measuring or taking:
            ranges = [self.rig.radars[number].config.range_high for number in measuring]
            ranges += [self.rig.cameras[number].config.range_high for number in taking]
            gap = np.hypot(*(truth.position[:, :2] - [ego.x, ego.y]).T)
            near = np.flatnonzero(gap < max(ranges) + np.linalg.norm(truth.size, axis=1))
            around = truth.take(near)
            scene = self.world.with_agents(around, np.arange(len(around)))
            radar = self._radars.scan(around, scene, measuring) if measuring else None
            pictures = self._cameras.detect(around, scene, taking)
        return SensorFrame(
            lidar=self._lidars.scan(truth, turning) if turning else None,
            radar=radar,
            cameras=pictures,
            ego=self._odometry.observe(ego),
            truth=truth,
        )

    def _due(self, sensors: Sequence[tuple[str, float]], stamp_ns: int) -> list[int]:
        """Rows of the sensors (name, rate [Hz]) that measure at this stamp."""
        due = []
        for row, (name, rate) in enumerate(sensors):
            first, number = self._begun.get(name, (stamp_ns, 0))
            since = stamp_ns - first + _EARLY_NS
            if since >= round(number * 1e9 / rate):
                due.append(row)
                self._begun[name] = first, int(since * rate / 1e9) + 1  # what was missed is not made up for
        return due
