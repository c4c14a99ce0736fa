"""A batch on the device that computes with it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class TensorBatch:
    """A `Batch` as tensors on one device."""

    raster: Tensor
    agent_history: Tensor
    agent_static: Tensor
    agent_pose: Tensor
    agent_velocity: Tensor
    lane_features: Tensor
    lane_pose: Tensor
    agent_mask: Tensor
    lane_mask: Tensor
    plans: Tensor
    futures: Tensor
    valid: Tensor
    classes: Tensor
    goal_lane: Tensor
    goes_first: Tensor

    def encoder_inputs(self) -> tuple[Tensor, ...]:
        """Arguments of `SceneEncoder`."""
        return (
            self.raster, self.agent_history, self.agent_static, self.agent_pose, self.lane_features, self.lane_pose,
            self.agent_mask, self.lane_mask,
        )  # fmt: skip
