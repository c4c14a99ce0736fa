"""The world as rays see it: the scenery of a place, and road users who come and go (Open3D's ray caster, Embree)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.agent_meshes import agent_mesh
from zoox_stack.simulation.meshes import Mesh
from zoox_stack.simulation.scenery import make_scenery
from zoox_stack.simulation.terrain import Terrain

_TILE = 25.0  # [m] the ego drives before the scenery around it is gathered again
_PHASES = 8  # leg positions per stride
_STRIDE = 0.82  # [heights] that two steps take a walker forward
_STANDING = 0.2  # [m/s]
_WALKERS = (AgentClass.PEDESTRIAN, AgentClass.ANIMAL, AgentClass.BICYCLE)


@dataclass(frozen=True, eq=False)
class Hits:
    """The first thing that each of R rays meets.

    Attributes:
        distance: float32 ``[R]`` [m], infinite where there is nothing.
        facing: float32 ``[R]`` cosine of the angle between the ray and the normal of the surface, 0..1.
        level: float32 ``[R]`` cosine of the slope of the surface, 0..1: 1 is level, 0 a wall.
        reflectivity: float32 ``[R]``, as in `Mesh`; arbitrary where there is nothing.
        agent_rows: int32 ``[R]`` row of the agent, -1 for scenery and nothing.
    """

    distance: NDArray[np.float32]
    facing: NDArray[np.float32]
    level: NDArray[np.float32]
    reflectivity: NDArray[np.float32]
    agent_rows: NDArray[np.int32]

    def overlaid(self, which: NDArray[np.int64], other: Hits) -> Hits:
        """With what is nearer in the answer to the rays `which` alone. This one is changed, not copied."""
        closer = np.flatnonzero(other.distance < self.distance.take(which))
        changed = which.take(closer)
        self.distance[changed] = other.distance.take(closer)
        self.facing[changed] = other.facing.take(closer)
        self.level[changed] = other.level.take(closer)
        self.reflectivity[changed] = other.reflectivity.take(closer)
        self.agent_rows[changed] = other.agent_rows.take(closer)
        return self


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
        try:
            import open3d
        except ImportError as error:
            raise ConfigurationError("Open3D is not installed: pip install open3d-cpu") from error
        self._o3d: Any = open3d
        self.terrain = terrain or Terrain()
        points = network.centre_lines.values[:, :2]
        middle = np.round((points.min(axis=0) + points.max(axis=0)) / 2) if len(points) else np.zeros(2)
        self.origin: NDArray[np.float64] = np.append(middle, 0.0)  # 32-bit coordinates are exact near it only
        scenery = make_scenery(network, seed, self.terrain, self.origin)
        self._flat, self._asphalt = self.terrain.amplitude == 0, scenery.ground.reflectivity[0]
        self._scenery = scenery.standing if self._flat else scenery.whole
        corners = self._scenery.vertices[self._scenery.triangles]
        self._low, self._high = corners[:, :, :2].min(axis=1), corners[:, :, :2].max(axis=1)
        self._around: dict[float, tuple[NDArray[np.float64], Any, NDArray[np.float32]]] = {}  # by reach

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
        scene, reflectivity = self._scene_around(np.asarray(place, float), reach)
        hits, triangle = self.cast_at(scene, rays)
        seen = reflectivity.take(triangle, mode="clip") if len(reflectivity) else np.zeros(len(rays), np.float32)
        if self._flat:
            ground = _fall(rays)
            nearer = np.flatnonzero(ground < hits.distance)
            np.minimum(hits.distance, ground, out=hits.distance)
            hits.facing[nearer] = -rays[:, 5].take(nearer)
            hits.level[nearer] = 1.0
            seen[nearer] = self._asphalt
        return replace(hits, reflectivity=seen)

    def _scene_around(self, place: NDArray[np.float64], reach: float) -> tuple[Any, NDArray[np.float32]]:
        """The part of the scenery that lies around a place: the fewer triangles, the faster the search."""
        tile = np.round((place - self.origin[:2]) / _TILE) * _TILE
        known = self._around.get(reach)
        if known is not None and (known[0] == tile).all():
            return known[1:]
        far = reach + _TILE / 2
        near = ((self._low < tile + far) & (self._high > tile - far)).all(axis=1)
        scene = self._scene(self._scenery.vertices, self._scenery.triangles[near])
        self._around[reach] = (tile, scene, self._scenery.reflectivity[near])
        return self._around[reach][1:]

    def _scene(self, vertices: NDArray[np.float32], triangles: NDArray[np.uint32]) -> Any:
        scene = self._o3d.t.geometry.RaycastingScene()
        if len(triangles):
            tensor = self._o3d.core.Tensor
            scene.add_triangles(tensor(np.ascontiguousarray(vertices)), tensor(np.ascontiguousarray(triangles)))
        return scene

    def cast_at(self, scene: Any, rays: NDArray[np.float32]) -> tuple[Hits, NDArray[np.uint32]]:
        """Hits of rays ``[R, 6]`` in an Open3D scene without reflectivity and agents, and the triangles hit ``[R]``."""
        answer = scene.cast_rays(self._o3d.core.Tensor(rays))
        nothing = np.zeros(0, np.float32)
        nobody = np.full(len(rays), -1, np.int32)
        normals = answer["primitive_normals"].numpy()
        facing = normals[:, 0] * rays[:, 3]
        for axis in (1, 2):  # column by column: several times faster than rows of three
            facing += normals[:, axis] * rays[:, 3 + axis]
        hits = Hits(answer["t_hit"].numpy(), np.abs(facing, out=facing), np.abs(normals[:, 2]), nothing, nobody)
        return hits, answer["primitive_ids"].numpy()

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
        position = agents.position[rows].copy()
        position[:, :2] += agents.velocity[rows] * dt[:, None]
        yaw = agents.yaw[rows] + agents.yaw_rate[rows] * dt
        meshes = [self._mesh_of(agents, row) for row in rows.tolist()]
        counts = [len(m.vertices) for m in meshes]
        turn = self.terrain.orientation(position[:, :2], yaw)
        foot = position - turn[:, :, 2] * agents.size[rows, 2:] / 2 - self.origin
        local = np.concatenate([np.zeros((0, 3), np.float32), *(m.vertices for m in meshes)])
        placed = np.repeat(foot.astype(np.float32), counts, axis=0)
        for column in range(3):
            placed += np.repeat(turn[:, :, column].astype(np.float32), counts, axis=0) * local[:, column, None]
        starts = np.cumsum([0, *counts])[:-1].astype(np.uint32)
        faces = [len(m.triangles) for m in meshes]
        triangles = np.concatenate([np.zeros((0, 3), np.uint32), *(m.triangles for m in meshes)])
        triangles = triangles + np.repeat(starts, faces)[:, None]
        return AgentScene(
            self,
            self._scene(placed, triangles),
            np.concatenate([np.zeros(0, np.float32), *(m.reflectivity for m in meshes)]),
            np.repeat(rows, faces).astype(np.int32),
        )

    def _mesh_of(self, agents: TrackedAgents, row: int) -> Mesh:
        length, width, height = agents.size[row].tolist()
        kind = AgentClass(int(agents.classes[row]))
        phase = 0.0
        if kind in _WALKERS:
            phase = _stride_phase(
                agents.position[row, :2], float(agents.yaw[row]), float(agents.speed[row]), height, int(agents.ids[row])
            )
        return agent_mesh(kind, length, width, height, phase=phase)


@dataclass(frozen=True, eq=False)
class AgentScene:
    """Road users at one time, without scenery. Made by `RayWorld.with_agents`."""

    world: RayWorld
    scene: Any
    reflectivity: NDArray[np.float32]
    rows: NDArray[np.int32]

    def cast(self, rays: NDArray[np.float32]) -> Hits:
        """What rays ``[R, 6]`` meet among these road users."""
        hits, triangle = self.world.cast_at(self.scene, rays)
        if not len(self.rows):
            return replace(hits, reflectivity=np.zeros(len(rays), np.float32))
        struck = np.isfinite(hits.distance)
        rows = np.where(struck, self.rows.take(triangle, mode="clip"), np.int32(-1))
        return replace(hits, reflectivity=self.reflectivity.take(triangle, mode="clip"), agent_rows=rows)

    def cast_with_scenery(self, rays: NDArray[np.float32], place: ArrayLike, reach: float) -> Hits:
        """What rays ``[R, 6]`` meet first, road user or scenery; arguments as in `RayWorld.cast_at_scenery`."""
        return self.world.cast_at_scenery(rays, place, reach).overlaid(np.arange(len(rays)), self.cast(rays))


def _fall(rays: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance ``[R]`` [m] at which rays ``[R, 6]`` meet the plane z = 0 from above, infinite where they do not."""
    height, down = rays[:, 2], np.maximum(-rays[:, 5], 0)
    if (height <= 0).any():
        down = np.where(height > 0, down, 0)
        height = np.maximum(height, 1)
    with np.errstate(divide="ignore"):
        return np.asarray(height / down)


def _stride_phase(position: NDArray[np.float64], yaw: float, speed: float, height: float, identity: int) -> float:
    """Phase of a walker's legs [rad], one of a few, from the way walked.

    A scene does not say how far someone has walked. The way along the nearest of eight compass directions does,
    and, unlike the way along the heading, it does not jump when the heading trembles.
    """
    if speed < _STANDING:
        return np.pi / 2
    compass = np.round(yaw / (np.pi / 4)) * (np.pi / 4)
    way = position[0] * np.cos(compass) + position[1] * np.sin(compass)
    share = way / (_STRIDE * height) + 0.618 * identity  # people do not walk in step
    return float(np.floor(share % 1.0 * _PHASES) * 2 * np.pi / _PHASES)
