"""Ground removal: height of every point above a ground surface that may slope and bend.

The sweep is laid on a polar grid around the sensor (sectors x rings). In every sector the ground is followed outwards ring
by ring: the low point of the next cell is ground if it lies where height and slope of the last ground point lead to, within
a tolerance that grows with the gap; otherwise the surface is carried on, guided by neighbouring sectors. This is the
line-following idea of Himmelsbach et al., "Fast segmentation of 3D point clouds for ground vehicles" (IV 2010), run for
all sectors at once. Slopes are followed because only *changes* of slope are limited tightly.
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
_SMOOTHING_SECTORS = 3  # neighbours on each side that guide a sector without ground


@dataclass(frozen=True)
class GroundGrid:
    """Layout of the polar grid and tolerances of the ground.

    Attributes:
        sectors: Number of sectors of the full circle.
        near: [m] radius at which following starts.
        reach: [m] radius at which it ends; points beyond get the height above the last ground.
        near_step: [m] ring width up to 20 m; it doubles beyond.
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
        cells = self.sectors * (len(self.edges) - 1)
        if cells > _MAX_CELLS:
            raise InvalidInputError(
                "GroundGrid", f"at most {_MAX_CELLS} cells", str(cells), "Use fewer sectors, a larger near_step or less reach."
            )

    @property
    def edges(self) -> NDArray[np.float64]:
        """Radii of the ring edges [m], shape ``[rings + 1]``."""
        middle = min(20.0, self.reach)
        inner = np.arange(self.near, middle, self.near_step)
        return np.concatenate([inner, np.arange(middle, self.reach + 2 * self.near_step, 2 * self.near_step)])


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
    rings, sectors = len(edges) - 1, grid.sectors
    dx, dy, z = xyz[:, 0] - np.float32(origin[0]), xyz[:, 1] - np.float32(origin[1]), xyz[:, 2]
    radius, angle = (part.ravel() for part in cv2.cartToPolar(dx, dy))
    sector = np.minimum((angle * np.float32(sectors / (2 * np.pi))).astype(np.int32), sectors - 1)
    ring = _ring_of(radius, edges)
    cell = np.clip(ring, 0, rings - 1) * np.int32(sectors) + sector
    low_r, low_z = _low_points(radius, z, cell, ring, edges, sectors)
    nodes_r, nodes_z, slopes = _follow(low_r, low_z, edges, _seed_height(radius, z, grid), grid)
    beyond = np.clip(radius - nodes_r.ravel()[cell], np.float32(-4), np.float32(4))
    return np.asarray(z - (nodes_z.ravel()[cell] + slopes.ravel()[cell] * beyond), dtype=np.float32)


def _ring_of(radius: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.int32]:
    """Ring of each radius, -1 inside the first; by a fine look-up table (searchsorted on a sweep is ten times slower)."""
    step = np.float32(0.05)
    table = np.searchsorted(edges, np.arange(0, edges[-1] + 2 * step, step), side="right").astype(np.int32) - 1
    return np.asarray(table[np.minimum((radius * np.float32(20)).astype(np.int32), len(table) - 1)])


def _seed_height(radius: NDArray[np.float32], z: NDArray[np.float32], grid: GroundGrid) -> float:
    """Ground height at the vehicle: where the low points around it gather; 0 without points."""
    near = z[(radius > grid.near) & (radius < 10) & (np.abs(z) < grid.seed_tolerance)]
    if len(near) < 20:
        return 0.0
    counts, edges = np.histogram(near, bins=np.arange(-grid.seed_tolerance, grid.seed_tolerance + 0.05, 0.05))
    best = int(np.argmax(counts))
    return float(near[(near >= edges[best]) & (near <= edges[best + 1])].mean())


