"""LiDAR detector: sweep in, detections out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import DetectedAgents, EgoState
from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import rotation_matrix, to_outer
from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.box_fit import Boxes, fit_boxes
from zoox_stack.perception.classification import classify, complete_boxes
from zoox_stack.perception.clustering import Clusters, cluster_dbscan, cluster_grid, without_overhang
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.drivable import DrivableTile
from zoox_stack.perception.ground import GroundGrid, height_above_ground
from zoox_stack.road_network.network import RoadNetwork


@dataclass
class DetectorTiming:
    """Wall time of the detector's parts for the last sweep [s]."""

    ground: float = 0.0
    clustering: float = 0.0
    boxes: float = 0.0
    classification: float = 0.0


@dataclass
class Detector:
    """Geometric LiDAR detector: ground removal, clustering, L-shape boxes, size classes, map filter.

    Attributes:
        config: Parameters.
        timing: Of the last sweep.
    """

    config: PerceptionConfig = field(default_factory=PerceptionConfig)
    timing: DetectorTiming = field(default_factory=DetectorTiming)

    def __post_init__(self) -> None:
        self._tile = DrivableTile()
        c = self.config
        self._grid = GroundGrid(
            sectors=c.ground_sectors,
            reach=c.reach,
            max_slope=c.ground_max_slope,
            slope_change=c.ground_slope_change,
            step_height=c.ground_step,
            seed_tolerance=c.ground_seed_tolerance,
        )

    def detect(
        self, sweep: PointCloud, ego: EgoState | None = None, road_network: RoadNetwork | None = None
    ) -> DetectedAgents:
        """Detect agents in one sweep.

        Args:
            sweep: In base_link; any number of points.
            ego: Pose at the stamp of the sweep; needed to use the map, and gives the ego's own box.
            road_network: If given, unknown things off the road are left out.

        Returns:
            Detections in base_link, best score first. A heading is that of an axis: it may be off by pi.

        Raises:
            InvalidInputError: The sweep is not in base_link.
        """
        if sweep.frame is not Frame.BASE_LINK:
            raise InvalidInputError(
                "PointCloud.frame", str(Frame.BASE_LINK), str(sweep.frame), "Transform the sweep first."
            )
        if len(sweep) == 0:
            self.timing = DetectorTiming()
            return DetectedAgents.empty(sweep.stamp_ns, Frame.BASE_LINK)
        c, origin = self.config, (self.config.sensor_x, self.config.sensor_y)
        start = time.perf_counter()
        height = height_above_ground(sweep.xyz, origin, self._grid)
        xyz, height = self._obstacles(sweep.xyz, height, ego)
        ground_done = time.perf_counter()
        clusters = without_overhang(self._cluster(xyz, height), height, c.vertical_gap)
        clusters_done = time.perf_counter()
        boxes = fit_boxes(xyz, height, clusters, origin)
        boxes_done = time.perf_counter()
        detections = self._describe(sweep.stamp_ns, boxes, ego, road_network)
        self.timing = DetectorTiming(
            ground_done - start,
            clusters_done - ground_done,
            boxes_done - clusters_done,
            time.perf_counter() - boxes_done,
        )
        return detections

    def _obstacles(
        self, xyz: NDArray[np.float32], height: NDArray[np.float32], ego: EgoState | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points above ground, within reach and not on the ego itself; close by every second one."""
        c = self.config
        body = ego or EgoState(0, 0.0, 0.0)
        x, y = xyz[:, 0], xyz[:, 1]
        kept = (height > c.obstacle_height) & (height < c.max_height)
        squared = (x - np.float32(c.sensor_x)) ** 2 + (y - np.float32(c.sensor_y)) ** 2
        kept &= squared < c.reach**2
        kept[::2] &= squared[::2] > c.thin_range**2
        kept &= (np.abs(x - np.float32(body.rear_axle_to_centre)) > body.length / 2 + c.ego_margin) | (
            np.abs(y) > body.width / 2 + c.ego_margin
        )
        rows = np.flatnonzero(kept)
        return np.take(xyz, rows, axis=0), height[rows]

    def _cluster(self, xyz: NDArray[np.float32], height: NDArray[np.float32]) -> Clusters:
        c = self.config
        xy = xyz[:, :2] - np.array([c.sensor_x, c.sensor_y], np.float32)
        if c.clustering == "dbscan":
            return cluster_dbscan(
                xy, height, eps=c.dbscan_eps, voxel=c.cell, overhead=c.overhead, min_points=c.min_points
            )
        return cluster_grid(
            xy, height, reach=c.reach, cell=c.cell, widen_ranges=c.widen_ranges, overhead=c.overhead,
            min_points=c.min_points, max_extent=c.split_extent,
        )  # fmt: skip

    def _describe(
        self, stamp_ns: int, boxes: Boxes, ego: EgoState | None, road_network: RoadNetwork | None
    ) -> DetectedAgents:
        """Classify, complete, filter and order the boxes."""
        c = self.config
        probabilities = classify(boxes, c.unknown_prior)
        position, yaw, size = complete_boxes(boxes, probabilities, np.array([c.sensor_x, c.sensor_y]))
        known = 1 - probabilities[:, AgentClass.UNKNOWN]
        score = (0.2 + 0.8 * known) * boxes.counts / (boxes.counts + 3.0)
        kept = (boxes.length < c.max_length) & (boxes.width < c.max_width)
        kept &= (known > 0.5) | ~_inside_vehicle(position[:, :2], yaw, size[:, :2], probabilities)
        if ego is not None and road_network is not None and len(boxes):
            here = np.array([ego.x, ego.y])
            off_road = self._tile.distance(road_network, here, to_outer(position[:, :2], here, ego.yaw))
            # A map without any drivable area in sight says nothing about where road users are.
            if np.isfinite(off_road).any():
                kept &= off_road <= np.where(known > 0.5, c.road_margin_movable, c.road_margin)
        rows = np.flatnonzero(kept)
        rows = rows[np.argsort(-score[rows], kind="stable")][: c.max_detections]
        return DetectedAgents(
            stamp_ns=stamp_ns,
            frame=Frame.BASE_LINK,
            class_probabilities=probabilities[rows].astype(np.float32),
            score=score[rows].astype(np.float32),
            position=position[rows],
            yaw=yaw[rows],
            size=size[rows].astype(np.float32),
        )


def _inside_vehicle(
    xy: NDArray[np.float64], yaw: NDArray[np.float64], size: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which box centres ``[C, 2]`` lie in the box of another, a vehicle: mostly roofs and things behind windows."""
    vehicles = np.flatnonzero(np.isin(probabilities.argmax(axis=1), VEHICLE_CLASSES))
    local = np.einsum("vij,nvi->nvj", rotation_matrix(yaw[vehicles]), xy[:, None] - xy[vehicles])
    inside = (np.abs(local) < size[vehicles] / 2).all(axis=2)
    inside[vehicles, np.arange(len(vehicles))] = False
    return np.asarray(inside.any(axis=1))
