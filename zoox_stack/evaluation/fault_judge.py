"""What became of a drive with a fault: was it safe, was the fault named, how soon was something done.

Times are those of one clock that no fault touches (when the recorder received a message); simulated time is used only
to tell which events came after the fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from zoox_stack.core.classes import Blame, EventKind, TrajectorySource
from zoox_stack.core.events import SimulationEvent
from zoox_stack.evaluation.fault_table import Ending, Fault, FaultKind, Sign

STANDS = 0.1  # [m/s] slower ones stand
GAP = 0.4  # [s] without a trajectory: nobody drove, the vehicle braked by itself
LEFT_ALONE = 0.6  # [s] before the end without a trajectory, in motion: nobody drives any more
_UNSAFE = (EventKind.COLLISION, EventKind.RED_LIGHT, EventKind.OFF_ROAD, EventKind.WRONG_WAY)


class Outcome(StrEnum):
    """How a run ended."""

    DRIVES = "drives"
    STOPPED = "stopped"  # stands at the end, or a manoeuvre is bringing it to a stand
    REFUSED = "refused"  # never drove off
    UNSAFE = "unsafe"
    BROKEN = "broken"  # the run tells nothing: it ended early, or the fault never came


@dataclass(frozen=True)
class Driven:
    """A trajectory that reached the vehicle."""

    received_ns: int
    source: TrajectorySource


@dataclass(frozen=True)
class SeenEgo:
    """The true ego."""

    received_ns: int
    stamp_ns: int
    speed: float


@dataclass(frozen=True)
class Told:
    """One status of /diagnostics; level 0 is OK."""

    received_ns: int
    name: str
    level: int
    message: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What was recorded of a run, each in order of reception.

    Attributes:
        begun_ns: When the fault began; None if it did not.
        trajectories: That reached the vehicle.
        egos: Without error.
        told: On /diagnostics.
        events: Of the simulator.
        failure: Why the run ended early; empty if it did not.
    """

    begun_ns: int | None
    trajectories: Sequence[Driven] = ()
    egos: Sequence[SeenEgo] = ()
    told: Sequence[Told] = ()
    events: Sequence[SimulationEvent] = ()
    failure: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a run. Times count from the fault [s]; None if it did not happen.

    Attributes:
        outcome: In one word.
        safe: No event the ego had to avoid, and somebody drives it or it stands.
        expected: The outcome is one the table allows.
        named: Which status named the fault, and what it said; empty if none did. True to the table alone.
        named_after: When.
        manoeuvre_after: First trajectory of a manoeuvre of the supervisor, if that was before the planner drove again.
        recovered_after: The planner drives from here on to the end, after a manoeuvre or a gap.
        longest_gap: Between trajectories, from the fault on [s].
        why: What was unsafe or broken.
        other_events: That do not count as unsafe.
    """

    outcome: Outcome
    safe: bool
    expected: bool
    named: str = ""
    named_after: float | None = None
    manoeuvre_after: float | None = None
    recovered_after: float | None = None
    longest_gap: float | None = None
    why: str = ""
    other_events: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Safe, as expected, and named."""
        return self.safe and self.expected and bool(self.named)

    @property
    def reaction(self) -> float | None:
        """From the fault to the first trajectory of a manoeuvre, else to the recovery of the node [s]."""
        return self.recovered_after if self.manoeuvre_after is None else self.manoeuvre_after


def judge(fault: Fault, evidence: Evidence) -> Verdict:
    """What became of a run.

    Args:
        fault: That was made.
        evidence: What was recorded.
    """
    begun = evidence.begun_ns
    named, named_ns = _named(fault, evidence)
    drove = any(ego.speed > STANDS for ego in evidence.egos)
    if begun is None or not evidence.egos:
        refused = not drove and fault.ending is Ending.REFUSED
        why = "" if refused else evidence.failure or "the fault never began"
        return Verdict(Outcome.REFUSED if refused else Outcome.BROKEN, refused, refused, named, why=why)
    unsafe, others = _split_events(evidence, begun)
    outcome = _ending(evidence)
    why = "; ".join(event.text for event in unsafe)
    if unsafe:
        outcome = Outcome.UNSAFE
    elif outcome is Outcome.UNSAFE:
        why = "in motion at the end, and nobody drives"
    elif evidence.failure:
        outcome, why = Outcome.BROKEN, evidence.failure
    manoeuvre, recovered, gap = _reaction(evidence, begun)
    return Verdict(
        outcome,
        safe=outcome not in (Outcome.UNSAFE, Outcome.BROKEN),
        expected=_allowed(fault.ending, outcome),
        named=named,
        named_after=None if named_ns is None else max(0.0, (named_ns - begun) * 1e-9),
        manoeuvre_after=manoeuvre,
        recovered_after=recovered,
        longest_gap=gap,
        why=why,
        other_events=tuple(event.text for event in others),
    )


