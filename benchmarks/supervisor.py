"""Time of the supervisor along a drive through a town: a new scene, a trajectory passed on. Prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np

from benchmarks._scenes import about, town_scenes
from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.plans import EgoPlan, Trajectory
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.evaluation.replay_records import percentiles
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import Proposal
from zoox_stack.supervisor.pull_over import RoadMap
from zoox_stack.supervisor.supervisor import Supervisor, SupervisorInputs

_STAGE_NS = 30_000_000  # from the stamp to the scene, and from the scene to the trajectory
_TICKS = 4  # looks for silent stages between scene and trajectory


def driven(scenes: Sequence[TrackedAgents], first: int) -> Proposal:
    """What the ego does in the scenes after one, as a trajectory."""
    egos = [scene.ego for scene in scenes[first : first + STEPS + 1] if scene.ego is not None]
    x, y, yaw, speed = (np.array([getattr(ego, name) for ego in egos]) for name in ("x", "y", "yaw", "speed"))
    way = np.maximum(np.hypot(np.diff(x), np.diff(y)), 0.05)
    curvature = np.where(speed[1:] > 1.0, np.diff(np.unwrap(yaw)) / way, 0.0)
    stamp_ns = scenes[first].stamp_ns
    return Proposal(stamp_ns, STEP, x[1:], y[1:], yaw[1:], speed[1:], np.diff(speed) / STEP, curvature)


def message_bytes(motion: Proposal) -> bytes | None:
    """As it travels; None without ROS."""
    try:
        from rclpy.serialization import serialize_message

        from zoox_stack.ros.conversions.plans import trajectory_to_message
    except ImportError:
        return None
    plan = EgoPlan(0, "driven", motion.step, *motion.columns())
    return bytes(serialize_message(trajectory_to_message(Trajectory(motion.stamp_ns, plan))))


def read(data: bytes) -> Proposal:
    """From the bytes."""
    from zoox_stack.ros.conversions.plans import motion_from_message
    from zoox_stack.ros.message_types import message_class
    from zoox_stack.ros.serialized import unpack

    return unpack(data, message_class("zoox_stack/msg/Trajectory"), motion_from_message)


def nearest(scene: TrackedAgents, agents: int) -> TrackedAgents:
    """The scene with so many of its agents."""
    assert scene.ego is not None
    gap = np.hypot(*(scene.position[:, :2] - scene.ego.centre).T)
    return scene.take(np.sort(np.argsort(gap, kind="stable")[:agents]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=64, help="agents in each scene, as far as there are (default 64)")
    parser.add_argument("--town", default="downtown")
    parser.add_argument("--runs", type=int, default=200, help="scenes (default 200)")
    parser.add_argument("--json", action="store_true", help="print one line instead of indented text")
    arguments = parser.parse_args()
    network, everyone = town_scenes(arguments.town, 1, arguments.runs + STEPS + 1)
    scenes = [nearest(scene, arguments.agents) for scene in everyone[: arguments.runs]]
    road = RoadMap.of(network)
    start_ns = everyone[0].stamp_ns
    supervisor = Supervisor(SupervisorConfig(), start_ns, start_ns)
    times: dict[str, list[float]] = {"scene": [], "trajectory": [], "look": [], "read_trajectory": []}
    cpu_start, passed = time.process_time(), 0
    for row, scene in enumerate(scenes):
        motion = driven(everyone, row)
        data = message_bytes(motion)
        stamp_ns, ego = scene.stamp_ns, scene.ego
        looks = [stamp_ns + _STAGE_NS + k * 10_000_000 for k in range(1, _TICKS + 1)]
        inputs = [
            ("scene", SupervisorInputs(stamp_ns + _STAGE_NS, stamp_ns + _STAGE_NS, None, ego, scene, road=road)),
            *(("look", SupervisorInputs(at, at, road=road)) for at in looks),
        ]
        for name, given in inputs:
            begin = time.perf_counter()
            supervisor.step(given)
            times[name].append(1e3 * (time.perf_counter() - begin))
        begin = time.perf_counter()
        proposal = motion if data is None else read(data)
        times["read_trajectory"].append(1e3 * (time.perf_counter() - begin))
        now_ns = stamp_ns + 80_000_000
        given = SupervisorInputs(now_ns, now_ns, proposal, None, None, stamp_ns, None, road)
        begin = time.perf_counter()
        out = supervisor.step(given)
        times["trajectory"].append(1e3 * (time.perf_counter() - begin))
        passed += out.verdict is not None and out.verdict.passed
    cpu = time.process_time() - cpu_start
    result = {
        "benchmark": "supervisor",
        **about(),
        "town": arguments.town,
        "agents": float(np.mean([len(scene) for scene in scenes])),
        "scenes": len(scenes),
        "passed": passed,
        "interventions": supervisor.counters["interventions"],
        "scene_ms": percentiles(times["scene"][5:]),
        "trajectory_ms": percentiles(times["trajectory"][5:]),
        "read_trajectory_ms": percentiles(times["read_trajectory"][5:]),
        "look_ms": percentiles(times["look"][5 * _TICKS :]),
        "cpu_share_at_10_hz": round(cpu / (len(scenes) * STEP), 4),
    }
    print(json.dumps(result, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
