"""Parameters of prediction, declared once. In a file of their own: every node reads them, few need the rest."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.parameters import parameter

PRECISIONS = ("auto", "fp32", "fp16")


@dataclass(frozen=True)
class PredictionConfig:
    """Parameters of prediction."""

    model_dir: str = parameter("", "folder with the two ONNX files; empty for the ones shipped with the package")
    provider: str = parameter(
        "auto", "ONNX Runtime execution provider; auto takes the fastest that loads and says which",
        choices=("auto", "cuda", "tensorrt", "cpu"),
    )  # fmt: skip
    threads: int = parameter(
        0, "threads of the scene encoder; 0 for all physical cores but one, at most 4", low=0, high=64
    )
    precision: str = parameter(
        "auto", "of the scene encoder; auto: fp16 on a GPU if the model has such a file, else fp32", choices=PRECISIONS
    )
    cuda_graph: bool = parameter(
        False, "on CUDA, capture the runs of the network and repeat them as a whole (not measured yet)"
    )
    kept_scenes: int = parameter(5, "newest scenes that what-if questions may refer to", low=1, high=50)
    max_agents: int = parameter(
        64, "agents nearest to the ego that the network predicts; others are predicted by rule", low=1, high=1024
    )
    max_reacting: int = parameter(
        12, "agents that come nearest to the ego whose reaction is computed; others keep their future", low=1, high=512
    )
    affected_displacement: float = parameter(
        0.2, "an agent moved less than this by a plan counts as not affected", unit="m", low=0.0, high=5.0
    )
