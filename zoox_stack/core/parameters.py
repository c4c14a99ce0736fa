"""Parameters declared once: a frozen dataclass whose fields carry default, meaning, unit and range.

The same declaration validates values wherever they come from, declares ROS parameters
(`zoox_stack.ros.parameters`) and makes the documentation tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_type_hints

from zoox_stack.core.errors import ConfigurationError

_KEY = "parameter"
T = TypeVar("T")


@dataclass(frozen=True)
class ParameterInfo:
    """What is known about one parameter.

    Attributes:
        name: Field name.
        default: Default value; its type (bool, int, float, str, list) is the parameter's type.
        description: One sentence.
        unit: SI unit, empty if dimensionless.
        low: Smallest allowed value, None for no limit.
        high: Largest allowed value, None for no limit.
        choices: Allowed values, empty for any.
        element: Type of the values of a tuple; None for other parameters.
    """

    name: str
    default: Any
    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    element: type | None = None


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] = (),
) -> Any:
    """A dataclass field that is a parameter; arguments as in `ParameterInfo`."""
    info = {"description": description, "unit": unit, "low": low, "high": high, "choices": tuple(choices)}
    if isinstance(default, (list, tuple)):
        return field(default_factory=lambda: tuple(default), metadata={_KEY: info | {"default": tuple(default)}})
    return field(default=default, metadata={_KEY: info | {"default": default}})


def describe(config: type) -> list[ParameterInfo]:
    """All parameters of a dataclass, in order."""
    hints = get_type_hints(config)
    return [
        ParameterInfo(name=f.name, **f.metadata[_KEY], element=next(iter(get_args(hints[f.name])), None))
        for f in fields(config)
        if _KEY in f.metadata
    ]


def check_value(owner: str, info: ParameterInfo, value: Any) -> Any:
    """Return `value` converted to the parameter's type, or raise ConfigurationError naming what is wrong."""
    label, kind = f"parameter {owner}.{info.name}", type(info.default)
    if kind is tuple and isinstance(value, (list, tuple)):
        value = tuple(_check_one(label, info, info.element, element) for element in value)
    else:
        value = _check_one(label, info, kind, value)
    if info.choices and value not in info.choices:
        raise ConfigurationError(f"{label}: expected one of {', '.join(map(str, info.choices))}, found {value!r}")
    return value


def _check_one(label: str, info: ParameterInfo, kind: Any, value: Any) -> Any:
    """A single value, or one of a tuple's."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ConfigurationError(f"{label}: expected {kind.__name__}, found {type(value).__name__} {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{label}: expected a finite number, found {value}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low = -math.inf if info.low is None else info.low
        high = math.inf if info.high is None else info.high
        if not low <= value <= high:
            raise ConfigurationError(f"{label}: expected {low} .. {high} {info.unit}, found {value}".rstrip())
    return value


def build(config: type[T], values: Mapping[str, Any], owner: str) -> T:
    """Make a checked instance of a parameter dataclass.

    Args:
        config: The dataclass.
        values: Values by name; names left out keep their default.
        owner: Named in errors, for example the node.

    Raises:
        ConfigurationError: Unknown name (with the nearest known one), wrong type, out of range.
    """
    known = {info.name: info for info in describe(config)}
    for name in values:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
            raise ConfigurationError(f"parameter {owner}.{name} does not exist{hint}")
    return config(**{name: check_value(owner, known[name], value) for name, value in values.items()})
