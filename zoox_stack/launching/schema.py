"""Which elements and attributes a launch file may hold. Everything else is an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from zoox_stack.launching.errors import LaunchFileError, nearest
from zoox_stack.launching.substitutions import SubstitutionError, parse_template
from zoox_stack.launching.xml_reader import Element


class Kind(Enum):
    """What an attribute's text is."""

    TEXT = "text"  # may hold substitutions
    NAME = "plain text"  # taken as it is
    BOOL = "true or false"  # no substitutions, as in ros2 launch
    SECONDS = "a number of seconds, 0 or more, without substitutions"
    INTEGER = "an integer, without substitutions"


@dataclass(frozen=True)
class Rule:
    """What one element may hold.

    Attributes:
        required: Attributes that must be there, with their kind.
        optional: Attributes that may be there, with their kind.
        children: Elements that may be inside; None for actions.
    """

    required: dict[str, Kind] = field(default_factory=dict)
    optional: dict[str, Kind] = field(default_factory=dict)
    children: dict[str, Rule] | None = field(default_factory=dict)


T, N = Kind.TEXT, Kind.NAME
_CONDITION = {"if": T, "unless": T}
_PROCESS = {
    "cwd": T,
    "output": T,
    "respawn": T,
    "respawn_delay": Kind.SECONDS,
    "respawn_max_retries": Kind.INTEGER,
    "on_exit": N,
    "sigterm_timeout": Kind.SECONDS,
    "sigkill_timeout": Kind.SECONDS,
    "launch-prefix": T,
}
_PAIR = {"name": T, "value": T}
_ENV = Rule(_PAIR)
_NESTED_PARAM = Rule({"name": T}, {"value": T, "type": N})
_NESTED_PARAM.children["param"] = _NESTED_PARAM  # type: ignore[index]
_PARAM = Rule({}, {"name": T, "value": T, "type": N, "from": T, "allow_substs": Kind.BOOL}, {"param": _NESTED_PARAM})

ACTIONS: dict[str, Rule] = {
    "arg": Rule({"name": N}, {"default": T, "description": N, **_CONDITION}, {"choice": Rule({"value": N})}),
    "let": Rule(_PAIR, _CONDITION),
    "node": Rule(
        {"exec": T},
        {"pkg": T, "name": T, "exec_name": T, "namespace": T, "args": T, "ros_args": T, **_PROCESS, **_CONDITION},
        {"param": _PARAM, "remap": Rule({"from": T, "to": T}), "env": _ENV},
    ),
    "executable": Rule({"cmd": T}, {"name": T, **_PROCESS, **_CONDITION}, {"env": _ENV}),
    "include": Rule({"file": T}, _CONDITION, {"arg": Rule(_PAIR)}),
    "group": Rule({}, {"scoped": Kind.BOOL, **_CONDITION}, None),
    "push_ros_namespace": Rule({"namespace": T}, _CONDITION),
    "push-ros-namespace": Rule({"namespace": T}, _CONDITION),
    "set_env": Rule(_PAIR, _CONDITION),
    "unset_env": Rule({"name": T}, _CONDITION),
    "set_parameter": Rule(_PAIR, _CONDITION),
}
_LAUNCH = Rule(children=None)

# Known to ROS 2 launch, not to this runner: named in the error so that nobody looks for a typing mistake.
_ONLY_IN_ROS = frozenset({
    "append_env", "load_composable_node", "log", "node_container", "reset", "reset_env", "ros_timer",
    "set_parameters_from_file", "set_remap", "set_ros_log_dir", "set_use_sim_time", "shutdown", "timer",
})  # fmt: skip
_ONLY_IN_ROS_ATTRIBUTES = frozenset({"emulate_tty", "shell", "forwarding", "deprecated", "node-name", "value-sep"})

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def parse_bool(text: str) -> bool:
    """Truth value of an attribute, as YAML 1.1 reads it, and 1 and 0.

    Raises:
        ValueError: It is none.
    """
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(f"expected true or false, found {text!r}")
    return word in _TRUE


def check_document(root: Element) -> None:
    """Check a whole file: elements, attributes, kinds, grammar of substitutions.

    Raises:
        LaunchFileError: The first thing that is wrong.
    """
    if root.tag != "launch":
        raise LaunchFileError(root.location, f"expected <launch> as outermost element, found <{root.tag}>")
    _check(root, _LAUNCH)


def _check(element: Element, rule: Rule) -> None:
    known = rule.required | rule.optional
    for name, text in element.attributes.items():
        if name not in known:
            hint = nearest(name, known)
            if name in _ONLY_IN_ROS_ATTRIBUTES:
                hint = f"known to ros2 launch, but not to zoox-stack launch; {hint}"
            raise LaunchFileError(element.location, f"<{element.tag}> has no attribute {name!r}", hint)
        _check_kind(element, name, text, known[name])
    for name in rule.required:
        if name not in element.attributes:
            raise LaunchFileError(element.location, f"<{element.tag}> lacks the attribute {name!r}")
    if "if" in element.attributes and "unless" in element.attributes:
        raise LaunchFileError(element.location, f"<{element.tag}> has both 'if' and 'unless'", "keep one")
    children = ACTIONS if rule.children is None else rule.children
    for child in element.children:
        if child.tag not in children:
            hint = nearest(child.tag, children)
            if child.tag in _ONLY_IN_ROS:
                hint = f"known to ros2 launch, but not to zoox-stack launch; known are {', '.join(sorted(children))}"
            raise LaunchFileError(child.location, f"<{element.tag}> cannot hold <{child.tag}>", hint)
        _check(child, children[child.tag])


def _check_kind(element: Element, name: str, text: str, kind: Kind) -> None:
    try:
        if kind is Kind.TEXT:
            parse_template(text)
        elif kind is Kind.BOOL:
            parse_bool(text)
        elif kind is Kind.INTEGER:
            int(text)
        elif kind is Kind.SECONDS and not 0 <= float(text) < float("inf"):
            raise ValueError
    except SubstitutionError as error:
        raise LaunchFileError(element.location, f"attribute {name!r} of <{element.tag}>: {error}") from error
    except ValueError as error:
        raise LaunchFileError(
            element.location, f"attribute {name!r} of <{element.tag}>: expected {kind.value}, found {text!r}"
        ) from error
