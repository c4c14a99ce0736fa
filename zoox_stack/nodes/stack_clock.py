"""Time as the supervisor sees it: the clock of the stamps, and one that goes on while nothing comes."""

from __future__ import annotations

_LONGEST = 200_000_000  # [ns] simulated time is taken on by no more, whatever came before


class StackClock:
    """Makes a steady clock of simulated time.

    A simulator tells the time in steps. Silence is measured in between, too: after each step the steady clock goes on
    with that of the computer, by no more than the last step was long. So a simulator that is late, or waits, is no
    fault of anybody, and one that is in time makes no difference to reality.

    Args:
        simulated: The clock of the stamps is a simulated one; else the computer's steady clock is taken as it is.
    """

    def __init__(self, simulated: bool) -> None:
        self._simulated = simulated
        self._now: int | None = None
        self._told_at = 0  # on the computer's clock
        self._step = 0
        self._steady = 0

    def steady(self, now_ns: int, computer_ns: int) -> int:
        """The steady time [ns]; call it often, a step counts from the first call after it.

        It runs back only where simulated time does, by whatever.

        Args:
            now_ns: Clock of the stamps [ns].
            computer_ns: Steady clock of the computer [ns].
        """
        if not self._simulated:
            return computer_ns
        if self._now is None or now_ns != self._now:
            self._step = 0 if self._now is None else min(max(now_ns - self._now, 0), _LONGEST)
            if self._now is None or now_ns < self._now:
                self._steady = now_ns
            self._now, self._told_at = now_ns, computer_ns
        self._steady = max(self._steady, now_ns + min(computer_ns - self._told_at, self._step))
        return self._steady
