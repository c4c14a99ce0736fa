"""Scenes with their futures from counterfactual sets (docs/counterfactual-format.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.datasets.past_motion import with_past_rates
from zoox_stack.datasets.scene_futures import LOG, SceneFutures, plan_along
from zoox_stack.prediction.features import ego_from_row
from zoox_stack.prediction.history import HistoryColumn, SceneHistory
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.branch_plans import PlanKind
from zoox_stack.simulation.counterfactual_store import CounterfactualSet
from zoox_stack.simulation.samples import CounterfactualSample, PlanColumn


def counterfactual_futures(folder: Path, part: int | None = None) -> Iterator[SceneFutures]:
    """Scenes of a set, or of one part of it, without implausible plans.

    The first plan is to keep on as before, which is what happened.

    Raises:
        InvalidInputError: The set is damaged.
    """
    scenes = CounterfactualSet(folder)
    for number in scenes.parts if part is None else (part,):
        for row, sample in enumerate(scenes.training_samples(number)):
            yield of_sample(sample, scenes.networks[sample.town], f"{sample.town}, part {number}, scene {row}")


def of_sample(sample: CounterfactualSample, network: RoadNetwork, source: str) -> SceneFutures:
    """A sample of a set as a scene with futures."""
    n, now = len(sample.ids), sample.history[:, -1]
    ego = ego_from_row(sample.stamp_ns, sample.ego_history[-1], sample.ego_size.astype(np.float64))
    height = sample.sizes[:, 2:].astype(np.float64) / 2
    scene = TrackedAgents.from_states(
        sample.stamp_ns, sample.ids, sample.classes, np.concatenate([now[:, :2], height], axis=1),
        now[:, HistoryColumn.YAW], now[:, HistoryColumn.VX :], sample.sizes, ego=ego, attributes=sample.attributes,
    )  # fmt: skip
    ones = np.ones(len(sample.ego_history), bool)
    columns = [PlanColumn.X, PlanColumn.Y, PlanColumn.YAW]
    names = [LOG, *(PlanKind(kind).name.lower() for kind in sample.behaviours[1:].tolist())]
    return SceneFutures(
        source=source,
        # A set holds no accelerations and turn rates; while driving they are known.
        history=with_past_rates(SceneHistory(scene, sample.history, sample.history_valid, sample.ego_history, ones)),
        plans=tuple(
            plan_along(plan[:, columns].astype(np.float64), ego, number, name)
            for number, (name, plan) in enumerate(zip(names, sample.ego_plans, strict=True))
        ),
        futures=np.where(sample.futures_valid[..., None], sample.futures.astype(np.float64), np.nan).reshape(
            len(names), n, -1, 3
        ),
        network=network,
        signals=TrafficSignals(
            sample.stamp_ns, sample.signal_ids, sample.signal_states, np.ones(len(sample.signal_ids), np.float32)
        ),
    )
