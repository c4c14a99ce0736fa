"""Recent ego states, and the ego at any time between them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import wrap_angle

_NS = 1e-9
_SLOPE_WINDOW = 0.3  # [s] of speeds that make the acceleration


class EgoBuffer:
    """Ego states of the last seconds in order of time.

    A state older than the newest by more than `reset_jump` means that the clock was set back: the past is forgotten.
    Otherwise a state that is not newer than the newest is ignored. What `at` returns for a stamp depends only on
    states up to the first one at or after that stamp, so it does not matter how many more have come since.

    Args:
        length: How long states are kept [s].
        reset_jump: [s].
    """

    def __init__(self, length: float = 5.0, reset_jump: float = 0.5) -> None:
        self._length_ns = int(length * 1e9)
        self._jump_ns = int(reset_jump * 1e9)
        self._stamps: list[int] = []
        self._states: list[EgoState] = []

    def __len__(self) -> int:
        return len(self._states)

    def clear(self) -> None:
        """Forget everything."""
        self._stamps.clear()
        self._states.clear()

    def add(self, state: EgoState) -> bool:
        """Keep a state; False if it was ignored because it is not newer."""
        if self._stamps and state.stamp_ns <= self._stamps[-1]:
            if self._stamps[-1] - state.stamp_ns <= self._jump_ns:
                return False
            self.clear()
        self._stamps.append(state.stamp_ns)
        self._states.append(state)
        keep = bisect_left(self._stamps, state.stamp_ns - self._length_ns)
        if keep > 64:  # not every time: deleting from the front moves the rest
            del self._stamps[:keep], self._states[:keep]
        return True

    def covers(self, stamp_ns: int) -> bool:
        """True if there are states at or before and at or after the stamp."""
        return bool(self._stamps) and self._stamps[0] <= stamp_ns <= self._stamps[-1]

    def at(self, stamp_ns: int, max_gap: float) -> EgoState | None:
        """The ego at a stamp: interpolated, or moved on with speed and yaw rate where there is no state after it.

        The acceleration is the slope of the speeds of the 0.3 s before, because odometry does not carry one.

        Args:
            stamp_ns: [ns].
            max_gap: Largest time to the nearest state used [s].

        Returns:
            None if no state is near enough.
        """
        if not self._stamps:
            return None
        after = bisect_left(self._stamps, stamp_ns)
        last = min(after, len(self._stamps) - 1)
        if after == len(self._stamps) or after == 0:
            nearest = self._states[last]
            if abs(stamp_ns - nearest.stamp_ns) > max_gap * 1e9:
                return None
            state = moved(nearest, stamp_ns)
        else:
            before, behind = self._states[after - 1], self._states[after]
            if max(stamp_ns - before.stamp_ns, behind.stamp_ns - stamp_ns) > max_gap * 1e9:
                near = min((before, behind), key=lambda s: abs(s.stamp_ns - stamp_ns))
                if abs(near.stamp_ns - stamp_ns) > max_gap * 1e9:
                    return None
                state = moved(near, stamp_ns)
            else:
                state = interpolated(before, behind, stamp_ns)
        return replace(state, acceleration=self._acceleration(last))

    def _acceleration(self, last: int) -> float:
        """Slope of the speeds of the states up to row `last` [m/s^2]."""
        first = bisect_left(self._stamps, self._stamps[last] - int(_SLOPE_WINDOW * 1e9))
        if last - first < 1:
            return 0.0
        times = np.array([(s - self._stamps[last]) * _NS for s in self._stamps[first : last + 1]])
        speeds = np.array([s.speed for s in self._states[first : last + 1]])
        times = times - times.mean()
        return float((times @ (speeds - speeds.mean())) / (times @ times))


def interpolated(before: EgoState, after: EgoState, stamp_ns: int) -> EgoState:
    """The ego between two states; position and speeds linear, yaw the short way."""
    span = after.stamp_ns - before.stamp_ns
    share = (stamp_ns - before.stamp_ns) / span if span else 0.0
    if share >= 1.0:
        return after

    def mix(name: str) -> float:
        a, b = getattr(before, name), getattr(after, name)
        return float(a + (b - a) * share)

    turn = float(wrap_angle(after.yaw - before.yaw))
    return replace(
        before,
        stamp_ns=stamp_ns,
        yaw=float(wrap_angle(before.yaw + turn * share)),
        **{name: mix(name) for name in ("x", "y", "z", "speed", "lateral_velocity", "yaw_rate")},
    )


def moved(state: EgoState, stamp_ns: int) -> EgoState:
    """The ego a little later or earlier, with constant speed and yaw rate."""
    dt = (stamp_ns - state.stamp_ns) * _NS
    middle = state.yaw + state.yaw_rate * dt / 2
    c, s = np.cos(middle), np.sin(middle)
    return replace(
        state,
        stamp_ns=stamp_ns,
        x=float(state.x + (state.speed * c - state.lateral_velocity * s) * dt),
        y=float(state.y + (state.speed * s + state.lateral_velocity * c) * dt),
        yaw=float(wrap_angle(state.yaw + state.yaw_rate * dt)),
    )
