"""Goals set from the command line in a running graph: the ego drives there and stands; others are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")

from zoox_stack.core import topics
from zoox_stack.ros.conversions.road_network import road_network_to_message

pytestmark = pytest.mark.slow


def set_goal(graph: Any, *words: str) -> tuple[int, str]:
    """Run the command; exit code and output."""
    graph.run("goal", [sys.executable, "-m", "zoox_stack.cli", "goal", *words])
    return graph.finish("goal", patience=300.0), graph.log("goal")  # lights and queues on the way take their time


def test_the_ego_drives_to_the_goal_and_stands(graph: Any, probe: Any, wait: Callable[..., Any]) -> None:
    graph.start_stack(use_sim_time=True)
    graph.start("simulator", seed=2, sensors="none", duration=600.0)
    wait(lambda: probe.get(topics.ROUTE) and probe.get(topics.ROUTE_PROGRESS), "route and progress are told", graph)
    (given,) = probe.get(topics.ROUTE)
    line = np.array(given.points).reshape(-1, 3)[:, :2]
    first = probe.get(topics.ROUTE_PROGRESS)[-1]
    assert not first.has_goal
    assert first.remaining > 200.0

    code, told = set_goal(graph, "--to", "99999,0")
    assert code == 2
    assert "expected a lane for cars within 4 m" in told
    wait(lambda: "99999" in probe.status("planner")["refused"], "diagnostics name it", graph)
    assert len(probe.get(topics.ROUTE)) == 1

    driven = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    x, y = (np.interp(175.0, driven, line[:, axis]) for axis in range(2))  # between two crossings
    code, told = set_goal(graph, f"--to={x:.2f},{y:.2f}", "--wait")
    assert code == 0, told
    assert told.splitlines()[-1] == "there"
    wait(lambda: probe.get(topics.ROUTE_PROGRESS)[-1].reached, "it is told to all", graph)
    progress = [message for message in probe.get(topics.ROUTE_PROGRESS) if message.has_goal]
    remaining = np.array([message.remaining for message in progress])
    assert remaining[0] > 50.0
    assert (np.diff(remaining) < 0.5).all()
    ego = probe.get(topics.TRACKED_AGENTS)[-1].ego
    assert abs(ego.speed) < 0.3
    assert np.hypot(ego.position[0] - x, ego.position[1] - y) < 2.6
    assert probe.get(topics.ROUTE)[-1].header.stamp == progress[-1].route_stamp


def test_without_a_graph_the_command_says_what_to_start(graph: Any) -> None:
    code, told = set_goal(graph, "--to-lane", "1", "--timeout", "1")
    assert code == 1
    assert "zoox-stack launch zoox_stack simulation.launch.xml" in told


def test_a_planner_without_map_or_ego_says_what_is_missing(
    graph: Any, probe: Any, wait: Callable[..., Any], make: Any
) -> None:
    graph.start("planner")
    code, told = set_goal(graph, "--to-lane", "1", "--timeout", "60")
    assert code == 1
    assert "expected a map with lanes for cars, found none yet" in told
    wait(lambda: probe.status("planner"), "the planner is heard", graph)
    assert "found none yet" in probe.status("planner")["refused"]
    probe.publish(topics.ROAD_NETWORK, road_network_to_message(make.network()))
    wait(lambda: probe.number("planner", "received /map/road_network"), "the map is in use", graph)
    code, told = set_goal(graph, "--to-lane", "1", "--timeout", "60")
    assert code == 1
    assert "expected to know where the ego is, found nothing yet" in told
