"""Messages that are made wrong, and that the readers see what was meant."""

from __future__ import annotations

import math

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2

from zoox_stack.core.agents import DetectedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.sensors import PointCloud
from zoox_stack.msg import DetectedAgents as DetectedAgentsMessage
from zoox_stack.msg import Trajectory
from zoox_stack.ros.conversions.agents import detected_agents_from_message, detected_agents_to_message
from zoox_stack.ros.conversions.point_cloud import point_cloud_from_message, point_cloud_to_message, structured
from zoox_stack.ros.message_faults import blank, with_blind_sector, with_nan, with_stamp_moved
from zoox_stack.ros.message_types import peek_stamp

STAMP = 1_700_000_000_900_000_000


def detections(*angles: float) -> bytes:
    n = len(angles)
    places = np.array([[20 * math.cos(a), 20 * math.sin(a), 0.8] for a in angles])
    made = DetectedAgents(
        STAMP, Frame.BASE_LINK, np.eye(10)[np.ones(n, np.int64)], np.full(n, 0.9), places, np.zeros(n),
        np.tile([4.5, 1.9, 1.6], (n, 1)),
    )  # fmt: skip
    return bytes(serialize_message(detected_agents_to_message(made)))


def test_stamps_of_headers_and_of_clocks() -> None:
    message = detections(0.0)  # once: the padding of each serialisation is whatever lay in memory
    moved = with_stamp_moved(message, 2_200_000_000)
    assert peek_stamp(moved) == STAMP + 2_200_000_000
    assert moved[12:] == message[12:]
    clock = Clock()
    clock.clock.sec, clock.clock.nanosec = 10, 5
    back = deserialize_message(with_stamp_moved(bytes(serialize_message(clock)), -1_000_000_000), Clock)
    assert (back.clock.sec, back.clock.nanosec) == (9, 5)


def test_every_number_is_nan() -> None:
    odometry = deserialize_message(with_nan(bytes(serialize_message(Odometry())), Odometry), Odometry)
    assert math.isnan(odometry.pose.pose.position.x)
    assert np.isnan(odometry.pose.covariance).all()
    agents = deserialize_message(with_nan(detections(0.0), DetectedAgentsMessage), DetectedAgentsMessage)
    assert np.isnan(agents.agents[0].position).all()
    with pytest.raises(InvalidInputError):
        detected_agents_from_message(agents)
    trajectory = Trajectory()
    trajectory.plan.x = [1.0, 2.0]
    read = deserialize_message(with_nan(bytes(serialize_message(trajectory)), Trajectory), Trajectory)
    assert np.isnan(read.plan.x).all()


def test_a_blind_sector_of_detections_and_of_sweeps() -> None:
    seen = deserialize_message(
        with_blind_sector(detections(0.0, 0.4, -0.6, 3.0), DetectedAgentsMessage, 1.0), DetectedAgentsMessage
    )
    assert len(seen.agents) == 2
    points = np.array([[20.0, 0.0, 1.0], [20.0, 4.0, 1.0], [0.0, 9.0, 0.0]], np.float32)
    sweep = bytes(serialize_message(point_cloud_to_message(PointCloud(STAMP, points, np.arange(3, dtype=np.float32)))))
    read = point_cloud_from_message(deserialize_message(with_blind_sector(sweep, PointCloud2, 1.0), PointCloud2))
    assert read.xyz.tolist() == points[2:].tolist()
    assert read.intensity.tolist() == [2.0]
    assert np.isnan(structured(deserialize_message(with_nan(sweep, PointCloud2), PointCloud2), {"x": "f4"})["x"]).all()
    with pytest.raises(InvalidInputError):
        with_blind_sector(bytes(serialize_message(Trajectory())), Trajectory, 1.0)


def test_blank_keeps_the_header() -> None:
    empty = blank(detections(0.0), DetectedAgentsMessage)
    assert peek_stamp(empty) == STAMP
    assert not deserialize_message(empty, DetectedAgentsMessage).agents
