"""Road users as rays see them: bodies that come and go.

Each body has a ray caster of its own that is made once and kept, and rays are brought into the frame of the body. So a
new scene costs nothing, and only the rays that pass a body are cast at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute, TriState
from zoox_stack.simulation.agent_meshes import agent_mesh
from zoox_stack.simulation.sensors.ray_caster import Hits, RayCaster
from zoox_stack.simulation.terrain import Terrain

_PHASES = 8  # leg positions per stride
_STRIDE = 0.82  # [heights] that two steps take a walker forward
_STANDING = 0.2  # [m/s]
_WALKERS = (AgentClass.PEDESTRIAN, AgentClass.ANIMAL, AgentClass.BICYCLE)
_SLACK = 0.1  # [m] around bounding spheres, for 32-bit numbers


@dataclass(frozen=True, eq=False)
class RoadUsers:
    """Some road users at one time.

    Attributes:
        rows: ``[n]`` rows of the scene they are from.
        bodies: Ray caster of each, the middle of its foot at the origin, and radius [m] around it that holds all.
        feet: float32 ``[n, 3]`` [m] middle of the foot of each, frame of the rays.
        turns: float32 ``[n, 3, 3]`` from each body to the axes of the rays.
    """

    rows: NDArray[np.int64]
    bodies: tuple[tuple[RayCaster, float], ...]
    feet: NDArray[np.float32]
    turns: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        agents: TrackedAgents,
        rows: NDArray[np.int64],
        time_offset: NDArray[np.float64],
        terrain: Terrain,
        origin: NDArray[np.float64],
    ) -> RoadUsers:
        """Agents of a scene.

        Args:
            agents: Everyone, standing on the ground.
            rows: ``[n]`` whom to take.
            time_offset: ``[n]`` [s]: each is shown where it is this much later.
            terrain: The ground.
            origin: ``[3]`` [m] of the frame of the rays, map frame.
        """
        position = agents.position[rows].copy()
        position[:, :2] += agents.velocity[rows] * time_offset[:, None]
        turns = terrain.orientation(position[:, :2], agents.yaw[rows] + agents.yaw_rate[rows] * time_offset)
        feet = position - turns[:, :, 2] * agents.size[rows, 2:] / 2 - origin
        bodies = tuple(_body_of(agents, row) for row in rows.tolist())
        return cls(rows, bodies, feet.astype(np.float32), turns.astype(np.float32))

    def passed_by(self, rays: NDArray[np.float32]) -> list[NDArray[np.int64]]:
        """For each of them the rays of ``[R, 6]`` that come near enough to hit it."""
        if not len(rays):
            return [np.zeros(0, np.int64) for _ in self.bodies]
        radii = np.array([radius for _, radius in self.bodies], np.float32) + np.float32(_SLACK)
        place = rays[0, :3]
        feet, starts, directions = self.feet - place, rays[:, :3] - place, rays[:, 3:]
        along = feet @ directions.T - (starts * directions).sum(axis=1)
        away = np.square(feet).sum(axis=1)[:, None] - 2 * feet @ starts.T + np.square(starts).sum(axis=1)
        near = (away - np.square(along) < np.square(radii)[:, None]) & (along > -radii[:, None])
        return [np.flatnonzero(row) for row in near]

    def overlay(self, hits: Hits, rays: NDArray[np.float32], chosen: Sequence[NDArray[np.int64]]) -> None:
        """Put them before what rays met so far.

        Args:
            hits: Of all rays; changed where one of the road users is nearer.
            rays: ``[R, 6]``.
            chosen: For each road user the rays that are cast at it.
        """
        for row, (caster, _), foot, turn, which in zip(
            self.rows.tolist(), self.bodies, self.feet, self.turns, chosen, strict=True
        ):
            local = rays.take(which, axis=0)
            local[:, :3] -= foot
            found = caster.cast((local.reshape(-1, 3) @ turn).reshape(-1, 6))
            closer = np.flatnonzero(found.distance < hits.distance.take(which))
            if not len(closer):
                continue
            changed = which.take(closer)
            hits.distance[changed] = found.distance.take(closer)
            hits.normals[changed] = found.normals.take(closer, axis=0) @ turn.T
            hits.reflectivity[changed] = found.reflectivity.take(closer)
            hits.agent_rows[changed] = row


def _body_of(agents: TrackedAgents, row: int) -> tuple[RayCaster, float]:
    length, width, height = agents.size[row].tolist()
    kind = AgentClass(int(agents.classes[row]))
    phase = 0.0
    if kind in _WALKERS:
        phase = _stride_phase(
            agents.position[row, :2], float(agents.yaw[row]), float(agents.speed[row]), height, int(agents.ids[row])
        )
    door = bool(agents.attributes[row, Attribute.DOOR_OPEN] == TriState.YES)
    return _body(kind, length, width, height, phase, door)


@lru_cache(maxsize=4096)
def _body(
    kind: AgentClass, length: float, width: float, height: float, phase: float, door_open: bool
) -> tuple[RayCaster, float]:
    mesh = agent_mesh(kind, length, width, height, phase=phase, door_open=door_open)
    return RayCaster(mesh), float(np.linalg.norm(mesh.vertices, axis=1).max())


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
