"""Radars with Doppler: a few returns of every road user in sight, of the scenery, and clutter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, pdtr

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import parameter
from zoox_stack.core.sensors import RadarScan
from zoox_stack.simulation.sensors.mount import EgoPose, Mount
from zoox_stack.simulation.sensors.ray_world import AgentScene, Hits
from zoox_stack.simulation.sensors.seeds import dice_of, generator

_RCS = {
    AgentClass.CAR: 10.0, AgentClass.TRUCK: 20.0, AgentClass.BUS: 20.0, AgentClass.TRAILER: 17.0,
    AgentClass.MOTORCYCLE: 3.0, AgentClass.BICYCLE: -2.0, AgentClass.PEDESTRIAN: -6.0, AgentClass.ANIMAL: -9.0,
    AgentClass.HAZARD: -5.0,
}  # fmt: skip
_RCS_OF = np.array([_RCS.get(kind, 0.0) for kind in AgentClass])
_RCS_SPREAD = 3.0  # [dB]
_SCENERY_RCS, _CLUTTER_RCS = 5.0, -12.0  # [dBsm] mean
_STEEP = 0.7  # surfaces whose normal points up more than this do not send radar waves back
_PER_METRE = 1.5  # returns per metre of a road user's size at short range
_FADING = 40.0  # [m] over which the number of returns falls to half
_NEAREST = 0.5  # [m]
_MOST = 64  # returns of a road user
_DICE = 6  # of a return: lost, noise in azimuth, elevation, range and speed, cross section


@dataclass(frozen=True)
class RadarConfig:
    """A radar that measures range, azimuth, elevation and Doppler speed."""

    field_of_view: float = parameter(120.0, "horizontal, whole", unit="deg", low=5.0, high=180.0)
    elevation: float = parameter(20.0, "vertical field of view, whole", unit="deg", low=1.0, high=60.0)
    rate: float = parameter(10.0, "scans per second", unit="Hz", low=1.0, high=100.0)
    range_high: float = parameter(120.0, "farthest return", unit="m", low=5.0, high=300.0)
    range_noise: float = parameter(0.15, "standard deviation of the range", unit="m", low=0.0, high=5.0)
    azimuth_noise: float = parameter(0.6, "standard deviation of the azimuth", unit="deg", low=0.0, high=10.0)
    elevation_noise: float = parameter(1.0, "standard deviation of the elevation", unit="deg", low=0.0, high=10.0)
    doppler_noise: float = parameter(0.1, "standard deviation of the radial speed", unit="m/s", low=0.0, high=3.0)
    miss: float = parameter(0.1, "share of the returns of road users that are lost", low=0.0, high=1.0)
    scenery: int = parameter(60, "directions in which scenery may answer", low=0, high=2000)
    clutter: float = parameter(1.5, "returns per scan from nothing, mean", low=0.0, high=500.0)


@dataclass(frozen=True)
class RadarSensor:
    """A radar on the vehicle; its name is that of its frame."""

    name: str
    mount: Mount
    config: RadarConfig


class Radars:
    """The radars of a vehicle.

    Args:
        sensors: Each with its own pose and parameters.
        rows: Row of each in `SensorCalibration`.
        seed: Of noise, misses and clutter.
    """

    def __init__(self, sensors: Sequence[RadarSensor], rows: Sequence[int], seed: int = 0) -> None:
        self.sensors, self.rows, self.seed = tuple(sensors), tuple(rows), seed

    def scan(self, agents: TrackedAgents, scene: AgentScene, sensors: Sequence[int] | None = None) -> RadarScan:
        """All returns of the radars that measure now.

        Args:
            agents: Who is there, standing on the ground; `agents.ego` carries the sensors.
            scene: The same agents as rays see them.
            sensors: Which radars measure; all if None.

        Raises:
            ConfigurationError: The scene has no ego.
        """
        ego = agents.ego
        if ego is None:
            raise ConfigurationError("Radars.scan: expected a scene with an ego, found none")
        pose = EgoPose.of(ego, scene.world.terrain)
        chosen = range(len(self.sensors)) if sensors is None else sensors
        parts = [self._scan_one(number, agents, ego, pose, scene) for number in chosen]
        table = np.concatenate([np.zeros((0, 5)), *parts]).astype(np.float32)
        numbers = np.repeat([self.rows[number] for number in chosen], [len(part) for part in parts])
        return RadarScan(agents.stamp_ns, table[:, :3], table[:, 3], table[:, 4], numbers.astype(np.int16))

    def _scan_one(
        self, number: int, agents: TrackedAgents, ego: EgoState, pose: EgoPose, scene: AgentScene
    ) -> NDArray[np.float64]:
        """Returns of one radar ``[P, 5]``: x, y, z in base_link, radial velocity, cross section."""
        sensor = self.sensors[number]
        config, random = sensor.config, generator(self.seed, agents.stamp_ns, 1000 + number)
        # base_link moves and turns; the sensor moves with its lever arm
        lever = sensor.mount.position
        carried = np.array([ego.speed - ego.yaw_rate * lever[1], ego.lateral_velocity + ego.yaw_rate * lever[0], 0.0])
        towards, dice = _towards_agents(sensor, agents, pose, random)
        directions = np.concatenate([towards, _anywhere(config, random, config.scenery)])
        dice = np.concatenate([dice, random.random((config.scenery, _DICE))])
        in_map = directions @ (pose.rotation @ sensor.mount.rotation).T
        origin = pose.to_map(lever)
        hits = scene.cast_with_scenery(scene.world.rays(origin[None], in_map), pose.position[:2], config.range_high)
        kept = _answers(config, hits, dice[:, 0])
        rows, distance, seen = hits.agent_rows[kept], hits.distance[kept].astype(np.float64), in_map[kept]
        velocity = np.zeros((len(rows), 3))
        of_agent = rows >= 0
        velocity[of_agent] = _velocity(agents, rows[of_agent], (origin + seen * distance[:, None])[of_agent], scene)
        radial = (seen * (velocity - pose.rotation @ carried)).sum(axis=1)
        mean = np.full(len(rows), _SCENERY_RCS)
        mean[of_agent] = _RCS_OF[agents.classes[rows[of_agent]]]
        count = int(random.poisson(config.clutter))
        local = np.concatenate([directions[kept], _anywhere(config, random, count)])
        distance = np.concatenate([distance, random.uniform(_NEAREST, config.range_high, count)])
        radial = np.concatenate([radial, random.normal(0.0, 5.0, count)])
        mean = np.concatenate([mean, np.full(count, _CLUTTER_RCS)])
        noise = ndtri(np.concatenate([dice[kept, 1:], random.random((count, _DICE - 1))]))
        xyz = _measured(config, local, distance, noise[:, :3]) @ sensor.mount.rotation.T + lever
        return np.column_stack([xyz, radial + config.doppler_noise * noise[:, 3], mean + _RCS_SPREAD * noise[:, 4]])


def _towards_agents(
    sensor: RadarSensor, agents: TrackedAgents, pose: EgoPose, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions ``[D, 3]``, sensor frame, to points of boxes in the field of view, and their dice ``[D, 6]``."""
    config = sensor.config
    away = np.linalg.norm(agents.position - pose.to_map(sensor.mount.position), axis=1)
    expected = 1.0 + _PER_METRE * np.hypot(agents.size[:, 0], agents.size[:, 1]) * np.exp2(-away / _FADING)
    each = np.arange(_MOST)  # of a Poisson distribution
    rows, number = np.nonzero(pdtr(each, expected[:, None]) < dice_of(random, agents.ids, 1))
    dice = dice_of(random, agents.ids[rows].astype(np.int64) * _MOST + number, 3 + _DICE)
    offset = 0.9 * (dice[:, :3] - 0.5) * agents.size[rows]
    c, s = np.cos(agents.yaw[rows]), np.sin(agents.yaw[rows])
    point = agents.position[rows] + np.stack(
        [c * offset[:, 0] - s * offset[:, 1], s * offset[:, 0] + c * offset[:, 1], offset[:, 2]], axis=1
    )
    towards = (pose.to_base(point) - sensor.mount.position) @ sensor.mount.rotation
    length = np.linalg.norm(towards, axis=1)
    seen = np.flatnonzero(_in_view(config, towards) & (length > _NEAREST) & (length < config.range_high))
    return towards[seen] / length[seen, None], dice[seen, 3:]


