"""What the network is taught to minimise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.predictions import MODES
from zoox_stack.prediction.features import KNOT_STEPS
from zoox_stack.training.measures import AFFECTED, Happened, best_mode, difference_between_plans, pick_mode, sums_of
from zoox_stack.training.model import InteractionDecoder, SceneEncoder, covariance, in_agent_frames
from zoox_stack.training.tensor_batch import TensorBatch

STANDING_WEIGHT = 0.2
REACTING, FAR = 24, 1e6  # agents of a scene whose reactions are learned; [m]
WINNER_WEIGHT, NLL_WEIGHT, REACTION_WEIGHT, DIFFERENCE_WEIGHT, GOAL_WEIGHT, FIRST_WEIGHT = 0.2, 0.2, 2.0, 2.0, 0.2, 0.1
AFFECTED_WEIGHT = 3.0  # more than of others, in what agents do under each plan and in the differences
UNAFFECTED_WEIGHT = 1.0  # more than of others, in the differences between plans
SMALL_DIFFERENCE = 0.25  # [m] differences between plans below it count by their squares
UNAFFECTED = 0.1  # [m] an agent whose true futures differ less was not affected
# Scale of the mixture by class [m], 1 if not named: modes whose errors differ by less share an agent.
SHARPNESS = {AgentClass.PEDESTRIAN: 0.35, AgentClass.ANIMAL: 0.35, AgentClass.BICYCLE: 0.7}


@dataclass(frozen=True)
class Outcome:
    """Losses (differentiable) and sums for the measures of one batch."""

    loss: Tensor
    parts: dict[str, float]
    sums: dict[str, float]


def evaluate_batch(encoder: SceneEncoder, decoder: InteractionDecoder, batch: TensorBatch) -> Outcome:
    """Run the network on a batch; plan 0 is what happened, the others are counterfactuals."""
    agents, lanes = encoder.nodes(*batch.encoder_inputs())
    change, position, spread, logits = decoder.futures(agents, batch.agent_velocity)
    happened = Happened.of(batch)
    own = position.detach()
    mode, _ = best_mode(own, happened.truth, happened.valid)
    weight = happened.scored * (happened.moving + (1 - happened.moving) * STANDING_WEIGHT)
    react_weight = reaction_weight(batch, happened, weight)

    of_modes = mode_losses(position, happened)
    regression = weighted_mean(of_modes.min(-1).values, weight)
    mixture = mixture_loss(of_modes, logits, batch.classes, weight)
    nll = nll_loss(pick_mode(own, mode)[:, :, 0], pick_mode(spread, mode)[:, :, 0], happened, weight)
    goal = goal_loss(encoder.goal_logits(agents, lanes, batch.lane_mask), batch.goal_lane, weight)
    first = first_loss(encoder.first_logits(agents), batch.goes_first, batch.agent_mask)
    moved = reactions(decoder, agents, batch, change.detach(), own, torch.softmax(logits.detach(), -1))
    conditional = own[:, None] + moved
    reaction = reaction_loss(conditional, batch.futures, batch.valid, react_weight)
    difference = difference_loss(moved, mode, batch.futures, batch.valid, react_weight)

    parts = {
        "mixture": mixture, "regression": WINNER_WEIGHT * regression, "nll": NLL_WEIGHT * nll,
        "reaction": REACTION_WEIGHT * reaction, "difference": DIFFERENCE_WEIGHT * difference,
        "goal": GOAL_WEIGHT * goal, "first": FIRST_WEIGHT * first,
    }  # fmt: skip
    loss = torch.stack(list(parts.values())).sum()
    parts["loss"] = loss
    sums = sums_of(batch, happened, own, logits, conditional)
    return Outcome(loss, {name: float(value.detach()) for name, value in parts.items()}, sums)


def reactions(
    decoder: InteractionDecoder, agents: Tensor, batch: TensorBatch, change: Tensor, own: Tensor, probability: Tensor
) -> Tensor:
    """Displacements ``[B, M, N, K, T, 2]`` under the plans, of the `REACTING` agents nearest to any; of others zero.

    Args:
        decoder: Its `InteractionDecoder.react`.
        agents: Embeddings ``[B, N, W]``.
        batch: Has the plans.
        change: ``[B, N, K, J, 2]`` see `InteractionDecoder.futures`.
        own: ``[B, N, K, T, 2]`` futures without a plan [m].
        probability: ``[B, N, K]`` of them.
    """
    with torch.no_grad():
        rows = nearest_to_plans(own, batch).topk(min(REACTING, own.shape[1]), largest=False).indices

    def of(values: Tensor) -> Tensor:
        return values.gather(1, rows.view(*rows.shape, *[1] * (values.dim() - 2)).expand(-1, -1, *values.shape[2:]))

    pose = torch.cat(
        [torch.zeros_like(batch.agent_pose[:, :1]), batch.agent_pose[:, 1:]], 1
    )  # nobody follows the ego here
    moved = decoder.react(
        of(agents), of(pose), of(batch.agent_velocity), of(change), of(own), of(probability), batch.plans
    )
    everyone = moved.new_zeros(*moved.shape[:2], own.shape[1], *moved.shape[3:])
    return everyone.scatter(2, rows[:, None, :, None, None, None].expand_as(moved), moved)


def nearest_to_plans(own: Tensor, batch: TensorBatch) -> Tensor:
    """How near each agent comes to any plan in any mode ``[B, N, K, T, 2]``, ``[B, N]`` [m]; far: ego and padding."""
    ego = in_agent_frames(batch.plans, batch.agent_pose)[..., :2]
    here = functional.pad(own[..., KNOT_STEPS - 1 : -1 : KNOT_STEPS, :], (0, 0, 1, 0))
    gap = (ego[:, :, :, None] - here[:, None]).square().sum(-1).amin((1, 3, 4)).sqrt()
    gap = gap + (1.0 - batch.agent_mask) * FAR
    gap[:, 0] = FAR
    return gap


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of `values` by `weight`, both ``[B, N]``; less where all weights together are less than 1."""
    return (values * weight).sum() / weight.sum().clamp(min=1)


