"""What all nodes share: checked inputs, drop counters, timing, diagnostics, time that runs back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from zoox_stack.core import topics
from zoox_stack.core.errors import InvalidInputError, StorageError
from zoox_stack.core.timing import StageTick
from zoox_stack.core.topics import QosClass, Topic
from zoox_stack.ros.conversions.timing import stage_timing_to_message
from zoox_stack.ros.message_types import message_class
from zoox_stack.ros.parameters import load_parameters
from zoox_stack.ros.qos import publisher_profile, subscription_profile
from zoox_stack.ros.serialized import unpack

C = TypeVar("C")
T = TypeVar("T")

HEARTBEAT = 1.0  # [s] between messages on /diagnostics
_LOOK = 0.1  # [s] between looks whether the node has become ready
_LOG_PERIOD = 2.0  # [s] at least between log lines about drops


@dataclass(frozen=True)
class Tick:
    """A tick in progress.

    Attributes:
        stage: Name of the stage.
        stamp_ns: Stamp of the sweep [ns].
        received_ns: Wall time of its arrival [ns].
        cpu_start: CPU time of the process at its arrival [s].
    """

    stage: str
    stamp_ns: int
    received_ns: int
    cpu_start: float


class StackNode(Node, Generic[C]):
    """Base of all nodes.

    * Every message is taken as bytes, unpacked, converted and checked here. What fails is a counted drop and a log
      line, never an exception that ends the node.
    * With ``newest_only`` older messages waiting in the queue are dropped and counted.
    * Time is the stamps'. A stamp not newer than the last is dropped (`in_order`); one older by more than
      ``reset_jump`` means that a log began anew: `reset` is called. A ROS clock that is set back alone does not.

    Args:
        stage: Name of node and stage.
        config: Parameter dataclass.

    Raises:
        ConfigurationError: A parameter is wrong.
    """

    def __init__(self, stage: str, config: type[C]) -> None:
        super().__init__(stage)
        self.stage = stage
        self.config: C = load_parameters(self, config)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.bad = 0
        self.old = 0
        self.ticks = 0
        self.resets = 0
        self.reasons: Counter[str] = Counter()
        self.done = False  # ends the process
        self.exit_code = 0
        self._sequences: Counter[str] = Counter()
        self._last_stamp: int | None = None
        self._cpu_mark = time.process_time()
        self._last_log = -_LOG_PERIOD
        self._received: dict[str, int] = {}
        self._outputs: dict[str, Publisher] = {}
        self._told: tuple[bool, dict[str, int], dict[str, int]] | None = None
        self._last_heartbeat = 0.0
        self._timing = self.publisher(topics.TIMING)
        self._diagnostics = self.publisher(topics.DIAGNOSTICS)
        self._diagnostics_timer = self.create_timer(_LOOK, self._heartbeat, clock=self.steady)

    # --- to override ------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget the past: a log began anew."""

    def ready(self) -> bool:
        """True once everything this node needs to work is connected."""
        return True

    def diagnostic_values(self) -> dict[str, str]:
        """More for /diagnostics."""
        return {}

    def work(self) -> float | None:
        """Called before each wait for events; returns the longest time to wait [s], None for any."""
        return None

    def close(self) -> None:
        """Called once before the node ends."""

    # --- inputs and outputs -----------------------------------------------------------------------------------------

    def publisher(self, topic: Topic) -> Publisher:
        """A publisher with the topic's type and quality of service."""
        publisher = self.create_publisher(message_class(topic.type_name), topic.name, publisher_profile(topic.qos))
        self._outputs[publisher.topic_name] = publisher  # as remapped
        return publisher

    def subscribe(
        self,
        topic: Topic,
        convert: Callable[[Any], T],
        handle: Callable[[T, int], None],
        *,
        from_bytes: bool = False,
        newest_only: bool = False,
        reliable_sensors: bool = True,
        depth: int | None = None,
    ) -> Subscription:
        """Subscribe.

        Args:
            topic: What to.
            convert: Message to core type; may raise InvalidInputError.
            handle: Called with the value and the wall time of its arrival [ns].
            from_bytes: `convert` takes the serialized message, where that is faster than by message objects.
            newest_only: Drop (and count) all but the newest waiting message.
            reliable_sensors: False for sensors that offer best effort only.
            depth: Another queue length.
        """
        kind = message_class(topic.type_name)
        latched = topic.qos is QosClass.LATCHED
        read = convert if from_bytes else partial(unpack, kind=kind, convert=convert)
        if latched:
            self._received[topic.name] = 0

        def callback(data: bytes) -> None:
            received_ns = time.time_ns()
            self._cpu_mark = time.process_time()
            if newest_only:
                while (newer := subscription.handle.take_message(kind, True)) is not None:
                    data = newer[0]
                    self.drop_old(topic.name)
            value = self.guarded(topic.name, read, data)
            if value is not None:
                self.guarded(topic.name, handle, value, received_ns)
            if latched:
                self._received[topic.name] += 1

        profile = subscription_profile(topic.qos, reliable_sensors=reliable_sensors, depth=depth)
        subscription = self.create_subscription(kind, topic.name, callback, profile, raw=True)
        return subscription

    def guarded(self, label: str, function: Callable[..., T], *arguments: Any) -> T | None:
        """Call a function; bad input and failures become counted drops and None. `StorageError` passes through."""
        try:
            return function(*arguments)
        except StorageError:
            raise
        except InvalidInputError as error:
            self.drop_bad(label, str(error))
        except Exception as error:  # noqa: BLE001 - one failing tick must not end the process
            self.drop_bad(label, f"{type(error).__name__}: {error}")
        return None

    def drop_bad(self, label: str, reason: str) -> None:
        """Count a message that failed."""
        self.bad += 1
        self.reasons[label] += 1
        now = time.monotonic()
        if now - self._last_log >= _LOG_PERIOD:
            self._last_log = now
            self.get_logger().warning(f"dropped {label}: {reason} ({self.bad} bad so far)")

    def drop_old(self, label: str) -> None:
        """Count a message that came too late or was overtaken."""
        self.old += 1
        self.reasons[f"{label} (old)"] += 1

    # --- time -------------------------------------------------------------------------------------------------------

    def in_order(self, stamp_ns: int, label: str) -> bool:
        """True if the stamp is newer than the last one; else it is counted, or everything starts anew."""
        last = self._last_stamp
        if last is not None and stamp_ns <= last:
            if last - stamp_ns <= self.config.reset_jump * 1e9:  # type: ignore[attr-defined]
                self.drop_old(label)
                return False
            self._start_anew(f"stamp {stamp_ns} ns after {last} ns")
        self._last_stamp = stamp_ns
        return True

    def _start_anew(self, why: str) -> None:
        self.get_logger().info(f"time ran back ({why}): starting anew")
        self.resets += 1
        self._last_stamp = None
        self.reset()

    def one_shot(self, callback: Callable[[], None]) -> OneShot:
        """A timer on the steady clock that fires once each time it is armed."""
        return OneShot(self, callback)

    # --- timing and health ------------------------------------------------------------------------------------------

    def begin(self, stamp_ns: int, received_ns: int, stage: str = "") -> Tick:
        """A tick starts (call it in the handler of its input)."""
        return Tick(stage or self.stage, stamp_ns, received_ns, self._cpu_mark)

    def finish(self, tick: Tick) -> None:
        """The output of a tick was published: tell /system/timing."""
        sequence = self._sequences[tick.stage]
        self._sequences[tick.stage] += 1
        if tick.stage == self.stage:
            self.ticks += 1
        done = StageTick(
            stage=tick.stage,
            sequence=sequence,
            input_stamp_ns=tick.stamp_ns,
            received_ns=tick.received_ns,
            published_ns=max(time.time_ns(), tick.received_ns),
            cpu_time=max(0.0, time.process_time() - tick.cpu_start),
            dropped_bad=self.bad,
            dropped_old=self.old,
        )
        self._timing.publish(stage_timing_to_message(done))

    def _heartbeat(self) -> None:
        ready = bool(self.guarded("ready", self.ready))
        listeners = {name: publisher.get_subscription_count() for name, publisher in self._outputs.items()}
        state = (ready, dict(self._received), listeners)
        now = time.monotonic()
        if state == self._told and now - self._last_heartbeat < HEARTBEAT:
            return
        self._last_heartbeat, self._told = now, state
        values = {
            "ready": str(ready).lower(),
            "ticks": str(self.ticks),
            "dropped_bad": str(self.bad),
            "dropped_old": str(self.old),
            "resets": str(self.resets),
            "last_stamp": "" if self._last_stamp is None else str(self._last_stamp),
        }
        # Whoever sends a map can wait here until it is in use: that takes longer than its arrival.
        values |= {f"received {name}": str(count) for name, count in self._received.items()}
        # And until everyone who listens is connected: what is published before is lost to them.
        values |= {f"listeners {name}": str(count) for name, count in listeners.items()}
        values |= {f"dropped {label}": str(count) for label, count in sorted(self.reasons.items())}
        values |= self.guarded("diagnostics", self.diagnostic_values) or {}
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if ready else DiagnosticStatus.WARN,
            name=self.stage,
            hardware_id=self.get_fully_qualified_name(),
            message="running" if ready else "waiting for the rest of the graph",
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


class OneShot:
    """A timer that fires once, `seconds` after `arm`, on the steady clock.

    Args:
        node: Its node.
        callback: What to do.
    """

    def __init__(self, node: StackNode[Any], callback: Callable[[], None]) -> None:
        self._node = node
        self._callback = callback
        self._timer: Timer = node.create_timer(3600.0, self._fire, clock=node.steady)
        self._timer.cancel()

    def arm(self, seconds: float) -> None:
        """Fire in so many seconds; what was armed before is forgotten."""
        self._timer.timer_period_ns = max(1, int(seconds * 1e9))
        self._timer.reset()

    def disarm(self) -> None:
        """Do not fire."""
        self._timer.cancel()

    def _fire(self) -> None:
        self._timer.cancel()
        self._node.guarded("timer", self._callback)
