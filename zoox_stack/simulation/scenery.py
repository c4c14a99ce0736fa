"""What stands beside the roads of any network, drawn from a seed.

Raised sidewalks, buildings, poles, traffic lights, trees, hedges and fences.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.classes import AreaType, LaneType
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.meshes import Mesh, blob, box, cylinder, join, mesh, strip
from zoox_stack.simulation.roadside import KeptFree, Roadside
from zoox_stack.simulation.terrain import Terrain

KERB_HEIGHT = 0.12  # [m]
GROUND_MARGIN = 150.0  # [m] of ground around the network
_GROUND_CELL = 20.0  # [m] of flat ground; small triangles are faster to search than two huge ones
_HILL_CELL = 4.0  # [m] of ground that is not flat
_LIGHT_HEIGHT = 3.2  # [m] of the upper end of a traffic light
_FOUNDATION = 2.0  # [m] of a building below its middle, so that none floats on a slope
_FRONT_YARD = 2.6  # [m] beside the lane, where there is no sidewalk
_AT_KERB = 0.3  # [m] from the kerb to a street lamp
_ASPHALT, _PAVING, _WALL, _STEEL, _LEAVES, _WOOD = 0.15, 0.25, 0.4, 0.8, 0.3, 0.35


@dataclass(frozen=True, eq=False)
class Scenery:
    """Static meshes of one place, map frame less its origin, on the ground of its terrain.

    Attributes:
        origin: float64 ``[3]`` [m], map frame; add it to the vertices.
        ground: The ground itself.
        sidewalks: Raised by the kerb.
        buildings: Boxes.
        poles: Street lamps.
        traffic_lights: Poles with a head, at the signals of the map.
        trees: Trunk and crown.
        hedges: Hedges and fences along the roads.
    """

    origin: NDArray[np.float64]
    ground: Mesh
    sidewalks: Mesh
    buildings: Mesh
    poles: Mesh
    traffic_lights: Mesh
    trees: Mesh
    hedges: Mesh

    @property
    def standing(self) -> Mesh:
        """Everything but the ground as one mesh."""
        return join(self.sidewalks, self.buildings, self.poles, self.traffic_lights, self.trees, self.hedges)

    @property
    def whole(self) -> Mesh:
        """Everything as one mesh."""
        return join(self.ground, self.standing)


@dataclass
class _Collected:
    buildings: list[Mesh] = field(default_factory=list)
    poles: list[Mesh] = field(default_factory=list)
    trees: list[Mesh] = field(default_factory=list)
    hedges: list[Mesh] = field(default_factory=list)


def make_scenery(
    network: RoadNetwork, seed: int, terrain: Terrain | None = None, origin: ArrayLike = (0.0, 0.0, 0.0)
) -> Scenery:
    """Draw the surroundings of a road network; the same seed gives the same.

    Args:
        network: The map.
        seed: Of everything drawn.
        terrain: The ground; flat if None.
        origin: ``[3]`` [m] of the frame of the meshes; choose one near the map, for they hold 32-bit numbers.
    """
    terrain = terrain or Terrain()
    middle = np.asarray(origin, float)
    shift = middle[:2]
    random = np.random.default_rng([seed, 11])
    kept = KeptFree(network, shift)
    found = _Collected()
    for row in range(len(network.lane_ids)):
        if network.lane_in_intersection[row] or network.right_neighbours[row] >= 0:
            continue
        if network.lane_types[row] == LaneType.OTHER:
            continue
        width = float(np.nan_to_num(network.lane_widths[row], nan=3.5))
        _line_road(Roadside(network.centre_lines[row][:, :2] - shift, width, kept), random, found)
    walks = [strip(left - shift, right - shift, KERB_HEIGHT) for left, right in _sidewalks(network)]
    lights = [_traffic_light().placed(x, y, 0.0) for x, y in _beside(network.signal_positions[:, :2] - shift, kept)]

    def standing(parts: list[Mesh]) -> Mesh:
        return join(*(_raised(part, terrain, shift, float(middle[2])) for part in parts))

    return Scenery(
        origin=middle,
        ground=_ground(network, terrain, middle).painted(_ASPHALT),
        sidewalks=_draped(join(*walks), terrain, shift, float(middle[2])).painted(_PAVING),
        buildings=standing(found.buildings).painted(_WALL),
        poles=standing(found.poles).painted(_STEEL),
        traffic_lights=standing(lights).painted(_STEEL),
        trees=standing(found.trees).painted(_LEAVES),
        hedges=standing(found.hedges).painted(_WOOD),
    )


def _raised(part: Mesh, terrain: Terrain, shift: NDArray[np.float64], below: float) -> Mesh:
    """A stiff body put on the ground under its middle."""
    lift = terrain.height(part.vertices[:, :2].mean(axis=0) + shift) - below
    return replace(part, vertices=(part.vertices + np.array([0.0, 0.0, lift])).astype(np.float32))


def _draped(part: Mesh, terrain: Terrain, shift: NDArray[np.float64], below: float) -> Mesh:
    """A body that follows the ground, vertex by vertex."""
    vertices = part.vertices.astype(np.float64)
    vertices[:, 2] += terrain.height(vertices[:, :2] + shift) - below
    return replace(part, vertices=vertices.astype(np.float32))


def _ground(network: RoadNetwork, terrain: Terrain, origin: NDArray[np.float64]) -> Mesh:
    points = network.centre_lines.values[:, :2] if len(network.centre_lines) else np.zeros((1, 2))
    low, high = points.min(axis=0) - GROUND_MARGIN, points.max(axis=0) + GROUND_MARGIN
    cell = _HILL_CELL if terrain.amplitude else _GROUND_CELL
    count = np.ceil((high - low) / cell).astype(int) + 1
    x, y = np.meshgrid(*(low[d] + np.arange(count[d]) * cell for d in range(2)), indexing="ij")
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    i = (np.arange(count[0] - 1)[:, None] * count[1] + np.arange(count[1] - 1)).ravel()
    j = i + count[1]
    triangles = np.concatenate([np.stack([i, j, j + 1], 1), np.stack([i, j + 1, i + 1], 1)])
    return mesh(np.column_stack([xy, terrain.height(xy)]) - origin, triangles)


def _sidewalks(network: RoadNetwork) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Left and right edges ``[P, 2]`` of sidewalks that run along a road (rings: left side forth, right side back)."""
    bands = []
    for kind, ring in zip(network.area_types, network.areas, strict=True):
        half = len(ring) // 2
        if kind != AreaType.SIDEWALK or len(ring) % 2 or half < 2:
            continue
        left, right = ring[:half, :2], ring[half:, :2][::-1]
        if np.hypot(*(left[0] - right[0])) > 6 or np.hypot(*(left[-1] - right[-1])) > 6:
            continue  # a place, not a band
        bands.append((left, right))
    return bands


