"""Checks of ROS 2. ROS itself is imported by `zoox_stack.ros.environment`, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoox_stack.doctor.finding import Finding, fail, ok, warn

_DISTRIBUTION = "jazzy"
_PROBE_TIMEOUT = 120.0  # [s]
_GET_WHEELS = "pip install 'zoox_stack[ros]', or source a ROS 2 Jazzy: . /opt/ros/jazzy/setup.sh"
_OTHER_RMW = "unset RMW_IMPLEMENTATION (Fast DDS is the default), or install that middleware"
_RANGES = ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT")
_HIGHEST_DOMAIN, _HIGHEST_SAFE_DOMAIN = 232, 101  # above, ports meet Linux's ephemeral ones
_GUARD = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"  # set by the wheels when they have set LD_LIBRARY_PATH


def check_installation(environment: Mapping[str, str], prefix: Path = Path(sys.prefix)) -> Finding:
    """Which ROS 2 there is: a sourced one or wheels, not both."""
    sourced = [Path(p) for p in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    packages = "share/ament_index/resource_index/packages"
    places = [p for p in sourced if p != prefix and (p / packages / "rclpy").exists()]
    wheels = (prefix / packages / "rclpy").exists()
    distribution = environment.get("ROS_DISTRO", "")
    if places:
        text = f"ROS 2 {distribution or 'of unknown distribution'} sourced from {places[0]}"
        if distribution != _DISTRIBUTION:
            return fail("ROS 2", text, "source ROS 2 Jazzy: . /opt/ros/jazzy/setup.sh")
        if wheels:
            return warn(
                "ROS 2", f"{text}, and wheels in {prefix}", "use one of them: an environment without the extra [ros]"
            )
        return ok("ROS 2", text)
    if not wheels:
        return fail("ROS 2", "neither a sourced ROS 2 nor wheels", _GET_WHEELS)
    libraries = str(prefix / "lib")
    if environment.get(_GUARD) and libraries not in environment.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        return fail(
            "ROS 2",
            f"wheels in {prefix}, but LD_LIBRARY_PATH is that of another Python and lacks {libraries}",
            f"unset {_GUARD}",
        )
    return ok("ROS 2", f"Jazzy wheels in {prefix}")


def check_domain(environment: Mapping[str, str]) -> list[Finding]:
    """ROS_DOMAIN_ID and how far discovery reaches."""
    findings = []
    text = environment.get("ROS_DOMAIN_ID") or "0"
    if not text.isdigit() or int(text) > _HIGHEST_DOMAIN:
        findings.append(fail("Domain", f"ROS_DOMAIN_ID is {text!r}", "export ROS_DOMAIN_ID=0 (0 to 101)"))
    elif int(text) > _HIGHEST_SAFE_DOMAIN:
        findings.append(
            warn("Domain", f"ROS_DOMAIN_ID is {text}; its ports may be taken", "export ROS_DOMAIN_ID=0 (0 to 101)")
        )
    else:
        findings.append(ok("Domain", f"ROS_DOMAIN_ID is {text}"))
    reach = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or "SUBNET"
    if reach not in _RANGES:
        findings.append(
            fail("Discovery", f"ROS_AUTOMATIC_DISCOVERY_RANGE is {reach!r}", f"one of {', '.join(_RANGES)}")
        )
    elif reach == "OFF":
        fix = "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
        findings.append(fail("Discovery", "ROS_AUTOMATIC_DISCOVERY_RANGE is OFF: nodes do not find each other", fix))
    elif environment.get("ROS_LOCALHOST_ONLY") == "1":
        fix = "unset ROS_LOCALHOST_ONLY; export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
        findings.append(warn("Discovery", "ROS_LOCALHOST_ONLY is deprecated and wins over the discovery range", fix))
    else:
        findings.append(ok("Discovery", f"reaches {reach}"))
    return findings


def run_probe() -> dict[str, Any]:
    """What `zoox_stack.ros.environment` tells; ``{"crash": text}`` if it does not come to that."""
    command = [sys.executable, "-m", "zoox_stack.ros.environment"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return {"crash": f"did not answer within {_PROBE_TIMEOUT:.0f} s"}
    lines = done.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        error = done.stderr.strip().splitlines()
        return {"crash": f"exit code {done.returncode}: {error[-1] if error else 'no output'}"}
    return dict(answer)


def check_runtime(probe: Mapping[str, Any]) -> list[Finding]:
    """rclpy, the middleware and our messages load.

    Args:
        probe: Answer of `run_probe`.
    """
    if "RMW implementation" in probe.get("crash", ""):  # rcl ends the process
        return [fail("Middleware", probe["crash"], _OTHER_RMW)]
    if "crash" in probe:
        return [fail("rclpy", f"looking for it failed: {probe['crash']}", _GET_WHEELS)]
    if probe["rclpy_error"]:
        return [fail("rclpy", f"cannot be imported: {probe['rclpy_error']}", _GET_WHEELS)]
    findings = [ok("rclpy", str(probe["rclpy_path"]))]
    if probe["rmw_error"]:
        findings.append(fail("Middleware", probe["rmw_error"], _OTHER_RMW))
    else:
        findings.append(ok("Middleware", f"{probe['rmw']}, {probe['rmw_library'] or 'library not known'}"))
    errors = probe["message_errors"]
    if errors:
        name, error = next(iter(sorted(errors.items())))
        text = f"{len(errors)} of {probe['message_count'] + len(errors)} interfaces do not load, {name}: {error}"
        findings.append(fail("Messages", text, "pip install -e . (source tree: make venv), or colcon build and source"))
    elif not probe["message_count"]:
        fix = "pip install -e . (source tree: make venv), or colcon build and source"
        findings.append(fail("Messages", "zoox_stack's messages are not generated", fix))
    else:
        findings.append(ok("Messages", f"{probe['message_count']} interfaces of zoox_stack load"))
    return findings
