"""Real processes in a ROS domain of their own, a probe that hears everything, and made-up drives.

Nothing here sleeps for a fixed time and hopes: `wait_until` waits for a condition and says which one did not come.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core import topics
from zoox_stack.core.agents import DetectedAgents, EgoState, TrafficSignals
from zoox_stack.core.frames import Frame
from zoox_stack.core.ragged import Ragged
from zoox_stack.logs.drive import RecordedDrive, write_drive
from zoox_stack.road_network.network import RoadNetwork

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # [s] after which a condition is taken not to come; far more than a busy machine needs
START_NS = 1_700_000_000 * 10**9
PERIOD_NS = 100_000_000
STACK = ("perception", "prediction", "planner", "supervisor", "monitor")


def wait_until(condition: Callable[[], Any], what: str, graph: Graph | None = None, patience: float = PATIENCE) -> Any:
    """Wait until a condition holds and return what it returned; fail with the logs of the graph if it does not."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"still not so after {patience:g} s: {what}\n{graph.logs() if graph else ''}")
        time.sleep(0.02)


class Graph:
    """Node processes of one test. All are ended with it, whatever happens."""

    def __init__(self, folder: Path, domain: int) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "PYTHONUNBUFFERED": "1",
            "ROS_LOG_DIR": str(folder / "ros_logs"),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._count = 0

    def run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a process; its output goes to a file."""
        self._count += 1
        with (self.folder / f"{self._count:02d}_{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )
        self.processes[name] = process
        return process

    def start(self, node: str, **parameters: Any) -> subprocess.Popen[bytes]:
        """Start a node."""
        words = [sys.executable, "-m", f"zoox_stack.nodes.{node}", "--ros-args"]
        for key, value in parameters.items():
            words += ["-p", f"{key}:={str(value).lower() if isinstance(value, bool) else value}"]
        return self.run(node, words)

    def start_stack(self, *, supervise: bool = False, **parameters: Any) -> None:
        """Start all nodes of the stack with parameters that all of them have; what is replayed is not supervised."""
        for node in STACK:
            self.start(node, **parameters, **({"supervise": supervise} if node == "supervisor" else {}))

    def launch(self, file: str, **arguments: Any) -> subprocess.Popen[bytes]:
        """Start a launch file."""
        words = [sys.executable, "-m", "zoox_stack.cli", "launch", "zoox_stack", file]
        return self.run("launch", [*words, *(f"{key}:={value}" for key, value in arguments.items())])

    def finish(self, name: str, patience: float = PATIENCE) -> int:
        """Wait for a process to end by itself and return its exit code."""
        process = self.processes[name]
        wait_until(lambda: process.poll() is not None, f"{name} ends", self, patience)
        return process.returncode

    def end(self, name: str, how: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.processes[name].send_signal(how)
        return self.finish(name)

    def alive(self) -> list[str]:
        """Processes that run."""
        return [name for name, process in self.processes.items() if process.poll() is None]

    def log(self, name: str) -> str:
        """Output of a process so far."""
        files = sorted(self.folder.glob(f"*_{name}.log"))
        return "".join(f.read_text(errors="replace") for f in files)

    def logs(self) -> str:
        """The end of every output."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def close(self) -> None:
        """End everything."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        end = time.monotonic() + 20
        for process in self.processes.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Probe:
    """A node in this process that keeps every output of the stack, and can publish inputs."""

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        from zoox_stack.ros.message_types import message_class
        from zoox_stack.ros.qos import publisher_profile
        from zoox_stack.ros.transport import prepare_transport

        prepare_transport()
        self._class, self._profile = message_class, publisher_profile
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.node = rclpy.create_node("probe", context=self.context)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self._publishers: dict[str, Any] = {}
        self._subscriptions: dict[str, Any] = {}
        for topic in (
            topics.TRACKED_AGENTS, topics.PREDICTED_AGENTS, topics.PROPOSED_TRAJECTORY, topics.TRAJECTORY,
            topics.DECISION, topics.DIAGNOSTICS, topics.TIMING, topics.ROUTE, topics.ROUTE_PROGRESS,
        ):  # fmt: skip
            profile = publisher_profile(topic.qos)
            profile.depth = 200
            kind = message_class(topic.type_name)
            hear = self.heard[topic.name].append
            self._subscriptions[topic.name] = self.node.create_subscription(kind, topic.name, hear, profile)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._stop = False
        self._thread = threading.Thread(target=self._spin, name="probe", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stop:
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """End."""
        self._stop = True
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def hears(self, *wanted: topics.Topic) -> bool:
        """True once somebody publishes on each of these topics and is connected with this probe."""
        return all(self._subscriptions[topic.name].get_publisher_count() for topic in wanted)

    def get(self, topic: topics.Topic) -> list[Any]:
        """Everything heard on a topic so far."""
        return list(self.heard[topic.name])

    def stamps(self, topic: topics.Topic) -> list[int]:
        """Stamps heard on a topic [ns]."""
        return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in self.get(topic)]

    def forget(self) -> None:
        """Start listening anew."""
        for messages in self.heard.values():
            messages.clear()

    def publish(self, topic: topics.Topic, message: Any) -> None:
        """Publish on a topic (made on first use, then matched with all that subscribe)."""
        self.publisher(topic).publish(message)

    def publisher(self, topic: topics.Topic) -> Any:
        """Publisher of a topic."""
        if topic.name not in self._publishers:
            kind, profile = self._class(topic.type_name), self._profile(topic.qos)
            self._publishers[topic.name] = self.node.create_publisher(kind, topic.name, profile)
        return self._publishers[topic.name]

    def status(self, name: str) -> dict[str, str]:
        """The last values a node (or ``monitor/<stage>``) told on /diagnostics, and its message."""
        for message in reversed(self.get(topics.DIAGNOSTICS)):
            for status in message.status:
                if status.name == name:
                    return {v.key: v.value for v in status.values} | {"message": status.message}
        return {}

    def number(self, name: str, key: str) -> int:
        """One of those values as a number; 0 if not told."""
        return int(self.status(name).get(key, "0"))

    def healths(self, stage: str) -> list[str]:
        """Every health the monitor has told of a stage, in order."""
        told = []
        for message in self.get(topics.DIAGNOSTICS):
            for status in message.status:
                if status.name == f"monitor/{stage}":
                    told += [v.value for v in status.values if v.key == "health"]
        return told


@pytest.fixture(scope="session")
def domains() -> Callable[[], int]:
    """Domain numbers of which no two tests of this session share one."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    used = [os.getpid() % 60]

    def next_domain() -> int:
        used[0] = used[0] % 95 + 1
        return used[0]

    return next_domain


