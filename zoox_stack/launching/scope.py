"""What is in force while a launch file is evaluated: variables, environment, namespace, parameters for all nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoox_stack.launching.packages import PackageIndex
from zoox_stack.launching.substitutions import SubstitutionError, parse_template, perform

NAMESPACE = "ros_namespace"  # the variable in which ROS 2 launch keeps the pushed namespace


@dataclass
class _Frame:
    variables: dict[str, str]
    environment: dict[str, str]
    parameters: list[tuple[str, Any]]


@dataclass
class Scope:
    """State of an evaluation; also what substitutions ask.

    Attributes:
        base_environment: The launcher's environment.
        variables: Arguments and ``<let>`` variables, by name.
        environment: The environment in force.
        parameters: Parameters set for all nodes, in order.
        file: Launch file being evaluated.
        included: Line and path of the last include in this file, None before there is one.
    """

    base_environment: Mapping[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    parameters: list[tuple[str, Any]] = field(default_factory=list)
    file: Path = Path()
    included: tuple[int, Path] | None = None

    def __post_init__(self) -> None:
        self.environment = dict(self.base_environment)
        self._frames: list[_Frame] = []
        self.packages = PackageIndex.from_environment(self.base_environment)

    def push(self) -> None:
        """Remember what is in force."""
        self._frames.append(_Frame(dict(self.variables), dict(self.environment), list(self.parameters)))

    def pop(self) -> None:
        """Return to what was in force at the last `push`."""
        frame = self._frames.pop()
        self.variables, self.environment, self.parameters = frame.variables, frame.environment, frame.parameters

    def expand(self, text: str) -> str:
        """Text with its substitutions evaluated.

        Raises:
            SubstitutionError: One cannot be evaluated.
        """
        return perform(parse_template(text), self)

    def environment_changes(self, more: Mapping[str, str]) -> tuple[tuple[str, str | None], ...]:
        """How the environment in force, with `more` set, differs from the launcher's."""
        wanted = {**self.environment, **more}
        changed: dict[str, str | None] = {k: v for k, v in wanted.items() if self.base_environment.get(k) != v}
        changed.update({k: None for k in self.base_environment if k not in wanted})
        return tuple(sorted(changed.items()))

    def variable(self, name: str) -> str | None:
        """Value of a variable, None if there is none."""
        return self.variables.get(name)

    def variable_names(self) -> list[str]:
        """Names of all variables."""
        return list(self.variables)

    def environment_variable(self, name: str) -> str | None:
        """Value of an environment variable, None if it is not set."""
        return self.environment.get(name)

    def launch_file(self) -> str:
        """Path of the file being evaluated."""
        if self.included is not None:
            raise self._ambiguous("filename", self.included[0])
        return str(self.file)

    def launch_directory(self) -> str:
        """Directory of the file being evaluated."""
        if self.included is not None and self.included[1].parent != self.file.parent:
            raise self._ambiguous("dirname", self.included[0])
        return str(self.file.parent)

    @staticmethod
    def _ambiguous(name: str, line: int) -> SubstitutionError:
        return SubstitutionError(
            f"$({name}) after, or in the arguments of, the <include> in line {line} means the included file to"
            f' ros2 launch (put <let name="here" value="$({name})"/> before the include and use $(var here))'
        )

    def package_prefix(self, package: str) -> str:
        """Install prefix of a package."""
        return str(self.packages.prefix(package))

    def package_share(self, package: str) -> str:
        """Share directory of a package."""
        return str(self.packages.share(package))
