"""LiDAR detector: sweep in, detections out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

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
from zoox_stack.perception.cluster_classifier import ClusterClassifier
from zoox_stack.perception.cluster_features import cluster_features
from zoox_stack.perception.cluster_levels import ClusterTree, chosen_clusters, cluster_levels
from zoox_stack.perception.clustering import cluster_dbscan, cluster_grid, without_overhang
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.drivable import DrivableTile
from zoox_stack.perception.ground import GroundGrid, height_above_ground
from zoox_stack.perception.lane_directions import LaneDirections
from zoox_stack.road_network.network import RoadNetwork

_CORE = 0.35  # half of the middle part of a box, in its sizes


@dataclass
class DetectorTiming:
    """Wall time of the detector's parts for the last sweep [s]."""

    ground: float = 0.0
    clustering: float = 0.0
    boxes: float = 0.0
    classification: float = 0.0


@dataclass(frozen=True, eq=False)
class Segments:
    """A sweep cut into clusters.

    Attributes:
        rows: int64 ``[Q]`` points of the sweep that are obstacles; the rest refers to them.
        xyz: float32 ``[Q, 3]`` base_link [m].
        height: float32 ``[Q]`` above ground [m].
        tree: C clusters of all levels, without what hangs above them.
        boxes: Their boxes as seen.
    """

    rows: NDArray[np.intp]
    xyz: NDArray[np.float32]
    height: NDArray[np.float32]
    tree: ClusterTree
    boxes: Boxes