def _allowed(ending: Ending, outcome: Outcome) -> bool:
    allowed = {
        Ending.DRIVES: {Outcome.DRIVES},
        Ending.STOPS: {Outcome.STOPPED},
        Ending.EITHER: {Outcome.DRIVES, Outcome.STOPPED},
        Ending.REFUSED: {Outcome.REFUSED},
    }
    return outcome in allowed[ending]


def _split_events(evidence: Evidence, begun: int) -> tuple[list[SimulationEvent], list[SimulationEvent]]:
    """Events since the fault: those the ego had to avoid, and the rest."""
    before = [ego.stamp_ns for ego in evidence.egos if ego.received_ns <= begun]
    since = before[-1] if before else evidence.egos[0].stamp_ns
    unsafe: list[SimulationEvent] = []
    others: list[SimulationEvent] = []
    for event in evidence.events:
        if event.stamp_ns >= since:
            counts = event.kind in _UNSAFE and event.blame not in (Blame.NOBODY, Blame.OTHER)
            (unsafe if counts else others).append(event)
    return unsafe, others


def _ending(evidence: Evidence) -> Outcome:
    """Who drives at the end."""
    last = evidence.egos[-1]
    trajectory = evidence.trajectories[-1] if evidence.trajectories else None
    alone = trajectory is None or (last.received_ns - trajectory.received_ns) * 1e-9 > LEFT_ALONE
    if alone:
        return Outcome.STOPPED if abs(last.speed) < STANDS else Outcome.UNSAFE
    assert trajectory is not None
    return Outcome.STOPPED if trajectory.source.intervention else Outcome.DRIVES


def _reaction(evidence: Evidence, begun: int) -> tuple[float | None, float | None, float | None]:
    """First manoeuvre, recovery, longest gap, all since the fault [s]."""
    after = [t for t in evidence.trajectories if t.received_ns > begun]
    manoeuvre = next(((t.received_ns - begun) * 1e-9 for t in after if t.source.intervention), None)
    times = [begun, *(t.received_ns for t in after), max(begun, evidence.egos[-1].received_ns)]
    gaps = [(b - a) * 1e-9 for a, b in pairwise(times)]
    recovered, last_ns, disturbed = None, begun, False
    for t in after:
        if t.source.intervention:
            recovered, disturbed = None, True
        elif disturbed or (t.received_ns - last_ns) * 1e-9 > GAP:
            recovered, disturbed = (t.received_ns - begun) * 1e-9, False
        last_ns = t.received_ns
    return manoeuvre, recovered, max(gaps)


def _named(fault: Fault, evidence: Evidence) -> tuple[str, int | None]:
    """Who named the fault first, and when."""
    if not fault.signs:
        return ("nothing to name" if fault.kind is FaultKind.NONE else ""), None
    found = [hit for sign in fault.signs if (hit := _first(sign, evidence)) is not None]
    if not found:
        return "", None
    at, text = min(found)
    return text, at


def _first(sign: Sign, evidence: Evidence) -> tuple[int, str] | None:
    """The first time that a sign was seen since the fault; a fault from the beginning on has no before."""
    begun = evidence.begun_ns or 0
    over = evidence.egos[-1].received_ns if evidence.egos else None  # then every stage falls silent
    before = 0.0
    for told in evidence.told:
        if told.name != sign.status or (over is not None and told.received_ns > over):
            continue
        if not sign.key:
            if told.received_ns >= begun and told.level >= sign.level and told.message:
                return told.received_ns, f"{sign}: {told.message}"
            continue
        value = _number(told.values.get(sign.key, "0"))
        if told.received_ns < begun:
            before = value
        elif value > before:
            return told.received_ns, f"{sign} {told.values[sign.key]}"
    return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
