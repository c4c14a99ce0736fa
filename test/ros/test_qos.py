"""Quality of service: who will be connected to whom."""

from __future__ import annotations

import os
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Empty

from zoox_stack.ros.qos import expected_listeners


def test_listeners_that_cannot_be_connected_are_not_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=1 + os.getpid() % 100)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    try:
        node, other = Node("one", context=context), Node("two", context=context)
        assert expected_listeners(node, "/topic") == 0
        publisher = node.create_publisher(Empty, "/topic", best_effort)
        other.create_subscription(Empty, "/topic", print, best_effort)
        other.create_subscription(Empty, "/topic", print, QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
        deadline = time.monotonic() + 30.0
        while node.count_subscribers("/topic") < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert node.count_subscribers("/topic") == 2
        assert expected_listeners(node, "/topic") == 1
        while publisher.get_subscription_count() < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert publisher.get_subscription_count() == 1
    finally:
        context.try_shutdown()
