"""When one stage handled one tick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageTick:
    """One tick of one stage. Wall times are the host's system clock, also under simulated time.

    Attributes:
        stage: Name of the stage: perception, prediction, what_if, planner, ...
        sequence: Tick number of this stage since it started.
        input_stamp_ns: Stamp of the sweep handled [ns].
        received_ns: Wall time at which the input reached the stage [ns].
        published_ns: Wall time at which the output was published [ns].
        cpu_time: CPU time of the process spent on this tick [s].
        dropped_bad: Messages dropped since start because they failed checks.
        dropped_old: Messages dropped since start because newer ones were there or time ran back.
    """

    stage: str
    sequence: int
    input_stamp_ns: int
    received_ns: int
    published_ns: int
    cpu_time: float
    dropped_bad: int = 0
    dropped_old: int = 0

    @property
    def latency(self) -> float:
        """From input to output [s]."""
        return (self.published_ns - self.received_ns) * 1e-9
