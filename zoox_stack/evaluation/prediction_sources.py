"""What predictions are measured on: bags, folders of bags, counterfactual sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.datasets.bags import LoggedScenes, find_bags
from zoox_stack.datasets.counterfactuals import of_sample
from zoox_stack.prediction.history import SceneHistory
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.counterfactual_store import MANIFEST, CounterfactualSet


@dataclass(frozen=True)
class PredictionSource:
    """A bag, or one part of a counterfactual set.

    Attributes:
        path: Of the bag, or of the folder of the set.
        part: Of the set, None for a bag.
    """

    path: Path
    part: int | None = None

    @property
    def name(self) -> str:
        """For people."""
        return self.path.name if self.part is None else f"{self.path.name}, part {self.part}"


@dataclass(frozen=True, eq=False)
class PredictionScene:
    """A scene with what followed. N agents, T = 80 steps of 0.1 s, map frame.

    Attributes:
        label: Where it is from, for people.
        group: The bag or the town it is from; results are given for each.
        share: Of the source that is done with this scene, 0..1.
        history: The last second; its scene has an ego.
        futures: float64 ``[N, T, 3]`` x, y [m], yaw [rad] of the box centres; NaN where an agent is not there.
        network: The map, None without one.
        signals: States of the traffic signals now, None if nobody told.
        route: Of the ego, None without one.
    """

    label: str
    group: str
    share: float
    history: SceneHistory
    futures: NDArray[np.float64]
    network: RoadNetwork | None
    signals: TrafficSignals | None
    route: Route | None


def find_sources(data: Path) -> list[PredictionSource]:
    """Sources at a path: a bag, every bag in a folder, or every part of a counterfactual set.

    Raises:
        InvalidInputError: There is nothing of the kind, or the set is damaged.
    """
    if (data / MANIFEST).exists():
        return [PredictionSource(data, part) for part in CounterfactualSet(data).parts]
    if not data.exists():
        raise InvalidInputError(str(data), "a bag, a folder of bags or a counterfactual set", "nothing of that name")
    return [PredictionSource(bag) for bag in find_bags(data)]


def scenes_of(source: PredictionSource) -> Iterator[PredictionScene]:
    """Scenes in order: of a bag one per second, from a second after its begin on; of a set what happened in each.

    Raises:
        InvalidInputError: The source is damaged, or a bag without agents or without ego.
    """
    yield from _of_bag(source.path) if source.part is None else _of_set(source.path, source.part)


def _of_bag(bag: Path) -> Iterator[PredictionScene]:
    log = LoggedScenes.read(bag)
    first, last = log.scenes[0].stamp_ns, log.scenes[-1].stamp_ns
    for instant in log.instants():
        passed = instant.history.scene.stamp_ns - first
        yield PredictionScene(
            label=f"{bag.name}, {passed * 1e-9:.1f} s",
            group=bag.name,
            share=passed / max(last - first, 1),
            history=instant.history,
            futures=instant.futures,
            network=log.network,
            signals=instant.signals,
            route=log.route,
        )


def _of_set(folder: Path, part: int) -> Iterator[PredictionScene]:
    scenes = CounterfactualSet(folder)
    samples = scenes.training_samples(part)
    for row, sample in enumerate(samples):
        label = f"{sample.town}, part {part}, scene {row}"
        scene = of_sample(sample, scenes.networks[sample.town], label)
        yield PredictionScene(
            label=label,
            group=sample.town,
            share=(row + 1) / len(samples),
            history=scene.history,
            futures=scene.futures[0],
            network=scene.network,
            signals=scene.signals,
            route=scene.route,
        )
