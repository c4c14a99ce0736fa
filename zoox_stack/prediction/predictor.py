"""Predicts every agent of a scene, and answers what-if questions about scenes it has predicted."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.collision import any_of
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan, Route
from zoox_stack.core.predictions import MODES, STEP, STEPS, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.prediction.channels import X_AHEAD, X_BEHIND, Y_LEFT, Y_RIGHT
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.features import NetworkInputs, network_inputs, plan_knots
from zoox_stack.prediction.futures import headings_along, to_map_axes, turned_covariances
from zoox_stack.prediction.history import HistoryBuffer, SceneHistory
from zoox_stack.prediction.lane_pieces import LanePieces
from zoox_stack.prediction.network import BUCKETS, PredictionNetwork, bucket
from zoox_stack.prediction.no_class import things, with_likeliest_classes
from zoox_stack.prediction.plan_effects import plan_effects
from zoox_stack.prediction.providers import CPU
from zoox_stack.prediction.raster import SHAPE, SceneRasterizer
from zoox_stack.prediction.rule_futures import RuleFutures
from zoox_stack.prediction.what_if import (
    Reactions,
    affected_futures,
    all_futures,
    causal_reactions,
    hit_probabilities,
    no_reactions,
    reacting_rows,
    trouble_with,
)
from zoox_stack.road_network.network import RoadNetwork

_PATIENCE = 600.0  # [s] that a question may take while everything is warmed up
MARGIN = 50.0  # [m] outside the image; histories and lanes say enough there for better futures than by rule


@dataclass(frozen=True, eq=False)
class PinnedScene:
    """What is kept of a predicted scene to answer questions about it."""

    scene: TrackedAgents
    predicted: PredictedAgents
    inputs: NetworkInputs | None = None  # of the rows below; None: the network was not asked
    embeddings: NDArray[np.float32] | None = None
    rows: NDArray[np.int64] | None = None  # agents of the scene that the network predicted


class Predictor:
    """Scene by scene. Not thread-safe.

    Args:
        config: Parameters.

    Raises:
        ModelError: The network or its provider cannot be used.
    """

    def __init__(self, config: PredictionConfig | None = None) -> None:
        self.config = PredictionConfig() if config is None else config
        self._network = PredictionNetwork(
            Path(self.config.model_dir) if self.config.model_dir else None,
            self.config.provider,
            self.config.threads,
            self.config.precision,
            cuda_graph=self.config.cuda_graph,
        )
        self._history = HistoryBuffer()
        self._pinned: OrderedDict[int, PinnedScene] = OrderedDict()
        self._rasterizer = SceneRasterizer(None)
        self._rules = RuleFutures(None)
        self._image = np.empty(SHAPE, np.uint8)  # every scene is drawn into it
        self._lanes: LanePieces | None = None
        self._route: Route | None = None
        self._seconds_per_plan = 0.0

    @property
    def model(self) -> str:
        """Name and version of the network."""
        return self._network.name

    @property
    def provider(self) -> str:
        """Execution provider in use."""
        return self._network.provider

    def set_road_network(self, network: RoadNetwork) -> None:
        """Use this map from the next scene on."""
        self._rasterizer, self._lanes = SceneRasterizer(network), LanePieces.of(network)
        self._rules = RuleFutures(network)

    def set_route(self, route: Route | None) -> None:
        """Show this route in the scene image from the next scene on."""
        self._route = route

    def reset(self) -> None:
        """Forget all scenes (the clock jumped back, a new log began)."""
        self._history.reset()
        self._pinned.clear()

    def warm_up(self) -> None:
        """Run everything a few times, so that the first real tick is not slow; scenes and times are as before it.

        The CPU is warm after one number of agents. Other providers make ready for every number they are given: then all
        buckets up to `max_agents` are run.
        """
        kept = self._history, self._pinned, self._seconds_per_plan
        every = [min(size, self.config.max_agents) for size in BUCKETS if size <= bucket(self.config.max_agents)]
        still = np.zeros(STEPS)
        plan = EgoPlan(0, "warm-up", STEP, still, still, still, still, still, still)
        try:
            for agents in [min(40, self.config.max_agents)] if self.provider == CPU else every:
                for _ in range(2):
                    self._history, self._pinned = HistoryBuffer(), OrderedDict()
                    self.predict(_standing_around(agents))
                    self.what_if(WhatIfRequest(0, (plan,) * 8, _PATIENCE))
                    self._seconds_per_plan = 0.0
        finally:
            self._history, self._pinned, self._seconds_per_plan = kept

    def predict(self, scene: TrackedAgents, signals: TrafficSignals | None = None) -> PredictedAgents:
        """Futures of every agent of `scene`.

        The network predicts the road users inside the scene image, at most `max_agents`, the nearest. The others
        are predicted by rule (`RuleFutures`); hazards (cones, barriers), and what is of no class and stands, keep their
        velocity. Without an ego there is no image: then all do, and the result says so
        (`PredictionSource.CONSTANT_VELOCITY`).
        """
        return self.predict_history(self._history.push(scene), signals, self._route)

    def predict_history(
        self, history: SceneHistory, signals: TrafficSignals | None = None, route: Route | None = None
    ) -> PredictedAgents:
        """`predict` for a scene whose last second is given, not collected from the scenes before it."""
        scene = history.scene
        if scene.ego is None:
            pinned = PinnedScene(scene, constant_velocity_prediction(scene, modes=1, steps=STEPS, step=STEP))
        elif not len(scene):
            none = np.zeros((0, MODES, STEPS, 3), np.float32)
            empty = PredictedAgents(
                scene.stamp_ns, np.zeros(0, np.int64), none[..., 0, 0], self._origin(scene),
                none[..., :2], none[..., 0], none,
                model=self.model, provider=self.provider,
            )  # fmt: skip
            pinned = PinnedScene(scene, empty)
        else:
            shown = replace(history, scene=with_likeliest_classes(scene))
            raster = self._rasterizer.render(shown, signals, route, out=self._image)
            inputs = network_inputs(shown, self._lanes, signals)
            rows = rows_for_network(scene, inputs.agent_pose[1:], self.config.max_agents)
            inputs = take_agents(inputs, np.concatenate([[0], rows + 1]))
            embeddings = self._network.encode(raster, inputs)[1:]  # row 0 is the ego
            inputs = take_agents(inputs, np.arange(1, len(rows) + 1))
            pinned = PinnedScene(scene, self._futures(scene, rows, inputs, embeddings), inputs, embeddings, rows)
        self._pinned[scene.stamp_ns] = pinned
        self._pinned.move_to_end(scene.stamp_ns)
        while len(self._pinned) > self.config.kept_scenes:
            self._pinned.popitem(last=False)
        return pinned.predicted

    def _futures(
        self, scene: TrackedAgents, rows: NDArray[np.int64], inputs: NetworkInputs, embeddings: NDArray[np.float32]
    ) -> PredictedAgents:
        """Futures of all agents in map axes; `inputs` and `embeddings` are of the agents `rows`."""
        decoded = self._network.decode(embeddings, inputs.agent_pose, inputs.agent_velocity)
        origin, yaw = self._origin(scene), scene.yaw[rows]
        starts = scene.position[rows, :2] - origin
        moved = to_map_axes(decoded.positions, starts, yaw)
        known = PredictedAgents(
            stamp_ns=scene.stamp_ns,
            agent_ids=scene.ids[rows],
            probabilities=np.array(decoded.probabilities),
            origin=origin,
            positions=moved,
            headings=headings_along(moved, starts, yaw),
            covariances=turned_covariances(decoded.covariances, yaw),
            model=self.model,
            provider=self.provider,
        )
        if len(rows) == len(scene):
            return known
        others = np.setdiff1d(np.arange(len(scene)), rows)
        rest = self._rules.predict(scene.take(others))
        every = PredictedAgents.concatenate([known, rest])
        return every.take(np.argsort(np.concatenate([rows, others])))

    def by_network(self, scene_stamp_ns: int) -> NDArray[np.bool_]:
        """Which agents ``[N]`` of a scene that is still held the network predicted; the others were by rule.

        Raises:
            InvalidInputError: The scene is no longer held.
        """
        pinned = self._held(scene_stamp_ns)
        known = np.zeros(len(pinned.scene), bool)
        if pinned.rows is not None:
            known[pinned.rows] = True
        return known

    def _held(self, scene_stamp_ns: int) -> PinnedScene:
        pinned = self._pinned.get(scene_stamp_ns)
        if pinned is None:
            raise InvalidInputError("scene stamp", "one that is held", f"{scene_stamp_ns} ns")
        return pinned

    def what_if(self, request: WhatIfRequest) -> WhatIfAnswer:
        """Answer a question; never raises for a bad question, the status says what was wrong with it."""
        started = time.monotonic()
        if not self._pinned:
            return WhatIfAnswer(WhatIfStatus.NO_SCENE, "nothing has been predicted yet")
        stamp = request.scene_stamp_ns or next(reversed(self._pinned))
        pinned = self._pinned.get(stamp)
        if pinned is None:
            held = f"{next(iter(self._pinned))} .. {next(reversed(self._pinned))}"
            return WhatIfAnswer(WhatIfStatus.STALE_SCENE, f"scene stamp: expected one of {held} ns, found {stamp} ns")
        trouble = trouble_with(request, pinned.scene)
        if trouble:
            return WhatIfAnswer(WhatIfStatus.BAD_PLAN, trouble, stamp)
        expected = self._seconds_per_plan * len(request.plans)
        if request.deadline <= expected:
            self._seconds_per_plan *= 0.9  # one slow answer must not refuse all questions for ever
            return WhatIfAnswer(
                WhatIfStatus.DEADLINE, f"deadline: expected > {expected:.3f} s, found {request.deadline:g} s", stamp
            )
        reactions = self._reactions(pinned, request.plans)
        changes = no_reactions(pinned.predicted) if reactions is None else reactions
        reacted = changes.futures(pinned.predicted)
        hits = hit_probabilities(pinned.scene, pinned.predicted, request.plans, changes, reacted)
        effects = plan_effects(pinned.scene, pinned.predicted, request.plans, changes, hits)
        collisions = any_of(hits).astype(np.float32)
        if reactions is None:
            predictions = (pinned.predicted,) * len(request.plans)
        elif request.affected_only:
            predictions = affected_futures(reacted, len(request.plans), changes)
        else:
            predictions = all_futures(pinned.predicted, len(request.plans), changes)
        spent = time.monotonic() - started
        self._seconds_per_plan += 0.2 * (spent / len(request.plans) - self._seconds_per_plan)
        if spent > request.deadline:
            return WhatIfAnswer(WhatIfStatus.DEADLINE, f"took {spent:.3f} s of {request.deadline:g} s", stamp)
        return WhatIfAnswer(WhatIfStatus.OK, "", stamp, reactions is not None, predictions, collisions, spent, effects)

    def masked(self, scene_stamp_ns: int, plans: tuple[EgoPlan, ...]) -> PredictedAgents:
        """Futures of a pinned scene by the decoder pass that answers `plans`, with the plans masked.

        The same weights as every answer; up to rounding the unconditional prediction, which an evaluation can check.

        Raises:
            InvalidInputError: The scene is no longer held.
        """
        pinned = self._held(scene_stamp_ns)
        scene, base, inputs, rows = pinned.scene, pinned.predicted, pinned.inputs, pinned.rows
        if inputs is None or pinned.embeddings is None or rows is None or scene.ego is None or not len(rows):
            return base
        knots = plan_knots(plans, scene.ego)
        decoded = self._network.decode(pinned.embeddings, inputs.agent_pose, inputs.agent_velocity, knots)
        positions, headings = np.array(base.positions), np.array(base.headings)
        starts = scene.position[rows, :2] - base.origin
        positions[rows] = to_map_axes(decoded.positions, starts, scene.yaw[rows])
        headings[rows] = headings_along(positions[rows], starts, scene.yaw[rows])
        return replace(base, positions=positions, headings=headings)

    def _reactions(self, pinned: PinnedScene, plans: tuple[EgoPlan, ...]) -> Reactions | None:
        """How agents near the ego react; None if the scene was not predicted by the network."""
        scene, base, inputs = pinned.scene, pinned.predicted, pinned.inputs
        if inputs is None or pinned.embeddings is None or pinned.rows is None or scene.ego is None:
            return None
        chosen = reacting_rows(base.take(pinned.rows), scene.ego, self.config.max_reacting)
        if not len(chosen):
            return no_reactions(base)
        decoded = self._network.decode(
            pinned.embeddings[chosen],
            inputs.agent_pose[chosen],
            inputs.agent_velocity[chosen],
            plan_knots(plans, scene.ego),
        )
        rows = pinned.rows[chosen]
        starts, change = scene.position[rows, :2] - base.origin, decoded.conditional - decoded.positions
        return causal_reactions(base, rows, starts, scene.yaw[rows], change, self.config.affected_displacement)

    @staticmethod
    def _origin(scene: TrackedAgents) -> NDArray[np.float64]:
        assert scene.ego is not None
        return np.round(np.array([scene.ego.x, scene.ego.y]))


def _standing_around(agents: int) -> TrackedAgents:
    """A scene of cars that all stand where the ego is."""
    return TrackedAgents.from_states(
        1, np.arange(agents), np.ones(agents, np.uint8), np.zeros((agents, 3)), np.zeros(agents),
        np.zeros((agents, 2)), np.ones((agents, 3), np.float32), ego=EgoState(stamp_ns=1, x=0.0, y=0.0),
    )  # fmt: skip


def rows_for_network(scene: TrackedAgents, pose: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """Rows of the agents the network predicts, rising; `pose` ``[N, 4]`` in the ego frame.

    Those up to `MARGIN` outside the image are among them: who follows the ego is often there.
    """
    x, y = pose[:, 0], pose[:, 1]
    inside = (x > X_BEHIND - MARGIN) & (x < X_AHEAD + MARGIN) & (y > Y_RIGHT - MARGIN) & (y < Y_LEFT + MARGIN)
    rows = np.flatnonzero(inside & ~things(scene))
    return np.sort(rows[np.argsort(np.hypot(x, y)[rows], kind="stable")[:most]])


def take_agents(inputs: NetworkInputs, rows: NDArray[np.int64]) -> NetworkInputs:
    """Only some agents."""
    return replace(
        inputs,
        agent_history=inputs.agent_history[rows],
        agent_static=inputs.agent_static[rows],
        agent_pose=inputs.agent_pose[rows],
        agent_velocity=inputs.agent_velocity[rows],
    )
