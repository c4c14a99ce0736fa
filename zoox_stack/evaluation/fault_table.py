"""Every fault of the campaign in one place: what is broken, how, who has to name it, how the drive may end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from zoox_stack.core import topics
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.topics import Topic

ALL = "all"
SWEEP = Topic("sweep", "", topics.QosClass.SENSOR_DATA, "LiDAR sweeps; without sensors the detections")


class FaultKind(StrEnum):
    """What is done to a node or to the messages of a topic."""

    NONE = "none"  # nothing: how the drive goes without a fault
    KILL = "kill"  # SIGKILL; the launcher starts it again
    STALL = "stall"  # SIGSTOP, after a while SIGCONT
    GONE = "gone"  # SIGKILL, and again whenever it comes back, for a while
    NO_GPU = "no_gpu"  # it is to run on a GPU and there is none
    DELAY = "delay"  # messages come so much later [s]
    # Every floating-point number is NaN; of a LiDAR sweep, every coordinate. A parameter file makes a number of "nan".
    NAN = "nans"
    DROP = "drop"  # this part of the messages is lost
    DUPLICATE = "duplicate"  # every message comes twice
    CLOCK_JUMP = "clock_jump"  # stamps are off by so much [s]
    BLANK = "blank"  # a message of this type with nothing in it
    BLIND = "blind"  # nothing is seen in a sector in front that is so wide [rad]


PROCESS_KINDS = frozenset({FaultKind.KILL, FaultKind.STALL, FaultKind.GONE})
MESSAGE_KINDS = (
    FaultKind.DELAY, FaultKind.NAN, FaultKind.DROP, FaultKind.DUPLICATE, FaultKind.CLOCK_JUMP, FaultKind.BLANK,
    FaultKind.BLIND,
)  # fmt: skip


class Ending(StrEnum):
    """How a drive with a fault may end."""

    DRIVES = "drives"  # the planner drives at the end; it may have been stopped for a while
    STOPS = "stops"  # it stands, or a manoeuvre brings it to a stand
    EITHER = "either"
    REFUSED = "refused"  # the stack does not drive off


@dataclass(frozen=True)
class Sign:
    """What is to be found in /diagnostics.

    Attributes:
        status: Name of the status.
        key: The value of it that has to grow after the fault; empty: the status itself has to be bad and say why.
        level: That is bad enough: 1 warning, 2 error.
    """

    status: str
    key: str = ""
    level: int = 1

    def __str__(self) -> str:
        return f"{self.status}: {self.key}" if self.key else self.status


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: Unique.
        kind: What is done.
        node: Who is hit, or whose messages are.
        topic: Whose messages; None for a fault of the process.
        amount: See `FaultKind`.
        lasts: How long [s]; 0 for to the end of the drive.
        begin: Time from the first instant of the drive [s].
        signs: One of them names the fault; none: nobody has to.
        ending: How the drive may end.
        lidar_only: From detections alone nobody can tell it from what is no fault: only drives with a LiDAR have it.
    """

    name: str
    kind: FaultKind
    node: str = ""
    topic: Topic | None = None
    amount: float = 0.0
    lasts: float = 4.0
    begin: float = 5.0
    signs: tuple[Sign, ...] = ()
    ending: Ending = Ending.EITHER
    lidar_only: bool = False

    @property
    def of_process(self) -> bool:
        """Whether a process is hit."""
        return self.kind in PROCESS_KINDS

    @property
    def of_messages(self) -> bool:
        """Whether the fault injector does it."""
        return self.kind in MESSAGE_KINDS

    def with_sweep(self, sweep: Topic) -> Fault:
        """The same with the topic that makes the ticks in place of `SWEEP`."""
        if self.topic is not SWEEP:
            return self
        signs = tuple(replace(sign, key=sign.key.replace(SWEEP.name, sweep.name)) for sign in self.signs)
        return replace(self, topic=sweep, signs=signs)


_STAGES = ("perception", "prediction", "planner", "supervisor")
_SHORT = {
    "sweep": (SWEEP, "simulator"),
    "ego": (topics.KINEMATIC_STATE, "simulator"),
    "signals": (topics.TRAFFIC_SIGNALS, "simulator"),
    "agents": (topics.TRACKED_AGENTS, "perception"),
    "predictions": (topics.PREDICTED_AGENTS, "prediction"),
    "proposal": (topics.PROPOSED_TRAJECTORY, "planner"),
    "trajectory": (topics.TRAJECTORY, "supervisor"),
}  # topics as they are called in names of faults, and who publishes them
_WATCHED_AS = {
    "sweep": "supervisor/perception", "ego": "supervisor/localisation", "agents": "supervisor/perception",
    "predictions": "supervisor/prediction", "proposal": "supervisor/planner",
}  # fmt: skip
_READ_BY = {
    "sweep": "perception", "ego": "perception", "signals": "planner", "agents": "planner", "predictions": "planner",
    "proposal": "supervisor", "trajectory": "simulator",
}  # fmt: skip


