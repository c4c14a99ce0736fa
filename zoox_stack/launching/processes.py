"""``<node>`` and ``<executable>`` → process descriptions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from zoox_stack.launching.errors import LaunchFileError, nearest
from zoox_stack.launching.model import Output, ParameterFile, ProcessDescription
from zoox_stack.launching.packages import Executable
from zoox_stack.launching.parameters import parameter_rule, parameters_yaml, typed_value
from zoox_stack.launching.schema import parse_bool
from zoox_stack.launching.scope import NAMESPACE, Scope
from zoox_stack.launching.substitutions import as_bool, parse_template, perform, split_words
from zoox_stack.launching.xml_reader import Element

_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_NAMESPACE = re.compile(r"/|(/[A-Za-z_][A-Za-z0-9_]*)+")


def join_namespace(base: str | None, namespace: str | None) -> str | None:
    """Absolute namespace from the pushed one and a node's own; None if neither is given.

    Raises:
        ValueError: The result is not a ROS namespace.
    """
    if namespace is None:
        joined = base
    elif namespace.startswith("/") or not base:
        joined = namespace
    else:
        joined = f"{base.rstrip('/')}/{namespace}"
    if joined is None:
        return None
    joined = "/" + joined.strip("/")
    if not _NAMESPACE.fullmatch(joined):
        raise ValueError(f"{joined!r} is not a ROS namespace (letters, digits and _ between slashes, no leading digit)")
    return joined


class ProcessBuilder:
    """Makes the description of one element in a scope.

    Args:
        element: A ``<node>`` or ``<executable>``.
        scope: What is in force.
    """

    def __init__(self, element: Element, scope: Scope) -> None:
        self.element, self.scope = element, scope

    def optional(self, name: str) -> str | None:
        """Attribute with substitutions evaluated, None if absent."""
        text = self.element.attributes.get(name)
        return None if text is None else self.scope.expand(text)

    def words(self, name: str) -> list[str]:
        """Attribute split like a command line."""
        text = self.element.attributes.get(name)
        return [] if text is None else [perform(w, self.scope) for w in split_words(parse_template(text))]

    def build(self, number: int) -> ProcessDescription:
        """The description; `number` is the process's number in the launch, from 1."""
        extra = {
            self.scope.expand(e.attributes["name"]): self.scope.expand(e.attributes["value"])
            for e in self.children("env")
        }
        if self.element.tag == "node":
            label, command, python_path = self._node()
        else:
            label, command, python_path = self._executable()
        if python_path is not None:
            before = {**self.scope.environment, **extra}.get("PYTHONPATH", "")
            extra["PYTHONPATH"] = f"{python_path}:{before}" if before else python_path
        return self._describe(f"{label}-{number}", command, extra)

    def children(self, tag: str) -> list[Element]:
        """Children of one kind, in order."""
        return [child for child in self.element.children if child.tag == tag]

    def _describe(self, name: str, command: list[str | ParameterFile], extra: Mapping[str, str]) -> ProcessDescription:
        attributes = self.element.attributes
        cwd = self.optional("cwd")
        if cwd is not None and not Path(cwd).is_dir():
            raise ValueError(f"cwd: no such directory {cwd}")
        on_exit = attributes.get("on_exit")
        if on_exit not in (None, "shutdown"):
            raise ValueError(f"on_exit: expected 'shutdown', found {on_exit!r}")
        output = self.scope.environment.get("OVERRIDE_LAUNCH_PROCESS_OUTPUT") or self.optional("output") or "log"
        outputs = {o.value: o for o in Output}
        if output not in outputs:
            raise ValueError(f"output: no such target {output!r} ({nearest(output, outputs)})")
        respawn = self.optional("respawn")
        return ProcessDescription(
            name=name,
            command=(*shlex.split(self.optional("launch-prefix") or ""), *command),
            environment=self.scope.environment_changes(extra),
            cwd=cwd,
            output=outputs[output],
            respawn=respawn is not None and as_bool(respawn),
            respawn_delay=float(attributes.get("respawn_delay", 0.0)),
            respawn_max_retries=int(attributes.get("respawn_max_retries", -1)),
            shutdown_on_exit=on_exit is not None,
            sigterm_timeout=float(attributes.get("sigterm_timeout", 5.0)),
            sigkill_timeout=float(attributes.get("sigkill_timeout", 5.0)),
            location=self.element.location,
        )

    def _executable(self) -> tuple[str, list[str | ParameterFile], str | None]:
        command: list[str | ParameterFile] = list(self.words("cmd"))
        if not command or not command[0]:
            raise ValueError("cmd is empty")
        return self.optional("name") or Path(str(command[0])).name, command, None

    def _node(self) -> tuple[str, list[str | ParameterFile], str | None]:
        package, executable = self.optional("pkg"), self.scope.expand(self.element.attributes["exec"])
        found = Executable((executable,)) if package is None else self.scope.packages.executable(package, executable)
        name = self.optional("name")
        if name is not None and not _NODE_NAME.fullmatch(name):
            raise ValueError(f"name: {name!r} is not a node name (letters, digits and _, no leading digit)")
        namespace = join_namespace(self.scope.variables.get(NAMESPACE), self.optional("namespace"))
        command: list[str | ParameterFile] = [*found.command, *self.words("args")]
        if "ros_args" in self.element.attributes:
            command += ["--ros-args", *self.words("ros_args")]
        command.append("--ros-args")
        if name is not None:
            command += ["-r", f"__node:={name}"]
        if namespace is not None:
            command += ["-r", f"__ns:={namespace}"]
        for key, value in self.scope.parameters:
            command += ["-p", parameter_rule(key, value)]
        rule = f"{namespace.rstrip('/')}/{name}" if name is not None and namespace is not None else "/**"
        for child in self.children("param"):
            command += ["--params-file", self._parameters(child, rule)]
        for child in self.children("remap"):
            command += [
                "-r",
                f"{self.scope.expand(child.attributes['from'])}:={self.scope.expand(child.attributes['to'])}",
            ]
        return self.optional("exec_name") or Path(executable).name, command, found.python_path

    def _parameters(self, element: Element, rule: str) -> str | ParameterFile:
        attributes = element.attributes
        try:
            if ("from" in attributes) == ("name" in attributes):
                raise ValueError("needs either 'name' or 'from'")
            if "name" in attributes:
                if "allow_substs" in attributes:
                    raise ValueError("'allow_substs' needs 'from'")
                return ParameterFile(parameters_yaml(rule, self._values(element, "")))
            if {"value", "type"} & attributes.keys() or element.children:
                raise ValueError("'from' excludes 'value', 'type' and nested <param>")
            return self._file(
                Path(self.scope.expand(attributes["from"])), parse_bool(attributes.get("allow_substs", "0"))
            )
        except ValueError as error:
            raise LaunchFileError(element.location, f"<param>: {error}") from error

    def _values(self, element: Element, prefix: str) -> dict[str, Any]:
        attributes = element.attributes
        name = prefix + self.scope.expand(attributes["name"])
        if "value" in attributes and not element.children:
            return {name: typed_value(attributes["value"], attributes.get("type"), self.scope.expand)}
        if not element.children or "value" in attributes or "type" in attributes:
            raise ValueError(f"{name} needs either 'value' or nested <param>")
        values: dict[str, Any] = {}
        for child in element.children:
            values |= self._values(child, f"{name}.")
        return values

    def _file(self, path: Path, allow_substitutions: bool) -> str | ParameterFile:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"parameter file {path} cannot be read: {error}") from error
        if allow_substitutions:
            text = self.scope.expand(text)
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"parameter file {path} is not YAML: {error}") from error
        if not isinstance(content, dict) or not all(
            isinstance(value, dict) and _has_parameters(value) for value in content.values()
        ):
            raise ValueError(f"parameter file {path}: expected 'node: {{ros__parameters: {{…}}}}'")
        return ParameterFile(text) if allow_substitutions else str(path)


def _has_parameters(value: dict[Any, Any]) -> bool:
    """``ros__parameters`` directly below a node name, or below names of namespaces."""
    if "ros__parameters" in value:
        return isinstance(value["ros__parameters"], dict)
    return bool(value) and all(isinstance(inner, dict) and _has_parameters(inner) for inner in value.values())
