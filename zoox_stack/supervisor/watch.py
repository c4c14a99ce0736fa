"""Which stages of the stack are lost: silent, or alive but late. All times come from the caller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from zoox_stack.supervisor.config import SupervisorConfig

_AFTER_LATE = 2  # good outputs in a row after one that was only late


class Stage(IntEnum):
    """What the supervisor listens to."""

    LOCALISATION = 0  # ego states
    PERCEPTION = 1  # tracked agents
    PREDICTION = 2  # predicted agents, or the heartbeat of their node
    PLANNER = 3  # trajectories that passed the gate


class Loss(IntEnum):
    """Why a stage is lost."""

    NONE = 0
    NEVER_HEARD = 1
    SILENT = 2  # nothing new for too long; the same again is nothing new
    LATE = 3  # what it says is about a time too long ago
    NOT_BACK_YET = 4  # it says something again, not yet often enough in a row


@dataclass(frozen=True)
class StageHealth:
    """How a stage does.

    Attributes:
        stage: Which.
        loss: NONE while it does what it should, or has time left to start.
        since_ns: Steady time at which it was found lost [ns]; None while it is not.
        silence: Since its last new output [s]; infinite if there was none.
        age: Of what it said last, by the clock of the stamps [s]; infinite if it said nothing.
    """

    stage: Stage
    loss: Loss
    since_ns: int | None
    silence: float
    age: float

    @property
    def lost(self) -> bool:
        """Whether nobody can count on it."""
        return self.loss != Loss.NONE

    def __str__(self) -> str:
        name = self.stage.name.lower()
        return {
            Loss.NONE: f"{name} works",
            Loss.NEVER_HEARD: f"{name} was never heard of",
            Loss.SILENT: f"{name} silent for {self.silence:.2f} s",
            Loss.LATE: f"{name} is {self.age:.2f} s late",
            Loss.NOT_BACK_YET: f"{name} speaks again, not yet often enough",
        }[self.loss]


@dataclass(frozen=True)
class ClockStep:
    """What the clocks did since the last tick.

    Attributes:
        jump_ns: By how much the clock of the stamps jumped against the steady one [ns]; 0 if it did not.
        restarted: The steady clock ran back: everything known is about another run.
    """

    jump_ns: int = 0
    restarted: bool = False


@dataclass
class _Heard:
    at_ns: int | None = None  # steady time of the last new output
    stamp_ns: int | None = None
    since_ns: int | None = None  # lost since
    good: int = 0  # outputs in a row, in time, since it was lost
    late: bool = False  # it was lost only because one output was late


class StageWatch:
    """Watches stages by two clocks: a steady one for silence, that of the stamps for ages.

    A clock of stamps that jumps against the steady one (set back, bag played anew, time corrected) is no fault of any
    stage: stamps from before the jump count no more, silence goes on counting. A steady clock that runs back starts the
    watch anew.

    Args:
        config: Periods and limits.
        now_ns: Clock of the stamps [ns].
        steady_ns: Steady clock [ns]; where time is simulated and may stand still, the simulated one.
    """

    def __init__(self, config: SupervisorConfig, now_ns: int, steady_ns: int) -> None:
        self._config = config
        self._heard = {stage: _Heard() for stage in Stage}
        self._now, self._steady, self._start = now_ns, steady_ns, steady_ns
        self.clock_jumps = 0
        self.ahead_of_time = 0  # outputs that were not believed

    def advance(self, now_ns: int, steady_ns: int) -> ClockStep:
        """Time went on: to be told before anything else of a tick."""
        drift = (now_ns - self._now) - (steady_ns - self._steady)
        restarted = steady_ns < self._steady
        self._now, self._steady = now_ns, steady_ns
        if restarted:
            self._heard = {stage: _Heard() for stage in Stage}
            self._start = steady_ns
        elif abs(drift) > self._config.clock_jump * 1e9:
            for heard in self._heard.values():
                heard.stamp_ns = None
        else:
            return ClockStep()
        self.clock_jumps += 1
        return ClockStep(drift, restarted)

    def heard(self, stage: Stage, stamp_ns: int) -> bool:
        """A stage said something good now; False if it was nothing new, or about a time that is still to come.

        Args:
            stage: Which.
            stamp_ns: The time that its output is about [ns].
        """
        heard = self._heard[stage]
        if stamp_ns - self._now > self._config.clock_jump * 1e9:  # believed, it would make old news of what is true
            self.ahead_of_time += 1
            return False
        if heard.stamp_ns is not None and stamp_ns <= heard.stamp_ns:
            return False
        if heard.since_ns is not None and heard.good == 0:
            heard.late = self._silence(heard) <= self._config.brief_silence
        on_time = (self._now - stamp_ns) * 1e-9 <= self._config.max_content_age
        close = heard.at_ns is not None and self._silence(heard) <= self._patience(stage)
        heard.good = heard.good + 1 if on_time and (close or heard.good == 0) else int(on_time)
        heard.at_ns, heard.stamp_ns = self._steady, stamp_ns
        return True

    def health(self) -> tuple[StageHealth, ...]:
        """How every stage does, in the order of `Stage`."""
        return tuple(self._health(stage, heard) for stage, heard in self._heard.items())

    def _health(self, stage: Stage, heard: _Heard) -> StageHealth:
        silence = self._silence(heard)
        age = float("inf") if heard.stamp_ns is None else (self._now - heard.stamp_ns) * 1e-9
        loss = self._loss(stage, heard, silence, age)
        if loss == Loss.NONE:
            heard.since_ns = None
        elif heard.since_ns is None:
            heard.since_ns = self._steady
            heard.good = 0
        return StageHealth(stage, loss, heard.since_ns, silence, age)

    def _loss(self, stage: Stage, heard: _Heard, silence: float, age: float) -> Loss:
        if heard.at_ns is None:
            waiting = (self._steady - self._start) * 1e-9 <= self._config.startup_time
            # Nobody drives off blind: with the first trajectory the time to start is over.
            waiting &= stage == Stage.PREDICTION or self._heard[Stage.PLANNER].at_ns is None
            return Loss.NONE if waiting else Loss.NEVER_HEARD
        if silence > self._patience(stage):
            return Loss.SILENT
        if heard.stamp_ns is not None and age > self._config.max_content_age:
            return Loss.LATE
        needed = min(_AFTER_LATE, self._config.recovered_outputs) if heard.late else self._config.recovered_outputs
        if heard.since_ns is not None and heard.good < needed:
            return Loss.NOT_BACK_YET
        return Loss.NONE

    def _silence(self, heard: _Heard) -> float:
        return float("inf") if heard.at_ns is None else (self._steady - heard.at_ns) * 1e-9

    def _patience(self, stage: Stage) -> float:
        """How long a stage may be silent [s]."""
        if stage == Stage.LOCALISATION:
            return 2 * self._config.lost_periods * self._config.localisation_period
        return self._config.lost_periods * self._config.period
