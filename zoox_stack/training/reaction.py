"""How an agent's future changes under a plan of the ego: another timing along the way it intends, and a shift aside.

Shapes: B scenes, N agents, K modes, J = 16 knots of 0.5 s, P plans. An agent meant to drive the positions of a mode.
From knot to knot it is driven along that way again, now seeing where the ego of the plan is relative to where the agent
has come *so far*, as a driver does who brakes for what is in front of him (a learned relative of the Intelligent Driver
Model, Treiber et al. 2000), and by how much those it follows have changed what they do: a queue brakes from its front.
What happens over ``(t_j, t_{j+1}]`` is decided from the plan up to ``t_j`` only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoox_stack.core.predictions import STEPS
from zoox_stack.prediction.features import KNOT_STEPS, KNOTS, POSITION_SCALE, VELOCITY_SCALE
from zoox_stack.prediction.what_if import REACTION_RANGE

KNOT = 0.5  # [s]
HIDDEN = 40
FADE = 10.0  # [m] over which reactions fade in below `REACTION_RANGE`
MAX_SPEED_CHANGE = 3.0  # [m/s] per knot along the way: 6 m/s^2
MAX_SIDE_CHANGE = 1.0  # [m/s] per knot across it
NEAR = 5.0  # [m] added to distances before they are divided by
CORRIDOR = 2.5  # [m] to the side of a way, beyond which the ego is hardly on it
MOVES = 1.0  # [m] per knot: who moves less is headed in part where it was headed before
# Who is followed: in front by more than about `BUMPER`, within `CORRIDOR` and a share of the distance to the side; of
# several, the nearest counts most. Below `FOLLOWED` it is nobody.
BUMPER, SIDE_SHARE, FOLLOWING, FOLLOWED = 2.0, 0.1, 10.0, 0.1  # [m], [1], [m], [1]
# Of what is seen, so that it is about 1: see `Reaction.forward`.
SCALES = (
    1.0, 1.0, NEAR, 1.0, 1.0, 2 * NEAR, 1 / VELOCITY_SCALE, 1 / VELOCITY_SCALE, 1 / VELOCITY_SCALE, 1.0, 1.0,
    1 / VELOCITY_SCALE, 1 / POSITION_SCALE, 2 / VELOCITY_SCALE, 4 / POSITION_SCALE, 4 / VELOCITY_SCALE,
    1.0, 2 * NEAR, 1 / POSITION_SCALE, 2 / VELOCITY_SCALE,
)  # fmt: skip


def smooth_matrix() -> Tensor:
    """Matrix ``[J, T]`` from values at 0.5, ..., 8.0 s (and 0 before) to all steps.

    Between two knots it is the parabola through them and the one before: steps up to a knot do not depend on later
    ones.
    """
    matrix = torch.zeros(KNOTS + 2, STEPS)  # rows: -0.5 s, 0 s, 0.5 s, ...
    for i in range(STEPS):
        knot, part = divmod(i + 1, KNOT_STEPS)
        if part == 0:
            matrix[knot + 1, i] = 1.0
            continue
        t = part / KNOT_STEPS
        matrix[knot, i] = t * (t - 1) / 2
        matrix[knot + 1, i] = 1 - t * t
        matrix[knot + 2, i] = t * (t + 1) / 2
    return matrix[2:]


class Reaction(nn.Module):
    """Learned reactions; see the module's description.

    Args:
        width: Of the embeddings.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("smooth", smooth_matrix(), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALES), persistent=False)
        self.intention = nn.Linear(width, HIDDEN)
        self.seen = nn.Parameter(torch.randn(HIDDEN, len(SCALES)) * len(SCALES) ** -0.5)
        self.when = nn.Parameter(torch.zeros(KNOTS, HIDDEN, 1))
        self.thought = nn.Parameter(torch.randn(HIDDEN, HIDDEN) * HIDDEN**-0.5)
        self.bias = nn.Parameter(torch.zeros(HIDDEN, 1))
        self.done = nn.Parameter(torch.randn(2, HIDDEN) * 1e-2)

    def forward(
        self,
        intention: Tensor,
        pose: Tensor,
        velocity: Tensor,
        change: Tensor,
        position: Tensor,
        probability: Tensor,
        ego: Tensor,
    ) -> Tensor:
        """Displacements under each plan, in each agent's own frame now.

        Args:
            intention: ``[B, N, K, W]`` embeddings of agents and modes.
            pose: ``[B, N, 4]`` x, y [m], cos, sin of agents now, one frame for all; nobody follows who is all zero.
            velocity: ``[B, N, 2]`` of agents now [m/s], own frame.
            change: ``[B, N, K, J, 2]`` of the velocity at 0.5, ..., 8.0 s without a plan [m/s].
            position: ``[B, N, K, T, 2]`` without a plan [m].
            probability: ``[B, N, K]`` of the modes as trained, not calibrated.
            ego: ``[B, P, N, J, 6]`` plans (x, y, cos, sin, vx, vy) at 0, ..., 7.5 s in each agent's own frame.

        Returns:
            ``[B, P, N, K, T, 2]`` [m].
        """
        b, p, n, k = position.shape[0], ego.shape[1], position.shape[1], position.shape[2]
        start, length, towards = self._way(position)
        pace = velocity[:, :, None, None] + functional.pad(change[..., :-1, :], (0, 0, 1, 0))
        speed = (pace * towards).sum(-1)  # [B, N, K, J] along the way
        wish = self.intention(intention)
        share, near_by = who_is_followed(pose, start[..., :KNOTS, :], towards, probability)

        def rows(values: Tensor, axis: int) -> Tensor:
            """[B, P or N, N or K, ...] as [..., R] with R = B P N K: every plan with every mode."""
            whole = values.unsqueeze(axis)
            return whole.expand(b, p, n, k, *whole.shape[4:]).flatten(0, 3).movedim(0, -1)

        egos = [part.split(1) for part in rows(ego, 3).flatten(0, 1).split(6)]  # per knot 6 of [1, R]
        begins, backs, directions = way_table(start, length, towards)
        table = rows(begins, 1), rows(torch.cat([backs, directions], -1), 1).transpose(0, 1)
        starts, metres, speeds = (rows(x, 1) for x in (start, length, speed))
        apart = rows(ego[..., :2], 3) - starts[:KNOTS]
        near = apart.square().sum(1, keepdim=True).sqrt()
        gates = ((REACTION_RANGE - near) / FADE).clamp(0.0, 1.0).flatten(0, 1).split(1)
        wish, lengths, speeds = rows(wish, 1), metres.split(1), speeds.split(1)
        follows = rows(torch.stack([share.sum(3), near_by], -1), 1).flatten(0, 1).split(2)
        heard_of = followed_modes(share, probability).split(1)
        weight = self.seen * self.scale
        lag = faster = aside = sideways = torch.zeros_like(lengths[0])
        moved = []
        meant_x, meant_y = (x.split(1) for x in on_way(table, metres)[:2])
        here_x, here_y, cos, sin = on_way(table, lengths[0])
        for j in range(KNOTS):
            x, y, c, s, vx, vy = egos[j]
            to_x, to_y = x - here_x, y - here_y
            along, across = to_x * cos + to_y * sin, to_y * cos - to_x * sin
            nearness = 1.0 / ((to_x * to_x + to_y * to_y + 1e-3).sqrt() + NEAR)
            own = speeds[j] + faster
            late = torch.cat([lag, faster])
            heard = (late.view(2, b, p, -1) @ heard_of[j]).reshape(2, -1)  # the same of those it follows
            closing = vx * cos + vy * sin - own
            beside = torch.exp(across * across * (-1.0 / CORRIDOR**2))
            in_front = beside * torch.sigmoid(along)
            features = [
                along * nearness, across * nearness, nearness, beside, in_front, in_front * nearness,
                in_front * closing, closing, vy * cos - vx * sin - sideways, c * cos + s * sin, s * cos - c * sin,
                own, late, aside, sideways, follows[j], heard,
            ]  # fmt: skip
            seen = functional.relu(weight @ torch.cat(features) + wish + self.when[j])
            thought = functional.relu(self.thought @ seen + self.bias)
            gate = (gates[j] + heard.abs().sum(0)).clamp(max=1.0)
            act = (torch.tanh(self.done @ thought) * gate).split(1)
            quicker, wide = faster + MAX_SPEED_CHANGE * act[0], sideways + MAX_SIDE_CHANGE * act[1]
            if j + 1 < KNOTS:  # nobody drives backwards
                quicker = torch.maximum(quicker, -functional.relu(speeds[j + 1]))
            lag = torch.maximum(lag + (KNOT / 2) * (faster + quicker), lag + (lengths[j] - lengths[j + 1]))
            aside = aside + (KNOT / 2) * (sideways + wide)
            faster, sideways = quicker, wide
            way_x, way_y, cos, sin = on_way(table, lengths[j + 1] + lag)
            here_x, here_y = way_x - aside * sin, way_y + aside * cos
            moved += [here_x - meant_x[j + 1], here_y - meant_y[j + 1]]
        knots = torch.cat(moved).view(KNOTS, 2, -1).permute(2, 1, 0) @ self.smooth  # [R, 2, T]
        return knots.transpose(1, 2).reshape(b, p, n, k, STEPS, 2)

    def _way(self, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ways ``[B, N, K, T, 2]`` as points at 0, ..., 8.0 s ``[B, N, K, J + 1, 2]``, metres since now at these points
        ``[B, N, K, J + 1]``, and directions from each of the first J points on ``[B, N, K, J, 2]``.
        """
        points = functional.pad(position[..., KNOT_STEPS - 1 :: KNOT_STEPS, :], (0, 0, 1, 0))
        steps = points[..., 1:, :] - points[..., :-1, :]
        long = (steps.square().sum(-1, keepdim=True) + 1e-9).sqrt()
        share = (long / MOVES).clamp(max=1.0)
        heading = torch.zeros_like(steps[..., 0, :]) + steps.new_tensor([1.0, 0.0])
        towards = []
        for new, old in zip((steps / long * share).unbind(-2), (1.0 - share).unbind(-2), strict=True):
            heading = new + old * heading
            heading = heading / (heading.square().sum(-1, keepdim=True) + 1e-6).sqrt()
            towards.append(heading)
        metres = functional.pad(torch.cumsum(long[..., 0], -1), (1, 0))
        return points, metres, torch.stack(towards, -2)


@torch.no_grad()
def who_is_followed(pose: Tensor, start: Tensor, towards: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
    """How much each agent N in mode K follows each agent M at the knots, ``[B, N, K, M, J]``, together at most 1.

    And how near those are, ``[B, N, K, J]`` [1/m]. All drive as without a plan here; the others do what is likely.

    Args:
        pose: ``[B, N, 4]`` see `Reaction.forward`.
        start: ``[B, N, K, J, 2]`` places at the knots, own frame [m].
        towards: ``[B, N, K, J, 2]`` directions from there.
        probability: ``[B, N, K]``.
    """
    cos, sin = pose[:, :, None, None, 2], pose[:, :, None, None, 3]

    def in_one_frame(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return cos * x - sin * y, sin * x + cos * y

    x, y = in_one_frame(start[..., 0], start[..., 1])  # [B, N, K, J]
    x, y = x + pose[:, :, None, None, 0], y + pose[:, :, None, None, 1]
    c, s = in_one_frame(towards[..., 0], towards[..., 1])
    mean_x, mean_y, mean_c, mean_s = ((value * probability[..., None]).sum(2) for value in (x, y, c, s))  # [B, M, J]
    to_x, to_y = (mean[:, None, None] - own[:, :, :, None] for mean, own in ((mean_x, x), (mean_y, y)))
    c, s = c[:, :, :, None], s[:, :, :, None]
    along, across = to_x * c + to_y * s, to_y * c - to_x * s  # [B, N, K, M, J]
    ahead = along.clamp(min=0.0)
    aside = across / (CORRIDOR + SIDE_SHARE * ahead)
    same_way = (mean_c[:, None, None] * c + mean_s[:, None, None] * s).clamp(min=0.0)
    weight = torch.sigmoid(along - BUMPER) * same_way * torch.exp(-aside * aside - ahead / FOLLOWING)
    weight = weight * ((REACTION_RANGE - ahead) / FADE).clamp(0.0, 1.0)
    weight = weight * (pose[..., 2:].square().sum(-1)[:, None, None, :, None])
    rows = torch.cumsum(torch.ones_like(pose[..., 0]), 1)
    weight = weight * (rows[:, :, None] != rows[:, None]).to(weight.dtype)[:, :, None, :, None]
    share = weight / (weight.sum(3, keepdim=True) + FOLLOWED)
    return share, (share / (ahead + NEAR)).sum(3)


@torch.no_grad()
def followed_modes(share: Tensor, probability: Tensor) -> Tensor:
    """What of all modes of all agents each mode of an agent hears of those it follows, ``[J, B, N K, N K]``: from, to.

    Args:
        share: ``[B, N, K, M, J]`` of `who_is_followed`.
        probability: ``[B, M, K]``.
    """
    every = share.permute(4, 0, 3, 1, 2)[:, :, :, None] * probability[:, :, :, None, None]
    return every.flatten(4, 5).flatten(2, 3)


def way_table(start: Tensor, length: Tensor, towards: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What `on_way` looks up of each piece of a way, ``[B, N, K, J]`` and twice ``[B, N, K, J, 2]``: at how many metres
    it begins, the point that would be at 0 m if it were endless, and its direction.
    """
    return length[..., :-1], start[..., :-1, :] - length[..., :-1, None] * towards, towards


def on_way(table: tuple[Tensor, Tensor], at: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points x, y and directions cos, sin, each ``[A, R]``, at `at` metres ``[A, R]``; straight on after the end.

    Args:
        table: Where the pieces of each way begin ``[J, R]``, and of each x, y, cos, sin ``[4, J, R]``, see `way_table`.
        at: [m].
    """
    begins, pieces = table
    piece = (at[:, None] >= begins[1:]).sum(1)
    found = pieces.gather(1, piece.expand(4, -1, -1))
    # Of one row the split keeps the axis: an operation less in each of many knots.
    back_x, back_y, cos, sin = found.flatten(0, 1).split(1) if len(at) == 1 else found.unbind(0)
    return back_x + at * cos, back_y + at * sin, cos, sin
