"""The world as rays see it: the scenery of a place, and road users who come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.meshes import Mesh
from zoox_stack.simulation.scenery import make_scenery
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
        self._around: dict[float, tuple[NDArray[np.float64], RayCaster]] = {}  # by reach
        self._scenery_around(middle, _TILE)  # a missing Open3D shows now, not in the first scene

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

    def cast_at_scenery(self, rays: NDArray[np.float32], place: ArrayLike, reach: float) -> Hits:
        """What rays meet in a world without road users.

        Args:
            rays: ``[R, 6]`` of `rays`.
            place: ``[2]`` [m], map frame: where the rays start, about.
            reach: [m]; scenery beyond is left out.
        """
        hits = self._scenery_around(np.asarray(place, float), reach).cast(rays)
        if self._flat:
            ground = _fall(rays)
            nearer = np.flatnonzero(ground < hits.distance)
            hits.distance[nearer] = ground.take(nearer)
            hits.normals[nearer] = (0.0, 0.0, 1.0)
            hits.reflectivity[nearer] = self._asphalt
        return hits

    def _scenery_around(self, place: NDArray[np.float64], reach: float) -> RayCaster:
        """The part of the scenery that lies around a place: the fewer triangles, the faster the search."""
        tile = np.round((place - self.origin[:2]) / _TILE) * _TILE
        known = self._around.get(reach)
        if known is not None and (known[0] == tile).all():
            return known[1]
        far = reach + _TILE
        near = ((self._low < tile + far) & (self._high > tile - far)).all(axis=1)
        part = Mesh(self._mesh.vertices, self._mesh.triangles[near], self._mesh.reflectivity[near])
        self._around[reach] = (tile, RayCaster(part))
        return self._around[reach][1]

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
