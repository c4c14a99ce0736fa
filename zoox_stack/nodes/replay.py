"""The replay node: plays a bag into the stack and measures it.

Once the stack is ready (see `InputNode`) it sends latched messages and plays, in real time (``rate``) or in lock-step:
odometry up to the sweep, the sweep, and only after its trajectory came the next. Messages are published as the bytes
they were recorded as. It ends with the bag.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from zoox_stack.core import topics
from zoox_stack.nodes.configs import ReplayConfig
from zoox_stack.nodes.input_node import IDLE, InputNode
from zoox_stack.nodes.replay_source import Item, ReplaySource
from zoox_stack.ros.message_types import message_class
from zoox_stack.ros.qos import publisher_profile
from zoox_stack.ros.run import run_node


class ReplayNode(InputNode[ReplayConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("replay", ReplayConfig)
        config = self.config
        self.source = ReplaySource(config)
        for problem in self.source.problems:
            self.get_logger().warning(f"{config.bag}: {problem}")
        self._lockstep = config.lockstep
        outlets = {name: self._publisher_of(name) for name in self.source.topics}
        self.connect(outlets, self.source.tick_topic, self.source.latched)
        self._items: Iterator[Item] = iter(())
        self._groups: Iterator[tuple[list[Item], Item]] = iter(())
        self._next: Item | None = None
        self._base_wall = 0.0
        self._base_bag = 0
        self._next_clock = 0.0

    def diagnostic_values(self) -> dict[str, str]:
        """Progress."""
        return {
            "phase": self.phase,
            "sent": str(self.report.sent),
            "answered": str(self.report.answered),
            "given up": str(self.watch.lost),
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

    def send_latched(self) -> None:
        """Map and route."""
        for item in self.source.first_latched():
            self._send(item)

    def start(self) -> None:
        """Open the bag at its beginning."""
        if self._lockstep:
            self._groups = self.source.lockstep_groups()
        else:
            self._items = self.source.items()
            self._next = next(self._items, None)
            self._base_bag = self.source.start_ns
            self._base_wall = time.monotonic()
        mode = "in lock-step" if self._lockstep else f"at rate {self.config.rate:g}"
        self.get_logger().info(f"playing {self.config.bag} {mode}, ticks from {self.source.tick_topic}")

    def go_on(self) -> float:
        """Play on."""
        return self._step() if self._lockstep else self._play()

    def summary(self) -> str:
        """Ticks answered, and what was left out."""
        told = f"{self.report.answered} of {self.report.sent} ticks answered"
        if self.watch.lost:
            told += f", {self.watch.lost} given up after {self.config.tick_timeout:g} s"
        if self.source.skipped:
            told += f", {self.source.skipped} left out (no odometry for them)"
        if self.source.bad:
            told += f", {self.source.bad} unreadable messages"
        return told

    def failure(self, reason: str) -> str:
        """The bag was whole when it was opened."""
        return f"the bag cannot be read on: {reason}"

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
                self.tell_time(item.log_ns)
            self._send(item)
            self._next = next(self._items, None)
            now = time.monotonic()
        if self._next is None:
            return self._end()
        if now >= self._next_clock:
            self.tell_time(self._base_bag + int((now - self._base_wall) * rate * 1e9))
            self._next_clock = now + self.config.clock_period
        due = self._base_wall + (self._next.log_ns - self._base_bag) * 1e-9 / rate
        return max(0.0, min(due, self._next_clock) - now)

    def _step(self) -> float:
        """Lock-step: send the next tick once the last is answered."""
        if not self.watch.is_answered():
            return min(IDLE, self.config.tick_timeout)
        group = next(self._groups, None)
        if group is None:
            return self._end()
        before, tick = group
        # What is sent first is also received first: one sender puts it into the receiver's queue, and the scene that
        # later stages wait for is made from the sweep, which comes last.
        for item in before:
            self._send(item)
        assert tick.stamp_ns is not None
        self.tell_time(tick.stamp_ns)
        self.watch.open(tick.stamp_ns)
        self._send(tick)
        return IDLE

    def _end(self) -> float:
        if not self.config.loop:
            return self.settle()
        self.send_latched()
        self.start()
        return 0.0

    # --- sending ----------------------------------------------------------------------------------------------------

    def _send(self, item: Item) -> None:
        if item.stamp_ns is not None:
            self.report.begin(item.stamp_ns, time.time_ns())
        self.outlets[item.topic].publish(item.data)


def main() -> int:
    """Run the node."""
    return run_node(ReplayNode)


if __name__ == "__main__":
    raise SystemExit(main())
