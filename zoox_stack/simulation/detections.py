"""Detections as a detector without faults would give them: for logs and drives without sensors."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.agents import DetectedAgents, TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import to_local, wrap_angle

NO_SENSORS = "none"  # in place of the name of a sensor rig: detections like these instead
RANGE = 80.0  # [m]


def perfect_detections(scene: TrackedAgents, reach: float = RANGE) -> DetectedAgents:
    """Everyone within `reach` [m] of the ego, in base_link, in the order of the scene, without identities.

    Raises:
        InvalidInputError: The scene has no ego.
    """
    ego = scene.ego
    if ego is None:
        raise InvalidInputError("scene.ego", "the state of the ego", "none")
    rows = np.flatnonzero(np.hypot(*(scene.position[:, :2] - [ego.x, ego.y]).T) <= reach)
    position = scene.position[rows].copy()
    position[:, :2] = to_local(position[:, :2], [ego.x, ego.y], ego.yaw)
    position[:, 2] -= ego.z
    return DetectedAgents(
        stamp_ns=scene.stamp_ns,
        frame=Frame.BASE_LINK,
        class_probabilities=scene.class_probabilities[rows],
        score=np.ones(len(rows), np.float32),
        position=position,
        yaw=np.asarray(wrap_angle(scene.yaw[rows] - ego.yaw)),
        size=scene.size[rows],
        attributes=scene.attributes[rows],
    )
