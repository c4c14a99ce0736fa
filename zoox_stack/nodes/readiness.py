"""Whether the stack is ready for its first input: for nodes that make input (replay, simulator)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.publisher import Publisher

from zoox_stack.core import topics
from zoox_stack.core.topics import QosClass
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.qos import expected_listeners, publisher_profile


class StackReadiness:
    """Listens on /diagnostics to what every node says of itself.

    Args:
        node: The node that waits.
        asked: Nodes that must be ready, comma separated; others that are there must be ready too.
        outlets: What the node publishes, by topic.
        tick_topic: The one whose messages are the ticks: somebody must listen to it.
        patience: The wait may last this long [s].
    """

    def __init__(
        self, node: StackNode, asked: str, outlets: Mapping[str, Publisher], tick_topic: str, patience: float
    ) -> None:
        self._node, self._outlets, self._tick_topic, self._patience = node, outlets, tick_topic, patience
        self._asked = {name.strip() for name in asked.split(",") if name.strip()}
        self._heard: dict[str, dict[str, str]] = {}
        self._started = time.monotonic()
        node.create_subscription(
            DiagnosticArray, topics.DIAGNOSTICS.name, self._on_diagnostics, publisher_profile(QosClass.RELIABLE)
        )

    def missing(self) -> list[str]:
        """What is not there yet: nodes that are not ready, then connections; empty once all is."""
        names = sorted(
            name for name in self._asked | set(self._heard) if self._heard.get(name, {}).get("ready") != "true"
        )
        unmatched = self._unmatched()
        if names or unmatched:
            return names or unmatched
        if not self._outlets[self._tick_topic].get_subscription_count():
            return [f"nobody subscribes to {self._tick_topic}"]
        return []

    def without(self, latched: Iterable[str]) -> list[str]:
        """Who does not use a latched message yet, not only has it: drawing a map takes a while."""
        names = list(latched)
        return sorted(
            f"{node} without {name}"
            for node, values in self._heard.items()
            for name in names
            if values.get(f"received {name}") == "0"
        )

    @property
    def overdue(self) -> bool:
        """The wait has lasted too long."""
        return time.monotonic() - self._started > self._patience

    def _unmatched(self) -> list[str]:
        outlets = self._outlets.values()
        connected = {(self._node.stage, o.topic_name): o.get_subscription_count() for o in outlets}
        for name, values in self._heard.items():
            told = {key.removeprefix("listeners "): n for key, n in values.items() if key.startswith("listeners ")}
            connected |= {(name, topic): int(count) for topic, count in told.items() if count.isdecimal()}
        unmatched = sorted(
            f"{name}: {count} of {expected} listeners of {topic}"
            for (name, topic), count in connected.items()
            if count < (expected := expected_listeners(self._node, topic))
        )
        if "noticed" in (recorder := self._heard.get("recorder", {})):
            noticed = set(recorder["noticed"].split())
            unmatched += sorted(f"recorder without {topic}" for _, topic in connected if topic not in noticed)
        return unmatched

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            if "ready" in values and status.name != self._node.stage:
                self._heard[status.name] = values