def _process(node: str, kind: FaultKind) -> Fault:
    """A node that dies or hangs: its stage is lost for the supervisor; of the supervisor itself the monitor tells."""
    sign = Sign("monitor/supervisor", level=2) if node == "supervisor" else Sign(f"supervisor/{node}")
    return Fault(f"{node}_{kind}", kind, node, signs=(sign,))


def _message(what: str, kind: FaultKind, amount: float = 0.0) -> Fault:
    """Messages that come late or wrong: the stage is lost, or a reader counts what it does not take."""
    topic, node = _SHORT[what]
    counted = f"dropped {topic.name}" + (" (old)" if kind is FaultKind.DUPLICATE else "")
    signs = [Sign(_WATCHED_AS[what])] if what in _WATCHED_AS and kind is not FaultKind.DUPLICATE else []
    if kind in (FaultKind.NAN, FaultKind.DUPLICATE, FaultKind.CLOCK_JUMP):
        signs.append(Sign(_READ_BY[what], counted))
    return Fault(f"{what}_{kind}", kind, node, topic, amount, signs=tuple(signs))


def _watched(kind: FaultKind, amount: float = 0.0, leave_out: tuple[str, ...] = ()) -> list[Fault]:
    return [_message(what, kind, amount) for what in _SHORT if what not in leave_out]


FAULTS: tuple[Fault, ...] = (
    Fault("none", FaultKind.NONE, ending=Ending.DRIVES),
    *(_process(node, FaultKind.KILL) for node in _STAGES),
    *(_process(node, FaultKind.STALL) for node in _STAGES),
    # Signals are a state that is sent again and again, and nobody can tell that a message of the last stage is missing
    # but the vehicle, which brakes and says nothing: there only what reaches a reader is worth a fault.
    *_watched(FaultKind.DELAY, 0.5, ("signals", "trajectory")),
    *_watched(FaultKind.NAN),
    *_watched(FaultKind.DROP, 0.3, ("signals", "trajectory")),
    *_watched(FaultKind.DUPLICATE, 0.0, ("signals", "trajectory")),
    *(_message(what, FaultKind.CLOCK_JUMP, 2.0) for what in ("sweep", "ego", "proposal")),
    Fault(
        "clock_forward", FaultKind.CLOCK_JUMP, "simulator", topics.CLOCK, 2.0,
        signs=(Sign("supervisor/clock"),), ending=Ending.DRIVES,
    ),
    Fault(
        "clock_back", FaultKind.CLOCK_JUMP, "simulator", topics.CLOCK, -2.0,
        signs=(Sign("supervisor/clock"),), ending=Ending.DRIVES,
    ),
    Fault(
        "gpu_missing", FaultKind.NO_GPU, "prediction", lasts=0.0, begin=0.0,
        signs=(Sign("monitor/prediction", level=2),), ending=Ending.REFUSED,
    ),
    Fault("gpu_lost", FaultKind.GONE, "prediction", signs=(Sign("supervisor/prediction"),), ending=Ending.DRIVES),
    Fault(
        "map_missing", FaultKind.BLANK, "simulator", topics.ROAD_NETWORK, lasts=0.0, begin=0.0,
        signs=(Sign("planner", f"dropped {topics.ROAD_NETWORK.name}"), Sign("supervisor/localisation")),
    ),
    Fault(
        "sweep_blind", FaultKind.BLIND, "simulator", SWEEP, 1.0,
        signs=(Sign("supervisor/sight"),), lidar_only=True,
    ),
)  # fmt: skip


def choose_faults(text: str, *, lidar: bool) -> tuple[Fault, ...]:
    """Rows of the table.

    Args:
        text: Names, comma separated, or ``all``: all there are for such drives.
        lidar: The drives have a LiDAR.

    Raises:
        ConfigurationError: A name that is not in the table, one that needs a LiDAR, or none at all.
    """
    by_name = {fault.name: fault for fault in FAULTS}
    if text == ALL:
        return tuple(fault for fault in FAULTS if lidar or not fault.lidar_only)
    names = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [name for name in names if name not in by_name]
    if unknown or not names:
        raise ConfigurationError(f"--faults: expected some of {', '.join(by_name)}; found {', '.join(unknown) or '-'}")
    for name in names:
        if by_name[name].lidar_only and not lidar:
            raise ConfigurationError(f"--faults {name}: expected a LiDAR (--sensors), found detections without sensors")
    return tuple(by_name[name] for name in names)
