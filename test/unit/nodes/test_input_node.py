"""What nodes that make input share, without a graph: waiting for the stack, waiting for answers, failures."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from zoox_stack.core import topics
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.nodes import input_node, readiness, tick_watch
from zoox_stack.nodes.input_node import InputNode
from zoox_stack.nodes.readiness import StackReadiness
from zoox_stack.nodes.simulator import SimulatorNode
from zoox_stack.nodes.tick_report import TickReport
from zoox_stack.nodes.tick_watch import TickWatch

S = 10**9


class Clock:
    """A steady clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return round(self.now * S)


class FakeNode:
    """What the parts of an input node ask of it."""

    stage = "replay"

    def __init__(self) -> None:
        self.callbacks: dict[str, Callable[[Any], None]] = {}
        self.errors: list[str] = []
        self.exit_code, self.done = 0, False

    def create_subscription(self, _kind: Any, topic: str, callback: Callable[[Any], None], *_: Any, **__: Any) -> Any:
        self.callbacks[topic] = callback
        return SimpleNamespace(handle=SimpleNamespace(take_message=lambda *_: None))

    def guarded(self, _label: str, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    def get_logger(self) -> Any:
        return SimpleNamespace(warning=self.errors.append, error=self.errors.append)

    def failure(self, reason: str) -> str:
        return f"it ended: {reason}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tick_watch, "time", clock)
    monkeypatch.setattr(readiness, "time", clock)
    return clock


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


def trajectory(stamp_ns: int) -> bytes:
    """The beginning of a serialized message."""
    return b"\0\1\0\0" + struct.pack("<iI", *divmod(stamp_ns, S)) + bytes(8)


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"), [(ZooxStackError("no more"), "it ended: no more"), (OSError("disk"), "it ended: OSError: disk")]
)
def test_any_error_ends_the_node(node: FakeNode, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> float:
        raise error

    monkeypatch.setattr(input_node.rclpy, "ok", lambda: True)
    assert InputNode.safely(node, fail) == 0.0  # type: ignore[type-var]
    assert (node.errors, node.exit_code, node.done) == ([told], 1, True)


def test_an_error_of_a_context_that_has_ended_is_no_failure(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> float:
        raise RuntimeError("context is not valid")

    monkeypatch.setattr(input_node.rclpy, "ok", lambda: False)
    with pytest.raises(RuntimeError, match="context"):
        InputNode.safely(node, fail)  # type: ignore[type-var]
    assert not node.done


def test_a_step_that_failed_was_not_driven() -> None:
    def fail(_: Any) -> None:
        raise ZooxStackError("SUMO failed")

    drive = SimpleNamespace(finished=False, step=fail)
    simulator: Any = SimpleNamespace(_steps=4, config=SimpleNamespace(duration=3.0), drive=drive, _trajectory=None)
    with pytest.raises(ZooxStackError):
        SimulatorNode._step(simulator)
    assert "after 0.4 s: SUMO failed" in SimulatorNode.failure(simulator, "SUMO failed")


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_tick_is_answered_by_its_trajectory(node: FakeNode, clock: Clock) -> None:
    got: list[bytes] = []
    watch = TickWatch(node, TickReport(None), hashing=False, timeout=2.0, on_trajectory=got.append)  # type: ignore[arg-type]
    assert watch.is_answered()  # none is open
    watch.report.begin(3 * S, 0)
    watch.open(3 * S)
    assert not watch.is_answered()
    node.callbacks[topics.TRAJECTORY.name](trajectory(2 * S))  # of an earlier tick
    assert not watch.is_answered()
    node.callbacks[topics.TRAJECTORY.name](trajectory(3 * S))
    assert watch.is_answered()
    assert got == [trajectory(2 * S), trajectory(3 * S)]
    assert (watch.lost, watch.report.answered, watch.report.unknown) == (0, 1, 1)


def test_a_tick_without_an_answer_is_given_up_once(node: FakeNode, clock: Clock) -> None:
    watch = TickWatch(node, TickReport(None), hashing=False, timeout=2.0)  # type: ignore[arg-type]
    watch.open(3 * S)
    clock.now += 1.9
    assert not watch.is_answered()
    clock.now += 0.2
    assert watch.is_answered()
    assert watch.is_answered()
    assert watch.lost == 1
    assert node.errors == [f"no trajectory for {3 * S} ns"]


def test_with_hashes_the_other_outputs_are_waited_for_a_while(
    node: FakeNode, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick_watch, "deserialize_message", lambda data, _: data)
    monkeypatch.setattr(tick_watch, "message_hash", lambda data: str(len(data)))
    watch = TickWatch(node, TickReport(None), hashing=True, timeout=2.0)  # type: ignore[arg-type]
    outputs = [name for name in node.callbacks if name not in (topics.TRAJECTORY.name, topics.TIMING.name)]
    assert len(outputs) == 3
    for late in (False, True):
        record = watch.report.begin(3 * S, 0)
        watch.open(3 * S)
        node.callbacks[topics.TRAJECTORY.name](trajectory(3 * S))
        assert not watch.is_answered()
        if late:
            clock.now += 1.1
        else:
            for name in outputs:
                node.callbacks[name](trajectory(3 * S))
        assert watch.is_answered()
        assert len(record.hashes) == (1 if late else 4)
    assert watch.lost == 0


# --- readiness -------------------------------------------------------------------------------------------------------


class Outlet:
    """A publisher with listeners."""

    def __init__(self, topic_name: str, listeners: int) -> None:
        self.topic_name, self.listeners = topic_name, listeners

    def get_subscription_count(self) -> int:
        return self.listeners


def tell(node: FakeNode, name: str, **values: str) -> None:
    """A node says something of itself on /diagnostics."""
    told = [SimpleNamespace(key=key.replace("__", " "), value=value) for key, value in values.items()]
    node.callbacks[topics.DIAGNOSTICS.name](SimpleNamespace(status=[SimpleNamespace(name=name, values=told)]))


def test_everyone_asked_for_and_everyone_there_must_be_ready(
    node: FakeNode, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {"/sweep": 1, "/plan": 1}
    monkeypatch.setattr(readiness, "expected_listeners", lambda _, topic: expected[topic])
    outlet = Outlet("/sweep", 0)
    stack = StackReadiness(node, "perception, planner", {"/sweep": outlet}, "/sweep", 30.0)  # type: ignore[arg-type, dict-item]
    assert stack.missing() == ["perception", "planner"]
    tell(node, "perception", ready="true", listeners__x="not a number")
    tell(node, "planner", ready="true")
    tell(node, "monitor", ready="false")
    tell(node, "replay", ready="false")  # itself
    tell(node, "stranger", temperature="21")  # of another kind
    assert stack.missing() == ["monitor"]
    tell(node, "monitor", ready="true")
    assert stack.missing() == ["replay: 0 of 1 listeners of /sweep"]
    expected["/sweep"] = 0
    assert stack.missing() == ["nobody subscribes to /sweep"]
    outlet.listeners = 1
    assert stack.missing() == []


def test_connections_of_the_others_and_the_recorder_count(
    node: FakeNode, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "expected_listeners", lambda *_: 1)
    outlets: Any = {"/sweep": Outlet("/sweep", 1)}
    stack = StackReadiness(node, "", outlets, "/sweep", 30.0)  # type: ignore[arg-type]
    assert stack.missing() == []
    told = {"ready": "true", "listeners /plan": "0"}
    tell(node, "planner", **told)
    tell(node, "recorder", ready="true", noticed="/sweep")
    assert stack.missing() == ["planner: 0 of 1 listeners of /plan", "recorder without /plan"]
    tell(node, "planner", **(told | {"listeners /plan": "1"}))
    tell(node, "recorder", ready="true", noticed="/plan /sweep")
    assert stack.missing() == []


def test_latched_messages_must_be_in_use(node: FakeNode, clock: Clock) -> None:
    stack = StackReadiness(node, "", {}, "/sweep", 30.0)  # type: ignore[arg-type]
    tell(node, "planner", **{"ready": "true", "received /map": "0", "received /route": "1"})
    assert stack.without(["/map", "/route"]) == ["planner without /map"]
    tell(node, "planner", **{"ready": "true", "received /map": "1", "received /route": "1"})
    assert stack.without(["/map", "/route"]) == []


def test_patience_ends(node: FakeNode, clock: Clock) -> None:
    stack = StackReadiness(node, "planner", {}, "/sweep", 30.0)  # type: ignore[arg-type]
    assert not stack.overdue
    clock.now += 31.0
    assert stack.overdue
