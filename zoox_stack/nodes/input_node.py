"""What nodes that make the stack's input share (replay, simulator).

They wait until every node they need says on /diagnostics that it is ready, everyone who listens is connected to
everyone who publishes and the recorder has noticed every topic. Then they send latched messages, wait until these are
in use, go on until there is nothing more, wait a little for the last answers, and end.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar

import rclpy
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock

from zoox_stack.core import topics
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.nodes.configs import InputNodeConfig
from zoox_stack.nodes.readiness import StackReadiness
from zoox_stack.nodes.tick_report import TickReport
from zoox_stack.nodes.tick_watch import TickWatch
from zoox_stack.ros.conversions.basics import stamp_to_message
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.run import EXIT_FAILED

C = TypeVar("C", bound=InputNodeConfig)

_SETTLE = 1.0  # [s] at the end for the last trajectory and the last words of the stages
IDLE = 0.05  # [s] between looks while waiting


class _Phase(Enum):
    WAITING = auto()
    MAPPING = auto()
    RUNNING = auto()
    SETTLING = auto()


class InputNode(StackNode[C]):
    """See the module.

    Args:
        stage: Name of the node.
        config: Parameter dataclass.
    """

    def __init__(self, stage: str, config: type[C]) -> None:
        super().__init__(stage, config)
        self.report = TickReport(Path(self.config.report).expanduser() if self.config.report else None)
        self._phase = _Phase.WAITING
        self._settle_until = 0.0

    def connect(
        self,
        outlets: Mapping[str, Publisher],
        tick_topic: str,
        latched: Iterable[str],
        on_trajectory: Callable[[bytes], None] | None = None,
    ) -> None:
        """Say what will be published; called once, by the constructor.

        Args:
            outlets: Publishers by topic.
            tick_topic: The one whose messages are the ticks.
            latched: Topics of which everyone must have got a message before the first tick.
            on_trajectory: Called with the bytes of every trajectory.
        """
        config = self.config
        self.outlets, self._latched = outlets, list(latched)
        self._time = self.publisher(topics.CLOCK)
        self._stack = StackReadiness(self, config.wait_for, outlets, tick_topic, config.ready_timeout)
        hashing = config.lockstep and config.hashes and bool(config.report)
        self.watch = TickWatch(
            self, self.report, hashing=hashing, timeout=config.tick_timeout, on_trajectory=on_trajectory
        )

    # --- to override ------------------------------------------------------------------------------------------------

    @abstractmethod
    def send_latched(self) -> None:
        """The stack is ready: send what is sent once."""

    @abstractmethod
    def start(self) -> None:
        """All of it is in use: begin."""

    @abstractmethod
    def go_on(self) -> float:
        """What is due now; the time until more is [s]. Calls `settle` when there is nothing more."""

    @abstractmethod
    def summary(self) -> str:
        """What came of it, in one sentence."""

    @abstractmethod
    def failure(self, reason: str) -> str:
        """What to say when the node cannot go on."""

    # --- the work ---------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """For /diagnostics."""
        return self._phase.name.lower()

    @property
    def running(self) -> bool:
        """Between the first and the last tick."""
        return self._phase is _Phase.RUNNING

    def work(self) -> float | None:
        """What is due now; the time until more is [s]."""
        return self.safely(self._work)

    def safely(self, function: Callable[[], float]) -> float:
        """Call a function; an error of it, whichever, ends the node with exit code 1: nobody else would go on."""
        try:
            return function()
        except ZooxStackError as error:
            reason = str(error)
        except Exception as error:
            if not rclpy.ok():  # a signal took the context away in the middle
                raise
            reason = f"{type(error).__name__}: {error}"
        self.get_logger().error(self.failure(reason))
        self.exit_code, self.done = EXIT_FAILED, True
        return 0.0

    def settle(self) -> float:
        """There is nothing more: wait for the last answers, then end."""
        self._phase = _Phase.SETTLING
        self._settle_until = time.monotonic() + _SETTLE
        return 0.0

    def tell_time(self, time_ns: int) -> None:
        """Publish on /clock."""
        self._time.publish(Clock(clock=stamp_to_message(time_ns)))

    def _work(self) -> float:
        match self._phase:
            case _Phase.WAITING:
                missing = self._stack.missing()
                if missing:
                    return self._give_up_in_time(missing)
                self.send_latched()
                self._phase = _Phase.MAPPING
            case _Phase.MAPPING:
                missing = self._stack.without(self._latched)
                if missing:
                    return self._give_up_in_time(missing)
                self._phase = _Phase.RUNNING
                self.start()
            case _Phase.RUNNING:
                return self.go_on()
            case _Phase.SETTLING:
                if time.monotonic() < self._settle_until:
                    return IDLE
                self.get_logger().info(self.summary())
                self.done = True
        return 0.0

    def _give_up_in_time(self, missing: list[str]) -> float:
        if self._stack.overdue:
            self.get_logger().error(f"not ready after {self.config.ready_timeout:g} s: {', '.join(missing)}")
            self.exit_code, self.done = EXIT_FAILED, True
        return IDLE
