"""Time by clock, computer and ego states: what leaps alone is not followed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from zoox_stack.nodes.stack_clock import StackClock, StackTime

MS = 1_000_000
STEP = 50  # [ms]


def test_the_computers_clock_is_taken_as_it_is_where_time_is_real() -> None:
    clock = StackClock(simulated=False)
    assert [clock.read(now, at).steady_ns for now, at in ((5, 100), (900, 101), (2, 250))] == [100, 101, 250]


def steady(clock: StackClock, *steps: tuple[int, int]) -> list[int]:
    """[ms]."""
    return [clock.read(now * MS, at * MS).steady_ns // MS for now, at in steps]


def test_between_steps_time_goes_on_but_not_beyond_the_next() -> None:
    clock = StackClock(simulated=True)
    told = steady(clock, (1000, 0), (1000, 50), (1100, 100), (1100, 140), (1100, 199), (1100, 900), (1200, 901))
    # The first step is not known to be one; a simulator that hangs stops time.
    assert told == [1000, 1000, 1100, 1140, 1199, 1200, 1200]


def test_it_never_runs_back_unless_simulated_time_does() -> None:
    clock = StackClock(simulated=True)
    told = steady(clock, (0, 0), (100, 100), (100, 170), (150, 171), (160, 172), (300, 330), (20, 331), (120, 431))
    assert told == [0, 100, 170, 170, 170, 300, 20, 120]


class Drive:
    """A clock that is told every 50 ms and is off at times; ego states of the true time."""

    def __init__(self, simulated: bool) -> None:
        self.clock = StackClock(simulated)
        self.true = 10_000  # [ms]
        self.ego_off = 0
        self.seen: list[StackTime] = []

    def go(self, seconds: float, off: int = 0, ego: bool = True) -> list[StackTime]:
        """Drive on, with a clock that is off [ms]; what was read at each step."""
        self.seen = []
        for _ in range(round(seconds * 1000 / STEP)):
            self.true += STEP
            self.seen.append(self.clock.read((self.true + off) * MS, (self.true + 7) * MS))
            if ego:
                self.clock.ego_at((self.true + self.ego_off) * MS)
        return self.seen


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("off", [-2000, 2000, -3_600_000, 800])
def test_a_clock_that_leaps_alone_is_not_followed(simulated: bool, off: int) -> None:
    drive = Drive(simulated)
    drive.go(1.0)
    before = drive.true
    told = drive.go(4.0, off)
    assert [t.now_ns // MS for t in told] == list(range(before + STEP, drive.true + 1, STEP))
    assert [(b.steady_ns - a.steady_ns) // MS for a, b in pairwise(told)] == [STEP] * (len(told) - 1)
    assert {t.clock_off_ns // MS for t in told[2:]} == {off}  # told with the second state after it
    back = drive.go(1.0)
    assert [t.now_ns // MS for t in back] == list(range(drive.true - 1000 + STEP, drive.true + 1, STEP))
    assert {t.clock_off_ns for t in back} == {0}


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("off", [-2000, 2000])
def test_a_clock_that_leaps_with_the_ego_states_is_followed(simulated: bool, off: int) -> None:
    drive = Drive(simulated)
    drive.go(1.0)
    drive.ego_off = off
    told = drive.go(1.0, off)
    assert {t.clock_off_ns for t in told} == {0}
    assert told[-1].now_ns == (drive.true + off) * MS


def test_without_a_witness_time_goes_on_and_nothing_is_said() -> None:
    drive = Drive(simulated=True)
    drive.go(1.0)
    told = drive.go(1.0, -2000, ego=False)
    assert {t.clock_off_ns for t in told} == {0}
    assert told[-1].now_ns == drive.true * MS


def test_a_simulator_that_waits_has_not_leapt() -> None:
    clock = StackClock(simulated=True)
    for at in range(0, 500, 50):
        clock.read(at * MS, at * MS)
    clock.ego_at(450 * MS)
    late = [clock.read(now * MS, at * MS) for now, at in ((450, 60_000), (500, 60_001), (550, 60_051))]
    assert [(t.now_ns // MS, t.clock_off_ns) for t in late] == [(450, 0), (500, 0), (550, 0)]
