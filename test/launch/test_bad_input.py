"""Input that is wrong, empty, too much or from another time: dropped, counted, and the graph lives on."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from zoox_stack.core import topics
from zoox_stack.core.agents import DetectedAgents, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.frames import Frame
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS, WhatIfRequest
from zoox_stack.core.sensors import PointCloud
from zoox_stack.ros.conversions.agents import (
    detected_agents_to_message,
    tracked_agents_to_message,
    traffic_signals_to_message,
)
from zoox_stack.ros.conversions.odometry import odometry_to_message
from zoox_stack.ros.conversions.point_cloud import point_cloud_to_message
from zoox_stack.ros.conversions.predictions import what_if_request_to_message
from zoox_stack.ros.conversions.road_network import road_network_to_message
from zoox_stack.ros.message_hash import message_hash

pytestmark = pytest.mark.slow

Wait = Callable[..., Any]
NAN = float("nan")
NODES = ["monitor", "perception", "planner", "prediction", "supervisor"]


class Feeder:
    """Publishes made-up inputs and waits for the trajectory of each tick."""

    def __init__(self, graph: Any, probe: Any, make: Any, wait: Wait, tick_topic: topics.Topic, has_map: bool) -> None:
        self.graph, self.probe, self.make, self.wait = graph, probe, make, wait
        self.tick_topic = tick_topic
        self.tick = 0
        for topic in (topics.KINEMATIC_STATE, topics.TRAFFIC_SIGNALS, tick_topic):
            probe.publisher(topic)
        if has_map:
            probe.publish(topics.ROAD_NETWORK, road_network_to_message(make.network()))
        for node in ("perception", "prediction", "planner", "supervisor"):
            wait(lambda n=node: probe.status(n).get("ready") == "true", f"{node} is ready", graph)
        # A writer may know less readers than know it; the probe is one of them.
        for node, topic, readers in (
            ("perception", topics.TRACKED_AGENTS, 3),
            ("prediction", topics.PREDICTED_AGENTS, 2),
            ("planner", topics.PROPOSED_TRAJECTORY, 2),
            ("supervisor", topics.TRAJECTORY, 1),
        ):
            key = f"listeners {topic.name}"
            wait(lambda n=node, k=key, r=readers: probe.number(n, k) >= r, f"{node} is connected", graph)

    def stamp(self, tick: int) -> int:
        return self.make.start_ns + tick * self.make.period_ns

    def feed(self, make_tick: Callable[[int], Any], ticks: int = 1) -> None:
        """Publish ticks one after the other and wait for the answer to each."""
        for _ in range(ticks):
            stamp = self.stamp(self.tick)
            self.probe.publish(topics.KINEMATIC_STATE, odometry_to_message(self.make.ego(stamp)))
            self.probe.publish(self.tick_topic, make_tick(stamp))
            what = f"a trajectory for tick {self.tick}"
            self.wait(lambda s=stamp: s in self.probe.stamps(topics.TRAJECTORY), what, self.graph)
            self.tick += 1


def test_bad_messages_are_dropped_and_counted(graph: Any, probe: Any, make: Any, wait: Wait) -> None:
    graph.start_stack()
    feeder = Feeder(graph, probe, make, wait, topics.DETECTIONS, has_map=True)

    def good(stamp: int) -> Any:
        return detected_agents_to_message(make.detections(stamp))

    # Nothing is tracked yet in the first tick: an empty prediction is published, and the planner still answers.
    feeder.feed(good, 8)
    assert len(probe.get(topics.PREDICTED_AGENTS)[0].agent_ids) == 0
    wait(lambda: len(probe.get(topics.PREDICTED_AGENTS)[-1].agent_ids) > 0, "agents are predicted", graph)
    assert [probe.number(n, "dropped_bad") for n in NODES] == [0] * len(NODES)

    next_stamp = feeder.stamp(feeder.tick)
    bad_detections = [good(next_stamp) for _ in range(5)]
    bad_detections[0].agents[2].position = np.array([NAN, 0.0, 0.0])
    bad_detections[1].header.frame_id = "velodyne"
    bad_detections[2].agents[0].score = 7.0
    bad_detections[3].agents = bad_detections[3].agents[:1] * 2001
    bad_detections[4].header.stamp.nanosec = 4_000_000_000
    for message in bad_detections:
        probe.publish(topics.DETECTIONS, message)
        # Newest only: let each be looked at before the next one comes.
        count = bad_detections.index(message) + 1
        wait(lambda n=count: probe.number("perception", "dropped_bad") >= n, f"{count} drops are counted", graph)
    probe.publish(topics.DETECTIONS, b"\x00\x01\x00\x00\xff\xff\xff\x7f" * 3)
    wait(lambda: probe.number("perception", "dropped_bad") >= 6, "garbage bytes are counted", graph)
    odometry = odometry_to_message(make.ego(next_stamp))
    odometry.pose.pose.position.x = NAN
    probe.publish(topics.KINEMATIC_STATE, odometry)
    wait(lambda: probe.number("perception", "dropped_bad") >= 7, "odometry of NaN is counted", graph)

    scene = tracked_agents_to_message(
        TrackedAgents.from_states(
            next_stamp, np.arange(2), np.ones(2, np.uint8), np.zeros((2, 3)), np.zeros(2), np.zeros((2, 2)),
            np.ones((2, 3)),
        )
    )  # fmt: skip
    scene.agents[1].velocity = np.array([NAN, 0.0])
    probe.publish(topics.TRACKED_AGENTS, scene)
    for node in ("prediction", "planner"):
        wait(lambda n=node: probe.number(n, "dropped_bad") >= 1, f"{node} counts a scene of NaN", graph)
    network = road_network_to_message(make.network())
    network.centre_points[4] = NAN
    probe.publish(topics.ROAD_NETWORK, network)
    lights = traffic_signals_to_message(
        TrafficSignals(next_stamp, np.array([7]), np.array([3], np.uint8), np.array([1.0]))
    )
    lights.states[0] = 99
    probe.publish(topics.TRAFFIC_SIGNALS, lights)
    for node in ("prediction", "planner"):
        wait(lambda n=node: probe.number(n, "dropped_bad") >= 3, f"{node} counts map and signals", graph)

    feeder.feed(good, 3)
    assert sorted(graph.alive()) == NODES
    stamps = probe.stamps(topics.TRAJECTORY)
    assert stamps == [feeder.stamp(i) for i in range(11)]


def test_many_agents_old_stamps_and_time_that_runs_back(graph: Any, probe: Any, make: Any, wait: Wait) -> None:
    graph.start_stack(lockstep=True)
    feeder = Feeder(graph, probe, make, wait, topics.DETECTIONS, has_map=False)
    grid = np.stack(np.meshgrid(np.arange(20) * 8.0, np.arange(15) * 6.0 + 10.0), axis=-1).reshape(-1, 2)

    def crowd(stamp: int) -> Any:
        position = np.concatenate([grid, np.full((300, 1), 0.8)], axis=1)
        return detected_agents_to_message(
            DetectedAgents(
                stamp, Frame.MAP, np.eye(10)[np.ones(300, np.int64)], np.full(300, 0.9), position, np.zeros(300),
                np.tile([4.5, 1.9, 1.6], (300, 1)),
            )
        )  # fmt: skip

    feeder.feed(crowd, 5)
    assert len(probe.get(topics.TRACKED_AGENTS)[-1].agents) == 300
    wait(lambda: len(probe.get(topics.PREDICTED_AGENTS)[-1].agent_ids) == 300, "300 agents are predicted", graph)

    # The same stamp again and one a little older: dropped as old.
    for stamp in (feeder.stamp(4), feeder.stamp(3)):
        old = probe.number("perception", "dropped_old")
        probe.publish(topics.DETECTIONS, crowd(stamp))
        wait(lambda n=old: probe.number("perception", "dropped_old") > n, "an old message is counted", graph)
    assert probe.stamps(topics.TRAJECTORY) == [feeder.stamp(i) for i in range(5)]

    # Ten seconds back: a log began anew. Every stage forgets the past and goes on.
    feeder.tick = -100
    feeder.feed(crowd, 4)
    for node in ("perception", "prediction", "planner", "supervisor"):
        wait(lambda n=node: probe.number(n, "resets") == 1, f"{node} started anew", graph)
    assert len(probe.get(topics.TRACKED_AGENTS)[5].agents) == 0
    assert sorted(graph.alive()) == NODES


def sweep(stamp: int) -> PointCloud:
    """Flat ground and one box."""
    rng = np.random.default_rng(3)
    ground = np.concatenate([rng.uniform(-40, 40, (20_000, 2)), np.zeros((20_000, 1))], axis=1)
    box = np.concatenate([rng.uniform([12, -1], [12.3, 1], (400, 2)), rng.uniform(0.3, 1.6, (400, 1))], axis=1)
    xyz = np.concatenate([ground, box]).astype(np.float32)
    return PointCloud(stamp, xyz, np.zeros(len(xyz), np.float32))


def test_bad_sweeps_are_dropped_and_counted(graph: Any, probe: Any, make: Any, wait: Wait) -> None:
    graph.start_stack()
    feeder = Feeder(graph, probe, make, wait, topics.LIDAR_POINTS, has_map=False)
    feeder.feed(lambda stamp: point_cloud_to_message(sweep(stamp)), 6)
    assert len(probe.get(topics.TRACKED_AGENTS)[-1].agents) >= 1

    def broken(change: str) -> Any:
        message = point_cloud_to_message(sweep(feeder.stamp(feeder.tick)))
        if change == "nan":
            message.data = array("B", b"\xff" * len(message.data))
        elif change == "empty":
            message.width, message.row_step, message.data = 0, 0, array("B")
        elif change == "truncated":
            message.data = message.data[:1000]
        elif change == "oversized":
            message.width, message.row_step = 2_000_001, 16 * 2_000_001
            message.data = array("B", bytes(16 * 2_000_001))
        else:
            message.fields = message.fields[:3]
        return message

    for count, change in enumerate(("nan", "empty", "truncated", "oversized", "without intensity"), 1):
        probe.publish(topics.LIDAR_POINTS, broken(change))
        wait(lambda n=count: probe.number("perception", "dropped_bad") >= n, f"{change} is counted", graph)
    feeder.feed(lambda stamp: point_cloud_to_message(sweep(stamp)), 3)
    assert sorted(graph.alive()) == NODES
    assert probe.number("perception", "dropped_bad") == 5


def test_every_bad_question_gets_its_status(graph: Any, probe: Any, make: Any, wait: Wait) -> None:
    from zoox_stack.srv import WhatIf

    graph.start("prediction")
    client = probe.node.create_client(WhatIf, topics.WHAT_IF_SERVICE)
    publisher = probe.publisher(topics.TRACKED_AGENTS)
    wait(client.service_is_ready, "the service is there", graph)
    wait(publisher.get_subscription_count, "prediction listens", graph)

    def ask(message: Any) -> Any:
        future = client.call_async(message)
        wait(future.done, "an answer", graph)
        return future.result()

    def question(stamp: int, plans: int = 2, steps: int = STEPS, deadline: float = 30.0) -> Any:
        x = 8.0 * STEP * np.arange(1, steps + 1)
        rest = [np.zeros(steps) for _ in range(5)]
        several = tuple(EgoPlan(i, "ahead", STEP, x, *rest) for i in range(plans))
        return what_if_request_to_message(WhatIfRequest(stamp, several, deadline))

    assert ask(question(0)).status == WhatIfStatus.NO_SCENE
    n = 3
    position = np.array([[15.0 + 10 * i, 3.5 * (i % 2), 0.8] for i in range(n)])
    stamp = make.start_ns
    scene = TrackedAgents.from_states(
        stamp, np.arange(n), np.ones(n, np.uint8), position, np.zeros(n), np.zeros((n, 2)),
        np.tile([4.5, 1.9, 1.6], (n, 1)), ego=make.ego(stamp),
    )  # fmt: skip
    publisher.publish(tracked_agents_to_message(scene))
    wait(lambda: probe.get(topics.PREDICTED_AGENTS), "the scene is predicted", graph)

    good = ask(question(stamp))
    assert (good.status, good.conditional, len(good.predictions)) == (WhatIfStatus.OK, True, 2)
    assert all(0 <= p <= 1 for p in good.collision_probabilities)
    # Through standing cars: that cannot be safe.
    assert max(good.collision_probabilities) > 0.5
    assert ask(question(0)).scene_stamp.sec == stamp // 10**9

    assert ask(question(stamp - 10**9)).status == WhatIfStatus.STALE_SCENE
    assert ask(question(stamp, plans=17)).status == WhatIfStatus.BAD_PLAN
    assert ask(question(stamp, steps=7)).status == WhatIfStatus.BAD_PLAN
    assert ask(WhatIf.Request(deadline=1.0)).status == WhatIfStatus.BAD_PLAN
    broken = question(stamp)
    broken.plans[1].yaw[3] = NAN
    answer = ask(broken)
    assert answer.status == WhatIfStatus.BAD_PLAN
    assert "plans[1]" in answer.message
    for deadline in (0.0, -1.0, NAN, 1e-6):
        late_question = question(stamp)
        late_question.deadline = deadline
        late = ask(late_question)
        assert late.status == WhatIfStatus.DEADLINE, deadline
        assert not late.predictions
    assert ask(question(stamp)).status == WhatIfStatus.OK
    assert message_hash(ask(question(stamp)).predictions[0]) == message_hash(good.predictions[0])