def reaction_weight(batch: TensorBatch, happened: Happened, weight: Tensor) -> Tensor:
    """What agents weigh in what plans change, ``[B, N]`` from what they weigh otherwise; the ego does not react."""
    affected = difference_between_plans(batch.futures, batch.valid) > AFFECTED
    result = weight + AFFECTED_WEIGHT * affected.float() * happened.scored
    result[:, 0] = 0.0
    return result


def mode_losses(position: Tensor, happened: Happened) -> Tensor:
    """How far each mode ``[B, N, K, T, 2]`` is from what happened, ``[B, N, K]``."""
    truth, valid = happened.truth, happened.valid
    error = functional.smooth_l1_loss(position, truth[:, :, None].expand_as(position), reduction="none").sum(-1)
    return (error * valid[:, :, None]).sum(-1) / valid.sum(-1).clamp(min=1)[:, :, None]


def mixture_loss(of_modes: Tensor, logits: Tensor, classes: Tensor, weight: Tensor) -> Tensor:
    """Negative log likelihood of a mixture: modes and probabilities are learned together.

    (Winner takes all makes modes that are all equally probable, because it spreads them to be so.)

    Args:
        of_modes: ``[B, N, K]`` of `mode_losses`.
        logits: ``[B, N, K]``.
        classes: ``[B, N]``.
        weight: ``[B, N]``.
    """
    sharpness = of_modes.new_ones(len(AgentClass))
    for kind, scale in SHARPNESS.items():
        sharpness[kind] = scale
    scale = sharpness[classes.long()]
    return -weighted_mean(torch.logsumexp(torch.log_softmax(logits, -1) - of_modes / scale[..., None], dim=-1), weight)


def nll_loss(best: Tensor, spread: Tensor, happened: Happened, weight: Tensor) -> Tensor:
    """Negative log likelihood of what happened around the best mode ``[B, N, T, 2]``; raw `spread` ``[B, N, T, 3]``."""
    valid = happened.valid
    nll = gaussian_nll(happened.truth - best, covariance(spread))
    return weighted_mean((nll * valid).sum(-1) / valid.sum(-1).clamp(min=1), weight)


def goal_loss(logits: Tensor, goal_lane: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of the lane piece ``[B, N]`` an agent ends up in, of those that do; `logits` ``[B, N, M]``."""
    loss = functional.cross_entropy(logits.transpose(1, 2), goal_lane.clamp(min=0), reduction="none")
    return weighted_mean(loss, (goal_lane >= 0).float() * weight)


def first_loss(logits: Tensor, goes_first: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy of who goes first ``[B, N]``, of agents whose way crosses the ego's; `logits` ``[B, N]``."""
    loss = functional.binary_cross_entropy_with_logits(logits, goes_first.clamp(min=0).float(), reduction="none")
    return weighted_mean(loss, (goes_first >= 0).float() * mask)


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
