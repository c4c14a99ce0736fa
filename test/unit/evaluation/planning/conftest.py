"""Drivers that do as they are told, and scores that need no drive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.classes import EventKind, TrajectorySource
from zoox_stack.core.plans import EgoPlan, Route, Trajectory
from zoox_stack.evaluation.closed_loop_score import ClosedLoopScore, Measures, ScoredDrive
from zoox_stack.evaluation.planning_driver import Decided
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline

TOWN, SEED = "village", 1


@dataclass
class SlowDriver:
    """Along the route at 3 m/s; fails, or makes a safe stop of it, in the steps given."""

    fails: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()
    scenes: list[TrackedAgents] = field(default_factory=list)

    def begin(self, network: RoadNetwork, route: Route) -> None:
        assert len(network.lane_ids)
        self.line = Polyline.from_points(route.points)

    def decide(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Decided:
        step = len(self.scenes)
        self.scenes.append(scene)
        assert signals is not None
        assert signals.stamp_ns == scene.stamp_ns
        if step in self.fails:
            raise RuntimeError(f"no idea in step {step}")
        assert scene.ego is not None
        s = float(self.line.project(np.array([[scene.ego.x, scene.ego.y]])).s[0]) + 0.3 * np.arange(1, 81)
        xy, yaw, curvature = self.line.at(s)
        plan = EgoPlan(0, "on", 0.1, xy[:, 0], xy[:, 1], yaw, np.full(80, 3.0), np.zeros(80), curvature)
        source = TrajectorySource.SAFE_STOP if step in self.stops else TrajectorySource.DECISION
        return Decided(Trajectory(scene.stamp_ns, plan, source), seconds={"think": 0.25}, latency=0.5)


@pytest.fixture
def slow_driver() -> type[SlowDriver]:
    return SlowDriver


@pytest.fixture(scope="session")
def sumo() -> None:
    pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")


@pytest.fixture(scope="session")
def scored() -> Callable[..., ScoredDrive]:
    """A drive with no fault but its progress."""

    def make(planner: str, town: str = TOWN, seed: int = SEED, progress: float = 1.0) -> ScoredDrive:
        return ScoredDrive(
            town, seed, planner, 60.0, ClosedLoopScore(1.0, 1.0, 1.0, 1.0, 1.0, progress, 1.0, 1.0),
            Measures(0.0, 0.0, 100.0 * progress, 100.0, float("inf"), 0.0, ("jerk",)), (("car", "ego"),),
            {kind.name.lower(): 0 for kind in EventKind}, 2, (8.0, 10.0, 12.0), (),
        )  # fmt: skip

    return make
