"""Time as the supervisor lives by it: that of the stamps, and a steady one that goes on while nothing comes.

A clock that leaps alone is not believed. Whether it does is told by the ego states: if their stamps go on as before,
the clock is wrong, and time is carried on without it; if they leap along, time itself did (a simulation or a log began
anew, a process was stopped).
"""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST = 200_000_000  # [ns] simulated time is taken on by no more, whatever came before


@dataclass(frozen=True)
class StackTime:
    """What time it is.

    Attributes:
        now_ns: On the clock of the stamps [ns].
        steady_ns: Steady time [ns]. It runs back only where simulated time does, by whatever.
        clock_off_ns: By how much the ROS clock is ahead of `now_ns` because it leapt alone [ns]; 0 if it did not.
    """

    now_ns: int
    steady_ns: int
    clock_off_ns: int = 0


class StackClock:
    """Makes both times of the ROS clock, the computer's steady clock and the stamps of ego states.

    A simulator tells the time in steps. Silence is measured in between, too: after each step the steady clock goes on
    with that of the computer, by no more than the last step was long. So a simulator that is late, or waits, is no
    fault of anybody, and one that is in time makes no difference to reality.

    Args:
        simulated: The clock of the stamps is a simulated one; else the computer's steady clock is taken as it is.
        leap: What the ROS clock goes further than expected, or back, to be asked for a witness [s].
    """

    def __init__(self, simulated: bool, leap: float = 0.5) -> None:
        self._simulated = simulated
        self._leap = round(leap * 1e9)
        self._off = 0  # of the ROS clock against the time that is lived by
        self._witnessed = False  # ego states say so, too
        self._stamp: int | None = None  # of the newest ego state since the leap
        self._now: int | None = None
        self._read_at = 0  # on the computer's clock
        self._told_at = 0  # the same, when time went on last
        self._step = 0
        self._steady = 0

    def ego_at(self, stamp_ns: int) -> None:
        """An ego state came, about this time [ns]."""
        self._stamp = stamp_ns

    def read(self, clock_ns: int, computer_ns: int) -> StackTime:
        """What time it is; call it often, a step counts from the first call after it.

        Args:
            clock_ns: ROS clock [ns].
            computer_ns: Steady clock of the computer [ns].
        """
        if self._now is not None:
            expected = self._expected(self._now, computer_ns)
            if abs(clock_ns - self._off - expected) > self._leap:
                self._off = clock_ns - expected
                if abs(self._off) <= self._leap:  # it leapt back to where it belongs
                    self._off = 0
                self._witnessed, self._stamp = False, None
            elif self._off:
                self._hear_witness(clock_ns)
        self._read_at = computer_ns
        now_ns = clock_ns - self._off
        steady_ns = self._steady_at(now_ns, computer_ns) if self._simulated else computer_ns
        self._now = now_ns
        return StackTime(now_ns, steady_ns, self._off if self._witnessed else 0)

    def _expected(self, now_ns: int, computer_ns: int) -> int:
        """What the clock should show, less what it is off."""
        if not self._simulated:
            return now_ns + computer_ns - self._read_at
        return now_ns + min(computer_ns - self._told_at, self._step)

    def _hear_witness(self, clock_ns: int) -> None:
        """The clock leapt: with the ego states or without them?"""
        if self._stamp is None:
            return
        now_ns = clock_ns - self._off
        if abs(self._stamp - clock_ns) < abs(self._stamp - now_ns):
            self._off, self._witnessed = 0, False
        else:
            self._witnessed = True
            self._off -= max(self._stamp - now_ns, 0)  # it is at least as late as somebody has known it to be

    def _steady_at(self, now_ns: int, computer_ns: int) -> int:
        if self._now is None or now_ns != self._now:
            self._step = 0 if self._now is None else min(max(now_ns - self._now, 0), _LONGEST)
            if self._now is None or now_ns < self._now:
                self._steady = now_ns
            self._told_at = computer_ns
        self._steady = max(self._steady, now_ns + min(computer_ns - self._told_at, self._step))
        return self._steady
