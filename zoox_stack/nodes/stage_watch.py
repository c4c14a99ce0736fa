"""Rate, age and life of every stage, from what it tells on /system/timing and from its heartbeat. No ROS in here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from zoox_stack.core.timing import StageTick


class Health(IntEnum):
    """State of a stage, the worst last."""

    OK = 0
    WAITING = 1  # alive, has not done anything yet
    SLOW = 2  # alive and working, at less than the expected rate
    LATE = 3  # output comes too long after its input
    STALE = 4  # alive, but no output: its input is missing or it hangs
    DEAD = 5  # no heartbeat


@dataclass(frozen=True)
class StageStatus:
    """How a stage does.

    Attributes:
        stage: Its name.
        health: In one word.
        explanation: One sentence.
        rate: Ticks per second over the window.
        latency: Median time from input to output over the window [s]; NaN without ticks.
        worst_latency: Largest of the window [s].
        age: Since the last output [s]; infinite without any.
        heartbeat_age: Since the last heartbeat [s]; infinite without any.
        dropped_bad: As the stage told last.
        dropped_old: As the stage told last.
    """

    stage: str
    health: Health
    explanation: str
    rate: float
    latency: float
    worst_latency: float
    age: float
    heartbeat_age: float
    dropped_bad: int
    dropped_old: int


@dataclass
class _Seen:
    outputs: deque[tuple[float, float]] = field(default_factory=deque)  # time of output, latency [s]
    heartbeat: float | None = None
    last: StageTick | None = None
    last_output: float | None = None


class StageWatch:
    """Watches stages. All times are seconds of one steady clock of the caller.

    Args:
        stages: Those that must be alive.
        expected_rate: [1/s].
        late_after: [s] from input to output.
        stale_after: [s] without output.
        dead_after: [s] without heartbeat.
        window: [s] for rates and latencies.
        now: Start of the watch; a stage never heard of is dead only `dead_after` later.
    """

    def __init__(
        self,
        stages: tuple[str, ...],
        *,
        expected_rate: float,
        late_after: float,
        stale_after: float,
        dead_after: float,
        window: float,
        now: float,
    ) -> None:
        self.stages = stages
        self._rate, self._late, self._stale, self._dead = expected_rate, late_after, stale_after, dead_after
        self._window = window
        self._start = now
        self._seen: dict[str, _Seen] = {stage: _Seen() for stage in stages}

    def tick(self, tick: StageTick, now: float) -> None:
        """A stage told about a tick."""
        seen = self._seen.setdefault(tick.stage, _Seen())
        seen.outputs.append((now, tick.latency))
        seen.last, seen.last_output = tick, now
        while seen.outputs and now - seen.outputs[0][0] > self._window:
            seen.outputs.popleft()

    def heartbeat(self, stage: str, now: float) -> None:
        """A node is alive."""
        if stage in self._seen:
            self._seen[stage].heartbeat = now

    def status(self, now: float) -> list[StageStatus]:
        """How every stage does; the required ones first, in their order, then others that were seen."""
        names = [*self.stages, *sorted(set(self._seen) - set(self.stages))]
        return [self._status(name, now) for name in names]

    def _status(self, stage: str, now: float) -> StageStatus:
        seen = self._seen[stage]
        recent = [latency for at, latency in seen.outputs if now - at <= self._window]
        rate = len(recent) / self._window
        age = float("inf") if seen.last_output is None else now - seen.last_output
        heartbeat_age = float("inf") if seen.heartbeat is None else now - seen.heartbeat
        health, explanation = self._judge(stage, now, seen, recent, rate)
        return StageStatus(
            stage=stage,
            health=health,
            explanation=explanation,
            rate=rate,
            latency=float(np.median(recent)) if recent else float("nan"),
            worst_latency=max(recent, default=float("nan")),
            age=age,
            heartbeat_age=heartbeat_age,
            dropped_bad=seen.last.dropped_bad if seen.last else 0,
            dropped_old=seen.last.dropped_old if seen.last else 0,
        )

    def _judge(self, stage: str, now: float, seen: _Seen, recent: list[float], rate: float) -> tuple[Health, str]:
        if stage in self.stages:
            silent = now - (self._start if seen.heartbeat is None else seen.heartbeat)
            if silent > self._dead:
                said = "never" if seen.heartbeat is None else f"{silent:.1f} s ago"
                return Health.DEAD, f"no sign of life (last heartbeat: {said})"
        if seen.last_output is None:
            return Health.WAITING, "nothing done yet"
        age = now - seen.last_output
        if stage in self.stages and age > self._stale:
            return Health.STALE, f"no output for {age:.1f} s"
        if recent and float(np.median(recent)) > self._late:
            return Health.LATE, f"output {np.median(recent) * 1e3:.0f} ms after its input"
        # Only over a whole window of work does a rate mean anything.
        whole = bool(seen.outputs) and now - seen.outputs[0][0] > 0.9 * self._window
        if stage in self.stages and whole and rate < 0.8 * self._rate:
            return Health.SLOW, f"{rate:.1f} instead of {self._rate:g} ticks per second"
        return Health.OK, f"{rate:.1f} ticks per second"
