"""The exported network: two ONNX files behind numpy arrays.

``scene_encoder.onnx`` (CNN and graph network) runs once per tick, ``interaction_decoder.onnx`` once per tick and once
per what-if question, on the embeddings the encoder made. ``scene_encoder.fp16.onnx``, where it was exported, is the
encoder in half precision for GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import ConfigurationError, ModelError
from zoox_stack.core.predictions import MODES, STEPS
from zoox_stack.prediction.channels import N_CHANNELS, RASTER_SIZE
from zoox_stack.prediction.config import PRECISIONS
from zoox_stack.prediction.features import (
    HISTORY_FEATURES,
    KNOTS,
    MAX_LANE_PIECES,
    PLAN_FEATURES,
    STATIC_FEATURES,
    NetworkInputs,
)
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.prediction.kept_arrays import PaddedArrays
from zoox_stack.prediction.lane_pieces import PIECE_FEATURES
from zoox_stack.prediction.model_channels import channel_trouble
from zoox_stack.prediction.onnx_session import ModelSpec, Session, TensorSpec, make_session
from zoox_stack.prediction.providers import CPU

EMBEDDING_SIZE = 128
ENCODER_FILE, DECODER_FILE = "scene_encoder.onnx", "interaction_decoder.onnx"
HALF_ENCODER_FILE = "scene_encoder.fp16.onnx"
BUCKETS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
SHIPPED_MODELS = Path(__file__).resolve().parents[1] / "models"
_NO_PLAN, _ONE_AGENT = np.zeros((1, KNOTS, PLAN_FEATURES), np.float32), np.zeros(1, np.int64)

_F = "float32"
ENCODER_SPEC = ModelSpec(
    inputs={
        "raster": TensorSpec("uint8", (1, N_CHANNELS, RASTER_SIZE, RASTER_SIZE)),
        "agent_history": TensorSpec(_F, (1, None, HISTORY_STEPS, HISTORY_FEATURES)),
        "agent_static": TensorSpec(_F, (1, None, STATIC_FEATURES)),
        "agent_pose": TensorSpec(_F, (1, None, 4)),
        "lane_features": TensorSpec(_F, (1, None, PIECE_FEATURES)),
        "lane_pose": TensorSpec(_F, (1, None, 4)),
        "agent_mask": TensorSpec(_F, (1, None)),
        "lane_mask": TensorSpec(_F, (1, None)),
    },
    outputs={"embeddings": TensorSpec(_F, (1, None, EMBEDDING_SIZE))},
)
DECODER_SPEC = ModelSpec(
    inputs={
        "embeddings": TensorSpec(_F, (1, None, EMBEDDING_SIZE)),
        "agent_pose": TensorSpec(_F, (1, None, 4)),
        "agent_velocity": TensorSpec(_F, (1, None, 2)),
        "plans": TensorSpec(_F, (1, None, KNOTS, PLAN_FEATURES)),
        "reacting": TensorSpec("int64", (None,)),
    },
    outputs={
        "positions": TensorSpec(_F, (1, None, MODES, STEPS, 2)),
        "covariances": TensorSpec(_F, (1, None, MODES, STEPS, 3)),
        "probabilities": TensorSpec(_F, (1, None, MODES)),
        "conditional": TensorSpec(_F, (1, None, None, MODES, STEPS, 2)),
    },
)


@dataclass(frozen=True, eq=False)
class Decoded:
    """Futures of N agents, each in its own frame now; P plans. Valid until the network decodes again.

    Attributes:
        positions: float32 ``[N, K, T, 2]`` [m], without a plan.
        conditional: float32 ``[P, N, K, T, 2]`` [m], under each plan; P is 0 if none was given.
        covariances: float32 ``[N, K, T, 3]`` xx, xy, yy [m^2].
        probabilities: float32 ``[N, K]``.
    """

    positions: NDArray[np.float32]
    conditional: NDArray[np.float32]
    covariances: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class PredictionNetwork:
    """Both ONNX files on one execution provider.

    Agents are padded to a few fixed numbers, `BUCKETS`. Each has arrays of its own for inputs and outputs, which all
    runs use again.

    Args:
        folder: Where the files are; None for the ones shipped with the package.
        provider: ``auto``, ``cuda``, ``tensorrt`` or ``cpu``.
        threads: Threads of the encoder, 0 for `default_threads`.
        precision: Of the encoder: ``fp32``, ``fp16``, or ``auto``, which is fp16 on a GPU where that file is there.
        cuda_graph: Capture runs on CUDA and repeat them as a whole.

    Raises:
        ModelError: A file is missing, broken, has other shapes, was trained on other channels, or the provider does
            not load.
        ConfigurationError: Unknown provider or precision.
    """

    def __init__(
        self,
        folder: Path | None = None,
        provider: str = "auto",
        threads: int = 0,
        precision: str = "auto",
        *,
        cuda_graph: bool = False,
    ) -> None:
        folder = SHIPPED_MODELS if folder is None else folder
        if precision not in PRECISIONS:
            raise ConfigurationError(f"precision: expected one of {', '.join(PRECISIONS)}, found {precision!r}")
        self._cuda_graph = cuda_graph
        self._padded = PaddedArrays()
        # Its operations are too small to share: a second thread costs more than it brings.
        self._decoder = self._open(folder / DECODER_FILE, provider, 1, DECODER_SPEC)
        half = folder / HALF_ENCODER_FILE
        if precision == "fp16" and not half.is_file():
            raise ModelError(
                f"{half}: expected the encoder in half precision, found no file. Export the run again with "
                "zoox-stack export, which writes it where parity holds, or ask for precision auto or fp32."
            )
        is_half = precision == "fp16" or (precision == "auto" and self._decoder.provider != CPU and half.is_file())
        self._precision = "fp16" if is_half else "fp32"
        self._encoder = self._open(half if is_half else folder / ENCODER_FILE, provider, threads, ENCODER_SPEC)
        names = [s.metadata.get("run", "") for s in (self._encoder, self._decoder)]
        if names[0] != names[1]:
            raise ModelError(
                f"models in {folder}: expected both files from one training run, found {names[0]!r} and {names[1]!r}. "
                "Export them again with zoox-stack export."
            )

    def _open(self, path: Path, provider: str, threads: int, spec: ModelSpec) -> Session:
        return make_session(
            path, provider, threads, spec=spec,
            cuda_graph=self._cuda_graph, keeps_outputs=True, trouble_with=channel_trouble,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """Name and version of the model."""
        return f"{self._encoder.metadata.get('name', 'unnamed')} {self._encoder.metadata.get('run', '')}".strip()

    @property
    def provider(self) -> str:
        """Execution provider that runs it."""
        return self._encoder.provider

    @property
    def precision(self) -> str:
        """Of the encoder, ``fp32`` or ``fp16``."""
        return self._precision

    def encode(self, raster: NDArray[np.uint8], inputs: NetworkInputs) -> NDArray[np.float32]:
        """Embeddings ``[N, 128]``, row 0 the ego; the caller's own."""
        n, m = len(inputs.agent_pose), len(inputs.lane_pose)
        agents, lanes, put = bucket(n - 1) + 1, max(MAX_LANE_PIECES, m), self._padded.put
        outputs = self._encoder.run(
            {
                "raster": raster[None],
                "agent_history": put("agent_history", inputs.agent_history, agents),
                "agent_static": put("agent_static", inputs.agent_static, agents),
                "agent_pose": put("agent_pose", inputs.agent_pose, agents),
                "lane_features": put("lane_features", inputs.lane_features, lanes),
                "lane_pose": put("lane_pose", inputs.lane_pose, lanes),
                "agent_mask": put("agent_mask", np.ones(n, np.float32), agents),
                "lane_mask": put("lane_mask", np.ones(m, np.float32), lanes),
            }
        )
        return np.array(outputs["embeddings"][0, :n])

    def decode(
        self,
        embeddings: NDArray[np.float32],
        pose: NDArray[np.float32],
        velocity: NDArray[np.float32],
        plans: NDArray[np.float32] | None = None,
    ) -> Decoded:
        """Futures of the agents with these embeddings ``[N, 128]``, without a plan and under `plans` ``[P, 16, 6]``.

        They are valid until the next call: what is to be kept has to be copied.
        """
        n = len(embeddings)
        size, put = bucket(n), self._padded.put
        if plans is None:  # the file wants at least one plan: one agent's reaction to it is worked out and dropped
            asked, reacting = _NO_PLAN, _ONE_AGENT
        else:
            asked, reacting = plans, np.arange(size)
        outputs = self._decoder.run(
            {
                "embeddings": put("embeddings", embeddings, size),
                "agent_pose": put("agent_pose", pose, size),
                "agent_velocity": put("agent_velocity", velocity, size),
                "plans": np.ascontiguousarray(asked[None], np.float32),
                "reacting": reacting,
            }
        )
        return Decoded(
            positions=outputs["positions"][0, :n],
            conditional=outputs["conditional"][0, : 0 if plans is None else None, :n],
            covariances=outputs["covariances"][0, :n],
            probabilities=outputs["probabilities"][0, :n],
        )


def bucket(count: int) -> int:
    """Smallest bucket that holds `count` rows."""
    for size in BUCKETS:
        if count <= size:
            return size
    return -(-count // BUCKETS[-1]) * BUCKETS[-1]
