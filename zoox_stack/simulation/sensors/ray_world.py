"""The world as rays see it: the scenery of a place, and road users who come and go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.meshes import Mesh
from zoox_stack.simulation.scenery import make_scenery
from zoox_stack.simulation.sensors.open_ground import OpenGround
from zoox_stack.simulation.sensors.ray_caster import Hits, RayCaster
from zoox_stack.simulation.sensors.road_users import RoadUsers
from zoox_stack.simulation.terrain import Terrain

_TILE = 25.0  # [m] the ego drives before the scenery around it is gathered again


class RayWorld:
    """A place with its scenery, ready for rays. Flat ground is a formula, ground with hills a mesh.

    Args:
        network: The map; sidewalks, buildings, poles, lights and trees are made from it.
        seed: Of the scenery.
        terrain: The ground; flat if None.

    Raises:
        ConfigurationError: Open3D is not installed.
    """

    def __init__(self, network: RoadNetwork, seed: int = 0, terrain: Terrain | None = None) -> None:
        self.terrain = terrain or Terrain()
        points = network.centre_lines.values[:, :2]
        middle = np.round((points.min(axis=0) + points.max(axis=0)) / 2) if len(points) else np.zeros(2)
        self.origin: NDArray[np.float64] = np.append(middle, 0.0)  # 32-bit coordinates are exact near it only
        scenery = make_scenery(network, seed, self.terrain, self.origin)
        self._flat = self.terrain.amplitude == 0
        self._asphalt = scenery.ground.reflectivity[0]
        self._mesh = scenery.standing if self._flat else scenery.whole
        corners = self._mesh.vertices[self._mesh.triangles]
        self._low, self._high = corners[:, :, :2].min(axis=1), corners[:, :, :2].max(axis=1)
        self._around: dict[float, _Surroundings] = {}  # by reach
        self._surroundings(middle, _TILE)  # a missing Open3D shows now, not in the first scene

    def rays(
        self, origins: NDArray[Any], directions: NDArray[Any], rotation: NDArray[np.float64] | None = None
    ) -> NDArray[np.float32]:
        """Rays ``[R, 6]`` as the ray caster takes them.

        Args:
            origins: float64 ``[A, 3]`` [m], map frame; for every A rays in turn.
            directions: ``[R, 3]`` unit vectors; R is a multiple of A.
            rotation: ``[3, 3]`` from the axes of `directions` to those of the map; the same axes if None.
        """
        rays = np.empty((len(directions), 6), np.float32)
        turn = (np.eye(3) if rotation is None else rotation).astype(np.float32)
        start = (origins - self.origin).astype(np.float32)
        for axis in range(3):  # column by column: several times faster than rows of three
            rays[:, axis].reshape(-1, len(start))[:] = start[:, axis]
            used = np.flatnonzero(turn[axis])
            column = directions[:, used[0]] * turn[axis, used[0]]
            for other in used[1:]:
                column += directions[:, other] * turn[axis, other]
            rays[:, 3 + axis] = column
        return rays

    def cast_at_scenery(
        self, rays: NDArray[np.float32], place: ArrayLike, reach: float, spread: NDArray[np.float32] | None = None
    ) -> Hits:
        """What rays meet in a world without road users.

        Args:
            rays: ``[R, 6]`` of `rays`.
            place: ``[2]`` [m], map frame: where the rays start, about.
            reach: [m]; scenery beyond is left out.
            spread: ``[A]`` [rad] for rays in fans, R a multiple of A and one ray of every fan in turn: no ray of a fan
                that looks down is farther in azimuth from the first ray of its fan. Open ground is then not cast at.
        """
        around = self._surroundings(np.asarray(place, float), reach)
        if not self._flat:
            return around.caster.cast(rays)
        ground = _fall(rays)
        if spread is None:
            hits, which = around.caster.cast(rays), np.flatnonzero(np.isfinite(ground))
            which = which[ground.take(which) < hits.distance.take(which)]
            hits.distance[which] = ground.take(which)
            hits.normals[which] = (0.0, 0.0, 1.0)
            hits.reflectivity[which] = self._asphalt
            return hits
        first = rays[: len(spread)]
        free = around.open_ground.reach(first[:, :2], np.arctan2(first[:, 4], first[:, 3]), spread)
        doubtful = np.flatnonzero(ground.reshape(-1, len(spread)) >= free)
        found = around.caster.cast(rays.take(doubtful, axis=0))
        closer = np.flatnonzero(found.distance < ground.take(doubtful))
        which = doubtful.take(closer)
        normals = np.zeros((len(rays), 3), np.float32)
        normals[:, 2] = 1
        normals[which] = found.normals.take(closer, axis=0)
        reflectivity = np.full(len(rays), self._asphalt, np.float32)
        reflectivity[which] = found.reflectivity.take(closer)
        ground[which] = found.distance.take(closer)
        return Hits(ground, normals, reflectivity, np.full(len(rays), -1, np.int32))

    def _surroundings(self, place: NDArray[np.float64], reach: float) -> _Surroundings:
        """The part of the scenery that lies around a place: the fewer triangles, the faster the search."""
        tile = np.round((place - self.origin[:2]) / _TILE) * _TILE
        known = self._around.get(reach)
        if known is not None and (known.tile == tile).all():
            return known
        far = reach + _TILE
        near = ((self._low < tile + far) & (self._high > tile - far)).all(axis=1)
        part = Mesh(self._mesh.vertices, self._mesh.triangles[near], self._mesh.reflectivity[near])
        self._around[reach] = _Surroundings(tile, far, part, RayCaster(part))
        return self._around[reach]

    def with_agents(
        self, agents: TrackedAgents, rows: NDArray[np.int64], time_offset: NDArray[np.float64] | None = None
    ) -> AgentScene:
        """Some road users as rays see them.

        Args:
            agents: Everyone.
            rows: ``[n]`` whom to take.
            time_offset: ``[n]`` [s]: each is shown where it is this much later; now if None.
        """
        dt = np.zeros(len(rows)) if time_offset is None else time_offset
        return AgentScene(self, RoadUsers.of(agents, rows, dt, self.terrain, self.origin))


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """Scenery around a place.

    Attributes:
        tile: float64 ``[2]`` [m] the middle, frame of the mesh.
        far: Half the side of the square that is whole [m].
        mesh: All that reaches into the square.
        caster: The same for rays.
    """

    tile: NDArray[np.float64]
    far: float
    mesh: Mesh
    caster: RayCaster

    @cached_property
    def open_ground(self) -> OpenGround:
        """Where nothing stands."""
        return OpenGround(self.mesh, self.tile, self.far)


@dataclass(frozen=True, eq=False)
class AgentScene:
    """Road users at one time, without scenery. Made by `RayWorld.with_agents`."""

    world: RayWorld
    users: RoadUsers

    def cast_with_scenery(self, rays: NDArray[np.float32], place: ArrayLike, reach: float) -> Hits:
        """What rays ``[R, 6]`` meet first, road user or scenery; arguments as in `RayWorld.cast_at_scenery`."""
        hits = self.world.cast_at_scenery(rays, place, reach)
        self.users.overlay(hits, rays, self.users.passed_by(rays))
        return hits


def _fall(rays: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance ``[R]`` [m] at which rays meet the plane z = 0 from above, infinite where they do not."""
    height, down = rays[:, 2], -rays[:, 5]
    distance = np.full(len(rays), np.inf, np.float32)
    np.divide(height, down, out=distance, where=(down > 0) & (height > 0))
    return distance
