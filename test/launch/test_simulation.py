"""The stack drives in a simulated town: closed loop, repeatable in lock-step, and robust when parts fail."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.plans import Trajectory
from zoox_stack.evaluation.replay_records import TickRecord, combined_hash, read_records
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode
from zoox_stack.road_network.network import RoadNetwork

pytestmark = pytest.mark.slow

SECONDS = 4.0
ARGUMENTS = {"town": "signal_grid", "seed": 2, "sensors": "none", "status": "false", "respawn": "false"}


@dataclass(frozen=True)
class Drive:
    """What one drive left behind."""

    code: int
    log: str
    records: list[TickRecord]
    recording: Path

    def values(self, topic: topics.Topic) -> list[Any]:
        """All messages of a topic."""
        with BagReader(self.recording) as reader:
            return [decode(m.type_name, m.data) for m in reader.messages([topic.name])]


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory, domains: Callable[[], int], harness: Any) -> list[Drive]:
    """The same drive in lock-step, twice."""
    made = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("drive")
        graph = harness.Graph(folder, domains())
        try:
            graph.launch(
                "simulation.launch.xml", **ARGUMENTS, duration=SECONDS, lockstep="true", record=folder / "bag",
                report=folder / "ticks.jsonl",
            )  # fmt: skip
            code = graph.finish("launch", 3 * harness.PATIENCE)
            made.append(Drive(code, graph.log("launch"), read_records(folder / "ticks.jsonl"), folder / "bag"))
        finally:
            graph.close()
    return made


def test_every_step_is_answered_and_the_drive_ends_by_itself(drives: list[Drive]) -> None:
    for drive in drives:
        assert drive.code == 0, drive.log
        assert len(drive.records) == round(SECONDS / 0.1) + 1
        assert all(record.trajectory_wall_ns is not None for record in drive.records)


def test_two_drives_are_equal(drives: list[Drive]) -> None:
    first, second = ([r.stamp_ns for r in drive.records] for drive in drives)
    assert first == second
    assert combined_hash(drives[0].records) == combined_hash(drives[1].records)
    truths = [drive.values(topics.GROUND_TRUTH) for drive in drives]
    for a, b in zip(*truths, strict=True):
        assert np.array_equal(a.position, b.position)


def test_the_ego_does_what_the_planner_said(drives: list[Drive]) -> None:
    """Two seconds after a trajectory the ego is near where that trajectory led: at first it is told the same."""
    egos = {ego.stamp_ns: ego for ego in drives[0].values(topics.GROUND_TRUTH_EGO)}
    trajectories: list[Trajectory] = drives[0].values(topics.TRAJECTORY)
    moved = []
    for trajectory in trajectories:
        later = egos.get(trajectory.stamp_ns + 500_000_000)
        if later is not None:
            moved.append(np.hypot(later.x - trajectory.plan.x[4], later.y - trajectory.plan.y[4]))
    assert len(moved) > 20
    assert np.median(moved) < 0.5


def test_the_recording_is_whole_and_holds_the_world(drives: list[Drive]) -> None:
    drive = drives[0]
    with BagReader(drive.recording) as reader:
        assert not reader.problems
        for topic in (topics.ROAD_NETWORK, topics.ROUTE, topics.TRAFFIC_SIGNALS, topics.DECISION, topics.TIMING):
            assert reader.topics[topic.name].count, topic.name
    (network,) = drive.values(topics.ROAD_NETWORK)
    assert isinstance(network, RoadNetwork)
    scene = drive.values(topics.GROUND_TRUTH)[-1]
    assert isinstance(scene, TrackedAgents)
    assert len(scene)
    assert isinstance(drive.values(topics.KINEMATIC_STATE)[0], EgoState)


@pytest.mark.parametrize("node", ["planner", "supervisor"])
def test_without_a_planner_or_supervisor_the_ego_brakes_and_the_world_goes_on(
    graph: Any, probe: Any, wait: Callable[..., Any], tmp_path: Path, node: str
) -> None:
    graph.start_stack(use_sim_time=True, supervise=True)
    graph.start("simulator", seed=2, sensors="none", duration=600.0, report=tmp_path / "ticks.jsonl")

    def speed() -> float:
        scenes = probe.get(topics.TRACKED_AGENTS)
        return float(scenes[-1].ego.speed) if scenes else 0.0

    wait(lambda: speed() > 2.0, "the ego drives", graph)
    graph.processes[node].send_signal(signal.SIGKILL)
    graph.processes[node].wait()
    last = probe.stamps(topics.TRACKED_AGENTS)[-1]
    wait(lambda: speed() < 0.05, "the ego stands", graph)
    wait(lambda: probe.stamps(topics.TRACKED_AGENTS)[-1] > last + 2 * 10**9, "time goes on", graph)
    assert graph.end("simulator") == 0
    assert "Traceback" not in graph.log("simulator")


def test_a_simulator_that_dies_leaves_a_whole_recording(graph: Any, wait: Callable[..., Any], tmp_path: Path) -> None:
    graph.launch("simulation.launch.xml", **ARGUMENTS, duration=600.0, record=tmp_path / "bag")

    def pid() -> int:
        found = re.search(r"\[simulator-\d+\]: process started with pid \[(\d+)\]", graph.log("launch"))
        return int(found[1]) if found else 0

    def recorded() -> int:
        files = list((tmp_path / "bag").glob("*.mcap"))
        return files[0].stat().st_size if files else 0

    wait(pid, "the simulator starts", graph)
    wait(lambda: recorded() > 1_000_000, "a megabyte is recorded", graph)
    os.kill(pid(), signal.SIGSEGV)
    assert graph.finish("launch") == 1
    assert re.search(r"\[simulator-\d+\]: process has died", graph.log("launch"))
    with BagReader(tmp_path / "bag") as reader:
        assert not reader.problems
        assert reader.topics[topics.GROUND_TRUTH.name].count > 3


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"town": "atlantis"}, "atlantis"),
        ({"sensors": "crystal_ball"}, "crystal_ball"),
        ({"duration": -1.0}, "simulator.duration: expected 0.1"),
        ({"wheelbase": 0.0}, "simulator.wheelbase"),
    ],
)
def test_wrong_parameters_are_told_and_return_2(graph: Any, parameters: dict[str, Any], named: str) -> None:
    graph.start("simulator", **parameters)
    assert graph.finish("simulator") == 2
    assert "error: " in graph.log("simulator")
    assert named in graph.log("simulator")
    assert "Traceback" not in graph.log("simulator")


def test_the_simulator_gives_up_when_the_stack_does_not_come(graph: Any) -> None:
    graph.start("simulator", sensors="none", ready_timeout=1.0)
    assert graph.finish("simulator") == 1
    assert "not ready after 1 s: perception, planner, prediction, supervisor" in graph.log("simulator")
