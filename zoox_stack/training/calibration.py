"""Matrix scaling of mode probabilities (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

Training spreads modes and their logits as a mixture; what is asked of the probabilities is how often each mode is the
nearest to what happens. One temperature cannot say that constant velocity is nearest more often than its logit says,
and other modes less often: a matrix of the logits can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor

from zoox_stack.prediction.network import DECODER_SPEC
from zoox_stack.training.learner import to_tensors
from zoox_stack.training.measures import STANDING, best_mode
from zoox_stack.training.model import InteractionDecoder, SceneEncoder
from zoox_stack.training.stream import Place, ahead, read_batch
from zoox_stack.training.tensor_batch import TensorBatch

LOWEST, HIGHEST = 0.05, 20.0  # of the temperature from which the matrix starts
STIFFNESS = 30.0  # cases' worth of surprise for a squared distance of 1 from one temperature: few cases change little


@dataclass(frozen=True, eq=False)
class Calibration:
    """What makes logits z, less their mean, into probabilities: softmax(`scaling` z + `offset`).

    Attributes:
        scaling: ``[K, K]``.
        offset: ``[K]``.
        surprise: Mean negative log probability of what came true, before and after [nats].
    """

    scaling: NDArray[np.float64]
    offset: NDArray[np.float64]
    surprise: tuple[float, float]


def fit_calibration(probabilities: NDArray[np.float64], modes: NDArray[np.int64]) -> Calibration:
    """The matrix and offsets by which the right modes become likeliest on the whole.

    Args:
        probabilities: ``[cases, K]`` not calibrated.
        modes: ``[cases]`` the right one of each.

    Returns:
        Near one temperature for all where there are few cases; without cases nothing is changed.
    """
    count, k = probabilities.shape
    if not count:
        return Calibration(np.eye(k), np.zeros(k), (np.nan, np.nan))
    logits = np.log(np.maximum(probabilities, 1e-12))
    logits -= logits.mean(axis=1, keepdims=True)
    right = np.eye(k)[modes]

    def likelihoods(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def surprise(scaled: NDArray[np.float64]) -> float:
        return -float(np.mean(np.log(np.maximum((likelihoods(scaled) * right).sum(axis=1), 1e-300))))

    found = minimize_scalar(
        lambda log_temperature: surprise(logits / np.exp(log_temperature)),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
    )
    first = np.concatenate([np.eye(k) * np.exp(-found.x), np.zeros((1, k))])
    seen = np.column_stack([logits, np.ones(count)])  # [cases, K + 1]

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        change = flat.reshape(k + 1, k) - first
        scaled = seen @ (first + change)
        slope = seen.T @ (likelihoods(scaled) - right) + 2.0 * STIFFNESS * change
        total = surprise(scaled) * count + STIFFNESS * float(np.square(change).sum())
        return total / count, slope.ravel() / count

    best = minimize(cost, first.ravel(), jac=True, method="L-BFGS-B").x.reshape(k + 1, k)
    return Calibration(best[:k].T, best[k], (surprise(logits), surprise(seen @ best)))


def calibrate(
    encoder: SceneEncoder, decoder: InteractionDecoder, groups: Sequence[Sequence[Place]], device: torch.device
) -> Calibration:
    """Calibrate `decoder`, in place, on samples it has not learned from; agents that move count.

    Args:
        encoder: Gives the embeddings.
        decoder: Has the buffers ``scaling`` and ``offset`` of a `Calibration`.
        groups: Samples, as of `groups_of_epoch`.
        device: Where both are.
    """
    encoder.eval()
    decoder.eval()
    _set(decoder, np.eye(len(decoder.offset)), np.zeros(len(decoder.offset)))
    probabilities, modes = [], []
    with torch.no_grad():
        for _, batch in ahead(groups, read_batch):
            found, right = _cases(encoder, decoder, to_tensors(batch, device))
            probabilities.append(found)
            modes.append(right)
    calibration = fit_calibration(np.concatenate(probabilities), np.concatenate(modes))
    _set(decoder, calibration.scaling, calibration.offset)
    return calibration


def _set(decoder: InteractionDecoder, scaling: NDArray[np.float64], offset: NDArray[np.float64]) -> None:
    decoder.scaling.copy_(torch.from_numpy(scaling))
    decoder.offset.copy_(torch.from_numpy(offset))


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
