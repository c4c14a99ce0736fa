"""The supervisor node without a graph: what it passes on, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("ad_rss", reason="the library ad-rss is not installed")

import rclpy
from rclpy.serialization import serialize_message
from rclpy.time import Time

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.plans import EgoPlan, Trajectory
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.nodes.supervisor import SupervisorNode
from zoox_stack.ros.conversions.plans import trajectory_to_message
from zoox_stack.ros.message_types import peek_trajectory_source

START, PERIOD = 1_000 * 10**9, 10**8
SPEED = 10.0


class Outlet:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def publish(self, message: Any) -> None:
        self.said.append(message)


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., SupervisorNode]]:
    nodes: list[SupervisorNode] = []

    def make(**parameters: Any) -> SupervisorNode:
        words = [w for k, v in parameters.items() for w in ("-p", f"{k}:={str(v).lower()}")]
        rclpy.init(args=["--ros-args", *words], domain_id=99)
        node = SupervisorNode()
        node._trajectory = Outlet()  # type: ignore[assignment]
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


@cache  # what fills up serialized messages is not defined
def proposed(tick: int, **change: Any) -> bytes:
    """Straight on at 10 m/s from where the ego is in that tick."""
    s = SPEED * STEP * np.arange(1, STEPS + 1)
    rest = np.zeros(STEPS)
    plan = EgoPlan(0, "on", STEP, SPEED * STEP * tick + s, rest, rest, rest + SPEED, rest, rest)
    message = trajectory_to_message(Trajectory(START + tick * PERIOD, plan))
    for name, value in change.items():
        getattr(message.plan, name)[5] = value
    return bytes(serialize_message(message))


def scene(tick: int) -> TrackedAgents:
    stamp = START + tick * PERIOD
    return replace(TrackedAgents.empty(stamp), ego=EgoState(stamp, SPEED * STEP * tick, 0.0, speed=SPEED))


def propose(node: SupervisorNode, data: bytes) -> None:
    node._on_proposal(node._read_proposal(data), 0)


def test_open_loop_passes_every_motion_on_as_it_came(start: Callable[..., SupervisorNode]) -> None:
    node = start(supervise=False)
    data = [proposed(tick) for tick in range(3)]
    for one in data:
        propose(node, one)
    propose(node, data[1])
    propose(node, proposed(3, yaw=float("nan")))
    assert node._trajectory.said == data  # type: ignore[attr-defined]
    assert (node.old, node.bad) == (1, 1)


def test_lockstep_waits_for_scene_and_trajectory(start: Callable[..., SupervisorNode]) -> None:
    node = start(lockstep=True)
    out = node._trajectory.said  # type: ignore[attr-defined]
    node._on_scene(scene(0), 0)
    assert not out
    propose(node, proposed(0))
    assert out == [proposed(0)]
    propose(node, proposed(1))  # the other way round
    assert len(out) == 1
    node._on_scene(scene(1), 0)
    assert out == [proposed(0), proposed(1)]


def test_lockstep_answers_every_tick_whatever_is_proposed(start: Callable[..., SupervisorNode]) -> None:
    node = start(lockstep=True)
    out = node._trajectory.said  # type: ignore[attr-defined]
    for tick in range(3):
        node._on_scene(scene(tick), 0)
        propose(node, proposed(tick))
    for tick in range(3, 8):
        node._on_scene(scene(tick), 0)
        propose(node, proposed(tick, speed=float("nan")))
    stops = [message for message in out if not isinstance(message, bytes)]
    assert [m.header.stamp.nanosec for m in stops] == [tick * PERIOD for tick in range(4, 8)]
    assert {m.source for m in stops} == {TrajectorySource.COMFORT_STOP}
    values = node.diagnostic_values()
    assert (values["state"], values["interventions"], values["refused for finite"]) == ("COMFORT_STOP", "1", "5")
    assert float(values["interventions per minute"]) > 0


def test_the_source_is_read_from_the_bytes() -> None:
    assert peek_trajectory_source(proposed(0)) == TrajectorySource.DECISION
    message = trajectory_to_message(
        Trajectory(START, EgoPlan(0, "", STEP, *np.zeros((6, 3))), TrajectorySource.PULL_OVER)
    )
    data = bytes(serialize_message(message))
    assert peek_trajectory_source(data) == TrajectorySource.PULL_OVER
    assert peek_trajectory_source(data[:10]) == 0


def test_time_that_runs_back_begins_anew(start: Callable[..., SupervisorNode]) -> None:
    node = start(lockstep=True)
    for tick in (100, 101, 0):
        node._on_scene(scene(tick), 0)
        propose(node, proposed(tick))
    assert node._trajectory.said == [proposed(tick) for tick in (100, 101, 0)]  # type: ignore[attr-defined]
    assert node.resets == 1


def test_a_clock_that_is_set_back_alone_stops_nothing(
    start: Callable[..., SupervisorNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start()
    told: list[Any] = []
    node._health = SimpleNamespace(publish=told.append)  # type: ignore[assignment]
    true_ns, off_ns = START, 0
    monkeypatch.setattr(time, "monotonic_ns", lambda: true_ns)
    monkeypatch.setattr(node, "get_clock", lambda: SimpleNamespace(now=lambda: Time(nanoseconds=true_ns + off_ns)))
    for tick in range(60):
        off_ns = -2 * 10**9 if 20 <= tick < 40 else 0
        for part in range(2):  # ego states every 50 ms
            true_ns = START + tick * PERIOD + part * PERIOD // 2
            node._on_ego(EgoState(true_ns, SPEED * (true_ns - START) * 1e-9, 0.0, speed=SPEED), 0)
            node._look()
            if part == 0:
                node._on_scene(scene(tick), 0)
                propose(node, proposed(tick))
    assert node._trajectory.said == [proposed(tick) for tick in range(60)]  # type: ignore[attr-defined]
    clock = [status for message in told for status in message.status if status.name == "supervisor/clock"]
    assert any("-2.00 s" in status.message for status in clock)
    assert clock[-1].message == ""
