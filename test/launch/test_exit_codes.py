"""Nodes that cannot start say why and return 2; signals end them with 0."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from zoox_stack.logs.bag_reader import BagReader

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("node", "parameters", "named"),
    [
        ("perception", {"cel": 0.2}, "perception.cel does not exist; did you mean cell"),
        ("perception", {"source": "camera"}, "perception.source: expected one of"),
        ("perception", {"odometry_timeout": 5.0}, "perception.odometry_timeout: expected 0.0 .. 1.0"),
        ("planner", {"prediction_deadline": "soon"}, "planner.prediction_deadline: expected float"),
        ("supervisor", {"comfort_deceleration": 9.0}, "supervisor.comfort_deceleration: expected 0.3 .. 3.0"),
        ("prediction", {"model_dir": "/no/such/folder"}, "/no/such/folder"),
        ("monitor", {"expected_rate": -1.0}, "monitor.expected_rate"),
        ("replay", {}, "replay.bag"),
        ("replay", {"bag": "/no/such/bag"}, "/no/such/bag: expected a bag, found nothing of that name"),
        ("recorder", {}, "recorder.output"),
    ],
)
def test_wrong_parameters_are_told_and_return_2(graph: Any, node: str, parameters: dict[str, Any], named: str) -> None:
    graph.start(node, **parameters)
    assert graph.finish(node) == 2
    assert "error: " in graph.log(node)
    assert named in graph.log(node)
    assert "Traceback" not in graph.log(node)


def test_a_recorder_never_overwrites(graph: Any, tmp_path: Path) -> None:
    there = tmp_path / "bag"
    there.mkdir()
    graph.start("recorder", output=there)
    assert graph.finish("recorder") == 2
    assert list(there.iterdir()) == []


def test_replay_gives_up_when_the_stack_does_not_come(graph: Any, bags: Callable[[int], Path]) -> None:
    graph.start("replay", bag=bags(5), ready_timeout=1.0)
    assert graph.finish("replay") == 1
    assert "not ready after 1 s: perception, planner, prediction" in graph.log("replay")


def test_replay_refuses_a_corrupt_bag_before_it_begins(graph: Any, bags: Callable[[int], Path], tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.mcap"
    data = bytearray(next(bags(20).glob("*.mcap")).read_bytes())
    data[len(data) // 2] ^= 0xFF
    corrupt.write_bytes(data)
    graph.start("replay", bag=corrupt)
    assert graph.finish("replay") == 2
    assert "corrupt.mcap" in graph.log("replay")
    assert "bag recover" in graph.log("replay")


def test_replay_refuses_a_bag_without_ticks(graph: Any, bags: Callable[[int], Path]) -> None:
    graph.start("replay", bag=bags(5), source="lidar")
    assert graph.finish("replay") == 2
    assert "/sensing/lidar/points" in graph.log("replay")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_lone_recorder_ends_well_on_signals(
    graph: Any, probe: Any, wait: Callable[..., Any], tmp_path: Path, how: signal.Signals
) -> None:
    graph.start("recorder", output=tmp_path / "bag.mcap")
    wait(lambda: probe.number("recorder", "messages") > 0, "its own heartbeat is recorded", graph)
    assert graph.end("recorder", how) == 0
    with BagReader(tmp_path / "bag.mcap") as reader:
        assert not reader.problems
        assert reader.message_count > 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("library", ["numpy", "onnxruntime"])
def test_a_signal_while_a_node_still_loads_ends_it_quietly(
    graph: Any, wait: Callable[..., Any], how: signal.Signals, library: str
) -> None:
    maps = Path(f"/proc/{graph.start('prediction').pid}/maps")
    wait(lambda: f"/{library}/" in maps.read_text(), f"{library} is being loaded", graph)
    assert graph.end("prediction", how) == 0
    assert "Traceback" not in graph.log("prediction")
