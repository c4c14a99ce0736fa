"""Time from starting the process of a node until it is alive: its first heartbeat. Prints one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from zoox_stack.core import topics
from zoox_stack.core.machine import machine

NODES = ("perception", "prediction", "planner", "supervisor")
_PATIENCE = 120.0  # [s] until a node is given up


def start_once(node: str, domain: int) -> tuple[float, float]:
    """Wall time and CPU time from start to first heartbeat [s].

    Raises:
        TimeoutError: It never came.
    """
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.signals import SignalHandlerOptions

    from zoox_stack.ros.qos import subscription_profile

    heard: set[str] = set()
    rclpy.init(args=[], domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    listener = rclpy.create_node("start_up", enable_rosout=False, start_parameter_services=False)
    listener.create_subscription(
        DiagnosticArray,
        topics.DIAGNOSTICS.name,
        lambda message: heard.update(status.name for status in message.status),
        subscription_profile(topics.DIAGNOSTICS.qos),
    )
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", f"zoox_stack.nodes.{node}"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        while node not in heard:
            rclpy.spin_once(listener, timeout_sec=0.02)
            if process.poll() is not None or time.monotonic() - began > _PATIENCE:
                raise TimeoutError(f"{node} gave no sign of life, exit code {process.returncode}")
        alive_after = time.monotonic() - began
        process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return alive_after, usage.ru_utime + usage.ru_stime
    finally:
        process.kill()
        process.wait()
        listener.destroy_node()
        rclpy.shutdown()


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="starts of each node, of which the median counts")
    parser.add_argument("--nodes", default=",".join(NODES), help="which, comma separated")
    parser.add_argument("--domain", type=int, default=97, help="ROS domain of its own")
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    found = {}
    for node in arguments.nodes.split(","):
        runs = [start_once(node, arguments.domain) for _ in range(arguments.repeat)]
        wall, cpu = (round(statistics.median(column), 2) for column in zip(*runs, strict=True))
        found[node] = {"alive_after_s": wall, "cpu_s": cpu}
    print(json.dumps({**machine(), "load": round(os.getloadavg()[0], 1), "repeat": arguments.repeat, "nodes": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
