"""The network with its optimiser: one step on a batch, in one process or several, in full or half precision."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from zoox_stack.core.errors import ConfigurationError, ZooxStackError
from zoox_stack.training.batches import Batch
from zoox_stack.training.config import TrainConfig
from zoox_stack.training.losses import Outcome, evaluate_batch
from zoox_stack.training.model import InteractionDecoder, SceneEncoder
from zoox_stack.training.team import Team
from zoox_stack.training.tensor_batch import TensorBatch

LARGEST_GRADIENT = 5.0
WARM_UP = 0.1  # of the run, in which the learning rate rises
_HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class _Whole(nn.Module):
    """Encoder and decoder as one module from a batch to its loss."""

    def __init__(self, encoder: SceneEncoder, decoder: InteractionDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, batch: TensorBatch) -> Outcome:
        return evaluate_batch(self.encoder, self.decoder, batch)


class Learner:
    """A network that learns.

    Args:
        config: How.
        team: With whom, and on which device.

    Raises:
        ConfigurationError: The device cannot do the precision.
    """

    def __init__(self, config: TrainConfig, team: Team) -> None:
        torch.manual_seed(config.seed)  # the same first weights in every process
        self.encoder, self.decoder = SceneEncoder().to(team.device), InteractionDecoder().to(team.device)
        self.encoder.do_without(config.without)
        self._config, self._team = config, team
        half = half_precision(config.precision, team.device)
        if half is not None:
            compute_in(half, self.encoder, team.device)
        self._whole = _Whole(self.encoder, self.decoder)
        self._model = team.together(self._whole)
        self.optimiser = torch.optim.AdamW(self._whole.parameters(), lr=config.rate, weight_decay=config.decay)
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=half is torch.float16)

    @property
    def _plans(self) -> int | None:
        return 1 if self._config.without == "counterfactuals" else None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is learned, by name."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def others(self) -> dict[str, Any]:
        """What else makes up the state, by name."""
        return {"optimiser": self.optimiser, "scaler": self.scaler}

    def step(self, batch: Batch, epoch: int, number: int, progress: float) -> Outcome:
        """Learn from a batch.

        Args:
            batch: Of this process.
            epoch: Number of the epoch, from 0.
            number: Of the step in it, from 0.
            progress: Share of the run that is over, 0..1.

        Raises:
            ZooxStackError: The loss is not a number any more.
        """
        self._whole.train()
        # Chance depends on where the run is and not on what went before: a run that is continued meets the same.
        torch.manual_seed(hash((self._config.seed, epoch, number, self._team.rank)) % 2**63)
        for group in self.optimiser.param_groups:
            group["lr"] = self._config.rate * rate_share(progress)
        outcome: Outcome = self._model(to_tensors(batch, self._team.device, plans=self._plans))
        if not math.isfinite(outcome.parts["loss"]):
            raise ZooxStackError(
                f"training: expected a finite loss, found {outcome.parts} in epoch {epoch + 1}, step {number + 1}. "
                "Try a lower --rate, or --precision fp32"
            )
        self.optimiser.zero_grad()
        self.scaler.scale(outcome.loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self._whole.parameters(), LARGEST_GRADIENT)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return outcome

    def measure(self, batch: Batch) -> Outcome:
        """Loss and measures of a batch without learning from it."""
        self._whole.eval()
        with torch.no_grad():
            return evaluate_batch(self.encoder, self.decoder, to_tensors(batch, self._team.device, plans=self._plans))

    def level(self) -> None:
        """Make what the processes know of the images' statistics the same.

        Raises:
            ZooxStackError: Their weights differ.
        """
        if self._team.size == 1:
            return
        self._team.level(self._whole)
        found = self._team.gathered(weights_digest(self.modules))
        if len(set(found)) > 1:
            raise ZooxStackError(f"training: expected the same weights in all processes, found digests {found}")


def half_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The type in which to compute the encoder, None for full precision.

    Raises:
        ConfigurationError: The device cannot do it.
    """
    has_bf16 = device.type == "cpu" or torch.cuda.is_bf16_supported()
    if name == "bf16" and not has_bf16:
        raise ConfigurationError("precision: expected fp16, fp32 or auto on this GPU, found bf16, which it cannot do")
    if name != "auto":
        return _HALVES.get(name)
    if device.type == "cpu":
        return None
    return torch.bfloat16 if has_bf16 else torch.float16


def compute_in(half: torch.dtype, encoder: SceneEncoder, device: torch.device) -> None:
    """Have `encoder` compute in half precision, its weights and what it gives being float32.

    The encoder alone: nearly all of the work is there, and the metres of the decoder need their digits.
    """
    whole: Callable[..., Any] = torch.autocast(device.type, half)(encoder.nodes)
    encoder.nodes = lambda *inputs: in_full(whole(*inputs))  # type: ignore[method-assign]


def in_full(outputs: Any) -> Any:
    """Tensors, or tuples of them, as float32."""
    return outputs.float() if isinstance(outputs, Tensor) else tuple(in_full(output) for output in outputs)


def rate_share(progress: float) -> float:
    """Share of the highest learning rate: rises over the first tenth, then falls as a cosine to one hundredth."""
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min((progress - WARM_UP) / (1 - WARM_UP), 1.0)))


def to_tensors(batch: Batch, device: torch.device, *, plans: int | None = None) -> TensorBatch:
    """Copy what the losses use of a batch to a device, and of each scene the first `plans` only, all if None."""
    arrays = {field.name: getattr(batch, field.name) for field in fields(TensorBatch)}
    for name in ("plans", "futures", "valid"):
        arrays[name] = arrays[name][:, :plans]
    return TensorBatch(**{name: torch.from_numpy(array).to(device) for name, array in arrays.items()})


def weights_digest(modules: dict[str, nn.Module]) -> str:
    """SHA-256 over all weights: the version of a model."""
    digest = hashlib.sha256()
    for name in sorted(modules):
        for key, value in sorted(modules[name].state_dict().items()):
            digest.update(f"{name}.{key}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
