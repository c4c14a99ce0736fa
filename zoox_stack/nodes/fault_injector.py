"""The fault injector node: sits between the publisher of one topic and its readers, and for a while does harm.

The publisher is remapped to ``/before_fault/<topic>``; what comes there is published on the topic itself, untouched
before the fault begins and after it has ended. Time is that of the stamps, so it does not matter how fast the drive
goes. When the fault begins, and when it ends, /diagnostics say so as ``fault_injector/fault``. Only the fault campaign
starts this node (docs/fault-campaign.md).
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections import deque

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.topics import TOPICS, QosClass
from zoox_stack.nodes.configs import FaultInjectorConfig
from zoox_stack.ros.message_faults import blank, with_blind_sector, with_nan, with_stamp_moved
from zoox_stack.ros.message_types import message_class, peek_stamp
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.run import run_node

BEFORE = "/before_fault"  # namespace to which publishers are remapped
STATUS = "fault_injector/fault"
_DEPTH = 200  # messages that wait at most: the node itself is to lose none


class FaultInjectorNode(StackNode[FaultInjectorConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("fault_injector", FaultInjectorConfig)
        config = self.config
        if config.topic not in TOPICS:
            raise ConfigurationError(
                f"fault_injector: topic: expected one of {', '.join(TOPICS)}, found {config.topic}"
            )
        topic = TOPICS[config.topic]
        self._kind = message_class(topic.type_name)
        self._random = random.Random(config.seed)
        self._first_ns: int | None = None
        self._state = "waiting"
        self._passed = self._harmed = 0
        self._late: deque[tuple[float, bytes]] = deque()  # delayed messages and when they are due
        self._out = self.publisher(topic)
        source = dataclasses.replace(topic, name=config.input or BEFORE + topic.name)
        depth = None if topic.qos is QosClass.LATCHED else _DEPTH
        self._in = self.subscribe(source, bytes, self._on_message, from_bytes=True, depth=depth)

    def ready(self) -> bool:
        """Somebody publishes, somebody reads."""
        return self._in.get_publisher_count() > 0 and self._out.get_subscription_count() > 0

    def diagnostic_values(self) -> dict[str, str]:
        """What it does."""
        return {"fault": self._state, "passed": str(self._passed), "harmed": str(self._harmed)}

    def work(self) -> float | None:
        """Publish what is due; the time until more is [s]."""
        now = time.monotonic()
        while self._late and self._late[0][0] <= now:
            self._out.publish(self._late.popleft()[1])
        return self._late[0][0] - now if self._late else None

    def _on_message(self, data: bytes, _received_ns: int) -> None:
        if self._is_harmful(peek_stamp(data)):
            self._harmed += 1
            for message in self._harm(data):
                self._publish(message)
        else:
            self._passed += 1
            self._publish(data)

    def _is_harmful(self, stamp_ns: int) -> bool:
        """Whether the fault is on at this time; tells when that changes."""
        if self._first_ns is None:
            self._first_ns = stamp_ns
        config, since = self.config, (stamp_ns - self._first_ns) * 1e-9
        begun = since >= config.begin
        state = "waiting" if not begun else "over" if config.lasts and since >= config.begin + config.lasts else "on"
        if state != self._state:
            self._state = state
            self._tell(stamp_ns)
        return state == "on"

    def _publish(self, data: bytes) -> None:
        """Never before what is still to come: the way of these messages is slow, it does not mix them up."""
        if self._late:
            self._late.append((self._late[-1][0], data))
        else:
            self._out.publish(data)

    def _harm(self, data: bytes) -> list[bytes]:
        """What comes out instead of a message."""
        config = self.config
        match config.kind:
            case "nans":
                return [with_nan(data, self._kind)]
            case "drop":
                return [] if self._random.random() < config.amount else [data]
            case "duplicate":
                return [data, data]
            case "clock_jump":
                return [with_stamp_moved(data, int(config.amount * 1e9))]
            case "blank":
                return [blank(data, self._kind)]
            case "blind":
                return [with_blind_sector(data, self._kind, config.amount)]
        self._late.append((time.monotonic() + config.amount, data))
        return []

    def _tell(self, stamp_ns: int) -> None:
        self.get_logger().info(f"{self.config.kind} of {self.config.topic}: {self._state}")
        values = {"topic": self.config.topic, "kind": self.config.kind, "stamp": str(stamp_ns)}
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK,
            name=STATUS,
            message=self._state,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        self._diagnostics.publish(DiagnosticArray(status=[status]))


def main() -> int:
    """Run the node."""
    return run_node(FaultInjectorNode)


if __name__ == "__main__":
    raise SystemExit(main())
