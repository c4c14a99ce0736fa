"""A scene with what everyone did next: what prediction learns from, and what it is measured against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import VEHICLE_CLASSES
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import EgoPlan, Route
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.core.validation import checked_array
from zoox_stack.prediction.features import ego_from_row
from zoox_stack.prediction.history import HistoryColumn, SceneHistory
from zoox_stack.road_network.network import RoadNetwork

LOG = "log"  # name of the plan that is what really happened


@dataclass(frozen=True, eq=False)
class SceneFutures:
    """A scene and its futures under M plans of the ego. N agents, T = 80 steps of 0.1 s, map frame.

    Attributes:
        source: Where it is from, for people: a bag and a time, or a town and a number.
        history: The last second; its scene has an ego.
        plans: What the ego did, or what it might have done; the first is what happened.
        futures: float64 ``[M, N, T, 3]`` x, y [m], yaw [rad] of the box centres under each plan; step t is
            ``(t + 1) * 0.1`` s after the scene; NaN where an agent is not there.
        network: The map, None without one.
        signals: States of the traffic signals now, None if nobody told.
        route: Of the ego, None without one.
        tracked: The agents are as a tracker saw them, with its errors; else they are the truth.
        driven: Steps of the first plan that were driven; it goes on as a guess where the log ends before.
    """

    source: str
    history: SceneHistory
    plans: tuple[EgoPlan, ...]
    futures: NDArray[np.float64]
    network: RoadNetwork | None = None
    signals: TrafficSignals | None = None
    route: Route | None = None
    tracked: bool = False
    driven: int = STEPS

    def __post_init__(self) -> None:
        if self.history.scene.ego is None:
            raise InvalidInputError(f"{self.source}: scene", "an ego", "none")
        if not self.plans:
            raise InvalidInputError(f"{self.source}: plans", "at least one", "none")
        shape = (len(self.plans), len(self.scene), STEPS, 3)
        array = checked_array(f"{self.source}: futures", self.futures, np.float64, shape, finite=False)
        object.__setattr__(self, "futures", array)

    @property
    def scene(self) -> TrackedAgents:
        """The scene now."""
        return self.history.scene

    @property
    def ego(self) -> EgoState:
        """The ego now."""
        ego = self.history.scene.ego
        assert ego is not None
        return ego

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Who is there when, ``[M, N, T]``."""
        return np.isfinite(self.futures[..., 0])

    def possible_egos(self) -> NDArray[np.int64]:
        """Rows of the vehicles from which the scene can be seen: there from a second ago as long as anybody is."""
        vehicle = np.isin(self.scene.classes, [int(kind) for kind in VEHICLE_CLASSES])
        there = self.valid[0, :, : self.known]
        return np.flatnonzero(vehicle & self.history.valid.all(axis=1) & there.all(axis=1) & (self.known > 1))

    @property
    def known(self) -> int:
        """Number of steps after which nothing is known of anybody under the first plan."""
        return int(np.flatnonzero(self.valid[0].any(axis=0)).max(initial=-1)) + 1

    def seen_from(self, row: int) -> SceneFutures:
        """The same with agent `row`, one of `possible_egos`, as the ego, and the ego as an agent. Only what happened.

        A log of one vehicle so becomes a log of every vehicle in it. The route is not known then.
        """
        scene, history = self.scene, self.history
        ego = ego_from_row(scene.stamp_ns, history.states[row, -1], scene.size[row].astype(np.float64))
        others = np.delete(np.arange(len(scene)), row)
        kept, old, old_row = scene.take(others), self.ego, history.ego_states[-1]
        new_id = int(scene.ids.max()) + 1
        old_future = centres_along(self.plans[0], old)
        old_future[self.driven :] = np.nan
        one = TrackedAgents.from_states(
            scene.stamp_ns, np.array([new_id]), np.array([1], np.uint8),
            np.array([[old_row[HistoryColumn.X], old_row[HistoryColumn.Y], old.z + old.height / 2]]),
            old_row[[HistoryColumn.YAW]], old_row[None, HistoryColumn.VX :],
            np.array([[old.length, old.width, old.height]], np.float32),
        )  # fmt: skip
        return replace(
            self,
            source=f"{self.source}, seen from {int(scene.ids[row])}",
            history=SceneHistory(
                replace(kept.joined(one), ego=ego),
                np.concatenate([history.states[others], history.ego_states[None]]),
                np.concatenate([history.valid[others], history.ego_valid[None]]),
                history.states[row],
                history.valid[row],
            ),
            plans=(plan_along(held(self.futures[0, row], self.known), ego, 0, LOG),),
            futures=np.concatenate([self.futures[:1, others], old_future[None, None]], axis=1),
            route=None,
            driven=self.known,
        )


def held(poses: NDArray[np.float64], known: int) -> NDArray[np.float64]:
    """Poses ``[T, 3]`` x, y, yaw of which `known` are known, at least two; from there on straight ahead as fast."""
    result = poses.copy()
    if known < len(poses):
        last = poses[known - 1]
        step = last - poses[known - 2]
        result[known:] = last + np.arange(1, len(poses) - known + 1)[:, None] * [step[0], step[1], 0.0]
    return result


def plan_along(centres: NDArray[np.float64], ego: EgoState, number: int, name: str) -> EgoPlan:
    """The plan of base_link that takes the box centre of `ego` along ``[T, 3]`` x, y, yaw."""
    yaw = np.unwrap(centres[:, 2])
    reach = ego.rear_axle_to_centre
    x, y = centres[:, 0] - reach * np.cos(yaw), centres[:, 1] - reach * np.sin(yaw)
    before = np.array([ego.x, ego.y])
    moved = np.diff(np.concatenate([before[None], np.stack([x, y], axis=1)]), axis=0)
    speed = (moved[:, 0] * np.cos(yaw) + moved[:, 1] * np.sin(yaw)) / STEP
    acceleration = np.diff(np.concatenate([[ego.speed], speed])) / STEP
    turned = np.diff(np.concatenate([[yaw[0] - wrap_angle(yaw[0] - ego.yaw)], yaw]))
    way = np.maximum(np.hypot(*moved.T), 0.05)
    return EgoPlan(number, name, STEP, x, y, np.asarray(wrap_angle(yaw)), speed, acceleration, turned / way)


def centres_along(plan: EgoPlan, ego: EgoState) -> NDArray[np.float64]:
    """Box centre ``[T, 3]`` x, y, yaw along a plan of base_link."""
    reach = ego.rear_axle_to_centre
    return np.stack([plan.x + reach * np.cos(plan.yaw), plan.y + reach * np.sin(plan.yaw), plan.yaw], axis=1)
