"""Values of ``<param>`` and ``<set_parameter>``: from text to typed values, by the rules of launch_ros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from zoox_stack.launching.errors import nearest
from zoox_stack.launching.substitutions import parse_template

_SCALARS = (bool, int, float, str)
_TYPES: dict[str, tuple[type | None, bool]] = {
    "str": (str, False),
    "bool": (bool, False),
    "int": (int, False),
    "float": (float, False),
    "list_of_str": (str, True),
    "list_of_bool": (bool, True),
    "list_of_int": (int, True),
    "list_of_float": (float, True),
    "yaml": (None, False),
}


def typed_value(text: str, type_name: str | None, expand: Callable[[str], str]) -> Any:
    """Value of a parameter.

    Without a type YAML decides, before substitutions are evaluated and again on what they yield; quoted text stays.

    Args:
        text: Attribute as written.
        type_name: Attribute ``type``, None if absent.
        expand: Evaluates the substitutions in a text.

    Raises:
        ValueError: Not a value of that type, or not one ROS parameters can hold.
    """
    if type_name is not None and type_name not in _TYPES:
        raise ValueError(f"no such type {type_name!r} ({nearest(type_name, _TYPES)})")
    kind, is_list = _TYPES[type_name or "yaml"]
    if kind is str and not is_list:
        return expand(text)
    value = _first_reading(text, kind, is_list=is_list)
    if isinstance(value, list):
        return _uniform([_element(item, kind, expand) for item in value])
    if isinstance(value, str) and _has_substitution(value):
        return coerce(expand(value), kind, is_list=is_list)
    if isinstance(value, str):
        value = expand(value)  # takes out backslashes
        if kind not in (None, str) or is_list:
            raise ValueError(f"expected {type_name}, found {text!r}")
    return value


def _has_substitution(text: str) -> bool:
    return any(not isinstance(part, str) for part in parse_template(text))


def _first_reading(text: str, kind: type | None, *, is_list: bool) -> Any:
    if "$(" in text:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            return text
        return value if isinstance(value, list) else text
    return coerce(text, kind, is_list=is_list)


def _element(item: Any, kind: type | None, expand: Callable[[str], str]) -> Any:
    if isinstance(item, str):
        return coerce(expand(item), kind) if _has_substitution(item) else coerce_text(expand(item), kind)
    if kind is float and type(item) is int:
        return float(item)
    if kind is not None and type(item) is not kind:
        raise ValueError(f"expected {kind.__name__}, found {item!r}")
    return item


def coerce_text(text: str, kind: type | None) -> str:
    """Text is only right where text or anything is wanted."""
    if kind not in (None, str):
        raise ValueError(f"expected {kind.__name__}, found {text!r}")
    return text


def coerce(text: str, kind: type | None, *, is_list: bool = False) -> Any:
    """Text to a value of a type; None leaves the type to YAML.

    Raises:
        ValueError: It is not of that type.
    """
    if is_list:
        value = _yaml(text)
        if not isinstance(value, list):
            raise ValueError(f"expected a list like [1, 2], found {text!r}")
        if kind is float:
            value = [float(v) if type(v) is int else v for v in value]
        if kind is not None and any(type(v) is not kind for v in value):
            raise ValueError(f"expected a list of {kind.__name__}, found {text!r}")
        return _uniform(value)
    if kind is str:
        return text
    if kind is int or kind is float:
        try:
            return kind(text)
        except ValueError as error:
            raise ValueError(f"expected {kind.__name__}, found {text!r}") from error
    if kind is bool:
        value = _yaml({"1": "true", "0": "false"}.get(text, text))
        if not isinstance(value, bool):
            raise ValueError(f"expected bool, found {text!r}")
        return value
    if not text:
        return text
    value = _yaml(text)
    if isinstance(value, list):
        return _uniform(value)
    if not isinstance(value, _SCALARS):
        raise ValueError(
            f"expected text, a number, a truth value or a list of these, found {text!r}"
            ' (for text add type="str" or put it into quotes)'
        )
    return value


def _yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f'not readable as YAML: {text!r} (for text add type="str")') from error


def _uniform(values: list[Any]) -> list[Any]:
    kinds = {type(v) for v in values}
    if kinds == {int, float}:
        return [float(v) for v in values]
    if len(kinds) != 1 or not kinds <= set(_SCALARS):
        raise ValueError(f"expected a list of one type (bool, int, float or str), not empty, found {values}")
    return values


def parameters_yaml(node: str, values: dict[str, Any]) -> str:
    """Content of a parameter file for a node (``/**`` for any)."""
    return str(yaml.safe_dump({node: {"ros__parameters": values}}, sort_keys=False))


def parameter_rule(name: str, value: Any) -> str:
    """``name:=value`` as ``-p`` takes it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1_000_000).strip()
    return f"{name}:={text.removesuffix('...').strip()}"
