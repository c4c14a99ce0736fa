"""What a simulated drive gives out at each instant, for the log writer and for the simulator node alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.topics import Topic
from zoox_stack.logs.codec import encode
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.detections import NO_SENSORS, perfect_detections
from zoox_stack.simulation.world import STEP

if TYPE_CHECKING:
    from zoox_stack.simulation.sensors.simulated import SimulatedSensors
    from zoox_stack.simulation.terrain import Terrain

TRUTH_RANGE = 100.0  # [m] of the ground truth
_ALWAYS = (topics.KINEMATIC_STATE, topics.TRAFFIC_SIGNALS, topics.GROUND_TRUTH, topics.GROUND_TRUTH_EGO)


class DriveOutputs:
    """Serialized messages of a drive.

    Args:
        sensors: Name of a sensor rig or path of its file; ``none``: detections without fault instead.
        network: The place.
        seed: Of scenery and noise.
        terrain: The ground as the sensors see it; flat if None.

    Attributes:
        tick_topic: Comes last in every instant.
        latched_topics: Sent once, before the drive.
        topics: All topics, latched ones too.

    Raises:
        ConfigurationError: No such rig, one without a LiDAR or with a sensor faster than the ticks, or Open3D is not
            installed.
    """

    def __init__(self, sensors: str, network: RoadNetwork, seed: int, terrain: Terrain | None = None) -> None:
        self._network = network
        self._sensors: SimulatedSensors | None = None
        self.latched_topics = [topics.ROAD_NETWORK, topics.ROUTE]
        self.tick_topic = topics.DETECTIONS
        present: list[Topic] = []
        if sensors != NO_SENSORS:
            # Open3D takes half a second to load, which drives without sensors save.
            from zoox_stack.simulation.sensors.rig import load_sensor_rig
            from zoox_stack.simulation.sensors.simulated import SimulatedSensors

            rig = load_sensor_rig(sensors)
            if not rig.lidars:
                expected = "a LiDAR: its sweeps are the ticks"
                raise ConfigurationError(f"sensor rig {sensors}: expected {expected}, found none")
            rig.check_rates(1 / STEP)
            self._sensors = SimulatedSensors(rig, network, seed, terrain)
            self.latched_topics.append(topics.CALIBRATION)
            self.tick_topic = topics.LIDAR_POINTS
            present += [topics.RADAR_POINTS] if rig.radars else []
            present += [topics.CAMERA_DETECTIONS] if rig.cameras else []
        self.topics = [*self.latched_topics, *_ALWAYS, *present, self.tick_topic]

    def latched(self, route: Route, stamp_ns: int) -> Iterator[tuple[Topic, bytes]]:
        """Map, route, and where the sensors are, as of a time [ns]."""
        yield topics.ROAD_NETWORK, encode(self._network, stamp_ns)
        yield topics.ROUTE, encode(replace(route, stamp_ns=stamp_ns))
        if self._sensors is not None:
            yield topics.CALIBRATION, encode(self._sensors.rig.calibration(stamp_ns))

    def messages(self, scene: TrackedAgents, signals: TrafficSignals) -> Iterator[tuple[Topic, bytes]]:
        """Everything of one instant, the tick last.

        Args:
            scene: Everyone with the true ego.
            signals: States of the traffic signals.

        Raises:
            InvalidInputError: The scene has no ego.
        """
        if scene.ego is None:
            raise InvalidInputError("scene.ego", "the state of the ego", "none")
        frame = None if self._sensors is None else self._sensors.observe(scene)
        truth = scene if frame is None else frame.truth  # on the ground of the terrain
        gap = np.hypot(*(truth.position[:, :2] - scene.ego.centre).T)
        yield topics.KINEMATIC_STATE, encode(scene.ego if frame is None else frame.ego)
        yield topics.GROUND_TRUTH_EGO, encode(truth.ego)
        yield topics.TRAFFIC_SIGNALS, encode(signals)
        yield topics.GROUND_TRUTH, encode(truth.take(np.flatnonzero(gap <= TRUTH_RANGE)))
        if frame is None:
            yield topics.DETECTIONS, encode(perfect_detections(scene))
            return
        if frame.radar is not None:
            yield topics.RADAR_POINTS, encode(frame.radar)
        for camera in frame.cameras:
            yield topics.CAMERA_DETECTIONS, encode(camera)
        if frame.lidar is not None:
            yield topics.LIDAR_POINTS, encode(frame.lidar.cloud)
