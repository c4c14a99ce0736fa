"""What the sensors of a rig add to a recorded drive."""

from __future__ import annotations

from typing import Any

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.topics import (
    CALIBRATION,
    CAMERA_DETECTIONS,
    GROUND_TRUTH,
    GROUND_TRUTH_EGO,
    KINEMATIC_STATE,
    LIDAR_POINTS,
    RADAR_POINTS,
    Topic,
)
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.sensors.rig import load_sensor_rig
from zoox_stack.simulation.sensors.simulated import SimulatedSensors


class LogSensors:
    """Measures each instant of a drive, ready to be written.

    Args:
        rig: Name or file of a rig.
        network: The place.
        seed: Of scenery and noise.

    Attributes:
        topics: What the sensors publish.

    Raises:
        ConfigurationError: Unknown rig, or Open3D is not installed.
    """

    def __init__(self, rig: str, network: RoadNetwork, seed: int) -> None:
        self._rig = load_sensor_rig(rig)
        self._sensors = SimulatedSensors(self._rig, network, seed)
        present = (
            (LIDAR_POINTS, self._rig.lidars),
            (RADAR_POINTS, self._rig.radars),
            (CAMERA_DETECTIONS, self._rig.cameras),
        )
        self.topics: tuple[Topic, ...] = (CALIBRATION, *(topic for topic, sensors in present if sensors))

    def latched(self, stamp_ns: int) -> list[tuple[Topic, Any]]:
        """What is sent once."""
        return [(CALIBRATION, self._rig.calibration(stamp_ns))]

    def observe(self, scene: TrackedAgents) -> list[tuple[Topic, Any]]:
        """Messages of one instant in the order of writing: the sweep, that starts the stack's tick, comes last.

        Args:
            scene: Everyone with the true ego.
        """
        frame = self._sensors.observe(scene)
        messages: list[tuple[Topic, Any]] = [
            (GROUND_TRUTH_EGO, frame.truth.ego),
            (GROUND_TRUTH, frame.truth),
            (KINEMATIC_STATE, frame.ego),
            *((CAMERA_DETECTIONS, picture) for picture in frame.cameras),
        ]
        if frame.radar is not None:
            messages.append((RADAR_POINTS, frame.radar))
        if frame.lidar is not None:
            messages.append((LIDAR_POINTS, frame.lidar.cloud))
        return messages
