"""A spinning LiDAR rendered with Open3D's ray caster.

Agents are simple meshes (`zoox_stack.simulation.meshes`) among the scenery of the road network. A sweep is taken at one
instant: it is what a real sweep is after motion compensation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.geometry import to_local, wrap_angle
from zoox_stack.core.parameters import parameter
from zoox_stack.core.sensors import PointCloud
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.meshes import agent_mesh
from zoox_stack.simulation.scenery import make_scenery

_SPREAD = 1.6  # exponent that packs the beams near the horizon
_REFLECTIVITY = {AgentClass.PEDESTRIAN: 0.35, AgentClass.BICYCLE: 0.4, AgentClass.TRUCK: 0.55, AgentClass.BUS: 0.55}


@dataclass(frozen=True)
class LidarConfig:
    """The sensor. Beams lie closer together near the horizon, as in most sensors for driving."""

    beams: int = parameter(48, "beams above one another", low=1, high=256)
    elevation_low: float = parameter(-22.0, "lowest beam", unit="deg", low=-89.0, high=-0.1)
    elevation_high: float = parameter(5.0, "highest beam", unit="deg", low=0.1, high=89.0)
    azimuth_steps: int = parameter(1440, "directions per turn", low=8, high=8192)
    height: float = parameter(1.9, "sensor above base_link", unit="m", low=0.1, high=6.0)
    forward: float = parameter(1.2, "sensor ahead of base_link", unit="m", low=-10.0, high=10.0)
    range_low: float = parameter(1.5, "nearer returns are dropped", unit="m", low=0.0, high=10.0)
    range_high: float = parameter(100.0, "farther returns are dropped", unit="m", low=1.0, high=500.0)
    range_noise: float = parameter(0.02, "standard deviation of the range", unit="m", low=0.0, high=1.0)
    dropout: float = parameter(
        0.03, "share of returns lost near the sensor, growing with range; 0: none at all", low=0.0, high=1.0
    )
    agent_range: float = parameter(90.0, "agents farther away are not drawn", unit="m", low=1.0, high=500.0)
    seed: int = parameter(0, "of noise and scenery", low=0, high=2**31 - 1)


@dataclass(frozen=True, eq=False)
class LidarSweep:
    """A sweep and what it hit.

    Attributes:
        cloud: The points, base_link.
        hits: int64 ``[N]`` points on each agent of the scene.
    """

    cloud: PointCloud
    hits: NDArray[np.int64]


class LidarWorld:
    """A place with its scenery, ready to be scanned.

    Args:
        network: The map; sidewalks, buildings, poles and trees are made from it.
        config: The sensor.

    Raises:
        ConfigurationError: Open3D is not installed.
    """

    def __init__(self, network: RoadNetwork, config: LidarConfig | None = None) -> None:
        self.config = config or LidarConfig()
        try:
            import open3d
        except ImportError as error:
            raise ConfigurationError("Open3D is not installed: pip install open3d-cpu") from error
        self._o3d: Any = open3d
        self._tensor: Any = open3d.core.Tensor
        self._directions = _directions(self.config)
        parts = make_scenery(network, self.config.seed).parts
        self._static = self._scene([(mesh.vertices, mesh.triangles) for mesh, _ in parts])
        self._static_reflectivity = np.array([value for _, value in parts], np.float32)
        self._meshes: dict[tuple[int, float, float, float], Any] = {}

    def _scene(self, meshes: list[tuple[NDArray[np.float32], NDArray[np.uint32]]]) -> Any:
        scene = self._o3d.t.geometry.RaycastingScene()
        for vertices, triangles in meshes:
            scene.add_triangles(self._tensor(vertices), self._tensor(triangles))
        return scene

    def sweep(self, agents: TrackedAgents) -> LidarSweep:
        """Scan a scene from its ego. The ego itself is not drawn.

        Args:
            agents: Who is there, map frame; `agents.ego` carries the sensor.

        Raises:
            ConfigurationError: The scene has no ego.
        """
        ego, config = agents.ego, self.config
        if ego is None:
            raise ConfigurationError("LidarWorld.sweep: expected a scene with an ego, found none")
        rays = self._rays(ego)
        distance, reflectivity, normals = self._cast(self._static, rays, self._static_reflectivity)
        struck = np.full(len(rays), -1)  # row of the agent hit
        near = np.flatnonzero(np.hypot(*(agents.position[:, :2] - [ego.x, ego.y]).T) < config.agent_range)
        if len(near):
            scene = self._scene([self._placed(agents, row) for row in near.tolist()])
            values = np.array([_REFLECTIVITY.get(AgentClass(agents.classes[r]), 0.5) for r in near], np.float32)
            towards = self._towards(agents, ego, near)
            hit, value, normal, which = self._cast_ids(scene, rays[towards], values)
            closer = hit < distance[towards]
            changed = towards[closer]
            distance[changed], reflectivity[changed] = hit[closer], value[closer]
            normals[changed] = normal[closer]
            struck[changed] = near[which[closer]]
        return self._measure(agents, distance, reflectivity, normals, struck, rays[:, 3:])

    def _towards(self, agents: TrackedAgents, ego: EgoState, near: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rays whose azimuth could meet one of the agents in rows `near`."""
        steps = self.config.azimuth_steps
        local = to_local(agents.position[near, :2], [ego.x, ego.y], ego.yaw) - [self.config.forward, 0.0]
        distance = np.hypot(local[:, 0], local[:, 1])
        radius = np.hypot(agents.size[near, 0], agents.size[near, 1]) / 2 + 0.05
        half = np.where(distance > radius, np.arcsin(np.minimum(radius / np.maximum(distance, 1e-3), 1.0)), np.pi)
        azimuth = np.arange(steps) * 2 * np.pi / steps
        away = np.abs(wrap_angle(azimuth[None] - np.arctan2(local[:, 1], local[:, 0])[:, None]))
        columns = np.flatnonzero((away <= half[:, None]).any(axis=0))
        return np.asarray((np.arange(self.config.beams)[:, None] * steps + columns).ravel())

    def _rays(self, ego: EgoState) -> NDArray[np.float32]:
        c, s = np.cos(ego.yaw), np.sin(ego.yaw)
        rays = np.empty((len(self._directions), 6), np.float32)
        rays[:, :3] = (ego.x + c * self.config.forward, ego.y + s * self.config.forward, ego.z + self.config.height)
        rays[:, 3] = c * self._directions[:, 0] - s * self._directions[:, 1]
        rays[:, 4] = s * self._directions[:, 0] + c * self._directions[:, 1]
        rays[:, 5] = self._directions[:, 2]
        return rays

    def _placed(self, agents: TrackedAgents, row: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
        length, width, height = (float(v) for v in agents.size[row])
        key = (int(agents.classes[row]), length, width, height)
        if key not in self._meshes:
            self._meshes[key] = agent_mesh(AgentClass(key[0]), length, width, height)
        x, y, z = agents.position[row]
        mesh = self._meshes[key].placed(float(x), float(y), float(agents.yaw[row]), float(z) - height / 2)
        return mesh.vertices, mesh.triangles

    def _cast(
        self, scene: Any, rays: NDArray[np.float32], values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        return self._cast_ids(scene, rays, values)[:3]

    def _cast_ids(
        self, scene: Any, rays: NDArray[np.float32], values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Distance, reflectivity and normal of the first hit of every ray, and the row of the mesh."""
        answer = scene.cast_rays(self._tensor(rays))
        distance = answer["t_hit"].numpy().copy()
        which = np.where(np.isfinite(distance), answer["geometry_ids"].numpy(), 0).astype(np.int64)
        return distance, values[which], answer["primitive_normals"].numpy().copy(), which

    def _measure(
        self,
        agents: TrackedAgents,
        distance: NDArray[np.float32],
        reflectivity: NDArray[np.float32],
        normals: NDArray[np.float32],
        struck: NDArray[np.int64],
        directions: NDArray[np.float32],
    ) -> LidarSweep:
        config = self.config
        random = np.random.default_rng([config.seed, agents.stamp_ns & 0xFFFFFFFF, agents.stamp_ns >> 32])
        rows = np.flatnonzero((distance > config.range_low) & (distance < config.range_high))
        lost = config.dropout + 0.4 * np.square(distance[rows] / np.float32(config.range_high))
        rows = rows[random.random(len(rows), np.float32) >= lost * (config.dropout > 0)]
        measured = distance[rows] + random.standard_normal(len(rows), np.float32) * np.float32(config.range_noise)
        xyz = self._directions[rows] * measured[:, None]
        xyz += np.array([config.forward, 0, config.height], np.float32)
        facing = np.abs((normals[rows] * directions[rows]).sum(axis=1))
        intensity = 255 * reflectivity[rows] * (0.3 + 0.7 * facing)
        hits = np.bincount(struck[rows][struck[rows] >= 0], minlength=len(agents))
        return LidarSweep(PointCloud(agents.stamp_ns, xyz, intensity), hits)


def _directions(config: LidarConfig) -> NDArray[np.float32]:
    """Unit vectors of all rays in the sensor's frame ``[beams * azimuth_steps, 3]``."""
    share = config.elevation_high / (config.elevation_high - config.elevation_low)
    u = np.linspace(-((1 - share) ** (1 / _SPREAD)), share ** (1 / _SPREAD), config.beams)
    span = config.elevation_high - config.elevation_low
    elevation = np.deg2rad(np.sign(u) * np.abs(u) ** _SPREAD * span)
    azimuth = np.arange(config.azimuth_steps) * 2 * np.pi / config.azimuth_steps
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    rays = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1)
    return np.asarray(rays.reshape(-1, 3), np.float32)
