"""The simulator node: a town in which the ego does what `/planning/trajectory` says.

It builds the town, fills it with traffic, waits until the stack is ready, sends the latched messages, and then steps
the world by 0.1 s: in real time, or in lock-step, where the next step waits for the trajectory of the last. Every step
it sends odometry, signals, ground truth, events, and the sensors' data; the LiDAR sweep (or, without sensors, the
perfect detections) comes last and is the tick. It ends with the drive.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock

from zoox_stack.core import topics
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import Trajectory
from zoox_stack.core.topics import Topic
from zoox_stack.logs.codec import encode
from zoox_stack.msg import Trajectory as TrajectoryMessage
from zoox_stack.nodes.configs import SimulatorConfig
from zoox_stack.nodes.readiness import StackReadiness
from zoox_stack.nodes.simulator_outputs import SimulatorOutputs
from zoox_stack.nodes.tick_report import TickReport
from zoox_stack.nodes.tick_watch import TickWatch
from zoox_stack.ros.conversions.basics import stamp_to_message
from zoox_stack.ros.conversions.plans import trajectory_from_message
from zoox_stack.ros.node import StackNode, Tick
from zoox_stack.ros.run import EXIT_FAILED, run_node
from zoox_stack.simulation.closed_loop import ClosedLoop
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.world import STEP

_SETTLE = 1.0  # [s] at the end for the last trajectory and the last words of the stages
_PAUSE = 0.003  # [s] at least between two steps, for the messages that came meanwhile
_IDLE = 0.05  # [s] between looks while waiting for nodes


class _Phase(Enum):
    WAITING = auto()
    MAPPING = auto()
    DRIVING = auto()
    SETTLING = auto()


class SimulatorNode(StackNode[SimulatorConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("simulator", SimulatorConfig)
        config = self.config
        self.report = TickReport(Path(config.report).expanduser() if config.report else None)
        self._folder = tempfile.TemporaryDirectory(prefix="zoox-simulator-")
        folder = Path(self._folder.name)
        town = build_town(config.town, config.seed, folder)
        self.drive = ClosedLoop(
            town, config.seed, folder, duration=config.duration, warm_up=config.warm_up, vehicle=config, events=config
        )
        self._says = SimulatorOutputs(config.sensors, self.drive, config.seed)
        outlets: dict[str, Publisher] = {
            topic.name: self.publisher(topic) for topic in (*self._says.topics, topics.EVENTS)
        }
        self._outlets, self._time = outlets, self.publisher(topics.CLOCK)
        tick_topic = self._says.tick_topic.name
        self._stack = StackReadiness(self, config.wait_for, outlets, tick_topic, config.ready_timeout)
        hashing = config.lockstep and config.hashes and bool(config.report)
        self._watch = TickWatch(
            self, self.report, hashing=hashing, timeout=config.tick_timeout, on_trajectory=self._on_trajectory
        )
        self._phase = _Phase.WAITING
        self._trajectory: Trajectory | None = None
        self._steps = 0
        self._next_wall = 0.0
        self._timer = self.one_shot(self._on_time)
        self._late = 0
        self._settle_until = 0.0
        self._events: Counter[str] = Counter()
        self.drive.__enter__()
        self.get_logger().info(
            f"{town.name}: {len(self.drive.scene)} road users, {self.drive.remaining:.0f} m to drive; "
            "waiting for the stack"
        )

    def diagnostic_values(self) -> dict[str, str]:
        """Progress."""
        return {
            "phase": self._phase.name.lower(),
            "sent": str(self.report.sent),
            "answered": str(self.report.answered),
            "late steps": str(self._late),
            "remaining": f"{self.drive.remaining:.0f} m",
            "events": ", ".join(f"{name} {count}" for name, count in sorted(self._events.items())) or "none",
        }

    def close(self) -> None:
        """End SUMO; write the report of what was driven."""
        self.report.close()
        self.drive.__exit__(None, None, None)
        self._folder.cleanup()

    def _on_trajectory(self, data: bytes) -> None:
        trajectory = trajectory_from_message(deserialize_message(data, TrajectoryMessage))
        if self._trajectory is not None and trajectory.stamp_ns <= self._trajectory.stamp_ns:
            self.drop_old(topics.TRAJECTORY.name)
        elif trajectory.stamp_ns > self.drive.scene.stamp_ns:
            self.drop_bad(topics.TRAJECTORY.name, f"stamp {trajectory.stamp_ns} ns lies in the future")
        else:
            self._trajectory = trajectory

    # --- the work ---------------------------------------------------------------------------------------------------

    def work(self) -> float | None:
        """What is due now; the time until more is [s]."""
        return self._safely(self._work)

    def _safely(self, function: Callable[[], float]) -> float:
        try:
            return function()
        except ZooxStackError as error:
            self.get_logger().error(f"the simulation ended early: {error}")
            self.exit_code, self.done = EXIT_FAILED, True
            return 0.0

    def _work(self) -> float:
        match self._phase:
            case _Phase.WAITING:
                missing = self._stack.missing()
                if missing:
                    return self._give_up_in_time(missing)
                for topic, message in self._says.latched():
                    self._send(topic, message)
                self._phase = _Phase.MAPPING
            case _Phase.MAPPING:
                missing = self._stack.without(topic.name for topic in self._says.latched_topics)
                if missing:
                    return self._give_up_in_time(missing)
                self._phase = _Phase.DRIVING
                self._publish([])
                self._next_wall = time.monotonic() + STEP / self.config.rate
                if not self.config.lockstep:
                    self._timer.arm(STEP / self.config.rate)
            case _Phase.DRIVING:
                if self.config.lockstep and self._watch.is_answered():
                    return self._step()
                return _IDLE
            case _Phase.SETTLING:
                if time.monotonic() < self._settle_until:
                    return _IDLE
                self.done = True
        return 0.0

    def _give_up_in_time(self, missing: list[str]) -> float:
        if self._stack.overdue:
            self.get_logger().error(f"not ready after {self.config.ready_timeout:g} s: {', '.join(missing)}")
            self.exit_code, self.done = EXIT_FAILED, True
        return _IDLE

    def _on_time(self) -> None:
        """Real time: the next step is due."""
        if self._phase is not _Phase.DRIVING:
            return
        self._watch.poll()
        self._safely(self._step)
        period, now = STEP / self.config.rate, time.monotonic()
        self._next_wall += period
        if self._next_wall < now - period:  # too slow for real time: time goes slower rather than in leaps
            self._late += 1
            self._next_wall = now
        self._timer.arm(max(_PAUSE, self._next_wall - now))

    def _step(self) -> float:
        if self._steps * STEP >= self.config.duration - STEP / 2 or self.drive.finished:
            return self._end()
        self._steps += 1
        started_ns, cpu_start = time.time_ns(), time.process_time()
        events = self.drive.step(self._trajectory)
        self._publish(events)
        self.finish(Tick(self.stage, self.drive.scene.stamp_ns, started_ns, cpu_start))
        return 0.0

    def _publish(self, events: list[SimulationEvent]) -> None:
        """Everything of this instant; the tick comes last."""
        says = self._says
        stamp_ns = self.drive.scene.stamp_ns
        self._tell(events)
        messages = list(says.messages())
        self._time.publish(Clock(clock=stamp_to_message(stamp_ns)))
        for topic, message in messages:
            if topic is says.tick_topic:
                self.report.begin(stamp_ns, time.time_ns())
                if self.config.lockstep:
                    self._watch.open(stamp_ns)
            self._send(topic, message)

    def _tell(self, events: list[SimulationEvent]) -> None:
        for event in events:
            self._events[event.kind.name.lower()] += 1
            self._send(topics.EVENTS, encode(event))
            self.get_logger().info(event.text)

    def _send(self, topic: Topic, message: bytes) -> None:
        self._outlets[topic.name].publish(message)

    def _end(self) -> float:
        self._tell(self.drive.finish())
        told = ", ".join(f"{count} {name}" for name, count in sorted(self._events.items())) or "no events"
        seconds = self._steps * STEP
        self.get_logger().info(
            f"{seconds:.1f} s driven, {self.report.answered} of {self.report.sent} ticks answered, {told}"
            + (f", {self._late} steps too late" if self._late else "")
        )
        self._phase = _Phase.SETTLING
        self._settle_until = time.monotonic() + _SETTLE
        return 0.0


def main() -> int:
    """Run the node."""
    return run_node(SimulatorNode)


if __name__ == "__main__":
    raise SystemExit(main())
