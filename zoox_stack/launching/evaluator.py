"""Launch file + arguments → `LaunchDescription`. Starts nothing.

The meaning is that of ``ros2 launch``: an include shares the variables of the file that includes it, a scoped group
gives back what it changed, an argument's default counts only if the name has no value yet. Where ``ros2 launch`` would
go on in silence, this is an error: an argument nobody declares, a parameter file that does not exist, ``$(dirname)``
after an include of another directory's file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

from zoox_stack.launching.errors import LaunchFileError, Location, nearest
from zoox_stack.launching.model import DeclaredArgument, LaunchDescription, ProcessDescription
from zoox_stack.launching.parameters import typed_value
from zoox_stack.launching.processes import ProcessBuilder, join_namespace
from zoox_stack.launching.schema import check_document, parse_bool
from zoox_stack.launching.scope import NAMESPACE, Scope
from zoox_stack.launching.substitutions import as_bool
from zoox_stack.launching.xml_reader import Element, read_xml

_DEEPEST = 32  # includes within includes


def load_launch_file(
    file: str | os.PathLike[str], arguments: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> LaunchDescription:
    """Evaluate a launch file.

    Args:
        file: Path of the launch file.
        arguments: Values by name.
        environment: Environment to evaluate in, default that of this process.

    Raises:
        LaunchFileError: The file, a file it includes, or an argument is wrong.
    """
    path = Path(file).absolute()
    evaluator = _Evaluator(Scope(os.environ if environment is None else environment), arguments.keys())
    evaluator.scope.variables.update(arguments)
    evaluator.run_file(path, Location(str(file)))
    declared = {argument.name for argument in evaluator.arguments}
    for name in arguments:
        if name not in declared:
            raise LaunchFileError(Location(str(path)), f"has no argument {name!r}", nearest(name, declared))
    return LaunchDescription(str(path), tuple(evaluator.arguments), tuple(evaluator.processes))


class _Evaluator:
    def __init__(self, scope: Scope, given: Collection[str]) -> None:
        self.scope = scope
        self.given = given
        self.arguments: list[DeclaredArgument] = []
        self.processes: list[ProcessDescription] = []
        self.depth = 0

    def run_file(self, path: Path, where: Location) -> None:
        """Evaluate one file in the current scope; `where` is named if there is no such file."""
        if not path.is_file():
            raise LaunchFileError(where, f"no such launch file: {path}")
        if path.suffix not in (".xml", ".launch"):
            raise LaunchFileError(
                where, f"{path.name} is not an XML launch file", "zoox-stack launch reads *.launch.xml only"
            )
        if self.depth >= _DEEPEST:
            raise LaunchFileError(
                where, f"more than {_DEEPEST} includes within each other", "does a file include itself?"
            )
        root = read_xml(path)
        check_document(root)
        outer = self.scope.file, self.scope.included
        self.scope.file, self.scope.included = path, None
        self.depth += 1
        self.actions(root)
        self.depth -= 1
        self.scope.file, self.scope.included = outer

    def actions(self, parent: Element) -> None:
        for element in parent.children:
            try:
                self.action(element)
            except LaunchFileError:
                raise
            except ValueError as error:
                raise LaunchFileError(element.location, f"<{element.tag}>: {error}") from error

    def action(self, element: Element) -> None:
        expand, given = self.scope.expand, element.attributes
        if not self.condition(element):
            self.arguments.extend(arguments_of(element, conditional=True))
            return
        match element.tag:
            case "arg":
                self.declare(element)
            case "let":
                self.scope.variables[expand(given["name"])] = expand(given["value"])
            case "node" | "executable":
                self.processes.append(ProcessBuilder(element, self.scope).build(len(self.processes) + 1))
            case "include":
                self.include(element)
            case "group":
                self.group(element)
            case "push_ros_namespace" | "push-ros-namespace":
                joined = join_namespace(self.scope.variables.get(NAMESPACE), expand(given["namespace"]))
                self.scope.variables[NAMESPACE] = joined or "/"
            case "set_env":
                self.scope.environment[expand(given["name"])] = expand(given["value"])
            case "unset_env":
                self.scope.environment.pop(expand(given["name"]), None)
            case "set_parameter":
                self.scope.parameters.append((expand(given["name"]), typed_value(given["value"], None, expand)))
            case _:
                raise NotImplementedError(element.tag)  # schema.ACTIONS and this list belong together

    def condition(self, element: Element) -> bool:
        for name, wanted in (("if", True), ("unless", False)):
            if name in element.attributes:
                try:
                    return as_bool(self.scope.expand(element.attributes[name])) is wanted
                except ValueError as error:
                    raise LaunchFileError(
                        element.location, f"attribute {name!r} of <{element.tag}>: {error}"
                    ) from error
        return True

    def declare(self, element: Element) -> None:
        (argument,) = arguments_of(element, conditional="if" in element.attributes or "unless" in element.attributes)
        self.arguments.append(argument)
        if argument.name not in self.scope.variables:
            if argument.default is None:
                similar = get_close_matches(argument.name, self.given, n=1)
                hint = f"{similar[0]}:=… was given: meant {argument.name}?" if similar else f"give {argument.name}:=…"
                text = f"{hint}; {argument.description}" if argument.description else hint
                raise LaunchFileError(element.location, f"argument {argument.name!r} has no value", text)
            self.scope.variables[argument.name] = self.scope.expand(argument.default)
        value = self.scope.variables[argument.name]
        if argument.choices and value not in argument.choices:
            raise LaunchFileError(
                element.location,
                f"argument {argument.name!r} is {value!r}, allowed are {', '.join(argument.choices)}",
            )

    def group(self, element: Element) -> None:
        scoped = parse_bool(element.attributes.get("scoped", "true"))
        if scoped:
            self.scope.push()
        self.actions(element)
        if scoped:
            self.scope.pop()

    def include(self, element: Element) -> None:
        path = Path(self.scope.expand(element.attributes["file"])).absolute()
        self.scope.included = element.location.line, path
        before, names = len(self.arguments), []
        for child in element.children:
            try:
                name = self.scope.expand(child.attributes["name"])
                self.scope.variables[name] = self.scope.expand(child.attributes["value"])
            except ValueError as error:
                raise LaunchFileError(child.location, f"<arg>: {error}") from error
            names.append((name, child))
        self.run_file(path, element.location)
        declared = {argument.name: argument for argument in self.arguments[before:]}
        for name, child in names:
            if name not in declared:
                raise LaunchFileError(child.location, f"{path.name} has no argument {name!r}", nearest(name, declared))
        given = {name for name, _ in names}
        for name, argument in declared.items():
            required = argument.default is None and not argument.conditional
            if required and name not in given and argument.location.file == str(path):
                # A variable of that name does not count, as in ros2 launch.
                hint = f'add <arg name="{name}" value="…"/>'
                raise LaunchFileError(
                    element.location, f"<include> does not give {path.name}'s argument {name!r}", hint
                )


def arguments_of(element: Element, *, conditional: bool) -> list[DeclaredArgument]:
    """Arguments that an action and the actions inside it declare, as written."""
    if element.tag == "arg":
        choices = tuple(child.attributes["value"] for child in element.children)
        given = element.attributes
        return [
            DeclaredArgument(
                given["name"],
                given.get("default"),
                given.get("description", ""),
                choices,
                conditional,
                element.location,
            )
        ]
    if element.tag == "group":
        return [a for child in element.children for a in arguments_of(child, conditional=conditional)]
    return []


def declared_arguments(file: str | os.PathLike[str]) -> tuple[DeclaredArgument, ...]:
    """Arguments of a launch file and of the files it includes, without values for them.

    Included files whose path needs an argument without default are left out.

    Raises:
        LaunchFileError: A file is wrong.
    """
    scope = Scope(os.environ)
    found: dict[str, DeclaredArgument] = {}
    _collect(Path(file).absolute(), Location(str(file)), scope, found, 0, conditional=False)
    return tuple(found.values())


def _collect(
    path: Path, where: Location, scope: Scope, found: dict[str, DeclaredArgument], depth: int, *, conditional: bool
) -> None:
    if not path.is_file() or depth > _DEEPEST:
        raise LaunchFileError(where, f"no such launch file: {path}" if depth <= _DEEPEST else "includes itself")
    root = read_xml(path)
    check_document(root)
    _collect_actions(root, path, scope, found, depth, conditional=conditional)


def _collect_actions(
    parent: Element, path: Path, scope: Scope, found: dict[str, DeclaredArgument], depth: int, *, conditional: bool
) -> None:
    for element in parent.children:
        maybe = conditional or "if" in element.attributes or "unless" in element.attributes
        scope.file = path
        if element.tag == "arg":
            (argument,) = arguments_of(element, conditional=maybe)
            found.setdefault(argument.name, argument)
            if argument.default is not None and argument.name not in scope.variables:
                value = _try_expand(scope, argument.default)
                if value is not None:
                    scope.variables[argument.name] = value
        elif element.tag == "let":
            name, value = (_try_expand(scope, element.attributes[key]) for key in ("name", "value"))
            if name is not None and value is not None:
                scope.variables[name] = value
        elif element.tag == "group":
            _collect_actions(element, path, scope, found, depth, conditional=maybe)
        elif element.tag == "include":
            target = _try_expand(scope, element.attributes["file"])
            if target is None:
                continue
            inner: dict[str, DeclaredArgument] = {}
            _collect(Path(target).absolute(), element.location, scope, inner, depth + 1, conditional=maybe)
            given = {child.attributes["name"] for child in element.children}
            for name, argument in inner.items():
                if name not in given:
                    found.setdefault(name, argument)


def _try_expand(scope: Scope, text: str) -> str | None:
    try:
        return scope.expand(text)
    except ValueError:
        return None