@pytest.fixture
def domain(domains: Callable[[], int]) -> int:
    """This test's domain."""
    return domains()


@pytest.fixture
def graph(tmp_path: Path, domain: int) -> Iterator[Graph]:
    """Processes of this test."""
    made = Graph(tmp_path, domain)
    yield made
    made.close()


@pytest.fixture
def probe(domain: int) -> Iterator[Probe]:
    """Ears and mouth of this test."""
    made = Probe(domain)
    yield made
    made.close()


def made_up_network() -> RoadNetwork:
    """Two straight lanes side by side with one signal."""

    def line(y: float) -> np.ndarray:
        x = np.arange(-60.0, 800.0, 10.0)
        return np.stack([x, np.full_like(x, y), np.zeros_like(x)], axis=1)

    return RoadNetwork(
        name="two lanes",
        lane_ids=np.array([1, 2]),
        lane_types=np.zeros(2, np.uint8),
        lane_turns=np.ones(2, np.uint8),
        lane_in_intersection=np.zeros(2, np.bool_),
        lane_speed_limits=np.full(2, 14.0),
        lane_widths=np.full(2, 3.5),
        centre_lines=Ragged.from_rows([line(0.0), line(3.5)], np.float64, 3),
        left_boundaries=Ragged.from_rows([line(1.75), line(5.25)], np.float64, 3),
        left_boundary_types=np.full(2, 3, np.uint8),
        right_boundaries=Ragged.from_rows([line(-1.75), line(1.75)], np.float64, 3),
        right_boundary_types=np.full(2, 3, np.uint8),
        successors=Ragged.from_rows([[], []], np.int32),
        left_neighbours=np.array([1, -1]),
        right_neighbours=np.array([-1, 0]),
        signal_ids=np.array([7]),
        signal_positions=np.array([[90.0, 0.0, 5.0]]),
        signal_lanes=Ragged.from_rows([[0]], np.int32),
    )


def ego_at(stamp_ns: int, speed: float = 8.0) -> EgoState:
    """The ego on the right lane."""
    return EgoState(stamp_ns, speed * (stamp_ns - START_NS) * 1e-9, 0.0, speed=speed)


def detections_at(stamp_ns: int, agents: int = 6) -> DetectedAgents:
    """Cars ahead on both lanes at 6 m/s, in base_link, with a little noise."""
    i = np.arange(agents)
    passed = (stamp_ns - START_NS) * 1e-9
    noise = np.random.default_rng(stamp_ns % 2**32).normal(0, 0.03, (agents, 3))
    position = np.stack([22.0 + 11.0 * i - 2.0 * (passed % 6), 3.5 * (i % 2), np.full(agents, 0.8)], axis=1) + noise
    return DetectedAgents(
        stamp_ns,
        Frame.BASE_LINK,
        np.eye(10)[np.ones(agents, np.int64)],
        np.full(agents, 0.9),
        position,
        np.zeros(agents),
        np.tile([4.5, 1.9, 1.6], (agents, 1)),
    )


def made_up_drive(ticks: int) -> RecordedDrive:
    """Detections at 10 Hz, odometry at 50 Hz, a signal at 10 Hz, the map."""
    stamps = [START_NS + i * PERIOD_NS for i in range(ticks)]
    return RecordedDrive(
        "two lanes",
        [ego_at(START_NS + i * PERIOD_NS // 5) for i in range(5 * ticks + 1)],
        made_up_network(),
        [detections_at(s) for s in stamps],
        signals=[TrafficSignals(s, np.array([7]), np.array([3], np.uint8), np.array([1.0])) for s in stamps],
    )


@pytest.fixture(scope="session")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Made-up bags by number of ticks."""
    made: dict[int, Path] = {}

    def bag(ticks: int) -> Path:
        if ticks not in made:
            made[ticks] = tmp_path_factory.mktemp("bags") / f"{ticks}_ticks"
            write_drive(made_up_drive(ticks), made[ticks])
        return made[ticks]

    return bag


@pytest.fixture
def make() -> Any:
    """What the bags are made of, for tests that publish it themselves."""

    @dataclasses.dataclass(frozen=True)
    class Make:
        network = staticmethod(made_up_network)
        ego = staticmethod(ego_at)
        detections = staticmethod(detections_at)
        start_ns = START_NS
        period_ns = PERIOD_NS

    return Make()


@pytest.fixture
def wait() -> Callable[..., Any]:
    """`wait_until`."""
    return wait_until


@pytest.fixture(scope="session")
def harness() -> Any:
    """The tools of this file, for fixtures that live longer than one test."""
    return _Tools


class _Tools:
    Graph = Graph
    Probe = Probe
    wait_until = staticmethod(wait_until)
    PATIENCE = PATIENCE
