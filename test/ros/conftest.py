"""Without ROS 2 nothing in here can run."""

from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("rclpy") is None:
    pytest.skip("needs ROS 2: pip install .[ros], or source a ROS 2 Jazzy", allow_module_level=True)
