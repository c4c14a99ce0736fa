"""Steady time from simulated time."""

from __future__ import annotations

from zoox_stack.nodes.stack_clock import StackClock

MS = 1_000_000


def test_the_computers_clock_is_taken_as_it_is_where_time_is_real() -> None:
    clock = StackClock(simulated=False)
    assert [clock.steady(now, at) for now, at in ((5, 100), (900, 101), (2, 250))] == [100, 101, 250]


def test_between_steps_time_goes_on_but_not_beyond_the_next() -> None:
    clock = StackClock(simulated=True)
    told = [
        clock.steady(now * MS, at * MS)
        for now, at in ((1000, 0), (1000, 50), (1100, 100), (1100, 140), (1100, 199), (1100, 900), (1200, 901))
    ]
    # The first step is not known to be one; a simulator that hangs stops time.
    assert [t // MS for t in told] == [1000, 1000, 1100, 1140, 1199, 1200, 1200]


def test_it_never_runs_back_unless_simulated_time_does() -> None:
    clock = StackClock(simulated=True)
    steps = ((0, 0), (100, 100), (100, 170), (150, 171), (160, 172), (300, 330), (20, 331), (120, 431))
    told = [clock.steady(now * MS, at * MS) // MS for now, at in steps]
    assert told == [0, 100, 170, 170, 170, 300, 20, 120]
