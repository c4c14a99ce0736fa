"""Stages that die, hang or lie: the rest goes on and says so."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import PredictionSource, WhatIfStatus
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.ros.conversions.agents import tracked_agents_to_message
from zoox_stack.ros.conversions.predictions import predicted_agents_to_message
from zoox_stack.ros.conversions.road_network import road_network_to_message

pytestmark = pytest.mark.slow

Bags = Callable[[int], Path]
Wait = Callable[..., Any]


def pid_of(node: str, domain: int) -> int:
    """The process of a node that a launcher started in this domain."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if f"zoox_stack.nodes.{node}".encode() in words and f"ROS_DOMAIN_ID={domain}".encode() in environment:
            return int(entry.name)
    return 0


def test_prediction_killed_and_respawned(graph: Any, probe: Any, bags: Bags, wait: Wait, domain: int) -> None:
    graph.launch("stack.launch.xml", use_sim_time="true", supervise="false")
    graph.start("replay", bag=bags(1200), ready_timeout=120.0)
    wait(lambda: len(probe.get(topics.PREDICTED_AGENTS)) > 20, "predictions flow", graph)
    wait(lambda: probe.healths("prediction"), "the monitor talks about prediction", graph)
    first = wait(lambda: pid_of("prediction", domain), "the process of prediction is found", graph)
    os.kill(first, signal.SIGKILL)
    last = probe.stamps(topics.PREDICTED_AGENTS)[-1]
    probe.forget()

    # The planner goes on with constant velocities, and says so.
    def without() -> list[Any]:
        return [d for d in probe.get(topics.DECISION) if d.predictions_from == PredictionSource.CONSTANT_VELOCITY]

    wait(lambda: len(without()) > 3, "decisions without predictions", graph)
    stamps = probe.stamps(topics.TRAJECTORY)
    assert stamps == sorted(set(stamps))
    statuses = {d.answer_status for d in without()}
    assert statuses <= {WhatIfStatus.NOT_ASKED, WhatIfStatus.TIMEOUT, WhatIfStatus.NO_SERVICE, WhatIfStatus.STALE_SCENE}
    wait(lambda: {"STALE", "DEAD"} & set(probe.healths("prediction")), "the monitor misses prediction", graph)

    # The launcher brings it back, and its predictions are used again.
    wait(lambda: pid_of("prediction", domain) not in (0, first), "prediction is started again", graph)
    probe.forget()
    wait(lambda: probe.get(topics.PREDICTED_AGENTS), "predictions come again", graph)
    gap = (probe.stamps(topics.PREDICTED_AGENTS)[0] - last) * 1e-9
    print(f"{gap:.1f} s of the drive without predictions")
    assert gap < 10.0
    wait(
        lambda: any(d.predictions_from == PredictionSource.MODEL for d in probe.get(topics.DECISION)),
        "decisions with predictions",
        graph,
    )
    wait(lambda: "OK" in probe.healths("prediction")[-3:], "the monitor is content", graph)
    assert graph.end("launch") == 0
    wait(
        lambda: not any(pid_of(n, domain) for n in ("perception", "prediction", "planner", "supervisor", "monitor")),
        "all end",
        graph,
    )


def test_perception_stalls_and_goes_on(graph: Any, probe: Any, bags: Bags, wait: Wait) -> None:
    graph.start_stack(use_sim_time=True)
    graph.start("replay", bag=bags(1200), ready_timeout=120.0)
    wait(lambda: len(probe.get(topics.TRAJECTORY)) > 20, "trajectories flow", graph)
    wait(lambda: probe.healths("perception"), "the monitor talks about perception", graph)
    perception = graph.processes["perception"]
    perception.send_signal(signal.SIGSTOP)
    wait(lambda: "STALE" in probe.healths("perception"), "perception is stale", graph)
    wait(lambda: "STALE" in probe.healths("planner"), "the planner has no input", graph)
    wait(lambda: "DEAD" in probe.healths("perception"), "perception gives no sign of life", graph)
    assert "perception is DEAD" in graph.log("monitor")
    summary = probe.status("monitor/summary")["message"]
    assert "perception" in summary
    perception.send_signal(signal.SIGCONT)
    probe.forget()
    wait(lambda: len(probe.get(topics.TRAJECTORY)) > 10, "trajectories flow again", graph)
    wait(lambda: probe.healths("perception")[-1:] == ["OK"], "the monitor is content", graph)
    # What waited while it slept is old: the newest was taken.
    wait(lambda: probe.number("perception", "dropped_old") > 0, "old sweeps are counted", graph)


