"""``zoox-stack launch``: run a ROS 2 XML launch file where launch_ros is absent."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoox_stack.launching.errors import LaunchFileError
from zoox_stack.launching.evaluator import declared_arguments, load_launch_file
from zoox_stack.launching.model import LaunchDescription, ParameterFile
from zoox_stack.launching.packages import PackageError, PackageIndex
from zoox_stack.launching.runner import run_launch

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_EPILOG = """
Exit code: 0 after an orderly end, 1 if a process failed, 2 if the launch file or an argument is wrong.
Ctrl-C ends all processes: SIGINT, after 5 s SIGTERM, after another 5 s SIGKILL; pressed again it does not wait.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``launch`` command."""
    parser = subparsers.add_parser(
        "launch",
        help="run a ROS 2 XML launch file without launch_ros",
        description="Run a ROS 2 XML launch file (*.launch.xml) as `ros2 launch` would.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="FILE | PACKAGE FILE | NAME:=VALUE",
        help="the launch file (a path, or a package and a file name), then its arguments",
    )
    parser.add_argument("-s", "--show-args", action="store_true", help="list the arguments of the launch file and end")
    parser.add_argument("-p", "--print", action="store_true", help="list what would be started and end")
    parser.set_defaults(func=command)


def command(args: argparse.Namespace) -> int:
    """Run the ``launch`` command."""
    try:
        file, values = parse_words(args.words)
        if args.show_args:
            print(format_arguments(file))
            return 0
        description = load_launch_file(file, values)
    except LaunchFileError as error:
        print(f"zoox-stack launch: {error}", file=sys.stderr)
        return 2
    if args.print:
        print(format_description(description))
        return 0
    return run_launch(description)


def parse_words(words: list[str]) -> tuple[Path, dict[str, str]]:
    """Launch file and argument values from the words of the command line; of a repeated name the last value counts.

    Raises:
        LaunchFileError: They make no sense.
    """
    target = [word for word in words if ":=" not in word]
    values = {}
    for word in words:
        if ":=" in word:
            name, _, value = word.partition(":=")
            if not name:
                raise LaunchFileError(None, f"malformed argument {word!r}", "expected NAME:=VALUE")
            values[name] = value
    if len(target) == 1:
        return Path(target[0]), values
    if len(target) == 2:
        try:
            return PackageIndex.from_environment().launch_file(target[0], target[1]), values
        except PackageError as error:
            raise LaunchFileError(None, str(error)) from error
    wrong = f"found {' '.join(target)!r}" if target else "found none"
    raise LaunchFileError(None, f"expected FILE or PACKAGE FILE, {wrong}", "arguments are written NAME:=VALUE")


def format_arguments(file: Path) -> str:
    """The arguments of a launch file, one paragraph each."""
    lines = ["Arguments (pass as NAME:=VALUE):"]
    for argument in declared_arguments(file):
        needed = "required" if argument.default is None else f"default: {argument.default!r}"
        if argument.conditional:
            needed += ", used only under a condition"
        lines += ["", f"  {argument.name}  ({needed})"]
        if argument.description:
            lines.append(f"      {argument.description}")
        if argument.choices:
            lines.append(f"      one of: {', '.join(argument.choices)}")
    return "\n".join(lines if len(lines) > 1 else ["This launch file has no arguments."])


def format_description(description: LaunchDescription) -> str:
    """What would be started, one paragraph per process."""
    lines = [f"# {description.file}: {len(description.processes)} processes"]
    for process in description.processes:
        options = [f"output {process.output.value}"]
        if process.respawn:
            options.append(f"respawn after {process.respawn_delay:g} s")
        if process.shutdown_on_exit:
            options.append("its end ends the launch")
        lines += ["", f"# {process.name}  ({process.location}; {', '.join(options)})"]
        for name, value in process.environment:
            lines.append(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
        if process.cwd is not None:
            lines.append(f"cd {shlex.quote(process.cwd)}")
        words, files = [], []
        for part in process.command:
            if isinstance(part, ParameterFile):
                files.append(part.text)
                words.append(f"'<parameters {len(files)}>'")
            else:
                words.append(shlex.quote(part))
        lines.append(" ".join(words))
        for number, text in enumerate(files, 1):
            lines += [f"  # parameters {number}:", *(f"  {line}" for line in text.rstrip().splitlines())]
    return "\n".join(lines)
