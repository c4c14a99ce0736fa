"""What can be chosen about training, declared once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from zoox_stack.core.parameters import parameter

# What may differ between a run and the one it goes on from: not what is learned, only how fast, or for how long.
FREE = ("epochs", "patience", "minutes", "jobs", "threads")


@dataclass(frozen=True)
class TrainConfig:
    """Parameters of training."""

    epochs: int = parameter(12, "passes over the training scenes", low=1, high=10_000)
    batch: int = parameter(8, "scenes per step, of each process", low=1, high=1024)
    rate: float = parameter(1.5e-3, "highest learning rate", low=1e-8, high=1.0)
    decay: float = parameter(1e-2, "weight decay", low=0.0, high=1.0)
    seed: int = parameter(0, "of the split, the views, the noise, the first weights and the order", low=0, high=2**31)
    every: float = parameter(1.0, "time between the scenes of a bag", unit="s", low=0.1, high=60.0)
    views: int = parameter(2, "other vehicles from which a scene of a bag is seen too", low=0, high=16)
    val_share: float = parameter(0.1, "of each source's bags or parts kept for validation", low=0.01, high=0.5)
    without: str = parameter(
        "nothing", "part to leave out, to see what it is worth", choices=("nothing", "graph", "map", "counterfactuals")
    )
    patience: int = parameter(0, "epochs without a better `watch` after which to stop; 0: never", low=0, high=10_000)
    watch: str = parameter("loss", "measure of the validation scenes that says which epoch is best: the lowest")
    minutes: float = parameter(
        0.0, "stop after so long, to go on with --resume; 0: never", unit="min", low=0.0, high=1e6
    )
    precision: str = parameter(
        "auto",
        "of the encoder; auto: bf16 or fp16 on a GPU, else fp32",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    device: str = parameter("auto", "auto takes the GPU where there is one", choices=("auto", "cpu", "cuda"))
    jobs: int = parameter(0, "processes that prepare samples; 0: one per core", low=0, high=512)
    threads: int = parameter(0, "threads of PyTorch; 0: one per core", low=0, high=512)


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What two configurations, as dictionaries, teach differently."""
    names = [field.name for field in fields(TrainConfig) if field.name not in FREE]
    return [f"{n} {one.get(n)!r} and {other.get(n)!r}" for n in names if one.get(n) != other.get(n)]
