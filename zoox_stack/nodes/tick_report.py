"""What happened to each tick of a replay, as JSON lines."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from zoox_stack.core.timing import StageTick


@dataclass
class TickRecord:
    """One tick.

    Attributes:
        stamp_ns: Stamp of the sweep [ns].
        sent_wall_ns: Wall time at which it was published [ns].
        trajectory_wall_ns: Wall time at which the trajectory of this stamp arrived [ns]; None: it did not.
        trajectories: How many arrived.
        intervention: The first of them was a manoeuvre of the supervisor, which waits for nobody.
        stages: What each stage told on /system/timing.
        hashes: SHA-256 of each output by topic.
    """

    stamp_ns: int
    sent_wall_ns: int
    trajectory_wall_ns: int | None = None
    trajectories: int = 0
    intervention: bool = False
    stages: dict[str, StageTick] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line."""
        stages = {
            name: {
                "received_ns": tick.received_ns,
                "published_ns": tick.published_ns,
                "cpu_s": tick.cpu_time,
            }
            for name, tick in sorted(self.stages.items())
        }
        line: dict[str, Any] = {
            "stamp_ns": self.stamp_ns,
            "sent_wall_ns": self.sent_wall_ns,
            "trajectory_wall_ns": self.trajectory_wall_ns,
            "trajectories": self.trajectories,
            "intervention": self.intervention,
            "stages": stages,
            "dropped_bad": {name: tick.dropped_bad for name, tick in sorted(self.stages.items())},
            "dropped_old": {name: tick.dropped_old for name, tick in sorted(self.stages.items())},
            "hashes": dict(sorted(self.hashes.items())),
        }
        return json.dumps(line)


class TickReport:
    """Records of the ticks of a replay. Lines are written some ticks later, when nothing more is to come.

    Args:
        path: File to write; None for none.
        lag: How many of the newest ticks are kept open.
    """

    def __init__(self, path: Path | None, lag: int = 50) -> None:
        self._open: OrderedDict[int, TickRecord] = OrderedDict()
        self._lag = lag
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8")
        self.sent = 0
        self.answered = 0
        self.unknown = 0

    def begin(self, stamp_ns: int, wall_ns: int) -> TickRecord:
        """A tick is being sent."""
        record = TickRecord(stamp_ns, wall_ns)
        if stamp_ns in self._open:
            self._write(self._open.pop(stamp_ns))
        self._open[stamp_ns] = record
        self.sent += 1
        while len(self._open) > self._lag:
            self._write(self._open.popitem(last=False)[1])
        return record

    def get(self, stamp_ns: int) -> TickRecord | None:
        """The open record of a stamp."""
        return self._open.get(stamp_ns)

    def trajectory(self, stamp_ns: int, wall_ns: int, intervention: bool = False) -> None:
        """A trajectory arrived."""
        record = self._open.get(stamp_ns)
        if record is None:
            self.unknown += 1
            return
        record.trajectories += 1
        if record.trajectory_wall_ns is None:
            record.trajectory_wall_ns, record.intervention = wall_ns, intervention
            self.answered += 1

    def timing(self, tick: StageTick) -> None:
        """A stage told about a tick; if it tells twice, the first counts."""
        record = self._open.get(tick.input_stamp_ns)
        if record is not None:
            record.stages.setdefault(tick.stage, tick)

    def unanswered(self) -> int:
        """Open ticks without a trajectory."""
        return sum(record.trajectory_wall_ns is None for record in self._open.values())

    def close(self) -> None:
        """Write what is open. Closing twice does nothing."""
        while self._open:
            self._write(self._open.popitem(last=False)[1])
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, record: TickRecord) -> None:
        if self._file is not None:
            self._file.write(record.to_json() + "\n")
            self._file.flush()
