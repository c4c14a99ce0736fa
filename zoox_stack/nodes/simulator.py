"""The simulator node: a town in which the ego does what `/planning/trajectory` says.

It builds the town and fills it with traffic. Once the stack is ready (see `InputNode`) it sends latched messages and
steps the world by 0.1 s: in real time, or in lock-step, where the next step waits for the trajectory of the last. Every
step it sends odometry, signals, ground truth, events, and the sensors' data; the LiDAR sweep (or, without sensors, the
perfect detections) comes last and is the tick. It ends with the drive.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path

from rclpy.serialization import deserialize_message

from zoox_stack.core import topics
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import Trajectory
from zoox_stack.core.topics import Topic
from zoox_stack.logs.codec import encode
from zoox_stack.msg import Trajectory as TrajectoryMessage
from zoox_stack.nodes.configs import SimulatorConfig
from zoox_stack.nodes.input_node import IDLE, InputNode
from zoox_stack.ros.conversions.plans import trajectory_from_message
from zoox_stack.ros.node import Tick
from zoox_stack.ros.run import run_node
from zoox_stack.simulation.closed_loop import ClosedLoop
from zoox_stack.simulation.outputs import DriveOutputs
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.world import STEP

_PAUSE = 0.003  # [s] at least between two steps, for the messages that came meanwhile


class SimulatorNode(InputNode[SimulatorConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("simulator", SimulatorConfig)
        config = self.config
        self._folder = tempfile.TemporaryDirectory(prefix="zoox-simulator-")
        folder = Path(self._folder.name)
        town = build_town(config.town, config.seed, folder)
        self.drive = ClosedLoop(
            town, config.seed, folder, duration=config.duration, warm_up=config.warm_up, vehicle=config, events=config
        )
        self._says = DriveOutputs(config.sensors, town.net.network, config.seed, town.definition.terrain)
        outlets = {topic.name: self.publisher(topic) for topic in (*self._says.topics, topics.EVENTS)}
        latched = [topic.name for topic in self._says.latched_topics]
        self.connect(outlets, self._says.tick_topic.name, latched, self._on_trajectory)
        self._trajectory: Trajectory | None = None
        self._steps = 0
        self._next_wall = 0.0
        self._timer = self.one_shot(self._on_time)
        self._late = 0
        self._events: Counter[str] = Counter()
        self.drive.__enter__()
        self.get_logger().info(
            f"{town.name}: {len(self.drive.scene)} road users, {self.drive.remaining:.0f} m to drive; "
            "waiting for the stack"
        )

    def diagnostic_values(self) -> dict[str, str]:
        """Progress."""
        return {
            "phase": self.phase,
            "sent": str(self.report.sent),
            "answered": str(self.report.answered),
            "given up": str(self.watch.lost),
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
        # What came last counts: after a manoeuvre, which is about now, the planner's is about a sweep that is past.
        if trajectory.stamp_ns > self.drive.scene.stamp_ns:
            self.drop_bad(topics.TRAJECTORY.name, f"stamp {trajectory.stamp_ns} ns lies in the future")
        else:
            self._trajectory = trajectory

    # --- the work ---------------------------------------------------------------------------------------------------

    def send_latched(self) -> None:
        """Map, route, calibration."""
        for topic, message in self._says.latched(self.drive.route, self.drive.scene.stamp_ns):
            self._send(topic, message)

    def start(self) -> None:
        """The first instant."""
        self._publish([])
        self._next_wall = time.monotonic() + STEP / self.config.rate
        if not self.config.lockstep:
            self._timer.arm(STEP / self.config.rate)

    def go_on(self) -> float:
        """In lock-step the next step waits for the answer; in real time a timer makes the steps."""
        return self._step() if self.config.lockstep and self.watch.is_answered() else IDLE

    def summary(self) -> str:
        """How far, how many answers, which events."""
        told = ", ".join(f"{count} {name}" for name, count in sorted(self._events.items())) or "no events"
        late = f", {self._late} steps too late" if self._late else ""
        answered = f"{self.report.answered} of {self.report.sent} ticks answered"
        lost = f", {self.watch.lost} given up after {self.config.tick_timeout:g} s" if self.watch.lost else ""
        return f"{self._steps * STEP:.1f} s driven, {answered}{lost}, {told}{late}"

    def failure(self, reason: str) -> str:
        """SUMO died, or lost the ego."""
        return f"the simulation ended early, after {self._steps * STEP:.1f} s: {reason}"

    def _on_time(self) -> None:
        """Real time: the next step is due."""
        if self.running:
            self.safely(self._step_in_time)

    def _step_in_time(self) -> float:
        self.watch.poll()
        self._step()
        period, now = STEP / self.config.rate, time.monotonic()
        self._next_wall += period
        if self._next_wall < now - period:  # too slow for real time: time goes slower rather than in leaps
            self._late += 1
            self._next_wall = now
        wait = max(_PAUSE, self._next_wall - now)
        self._timer.arm(wait)
        return wait

    def _step(self) -> float:
        if self._steps * STEP >= self.config.duration - STEP / 2 or self.drive.finished:
            self._tell(self.drive.finish())
            return self.settle()
        started_ns, cpu_start = time.time_ns(), time.process_time()
        events = self.drive.step(self._trajectory)
        self._steps += 1
        self._publish(events)
        self.finish(Tick(self.stage, self.drive.scene.stamp_ns, started_ns, cpu_start))
        return 0.0

    def _publish(self, events: list[SimulationEvent]) -> None:
        """Everything of this instant; the tick comes last."""
        says = self._says
        stamp_ns = self.drive.scene.stamp_ns
        self._tell(events)
        messages = list(says.messages(self.drive.scene, self.drive.signals))
        self.tell_time(stamp_ns)
        for topic, message in messages:
            if topic is says.tick_topic:
                self.report.begin(stamp_ns, time.time_ns())
                if self.config.lockstep:
                    self.watch.open(stamp_ns)
            self._send(topic, message)

    def _tell(self, events: list[SimulationEvent]) -> None:
        for event in events:
            self._events[event.kind.name.lower()] += 1
            self._send(topics.EVENTS, encode(event))
            self.get_logger().info(event.text)

    def _send(self, topic: Topic, message: bytes) -> None:
        self.outlets[topic.name].publish(message)


def main() -> int:
    """Run the node."""
    return run_node(SimulatorNode)


if __name__ == "__main__":
    raise SystemExit(main())
