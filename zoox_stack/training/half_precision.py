"""The scene encoder in half precision, for GPUs: converted from the exported one, and kept only if it says the same."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from zoox_stack.prediction.network import DECODER_SPEC, ENCODER_SPEC
from zoox_stack.prediction.onnx_session import Session, make_session

HALF_PARITY = 2e-2  # largest allowed difference of a future over 1 + its distance from now, or of a probability
_COMPARED = ("positions", "conditional", "probabilities")

Case = tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]


def write_half(whole: Path, half: Path) -> None:
    """Convert the weights and the arithmetic of a model to half precision; inputs and outputs keep their types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about every number too small to keep; what is predicted from them is compared
        model = OnnxModel(convert_float_to_float16(onnx.load(str(whole)), keep_io_types=True))
    model.topological_sort()
    onnx.checker.check_model(model.model)
    onnx.save(model.model, str(half))


def half_difference(whole: Path, half: Path, decoder: Path, cases: Sequence[Case], provider: str = "cpu") -> float:
    """Largest difference of what is predicted from either encoder, relative to 1 + the value.

    Args:
        whole: The encoder in full precision.
        half: In half precision. On the CPU it is computed in full precision from the rounded weights and results.
        decoder: The decoder.
        cases: Inputs of encoder and decoder; the decoder gets the embeddings of either encoder instead of its own.
        provider: ``cpu`` or ``cuda``.
    """
    sessions = [make_session(path, provider, 0, spec=ENCODER_SPEC) for path in (whole, half)]
    last = make_session(decoder, provider, 0, spec=DECODER_SPEC)
    return max((_difference(sessions, last, case) for case in cases), default=0.0)


def _difference(encoders: Sequence[Session], decoder: Session, case: Case) -> float:
    scene, question = case
    one, other = (decoder.run({**question, "embeddings": e.run(scene)["embeddings"]}) for e in encoders)
    worst = 0.0
    for name in _COMPARED:
        gap = np.abs(other[name] - one[name]) / (1.0 + np.abs(one[name]))
        worst = max(worst, float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0)))
    return worst
