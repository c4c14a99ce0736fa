"""Samples padded and stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.training.samples import NO_CROSSING, NO_LANE, TrainingSample


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples padded to the same number of agents and lanes; arrays as in `TrainingSample` with a batch axis.

    `agent_mask` ``[B, N]`` and `lane_mask` ``[B, M]`` are 1 for real rows; padded `goal_lane` is `NO_LANE`, padded
    `goes_first` `NO_CROSSING`.
    """

    raster: NDArray[np.uint8]
    agent_history: NDArray[np.float32]
    agent_static: NDArray[np.float32]
    agent_pose: NDArray[np.float32]
    agent_velocity: NDArray[np.float32]
    lane_features: NDArray[np.float32]
    lane_pose: NDArray[np.float32]
    agent_mask: NDArray[np.float32]
    lane_mask: NDArray[np.float32]
    plans: NDArray[np.float32]
    futures: NDArray[np.float32]
    valid: NDArray[np.bool_]
    classes: NDArray[np.uint8]
    goal_lane: NDArray[np.int64]
    goes_first: NDArray[np.int64]


def collate(samples: Sequence[TrainingSample]) -> Batch:
    """Pad and stack. All samples must have the same number of plans."""
    n = max(len(s.classes) for s in samples)
    m = max(len(s.inputs.lane_pose) for s in samples)

    def stacked(arrays: Sequence[NDArray[Any]], size: int, axis: int = 0, fill: int = 0) -> NDArray[Any]:
        first = arrays[0]
        shape = (*first.shape[:axis], size, *first.shape[axis + 1 :])
        out = np.full((len(arrays), *shape), fill, first.dtype)
        for row, array in zip(out, arrays, strict=True):
            row[(slice(None),) * axis + (slice(array.shape[axis]),)] = array
        return out

    def of_inputs(name: str, size: int) -> NDArray[Any]:
        return stacked([getattr(s.inputs, name) for s in samples], size)

    return Batch(
        raster=np.stack([s.image() for s in samples]),
        agent_history=of_inputs("agent_history", n),
        agent_static=of_inputs("agent_static", n),
        agent_pose=of_inputs("agent_pose", n),
        agent_velocity=of_inputs("agent_velocity", n),
        lane_features=of_inputs("lane_features", m),
        lane_pose=of_inputs("lane_pose", m),
        agent_mask=stacked([np.ones(len(s.classes), np.float32) for s in samples], n),
        lane_mask=stacked([np.ones(len(s.inputs.lane_pose), np.float32) for s in samples], m),
        plans=np.stack([s.plans for s in samples]),
        futures=stacked([s.futures for s in samples], n, axis=1),
        valid=stacked([s.valid for s in samples], n, axis=1),
        classes=stacked([s.classes for s in samples], n),
        goal_lane=stacked([s.goal_lane for s in samples], n, fill=NO_LANE),
        goes_first=stacked([s.goes_first for s in samples], n, fill=NO_CROSSING),
    )
