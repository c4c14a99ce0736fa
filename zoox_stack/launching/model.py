"""What a launch file comes to: processes to start. Frozen, nothing in here starts anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from zoox_stack.launching.errors import Location


class Output(Enum):
    """Where a process's output goes; names and meaning as in ``ros2 launch``."""

    LOG = "log"  # both streams to the log file, stderr to the screen too
    SCREEN = "screen"  # both streams to the screen
    BOTH = "both"  # both streams to the screen and the log file


@dataclass(frozen=True)
class ParameterFile:
    """Parameters that the runner writes to a temporary YAML file and passes by its path.

    Attributes:
        text: Content, YAML as ``--params-file`` takes it.
    """

    text: str


@dataclass(frozen=True)
class ProcessDescription:
    """One process.

    Attributes:
        name: Label of its output, ``<executable>-<number>``.
        command: Program and arguments.
        environment: Changes to the launcher's environment: name and value, None to remove.
        cwd: Working directory, None for the launcher's.
        output: Where stdout and stderr go.
        respawn: Start it again when it ends, however it ended.
        respawn_delay: From its end to the new start [s].
        respawn_max_retries: Give up after so many starts again; negative for never.
        shutdown_on_exit: Its end ends the launch; a failure of it is the launch's failure.
        sigterm_timeout: From SIGINT to SIGTERM on shutdown [s].
        sigkill_timeout: From SIGTERM to SIGKILL [s].
        location: The element it comes from.
    """

    name: str
    command: tuple[str | ParameterFile, ...]
    environment: tuple[tuple[str, str | None], ...] = ()
    cwd: str | None = None
    output: Output = Output.LOG
    respawn: bool = False
    respawn_delay: float = 0.0
    respawn_max_retries: int = -1
    shutdown_on_exit: bool = False
    sigterm_timeout: float = 5.0
    sigkill_timeout: float = 5.0
    location: Location = field(default_factory=lambda: Location(""))


@dataclass(frozen=True)
class DeclaredArgument:
    """One ``<arg>`` of a launch file or of a file it includes.

    Attributes:
        name: As in ``name:=value``.
        default: Unexpanded text, None if a value must be given.
        description: Empty if there is none.
        choices: Allowed values, empty for any.
        conditional: Only declared if a condition holds.
        location: Where it is declared.
    """

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...]
    conditional: bool
    location: Location


@dataclass(frozen=True)
class LaunchDescription:
    """A launch file evaluated with its arguments.

    Attributes:
        file: The launch file.
        arguments: Every argument met, includes included, in order.
        processes: In the order they are started.
    """

    file: str
    arguments: tuple[DeclaredArgument, ...]
    processes: tuple[ProcessDescription, ...]
