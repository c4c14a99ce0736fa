"""Ground removal: height of every point above a ground surface that may slope and bend.

The sweep is laid on a polar grid around the sensor (sectors x rings). In every sector the ground is followed outwards
ring by ring: the low point of the next cell is ground if it lies where height and slope of the last ground point lead
to, within a tolerance that grows with the gap; otherwise the surface is carried on, guided by neighbouring sectors.
This is the line-following idea of Himmelsbach et al., "Fast segmentation of 3D point clouds for ground vehicles" (IV
2010), run for all sectors at once. Slopes are followed because only *changes* of slope are limited tightly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError

# A cell's low point is found by one sort of packed 32-bit integers: cell, height, radius within the ring.
_HEIGHT_BITS, _RADIUS_BITS = 13, 5
_MAX_CELLS = (1 << (32 - _HEIGHT_BITS - _RADIUS_BITS)) - 1
_HEIGHT_STEP = 0.005  # [m] resolution at which heights are ordered
_LOWEST = -20.0  # [m] points lower than this, or 40 m higher, are not looked at for ground
_MANY = 8  # points in a cell from which on the lowest one may be noise
_SMOOTHING_SECTORS = 3  # neighbours on each side that guide a sector without ground


@dataclass(frozen=True)
class GroundGrid:
    """Layout of the polar grid and tolerances of the ground.

    Attributes:
        sectors: Number of sectors of the full circle.
        near: [m] radius at which following starts.
        reach: [m] radius at which it ends; points beyond get the height above the last ground.
        near_step: [m] ring width up to 20 m; see `edges`.
        max_slope: Largest slope of the ground, rise over run.
        slope_change: Largest change of slope that one step may take, rise over run.
        step_height: [m] step the ground may take at once (kerb).
        seed_tolerance: [m] how far the ground at the vehicle may lie from z = 0.
    """

    sectors: int = 240
    near: float = 2.0
    reach: float = 80.0
    near_step: float = 1.0
    max_slope: float = 0.3
    slope_change: float = 0.06
    step_height: float = 0.2
    seed_tolerance: float = 0.6

    def __post_init__(self) -> None:
        cells = self.sectors * (len(self.edges) + 1)
        if cells > _MAX_CELLS:
            raise InvalidInputError(
                "GroundGrid",
                f"at most {_MAX_CELLS} cells",
                str(cells),
                "Use fewer sectors, a larger near_step or less reach.",
            )

    @property
    def edges(self) -> NDArray[np.float64]:
        """Radii of the ring edges [m], shape ``[rings + 1]``: the ring width doubles at 20 m and at 40 m."""
        edges = [self.near]
        while edges[-1] < self.reach:
            edges.append(edges[-1] + self.near_step * (1 if edges[-1] < 20 else 2 if edges[-1] < 40 else 4))
        return np.array(edges)


def height_above_ground(
    xyz: NDArray[np.float32], origin: tuple[float, float], grid: GroundGrid | None = None
) -> NDArray[np.float32]:
    """Height of every point above the ground under it.

    Args:
        xyz: ``[P, 3]`` points, base_link [m].
        origin: x, y of the sensor, base_link [m]: centre of the polar grid.
        grid: Layout; default as in `GroundGrid`.

    Returns:
        float32 ``[P]`` [m]; about 0 on the ground, negative below it.
    """
    grid = grid or GroundGrid()
    if len(xyz) == 0:
        return np.zeros(0, np.float32)
    edges = grid.edges.astype(np.float32)
    sectors = grid.sectors
    dx, dy, z = xyz[:, 0] - np.float32(origin[0]), xyz[:, 1] - np.float32(origin[1]), xyz[:, 2]
    radius, angle = (part.ravel() for part in cv2.cartToPolar(dx, dy))
    radius = np.minimum(radius, edges[-1])
    sector = np.minimum((angle * np.float32(sectors / (2 * np.pi))).astype(np.uint32), np.uint32(sectors - 1))
    place = _place_in_rings(radius, edges)
    cell = (place >> np.uint32(_RADIUS_BITS)) * np.uint32(sectors) + sector
    low_r, low_z = _low_points(z, cell, place, edges, sectors)
    plane = _seed_plane(low_r, low_z, _seed_height(radius[::4], z[::4], grid), grid)
    nodes_r, nodes_z, slopes = _follow(low_r, low_z, edges, plane, grid)
    # The rings' surfaces, and outside the first and beyond the last ring the surface of that ring.
    surfaces = [np.concatenate([part[:1], part, part[-1:]]).ravel() for part in (nodes_z - slopes * nodes_r, slopes)]
    return np.asarray(z - (surfaces[0][cell] + surfaces[1][cell] * radius), dtype=np.float32)


def _place_in_rings(radius: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Ring (from 1; 0 is inside the first, the last is outside) and fraction of its width, packed as ring << bits |
    fraction.

    By a fine look-up table: searching the edges for every point is ten times slower.
    """
    step = 0.05
    table = np.arange(0.5 * step, edges[-1] + 2 * step, step)
    ring = np.searchsorted(edges, table, side="right")
    low = np.concatenate([[0.0], edges])[ring]
    width = np.concatenate([edges[:1], np.diff(edges), [1.0]])[ring]
    fraction = np.clip((table - low) / width * (1 << _RADIUS_BITS), 0, (1 << _RADIUS_BITS) - 1)
    packed = (ring.astype(np.uint32) << np.uint32(_RADIUS_BITS)) | fraction.astype(np.uint32)
    return np.asarray(packed[(radius * np.float32(1 / step)).astype(np.int32)])