def test_recorder_killed_leaves_a_bag(graph: Any, probe: Any, bags: Bags, wait: Wait, tmp_path: Path) -> None:
    out = tmp_path / "recording"
    graph.start_stack(use_sim_time=True)
    graph.start("recorder", use_sim_time=True, output=out)
    graph.start(
        "replay", bag=bags(1200), wait_for="perception,prediction,planner,supervisor,recorder", ready_timeout=120.0
    )
    wait(lambda: probe.number("recorder", "messages") > 300, "some hundred messages are recorded", graph)
    told = probe.number("recorder", "messages")
    # What was told a second ago and more is on disk.
    seen = len(probe.get(topics.DIAGNOSTICS))
    wait(lambda: probe.number("recorder", "messages") > told, "the recorder goes on", graph)
    wait(lambda: len(probe.get(topics.DIAGNOSTICS)) > seen + 8, "more than a second passes", graph)
    assert graph.end("recorder", signal.SIGKILL) == -signal.SIGKILL
    with BagReader(out, recover=True) as reader:
        assert reader.message_count >= told
        assert {topics.ROAD_NETWORK.name, topics.DETECTIONS.name, topics.TRAJECTORY.name} <= set(reader.topics)
    graph.processes.pop("recorder")
    graph.end("replay")
    # The rest of what was recorded plays again.
    probe.forget()
    graph.start("replay", bag=out, recover=True, report=tmp_path / "again.jsonl", ready_timeout=120.0)
    assert graph.finish("replay") == 0
    assert (tmp_path / "again.jsonl").read_text().count("\n") > 10
    assert len(probe.get(topics.TRAJECTORY)) > 10


def test_a_full_disk_ends_the_recorder_and_leaves_a_readable_bag(graph: Any, bags: Bags, tmp_path: Path) -> None:
    out = tmp_path / "recording"
    recorder = f"{sys.executable} -m zoox_stack.nodes.recorder --ros-args -p use_sim_time:=true -p output:={out}"
    graph.start_stack(use_sim_time=True)
    graph.run("recorder", ["bash", "-c", f"ulimit -f 600; exec {recorder}"])  # no file over 600 KiB
    graph.start(
        "replay", bag=bags(1200), wait_for="perception,prediction,planner,supervisor,recorder", ready_timeout=120.0
    )
    assert graph.finish("recorder") == 1
    assert "File too large" in graph.log("recorder")
    assert "messages written before are kept" in graph.log("recorder")
    assert "Traceback" not in graph.log("recorder")
    with BagReader(out, recover=True) as reader:  # whole, or without its summary where not even that had room
        assert sum(m.topic == topics.TRAJECTORY.name for m in reader.messages()) > 3


def scene_at(make: Any, tick: int) -> TrackedAgents:
    stamp = make.start_ns + tick * make.period_ns
    n = 3
    position = np.array([[25.0 + 12 * i + 0.6 * tick, 3.5 * (i % 2), 0.8] for i in range(n)])
    return TrackedAgents.from_states(
        stamp, np.arange(n), np.ones(n, np.uint8), position, np.zeros(n), np.tile([6.0, 0.0], (n, 1)),
        np.tile([4.5, 1.9, 1.6], (n, 1)), ego=make.ego(stamp),
    )  # fmt: skip


@pytest.mark.parametrize("behaviour", ["no service", "garbage", "other stamp", "silent"])
def test_planner_decides_in_time_whatever_prediction_does(
    graph: Any, probe: Any, make: Any, wait: Wait, behaviour: str
) -> None:
    from zoox_stack.core.constant_velocity import constant_velocity_prediction
    from zoox_stack.srv import WhatIf

    scenes = {}

    def answer(request: Any, response: Any) -> Any:
        plans = len(request.plans)
        stamp = request.scene_stamp.sec * 10**9 + request.scene_stamp.nanosec
        futures = predicted_agents_to_message(constant_velocity_prediction(scenes[stamp]))
        if behaviour == "garbage":
            futures.positions[0] = float("nan")
        elif behaviour == "other stamp":
            futures.header.stamp.sec += 1
        elif behaviour == "silent":
            raise LookupError("no answer leaves this service")
        response.status, response.scene_stamp, response.conditional = 0, request.scene_stamp, True
        response.predictions = [futures] * plans
        response.collision_probabilities.extend([0.0] * plans)
        return response

    def answer_or_die(request: Any, response: Any) -> Any:
        try:
            return answer(request, response)
        except LookupError:
            time.sleep(1.0)  # far beyond the planner's deadline
            return response

    graph.start("planner")
    if behaviour != "no service":
        probe.node.create_service(WhatIf, topics.WHAT_IF_SERVICE, answer_or_die)
    probe.publish(topics.ROAD_NETWORK, road_network_to_message(make.network()))
    publisher = probe.publisher(topics.TRACKED_AGENTS)
    wait(lambda: publisher.get_subscription_count() >= 2, "the planner listens", graph)
    wait(lambda: probe.status("planner"), "the planner talks", graph)
    count = 8
    for tick in range(count):
        scene = scene_at(make, tick)
        scenes[scene.stamp_ns] = scene
        publisher.publish(tracked_agents_to_message(scene))
        wait(lambda n=tick: len(probe.get(topics.PROPOSED_TRAJECTORY)) > n, f"a trajectory for scene {tick}", graph)
    assert probe.stamps(topics.PROPOSED_TRAJECTORY) == list(scenes)
    expected = {
        "no service": {WhatIfStatus.NO_SERVICE},
        "garbage": {WhatIfStatus.INVALID},
        "other stamp": {WhatIfStatus.INVALID},
        "silent": {WhatIfStatus.TIMEOUT},
    }[behaviour]
    decisions = probe.get(topics.DECISION)
    assert {d.answer_status for d in decisions[1:]} <= expected | {WhatIfStatus.TIMEOUT}
    assert expected & {d.answer_status for d in decisions}
    assert not any(d.conditional for d in decisions)
    assert all(d.predictions_from == PredictionSource.CONSTANT_VELOCITY for d in decisions)
