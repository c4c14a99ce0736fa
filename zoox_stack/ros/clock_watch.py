"""Listens to the simulated time of a running graph."""

from __future__ import annotations

import time

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock

from zoox_stack.core import topics
from zoox_stack.ros.message_types import NS
from zoox_stack.ros.qos import subscription_profile
from zoox_stack.ros.transport import prepare_transport


class ClockWatch:
    """Use as a context manager; call `spin` often.

    Args:
        domain: ROS domain.

    Attributes:
        first_ns: The first time that was told [ns]; None before.
        now_ns: The newest [ns]; None before the first.
    """

    def __init__(self, domain: int) -> None:
        prepare_transport()
        self.first_ns: int | None = None
        self.now_ns: int | None = None
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("clock_watch", context=self._context, enable_rosout=False, start_parameter_services=False)
        self._node.create_subscription(Clock, topics.CLOCK.name, self._on_clock, subscription_profile(topics.CLOCK.qos))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self) -> ClockWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    @property
    def driven(self) -> float:
        """Simulated time since the first instant [s]; 0 before."""
        return 0.0 if self.first_ns is None or self.now_ns is None else (self.now_ns - self.first_ns) * 1e-9

    def spin(self, seconds: float) -> None:
        """Take what comes within about so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _on_clock(self, message: Clock) -> None:
        self.now_ns = message.clock.sec * NS + message.clock.nanosec
        if self.first_ns is None:
            self.first_ns = self.now_ns
