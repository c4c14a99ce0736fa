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
WINNER_WEIGHT, NLL_WEIGHT, REACTION_WEIGHT, DIFFERENCE_WEIGHT, GOAL_WEIGHT, FIRST_WEIGHT = 0.2, 0.2, 2.0, 2.0, 0.2, 0.1
UNAFFECTED_WEIGHT = 1.0  # more than of others, in the differences between plans
SMALL_DIFFERENCE = 0.25  # [m] differences between plans below it count by their squares
UNAFFECTED = 0.1  # [m] an agent whose true futures differ less was not affected
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
    goes_first: Tensor

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
    """Run the network on a batch; plan 0 is what happened, the others are counterfactuals."""
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

    crossing = (batch.goes_first >= 0).float() * batch.agent_mask
    first = functional.binary_cross_entropy_with_logits(
        encoder.first_logits(agents), batch.goes_first.clamp(min=0).float(), reduction="none"
    )
    first = (first * crossing).sum() / crossing.sum().clamp(min=1)

    affected = difference_between_plans(batch.futures, batch.valid) > AFFECTED
    affected[:, 0] = False  # the ego itself
    react_weight = weight + 3.0 * affected.float() * scored
    react_weight[:, 0] = 0.0
    own = position.detach()
    moved = decoder.react(agents, batch.agent_pose, batch.agent_velocity, change.detach(), own, batch.plans)
    conditional = own[:, None] + moved
    reaction = reaction_loss(conditional, batch.futures, batch.valid, react_weight)
    difference = difference_loss(moved, mode, batch.futures, batch.valid, react_weight)

    parts = {
        "mixture": mixture, "regression": WINNER_WEIGHT * regression, "nll": NLL_WEIGHT * nll,
        "reaction": REACTION_WEIGHT * reaction, "difference": DIFFERENCE_WEIGHT * difference,
        "goal": GOAL_WEIGHT * goal, "first": FIRST_WEIGHT * first,
    }  # fmt: skip
    loss = torch.stack(list(parts.values())).sum()
    with torch.no_grad():
        others = scored * moving
        others[:, 0] = 0
        full = others * valid[..., -1]
        final = (position[..., -1, :] - truth[:, :, None, -1]).norm(dim=-1)
        likely = logits.argmax(-1)
        time = torch.arange(1, STEPS + 1, device=truth.device)[:, None] * STEP
        cv = batch.agent_velocity[:, :, None] * time
        cv_error = ((cv - truth).norm(dim=-1) * valid).sum(-1) / valid.sum(-1).clamp(min=1)
        apart = (batch.futures - batch.futures[:, :1]).norm(dim=-1) * (batch.valid & batch.valid[:, :1])
        whole = batch.valid.all(-1)
        hit = ((apart.amax(-1) > AFFECTED) & whole & whole[:, :1]).float() * scored[:, None]
        hit[:, :, 0] = 0
        told, untold = (
            (p - batch.futures[:, :, :, None]).norm(dim=-1).mean(-1).min(-1).values for p in (conditional, own[:, None])
        )
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
            "affected_min_ade_6_told": (told * hit).sum(),
            "affected_min_ade_6_not_told": (untold * hit).sum(),
        }
    parts["loss"] = loss
    return Outcome(loss, {k: float(v.detach()) for k, v in parts.items()}, {k: float(v) for k, v in sums.items()})


def reaction_loss(conditional: Tensor, truth: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """How far the nearest mode ``[B, M, N, K, T, 2]`` under each plan is from its truth ``[B, M, N, T, 2]``.

    Args:
        conditional: [m].
        truth: [m].
        valid: ``[B, M, N, T]``.
        weight: ``[B, N]`` of agents.
    """
    error = functional.smooth_l1_loss(conditional, truth[:, :, :, None].expand_as(conditional), reduction="none").sum(
        -1
    )
    steps = valid.sum(-1).clamp(min=1)
    nearest = ((error * valid[:, :, :, None]).sum(-1) / steps[..., None]).min(-1).values
    return (nearest * weight[:, None]).sum() / (weight.sum() * valid.shape[1]).clamp(min=1)


def difference_loss(moved: Tensor, mode: Tensor, truth: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """How far the differences between plans ``[B, M, N, K, T, 2]`` are from those of the truth, see `reaction_loss`.

    What the agent does anyway, and how badly that is predicted, is not in these differences: all that is left is what
    the plans cause. Of who is affected only the mode `mode` ``[B, N]`` counts, the intention the agent had before the
    ego acted: it has to explain how it ends under the other plans. Of who is not, all modes count.
    """
    both = valid & valid[:, :1]
    change, true_change = moved - moved[:, :1], truth - truth[:, :1]
    error = functional.smooth_l1_loss(
        change, true_change[:, :, :, None].expand_as(change), reduction="none", beta=SMALL_DIFFERENCE
    ).sum(-1)
    mean = (error * both[:, :, :, None]).sum(-1) / both.sum(-1).clamp(min=1)[..., None]
    unaffected = (true_change.norm(dim=-1) * both).amax((1, 3)) <= UNAFFECTED
    share = functional.one_hot(mode, MODES).to(mean.dtype)
    share = torch.where(unaffected[..., None], torch.full_like(share, 1.0 / MODES), share)
    mean = (mean * share[:, None]).sum(-1)
    weight = weight + UNAFFECTED_WEIGHT * (unaffected & (weight > 0)).to(weight.dtype)
    return (mean * weight[:, None]).sum() / (weight.sum() * valid.shape[1]).clamp(min=1)


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
        | {k: sums[k] / hit for k in ("affected_min_ade_6_told", "affected_min_ade_6_not_told")}
        | {k: sums[k] for k in ("agents", "affected")}
    )


__all__ = ["MODES", "Outcome", "TensorBatch", "evaluate_batch", "measures"]
