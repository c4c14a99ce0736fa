"""A C++ package uses the messages through find_package(zoox_stack)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow_build

CMAKE = """
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C CXX)
find_package(zoox_stack REQUIRED)
add_executable(consumer consumer.cpp)
target_link_libraries(consumer ${zoox_stack_TARGETS})
"""

PROGRAM = """
#include <iostream>
#include <rosidl_typesupport_cpp/message_type_support.hpp>
#include <zoox_stack/msg/tracked_agents.hpp>
int main() {
  zoox_stack::msg::TrackedAgents scene;
  scene.agents.resize(3);
  const auto * type = rosidl_typesupport_cpp::get_message_type_support_handle<zoox_stack::msg::TrackedAgents>();
  std::cout << scene.agents.size() << " " << rosidl_generator_traits::name<zoox_stack::msg::TrackedAgents>() << "\\n";
  return type == nullptr;
}
"""


@pytest.mark.parametrize("door", ["colcon_door", "pip_door"])
def test_ten_lines_of_cpp(door: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    opened: Any = request.getfixturevalue(door)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    (tmp_path / "consumer.cpp").write_text(PROGRAM)
    # Where ROS 2 comes from wheels, the interpreter's prefix is the ROS 2 installation. Nobody sources a setup file for
    # it, so a C++ build names it; and the libraries that the wheels brought along lie in folders of their own.
    prefix = Path(sys.prefix) if door == "colcon_door" else opened.prefix
    libraries = [opened.prefix / "lib", prefix / "lib", *prefix.glob("lib/python*/site-packages/ros_*.libs")]
    environment = dict(opened.environment)
    for name, folders in (
        ("PATH", [prefix / "bin"]),
        ("AMENT_PREFIX_PATH", [opened.prefix, prefix]),
        ("CMAKE_PREFIX_PATH", [opened.prefix, prefix]),
        ("LD_LIBRARY_PATH", libraries),
    ):
        environment[name] = os.pathsep.join([*map(str, folders), environment.get(name, "")])
    for command in (["cmake", "-S", ".", "-B", "build"], ["cmake", "--build", "build"], ["build/consumer"]):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["3", "zoox_stack/msg/TrackedAgents"]
