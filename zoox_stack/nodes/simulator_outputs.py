"""What the simulator says each step, as serialized messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.topics import Topic
from zoox_stack.logs.codec import encode
from zoox_stack.ros.serialized import tracked_agents_to_bytes
from zoox_stack.simulation.closed_loop import ClosedLoop
from zoox_stack.simulation.detections import NO_SENSORS, perfect_detections

if TYPE_CHECKING:
    from zoox_stack.simulation.sensors.simulated import SimulatedSensors

TRUTH_RANGE = 100.0  # [m]
_ALWAYS = (topics.KINEMATIC_STATE, topics.TRAFFIC_SIGNALS, topics.GROUND_TRUTH, topics.GROUND_TRUTH_EGO)


class SimulatorOutputs:
    """Makes the messages of a drive.

    Args:
        sensors: Name of a sensor rig or path of its file; ``none``: perfect detections.
        drive: What happens.
        seed: Of the noise.

    Attributes:
        tick_topic: Comes last in every step.
        latched_topics: Sent once, before the drive.
        topics: All topics, latched ones too.

    Raises:
        ConfigurationError: No such rig, or one without a LiDAR.
    """

    def __init__(self, sensors: str, drive: ClosedLoop, seed: int) -> None:
        self._drive = drive
        network = drive.town.net.network
        self._network = network
        self.latched_topics = [topics.ROAD_NETWORK, topics.ROUTE]
        self._sensors: SimulatedSensors | None = None
        if sensors == NO_SENSORS:
            self.tick_topic = topics.DETECTIONS
            self.topics = [*self.latched_topics, *_ALWAYS, topics.DETECTIONS]
            return
        from zoox_stack.simulation.sensors.rig import load_sensor_rig
        from zoox_stack.simulation.sensors.simulated import SimulatedSensors

        rig = load_sensor_rig(sensors)
        if not rig.lidars:
            raise ConfigurationError(f"sensor rig {sensors}: expected a LiDAR: its sweeps are the ticks, found none")
        self._sensors = SimulatedSensors(rig, network, seed)
        self.latched_topics.append(topics.CALIBRATION)
        self.tick_topic = topics.LIDAR_POINTS
        more = [topics.RADAR_POINTS, topics.CAMERA_DETECTIONS, topics.LIDAR_POINTS]
        self.topics = [*self.latched_topics, *_ALWAYS, *more]

    def latched(self) -> Iterator[tuple[Topic, bytes]]:
        """Map, route, and where the sensors are."""
        stamp_ns = self._drive.scene.stamp_ns
        yield topics.ROAD_NETWORK, encode(self._network, stamp_ns)
        yield topics.ROUTE, encode(replace(self._drive.route, stamp_ns=stamp_ns))
        if self._sensors is not None:
            yield topics.CALIBRATION, encode(self._sensors.rig.calibration(stamp_ns))

    def messages(self) -> Iterator[tuple[Topic, bytes]]:
        """Everything of this instant, the tick last."""
        scene, signals = self._drive.scene, self._drive.signals
        ego = scene.ego
        assert ego is not None
        frame = None if self._sensors is None else self._sensors.observe(scene)
        if frame is not None:
            scene = frame.truth  # on the ground of the terrain
        yield topics.KINEMATIC_STATE, encode(ego if frame is None else frame.ego)
        yield topics.GROUND_TRUTH_EGO, encode(scene.ego)
        yield topics.TRAFFIC_SIGNALS, encode(signals)
        yield topics.GROUND_TRUTH, tracked_agents_to_bytes(_near(scene, TRUTH_RANGE))
        if frame is None:
            yield topics.DETECTIONS, encode(perfect_detections(scene))
            return
        if frame.radar is not None:
            yield topics.RADAR_POINTS, encode(frame.radar)
        for camera in frame.cameras:
            yield topics.CAMERA_DETECTIONS, encode(camera)
        if frame.lidar is not None:
            yield topics.LIDAR_POINTS, encode(frame.lidar.cloud)


def _near(scene: TrackedAgents, radius: float) -> TrackedAgents:
    """The scene without those farther than `radius` [m] from the ego."""
    assert scene.ego is not None
    offset = scene.position[:, :2] - scene.ego.centre
    return scene.take(((offset**2).sum(axis=1) <= radius**2).nonzero()[0])
