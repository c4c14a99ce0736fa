"""What is said of a run with a fault, from made-up recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.classes import Blame, EventKind, TrajectorySource
from zoox_stack.core.events import SimulationEvent
from zoox_stack.evaluation.fault_judge import Driven, Evidence, Outcome, SeenEgo, Told, judge
from zoox_stack.evaluation.fault_table import Ending, Fault, FaultKind, Sign

S = 1_000_000_000
BEGUN = 5 * S
STALL = Fault("planner_stall", FaultKind.STALL, "planner", signs=(Sign("supervisor/planner"),))
NAMED = Told(BEGUN + S // 4, "supervisor/planner", 2, "planner silent for 0.18 s")


def driven(begin: float, end: float, source: TrajectorySource = TrajectorySource.DECISION) -> list[Driven]:
    return [Driven(round(at * S), source) for at in np.arange(begin, end, 0.1)]


def drive(speed_at_end: float = 8.0) -> list[SeenEgo]:
    """15 s; simulated time began at 1000 s."""
    return [SeenEgo(at * S // 10, 1000 * S + at * S // 10, 8.0 if at < 150 else speed_at_end) for at in range(151)]


def event(kind: EventKind, blame: Blame, at: float) -> SimulationEvent:
    return SimulationEvent(round((1000 + at) * S), kind, blame, 0.0, 0.0, 1.0, f"{kind.name} of {blame.name}")


STOPPED_FOR_A_WHILE = Evidence(
    BEGUN,
    [*driven(0, 5.05), *driven(5.18, 9, TrajectorySource.COMFORT_STOP), *driven(9, 15.05)],
    drive(),
    [replace(NAMED, received_ns=S), NAMED],
)


def test_a_manoeuvre_and_its_end() -> None:
    verdict = judge(STALL, STOPPED_FOR_A_WHILE)
    assert (verdict.outcome, verdict.safe, verdict.passed) == (Outcome.DRIVES, True, True)
    assert verdict.manoeuvre_after == pytest.approx(0.18)
    assert verdict.reaction == verdict.manoeuvre_after
    assert verdict.recovered_after == pytest.approx(4.0)
    assert verdict.longest_gap == pytest.approx(0.18)
    assert verdict.named == "supervisor/planner: planner silent for 0.18 s"
    assert verdict.named_after == pytest.approx(0.25)


def test_a_fault_that_nobody_named_is_safe_but_has_not_passed() -> None:
    late = replace(NAMED, received_ns=16 * S)  # after the drive every stage falls silent
    for told in ([], [replace(NAMED, level=0)], [replace(NAMED, received_ns=S)], [late]):
        verdict = judge(STALL, replace(STOPPED_FOR_A_WHILE, told=told))
        assert verdict.safe
        assert not verdict.passed
        assert verdict.named == ""


@pytest.mark.parametrize(
    ("counts", "kind", "blame", "at"),
    [
        (True, EventKind.COLLISION, Blame.EGO, 7.0),
        (True, EventKind.COLLISION, Blame.UNCLEAR, 7.0),
        (True, EventKind.RED_LIGHT, Blame.EGO, 7.0),
        (False, EventKind.COLLISION, Blame.OTHER, 7.0),
        (False, EventKind.HARSH_BRAKING, Blame.EGO, 7.0),
        (False, EventKind.COLLISION, Blame.EGO, 3.0),
    ],
)
def test_events_since_the_fault_that_the_ego_had_to_avoid_are_unsafe(
    counts: bool, kind: EventKind, blame: Blame, at: float
) -> None:
    verdict = judge(STALL, replace(STOPPED_FOR_A_WHILE, events=[event(kind, blame, at)]))
    assert verdict.safe is not counts
    assert (verdict.outcome is Outcome.UNSAFE) is counts
    assert bool(verdict.why) is counts


def test_who_stands_at_the_end_has_stopped_and_who_rolls_alone_is_unsafe() -> None:
    silent = replace(STOPPED_FOR_A_WHILE, trajectories=driven(0, 5.05))
    assert judge(STALL, replace(silent, egos=drive(0.0))).outcome is Outcome.STOPPED
    assert judge(STALL, silent).outcome is Outcome.UNSAFE
    stops = [*driven(0, 5.05), *driven(5.18, 15.05, TrajectorySource.STANDSTILL)]
    verdict = judge(replace(STALL, ending=Ending.DRIVES), replace(silent, trajectories=stops))
    assert (verdict.outcome, verdict.safe, verdict.expected) == (Outcome.STOPPED, True, False)


def test_a_gap_without_manoeuvre_ends_with_the_recovery() -> None:
    gap = replace(STOPPED_FOR_A_WHILE, trajectories=[*driven(0, 5.05), *driven(8, 15.05)])
    verdict = judge(STALL, gap)
    assert verdict.manoeuvre_after is None
    assert verdict.reaction == verdict.recovered_after == pytest.approx(3.0)


def test_a_counter_has_to_grow_after_the_fault() -> None:
    fault = replace(STALL, signs=(Sign("planner", "dropped x"),))

    def counted(*values: str) -> str:
        told = [Told((4 + i) * S, "planner", 0, "", {"dropped x": value}) for i, value in enumerate(values)]
        return judge(fault, replace(STOPPED_FOR_A_WHILE, told=told)).named

    assert counted("3", "4") == "planner: dropped x 4"
    assert counted("3", "3") == counted("3", "many") == ""


def test_runs_that_tell_nothing_are_broken_and_a_refusal_may_be_right() -> None:
    nothing = Evidence(None, failure="exit code 1")
    verdict = judge(STALL, nothing)
    assert (verdict.outcome, verdict.safe, verdict.why) == (Outcome.BROKEN, False, "exit code 1")
    refusing = Fault("gpu", FaultKind.NO_GPU, signs=(Sign("monitor/prediction"),), ending=Ending.REFUSED)
    dead = Told(S, "monitor/prediction", 2, "DEAD")
    verdict = judge(refusing, replace(nothing, told=[dead]))
    assert (verdict.outcome, verdict.passed) == (Outcome.REFUSED, True)
    assert judge(refusing, replace(STOPPED_FOR_A_WHILE, begun_ns=None)).outcome is Outcome.BROKEN
    assert judge(STALL, replace(STOPPED_FOR_A_WHILE, failure="the simulation ended early")).outcome is Outcome.BROKEN
