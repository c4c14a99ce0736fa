"""Listens to a running stack and keeps the newest numbers of every stage, for a status on the screen."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from zoox_stack.core import topics
from zoox_stack.core.plans import PlanDecision
from zoox_stack.core.timing import StageTick
from zoox_stack.core.topics import Topic
from zoox_stack.msg import PlanDecision as PlanDecisionMessage
from zoox_stack.msg import StageTiming, TrackedAgents
from zoox_stack.ros.conversions.plans import plan_decision_from_message
from zoox_stack.ros.conversions.timing import stage_timing_from_message
from zoox_stack.ros.qos import subscription_profile
from zoox_stack.ros.transport import prepare_transport

WINDOW = 30  # ticks over which rates and latencies are shown


@dataclass
class StageStatus:
    """Newest ticks of one stage; arrival times are those of the monotonic clock [s]."""

    ticks: deque[StageTick] = field(default_factory=lambda: deque(maxlen=WINDOW))
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    @property
    def rate(self) -> float:
        """Ticks per second over the window, 0 if unknown."""
        if len(self.arrivals) < 2:
            return 0.0
        return (len(self.arrivals) - 1) / max(self.arrivals[-1] - self.arrivals[0], 1e-6)

    @property
    def age(self) -> float:
        """Since the last tick [s]."""
        return time.monotonic() - self.arrivals[-1] if self.arrivals else float("inf")


class LiveStatus:
    """Subscribes to timing, decisions and tracks of a running stack. Use as a context manager; call `spin` often.

    Args:
        domain: ROS domain; None for that of the environment.
    """

    def __init__(self, domain: int | None = None) -> None:
        prepare_transport()
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("live_status", context=self._context, enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.stages: dict[str, StageStatus] = {}
        self.decision: PlanDecision | None = None
        self.agents: int | None = None
        self._listen(StageTiming, topics.TIMING, self._on_timing)
        self._listen(PlanDecisionMessage, topics.DECISION, self._on_decision)
        self._listen(TrackedAgents, topics.TRACKED_AGENTS, self._on_tracks)

    def _listen(self, kind: type, topic: Topic, callback: object) -> None:
        profile: QoSProfile = subscription_profile(topic.qos)
        self._node.create_subscription(kind, topic.name, callback, profile)

    def __enter__(self) -> LiveStatus:
        return self

    def __exit__(self, *_: object) -> None:
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def spin(self, seconds: float) -> None:
        """Take messages for about so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _on_timing(self, message: StageTiming) -> None:
        tick = stage_timing_from_message(message)
        status = self.stages.setdefault(tick.stage, StageStatus())
        status.ticks.append(tick)
        status.arrivals.append(time.monotonic())

    def _on_decision(self, message: PlanDecisionMessage) -> None:
        self.decision = plan_decision_from_message(message)

    def _on_tracks(self, message: TrackedAgents) -> None:
        self.agents = len(message.agents)
