"""What comes back for each tick, for nodes that make input (replay, simulator): trajectories, timing, hashes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from zoox_stack.core import topics
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.topics import Topic
from zoox_stack.nodes.tick_report import TickReport
from zoox_stack.ros.conversions.timing import stage_timing_from_message
from zoox_stack.ros.message_hash import message_hash
from zoox_stack.ros.message_types import message_class, peek_stamp, peek_trajectory_source
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.qos import publisher_profile
from zoox_stack.ros.serialized import unpack

_OUTPUTS = (topics.TRACKED_AGENTS, topics.PREDICTED_AGENTS, topics.DECISION, topics.TRAJECTORY)
_DEPTH = 200  # messages that wait at most
_OTHERS = 1.0  # [s] lock-step: after the trajectory, for the other outputs of the tick


class TickWatch:
    """Fills a report; in lock-step it tells when the open tick is answered.

    Args:
        node: The node that sends ticks.
        report: Where what came back is noted.
        hashing: Hash all outputs into the report, and wait for all of them.
        timeout: In lock-step a tick without trajectory after this is given up [s].
        on_trajectory: Called with the bytes of every trajectory.
    """

    def __init__(
        self,
        node: StackNode,
        report: TickReport,
        *,
        hashing: bool,
        timeout: float,
        on_trajectory: Callable[[bytes], None] | None = None,
    ) -> None:
        self._node, self.report, self._hashing, self._timeout = node, report, hashing, timeout
        self._on_trajectory = on_trajectory
        self._open_ns: int | None = None
        self._sent_at = 0.0
        self._answered_at: float | None = None
        self.lost = 0
        self._subscriptions: list[tuple[Topic, Any, Subscription]] = []
        for topic in (*(_OUTPUTS if hashing else (topics.TRAJECTORY,)), topics.TIMING):
            self._listen(topic)

    def poll(self) -> None:
        """Take in all that has come.

        The executor hands out one message at a time, and a timer that is due before them. A node whose steps take long
        would fall behind; it calls this before a step.
        """
        for topic, kind, subscription in self._subscriptions:
            while (taken := subscription.handle.take_message(kind, True)) is not None:
                data, info = taken
                self._node.guarded(topic.name, self._take, topic, kind, data, info["received_timestamp"])

    def open(self, stamp_ns: int) -> None:
        """A tick was sent whose answer is waited for."""
        self._open_ns, self._sent_at, self._answered_at = stamp_ns, time.monotonic(), None

    def is_answered(self) -> bool:
        """The open tick, if there is one, needs no more waiting."""
        if self._open_ns is None:
            return True
        now = time.monotonic()
        if self._answered_at is None:
            if now - self._sent_at < self._timeout:
                return False
            self.lost += 1
            self._node.get_logger().warning(f"no trajectory for {self._open_ns} ns")
        elif self._hashing and now - self._answered_at <= _OTHERS:
            record = self.report.get(self._open_ns)
            if record is not None and len(record.hashes) < len(_OUTPUTS):
                return False
        self._open_ns = None
        return True

    def _listen(self, topic: Topic) -> None:
        kind = message_class(topic.type_name)
        profile = publisher_profile(topic.qos)
        profile.depth = max(profile.depth, _DEPTH)

        def callback(data: bytes) -> None:
            self._node.guarded(topic.name, self._take, topic, kind, data, time.time_ns())
            self.poll()

        subscription = self._node.create_subscription(kind, topic.name, callback, profile, raw=True)
        self._subscriptions.append((topic, kind, subscription))

    def _take(self, topic: Topic, kind: Any, data: bytes, received_ns: int) -> None:
        if topic is topics.TIMING:
            self.report.timing(unpack(data, kind, stage_timing_from_message))
        else:
            self._on_output(topic, kind, data, received_ns)

    def _on_output(self, topic: Topic, kind: Any, data: bytes, received_ns: int) -> None:
        stamp_ns = peek_stamp(data)
        if topic is topics.TRAJECTORY:
            source = peek_trajectory_source(data)
            self.report.trajectory(stamp_ns, received_ns, source >= TrajectorySource.COMFORT_STOP)
            if stamp_ns == self._open_ns and self._answered_at is None:
                self._answered_at = time.monotonic()
            if self._on_trajectory is not None:
                self._on_trajectory(data)
        record = self.report.get(stamp_ns)
        if self._hashing and record is not None:
            record.hashes[topic.name] = message_hash(deserialize_message(data, kind))
