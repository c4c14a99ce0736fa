"""How far one sees over flat ground before anything can stand in the way.

Half of the rays of a LiDAR end on open ground, where a formula gives the distance. Which rays these are follows from
the footprint of the scenery: sphere tracing (J. C. Hart: "Sphere tracing: a geometric method for the antialiased ray
tracing of implicit surfaces", The Visual Computer 12, 1996) through a map of the distance to it. The answer is never too
far; at most it is too short, and then a ray is cast for nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.meshes import Mesh

_CELL = 0.25  # [m]
_MARGIN = 2.5 * _CELL  # [m] that drawing in cells and reading the nearest one may hide
_STEPS = 24


class OpenGround:
    """The footprint of a mesh in a square.

    Args:
        mesh: What stands on the ground.
        middle: float64 ``[2]`` [m] of the square, frame of the mesh.
        half: Half the side of the square [m]; what is beyond counts as occupied.
    """

    def __init__(self, mesh: Mesh, middle: NDArray[np.float64], half: float) -> None:
        self._low = middle - half
        count = int(np.ceil(2 * half / _CELL))
        free = np.full((count, count), 255, np.uint8)
        free[[0, -1]] = 0
        free[:, [0, -1]] = 0
        corners = np.rint((mesh.vertices[:, :2] - self._low) / _CELL - 0.5).astype(np.int32)
        for triangle in corners[mesh.triangles]:
            cv2.fillConvexPoly(free, triangle, 0)
        self._clearance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).ravel() * np.float32(_CELL)
        self._count = count

    def reach(
        self, origins: NDArray[np.float32], azimuth: NDArray[np.float32], spread: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How far [m] everything is free within fans of directions, shape ``[A]``.

        Args:
            origins: ``[A, 2]`` [m], frame of the mesh.
            azimuth: ``[A]`` [rad] middle of each fan.
            spread: ``[A]`` [rad] half the angle of each fan.
        """
        x, y = ((origins[:, axis] - np.float32(self._low[axis])) / np.float32(_CELL) for axis in range(2))
        along_x, along_y = np.cos(azimuth) / np.float32(_CELL), np.sin(azimuth) / np.float32(_CELL)
        reached = np.zeros(len(azimuth), np.float32)
        for _ in range(_STEPS):
            columns = np.clip(x + reached * along_x, 0, self._count - 1).astype(np.int32)
            rows = np.clip(y + reached * along_y, 0, self._count - 1).astype(np.int32)
            clearance = self._clearance.take(rows * self._count + columns)
            # a point of the fan `step` farther out lies within step + (reached + step) * spread of the point on its axis
            step = (clearance - np.float32(_MARGIN) - reached * spread) / (1 + spread)
            if not (step > 0).any():
                break
            reached += np.maximum(step, 0)
        return reached
