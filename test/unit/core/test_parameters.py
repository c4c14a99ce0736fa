"""Parameters declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import build, describe, parameter


@dataclass(frozen=True)
class Config:
    speed: float = parameter(5.0, "How fast", unit="m/s", low=0.0, high=10.0)
    count: int = parameter(3, "How many", low=1)
    name: str = parameter("a", "Which", choices=("a", "b"))
    active: bool = parameter(True, "Whether")
    gains: tuple[float, ...] = parameter([1.0, 2.0], "Gains", low=0.0)


def test_defaults_and_description() -> None:
    config = build(Config, {}, "node")
    assert config == Config()
    assert config.gains == (1.0, 2.0)
    infos = {info.name: info for info in describe(Config)}
    assert list(infos) == ["speed", "count", "name", "active", "gains"]
    assert infos["speed"].unit == "m/s"
    assert infos["speed"].description == "How fast"


def test_whole_numbers_are_good_floats_and_lists_good_tuples() -> None:
    config = build(Config, {"speed": 7, "gains": [3]}, "node")
    assert config.speed == 7.0
    assert isinstance(config.speed, float)
    assert config.gains == (3.0,)
    assert isinstance(config.gains[0], float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({3: 1.0}, "node.3 does not exist; known are speed"),
        ({"gains": ["a"]}, "node.gains: expected float, found str 'a'"),
        ({"gains": [1.0, True]}, "node.gains: expected float, found bool True"),
        ({"gains": [[1.0]]}, r"node.gains: expected float, found list \[1.0\]"),
        ({"gains": 1.0}, "node.gains: expected tuple, found float"),
        ({"sped": 1.0}, "node.sped does not exist; did you mean speed"),
        ({"zzz": 1.0}, "known are speed, count"),
        ({"speed": 11.0}, "expected 0.0 .. 10.0 m/s, found 11.0"),
        ({"speed": float("nan")}, "finite"),
        ({"speed": "fast"}, "expected float, found str"),
        ({"speed": True}, "expected float, found bool"),
        ({"count": 0}, r"expected 1 .. inf"),
        ({"count": 2.5}, "expected int, found float"),
        ({"name": "c"}, "one of a, b"),
        ({"gains": [1.0, -1.0]}, "found -1.0"),
        ({"active": 1}, "expected bool"),
    ],
)
def test_bad_values_say_what_is_wrong(values: dict[Any, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(Config, values, "node")
