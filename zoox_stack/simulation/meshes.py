"""Simple triangle meshes of road users and street furniture. z is up, the ground is z = 0, x is forward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.classes import AgentClass


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles.

    Attributes:
        vertices: float32 ``[V, 3]`` [m].
        triangles: uint32 ``[F, 3]`` rows of `vertices`.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.uint32]

    def placed(self, x: float, y: float, yaw: float, z: float = 0.0) -> Mesh:
        """Turned by `yaw` [rad] and moved."""
        c, s = np.cos(yaw), np.sin(yaw)
        turned = self.vertices @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return Mesh((turned + np.array([x, y, z])).astype(np.float32), self.triangles)


def join(*meshes: Mesh) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    triangles = [m.triangles + start for m, start in zip(meshes, starts[:-1], strict=True)]
    return Mesh(
        np.concatenate([np.zeros((0, 3)), *(m.vertices for m in meshes)]).astype(np.float32),
        np.concatenate([np.zeros((0, 3)), *triangles]).astype(np.uint32),
    )


_BOX_FACES = np.array(
    [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6],
     [3, 0, 4], [3, 4, 7]], np.uint32
)  # fmt: skip


def frustum(bottom: ArrayLike, top: ArrayLike, z: tuple[float, float]) -> Mesh:
    """A box whose bottom and top rectangles ``(x low, x high, y low, y high)`` [m] may differ."""
    rows = []
    for (x0, x1, y0, y1), height in ((np.asarray(bottom, float), z[0]), (np.asarray(top, float), z[1])):
        rows += [(x0, y0, height), (x1, y0, height), (x1, y1, height), (x0, y1, height)]
    return Mesh(np.array(rows, np.float32), _BOX_FACES)


def box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Mesh:
    """An upright box between the given limits [m]."""
    return frustum((*x, *y), (*x, *y), z)


def cylinder(radius: float, z: tuple[float, float], *, sides: int = 8, top_radius: float | None = None) -> Mesh:
    """An upright cylinder or cone about the z axis, closed [m]."""
    angles = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    upper = radius if top_radius is None else top_radius
    low = np.column_stack([ring * radius, np.full(sides, z[0])])
    high = np.column_stack([ring * upper, np.full(sides, z[1])])
    vertices = np.concatenate([low, high, [[0, 0, z[0]], [0, 0, z[1]]]])
    i = np.arange(sides)
    j = (i + 1) % sides
    bottom, top = np.full(sides, 2 * sides), np.full(sides, 2 * sides + 1)
    faces = [
        np.stack([i, j, sides + j], 1),
        np.stack([i, sides + j, sides + i], 1),
        np.stack([j, i, bottom], 1),
        np.stack([sides + i, sides + j, top], 1),
    ]
    return Mesh(vertices.astype(np.float32), np.concatenate(faces).astype(np.uint32))


def prism(ring: NDArray[np.float64], height: float) -> Mesh:
    """Side walls and lid of a convex or nearly convex polygon ``[P, 2]`` raised by `height` [m]."""
    n = len(ring)
    low, high = np.column_stack([ring, np.zeros(n)]), np.column_stack([ring, np.full(n, height)])
    middle = np.append(ring.mean(axis=0), height)
    i = np.arange(n)
    j = (i + 1) % n
    faces = [
        np.stack([i, j, n + j], 1),
        np.stack([i, n + j, n + i], 1),
        np.stack([n + i, n + j, np.full(n, 2 * n)], 1),
    ]
    return Mesh(np.concatenate([low, high, [middle]]).astype(np.float32), np.concatenate(faces).astype(np.uint32))


def agent_mesh(kind: AgentClass, length: float, width: float, height: float) -> Mesh:
    """A road user that fills its box: centre at x = y = 0, standing on z = 0."""
    match kind:
        case AgentClass.CAR:
            return _car(length, width, height)
        case AgentClass.TRUCK:
            return _truck(length, width, height)
        case AgentClass.MOTORCYCLE | AgentClass.BICYCLE:
            return _rider(length, width, height)
        case AgentClass.PEDESTRIAN | AgentClass.ANIMAL:
            return _pedestrian(length, width, height)
        case _:
            x, y = length / 2, width / 2
            return box((-x, x), (-y, y), (0.0, height))


def _car(length: float, width: float, height: float) -> Mesh:
    x, y, waist = length / 2, width / 2, 0.55 * height
    body = box((-x, x), (-y, y), (0.2, waist))
    cabin = frustum((-0.46 * length, 0.22 * length, -y, y), (-0.36 * length, 0.06 * length, -0.82 * y, 0.82 * y),
                    (waist, height))  # fmt: skip
    return join(body, cabin)


def _truck(length: float, width: float, height: float) -> Mesh:
    x, y, cab = length / 2, width / 2, min(2.2, 0.3 * length)
    return join(
        box((x - cab, x), (-y, y), (0.35, 0.8 * height)),
        box((-x, x - cab - 0.3), (-y, y), (0.9, height)),
        box((-x + 0.3, x - cab), (-0.8 * y, 0.8 * y), (0.35, 0.9)),
    )


def _rider(length: float, width: float, height: float) -> Mesh:
    x, y = length / 2, width / 2
    frame = box((-x, x), (-0.12, 0.12), (0.05, 0.55 * height))
    bars = box((0.25 * length, 0.32 * length), (-y, y), (0.5 * height, 0.6 * height))
    torso = cylinder(0.75 * y, (0.5 * height, 0.86 * height), sides=8)
    head = cylinder(0.12, (0.86 * height, height), sides=6)
    return join(frame, bars, torso, head)


def _pedestrian(length: float, width: float, height: float) -> Mesh:
    radius = min(length, width) / 2
    legs = cylinder(0.6 * radius, (0.0, 0.48 * height), sides=8)
    torso = cylinder(0.9 * radius, (0.48 * height, 0.84 * height), sides=10, top_radius=radius)
    head = cylinder(0.11, (0.84 * height, height), sides=6)
    return join(legs, torso, head)
