"""What a simulated drive to be recorded is, and what was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LogPlan:
    """What to record.

    Attributes:
        town: Name or file.
        seed: Of town, traffic and route.
        duration: [s].
        out: The bag.
        sensors: Name or file of the rig of sensors; None: detections without fault instead.
        warm_up: Traffic before the ego appears [s].
    """

    town: str
    seed: int
    duration: float
    out: Path
    sensors: str | None = None
    warm_up: float = 20.0


@dataclass(frozen=True)
class LogResult:
    """What was recorded.

    Attributes:
        duration: [s]; shorter than planned if the ego arrived before.
        topics: Messages by topic.
    """

    duration: float
    topics: dict[str, int]
