"""The replay node: plays a bag into the stack and measures it.

It waits until every node it needs says on /diagnostics that it is ready, everyone who listens is connected to everyone
who publishes and the recorder has noticed every topic. Then it sends latched messages, waits until they are in use, and
plays, in real time (``rate``) or in lock-step: odometry up to the sweep, the sweep, and only after its trajectory came
the next. Messages are published as the bytes they were recorded as. It ends with the bag.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path

from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from zoox_stack.core import topics
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.nodes.configs import ReplayConfig
from zoox_stack.nodes.readiness import StackReadiness
from zoox_stack.nodes.replay_source import Item, ReplaySource
from zoox_stack.nodes.tick_report import TickReport
from zoox_stack.nodes.tick_watch import TickWatch
from zoox_stack.ros.conversions.basics import stamp_to_message
from zoox_stack.ros.message_types import message_class
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.qos import publisher_profile
from zoox_stack.ros.run import EXIT_FAILED, run_node

_SETTLE = 1.0  # [s] at the end for the last trajectory and the last words of the stages
_IDLE = 0.05  # [s] between looks while waiting for nodes


class _Phase(Enum):
    WAITING = auto()
    MAPPING = auto()
    PLAYING = auto()
    SETTLING = auto()


class ReplayNode(StackNode[ReplayConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("replay", ReplayConfig)
        config = self.config
        self.source = ReplaySource(config)
        for problem in self.source.problems:
            self.get_logger().warning(f"{config.bag}: {problem}")
        self.report = TickReport(Path(config.report).expanduser() if config.report else None)
        self._lockstep = config.lockstep
        self._phase = _Phase.WAITING
        self._time = self.publisher(topics.CLOCK)
        self._outlets: dict[str, Publisher] = {name: self._publisher_of(name) for name in self.source.topics}
        self._stack = StackReadiness(self, config.wait_for, self._outlets, self.source.tick_topic, config.ready_timeout)
        hashing = config.lockstep and config.hashes and bool(config.report)
        self._watch = TickWatch(self, self.report, hashing=hashing, timeout=config.tick_timeout)
        self._items: Iterator[Item] = iter(())
        self._groups: Iterator[tuple[list[Item], Item]] = iter(())
        self._next: Item | None = None
        self._base_wall = 0.0
        self._base_bag = 0
        self._next_clock = 0.0
        self._settle_until = 0.0

    def diagnostic_values(self) -> dict[str, str]:
        """Progress."""
        return {
            "phase": self._phase.name.lower(),
            "sent": str(self.report.sent),
            "answered": str(self.report.answered),
            "skipped": str(self.source.skipped),
        }

    def close(self) -> None:
        """Write the report of what was played."""
        self.report.close()
        self.source.close()

    # --- inputs -----------------------------------------------------------------------------------------------------

    def _publisher_of(self, name: str) -> Publisher:
        topic = self.source.topics[name]
        if name in topics.TOPICS:
            profile = publisher_profile(topics.TOPICS[name].qos)
        else:
            durable = DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
            profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=durable)
        return self.create_publisher(message_class(topic.type_name), name, profile)

    # --- the work ---------------------------------------------------------------------------------------------------

    def work(self) -> float | None:
        """What is due now; the time until more is [s]."""
        try:
            return self._work()
        except InvalidInputError as error:  # the bag was whole when it was opened
            self.get_logger().error(f"the bag cannot be read on: {error}")
            self.exit_code, self.done = EXIT_FAILED, True
            return 0.0

    def _work(self) -> float:
        if self._phase is _Phase.WAITING:
            return self._wait_for_stack()
        if self._phase is _Phase.MAPPING:
            return self._wait_for_map()
        if self._phase is _Phase.SETTLING:
            return self._settle()
        return self._step() if self._lockstep else self._play()

    def _wait_for_stack(self) -> float:
        missing = self._stack.missing()
        if missing:
            return self._give_up_in_time(missing)
        for item in self.source.first_latched():
            self._send(item)
        self._phase = _Phase.MAPPING
        return 0.0

    def _wait_for_map(self) -> float:
        """The first tick waits until everyone uses the map."""
        missing = self._stack.without(self.source.latched)
        if missing:
            return self._give_up_in_time(missing)
        self._begin()
        return 0.0

    def _give_up_in_time(self, missing: list[str]) -> float:
        if self._stack.overdue:
            self.get_logger().error(f"not ready after {self.config.ready_timeout:g} s: {', '.join(missing)}")
            self.exit_code, self.done = EXIT_FAILED, True
        return _IDLE

    def _begin(self) -> None:
        self._phase = _Phase.PLAYING
        if self._lockstep:
            self._groups = self.source.lockstep_groups()
        else:
            self._items = self.source.items()
            self._next = next(self._items, None)
            self._base_bag = self.source.start_ns
            self._base_wall = time.monotonic()
        mode = "in lock-step" if self._lockstep else f"at rate {self.config.rate:g}"
        self.get_logger().info(f"playing {self.config.bag} {mode}, ticks from {self.source.tick_topic}")

    def _play(self) -> float:
        """Real time: send what is due."""
        rate = self.config.rate
        now = time.monotonic()
        while self._next is not None:
            due = self._base_wall + (self._next.log_ns - self._base_bag) * 1e-9 / rate
            if due > now:
                break
            item, self._next = self._next, None
            if item.stamp_ns is not None:
                self._tell_time(item.log_ns)
            self._send(item)
            self._next = next(self._items, None)
            now = time.monotonic()
        if self._next is None:
            return self._end()
        if now >= self._next_clock:
            self._tell_time(self._base_bag + int((now - self._base_wall) * rate * 1e9))
            self._next_clock = now + self.config.clock_period
        due = self._base_wall + (self._next.log_ns - self._base_bag) * 1e-9 / rate
        return max(0.0, min(due, self._next_clock) - now)

    def _step(self) -> float:
        """Lock-step: send the next tick once the last is answered."""
        if not self._watch.is_answered():
            return min(_IDLE, self.config.tick_timeout)
        group = next(self._groups, None)
        if group is None:
            return self._end()
        before, tick = group
        # What is sent first is also received first: one sender puts it into the receiver's queue, and the scene that
        # later stages wait for is made from the sweep, which comes last.
        for item in before:
            self._send(item)
        assert tick.stamp_ns is not None
        self._tell_time(tick.stamp_ns)
        self._watch.open(tick.stamp_ns)
        self._send(tick)
        return _IDLE

    def _end(self) -> float:
        if self.config.loop:
            for item in self.source.first_latched():
                self._send(item)
            self._begin()
            return 0.0
        self._phase = _Phase.SETTLING
        self._settle_until = time.monotonic() + _SETTLE
        return 0.0

    def _settle(self) -> float:
        if time.monotonic() < self._settle_until:
            return _IDLE
        told = f"{self.report.answered} of {self.report.sent} ticks answered"
        if self.source.skipped:
            told += f", {self.source.skipped} left out (no odometry for them)"
        if self.source.bad:
            told += f", {self.source.bad} unreadable messages"
        self.get_logger().info(told)
        self.done = True
        return 0.0

    # --- sending ----------------------------------------------------------------------------------------------------

    def _send(self, item: Item) -> None:
        if item.stamp_ns is not None:
            self.report.begin(item.stamp_ns, time.time_ns())
        self._outlets[item.topic].publish(item.data)

    def _tell_time(self, time_ns: int) -> None:
        self._time.publish(Clock(clock=stamp_to_message(time_ns)))


def main() -> int:
    """Run the node."""
    return run_node(ReplayNode)


if __name__ == "__main__":
    raise SystemExit(main())
