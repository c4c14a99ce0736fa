"""How long messages take to build, publish and read: prints one JSON object.

A second process subscribes to what is published, so that publishing includes the way into shared memory.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rclpy
from rclpy.serialization import serialize_message

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.core.sensors import PointCloud
from zoox_stack.ros.conversions.agents import tracked_agents_from_message, tracked_agents_to_message
from zoox_stack.ros.conversions.point_cloud import point_cloud_from_message, point_cloud_to_message
from zoox_stack.ros.conversions.predictions import predicted_agents_from_message, predicted_agents_to_message
from zoox_stack.ros.message_types import message_class
from zoox_stack.ros.qos import publisher_profile, subscription_profile
from zoox_stack.ros.serialized import tracked_agents_from_bytes, tracked_agents_to_bytes, unpack
from zoox_stack.ros.transport import prepare_transport

TOPICS = (topics.PREDICTED_AGENTS, topics.TRACKED_AGENTS, topics.LIDAR_POINTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=64)
    parser.add_argument("--modes", type=int, default=6)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--points", type=int, default=115_000)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity; the output is always JSON")
    parser.add_argument("--listen", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    prepare_transport()
    if args.listen:
        listen()
        return
    listener = subprocess.Popen([sys.executable, __file__, "--listen"], env=os.environ.copy())
    try:
        print(json.dumps(measure(args), indent=2))
    finally:
        listener.terminate()
        listener.wait()


def listen() -> None:
    rclpy.init()
    node = rclpy.create_node("benchmark_listener")
    for topic in TOPICS:
        profile = subscription_profile(topic.qos)
        node.create_subscription(message_class(topic.type_name), topic.name, lambda _: None, profile, raw=True)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        rclpy.try_shutdown()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    rclpy.init()
    node = rclpy.create_node("benchmark")
    publishers = {
        t.name: node.create_publisher(message_class(t.type_name), t.name, publisher_profile(t.qos)) for t in TOPICS
    }
    deadline = time.monotonic() + 30
    while not all(p.get_subscription_count() for p in publishers.values()):
        if time.monotonic() > deadline:
            raise SystemExit("the listening process did not start within 30 s")
        time.sleep(0.05)
    rng = np.random.default_rng(0)
    cases = {
        "predicted_agents": (
            topics.PREDICTED_AGENTS, futures(args, rng), predicted_agents_to_message, predicted_agents_from_message,
        ),
        "tracked_agents": (
            topics.TRACKED_AGENTS, scene(args, rng), tracked_agents_to_bytes, tracked_agents_from_bytes,
        ),
        "tracked_agents_as_objects": (
            topics.TRACKED_AGENTS, scene(args, rng), tracked_agents_to_message, tracked_agents_from_message,
        ),
        "point_cloud": (
            topics.LIDAR_POINTS, cloud(args, rng), point_cloud_to_message, point_cloud_from_message,
        ),
    }  # fmt: skip
    result: dict[str, Any] = {
        "benchmark": "message_conversion",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "agents": args.agents,
        "modes": args.modes,
        "steps": args.steps,
        "points": args.points,
    }
    for name, (topic, value, to_message, read) in cases.items():
        publisher = publishers[topic.name]
        kind = message_class(topic.type_name)
        made = to_message(value)
        data = made if isinstance(made, bytes) else serialize_message(made)
        from_bytes = read if isinstance(made, bytes) else partial(unpack, kind=kind, convert=read)
        result[name] = {
            "bytes": len(data),
            "convert_ms": timed(lambda v=value, f=to_message: f(v), args.runs),
            "convert_and_publish_ms": timed(
                lambda v=value, f=to_message, p=publisher: p.publish(f(v)), args.runs, 0.02
            ),
            "unpack_and_convert_ms": timed(partial(from_bytes, data), args.runs),
        }
    rclpy.try_shutdown()
    return result


def timed(action: Callable[[], Any], runs: int, pause: float = 0.0) -> dict[str, float]:
    for _ in range(5):
        action()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        action()
        times.append((time.perf_counter() - begin) * 1e3)
        if pause:
            time.sleep(pause)
    return {f"p{q}": round(float(np.percentile(times, q)), 3) for q in (50, 95, 99)}


def futures(args: argparse.Namespace, rng: np.random.Generator) -> PredictedAgents:
    a, k, t = args.agents, args.modes, args.steps
    return PredictedAgents(
        stamp_ns=1,
        agent_ids=np.arange(a),
        probabilities=np.full((a, k), 1 / k),
        origin=np.zeros(2),
        positions=rng.normal(0, 50, (a, k, t, 2)),
        headings=rng.uniform(-3, 3, (a, k, t)),
        covariances=rng.uniform(0, 9, (a, k, t, 3)),
    )


def scene(args: argparse.Namespace, rng: np.random.Generator) -> TrackedAgents:
    n = args.agents
    return TrackedAgents.from_states(
        1, np.arange(n), np.ones(n, np.uint8), rng.normal(0, 50, (n, 3)), np.zeros(n), np.zeros((n, 2)),
        np.ones((n, 3)),
        ego=EgoState(1, 0.0, 0.0),
    )  # fmt: skip


def cloud(args: argparse.Namespace, rng: np.random.Generator) -> PointCloud:
    return PointCloud(1, rng.normal(0, 30, (args.points, 3)).astype(np.float32), np.zeros(args.points, np.float32))


if __name__ == "__main__":
    main()