def _seed_height(radius: NDArray[np.float32], z: NDArray[np.float32], grid: GroundGrid) -> float:
    """Ground height at the vehicle: where the low points around it gather; 0 with too few points."""
    near = z[(radius > grid.near) & (radius < 10) & (np.abs(z) < grid.seed_tolerance)]
    if len(near) < 10:
        return 0.0
    counts, edges = np.histogram(near, bins=np.arange(-grid.seed_tolerance, grid.seed_tolerance + 0.05, 0.05))
    best = int(np.argmax(counts))
    return float(near[(near >= edges[best]) & (near <= edges[best + 1])].mean())


def _seed_plane(
    low_r: NDArray[np.float32], low_z: NDArray[np.float32], height: float, grid: GroundGrid
) -> tuple[float, NDArray[np.float32]]:
    """Plane through the low points within 15 m that agree with each other: height at the sensor, slope of each sector.

    Least squares, repeated on the points near the last plane. Level at `height` if the plane found is not plausible.
    """
    sectors = low_r.shape[1]
    angle = (np.arange(sectors) + 0.5) * (2 * np.pi / sectors)
    near = np.isfinite(low_z) & (low_r < 15)
    r, z = low_r[near].astype(np.float64), low_z[near].astype(np.float64)
    around = np.broadcast_to(angle, low_r.shape)[near]
    basis = np.column_stack([np.ones_like(r), r * np.cos(around), r * np.sin(around)])
    plane = np.array([height, 0.0, 0.0])
    for tolerance in (0.2 + 0.15 * r, 0.3, 0.15):
        fits = np.abs(basis @ plane - z) < tolerance
        if fits.sum() < 30:
            return height, np.zeros(sectors, np.float32)
        plane = np.linalg.lstsq(basis[fits], z[fits], rcond=None)[0]
    if np.hypot(plane[1], plane[2]) > grid.max_slope or abs(plane[0]) > grid.seed_tolerance:
        return height, np.zeros(sectors, np.float32)
    return float(plane[0]), (plane[1] * np.cos(angle) + plane[2] * np.sin(angle)).astype(np.float32)


