"""Stopping at the side of the road: whether there is room within reach, and the path there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AreaType
from zoox_stack.core.geometry import arc_lengths, box_corners
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.network import DEFAULT_LANE_WIDTH, RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.stops import StopPath

_STEEPEST = 5.78  # largest second derivative of the quintic from 0 to 1
_LEAST_WAY = 12.0  # [m] over which the vehicle moves sideways
_STRAIGHTEN = 3.0  # [m] at the side before the end
_OFFSETS = 0.25  # [m] between the sideways ways that are tried
_CLEAR = 0.3  # [m] between lane and vehicle where there is room for it
_MARGIN = 0.5  # [m] kept to agents
_BEHIND, _BEHIND_TIME = 5.0, 3.0  # [m], [s] of driving that agents behind have to stay away
_SPACING = 0.5  # [m]


@dataclass(frozen=True, eq=False)
class RoadMap:
    """A map, made ready for questions.

    Attributes:
        index: The lanes.
        drivable: Ground to drive on.
        areas: Areas of the map.
    """

    index: LaneIndex
    drivable: DrivableGrid
    areas: AreaIndex

    @classmethod
    def of(cls, network: RoadNetwork) -> RoadMap:
        """Build the search structures of a map, which takes a while for large ones."""
        index = LaneIndex(network)
        return cls(index, DrivableGrid(index), AreaIndex(network))


def pull_over_path(
    path: StopPath,
    stop_at: float,
    speed: float,
    ego: EgoState,
    road: RoadMap,
    agents: TrackedAgents,
    config: SupervisorConfig,
) -> StopPath | None:
    """A path to the side that ends there as far along as the vehicle stops anyway.

    It starts with the place, heading and curvature of `path`. At its end the vehicle stands on drivable ground, clear
    of the lane where there is room for that, at least with its middle off the driving lanes, in no intersection and on
    no crosswalk; no agent is or soon comes in the way.

    Args:
        path: The path straight on.
        stop_at: Where along it the vehicle stops [m].
        speed: Now [m/s].
        ego: For its size.
        road: The map.
        agents: Everybody road.
        config: Side and limits.

    Returns:
        None where there is no room, or the map does not say where one may drive.
    """
    if not road.drivable.known:
        return None
    line = _line(path, stop_at + ego.length)
    beyond = _lane_width(path, stop_at, road) / 2 + ego.width / 2 + _CLEAR
    ways = np.arange(config.pull_over_least, config.pull_over_most + 1e-9, _OFFSETS)
    for sideways in ways[np.argsort(np.abs(ways - beyond), kind="stable")].tolist():
        way = max(_LEAST_WAY, speed * math.sqrt(_STEEPEST * sideways / config.pull_over_lateral_acceleration))
        if way > stop_at - _STRAIGHTEN:
            continue
        aside = config.pull_over_side * sideways
        shifted = _shifted(path, line, aside, way)
        if _at_the_side(shifted, stop_at, ego, road) and _free(line, aside, stop_at, ego, agents):
            return shifted
    return None


def _lane_width(path: StopPath, stop_at: float, road: RoadMap) -> float:
    xy, yaw, _ = path.at(np.array([stop_at]))
    row = int(road.index.nearest(xy, yaw).rows[0])
    return road.index.width(row) if row >= 0 else DEFAULT_LANE_WIDTH


def _line(path: StopPath, length: float) -> Polyline:
    s = np.arange(0.0, min(length, float(path.s[-1])) + _SPACING, _SPACING)
    xy, yaw, curvature = path.at(s)
    keep = np.concatenate([[True], np.diff(np.minimum(s, path.s[-1])) > 1e-6])
    return Polyline(xy[keep], s[keep], np.unwrap(yaw[keep]), curvature[keep])


def _shifted(path: StopPath, line: Polyline, aside: float, way: float) -> StopPath:
    u = np.clip(line.s / way, 0.0, 1.0)
    d = aside * u**3 * (10 - 15 * u + 6 * u**2)
    slope = aside / way * 30 * u**2 * (1 - u) ** 2
    xy = line.xy + d[:, None] * np.stack([-np.sin(line.heading), np.cos(line.heading)], axis=1)
    yaw = line.heading + np.arctan2(slope, 1 - line.curvature * d)
    curvature = np.gradient(yaw, arc_lengths(xy))
    curvature[0] = path.curvature[0]
    return StopPath.through(xy, yaw, curvature)


def _boxes(path: StopPath, s: NDArray[np.float64], ego: EgoState) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles ``[N, 2]`` and corners ``[N, 4, 2]`` of the vehicle along a path."""
    xy, yaw, _ = path.at(s)
    middle = xy + ego.rear_axle_to_centre * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    return middle, box_corners(middle, yaw, ego.length, ego.width)


def _at_the_side(path: StopPath, stop_at: float, ego: EgoState, road: RoadMap) -> bool:
    _, corners = _boxes(path, np.arange(0.0, stop_at, 1.0), ego)
    if not road.drivable.contains(corners).all():
        return False
    middle, corners = _boxes(path, np.array([stop_at]), ego)
    if not road.drivable.contains(corners).all():
        return False
    if road.areas.contains(corners, (AreaType.INTERSECTION, AreaType.CROSSWALK)).any():
        return False
    lane = road.index.nearest(middle, max_distance=6.0)
    row = int(lane.rows[0])
    return row < 0 or float(lane.distance[0]) >= road.index.width(row) / 2


def _free(line: Polyline, aside: float, stop_at: float, ego: EgoState, agents: TrackedAgents) -> bool:
    """Whether no agent is in the strip between the lane and the side, or comes into it from behind."""
    if not len(agents):
        return True
    places = line.project(agents.position[:, :2])
    reach = np.hypot(agents.size[:, 0], agents.size[:, 1]) / 2 + _MARGIN
    edge = np.sign(aside) * ego.width / 2  # from the side of the vehicle now to that at the side
    low, high = sorted((edge, aside + edge))
    beside = (places.d + reach > low) & (places.d - reach < high)
    front = stop_at + ego.rear_axle_to_centre + ego.length / 2
    behind = -_BEHIND - _BEHIND_TIME * agents.speed
    along = (places.s + reach > behind) & (places.s - reach < front)
    return not bool(np.any(beside & along))
