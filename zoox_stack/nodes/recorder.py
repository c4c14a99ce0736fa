"""The recorder node: every message of every topic, as bytes, into a bag that survives the death of the process.

Topics are looked for all the time; each is subscribed to with the quality of service its publishers offer. What cannot
be recorded (a type that is not installed, a broken message) is said once and left out; it never stops the rest.
Log times are those of the ROS clock. Under simulated time messages wait in memory until the first /clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from zoox_stack.core.errors import ConfigurationError, InvalidInputError, StorageError
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.qos import QosProfile
from zoox_stack.nodes.configs import RecorderConfig
from zoox_stack.ros.message_types import message_class
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.run import EXIT_FAILED, run_node

_DEPTH = 100  # messages per topic that may wait while a chunk is written


class RecorderNode(StackNode[RecorderConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("recorder", RecorderConfig)
        config = self.config
        if not config.output:
            raise ConfigurationError("parameter recorder.output: expected the path of a new bag, found nothing")
        self._writer = BagWriter(
            Path(config.output).expanduser(), compression=config.compression, flush_period=config.flush_period
        )
        self._chosen = {name.strip() for name in config.topics.split(",") if name.strip()}
        self._excluded = {name.strip() for name in config.exclude.split(",") if name.strip()}
        self._subscriptions_by_topic: dict[str, Subscription] = {}
        self._refused: set[str] = set()
        self._unwanted: set[str] = set()
        self._waiting: list[tuple[str, bytes, int]] = []
        self._simulated = bool(self.get_parameter("use_sim_time").value)
        try:
            self._look()
            self.create_timer(config.discovery_period, self._look_guarded, clock=self.steady)
        except BaseException:
            self._writer.close()  # a signal while starting: what there is is a whole bag all the same
            raise

    def ready(self) -> bool:
        """Everything noticed is connected."""
        return all(s.get_publisher_count() > 0 for s in self._subscriptions_by_topic.values() if self._published(s))

    def diagnostic_values(self) -> dict[str, str]:
        """What is in the bag."""
        counts = self._writer.topics
        return {
            "output": str(self._writer.path),
            "topics": str(len(counts)),
            "messages": str(sum(topic.count for topic in counts.values())),
            "left out": ", ".join(sorted(self._refused)) or "none",
            # Who has more to publish can wait until the recorder has noticed it.
            "noticed": " ".join(sorted({*self._subscriptions_by_topic, *self._refused, *self._unwanted})),
        }

    def close(self) -> None:
        """Complete the bag."""
        try:
            for name, data, received_ns in self._waiting:  # no clock ever came
                self.guarded(name, self._writer.write, name, received_ns, data)
            self._waiting.clear()
            self._writer.close()
        except StorageError as error:
            self._give_up(error)

    def _give_up(self, error: StorageError) -> None:
        """Nothing more can be recorded: say so and end."""
        if not self.done:
            self.get_logger().error(str(error))
        self.exit_code, self.done = EXIT_FAILED, True

    def _published(self, subscription: Subscription) -> bool:
        return self.count_publishers(subscription.topic_name) > 0

    def _look_guarded(self) -> None:
        self.guarded("discovery", self._look)

    def _look(self) -> None:
        """Subscribe to what is new, and anew to what is offered with less now."""
        for name, types in self.get_topic_names_and_types():
            if name in self._refused:
                continue
            if name in self._excluded or (self._chosen and name not in self._chosen):
                self._unwanted.add(name)
                continue
            publishers = self.get_publishers_info_by_topic(name)
            if not publishers:
                continue
            wanted = offered_by_all(publishers)
            have = self._subscriptions_by_topic.get(name)
            if have is not None and not _asks_too_much(have.qos_profile, wanted):
                continue
            if have is not None:
                del self._subscriptions_by_topic[name]
                self.destroy_subscription(have)
            try:
                self._subscribe_raw(name, types, publishers, wanted)
            except InvalidInputError as error:
                self._refused.add(name)
                self.get_logger().error(f"not recorded: {name}: {error}")

    def _subscribe_raw(
        self, name: str, types: list[str], publishers: list[TopicEndpointInfo], wanted: QoSProfile
    ) -> None:
        if len(types) != 1:
            raise InvalidInputError(f"topic {name}", "one type", ", ".join(types))
        kind = message_class(types[0])
        self._writer.add_topic(name, types[0], tuple({profile_of(p.qos_profile): None for p in publishers}))

        def callback(data: bytes) -> None:
            try:
                self.guarded(name, self._record, name, data, time.time_ns())
            except StorageError as error:
                self._give_up(error)

        self._subscriptions_by_topic[name] = self.create_subscription(kind, name, callback, wanted, raw=True)

    def _record(self, name: str, data: bytes, received_ns: int) -> None:
        self.ticks += 1
        if not self._simulated:
            self._writer.write(name, received_ns, data)
            return
        now = self.get_clock().now().nanoseconds
        if now == 0:
            self._waiting.append((name, data, received_ns))
            return
        while self._waiting:
            earlier, early_data, _ = self._waiting.pop(0)
            self.guarded(earlier, self._writer.write, earlier, now, early_data)
        self._writer.write(name, now, data)


def offered_by_all(publishers: list[TopicEndpointInfo]) -> QoSProfile:
    """The most that every publisher of a topic offers."""
    profiles = [p.qos_profile for p in publishers]
    reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles)
    latched = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
    return QoSProfile(
        depth=_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def profile_of(qos: QoSProfile) -> QosProfile:
    """A ROS profile as the bag stores it. DDS does not tell the history depth of others: 0 means unknown."""
    return QosProfile(
        reliability="reliable" if qos.reliability == ReliabilityPolicy.RELIABLE else "best_effort",
        durability="transient_local" if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL else "volatile",
        depth=int(qos.depth) or 1,
    )


def _asks_too_much(asked: QoSProfile, offered: QoSProfile) -> bool:
    """A publisher offers less than the subscription asks for: the two do not match."""
    unreliable = asked.reliability == ReliabilityPolicy.RELIABLE != offered.reliability
    volatile = asked.durability == DurabilityPolicy.TRANSIENT_LOCAL != offered.durability
    return unreliable or volatile


def main() -> int:
    """Run the node, after the stages of the stack where cores are few."""
    os.nice(5)
    return run_node(RecorderNode)


if __name__ == "__main__":
    raise SystemExit(main())