def _velocity(
    agents: TrackedAgents, rows: NDArray[np.int32], points: NDArray[np.float64], scene: AgentScene
) -> NDArray[np.float64]:
    """Of points ``[P, 3]`` [m] of road users that turn and go uphill or downhill, map frame ``[P, 3]`` [m/s]."""
    lever = points[:, :2] - agents.position[rows, :2]
    level = agents.velocity[rows] + agents.yaw_rate[rows, None] * np.stack([-lever[:, 1], lever[:, 0]], axis=1)
    climb = (agents.velocity[rows] * scene.world.terrain.gradient(agents.position[rows, :2])).sum(axis=1)
    return np.column_stack([level, climb])


def _in_view(config: RadarConfig, local: NDArray[np.float64]) -> NDArray[np.bool_]:
    azimuth = np.abs(np.arctan2(local[:, 1], local[:, 0]))
    elevation = np.abs(np.arctan2(local[:, 2], np.hypot(local[:, 0], local[:, 1])))
    return (azimuth < np.deg2rad(config.field_of_view / 2)) & (elevation < np.deg2rad(config.elevation / 2))


def _anywhere(config: RadarConfig, random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Directions ``[count, 3]`` in the field of view, sensor frame."""
    half = np.deg2rad([config.field_of_view / 2, config.elevation / 2])
    azimuth, elevation = random.uniform(-half, half, (count, 2)).T
    return _unit(azimuth, elevation)


def _unit(azimuth: NDArray[np.float64], elevation: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=1
    )


def _answers(config: RadarConfig, hits: Hits, dice: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which rays come back: those that meet something upright in range and are not missed."""
    lost = dice < config.miss
    upright = (hits.agent_rows >= 0) | (hits.level < _STEEP)
    return np.flatnonzero(upright & ~lost & (hits.distance > _NEAREST) & (hits.distance < config.range_high))


def _measured(
    config: RadarConfig, directions: NDArray[np.float64], distance: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points with noise ``[P, 3]`` in azimuth, elevation and range, sensor frame ``[P, 3]`` [m]."""
    azimuth = np.arctan2(directions[:, 1], directions[:, 0]) + np.deg2rad(config.azimuth_noise) * noise[:, 0]
    elevation = np.arcsin(np.clip(directions[:, 2], -1, 1)) + np.deg2rad(config.elevation_noise) * noise[:, 1]
    away = np.maximum(distance + config.range_noise * noise[:, 2], 0.0)
    return _unit(azimuth, elevation) * away[:, None]
