"""Rules that a tool keeps, so that nobody has to remember them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def banned_imports(code: str, path: str) -> list[str]:
    """What ruff's TID251 says about `code` if it stood in `path`."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--select", "TID251", "--output-format", "concise", "--no-cache"),
            *("--stdin-filename", str(ROOT / path), "-"),
        ],
        input=code,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if "TID251" in line]


@pytest.mark.parametrize(
    "code",
    [
        "import rclpy\n",
        "from rclpy.node import Node\n",
        "from std_msgs.msg import Header\n",
        "import sensor_msgs.msg\n",
        "from geometry_msgs import msg\n",
        "from builtin_interfaces.msg import Time\n",
        "from zoox_stack.msg import TrackedAgents\n",
        "from zoox_stack.srv import WhatIf\n",
        "import zoox_stack.msg\n",
        "def f():\n    import rclpy\n",
    ],
)
@pytest.mark.parametrize("folder", ["core", "perception", "prediction", "planning", "simulation", "logs", "evaluation"])
def test_ros_stays_out_of_the_algorithms(code: str, folder: str) -> None:
    assert banned_imports(code, f"zoox_stack/{folder}/module.py")


@pytest.mark.parametrize("folder", ["zoox_stack/ros", "zoox_stack/nodes", "test/ros", "test/launch"])
def test_ros_is_allowed_where_it_belongs(folder: str) -> None:
    assert not banned_imports("import rclpy\nfrom zoox_stack.msg import TrackedAgents\n", f"{folder}/module.py")


def test_every_message_package_that_we_depend_on_is_banned() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    banned = settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    wheels = (ROOT / "requirements" / "ros-jazzy.txt").read_text().splitlines()
    packages = {line.split("==")[0][len("ros-") :] for line in wheels if line.startswith("ros-")}
    packages = {name.replace("-", "_") for name in packages if name.endswith(("-msgs", "-srvs"))}
    assert packages
    assert packages <= set(banned)


def test_the_top_package_stays_empty() -> None:
    """rosidl installs its own zoox_stack/__init__.py in its place."""
    assert (ROOT / "zoox_stack" / "__init__.py").read_text() == ""
