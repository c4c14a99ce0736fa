"""ROS parameters from one frozen dataclass: declared, checked, documented, and written to ``config/*.yaml``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from zoox_stack.core.parameters import ParameterInfo, build, describe

T = TypeVar("T")

_FLOAT_LIMIT = sys.float_info.max
_INT_LIMIT = 2**63 - 1
# Declared by rclpy itself.
_FOREIGN_NAMES = ("use_sim_time", "start_type_description_service")
_FOREIGN_PREFIXES = ("qos_overrides.",)


def load_parameters(node: Node, config: type[T]) -> T:
    """Declare every parameter of `config` on the node (read-only) and return the checked values.

    Raises:
        ConfigurationError: A value from the command line or a file is misspelt, of the wrong type or out of range.
    """
    given = {name: _plain(parameter.value) for name, parameter in node._parameter_overrides.items()}  # noqa: SLF001 - no public way
    ours = {
        name: value
        for name, value in given.items()
        if name not in _FOREIGN_NAMES and not name.startswith(_FOREIGN_PREFIXES)
    }
    values = build(config, ours, node.get_name())
    for info in describe(config):
        value = getattr(values, info.name)
        node.declare_parameter(
            info.name, list(value) if isinstance(value, tuple) else value, descriptor(info), ignore_override=True
        )
    return values


def descriptor(info: ParameterInfo) -> ParameterDescriptor:
    """What ``ros2 param describe`` shows."""
    result = ParameterDescriptor(
        name=info.name,
        description=info.description + (f" [{info.unit}]" if info.unit else ""),
        read_only=True,
        additional_constraints="one of " + ", ".join(map(str, info.choices)) if info.choices else "",
    )
    if info.low is not None or info.high is not None:
        if type(info.default) is float:
            low = -_FLOAT_LIMIT if info.low is None else float(info.low)
            high = _FLOAT_LIMIT if info.high is None else float(info.high)
            result.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
        elif type(info.default) is int:
            low_int = -_INT_LIMIT if info.low is None else int(info.low)
            high_int = _INT_LIMIT if info.high is None else int(info.high)
            result.integer_range = [IntegerRange(from_value=low_int, to_value=high_int, step=0)]
    return result


def _plain(value: Any) -> Any:
    """Array parameters arrive as array.array or list; the dataclasses hold tuples."""
    return value if isinstance(value, (bool, int, float, str)) or value is None else tuple(value)


def yaml_text(name: str, config: type) -> str:
    """The parameter file of a node: every default with its meaning, unit and range."""
    lines = [
        f"# Parameters of the {name} node with their defaults.",
        "# Made from the dataclass by `python -m zoox_stack.ros.parameters --write config`; a test keeps them equal.",
        "/**:",
        "  ros__parameters:",
    ]
    for info in describe(config):
        limits = ""
        if info.choices:
            limits = "; one of " + ", ".join(map(repr, info.choices))
        elif info.low is not None or info.high is not None:
            low = "" if info.low is None else f"{info.low} "
            high = "" if info.high is None else f" {info.high}"
            limits = f"; {low}..{high}"
        unit = f" [{info.unit}]" if info.unit else ""
        lines += [f"    # {info.description}{unit}{limits}", f"    {info.name}: {_yaml_value(info.default)}"]
    return "\n".join(lines) + "\n"


def _yaml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, float):
        text = repr(value)
        # YAML 1.1 reads 1e-05 as a string: it wants a point.
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_yaml_value, value)) + "]"
    return str(value)


def main() -> int:
    """Write or check the parameter files."""
    from zoox_stack.nodes.configs import CONFIGS

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write FOLDER/NODE.yaml for every node")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="exit with 1 if a file there differs")
    arguments = parser.parse_args()
    stale = 0
    for name, config in CONFIGS.items():
        text = yaml_text(name, config)
        if arguments.write:
            arguments.write.mkdir(parents=True, exist_ok=True)
            (arguments.write / f"{name}.yaml").write_text(text, encoding="utf-8")
        elif arguments.check:
            path = arguments.check / f"{name}.yaml"
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"{path} differs from the dataclass of {name}", file=sys.stderr)
                stale = 1
        else:
            print(text)
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
