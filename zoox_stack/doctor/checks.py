"""All checks, in the order they are shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from zoox_stack.doctor import libraries, ros, system
from zoox_stack.doctor.finding import Finding, fail

Check = Callable[[], Finding | Iterable[Finding]]
_MODELS = Path(__file__).resolve().parents[1] / "models"

CHECKS: dict[str, Check] = {
    "Python": system.check_python,
    "ROS 2": lambda: ros.check_installation(os.environ),
    "rclpy": lambda: ros.check_runtime(ros.run_probe()),
    "Domain": lambda: ros.check_domain(os.environ),
    "ONNX Runtime": libraries.check_onnxruntime,
    "ONNX providers": libraries.check_providers,
    "Models": lambda: libraries.check_models(_MODELS),
    "Open3D": lambda: libraries.check_import("Open3D", "open3d", "open3d-cpu"),
    "OpenCV": libraries.check_opencv,
    "SUMO": lambda: libraries.check_optional("SUMO", "libsumo", "simulation", "demo and no simulation", "libsumo"),
    "Lanelet2": lambda: libraries.check_optional("Lanelet2", "lanelet2", "maps", "Lanelet2 maps", "lanelet2"),
    "Processor": system.check_processor,
    "Disk": lambda: system.check_disk(Path.cwd()),
    "Shared memory": system.check_shared_memory,
    "Socket buffers": system.check_socket_buffers,
    "Network": system.check_network,
    "Clock": system.check_clock,
}


def run_checks(checks: dict[str, Check] | None = None) -> Iterator[Finding]:
    """Run checks one after the other. One that breaks is itself a finding; the others go on."""
    for name, check in (CHECKS if checks is None else checks).items():
        try:
            found = check()
        except Exception as error:  # noqa: BLE001  a diagnosis must not end at the first surprise
            text = f"this check broke: {type(error).__name__}: {error}"
            yield fail(name, text, "please report it with the output of `zoox-stack doctor --json`")
            continue
        yield from (found,) if isinstance(found, Finding) else found
