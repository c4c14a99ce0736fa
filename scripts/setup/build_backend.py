"""PEP 517 backend: setuptools, plus what CMakeLists.txt needs in the build environment.

pip asks it what to install before it builds. A ROS 2 that is sourced is used as it is; otherwise the ROS 2 wheels of
requirements/ros-jazzy.txt are asked for, so that one plain `pip install .[ros]` in an empty environment is enough.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

sys.path.insert(0, str(Path(__file__).resolve().parent))
import ros

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def _build_requirements() -> list[str]:
    if os.environ.get("ZOOX_STACK_WITHOUT_MESSAGES"):
        return []
    numpy = [line for line in ros.requirements("core") if line.startswith("numpy==")]
    if ros.is_sourced():
        wanted = ros.PYTHON_PACKAGES_OF_SOURCED_ROS + numpy
    else:
        wanted = ros.requirements("ros-jazzy", only_build=True) + numpy
    if shutil.which("cmake") is None:
        wanted.append("cmake>=3.22,<4")
    return wanted


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What pip installs before build_wheel."""
    return build_meta.get_requires_for_build_wheel(config_settings) + _build_requirements()


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """What pip installs before build_editable."""
    return build_meta.get_requires_for_build_editable(config_settings) + _build_requirements()
