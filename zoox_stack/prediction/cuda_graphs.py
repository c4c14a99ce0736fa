"""Runs of a model as CUDA graphs: captured once for inputs of equal shapes, afterwards launched as a whole.

A captured run reads and writes where it did when it was captured, so every set of shapes has inputs and outputs of its
own on the device. The network pads agents to a few fixed numbers: few graphs serve all scenes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import OrtValue, RunOptions

_MOST_GRAPHS = 64  # for more sets of shapes it is not worth the memory: these run as usual
_NOT_CAPTURED = -1


@dataclass(frozen=True, eq=False)
class _Graph:
    """Where the run of one set of shapes reads and writes."""

    binding: Any
    options: Any
    inputs: dict[str, OrtValue]
    outputs: list[OrtValue]


class CapturedRuns:
    """Runs of one session.

    Args:
        session: Of ONNX Runtime, made with CUDA graphs enabled.
        outputs: Names of those wanted.
        device: ``cuda``; on ``cpu`` the same is done without capturing anything.
    """

    def __init__(self, session: Any, outputs: Sequence[str], device: str = "cuda") -> None:
        self._session, self._names, self._device = session, list(outputs), device
        self._graphs: dict[tuple[tuple[int, ...], ...], _Graph] = {}

    def __len__(self) -> int:
        return len(self._graphs)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs for contiguous inputs, in the order of the names."""
        shapes = tuple(array.shape for array in inputs.values())
        graph = self._graphs.get(shapes)
        if graph is None:
            return self._first(shapes, inputs)
        for name, array in inputs.items():
            if array.size:
                graph.inputs[name].update_inplace(array)
        self._session.run_with_iobinding(graph.binding, graph.options)
        return [np.array(value.numpy()) for value in graph.outputs]  # copies: the next run writes to the same place

    def _first(self, shapes: tuple[tuple[int, ...], ...], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """An ordinary run, which tells the shapes of the outputs."""
        # Copies: on the CPU a value is the array it was made from.
        values = {name: OrtValue.ortvalue_from_numpy(array.copy(), self._device, 0) for name, array in inputs.items()}
        binding = self._session.io_binding()
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._names:
            binding.bind_output(name, self._device)
        self._session.run_with_iobinding(binding, _options(_NOT_CAPTURED))
        found = [np.array(value.numpy()) for value in binding.get_outputs()]
        if len(self._graphs) < _MOST_GRAPHS:
            outputs = [OrtValue.ortvalue_from_numpy(array.copy(), self._device, 0) for array in found]
            fixed = self._session.io_binding()
            for name, value in values.items():
                fixed.bind_ortvalue_input(name, value)
            for name, value in zip(self._names, outputs, strict=True):
                fixed.bind_ortvalue_output(name, value)
            self._graphs[shapes] = _Graph(fixed, _options(len(self._graphs) + 1), values, outputs)
        return found


def _options(number: int) -> Any:
    options = RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(number))
    return options
