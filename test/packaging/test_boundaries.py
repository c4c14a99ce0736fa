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
@pytest.mark.parametrize(
    "folder",
    ["core", "perception", "prediction", "planning", "simulation", "logs", "evaluation", "supervisor"],
)
def test_ros_stays_out_of_the_algorithms(code: str, folder: str) -> None:
    assert banned_imports(code, f"zoox_stack/{folder}/module.py")


@pytest.mark.parametrize("folder", ["zoox_stack/ros", "zoox_stack/nodes", "test/ros", "test/launch"])
def test_ros_is_allowed_where_it_belongs(folder: str) -> None:
    assert not banned_imports("import rclpy\nfrom zoox_stack.msg import TrackedAgents\n", f"{folder}/module.py")


@pytest.mark.parametrize("package", ["planning", "prediction", "perception", "simulation", "nodes", "ros"])
def test_the_supervisor_stands_alone(package: str) -> None:
    code = f"from zoox_stack.{package}.module import thing\n"
    assert banned_imports(code, "zoox_stack/supervisor/module.py")
    assert not banned_imports(code, "zoox_stack/nodes/module.py")


def test_the_supervisor_may_use_core_and_map() -> None:
    code = "from zoox_stack.core.agents import EgoState\nfrom zoox_stack.road_network.queries import LaneIndex\n"
    assert not banned_imports(code, "zoox_stack/supervisor/module.py")


def test_the_list_of_the_supervisor_holds_that_of_all_and_every_other_package() -> None:
    everywhere = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    own = tomllib.loads((ROOT / "zoox_stack" / "supervisor" / "ruff.toml").read_text())["lint"]
    key = ("flake8-tidy-imports", "banned-api")
    banned = own[key[0]][key[1]]
    assert everywhere[key[0]][key[1]].items() <= banned.items()
    packages = {file.parent.name for file in (ROOT / "zoox_stack").glob("*/__init__.py")}
    others = packages - {"core", "road_network", "supervisor", "msg", "srv"}
    assert {f"zoox_stack.{name}" for name in others} <= set(banned)


def test_the_supervisor_loads_nothing_else() -> None:
    """Also not by way of what it imports; the library ad-rss, which may be absent, is stood in for."""
    code = (
        "import importlib, pathlib, sys, unittest.mock\n"
        "sys.modules['ad_rss'] = unittest.mock.MagicMock()\n"
        "import zoox_stack.supervisor as package\n"
        "for file in pathlib.Path(package.__path__[0]).glob('*.py'):\n"
        "    importlib.import_module(f'zoox_stack.supervisor.{file.stem}')\n"
        "print(*sorted({'.'.join(n.split('.')[:2]) for n in sys.modules if n.startswith('zoox_stack.')}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["zoox_stack.core", "zoox_stack.road_network", "zoox_stack.supervisor"]


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
