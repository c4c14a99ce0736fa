"""Execution providers of ONNX Runtime: which one is asked for, which one really loads, and what to do if it does not.

ONNX Runtime falls back to the CPU without an error where CUDA, cuDNN or TensorRT do not load. Here an explicit wish
that is not fulfilled is an error; only ``auto`` may take the CPU, and says so.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime

from zoox_stack.core.errors import ConfigurationError, ModelError

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"


class Provider(StrEnum):
    """What may be asked for."""

    AUTO = "auto"  # CUDA where it loads, else the CPU; TensorRT only on request, it builds engines for minutes
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


_SMALL = 2_000_000  # [bytes] models up to this size do not use memory of theirs again within a run
_CHAINS = {Provider.CPU: [CPU], Provider.CUDA: [CUDA, CPU], Provider.TENSORRT: [TENSORRT, CUDA, CPU]}
_REMEDIES = {
    CUDA: (
        "Install CUDA 13 and cuDNN 9 (pip install 'onnxruntime-gpu[cuda,cudnn]') and an NVIDIA driver that supports "
        "them, not `onnxruntime` beside `onnxruntime-gpu`; or ask for provider auto or cpu. `zoox-stack doctor` shows "
        "what is missing."
    ),
    TENSORRT: "Install TensorRT 10 with its libraries on LD_LIBRARY_PATH, or ask for provider cuda, auto or cpu.",
}


@dataclass(frozen=True)
class Opened:
    """An ONNX Runtime session and how it came about.

    Attributes:
        session: The session.
        provider: First provider that loaded, for example ``CPUExecutionProvider``.
        note: Why ``auto`` did not take the GPU; empty if nothing is to be said.
    """

    session: Any
    provider: str
    note: str = ""


def parse_provider(name: str) -> Provider:
    """The provider called `name`; ConfigurationError if there is none."""
    try:
        return Provider(name.lower())
    except ValueError:
        known = ", ".join(Provider)
        raise ConfigurationError(f"provider: expected one of {known}, found {name!r}") from None


def has_nvidia_device() -> bool:
    """True if the kernel shows an NVIDIA device."""
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()


@cache
def physical_cores() -> int:
    """Physical cores this process may run on."""
    usable = os.sched_getaffinity(0)
    cores = set()
    for cpu in usable:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            package, core = (topology / name for name in ("physical_package_id", "core_id"))
            cores.add((package.read_text().strip(), core.read_text().strip()))
        except OSError:
            cores.add(("cpu", str(cpu)))
    return max(1, len(cores))


def default_threads() -> int:
    """All physical cores but one, which the other nodes need meanwhile; at most 4, more bring nothing here."""
    return max(1, min(4, physical_cores() - 1))


def session_options(threads: int) -> Any:
    """Options for one run at a time on `threads` threads (0: `default_threads`).

    Threads spin while a run waits but not between runs: the other processes of the stack need the cores then.
    Kernels are the deterministic ones. Equal inputs give equal bits on the same machine with the same version,
    provider and number of threads; across these, results differ by rounding.
    """
    if threads < 0:
        raise ConfigurationError(f"threads: expected 0 (chosen by the machine) or more, found {threads}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or default_threads()
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4  # failures come as exceptions
    return options


def open_session(path: Path, provider: Provider, threads: int, *, cuda_graph: bool = False) -> Opened:
    """Open a model on the provider asked for; on CUDA so that it can capture runs, with `cuda_graph`.

    Raises:
        ModelError: The provider does not load, or the file is not a model that this ONNX Runtime can run so.
        ConfigurationError: CUDA graphs are asked for on another provider than CUDA.
    """
    if cuda_graph and provider not in (Provider.CUDA, Provider.AUTO):
        raise ConfigurationError(f"cuda_graph: expected provider cuda or auto, found {provider}")
    if provider is not Provider.AUTO:
        return _open(path, provider, threads, cuda_graph)
    if not has_nvidia_device():
        note = "no CUDA graphs without an NVIDIA device" if cuda_graph else ""
        return Opened(*_pair(_open(path, Provider.CPU, threads)), note)
    if CUDA not in onnxruntime.get_available_providers():
        note = "an NVIDIA device is there but this onnxruntime has no CUDA; install onnxruntime-gpu"
        return Opened(*_pair(_open(path, Provider.CPU, threads)), note)
    session = _create(path, _CHAINS[Provider.CUDA], threads, cuda_graph)
    taken = str(session.get_providers()[0])
    note = "" if taken == CUDA else f"an NVIDIA device is there but CUDA did not load. {_REMEDIES[CUDA]}"
    return Opened(session, taken, note)


def _pair(opened: Opened) -> tuple[Any, str]:
    return opened.session, opened.provider


def _open(path: Path, provider: Provider, threads: int, cuda_graph: bool = False) -> Opened:
    chain = _CHAINS[provider]
    wanted, available = chain[0], onnxruntime.get_available_providers()
    if wanted not in available:
        found = ", ".join(available)
        raise ModelError(
            f"{path}: expected provider {wanted}, found {found} in this build. {_REMEDIES.get(wanted, '')}"
        )
    session = _create(path, [name for name in chain if name in available], threads, cuda_graph)
    taken = str(session.get_providers()[0])
    if taken != wanted:
        raise ModelError(f"{path}: expected provider {wanted}, found {taken} after loading. {_REMEDIES[wanted]}")
    return Opened(session, taken)


def _create(path: Path, chain: list[str], threads: int, cuda_graph: bool = False) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: expected an ONNX file, found none. Check model_dir, or train and export a model.")
    severity = 4 if chain[0] != CPU else 3  # the loader's own complaints about CUDA; ours is clearer
    onnxruntime.set_default_logger_severity(severity)
    try:
        if CUDA in chain and has_nvidia_device() and hasattr(onnxruntime, "preload_dlls"):
            with contextlib.redirect_stdout(io.StringIO()):
                onnxruntime.preload_dlls()
        options = session_options(threads)
        # Planning which memory to use again takes seconds for the thousands of small operations of the decoder.
        options.enable_mem_reuse = path.stat().st_size > _SMALL
        captures = {"enable_cuda_graph": "1"} if cuda_graph else {}
        providers = [(name, captures if name == CUDA else {}) for name in chain]
        # Fall-back of the Python wrapper is off: it prints and retries on the CPU.
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except (ConfigurationError, MemoryError):
        raise
    except Exception as error:  # its exceptions share no other base class
        raise ModelError(f"{path}: {_explain(error, chain[0])}") from error
    finally:
        onnxruntime.set_default_logger_severity(2)


def _explain(error: Exception, wanted: str) -> str:
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if kind == "InvalidProtobuf":
        return "expected an ONNX model, found a broken or truncated file. Copy or export it again"
    newest = re.search(r"till opset (\d+)", text)
    if newest:
        return (
            f"expected opset {newest[1]} or older for ONNX Runtime {onnxruntime.__version__}, found a newer one. "
            "Export with an older opset or update onnxruntime"
        )
    if wanted in (CUDA, TENSORRT) and ("librar" in text.lower() or "RegisterTensorRT" in text):
        return f"expected provider {wanted}, found that it does not load ({text[:200]}). {_REMEDIES[wanted]}"
    return f"expected a model that ONNX Runtime {onnxruntime.__version__} can run, found {kind}: {text[:400]}"
