"""The ``zoox-stack`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from zoox_stack.core.errors import ConfigurationError, InvalidInputError, ZooxStackError

# Modules with a `register(subparsers)` function, in the order of the help text.
COMMANDS = (
    "zoox_stack.demo.command",
    "zoox_stack.evaluation.replay_command",
    "zoox_stack.logs.convert",
    "zoox_stack.logs.bag_cli",
    "zoox_stack.launching.cli",
    "zoox_stack.doctor.cli",
)


def build_parser() -> argparse.ArgumentParser:
    """Parser of all commands; each sets ``func``, which takes the arguments and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="zoox-stack",
        description="Perception, prediction and planning on ROS 2. Each command has --help.",
        epilog="Exit codes: 0 all well, 1 something failed on the way, 2 a wrong command, file or parameter.",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(name).register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.func(args))
    except (InvalidInputError, ConfigurationError) as error:
        print(f"zoox-stack: {error}", file=sys.stderr)
        return 2
    except ZooxStackError as error:
        print(f"zoox-stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141


if __name__ == "__main__":
    raise SystemExit(main())
