"""What the network is taught to minimise, and how it is measured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.predictions import MODES, STEP, STEPS
from zoox_stack.training.model import InteractionDecoder, SceneEncoder, covariance

STANDING = 2.0  # [m] an agent that moves less within the horizon is not scored (and weighs less in training)
STANDING_WEIGHT = 0.2
WINNER_WEIGHT, NLL_WEIGHT, REACTION_WEIGHT, GOAL_WEIGHT = 0.2, 0.2, 2.0, 0.2
AFFECTED = 0.5  # [m] an agent whose true future differs more between plans was affected
# Scale of the mixture by class [m], 1 if not named: modes whose errors differ by less share an agent.
SHARPNESS = {AgentClass.PEDESTRIAN: 0.35, AgentClass.ANIMAL: 0.35, AgentClass.BICYCLE: 0.7}


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

    def encoder_inputs(self) -> tuple[Tensor, ...]:
        """Arguments of `SceneEncoder`."""
        return (
            self.raster, self.agent_history, self.agent_static, self.agent_pose, self.lane_features, self.lane_pose,
            self.agent_mask, self.lane_mask,
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Losses (differentiable) and sums for the measures of one batch."""

    loss: Tensor
    parts: dict[str, float]
    sums: dict[str, float]


def best_mode(position: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mode nearest to the truth on average over valid steps, ``[B, N]``, and the mean errors ``[B, N, K]`` [m]."""
    error = (position - truth[:, :, None]).norm(dim=-1) * valid[:, :, None]
    mean = error.sum(-1) / valid.sum(-1).clamp(min=1)[:, :, None]
    return mean.argmin(-1), mean


def pick_mode(values: Tensor, mode: Tensor) -> Tensor:
    """`values` ``[B, N, K, ...]`` at `mode` ``[B, N]``, keeping an axis of length 1 for K."""
    index = mode[(...,) + (None,) * (values.dim() - 2)].expand(-1, -1, 1, *values.shape[3:])
    return values.gather(2, index)


def evaluate_batch(encoder: SceneEncoder, decoder: InteractionDecoder, batch: TensorBatch) -> Outcome:
    """Run the network on a batch; plan 0 is what happened, the others are counterfactuals.

    The mode is an intention the agent has before the ego acts: it is chosen by what really happened, and the reaction
    has to explain how the same intention ends under the other plans.
    """
    agents, lanes = encoder.nodes(*batch.encoder_inputs())
    change, position, spread, logits = decoder.futures(agents, batch.agent_velocity)
    truth, valid = batch.futures[:, 0], batch.valid[:, 0].float()
    scored = (valid.sum(-1) > 0).float() * batch.agent_mask
    last = (valid * torch.arange(1, STEPS + 1, device=valid.device)).argmax(-1)
    gone = truth.gather(2, last[:, :, None, None].expand(-1, -1, 1, 2))[:, :, 0].norm(dim=-1)
    moving = (gone > STANDING).float()
    weight = scored * (moving + (1 - moving) * STANDING_WEIGHT)
    total = weight.sum().clamp(min=1)
    mode, mean_error = best_mode(position.detach(), truth, valid)

    best = pick_mode(position, mode)[:, :, 0]
    step_loss = functional.smooth_l1_loss(position, truth[:, :, None].expand_as(position), reduction="none").sum(-1)
    per_mode = (step_loss * valid[:, :, None]).sum(-1) / valid.sum(-1).clamp(min=1)[:, :, None]
    regression = (per_mode.min(-1).values * weight).sum() / total
    # Likelihood of a mixture: modes and probabilities are learned together. (Winner takes all makes modes that are all
    # equally probable, because it spreads them to be so.)
    sharpness = batch.raster.new_ones(len(AgentClass), dtype=position.dtype)
    for kind, scale in SHARPNESS.items():
        sharpness[kind] = scale
    sharpness = sharpness[batch.classes.long()]
    log_mixture = torch.logsumexp(torch.log_softmax(logits, -1) - per_mode / sharpness[..., None], dim=-1)
    mixture = -(log_mixture * weight).sum() / total
    nll = gaussian_nll(truth - best.detach(), covariance(pick_mode(spread, mode)[:, :, 0]))
    nll = ((nll * valid).sum(-1) / valid.sum(-1).clamp(min=1) * weight).sum() / total

    known = (batch.goal_lane >= 0).float() * weight
    goal = functional.cross_entropy(
        encoder.goal_logits(agents, lanes, batch.lane_mask).transpose(1, 2),
        batch.goal_lane.clamp(min=0),
        reduction="none",
    )
    goal = (goal * known).sum() / known.sum().clamp(min=1)

    modes = decoder.mode[mode][:, :, None]
    own = pick_mode(position, mode)
    moved = decoder.react(
        agents,
        modes,
        batch.agent_pose,
        batch.agent_velocity,
        pick_mode(change, mode).detach(),
        own.detach(),
        batch.plans,
    )[:, :, :, 0]
    conditional = own[:, None, :, 0].detach() + moved
    valid_all = batch.valid.float()
    react_error = functional.smooth_l1_loss(conditional, batch.futures, reduction="none").sum(-1) * valid_all
    affected = difference_between_plans(batch.futures, batch.valid) > AFFECTED
    affected[:, 0] = False  # the ego itself
    plan_weight = weight[:, None] + 3.0 * affected[:, None].float() * scored[:, None]
    react_weight = plan_weight.expand(-1, batch.plans.shape[1], -1).clone()
    react_weight[:, :, 0] = 0.0
    reaction = (react_error.sum(-1) / valid_all.sum(-1).clamp(min=1) * react_weight).sum() / react_weight.sum().clamp(
        min=1
    )

    loss = mixture + WINNER_WEIGHT * regression + NLL_WEIGHT * nll + REACTION_WEIGHT * reaction + GOAL_WEIGHT * goal
    with torch.no_grad():
        others = scored * moving
        others[:, 0] = 0
        full = others * valid[..., -1]
        final = (position[..., -1, :] - truth[:, :, None, -1]).norm(dim=-1)
        likely = logits.argmax(-1)
        time = torch.arange(1, STEPS + 1, device=truth.device)[:, None] * STEP
        cv = batch.agent_velocity[:, :, None] * time
        cv_error = ((cv - truth).norm(dim=-1) * valid).sum(-1) / valid.sum(-1).clamp(min=1)
        hit = (affected.float() * scored)[:, None] * (valid_all.sum(-1) > 0)
        gap = lambda p: ((p - batch.futures).norm(dim=-1) * valid_all).sum(-1) / valid_all.sum(-1).clamp(min=1)  # noqa: E731
        sums = {
            "agents": others.sum(),
            "min_ade_6": (mean_error.min(-1).values * others).sum(),
            "ade_1": (pick_mode(mean_error, likely)[:, :, 0] * others).sum(),
            "cv_ade": (cv_error * others).sum(),
            "agents_8s": full.sum(),
            "min_fde_6": (final.min(-1).values * full).sum(),
            "fde_1": (pick_mode(final, likely)[:, :, 0] * full).sum(),
            "cv_fde": ((cv[:, :, -1] - truth[:, :, -1]).norm(dim=-1) * full).sum(),
            "affected": hit.sum(),
            "affected_ade_told": (gap(conditional) * hit).sum(),
            "affected_ade_not_told": (gap(own[:, None, :, 0].expand_as(conditional)) * hit).sum(),
        }
    parts = {"regression": regression, "mixture": mixture, "nll": nll, "reaction": reaction, "goal": goal, "loss": loss}
    return Outcome(loss, {k: float(v.detach()) for k, v in parts.items()}, {k: float(v) for k, v in sums.items()})


def gaussian_nll(error: Tensor, cov: Tensor) -> Tensor:
    """Negative log likelihood of errors ``[..., 2]`` under covariances xx, xy, yy ``[..., 3]``."""
    xx, xy, yy = cov.unbind(-1)
    det = (xx * yy - xy * xy).clamp(min=1e-6)
    x, y = error.unbind(-1)
    square = (yy * x * x - 2 * xy * x * y + xx * y * y) / det
    return 0.5 * (square.clamp(max=1e4) + torch.log(det)) + 1.8379


def difference_between_plans(futures: Tensor, valid: Tensor) -> Tensor:
    """Largest distance ``[B, N]`` [m] between an agent's futures under any plan and under what happened."""
    both = valid & valid[:, :1]
    return ((futures - futures[:, :1]).norm(dim=-1) * both).amax(dim=(1, 3))


def measures(sums: dict[str, float]) -> dict[str, float]:
    """Means from summed measures: minADE and minFDE over 6 modes, of the likeliest mode, of constant velocity [m]."""
    agents, full, hit = (max(sums[k], 1.0) for k in ("agents", "agents_8s", "affected"))
    return (
        {k: sums[k] / agents for k in ("min_ade_6", "ade_1", "cv_ade")}
        | {k: sums[k] / full for k in ("min_fde_6", "fde_1", "cv_fde")}
        | {k: sums[k] / hit for k in ("affected_ade_told", "affected_ade_not_told")}
        | {k: sums[k] for k in ("agents", "affected")}
    )


__all__ = ["MODES", "Outcome", "TensorBatch", "evaluate_batch", "measures"]