def _low_points(
    z: NDArray[np.float32],
    cell: NDArray[np.uint32],
    place: NDArray[np.uint32],
    edges: NDArray[np.float32],
    sectors: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Radius and height of the lowest point per cell (the second lowest of many), ``[rings, sectors]``; NaN: empty."""
    rings = len(edges) - 1
    height = np.clip((z - np.float32(_LOWEST)) * np.float32(1 / _HEIGHT_STEP), 0, (1 << _HEIGHT_BITS) - 1)
    packed = (cell << np.uint32(_HEIGHT_BITS + _RADIUS_BITS)) | (height.astype(np.uint32) << np.uint32(_RADIUS_BITS))
    packed |= place & np.uint32((1 << _RADIUS_BITS) - 1)
    packed.sort()
    cells = packed >> np.uint32(_HEIGHT_BITS + _RADIUS_BITS)
    first = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    chosen = packed[first + (np.diff(np.append(first, len(cells))) > _MANY)]
    rows = cells[first].astype(np.int64)
    ring = rows // sectors - 1
    inside = (ring >= 0) & (ring < rings)
    chosen, rows, ring = chosen[inside], rows[inside] - sectors, ring[inside]
    low_r, low_z = np.full((2, rings * sectors), np.nan, np.float32)
    fraction = ((chosen & np.uint32((1 << _RADIUS_BITS) - 1)) + np.float32(0.5)) / np.float32(1 << _RADIUS_BITS)
    low_r[rows] = edges[ring] + fraction * np.diff(edges)[ring]
    low_z[rows] = _LOWEST + _HEIGHT_STEP * ((chosen >> np.uint32(_RADIUS_BITS)) & np.uint32((1 << _HEIGHT_BITS) - 1))
    return low_r.reshape(rings, sectors), low_z.reshape(rings, sectors)


def _follow(
    low_r: NDArray[np.float32],
    low_z: NDArray[np.float32],
    edges: NDArray[np.float32],
    plane: tuple[float, NDArray[np.float32]],
    grid: GroundGrid,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Follow the ground outwards. Returns radius, height and slope of the surface per cell, ``[rings, sectors]``."""
    rings, sectors = low_r.shape
    middle = (edges[:-1] + edges[1:]) / 2
    nodes_r, nodes_z, slopes = np.empty((3, rings, sectors), np.float32)
    r, z, slope = np.zeros(sectors, np.float32), np.full(sectors, plane[0], np.float32), plane[1]
    known = np.isfinite(low_z)
    low_r, low_z = np.where(known, low_r, middle[:, None]), np.where(known, low_z, np.float32(1e4))
    apart = np.abs(np.arange(sectors)[:, None] - np.arange(sectors))
    around = (np.minimum(apart, sectors - apart) <= _SMOOTHING_SECTORS).astype(np.float32)
    limit, change, step = grid.max_slope, grid.slope_change, grid.step_height
    found = np.empty((2, sectors), np.float32)
    for i in range(rings):
        run = np.maximum(low_r[i] - r, 0.3)
        rise = low_z[i] - z
        fits = np.abs(rise - slope * run) < step + change * np.minimum(run, 10)
        fits &= np.abs(rise) < step + limit * run
        # Sectors without ground lean towards what their neighbours found; carried on, slopes fade out.
        carried = slope * (middle[i] - r)
        carried += z
        found[0] = fits
        found[1] = low_z[i] * fits
        number, total = found @ around
        gap = total / np.maximum(number, 1) - carried
        gap *= (number > 0) & (np.abs(gap) < step + 4 * limit)
        seen = np.clip(rise / run, -limit, limit)
        seen -= slope
        seen *= np.minimum(run * 0.25, 0.6)
        slope = np.where(fits, slope + seen, slope * 0.9)
        z = np.where(fits, low_z[i], carried + 0.5 * gap)
        r = np.where(fits, low_r[i], middle[i])
        nodes_r[i], nodes_z[i], slopes[i] = r, z, slope
    return nodes_r, nodes_z, slopes
