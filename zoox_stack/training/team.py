"""The processes that learn together, as ``torchrun`` starts them; one alone otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn

from zoox_stack.core.errors import ConfigurationError

_PATIENCE = timedelta(hours=24)  # the others wait while the first prepares samples; torchrun ends all if one dies


@dataclass(frozen=True)
class Team:
    """This process among the others.

    Attributes:
        rank: Number of this process.
        size: How many there are.
        device: Of this process.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()

    def gathered(self, value: Any) -> list[Any]:
        """The values of all, in order of their numbers."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def any(self, value: bool) -> bool:
        """Whether it holds for one at least."""
        if self.size == 1:
            return value
        flag = torch.tensor([float(value)], device=self.device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag.item())

    def together(self, module: nn.Module) -> nn.Module:
        """The module, whose gradients are the means over all processes; every batch must use all of its weights."""
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(module)

    def level(self, module: nn.Module) -> None:
        """Give all processes the running statistics of the first: each has seen other scenes."""
        if self.size > 1:
            for buffer in module.buffers():
                distributed.broadcast(buffer, 0)


@contextmanager
def joined_team(device: str, threads: int) -> Iterator[Team]:
    """The team of this process while the context is open.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: Of PyTorch in this process, 0: one per core, shared by the processes.

    Raises:
        ConfigurationError: CUDA is asked for and there is none.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and not gpus:
        raise ConfigurationError(
            f"device: expected a GPU that PyTorch {torch.__version__} can use, found none. Install a driver and a "
            "build of PyTorch with CUDA, or ask for auto or cpu"
        )
    size, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    per_machine = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // per_machine))
    if device == "cpu" or not gpus:
        own, backend = torch.device("cpu"), "gloo"
    else:
        own, backend = torch.device("cuda", local % gpus), "nccl"
        torch.cuda.set_device(own)
    if size == 1:
        yield Team(0, 1, own)
        return
    distributed.init_process_group(backend, timeout=_PATIENCE, device_id=own if own.type == "cuda" else None)
    try:
        yield Team(distributed.get_rank(), size, own)
    finally:
        distributed.destroy_process_group()
