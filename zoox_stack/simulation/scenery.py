"""What stands beside the roads of any network: raised sidewalks, buildings, poles and trees, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import AreaType
from zoox_stack.core.geometry import arc_lengths, resample
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.meshes import Mesh, box, cylinder, join, prism

KERB_HEIGHT = 0.12  # [m]
GROUND_MARGIN = 150.0  # [m] of ground around the network


@dataclass(frozen=True, eq=False)
class Scenery:
    """Static meshes of one place, map frame. Pairs of mesh and reflectivity (0..1)."""

    ground: tuple[Mesh, float]
    sidewalks: tuple[Mesh, float]
    buildings: tuple[Mesh, float]
    poles: tuple[Mesh, float]
    trees: tuple[Mesh, float]

    @property
    def parts(self) -> tuple[tuple[Mesh, float], ...]:
        """All of them that are not empty."""
        everything = (self.ground, self.sidewalks, self.buildings, self.poles, self.trees)
        return tuple(part for part in everything if len(part[0].triangles))


def make_scenery(network: RoadNetwork, seed: int) -> Scenery:
    """Draw the surroundings of a road network; the same seed gives the same."""
    random = np.random.default_rng([seed, 11])
    points = network.centre_lines.values[:, :2]
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.zeros(2))
    dense = [resample(line[:, :2], 2.0) for line in network.centre_lines]
    road = np.concatenate([np.zeros((0, 2)), *dense])
    keep_off = [ring[:, :2] for kind, ring in zip(network.area_types, network.areas, strict=True)
                if kind == AreaType.INTERSECTION]  # fmt: skip
    road = np.concatenate([road, *keep_off])
    road_tree = cKDTree(road)
    buildings: list[Mesh] = []
    poles: list[Mesh] = []
    trees: list[Mesh] = []
    for row in range(len(network.lane_ids)):
        if network.lane_in_intersection[row] or network.right_neighbours[row] >= 0:
            continue
        _line_road(network.centre_lines[row][:, :2], float(np.nan_to_num(network.lane_widths[row], nan=3.5)), road_tree,
                   random, buildings, poles, trees)  # fmt: skip
    ground = box((low[0] - GROUND_MARGIN, high[0] + GROUND_MARGIN), (low[1] - GROUND_MARGIN, high[1] + GROUND_MARGIN),
                 (-1.0, 0.0))  # fmt: skip
    walks = [prism(ring[:, :2], KERB_HEIGHT) for ring in _convex_sidewalks(network)]
    return Scenery(
        ground=(ground, 0.15),
        sidewalks=(join(*walks), 0.25),
        buildings=(join(*buildings), 0.4),
        poles=(join(*poles), 0.8),
        trees=(join(*trees), 0.3),
    )


def _convex_sidewalks(network: RoadNetwork) -> list[NDArray[np.float64]]:
    """Sidewalk rings cut into quadrilaterals where they run along a road (left side forth, right side back)."""
    quads = []
    for kind, ring in zip(network.area_types, network.areas, strict=True):
        half = len(ring) // 2
        if kind != AreaType.SIDEWALK or len(ring) % 2 or half < 2:
            continue
        left, right = ring[:half], ring[half:][::-1]
        if np.hypot(*(left[0] - right[0])[:2]) > 6 or np.hypot(*(left[-1] - right[-1])[:2]) > 6:
            continue  # a place, not a band
        quads += [np.stack([left[i], right[i], right[i + 1], left[i + 1]]) for i in range(half - 1)]
    return quads


def _line_road(
    line: NDArray[np.float64], width: float, road: cKDTree, random: Generator,
    buildings: list[Mesh], poles: list[Mesh], trees: list[Mesh],
) -> None:  # fmt: skip
    s = arc_lengths(line)
    edge = width / 2

    def place(at: float, right: float) -> tuple[NDArray[np.float64], float]:
        point = np.array([np.interp(at, s, line[:, d]) for d in range(2)])
        ahead = np.array([np.interp(min(at + 1, s[-1]), s, line[:, d]) for d in range(2)])
        back = np.array([np.interp(max(at - 1, 0), s, line[:, d]) for d in range(2)])
        along = (ahead - back) / max(float(np.hypot(*(ahead - back))), 1e-6)
        return point + right * np.array([along[1], -along[0]]), float(np.arctan2(along[1], along[0]))

    def clear(point: NDArray[np.float64], distance: float) -> bool:
        return float(road.query(point)[0]) > distance

    at = random.uniform(4, 12)
    while at < s[-1] - 4:
        length, depth, height = random.uniform(10, 22), random.uniform(7, 12), random.uniform(4, 14)
        middle, yaw = place(at + length / 2, edge + random.uniform(4.5, 8.5) + depth / 2)
        if clear(middle, np.hypot(length, depth) / 2 + 2.5):
            shape = box((-length / 2, length / 2), (-depth / 2, depth / 2), (0, height))
            buildings.append(shape.placed(middle[0], middle[1], yaw))
        at += length + random.uniform(3, 14)
    for at in np.arange(random.uniform(3, 15), s[-1], 28.0):
        point, _ = place(at, edge + 0.6)
        if clear(point, 1.8):
            poles.append(cylinder(0.09, (0, 6.0), sides=6).placed(point[0], point[1], 0.0))
    for at in np.arange(random.uniform(5, 20), s[-1], random.uniform(14, 30)):
        point, yaw = place(at, edge + 3.2)
        if clear(point, 3.5):
            crown = cylinder(random.uniform(1.0, 1.8), (2.2, random.uniform(4.5, 7)), sides=7, top_radius=0.3)
            trees.append(join(cylinder(0.16, (0, 2.3), sides=6), crown).placed(point[0], point[1], yaw))
