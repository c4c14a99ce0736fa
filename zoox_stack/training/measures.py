"""How good futures are: sums over a batch, and the means that a run tells and watches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.training.tensor_batch import TensorBatch

STANDING = 2.0  # [m] an agent that moves less within the horizon is not scored (and weighs less in training)
AFFECTED = 0.5  # [m] an agent whose true future differs more between plans was affected


@dataclass(frozen=True)
class Happened:
    """What the agents of a batch really did: its plan 0.

    Attributes:
        truth: ``[B, N, T, 2]`` in each agent's own frame now [m].
        valid: ``[B, N, T]`` 1 where it is known, else 0.
        scored: ``[B, N]`` 1 for agents of which anything is known, else 0.
        moving: ``[B, N]`` 1 for agents that are more than `STANDING` away where they were seen last, else 0.
    """

    truth: Tensor
    valid: Tensor
    scored: Tensor
    moving: Tensor

    @classmethod
    def of(cls, batch: TensorBatch) -> Happened:
        """From a batch."""
        truth, valid = batch.futures[:, 0], batch.valid[:, 0].float()
        scored = (valid.sum(-1) > 0).float() * batch.agent_mask
        last = (valid * torch.arange(1, STEPS + 1, device=valid.device)).argmax(-1)
        gone = truth.gather(2, last[:, :, None, None].expand(-1, -1, 1, 2))[:, :, 0].norm(dim=-1)
        return cls(truth, valid, scored, (gone > STANDING).float())


def best_mode(position: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mode nearest to the truth on average over valid steps, ``[B, N]``, and the mean errors ``[B, N, K]`` [m]."""
    error = (position - truth[:, :, None]).norm(dim=-1) * valid[:, :, None]
    mean = error.sum(-1) / valid.sum(-1).clamp(min=1)[:, :, None]
    return mean.argmin(-1), mean


def pick_mode(values: Tensor, mode: Tensor) -> Tensor:
    """`values` ``[B, N, K, ...]`` at `mode` ``[B, N]``, keeping an axis of length 1 for K."""
    index = mode[(...,) + (None,) * (values.dim() - 2)].expand(-1, -1, 1, *values.shape[3:])
    return values.gather(2, index)


def difference_between_plans(futures: Tensor, valid: Tensor) -> Tensor:
    """Largest distance ``[B, N]`` [m] between an agent's futures under any plan and under what happened."""
    both = valid & valid[:, :1]
    return ((futures - futures[:, :1]).norm(dim=-1) * both).amax(dim=(1, 3))


def sums_of(
    batch: TensorBatch, happened: Happened, position: Tensor, logits: Tensor, conditional: Tensor
) -> dict[str, float]:
    """Everything that `measures` divides, summed over the agents of a batch but the ego.

    Args:
        batch: What is known.
        happened: Of the batch.
        position: ``[B, N, K, T, 2]`` without a plan [m].
        logits: ``[B, N, K]`` of the modes.
        conditional: ``[B, M, N, K, T, 2]`` under each plan [m].
    """
    with torch.no_grad():
        sums = _of_what_happened(batch, happened, position, logits) | _of_affected(
            batch, happened, position, conditional
        )
    return {name: float(value) for name, value in sums.items()}


def _of_what_happened(batch: TensorBatch, happened: Happened, position: Tensor, logits: Tensor) -> dict[str, Tensor]:
    """Errors [m] of agents that move, in the mean and at the last step: of the nearest mode, the likeliest, constant
    velocity.
    """
    truth, valid = happened.truth, happened.valid
    others = happened.scored * happened.moving
    others[:, 0] = 0
    full = others * valid[..., -1]
    _, mean = best_mode(position, truth, valid)
    final = (position[..., -1, :] - truth[:, :, None, -1]).norm(dim=-1)
    likely = logits.argmax(-1)
    time = torch.arange(1, STEPS + 1, device=truth.device)[:, None] * STEP
    cv = batch.agent_velocity[:, :, None] * time
    cv_mean = ((cv - truth).norm(dim=-1) * valid).sum(-1) / valid.sum(-1).clamp(min=1)
    cv_final = (cv[:, :, -1] - truth[:, :, -1]).norm(dim=-1)
    return {
        "agents": others.sum(),
        "min_ade_6": (mean.min(-1).values * others).sum(),
        "ade_1": (pick_mode(mean, likely)[:, :, 0] * others).sum(),
        "cv_ade": (cv_mean * others).sum(),
        "agents_8s": full.sum(),
        "min_fde_6": (final.min(-1).values * full).sum(),
        "fde_1": (pick_mode(final, likely)[:, :, 0] * full).sum(),
        "cv_fde": (cv_final * full).sum(),
    }


def _of_affected(batch: TensorBatch, happened: Happened, position: Tensor, conditional: Tensor) -> dict[str, Tensor]:
    """Mean errors [m] of the nearest mode, told the plan and not, of agents that do something else under a plan than
    what happened and are there for 8 s under both.
    """
    futures, valid = batch.futures, batch.valid
    apart = (futures - futures[:, :1]).norm(dim=-1) * (valid & valid[:, :1])
    whole = valid.all(-1)
    hit = ((apart.amax(-1) > AFFECTED) & whole & whole[:, :1]).float() * happened.scored[:, None]
    hit[:, :, 0] = 0
    told, untold = (
        (found - futures[:, :, :, None]).norm(dim=-1).mean(-1).min(-1).values
        for found in (conditional, position[:, None])
    )
    return {
        "affected": hit.sum(),
        "affected_min_ade_6_told": (told * hit).sum(),
        "affected_min_ade_6_not_told": (untold * hit).sum(),
    }


def measures(sums: dict[str, float]) -> dict[str, float]:
    """Means from summed measures: minADE and minFDE over 6 modes, of the likeliest mode, of constant velocity [m]."""
    agents, full, hit = (max(sums[k], 1.0) for k in ("agents", "agents_8s", "affected"))
    return (
        {k: sums[k] / agents for k in ("min_ade_6", "ade_1", "cv_ade")}
        | {k: sums[k] / full for k in ("min_fde_6", "fde_1", "cv_fde")}
        | {k: sums[k] / hit for k in ("affected_min_ade_6_told", "affected_min_ade_6_not_told")}
        | {k: sums[k] for k in ("agents", "affected")}
    )
