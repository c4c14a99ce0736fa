"""Stages that fail while the ego drives: the supervisor takes over, says why, and hands back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
pytest.importorskip("ad_rss", reason="the library ad-rss is not installed")

from zoox_stack.core import topics
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.plans import EgoPlan, Trajectory
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.ros.conversions.plans import trajectory_to_message

pytestmark = pytest.mark.slow

# The last trajectory of the planner is about 0.1 s old when it is passed on; 0.2 s later something is done, and then a
# step of the simulated clock may pass until time is told.
LONGEST_NS = 400_000_000


class Drive:
    """A drive in a town at half the speed of time, with all nodes."""

    def __init__(self, graph: Any, probe: Any, wait: Callable[..., Any]) -> None:
        self.graph, self.probe, self._wait = graph, probe, wait
        graph.start_stack(use_sim_time=True, supervise=True)
        graph.start("simulator", seed=2, sensors="none", duration=3000.0, rate=0.5, ready_timeout=120.0)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        return self._wait(condition, what, self.graph)

    def sources(self) -> list[TrajectorySource]:
        return [TrajectorySource(m.source) for m in self.probe.get(topics.TRAJECTORY)]

    def wait_until_the_planner_drives(self) -> None:
        """For two seconds without a break, then what was heard is forgotten."""
        self.probe.forget()
        self.wait(
            lambda: len(last := self.sources()[-20:]) == 20 and not any(s.intervention for s in last),
            "the planner drives",
        )
        self.probe.forget()

    def told(self, fault: str) -> str:
        return str(self.probe.status(f"supervisor/{fault}").get("message", ""))

    def check_taken_over(self, fault: str) -> str:
        """A manoeuvre came in time and without a gap, and /diagnostics say why; returns what they say."""
        self.wait(lambda: any(s.intervention for s in self.sources()), "a manoeuvre")
        text = self.wait(lambda: self.told(fault), f"/diagnostics name {fault}")
        assert self.probe.status("supervisor/state")["message"]
        sources, stamps = self.sources(), self.probe.stamps(topics.TRAJECTORY)
        first = next(i for i, source in enumerate(sources) if source.intervention)
        if first:
            assert stamps[first] - stamps[first - 1] <= LONGEST_NS
        self.wait(lambda: len(self.sources()) > first + 10, "the manoeuvre goes on")
        stamps = self.probe.stamps(topics.TRAJECTORY)[first:]
        assert max(b - a for a, b in pairwise(stamps)) <= LONGEST_NS
        return text


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory, domains: Callable[[], int], harness: Any) -> Iterator[Drive]:
    domain = domains()
    graph, probe = harness.Graph(tmp_path_factory.mktemp("drive"), domain), harness.Probe(domain)
    try:
        yield Drive(graph, probe, harness.wait_until)
    finally:
        graph.close()
        probe.close()


@pytest.mark.parametrize("node", ["planner", "perception"])
def test_a_stage_that_hangs(drive: Drive, node: str) -> None:
    drive.wait_until_the_planner_drives()
    drive.graph.processes[node].send_signal(signal.SIGSTOP)
    text = drive.check_taken_over(node)
    assert text.startswith(f"{node} ")
    drive.graph.processes[node].send_signal(signal.SIGCONT)
    drive.wait_until_the_planner_drives()
    drive.wait(lambda: drive.probe.status("supervisor/state").get("state") == "NOMINAL", "it says so")


def test_a_planner_that_dies_and_comes_again(drive: Drive) -> None:
    drive.wait_until_the_planner_drives()
    drive.graph.processes["planner"].send_signal(signal.SIGKILL)
    drive.graph.processes["planner"].wait()
    drive.check_taken_over("planner")
    drive.graph.start("planner", use_sim_time=True)
    drive.wait_until_the_planner_drives()


def test_a_planner_that_says_nonsense(drive: Drive) -> None:
    drive.wait_until_the_planner_drives()
    drive.graph.processes["planner"].send_signal(signal.SIGSTOP)
    rest = [np.zeros(STEPS) for _ in range(6)]

    def nonsense() -> Any:
        stamp = drive.probe.stamps(topics.TRACKED_AGENTS)[-1]
        message = trajectory_to_message(Trajectory(stamp, EgoPlan(0, "nonsense", STEP, *rest)))
        message.plan.x[7] = float("nan")
        return message

    def refused() -> bool:
        drive.probe.publish(topics.PROPOSED_TRAJECTORY, nonsense())
        return drive.probe.number("supervisor", "refused for finite") > 0

    drive.wait(lambda: drive.probe.get(topics.TRACKED_AGENTS), "a scene")
    drive.wait(refused, "nonsense is refused and counted")
    drive.wait(lambda: "finite" in drive.told("planner"), "/diagnostics say what was wrong with it")
    drive.check_taken_over("planner")
    assert np.isfinite([m.plan.x for m in drive.probe.get(topics.TRAJECTORY)]).all()
    drive.graph.processes["planner"].send_signal(signal.SIGCONT)
    drive.wait_until_the_planner_drives()


def test_without_prediction_the_planner_goes_on_driving(drive: Drive) -> None:
    drive.wait_until_the_planner_drives()
    drive.graph.processes["prediction"].send_signal(signal.SIGSTOP)
    drive.wait(lambda: drive.told("prediction"), "/diagnostics name prediction")
    drive.wait_until_the_planner_drives()
    drive.graph.processes["prediction"].send_signal(signal.SIGCONT)
