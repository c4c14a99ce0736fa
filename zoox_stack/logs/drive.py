"""A recorded drive, whatever dataset it comes from, and the bag made of it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import resample
from zoox_stack.core.plans import Route
from zoox_stack.core.sensors import PointCloud
from zoox_stack.core.topics import (
    DETECTIONS,
    GROUND_TRUTH,
    KINEMATIC_STATE,
    LIDAR_POINTS,
    ROAD_NETWORK,
    ROUTE,
    TRAFFIC_SIGNALS,
    Topic,
)
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES
from zoox_stack.road_network.network import RoadNetwork

ROUTE_SPACING = 1.0  # [m]
ROUTE_LOOKAHEAD = 8.0  # [s] the route goes on straight this long after the end of the drive, for the last plans
ROUTE_LEAST_EXTENSION = 10.0  # [m]
_JITTER = 0.2  # [m] movements below this are noise of a standing vehicle
_TICK_ORDER = (ROAD_NETWORK, ROUTE, KINEMATIC_STATE, TRAFFIC_SIGNALS, GROUND_TRUTH, LIDAR_POINTS, DETECTIONS)


@dataclass(frozen=True, eq=False)
class RecordedDrive:
    """One drive of a dataset. Everything is in the frame ``map`` = the dataset's own map or world coordinates.

    Attributes:
        name: Name of the drive.
        ego: States of the ego, stamps rising.
        road_network: The map; None if the dataset has none.
        detections: One per sweep, base_link, without identities; empty if there are none.
        ground_truth: Labelled agents, one per sweep, map frame; empty if there are none.
        signals: Observed traffic signals.
        sweeps: Opens the LiDAR sweeps one after the other, stamps rising.
        sweep_count: How many there are.
        sensor_poses: base_link from sensor, 4x4, by sensor name; empty if not given.
        unknown_classes: Labels of classes that the class table does not know, kept as UNKNOWN: boxes by class name.
        skipped: What of the source is not in here, counted by reason.
    """

    name: str
    ego: Sequence[EgoState]
    road_network: RoadNetwork | None = None
    detections: Sequence[DetectedAgents] = ()
    ground_truth: Sequence[TrackedAgents] = ()
    signals: Sequence[TrafficSignals] = ()
    sweeps: Callable[[], Iterator[PointCloud]] = lambda: iter(())
    sweep_count: int = 0
    sensor_poses: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    unknown_classes: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ego:
            raise InvalidInputError(f"drive {self.name}", "at least one ego pose", "none")
        for thing, items in (
            ("ego", self.ego),
            ("detections", self.detections),
            ("ground_truth", self.ground_truth),
            ("signals", self.signals),
        ):
            stamps = np.array([item.stamp_ns for item in items], np.int64)
            if (np.diff(stamps) <= 0).any():
                row = int(np.argmax(np.diff(stamps) <= 0)) + 1
                found = f"{stamps[row]} after {stamps[row - 1]}"
                raise InvalidInputError(f"drive {self.name}: stamps of {thing}", "rising", found)

    @property
    def start_ns(self) -> int:
        """Smallest stamp of what happens over time [ns]."""
        firsts = [items[0].stamp_ns for items in (self.ego, self.detections, self.ground_truth, self.signals) if items]
        return min(firsts)

    @property
    def route(self) -> Route:
        """The driven way of base_link, then straight on for 8 s at the last speed (at least 10 m).

        The straight end exists so that plans made near the end of the drive have a line to follow.
        """
        points = np.array([(e.x, e.y, e.z) for e in self.ego])
        kept = [0]
        for row in range(1, len(points)):
            if np.hypot(*(points[row] - points[kept[-1]])[:2]) >= _JITTER:
                kept.append(row)
        last = self.ego[-1]
        extension = max(ROUTE_LEAST_EXTENSION, ROUTE_LOOKAHEAD * last.speed)
        ahead = points[kept[-1]] + extension * np.array([np.cos(last.yaw), np.sin(last.yaw), 0.0])
        return Route(self.start_ns, resample(np.vstack([points[kept], ahead]), ROUTE_SPACING))


def write_drive(
    drive: RecordedDrive,
    out: Path | str,
    progress: Callable[[int, int], None] | None = None,
    *,
    compression: str = "lz4",
) -> dict[str, int]:
    """Write a drive as a self-contained bag, messages in order of their stamps.

    The map and the route come first, latched. Within one stamp: ego, signals, ground truth, sweep, detections, so that
    everything a tick needs is there when its sweep or its detections arrive.

    Args:
        drive: The drive.
        out: Rosbag2 directory, or single file if it ends in ``.mcap``.
        progress: Called with messages written and messages in all.
        compression: ``none``, ``lz4`` or ``zstd``.

    Returns:
        Messages by topic.

    Raises:
        InvalidInputError: `out` exists, or the drive breaks off with bad data; the unfinished bag is then removed.
    """
    start = drive.start_ns
    timed: list[tuple[Topic, Iterator[Any]]] = [
        (KINEMATIC_STATE, iter(drive.ego)),
        (TRAFFIC_SIGNALS, iter(drive.signals)),
        (GROUND_TRUTH, iter(drive.ground_truth)),
        (LIDAR_POINTS, drive.sweeps()),
        (DETECTIONS, iter(drive.detections)),
    ]
    lengths = (len(drive.ego), len(drive.signals), len(drive.ground_truth), drive.sweep_count, len(drive.detections))
    total = sum(lengths) + 1 + (drive.road_network is not None)
    writer = BagWriter(out, compression=compression, flush_period=None)
    try:
        with writer:
            present = {topic.name for (topic, _), n in zip(timed, lengths, strict=True) if n}
            present |= {ROUTE.name} | ({ROAD_NETWORK.name} if drive.road_network is not None else set())
            for topic in _TICK_ORDER:
                if topic.name in present:
                    writer.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
            if drive.road_network is not None:
                writer.write(ROAD_NETWORK.name, start, encode(drive.road_network, start))
            writer.write(ROUTE.name, start, encode(drive.route))
            done = 1 + (drive.road_network is not None)
            streams = (_keyed(order, topic, items) for order, (topic, items) in enumerate(timed))
            for stamp_ns, _, topic, value in heapq.merge(*streams, key=lambda entry: entry[:2]):
                writer.write(topic.name, stamp_ns, encode(value))
                done += 1
                if progress is not None:
                    progress(done, total)
    except BaseException:
        _remove(Path(out))
        raise
    return {name: topic.count for name, topic in writer.topics.items()}


def _keyed(order: int, topic: Topic, items: Iterator[Any]) -> Iterator[tuple[int, int, Topic, Any]]:
    return ((item.stamp_ns, order, topic, item) for item in items)


def _remove(out: Path) -> None:
    """Remove a bag that this module began and could not finish."""
    if out.is_file():
        out.unlink()
    elif out.is_dir():
        for name in (f"{out.name}_0.mcap", "metadata.yaml"):
            (out / name).unlink(missing_ok=True)
        if not any(out.iterdir()):
            out.rmdir()
