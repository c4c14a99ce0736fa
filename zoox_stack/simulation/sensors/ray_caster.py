"""Open3D's ray caster (Embree) around one mesh, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.simulation.meshes import Mesh


@dataclass(frozen=True, eq=False)
class Hits:
    """The first thing that each of R rays meets.

    Attributes:
        distance: float32 ``[R]`` [m], infinite where there is nothing.
        normals: float32 ``[R, 3]`` unit normals of the surface, axes of the rays; arbitrary where there is nothing.
        reflectivity: float32 ``[R]``, as in `Mesh`; arbitrary where there is nothing.
        agent_rows: int32 ``[R]`` row of the agent, -1 for scenery and nothing.
    """

    distance: NDArray[np.float32]
    normals: NDArray[np.float32]
    reflectivity: NDArray[np.float32]
    agent_rows: NDArray[np.int32]


class RayCaster:
    """A mesh, ready for rays.

    Args:
        mesh: Any number of triangles, also none.

    Raises:
        ConfigurationError: Open3D is not installed.
    """

    def __init__(self, mesh: Mesh) -> None:
        try:
            import open3d
        except ImportError as error:
            raise ConfigurationError("Open3D is not installed: pip install open3d-cpu") from error
        self._tensor: Any = open3d.core.Tensor
        self._scene: Any = open3d.t.geometry.RaycastingScene()
        self._reflectivity = mesh.reflectivity if len(mesh.triangles) else np.zeros(1, np.float32)
        if len(mesh.triangles):
            parts = (mesh.vertices, mesh.triangles)
            self._scene.add_triangles(*(self._tensor(np.ascontiguousarray(part)) for part in parts))

    def cast(self, rays: NDArray[np.float32]) -> Hits:
        """What rays ``[R, 6]``, origin and unit direction in the frame of the mesh, meet in it; nobody is an agent."""
        answer = self._scene.cast_rays(self._tensor.from_numpy(np.ascontiguousarray(rays)))
        return Hits(
            answer["t_hit"].numpy(),
            answer["primitive_normals"].numpy(),
            self._reflectivity.take(answer["primitive_ids"].numpy(), mode="clip"),
            np.full(len(rays), -1, np.int32),
        )