def _low_points(
    radius: NDArray[np.float32],
    z: NDArray[np.float32],
    cell: NDArray[np.int32],
    ring: NDArray[np.int32],
    edges: NDArray[np.float32],
    sectors: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Radius and height of a low point (5th percentile) per cell, ``[rings, sectors]``; NaN where empty."""
    rings = len(edges) - 1
    low_r, low_z = np.full((2, rings * sectors), np.nan, np.float32)
    widths = np.diff(edges)
    height = (z - np.float32(_LOWEST)) * np.float32(1 / _HEIGHT_STEP)
    inside = (ring >= 0) & (ring < rings) & (height >= 0) & (height < (1 << _HEIGHT_BITS))
    within = (radius - edges[np.minimum(ring, rings - 1)]) * (np.float32(1 << _RADIUS_BITS) / widths)[
        np.minimum(ring, rings - 1)
    ]
    packed = np.where(inside, cell, 0).astype(np.uint32) << np.uint32(_HEIGHT_BITS + _RADIUS_BITS)
    packed |= np.where(inside, height, 0).astype(np.uint32) << np.uint32(_RADIUS_BITS)
    packed |= np.clip(within, 0, (1 << _RADIUS_BITS) - 1).astype(np.uint32)
    packed = np.sort(packed[inside])
    cells = packed >> np.uint32(_HEIGHT_BITS + _RADIUS_BITS)
    first = np.flatnonzero(np.concatenate([[len(cells) > 0], cells[1:] != cells[:-1]]))
    chosen = packed[first + np.diff(np.append(first, len(cells))) // 20]
    rows = cells[first]
    of_ring = rows // np.uint32(sectors)
    fraction = ((chosen & np.uint32((1 << _RADIUS_BITS) - 1)) + np.float32(0.5)) / np.float32(1 << _RADIUS_BITS)
    low_r[rows] = edges[of_ring] + fraction * widths[of_ring]
    low_z[rows] = _LOWEST + _HEIGHT_STEP * (chosen >> np.uint32(_RADIUS_BITS) & np.uint32((1 << _HEIGHT_BITS) - 1))
    return low_r.reshape(rings, sectors), low_z.reshape(rings, sectors)


def _follow(
    low_r: NDArray[np.float32], low_z: NDArray[np.float32], edges: NDArray[np.float32], seed: float, grid: GroundGrid
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Follow the ground outwards. Returns radius, height and slope of the surface per cell, ``[rings, sectors]``."""
    rings, sectors = low_r.shape
    middle = (edges[:-1] + edges[1:]) / 2
    nodes_r, nodes_z, slopes = np.empty((3, rings, sectors), np.float32)
    r, z, slope = np.zeros(sectors), np.full(sectors, seed), np.zeros(sectors)
    low_r = np.where(np.isfinite(low_r), low_r, middle[:, None])
    low_z = np.where(np.isfinite(low_z), low_z, 1e6)
    apart = np.abs(np.arange(sectors)[:, None] - np.arange(sectors))
    around = (np.minimum(apart, sectors - apart) <= _SMOOTHING_SECTORS).astype(np.float32)
    for i in range(rings):
        run = np.maximum(low_r[i] - r, 0.3)
        expected = z + slope * run
        off = low_z[i] - expected
        tolerance = grid.step_height + grid.slope_change * np.minimum(run, 10.0)
        new_slope = (low_z[i] - z) / run
        is_ground = (np.abs(off) < tolerance) & (np.abs(low_z[i] - z) < grid.step_height + grid.max_slope * run)
        # Sectors without ground lean towards what their neighbours found; carried on, slopes fade out.
        carried = z + slope * (middle[i] - r)
        number, total = np.stack([is_ground, np.where(is_ground, low_z[i], 0)]).astype(np.float32) @ around
        neighbours = total / np.maximum(number, 1)
        near = (number > 0) & (np.abs(neighbours - carried) < grid.step_height + grid.max_slope * 4)
        carried = np.where(near, 0.5 * (carried + neighbours), carried)
        gain = np.minimum(run / 4.0, 0.6)
        slope = np.where(is_ground, slope + gain * (np.clip(new_slope, -grid.max_slope, grid.max_slope) - slope), slope)
        slope = np.where(is_ground, slope, 0.9 * slope)
        z = np.where(is_ground, low_z[i], carried)
        r = np.where(is_ground, low_r[i], middle[i])
        nodes_r[i], nodes_z[i], slopes[i] = r, z, slope
    return nodes_r, nodes_z, slopes
