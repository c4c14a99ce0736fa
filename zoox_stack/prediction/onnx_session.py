"""An ONNX model with checked inputs and outputs on a known execution provider."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import OrtValue

from zoox_stack.core.errors import ModelError
from zoox_stack.prediction.cuda_graphs import CapturedRuns
from zoox_stack.prediction.kept_arrays import KeptOutputs
from zoox_stack.prediction.providers import CPU, CUDA, open_session, parse_provider

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
_MOST_BUFFERS = 128
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TensorSpec:
    """Type and shape of a tensor.

    Attributes:
        dtype: numpy name, for example ``float32``.
        shape: One length per axis, None for any length.
    """

    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        lengths = ", ".join("any" if n is None else str(n) for n in self.shape)
        return f"{self.dtype} [{lengths}]"

    def accepts(self, array: NDArray[Any]) -> bool:
        """True if `array` has this type and shape."""
        return (
            array.dtype == np.dtype(self.dtype)
            and array.ndim == len(self.shape)
            and all(want in (None, have) for want, have in zip(self.shape, array.shape, strict=True))
        )


@dataclass(frozen=True)
class ModelSpec:
    """What a model must take and give, by name."""

    inputs: Mapping[str, TensorSpec] = field(default_factory=dict)
    outputs: Mapping[str, TensorSpec] = field(default_factory=dict)


class Session:
    """A loaded model. Made by `make_session`.

    Attributes:
        path: The file.
        provider: Execution provider that runs it, as ONNX Runtime names it.
        note: Why ``auto`` did not take a GPU that is there; empty if nothing is to be said.
        inputs: Type and shape of each input as the file says.
        outputs: Likewise.
        metadata: The file's own properties, for example ``name``, ``run``, ``channels``.
    """

    def __init__(
        self,
        path: Path,
        session: Any,
        provider: str,
        note: str,
        spec: ModelSpec | None,
        *,
        captured: bool = False,
        keeps_outputs: bool = False,
        trouble_with: Callable[[Mapping[str, str]], str] | None = None,
    ) -> None:
        self.path, self.provider, self.note = path, provider, note
        self._session = session
        self.inputs = {node.name: self._tensor(node) for node in session.get_inputs()}
        self.outputs = {node.name: self._tensor(node) for node in session.get_outputs()}
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        trouble = "" if trouble_with is None else trouble_with(self.metadata)
        if trouble:
            raise ModelError(f"{path}: {trouble}. Train and export it again.")
        if spec is not None:
            self._check(spec)
        self._wanted = list(spec.outputs) if spec is not None and spec.outputs else list(self.outputs)
        self._buffers = None if provider == CPU else DeviceBuffers("cuda")
        self._captured = CapturedRuns(session, self._wanted) if captured else None
        self._kept = KeptOutputs() if keeps_outputs and provider == CPU else None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once.

        Args:
            inputs: An array for every input, of its type and shape.

        Returns:
            Outputs by name: those of the expected spec, all if there was none. Of a session that keeps its outputs they
            are valid until the next run.

        Raises:
            ModelError: An input is missing, unknown or of another type or shape, or the run failed.
        """
        if inputs.keys() != self.inputs.keys():
            raise ModelError(f"{self.path}: expected inputs {sorted(self.inputs)}, found {sorted(inputs)}.")
        arrays = {}
        for name, value in inputs.items():
            if not self.inputs[name].accepts(value):
                found = f"{value.dtype} {list(value.shape)}"
                raise ModelError(f"{self.path}: input {name}: expected {self.inputs[name]}, found {found}.")
            arrays[name] = np.ascontiguousarray(value)
        try:
            outputs = self._bound_run(arrays) if self._captured is None else self._captured.run(arrays)
        except Exception as error:  # its exceptions share no other base class
            text = " ".join(str(error).split())[:400]
            raise ModelError(f"{self.path}: the run failed on {self.provider}: {text}") from error
        return dict(zip(self._wanted, outputs, strict=True))

    def _bound_run(self, arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        binding = self._session.io_binding()  # points into the arrays
        for name, array in arrays.items():
            if self._buffers is None:
                binding.bind_cpu_input(name, array)
            else:
                binding.bind_ortvalue_input(name, self._buffers.put(name, array))
        kept = None if self._kept is None else self._kept.of(arrays)
        if kept is not None:
            for name, array in zip(self._wanted, kept, strict=True):
                binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
            self._session.run_with_iobinding(binding)
            return kept
        for name in self._wanted:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        found: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return found if self._kept is None else self._kept.keep(arrays, found)

    def warm_up(self, dynamic: int = 8, runs: int = 2) -> float:
        """Run on zeros so that the first real run is not slower than the rest; returns the last run's time [s].

        Args:
            dynamic: Length of the axes that may have any.
            runs: How often.
        """
        zeros = {
            name: np.zeros([dynamic if n is None else n for n in tensor.shape], tensor.dtype)
            for name, tensor in self.inputs.items()
        }
        took = 0.0
        for _ in range(runs):
            start = perf_counter()
            self.run(zeros)
            took = perf_counter() - start
        return took

    def _tensor(self, node: Any) -> TensorSpec:
        if node.type not in _DTYPES:
            raise ModelError(f"{self.path}: {node.name}: expected a tensor of numbers, found {node.type}.")
        return TensorSpec(_DTYPES[node.type], tuple(n if isinstance(n, int) and n >= 0 else None for n in node.shape))

    def _check(self, spec: ModelSpec) -> None:
        for side, expected, found in (("input", spec.inputs, self.inputs), ("output", spec.outputs, self.outputs)):
            missing = sorted(set(expected) - set(found))
            extra = sorted(set(found) - set(expected)) if side == "input" else []
            if missing or extra:
                raise ModelError(
                    f"{self.path}: expected {side}s {sorted(expected)}, found {sorted(found)}. "
                    "The file belongs to another model or version."
                )
            for name, want in expected.items():
                if not _compatible(want, found[name], is_input=side == "input"):
                    raise ModelError(f"{self.path}: {side} {name}: expected {want}, found {found[name]}.")


class DeviceBuffers:
    """Input buffers on a device, used again for inputs of equal name, type and shape.

    Args:
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._values: dict[tuple[str, str, tuple[int, ...]], OrtValue] = {}

    def __len__(self) -> int:
        return len(self._values)

    def put(self, name: str, array: NDArray[Any]) -> OrtValue:
        """Copy `array` (contiguous) to the device."""
        key = (name, array.dtype.str, array.shape)
        value = self._values.get(key)
        if value is None or array.size == 0:
            if len(self._values) >= _MOST_BUFFERS:
                self._values.clear()
            value = self._values[key] = OrtValue.ortvalue_from_numpy(array, self._device, 0)
        else:
            value.update_inplace(array)
        return value


def make_session(
    path: Path | str,
    provider: str = "auto",
    threads: int = 0,
    *,
    spec: ModelSpec | None = None,
    cuda_graph: bool = False,
    keeps_outputs: bool = False,
    trouble_with: Callable[[Mapping[str, str]], str] | None = None,
) -> Session:
    """Load an ONNX model.

    Args:
        path: The file.
        provider: ``auto``, ``cuda``, ``tensorrt`` or ``cpu``. ``auto`` takes CUDA where it loads, else the CPU;
            which one it took is in `Session.provider`, and a GPU that could not be used is named in a warning.
        threads: Threads per run on the CPU, 0 for `default_threads`.
        spec: Names, types and shapes that the model must have. An axis that the spec gives a length may be of any
            length in the file; an axis that must be free may not be fixed in the file.
        cuda_graph: On CUDA, capture runs and repeat them as a whole.
        keeps_outputs: On the CPU, runs with inputs of equal shapes write into the same output arrays: what a run gives
            is valid until the next one. Not for models whose outputs may have other shapes then.
        trouble_with: Tells from the file's properties why the model does not fit, empty if it does; asked before
            names, types and shapes are compared.

    Raises:
        ModelError: No such file, broken file, unknown opset, other names, types or shapes, or the provider asked for
            does not load. The text names what was expected and found, and what to do.
        ConfigurationError: Unknown provider name, a negative number of threads, or CUDA graphs without CUDA.
    """
    path = Path(path)
    opened = open_session(path, parse_provider(provider), threads, cuda_graph=cuda_graph)
    if opened.note:
        _log.warning("%s runs on %s: %s", path.name, opened.provider, opened.note)
    captured = cuda_graph and opened.provider == CUDA
    return Session(
        path, opened.session, opened.provider, opened.note, spec,
        captured=captured, keeps_outputs=keeps_outputs, trouble_with=trouble_with,
    )  # fmt: skip


def _compatible(want: TensorSpec, found: TensorSpec, *, is_input: bool) -> bool:
    if want.dtype != found.dtype or len(want.shape) != len(found.shape):
        return False
    for expected, have in zip(want.shape, found.shape, strict=True):
        if have is not None and have != expected and (expected is not None or is_input):
            return False
    return True
