"""What of ROS 2 can be loaded here, as one line of JSON: ``python -m zoox_stack.ros.environment``.

A process of its own, because a missing library can end the process that asks for it. Read by `zoox_stack.doctor`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any


def probe() -> dict[str, Any]:
    """What loads.

    Returns:
        ``rclpy_path`` and ``rclpy_error``, one of them empty; ``rmw``, ``rmw_library``, ``rmw_error``: name and file of
        the middleware, or why it does not load; ``message_count`` and ``message_errors``: interfaces of this package
        that load, and errors of the others by name.
    """
    found: dict[str, Any] = {
        "rclpy_path": "", "rclpy_error": "", "rmw": "", "rmw_library": "", "rmw_error": "",
        "message_count": 0, "message_errors": {},
    }  # fmt: skip
    try:
        rclpy = importlib.import_module("rclpy")
    except (ImportError, OSError, RuntimeError) as error:
        return found | {"rclpy_error": _one_line(error)}
    found["rclpy_path"] = str(Path(str(rclpy.__file__)).parent)
    try:
        found["rmw"] = rclpy.get_rmw_implementation_identifier()
        found["rmw_library"] = _library(f"lib{found['rmw']}.so")
    except (RuntimeError, OSError) as error:
        found["rmw_error"] = _one_line(error)
        return found
    for kind in ("msg", "srv"):
        count, errors = _interfaces(kind)
        found["message_count"] += count
        found["message_errors"] |= errors
    return found


def _interfaces(kind: str) -> tuple[int, dict[str, str]]:
    """Load the C type support of every interface of a kind."""
    try:
        package = importlib.import_module(f"zoox_stack.{kind}")
    except ImportError:
        return 0, {}
    check_for_type_support = importlib.import_module("rclpy.type_support").check_for_type_support
    count, errors = 0, {}
    for module in pkgutil.iter_modules(package.__path__):
        name = "".join(word.capitalize() for word in module.name.split("_"))
        interface = getattr(package, name, None)
        if interface is None:
            errors[f"{kind}/{name}"] = f"not in zoox_stack.{kind}"
            continue
        try:
            check_for_type_support(interface)
        except Exception as error:  # noqa: BLE001  rosidl's errors share no other base class
            errors[f"{kind}/{name}"] = _one_line(error)
        else:
            count += 1
    return count, errors


def _library(name: str) -> str:
    """Path of a library that this process has loaded, empty if there is none."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")[2]
        if path.endswith(f"/{name}"):
            return f"/{path}"
    return ""


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())[:300]


if __name__ == "__main__":
    print(json.dumps(probe()))
    sys.exit(0)
