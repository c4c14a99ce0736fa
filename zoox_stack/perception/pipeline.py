"""Perception as one object: sweeps or detections in, tracked agents out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import to_outer, wrap_angle
from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.detector import Detector
from zoox_stack.perception.lane_directions import LaneDirections
from zoox_stack.perception.tracking.tracker import Tracker
from zoox_stack.perception.view import View
from zoox_stack.road_network.network import RoadNetwork

__all__ = ["OldStampError", "Perception", "PerceptionConfig", "PerceptionCounters"]

_NS = 1e-9


class OldStampError(InvalidInputError):
    """Input that is as old as or a little older than what was handled last: drop it, nothing has changed."""


@dataclass(frozen=True)
class PerceptionCounters:
    """What happened since the start.

    Attributes:
        handled: Sweeps or detection messages handled.
        refused: Refused as old (`OldStampError`).
        resets: Times the clock jumped back and everything started anew.
        gaps: Times tracks were dropped after too long a gap.
    """

    handled: int = 0
    refused: int = 0
    resets: int = 0
    gaps: int = 0


class Perception:
    """Detects and tracks agents.

    Time comes from the stamps alone. A stamp not newer than the last one raises `OldStampError` and changes nothing,
    unless it lies back by more than `PerceptionConfig.reset_jump`: then the clock was set back (a log restarted) and
    everything starts anew. After a gap longer than `PerceptionConfig.max_gap` tracks are dropped. Ids rise for the
    life of the object.

    Args:
        config: Parameters.
    """

    def __init__(self, config: PerceptionConfig | None = None) -> None:
        self.config = config or PerceptionConfig()
        self.detector = Detector(self.config)
        self.tracker = Tracker(self.config)
        self.last_detections: DetectedAgents | None = None
        self.counters = PerceptionCounters()
        self._last_ns: int | None = None
        self._lanes: LaneDirections | None = None

    def reset(self) -> None:
        """Forget tracks, last detections and last stamp; counters and ids go on."""
        self.tracker.clear()
        self.last_detections = None
        self._last_ns = None

    def process_sweep(self, sweep: PointCloud, ego: EgoState, road_network: RoadNetwork | None = None) -> TrackedAgents:
        """Detect and track in one sweep.

        Args:
            sweep: In base_link.
            ego: Pose of the ego; moved to the stamp of the sweep if it is a little off.
            road_network: If given, unknown things off the road are left out, and lanes tell front from rear.

        Returns:
            Confirmed tracks at the stamp of the sweep, map frame.

        Raises:
            OldStampError: The stamp is not newer.
            InvalidInputError: The sweep is not in base_link, or the ego's stamp is too far from the sweep's.
        """
        here = self._ego_at(ego, sweep.stamp_ns)
        if sweep.frame is not Frame.BASE_LINK:
            raise InvalidInputError(
                "PointCloud.frame", str(Frame.BASE_LINK), str(sweep.frame), "Transform the sweep first."
            )
        self._advance(sweep.stamp_ns)
        lanes = off_road = None
        if road_network is not None:
            lanes = self._lanes_of(road_network)
            off_road = partial(self.detector.off_road, ego=here, road_network=road_network)
        detections = to_map(self.detector.detect(sweep, here, road_network, lanes), here)
        sensor = to_outer(np.array([self.config.sensor_x, self.config.sensor_y]), [here.x, here.y], here.yaw)
        self.last_detections = detections
        seen, view = self.detector.last_segments, None
        if seen is not None:
            at = np.array([self.config.sensor_x, self.config.sensor_y], np.float32)
            view = View(sensor, here.yaw, seen.xyz[:, :2] - at, seen.height)
        return self.tracker.step(
            detections, directed=False, sensor_xy=sensor, ego=here, lanes=lanes, off_road=off_road, view=view
        )

    def _lanes_of(self, road_network: RoadNetwork) -> LaneDirections:
        if self._lanes is None or self._lanes.network is not road_network:
            self._lanes = LaneDirections(road_network)
        return self._lanes

    def process_detections(self, detections: DetectedAgents, ego: EgoState | None = None) -> TrackedAgents:
        """Track detections made elsewhere.

        Args:
            detections: In the map frame or in base_link; yaw tells front from rear.
            ego: Pose of the ego; needed for detections in base_link.

        Returns:
            Confirmed tracks at the stamp of the detections, map frame.

        Raises:
            OldStampError: The stamp is not newer.
            InvalidInputError: Detections in base_link without ego, another frame, or the ego's stamp too far off.
        """
        here = None if ego is None else self._ego_at(ego, detections.stamp_ns)
        if detections.frame is Frame.BASE_LINK:
            if here is None:
                raise InvalidInputError(
                    "DetectedAgents.frame", str(Frame.MAP), str(Frame.BASE_LINK), "Give the ego pose to transform them."
                )
            detections = to_map(detections, here)
        if detections.frame is not Frame.MAP:
            raise InvalidInputError("DetectedAgents.frame", f"{Frame.MAP} or {Frame.BASE_LINK}", str(detections.frame))
        self._advance(detections.stamp_ns)
        self.last_detections = detections
        return self.tracker.step(detections, directed=True, ego=here)

    def _advance(self, stamp_ns: int) -> None:
        """Check a stamp and take it as the newest; reset or drop tracks where time jumped."""
        last, c = self._last_ns, self.config
        if last is not None:
            step = (stamp_ns - last) * _NS
            if step < -c.reset_jump:
                self.reset()
                self.counters = replace(self.counters, resets=self.counters.resets + 1)
            elif step <= 0:
                self.counters = replace(self.counters, refused=self.counters.refused + 1)
                raise OldStampError("stamp", f"newer than {last} ns", f"{stamp_ns} ns")
            elif step > c.max_gap:
                self.tracker.clear()
                self.counters = replace(self.counters, gaps=self.counters.gaps + 1)
        self._last_ns = stamp_ns
        self.counters = replace(self.counters, handled=self.counters.handled + 1)

    def _ego_at(self, ego: EgoState, stamp_ns: int) -> EgoState:
        """The ego moved to a stamp with its speed and yaw rate."""
        dt = (stamp_ns - ego.stamp_ns) * _NS
        if abs(dt) > self.config.max_ego_age:
            raise InvalidInputError(
                "EgoState.stamp_ns", f"within {self.config.max_ego_age} s of {stamp_ns} ns", f"{ego.stamp_ns} ns"
            )
        if dt == 0:
            return ego
        middle = ego.yaw + ego.yaw_rate * dt / 2
        c, s = np.cos(middle), np.sin(middle)
        return replace(
            ego,
            stamp_ns=stamp_ns,
            x=ego.x + (ego.speed * c - ego.lateral_velocity * s) * dt,
            y=ego.y + (ego.speed * s + ego.lateral_velocity * c) * dt,
            yaw=float(wrap_angle(ego.yaw + ego.yaw_rate * dt)),
        )


def to_map(detections: DetectedAgents, ego: EgoState) -> DetectedAgents:
    """Detections in base_link moved to the map frame with the ego pose (velocities are over ground: only turned)."""
    origin = [ego.x, ego.y]
    position = np.column_stack(
        [to_outer(detections.position[:, :2], origin, ego.yaw), detections.position[:, 2] + ego.z]
    )
    return replace(
        detections,
        frame=Frame.MAP,
        position=position,
        yaw=wrap_angle(detections.yaw + ego.yaw),
        velocity=to_outer(np.asarray(detections.velocity), [0.0, 0.0], ego.yaw),
        facing=wrap_angle(np.asarray(detections.facing, dtype=np.float64) + ego.yaw).astype(np.float32),
    )
