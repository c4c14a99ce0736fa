"""Triangle meshes and the simple bodies that everything else is made of. z is up, the ground is z = 0, x is forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

GLASS = 0.04  # reflectivity of window glass, and the mark by which sensors know it
PLAIN = 0.5  # reflectivity of what is not painted


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles.

    Attributes:
        vertices: float32 ``[V, 3]`` [m].
        triangles: uint32 ``[F, 3]`` rows of `vertices`.
        reflectivity: float32 ``[F]`` share of the light that comes back at right angles, 0..1; `GLASS` for windows.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.uint32]
    reflectivity: NDArray[np.float32]

    def placed(self, x: float, y: float, yaw: float, z: float = 0.0) -> Mesh:
        """Turned by `yaw` [rad] and moved."""
        c, s = np.cos(yaw), np.sin(yaw)
        turned = self.vertices @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return replace(self, vertices=(turned + np.array([x, y, z])).astype(np.float32))

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """Stretched along the axes."""
        return replace(self, vertices=self.vertices * np.array([x, y, z], np.float32))

    def within(self, low: ArrayLike, high: ArrayLike) -> Mesh:
        """What reaches out of the box between two corners ``[3]`` [m] is pushed back to its sides."""
        return replace(self, vertices=np.clip(self.vertices, np.asarray(low, np.float32), np.asarray(high, np.float32)))

    def painted(self, reflectivity: float, faces: slice = slice(None)) -> Mesh:
        """With another reflectivity on some triangles, all of them if not said."""
        values = self.reflectivity.copy()
        values[faces] = reflectivity
        return replace(self, reflectivity=values)


def mesh(vertices: ArrayLike, triangles: ArrayLike) -> Mesh:
    """An unpainted mesh of vertices ``[V, 3]`` [m] and triangles ``[F, 3]``."""
    faces = np.asarray(triangles, np.uint32).reshape(-1, 3)
    return Mesh(np.asarray(vertices, np.float32).reshape(-1, 3), faces, np.full(len(faces), PLAIN, np.float32))


def join(*meshes: Mesh) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    triangles = [m.triangles + start for m, start in zip(meshes, starts[:-1], strict=True)]
    return Mesh(
        np.concatenate([np.zeros((0, 3)), *(m.vertices for m in meshes)]).astype(np.float32),
        np.concatenate([np.zeros((0, 3)), *triangles]).astype(np.uint32),
        np.concatenate([np.zeros(0), *(m.reflectivity for m in meshes)]).astype(np.float32),
    )


_BOX_FACES = np.array(
    [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6],
     [3, 0, 4], [3, 4, 7]], np.uint32
)  # fmt: skip
FRONT = slice(6, 8)  # triangles of the side at x high of `box` and `frustum`
SIDES = slice(4, 12)  # those of all four upright sides


def frustum(bottom: ArrayLike, top: ArrayLike, z: tuple[float, float]) -> Mesh:
    """A box whose bottom and top rectangles ``(x low, x high, y low, y high)`` [m] may differ."""
    rows = []
    for (x0, x1, y0, y1), height in ((np.asarray(bottom, float), z[0]), (np.asarray(top, float), z[1])):
        rows += [(x0, y0, height), (x1, y0, height), (x1, y1, height), (x0, y1, height)]
    return mesh(rows, _BOX_FACES)


def box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Mesh:
    """An upright box between the given limits [m]."""
    return frustum((*x, *y), (*x, *y), z)


def tube(
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    *,
    end_radius: float | None = None,
    sides: int = 6,
    closed: bool = False,
) -> Mesh:
    """A cylinder or cone between two points [m]: limbs, poles, wheels.

    Args:
        start: Middle of one end.
        end: Middle of the other end.
        radius: At the start [m].
        end_radius: At the end [m]; `radius` if None.
        sides: Of the polygon that stands for the circle.
        closed: With lids on both ends; nobody sees into a limb.
    """
    a, b = np.asarray(start, float), np.asarray(end, float)
    axis = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
    helper = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
    across = helper - axis * (axis @ helper)
    across /= np.linalg.norm(across)
    other = np.cross(axis, across)
    angles = np.arange(sides) * 2 * np.pi / sides
    ring = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * other
    upper = radius if end_radius is None else end_radius
    vertices = np.concatenate([a + ring * radius, b + ring * upper, [a, b]])
    i = np.arange(sides)
    j = (i + 1) % sides
    faces = [
        np.stack([i, j, sides + j], 1),
        np.stack([i, sides + j, sides + i], 1),
        np.stack([j, i, np.full(sides, 2 * sides)], 1),
        np.stack([sides + i, sides + j, np.full(sides, 2 * sides + 1)], 1),
    ]
    return mesh(vertices, np.concatenate(faces)) if closed else mesh(vertices[:-2], np.concatenate(faces[:2]))


def cylinder(radius: float, z: tuple[float, float], *, sides: int = 8, top_radius: float | None = None) -> Mesh:
    """An upright cylinder or cone about the z axis, open at both ends [m]."""
    return tube((0, 0, z[0]), (0, 0, z[1]), radius, end_radius=top_radius, sides=sides)


def blob(centre: Sequence[float], radii: Sequence[float], *, sides: int = 8, rings: int = 3) -> Mesh:
    """An ellipsoid of few triangles [m]: heads, bodies, crowns. It fills its box with 4, 8, ... sides and odd rings."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rings + 2)[1:-1]
    angle = np.arange(sides) * 2 * np.pi / sides
    lat, lon = (v.ravel() for v in np.meshgrid(latitude, angle, indexing="ij"))
    unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    unit = np.concatenate([unit, [[0, 0, -1], [0, 0, 1]]])
    i = np.arange(sides)
    j = (i + 1) % sides
    last = (rings - 1) * sides
    faces = [np.stack([j, i, np.full(sides, len(unit) - 2)], 1)]
    faces += [np.stack([last + i, last + j, np.full(sides, len(unit) - 1)], 1)]
    for ring in range(rings - 1):
        low, high = ring * sides, (ring + 1) * sides
        faces += [np.stack([low + i, low + j, high + j], 1), np.stack([low + i, high + j, high + i], 1)]
    return mesh(np.asarray(centre, float) + unit * np.asarray(radii, float), np.concatenate(faces))


def strip(left: NDArray[np.float64], right: NDArray[np.float64], height: float) -> Mesh:
    """A band between two lines ``[P, 2]`` [m], raised by `height` [m], with walls along both and open ends."""
    n = len(left)
    low, high = (
        np.concatenate([np.column_stack([line, np.full(n, z)]) for line in (left, right)]) for z in (0, height)
    )
    i = np.arange(n - 1)
    quads = [
        (2 * n + i, 3 * n + i, 3 * n + i + 1, 2 * n + i + 1),
        (i, 2 * n + i, 2 * n + i + 1, i + 1),
        (n + i, n + i + 1, 3 * n + i + 1, 3 * n + i),
    ]
    faces = [np.stack(corners, 1) for a, b, c, d in quads for corners in ((a, b, c), (a, c, d))]
    return mesh(np.concatenate([low, high]), np.concatenate(faces))