@dataclass
class Detector:
    """Geometric LiDAR detector: ground removal, clustering, L-shape boxes, size classes, map filter.

    Attributes:
        config: Parameters.
        timing: Of the last sweep.
        last_segments: Of the last sweep, None without points.
    """

    config: PerceptionConfig = field(default_factory=PerceptionConfig)
    timing: DetectorTiming = field(default_factory=DetectorTiming)
    last_segments: Segments | None = None

    def __post_init__(self) -> None:
        self._tile = DrivableTile()
        c = self.config
        self._classifier = ClusterClassifier(c.classifier_path) if c.classifier == "learned" else None
        self._grid = GroundGrid(
            sectors=c.ground_sectors,
            reach=c.reach,
            max_slope=c.ground_max_slope,
            slope_change=c.ground_slope_change,
            step_height=c.ground_step,
            seed_tolerance=c.ground_seed_tolerance,
        )

    def detect(
        self,
        sweep: PointCloud,
        ego: EgoState | None = None,
        road_network: RoadNetwork | None = None,
        lanes: LaneDirections | None = None,
    ) -> DetectedAgents:
        """Detect agents in one sweep.

        Args:
            sweep: In base_link; any number of points.
            ego: Pose at the stamp of the sweep; needed to use the map, and gives the ego's own box.
            road_network: If given, unknown things off the road are left out.
            lanes: If given, they tell the long side of vehicles from the short one where their shape does not.

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
            self.timing, self.last_segments = DetectorTiming(), None
            return DetectedAgents.empty(sweep.stamp_ns, Frame.BASE_LINK)
        segments = self.last_segments = self.segment(sweep, ego)
        start = time.perf_counter()
        probabilities = self._classify(segments)
        small = segments.boxes.length < self.config.thing_extent
        chosen = chosen_clusters(segments.tree, 1 - probabilities[:, AgentClass.UNKNOWN], small)
        boxes = segments.boxes.take(chosen)
        detections = self._describe(sweep.stamp_ns, boxes, probabilities[chosen], ego, road_network, lanes)
        self.timing.classification = time.perf_counter() - start
        return detections

    def off_road(self, xy: NDArray[np.float64], ego: EgoState, road_network: RoadNetwork) -> NDArray[np.float64]:
        """Distance of points ``[N, 2]``, map frame, from the drivable area ``[N]`` [m]; see `DrivableTile`."""
        return self._tile.distance(road_network, np.array([ego.x, ego.y]), xy)

    @property
    def _origin(self) -> tuple[float, float]:
        return self.config.sensor_x, self.config.sensor_y

    def segment(self, sweep: PointCloud, ego: EgoState | None = None) -> Segments:
        """Take the ground away, cluster the rest, fit boxes; arguments as in `detect`."""
        start = time.perf_counter()
        height = height_above_ground(sweep.xyz, self._origin, self._grid)
        rows = self._obstacles(sweep.xyz, height, ego)
        xyz, height = np.take(sweep.xyz, rows, axis=0), height[rows]
        ground_done = time.perf_counter()
        tree = self._cluster(xyz, height)
        tree = replace(tree, clusters=without_overhang(tree.clusters, height, self.config.vertical_gap))
        clusters_done = time.perf_counter()
        boxes = fit_boxes(xyz, height, tree.clusters, self._origin)
        self.timing = DetectorTiming(
            ground_done - start, clusters_done - ground_done, time.perf_counter() - clusters_done
        )
        return Segments(rows, xyz, height, tree, boxes)

    def _classify(self, segments: Segments) -> NDArray[np.float64]:
        """Class probabilities ``[C, 10]`` of clusters of all levels."""
        c, s = self.config, segments
        by_size = classify(s.boxes, c.unknown_prior)
        if self._classifier is None:
            return by_size
        learned = self._classifier(cluster_features(s.xyz, s.height, s.tree.clusters, s.boxes, self._origin, c.reach))
        return (1 - c.size_weight) * learned + c.size_weight * by_size

    def _obstacles(
        self, xyz: NDArray[np.float32], height: NDArray[np.float32], ego: EgoState | None
    ) -> NDArray[np.intp]:
        """Rows of the points above ground, within reach and not on the ego itself; close by every second one."""
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
        return np.flatnonzero(kept)

    def _cluster(self, xyz: NDArray[np.float32], height: NDArray[np.float32]) -> ClusterTree:
        c = self.config
        xy = xyz[:, :2] - np.array([c.sensor_x, c.sensor_y], np.float32)
        common: dict[str, Any] = {"overhead": c.overhead, "min_points": c.min_points}
        if c.clustering == "dbscan":
            return ClusterTree.flat(cluster_dbscan(xy, height, eps=c.dbscan_eps, voxel=c.cell, **common))
        common |= {"reach": c.reach, "cell": c.cell}
        if c.clustering == "grid":
            grid = cluster_grid(xy, height, widen_ranges=c.widen_ranges, max_extent=c.split_extent, **common)
            return ClusterTree.flat(grid)
        return cluster_levels(
            xy, height, levels=(c.widen_ranges, c.join_ranges, c.join_far_ranges), max_extent=c.join_extent, **common
        )

    def _describe(
        self,
        stamp_ns: int,
        boxes: Boxes,
        probabilities: NDArray[np.float64],
        ego: EgoState | None,
        road_network: RoadNetwork | None,
        lanes: LaneDirections | None,
    ) -> DetectedAgents:
        """Complete, filter and order the boxes."""
        c = self.config
        axes = None
        if ego is not None and lanes is not None:
            # The cosine and sine are of twice the angle.
            axes = lanes.axis(to_outer(boxes.centre, [ego.x, ego.y], ego.yaw)) @ rotation_matrix(2 * ego.yaw)
        position, yaw, size = complete_boxes(boxes, probabilities, np.array([c.sensor_x, c.sensor_y]), axes)
        known = 1 - probabilities[:, AgentClass.UNKNOWN]
        score = (0.2 + 0.8 * known) * boxes.counts / (boxes.counts + 3.0)
        kept = (boxes.length < c.max_length) & (boxes.width < c.max_width)
        kept &= ~_inside_vehicle(position[:, :2], yaw, size[:, :2], probabilities, score)
        if ego is not None and road_network is not None and len(boxes):
            off_road = self.off_road(to_outer(position[:, :2], [ego.x, ego.y], ego.yaw), ego, road_network)
            # A map without any drivable area in sight says nothing about where road users are.
            if np.isfinite(off_road).any():
                kept &= off_road <= np.where(known > 0.3, c.road_margin_movable, c.road_margin)
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
    xy: NDArray[np.float64],
    yaw: NDArray[np.float64],
    size: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    score: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which boxes ``[C]`` are given up for a vehicle.

    Those of no class whose middle lies in its box: mostly roofs and things behind windows. And those of a class whose
    middle lies in the middle part of the box of a vehicle with a higher score: two cannot be there.
    """
    kind = probabilities.argmax(axis=1)
    vehicles = np.flatnonzero(np.isin(kind, VEHICLE_CLASSES))
    local = np.einsum("vij,nvi->nvj", rotation_matrix(yaw[vehicles]), xy[:, None] - xy[vehicles])
    unknown = kind == AgentClass.UNKNOWN
    inside = (np.abs(local) < np.where(unknown[:, None, None], 0.5, _CORE) * size[vehicles]).all(axis=2)
    inside &= unknown[:, None] | (score[:, None] < score[vehicles])
    inside[vehicles, np.arange(len(vehicles))] = False
    return np.asarray(inside.any(axis=1))