def _beside(points: NDArray[np.float64], kept: KeptFree) -> NDArray[np.float64]:
    """Points moved off the roadway, to at least 2.2 m from every centre line; those that cannot be are left out."""
    placed = []
    angles = np.linspace(-np.pi, np.pi, 16, endpoint=False)
    for point in points:
        for reach in (0.0, 1.5, 2.5, 3.5, 5.0, 7.0):
            tries = point + reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            free = np.flatnonzero((kept.from_lanes(tries) > 2.2) & ~kept.on_roadway(tries))
            if len(free):
                placed.append(tries[free[0]])
                break
    return np.array(placed).reshape(-1, 2)


def _line_road(side: Roadside, random: Generator, found: _Collected) -> None:
    kept = side.kept
    at = random.uniform(4, 12)
    while at < side.length - 4:
        length, depth, height = random.uniform(10, 22), random.uniform(7, 12), random.uniform(4, 14)
        behind = max(side.edges(at + length / 2)[1], _FRONT_YARD)
        middle, yaw = side.place(at + length / 2, behind + random.uniform(2.0, 6.0) + depth / 2)
        if side.clear(middle, np.hypot(length, depth) / 2 + 2.5) and kept.has_room(middle, yaw, length, depth):
            shape = box((-length / 2, length / 2), (-depth / 2, depth / 2), (-_FOUNDATION, height))
            found.buildings.append(shape.placed(middle[0], middle[1], yaw))
        at += length + random.uniform(3, 14)
    for at in np.arange(random.uniform(3, 15), side.length, 28.0):
        kerb, end = side.edges(at)
        point, _ = side.place(at, kerb + (_AT_KERB if end > kerb else 2 * _AT_KERB))
        if side.clear(point, 1.8) and not kept.on_roadway(point):
            found.poles.append(cylinder(0.09, (-0.3, 6.0), sides=5).placed(point[0], point[1], 0.0))
    for at in np.arange(random.uniform(5, 20), side.length, random.uniform(14, 30)):
        point, yaw = side.place(at, max(side.edges(at)[1], 0.6) + 2.6)
        tree = _tree(random)
        if side.clear(point, 3.5) and kept.has_room(point, yaw, *np.ptp(tree.vertices[:, :2], axis=0).tolist()):
            found.trees.append(tree.placed(point[0], point[1], yaw))
    at = random.uniform(10, 40)
    while at < side.length - 12:
        length, shape_of = random.uniform(4, 10), _hedge if random.random() < 0.6 else _fence
        middle, yaw = side.place(at + length / 2, max(side.edges(at + length / 2)[1], _FRONT_YARD) + 1.4)
        if side.clear(middle, length / 2 + 2.0) and kept.has_room(middle, yaw, length, 0.8):
            found.hedges.append(shape_of(length, random).placed(middle[0], middle[1], yaw))
        at += length + random.uniform(15, 60)


def _rough(shape: Mesh, random: Generator, size: float) -> Mesh:
    """With vertices moved at random by up to `size` [m]."""
    moved = shape.vertices + random.uniform(-size, size, shape.vertices.shape)
    return replace(shape, vertices=moved.astype(np.float32))


def _tree(random: Generator) -> Mesh:
    radius, height = random.uniform(1.0, 1.8), random.uniform(4.5, 7.0)
    crown = blob((0, 0, (2.0 + height) / 2), (radius, radius, (height - 2.0) / 2), sides=6)
    return join(cylinder(0.16, (-0.3, 2.5), sides=5), _rough(crown, random, 0.15))


def _traffic_light() -> Mesh:
    head = box((-0.15, 0.15), (-0.15, 0.15), (_LIGHT_HEIGHT - 0.9, _LIGHT_HEIGHT))
    return join(cylinder(0.06, (-0.3, _LIGHT_HEIGHT - 0.9), sides=4), head)


def _hedge(length: float, random: Generator) -> Mesh:
    height = random.uniform(0.8, 1.6)
    pieces = [
        _rough(box((x, x + length / 4), (-0.35, 0.35), (-0.3, height)), random, 0.06)
        for x in np.linspace(-length / 2, length / 4, 4)
    ]
    return join(*pieces)


def _fence(length: float, random: Generator) -> Mesh:
    height = random.uniform(0.9, 1.3)
    posts = [box((x - 0.05, x + 0.05), (-0.05, 0.05), (-0.3, height)) for x in np.arange(-length / 2, length / 2, 2.0)]
    rails = [box((-length / 2, length / 2), (-0.03, 0.03), (z, z + 0.12)) for z in (0.3 * height, 0.75 * height)]
    return join(*posts, *rails)
