"""The ``zoox-stack`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from zoox_stack.core.errors import ConfigurationError, InvalidInputError, ModelError, ZooxStackError

# Module of each command, in the order of the help text; its `register(subparsers)` adds its commands.
COMMANDS = {
    "demo": "zoox_stack.demo.command",
    "replay": "zoox_stack.evaluation.replay_command",
    "evaluate": "zoox_stack.evaluation.traffic_command",
    "convert": "zoox_stack.logs.convert",
    "bag": "zoox_stack.logs.bag_cli",
    "simulate": "zoox_stack.simulation.cli",
    "map": "zoox_stack.road_network.map_cli",
    "route": "zoox_stack.planning.route_command",
    "goal": "zoox_stack.planning.goal_command",
    "learn": "zoox_stack.training.cli",
    "train": "zoox_stack.training.cli",
    "export": "zoox_stack.training.cli",
    "learn-costs": "zoox_stack.planning.learn_costs_command",
    "launch": "zoox_stack.launching.cli",
    "doctor": "zoox_stack.doctor.cli",
}


def build_parser(commands: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Parser of `commands`; each sets ``func``, which takes the arguments and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="zoox-stack",
        description="Perception, prediction and planning on ROS 2. Each command has --help.",
        epilog="Exit codes: 0 all well, 1 something failed on the way, 2 a wrong command, file or parameter.",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in dict.fromkeys(COMMANDS[name] for name in commands):
        import_module(module).register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    # Importing all commands takes a second; only help and mistakes need them all.
    commands = words[:1] if words and words[0] in COMMANDS else tuple(COMMANDS)
    args = build_parser(commands).parse_args(words)
    try:
        return int(args.func(args))
    except (InvalidInputError, ConfigurationError, ModelError) as error:
        print(f"zoox-stack: {error}", file=sys.stderr)
        return 2
    except ZooxStackError as error:
        print(f"zoox-stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except OSError as error:
        print(f"zoox-stack: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
