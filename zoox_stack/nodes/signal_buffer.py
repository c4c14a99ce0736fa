"""States of traffic signals by stamp, so that a scene is judged with what was known at its time."""

from __future__ import annotations

from bisect import bisect_right

from zoox_stack.core.agents import TrafficSignals

_KEPT = 100


class SignalBuffer:
    """The last states in order of time.

    Args:
        reset_jump: A state this much older than the newest starts anew [s].
    """

    def __init__(self, reset_jump: float) -> None:
        self._jump_ns = int(reset_jump * 1e9)
        self._kept: list[TrafficSignals] = []

    def add(self, signals: TrafficSignals) -> bool:
        """Keep states; False if they are not newer than the newest."""
        if self._kept:
            behind = self._kept[-1].stamp_ns - signals.stamp_ns
            if behind > self._jump_ns:
                self._kept.clear()
            elif behind >= 0:
                return False
        self._kept.append(signals)
        del self._kept[:-_KEPT]
        return True

    def at(self, stamp_ns: int) -> TrafficSignals | None:
        """The newest states not newer than the stamp."""
        row = bisect_right(self._kept, stamp_ns, key=lambda s: s.stamp_ns)
        return self._kept[row - 1] if row else None
