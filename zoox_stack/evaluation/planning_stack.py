"""Prediction and planner as a driver of the benchmark: the calls of the two nodes, in their order, without ROS."""

from __future__ import annotations

import time
from dataclasses import replace

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import WhatIfAnswer
from zoox_stack.evaluation.planning_driver import Decided
from zoox_stack.evaluation.recorded_futures import RecordedFutures
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.planner import Planner
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.road_network.network import RoadNetwork

WHAT_IF, UNCONDITIONAL, CONSTANT_VELOCITY = "what_if", "unconditional", "constant_velocity"
_PATIENCE = 30.0  # [s] in place of every deadline, as the nodes have it in lock-step


class StackDriver:
    """The planner with one of three kinds of predictions.

    Args:
        kind: `WHAT_IF`: the network's futures, and its answers about the plans; `UNCONDITIONAL`: its futures alone;
            `CONSTANT_VELOCITY`: no network.
        config: Of the planner.
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.

    Raises:
        ModelError: The network cannot be used.
    """

    def __init__(self, kind: str, config: PlannerConfig | None = None, model_dir: str = "") -> None:
        config = config or PlannerConfig()
        # Who is never asked need not choose questions either.
        self.planner = Planner(config if kind == WHAT_IF else replace(config, shortlist=0))
        self.predictor: Predictor | RecordedFutures | None = None
        if kind != CONSTANT_VELOCITY:
            # One thread, whatever the machine: the same numbers everywhere, and a drive per core.
            predictor = Predictor(PredictionConfig(model_dir=model_dir, provider="cpu", threads=1, kept_scenes=1))
            predictor.warm_up()
            self.predictor = predictor

    def begin(self, network: RoadNetwork, route: Route | None) -> None:
        """A drive begins."""
        self.planner.set_road_network(network)
        self.planner.set_route(route)
        if self.predictor is not None:
            self.predictor.set_road_network(network)
            self.predictor.set_route(route)

    def decide(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Decided:
        """Predict, propose, ask, decide."""
        clock = _Clock()
        predicted = self.predictor.predict(scene, signals) if self.predictor is not None else None
        clock.lap("predict")
        prepared = self.planner.prepare(scene, signals)
        clock.lap("prepare")
        proposal = self.planner.judge(prepared, predicted)
        clock.lap("judge")
        answer: WhatIfAnswer | None = None
        status = WhatIfStatus.NOT_ASKED
        if proposal.request is not None and self.predictor is not None:
            answer = self.predictor.what_if(replace(proposal.request, deadline=_PATIENCE))
            status = answer.status
            clock.lap("what_if")
        trajectory, decision = self.planner.decide(proposal, answer, status)
        clock.lap("decide")
        latency = sum(spent for name, spent in clock.seconds.items() if name != "predict")
        return Decided(trajectory, decision, predicted, answer, clock.seconds, latency)


class _Clock:
    """Time from one call to the next, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
