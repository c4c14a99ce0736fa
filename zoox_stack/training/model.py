"""The network: a scene encoder (CNN and graph network) and an interaction decoder, in PyTorch.

Shapes: B scenes, N agents (row 0 is the ego), M lane pieces, K modes, T = 80 steps, J = 16 knots of 0.5 s, P plans.

The ego's plan enters as an intervention: futures without a plan are predicted first; `Reaction` then drives each of
them again beside the ego of the plan. What is predicted for a time never depends on what the ego does later.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoox_stack.core.predictions import MODES, STEP, STEPS
from zoox_stack.prediction.channels import METRES_PER_PIXEL, RASTER_SIZE, TABLE, X_AHEAD, Y_LEFT, Channel, Group
from zoox_stack.prediction.features import (
    HISTORY_FEATURES,
    KNOT_STEPS,
    KNOTS,
    POSITION_SCALE,
    STATIC_FEATURES,
)
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.prediction.lane_pieces import PIECE_FEATURES
from zoox_stack.training.first_layer import PATCH, convolved_sparsely
from zoox_stack.training.reaction import Reaction

STEM_CHANNELS = 32  # a multiple of 32 runs best on CPUs
FEATURE_CHANNELS = 64
EXTENT = RASTER_SIZE * METRES_PER_PIXEL  # [m] of the scene image in both directions
WIDTH = 128
HEADS, EDGE_WIDTH = 4, 32
# This mode keeps the velocity: who stands may go on standing, and whom training never saw moves on as before.
ANCHOR = 0
# Where around an agent the feature map is sampled, in its own frame [m].
SAMPLE_X = (-8.0, 0.0, 8.0, 18.0, 30.0, 45.0)
SAMPLE_Y = (-6.0, 0.0, 6.0)


def integration_matrix() -> Tensor:
    """Matrix ``[T, J]`` from velocity changes at the knots 0.5, 1.0, ..., 8.0 s to displacements at the T steps.

    The velocity change is zero now and linear between knots; its integral is exact. Row t depends on knots up to the
    first one at or after t.
    """
    fine = torch.zeros(STEPS + 1, KNOTS, dtype=torch.float64)
    for i in range(STEPS + 1):
        knot, part = divmod(i, KNOT_STEPS)
        share = part / KNOT_STEPS
        if knot > 0:
            fine[i, knot - 1] += 1 - share
        if part:
            fine[i, knot] += share
    steps = (fine[1:] + fine[:-1]) * 0.5 * STEP
    return torch.cumsum(steps, dim=0).float()


def spread_matrix() -> Tensor:
    """Matrix ``[T, J]`` that interpolates values at the knots 0.5, ..., 8.0 s linearly to the T steps (flat before)."""
    matrix = torch.zeros(STEPS, KNOTS)
    for i in range(STEPS):
        at = (i + 1) / KNOT_STEPS - 1
        low = min(max(int(at // 1), 0), KNOTS - 1)
        share = min(max(at - low, 0.0), 1.0)
        matrix[i, low] += 1 - share
        matrix[i, min(low + 1, KNOTS - 1)] += share
    return matrix


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """`x` [B, C, H, W]."""
        return functional.relu(x + self.second(functional.relu(self.norm(self.first(x)))))


class ImageEncoder(nn.Module):
    """Scene image uint8 ``[B, C, 256, 256]`` to a feature map ``[B, 64, 32, 32]`` (4 m cells)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shown", torch.ones(len(Channel)))  # 0 for channels that this network does without
        self.scale = 1.0 / 255.0
        self.stem = nn.Conv2d(len(Channel), STEM_CHANNELS, PATCH, stride=PATCH)
        self.norm = nn.BatchNorm2d(STEM_CHANNELS)
        self.down = nn.Conv2d(STEM_CHANNELS, FEATURE_CHANNELS, 3, stride=2, padding=1)
        self.near = nn.Sequential(ResidualBlock(FEATURE_CHANNELS), ResidualBlock(FEATURE_CHANNELS))
        self.wide = nn.Sequential(
            nn.Conv2d(FEATURE_CHANNELS, 96, 3, stride=2, padding=1), nn.ReLU(), ResidualBlock(96), ResidualBlock(96)
        )
        self.back = nn.Conv2d(96, FEATURE_CHANNELS, 1)

    def forward(self, raster: Tensor) -> Tensor:
        """See the class."""
        if self.training and not raster.is_cuda:
            weight = self.stem.weight * (self.scale * self.shown[:, None, None])
            first = convolved_sparsely(raster, weight, torch.as_tensor(self.stem.bias))
        else:
            first = self.convolved(raster)
        x = functional.relu(self.norm(first))
        x = self.near(functional.relu(self.down(x)))
        wide = functional.interpolate(self.back(self.wide(x)), scale_factor=2.0, mode="nearest")
        return torch.relu(x + wide)

    def convolved(self, raster: Tensor) -> Tensor:
        """The first layer as the exported network has it, ``[B, 32, 64, 64]``."""
        image = raster.float()
        if self.scale != 1.0:
            image = image * self.scale
        return functional.conv2d(image, self.stem.weight * self.shown[:, None, None], self.stem.bias, stride=PATCH)

    def fold_scale(self) -> None:
        """Move the scaling of the image into the first weights: the exported network saves a pass over it."""
        with torch.no_grad():
            self.stem.weight.mul_(self.scale * self.shown[:, None, None])
        self.shown.fill_(1.0)
        self.scale = 1.0


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two linear layers with a normalisation between."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class GraphLayer(nn.Module):
    """Agents and ego receive messages from all agents and lanes: attention with relative poses on the edges."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.edge_bias = nn.Linear(EDGE_WIDTH, HEADS)
        self.edge_value = nn.Linear(EDGE_WIDTH * HEADS, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.feed = mlp(WIDTH, 2 * WIDTH, WIDTH)
        self.norm_in, self.norm_mid = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, agents: Tensor, sources: Tensor, edges: Tensor, allowed: Tensor) -> Tensor:
        """`agents` [B, N, W], `sources` [B, N + M, W], `edges` [B, N, N + M, E], `allowed` [B, 1, 1, N + M]."""
        b, n, s = agents.shape[0], agents.shape[1], sources.shape[1]
        d = WIDTH // HEADS
        x = self.norm_in(agents)
        y = self.norm_in(sources)
        q = self.query(x).view(b, n, HEADS, d).transpose(1, 2)
        k = self.key(y).view(b, s, HEADS, d).transpose(1, 2)
        v = self.value(y).view(b, s, HEADS, d).transpose(1, 2)
        logits = q @ k.transpose(-1, -2) * d**-0.5 + self.edge_bias(edges).permute(0, 3, 1, 2) + allowed
        weight = torch.softmax(logits, dim=-1)  # [B, H, N, S]
        message = (weight @ v).transpose(1, 2).reshape(b, n, WIDTH)
        geometry = (weight.transpose(1, 2) @ edges).reshape(b, n, HEADS * EDGE_WIDTH)
        agents = agents + self.out(message + self.edge_value(geometry))
        return agents + self.feed(self.norm_mid(agents))


class SceneEncoder(nn.Module):
    """Scene image, agents and lanes to one embedding per agent: CNN, then graph network. Once per tick."""

    def __init__(self) -> None:
        super().__init__()
        grid = torch.stack(torch.meshgrid(torch.tensor(SAMPLE_X), torch.tensor(SAMPLE_Y), indexing="ij"), dim=-1)
        self.register_buffer("sample_points", grid.reshape(-1, 2), persistent=False)
        self.image = ImageEncoder()
        self.history = mlp(HISTORY_STEPS * HISTORY_FEATURES + STATIC_FEATURES, WIDTH, WIDTH)
        self.context = mlp(FEATURE_CHANNELS * len(SAMPLE_X) * len(SAMPLE_Y), WIDTH, WIDTH)
        self.lane = mlp(PIECE_FEATURES, 64, WIDTH)
        self.edge = nn.Sequential(nn.Linear(6, EDGE_WIDTH), nn.ReLU(), nn.Linear(EDGE_WIDTH, EDGE_WIDTH), nn.ReLU())
        self.layers = nn.ModuleList([GraphLayer(), GraphLayer()])
        self.goal = nn.Linear(WIDTH, WIDTH)
        self.first = mlp(2 * WIDTH, 32, 1)
        self.register_buffer("has_map", torch.ones(()))
        self.register_buffer("has_graph", torch.ones(()))

    def do_without(self, part: str) -> None:
        """Leave a part out, ``map`` or ``graph``: what is it worth? The weights keep in mind what is left out."""
        if part == "map":
            self.has_map.fill_(0.0)
            hidden = [info.channel for info in TABLE if info.group in (Group.MAP, Group.SIGNAL, Group.ROUTE)]
            self.image.shown[hidden] = 0.0
        elif part == "graph":
            self.has_graph.fill_(0.0)

    def forward(
        self,
        raster: Tensor,
        agent_history: Tensor,
        agent_static: Tensor,
        agent_pose: Tensor,
        lane_features: Tensor,
        lane_pose: Tensor,
        agent_mask: Tensor,
        lane_mask: Tensor,
    ) -> Tensor:
        """Embeddings ``[B, N, W]``; inputs as `NetworkInputs` with a batch axis, masks 1 for real rows."""
        return self.nodes(
            raster, agent_history, agent_static, agent_pose, lane_features, lane_pose, agent_mask, lane_mask
        )[0]

    def goal_logits(self, agents: Tensor, lanes: Tensor, lane_mask: Tensor) -> Tensor:
        """Where agents will be: logits ``[B, N, M]`` over lane pieces. Learned beside the futures, not exported."""
        return self.goal(agents) @ lanes.transpose(1, 2) * WIDTH**-0.5 + (lane_mask[:, None] - 1.0) * 1e4

    def first_logits(self, agents: Tensor) -> Tensor:
        """Whether agents pass before the ego where their ways cross: logits ``[B, N]``. Not exported either."""
        return torch.as_tensor(self.first(torch.cat([agents, agents[:, :1].expand_as(agents)], -1))[..., 0])

    def nodes(
        self,
        raster: Tensor,
        agent_history: Tensor,
        agent_static: Tensor,
        agent_pose: Tensor,
        lane_features: Tensor,
        lane_pose: Tensor,
        agent_mask: Tensor,
        lane_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Embeddings of agents ``[B, N, W]`` and of lane pieces ``[B, M, W]``; arguments as of `forward`."""
        b, n = agent_history.shape[0], agent_history.shape[1]
        own = self.history(torch.cat([agent_history.reshape(b, n, -1), agent_static], dim=-1))
        cos, sin = agent_pose[..., 2:3], agent_pose[..., 3:4]
        px, py = self.sample_points[:, 0], self.sample_points[:, 1]
        x = agent_pose[..., 0:1] + cos * px - sin * py
        y = agent_pose[..., 1:2] + sin * px + cos * py
        # Image rows run from front to rear, columns from left to right; grid_sample wants (column, row) in -1..1.
        column = (Y_LEFT - y) * (2.0 / EXTENT) - 1.0
        row = (X_AHEAD - x) * (2.0 / EXTENT) - 1.0
        sampled = functional.grid_sample(
            self.image(raster),
            torch.stack([column, row], dim=-1),
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
        agents = own + self.context(sampled.permute(0, 2, 3, 1).reshape(b, n, -1))
        lanes = self.lane(lane_features)
        edges = self.edge(relative_poses(agent_pose, torch.cat([agent_pose, lane_pose], dim=1)))
        seen = lane_mask * self.has_map
        allowed = (torch.cat([agent_mask, seen], dim=1) - 1.0)[:, None, None, :] * 1e4
        if not bool(self.has_graph):  # everyone hears only from itself
            rows, columns = torch.cumsum(torch.ones_like(agent_mask), 1), -torch.ones_like(lane_mask)
            itself = rows[:, :, None] == torch.cat([rows, columns], dim=1)[:, None]
            allowed = allowed + (itself.float() - 1.0)[:, None] * 1e4
        for layer in self.layers:
            agents = layer(agents, torch.cat([agents, lanes], dim=1), edges, allowed)
        return agents, lanes


class InteractionDecoder(nn.Module):
    """Embeddings and ego plans to futures, agent by agent; see the module docstring. Every tick, and every what-if."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("integrate", integration_matrix(), persistent=False)
        self.register_buffer("spread", spread_matrix(), persistent=False)
        self.mode = nn.Parameter(torch.randn(MODES, WIDTH) * 0.3)
        self.future = mlp(WIDTH, 2 * WIDTH, 5 * KNOTS)
        nn.init.normal_(self.future[-1].weight, std=0.02)  # training starts near constant velocity
        nn.init.zeros_(self.future[-1].bias)
        free = torch.ones(MODES, 1, 1)
        free[ANCHOR] = 0.0
        self.register_buffer("free", free, persistent=False)
        self.score = mlp(WIDTH, 64, MODES)
        # Of the logits, fitted after training: see zoox_stack.training.calibration.
        self.register_buffer("scaling", torch.eye(MODES))
        self.register_buffer("offset", torch.zeros(MODES))
        self.reaction = Reaction(WIDTH)

    def futures(self, agents: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Without a plan: velocity changes at the knots ``[B, N, K, J, 2]``, positions ``[B, N, K, T, 2]`` (own frame,
        [m]), raw spread ``[B, N, K, T, 3]``, mode logits ``[B, N, K]``.
        """
        b, n = agents.shape[0], agents.shape[1]
        hidden = agents[:, :, None] + self.mode
        out = self.future(hidden).view(b, n, MODES, 5, KNOTS)
        change = out[:, :, :, :2] * (5.0 * self.free)
        time = torch.arange(1, STEPS + 1, device=agents.device) * STEP
        position = velocity[:, :, None, None, :] * time[:, None] + (change @ self.integrate.T).transpose(-1, -2)
        spread = (out[:, :, :, 2:] @ self.spread.T).transpose(-1, -2)
        return change.transpose(-1, -2), position, spread, self.score(agents)

    def react(
        self,
        agents: Tensor,
        pose: Tensor,
        velocity: Tensor,
        change: Tensor,
        position: Tensor,
        probability: Tensor,
        plans: Tensor,
    ) -> Tensor:
        """Displacement ``[B, P, N, K, T, 2]`` (own frame) by which futures change under each plan ``[B, P, J, 6]``.

        `change` [B, N, K, J, 2], `position` [B, N, K, T, 2] and `probability` [B, N, K] are the futures without a plan,
        the probabilities as they were while reactions were learned: not calibrated.
        """
        intention, ego = agents[:, :, None] + self.mode, in_agent_frames(plans, pose)
        return torch.as_tensor(self.reaction(intention, pose, velocity, change, position, probability, ego))

    def forward(
        self, embeddings: Tensor, agent_pose: Tensor, agent_velocity: Tensor, plans: Tensor, reacting: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Futures without a plan, and those of the agents `reacting` (int64 [R]) under each of `plans` [B, P, J, 6].

        Returns:
            positions [B, N, K, T, 2] in each agent's own frame [m] without a plan, covariances [B, N, K, T, 3] (xx, xy,
            yy, own frame, [m^2]), probabilities [B, N, K], conditional positions [B, P, R, K, T, 2].
        """
        change, position, spread, logits = self.futures(embeddings, agent_velocity)
        known = (embeddings, agent_pose, agent_velocity, change, position, torch.softmax(logits, dim=-1))
        agents, pose, velocity, change, own, likely = (x.index_select(1, reacting) for x in known)
        logits = logits - logits.mean(-1, keepdim=True)
        probability = torch.softmax(logits @ self.scaling.T + self.offset, dim=-1)
        moved = self.react(agents, pose, velocity, change, own, likely, plans)
        return position, covariance(spread), probability, own[:, None] + moved


def in_agent_frames(plans: Tensor, pose: Tensor) -> Tensor:
    """Plans ``[B, P, J, 6]`` of the ego frame (x, y, cos, sin, vx, vy) in each agent's frame, ``[B, P, N, J, 6]``."""
    cos, sin = pose[:, None, :, None, 2], pose[:, None, :, None, 3]
    plan = plans[:, :, None]
    x, y = plan[..., 0] - pose[:, None, :, None, 0], plan[..., 1] - pose[:, None, :, None, 1]
    parts = []
    for a, b in ((x, y), (plan[..., 2], plan[..., 3]), (plan[..., 4], plan[..., 5])):
        parts += [a * cos + b * sin, b * cos - a * sin]
    return torch.stack(parts, dim=-1)


def covariance(spread: Tensor) -> Tensor:
    """Covariance xx, xy, yy ``[..., 3]`` [m^2] from raw log standard deviations and correlation ``[..., 3]``."""
    sx = torch.exp(spread[..., 0].clamp(-3.0, 4.0))
    sy = torch.exp(spread[..., 1].clamp(-3.0, 4.0))
    rho = torch.tanh(spread[..., 2]) * 0.9
    return torch.stack([sx * sx, rho * sx * sy, sy * sy], dim=-1)


def relative_poses(receivers: Tensor, senders: Tensor) -> Tensor:
    """Edge features ``[B, N, S, 6]``: x, y of the sender in the receiver's frame, cos, sin, distance, nearness."""
    dx = senders[:, None, :, 0] - receivers[:, :, None, 0]
    dy = senders[:, None, :, 1] - receivers[:, :, None, 1]
    c, s = receivers[:, :, None, 2], receivers[:, :, None, 3]
    sc, ss = senders[:, None, :, 2], senders[:, None, :, 3]
    x, y = dx * c + dy * s, dy * c - dx * s
    distance = torch.sqrt(x * x + y * y + 1e-6)
    # Beyond 100 m the exact distance says nothing; clamping also keeps padding rows harmless.
    shrink = 100.0 / distance.clamp(min=100.0)
    return torch.stack(
        [
            x * shrink / POSITION_SCALE,
            y * shrink / POSITION_SCALE,
            sc * c + ss * s,
            ss * c - sc * s,
            distance.clamp(max=100.0) / POSITION_SCALE,
            5.0 / (distance + 5.0),
        ],
        dim=-1,
    )
