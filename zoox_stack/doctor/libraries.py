"""Checks of Python libraries that need something of the system: ONNX Runtime, Open3D, OpenCV; of the shipped models."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from zoox_stack.doctor.finding import Finding, Status, fail, ok, warn
from zoox_stack.doctor.tiny_model import tiny_model

MODEL_FILES = ("scene_encoder.onnx", "interaction_decoder.onnx")
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_IMPORT_TIMEOUT = 120.0  # [s]
_SMALLEST_MODEL = 1024  # [bytes]; a Git LFS pointer is smaller
_APT_PACKAGES = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libX11.so.6": "libx11-6",
    "libgomp.so.1": "libgomp1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libstdc++.so.6": "libstdc++6",
}
Providers = Callable[[str], list[str]]


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check_onnxruntime(distributions: dict[str, str] | None = None) -> Finding:
    """One, and only one, ONNX Runtime is installed."""
    found = installed(("onnxruntime", "onnxruntime-gpu")) if distributions is None else distributions
    text = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
    if len(found) == 2:
        return fail(
            "ONNX Runtime",
            f"{text}: they overwrite each other's files",
            "pip uninstall -y onnxruntime onnxruntime-gpu; pip install onnxruntime-gpu",
        )
    if not found:
        return fail("ONNX Runtime", "not installed", "pip install onnxruntime-gpu (it runs without a GPU too)")
    return ok("ONNX Runtime", text)


def loaded_providers(wanted: str) -> list[str]:
    """Providers of a session that was asked for `wanted` and has really run a small model."""
    import numpy as np
    import onnxruntime

    if wanted != _CPU and hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a provider that does not load is our finding, not a message
    onnxruntime.set_default_logger_severity(4)
    chain = list(dict.fromkeys([wanted, _CPU]))
    session = onnxruntime.InferenceSession(tiny_model(), options, providers=chain)
    (result,) = session.run(None, {"x": np.array([1.5], np.float32)})
    if float(result[0]) != 3.0:
        raise RuntimeError(f"{wanted} computed 1.5 + 1.5 = {float(result[0])}")
    return list(session.get_providers())


def check_providers(
    available: list[str] | None = None, load: Providers = loaded_providers, *, has_gpu: bool | None = None
) -> list[Finding]:
    """The CPU provider runs; CUDA, where there is a GPU, really loads."""
    if available is None:
        import onnxruntime

        available = onnxruntime.get_available_providers()
    if has_gpu is None:
        has_gpu = Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia/version").exists()
    text = f"this build has {', '.join(name.removesuffix('ExecutionProvider') for name in available)}"
    reinstall = "pip install --force-reinstall onnxruntime-gpu"
    try:
        load(_CPU)
        findings = [ok("ONNX providers", text)]
    except Exception as error:  # noqa: BLE001  its exceptions share no other base class
        return [fail("ONNX providers", f"{text}; a model does not run on the CPU: {_one_line(error)}", reinstall)]
    remedy = "pip install 'onnxruntime-gpu[cuda,cudnn]' (CUDA 13, cuDNN 9) and a driver that supports CUDA 13"
    if not has_gpu:
        return [*findings, ok("CUDA", "no NVIDIA GPU here; models run on the CPU")]
    if _CUDA not in available:
        return [*findings, warn("CUDA", "a GPU is here, but this ONNX Runtime has no CUDA", remedy)]
    try:
        loaded = load(_CUDA)
    except Exception as error:  # noqa: BLE001  as above
        return [*findings, warn("CUDA", f"does not load: {_one_line(error)}", remedy)]
    if loaded[0] != _CUDA:
        return [*findings, warn("CUDA", f"asked for {_CUDA}, got {loaded[0]}: its libraries do not load", remedy)]
    return [*findings, ok("CUDA", "loads and computes")]


def check_models(folder: Path) -> Finding:
    """The shipped ONNX files are there."""
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        return fail(
            "Models",
            f"{', '.join(missing)} not in {folder}",
            "install the package again, or git checkout zoox_stack/models",
        )
    small = [name for name in MODEL_FILES if (folder / name).stat().st_size < _SMALLEST_MODEL]
    if small:
        return fail("Models", f"{', '.join(small)} in {folder} is no model but a pointer or cut off", "git lfs pull")
    sizes = ", ".join(f"{name} {(folder / name).stat().st_size / 1e6:.1f} MB" for name in MODEL_FILES)
    return ok("Models", sizes)


def import_error(module: str) -> tuple[str, str]:
    """Import a module in a process of its own; its version and the error, one of them empty."""
    script = f"import {module}; print(getattr({module}, '__version__', 'without version'))"
    command = [sys.executable, "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return "", f"import takes longer than {_IMPORT_TIMEOUT:.0f} s"
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1], ""
    lines = done.stderr.strip().splitlines()
    return "", lines[-1] if lines else f"ended with exit code {done.returncode}"


def check_import(
    label: str, module: str, distribution: str, probe: Callable[[str], tuple[str, str]] = import_error
) -> Finding:
    """A library with system dependencies can be imported."""
    version, error = probe(module)
    if not error:
        return ok(label, version)
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object", error)
    if library:
        package = _APT_PACKAGES.get(library[1])
        fix = f"sudo apt-get install {package}" if package else f"install {library[1]} (apt-file search {library[1]})"
        return fail(label, f"cannot be imported: the system lacks {library[1]}", fix)
    if f"No module named '{module}'" in error:
        return fail(label, "not installed", f"pip install {distribution}")
    return fail(label, f"cannot be imported: {error}", f"pip install --force-reinstall {distribution}")


def check_optional(
    label: str,
    distribution: str,
    extra: str,
    use: str,
    module: str,
    probe: Callable[[str], tuple[str, str]] = import_error,
) -> Finding:
    """A library of an extra: without it something does not work, and the rest does.

    Args:
        label: Of the finding.
        distribution: Name of the package.
        extra: Which brings it.
        use: What does not work without it.
        module: To import.
        probe: Imports it.
    """
    found = installed((distribution,))
    finding = check_import(label, module, f"'zoox_stack[{extra}]'", probe)
    if finding.status is Status.OK:
        return ok(label, found.get(distribution, finding.finding))
    if finding.finding == "not installed":
        return warn(label, f"not installed: no {use}", finding.fix)
    return finding


def check_opencv(
    distributions: dict[str, str] | None = None, probe: Callable[[str], tuple[str, str]] = import_error
) -> Finding:
    """OpenCV can be imported and there is only one."""
    names = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
    found = installed(names) if distributions is None else distributions
    if len(found) > 1:
        fix = f"pip uninstall -y {' '.join(sorted(found))}; pip install opencv-python"
        return warn("OpenCV", f"{', '.join(sorted(found))} overwrite each other's files", fix)
    return check_import("OpenCV", "cv2", "opencv-python", probe)


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())[:200]
