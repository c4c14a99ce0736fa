"""Temperature scaling of mode probabilities (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from zoox_stack.prediction.network import DECODER_SPEC
from zoox_stack.training.learner import to_tensors
from zoox_stack.training.measures import STANDING, best_mode
from zoox_stack.training.model import InteractionDecoder, SceneEncoder
from zoox_stack.training.stream import Place, ahead, read_batch
from zoox_stack.training.tensor_batch import TensorBatch

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(probabilities: NDArray[np.float64], modes: NDArray[np.int64]) -> float:
    """The number by which to divide logits so that the right modes become likeliest on the whole.

    Args:
        probabilities: ``[cases, K]`` at temperature 1.
        modes: ``[cases]`` the right one of each.

    Returns:
        `LOWEST` .. `HIGHEST`; 1 without cases.
    """
    if not len(modes):
        return 1.0
    logits = np.log(np.maximum(probabilities, 1e-12))

    def surprise(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        highest = scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled - highest).sum(axis=1)) + highest[:, 0]
        return float(np.mean(total - scaled[np.arange(len(modes)), modes]))

    found = minimize_scalar(surprise, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def calibrate(
    encoder: SceneEncoder, decoder: InteractionDecoder, groups: Sequence[Sequence[Place]], device: torch.device
) -> float:
    """Fit the temperature of `decoder`, in place, on samples it has not learned from; agents that move count.

    Args:
        encoder: Gives the embeddings.
        decoder: Has a buffer ``temperature`` by which it divides its logits.
        groups: Samples, as of `groups_of_epoch`.
        device: Where both are.

    Returns:
        The temperature.
    """
    encoder.eval()
    decoder.eval()
    decoder.temperature.fill_(1.0)
    probabilities, modes = [], []
    with torch.no_grad():
        for _, batch in ahead(groups, read_batch):
            found, right = _cases(encoder, decoder, to_tensors(batch, device))
            probabilities.append(found)
            modes.append(right)
    temperature = fit_temperature(np.concatenate(probabilities), np.concatenate(modes))
    decoder.temperature.fill_(temperature)
    return temperature


def _cases(
    encoder: SceneEncoder, decoder: InteractionDecoder, batch: TensorBatch
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mode probabilities of the moving agents of a batch ``[cases, K]``, and which mode came true ``[cases]``."""
    known: dict[str, Tensor] = {
        **vars(batch),
        "embeddings": encoder(*batch.encoder_inputs()),
        "plans": batch.plans[:, :1],
        "reacting": torch.zeros(1, dtype=torch.int64, device=batch.plans.device),
    }
    outputs = dict(zip(DECODER_SPEC.outputs, decoder(*(known[n] for n in DECODER_SPEC.inputs)), strict=True))
    truth, valid = batch.futures[:, 0], batch.valid[:, 0]
    moves = (truth.norm(dim=-1) * valid).amax(dim=-1) > STANDING
    moves[:, 0] = False  # the ego itself
    mode, _ = best_mode(outputs["positions"], truth, valid.float())
    return outputs["probabilities"][moves].double().cpu().numpy(), mode[moves].cpu().numpy()
