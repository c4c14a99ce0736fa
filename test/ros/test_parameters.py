"""Parameters on real nodes: declared, checked, documented, and equal to the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2")

import rclpy
from rclpy.exceptions import ParameterImmutableException
from rclpy.node import Node
from rclpy.parameter import Parameter

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import build, describe, parameter
from zoox_stack.nodes.configs import CONFIGS
from zoox_stack.ros.parameters import load_parameters, yaml_text

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Config:
    """Made up."""

    gain: float = parameter(0.5, "How much", unit="m", low=0.0, high=2.0)
    count: int = parameter(3, "How many", low=1)
    name: str = parameter("a", "Which", choices=("a", "b"))
    on: bool = parameter(True, "Whether")
    ranges: tuple[float, ...] = parameter((1.0, 2.0), "Where", unit="m")


@pytest.fixture
def context() -> Iterator[rclpy.Context]:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    yield context
    context.try_shutdown()


def make(context: rclpy.Context, **overrides: Any) -> Node:
    return Node(
        "made_up",
        context=context,
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
        start_parameter_services=False,
    )


def test_defaults_are_declared_read_only_with_range_and_unit(context: rclpy.Context) -> None:
    node = make(context)
    assert load_parameters(node, Config) == Config()
    gain = node.describe_parameter("gain")
    assert gain.read_only
    assert gain.description == "How much [m]"
    assert (gain.floating_point_range[0].from_value, gain.floating_point_range[0].to_value) == (0.0, 2.0)
    assert node.describe_parameter("count").integer_range[0].from_value == 1
    assert "a, b" in node.describe_parameter("name").additional_constraints
    assert list(node.get_parameter("ranges").value) == [1.0, 2.0]
    with pytest.raises(ParameterImmutableException):
        node.undeclare_parameter("gain")
    assert not node.set_parameters([Parameter("gain", value=1.0)])[0].successful


def test_overrides_win_and_whole_numbers_pass_for_real_ones(context: rclpy.Context) -> None:
    node = make(context, gain=1, name="b", ranges=[3.0], use_sim_time=True)
    assert load_parameters(node, Config) == Config(gain=1.0, name="b", ranges=(3.0,))
    assert node.get_parameter("gain").value == 1.0


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"gian": 1.0}, "did you mean gain"),
        ({"gain": 2.5}, "made_up.gain: expected 0.0"),
        ({"gain": float("nan")}, "finite"),
        ({"count": 0}, "count"),
        ({"count": 1.5}, "expected int"),
        ({"name": "c"}, "one of a, b"),
        ({"on": "yes"}, "expected bool"),
    ],
)
def test_wrong_overrides_are_errors(context: rclpy.Context, overrides: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_parameters(make(context, **overrides), Config)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_files_equal_the_dataclasses(name: str) -> None:
    text = (ROOT / "config" / f"{name}.yaml").read_text()
    assert text == yaml_text(name, CONFIGS[name]), "run: python -m zoox_stack.ros.parameters --write config"
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert set(values) == {info.name for info in describe(CONFIGS[name])}
    assert build(CONFIGS[name], values, name) == CONFIGS[name]()


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_ros_reads_the_files(name: str) -> None:
    context = rclpy.Context()
    arguments = ["--ros-args", "--params-file", str(ROOT / "config" / f"{name}.yaml")]
    rclpy.init(args=arguments, context=context)
    try:
        node = Node(name, context=context, start_parameter_services=False)
        assert load_parameters(node, CONFIGS[name]) == CONFIGS[name]()
    finally:
        context.try_shutdown()
