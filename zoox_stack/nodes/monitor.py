"""The monitor node: says on /diagnostics which stage is late, stale or dead, and logs every change once."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from zoox_stack.core import topics
from zoox_stack.core.timing import StageTick
from zoox_stack.nodes.configs import MonitorConfig
from zoox_stack.nodes.stage_watch import Health, StageStatus, StageWatch
from zoox_stack.ros.conversions.timing import stage_timing_from_message
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.run import run_node

_LOOK = 0.1  # [s] between looks
_REPORT = 1.0  # [s] between reports without change
_LEVELS = {
    Health.OK: DiagnosticStatus.OK,
    Health.WAITING: DiagnosticStatus.OK,
    Health.SLOW: DiagnosticStatus.WARN,
    Health.LATE: DiagnosticStatus.WARN,
    Health.STALE: DiagnosticStatus.ERROR,
    Health.DEAD: DiagnosticStatus.ERROR,
}


class MonitorNode(StackNode[MonitorConfig]):
    """See the module. Names on /diagnostics: ``monitor/<stage>`` and ``monitor/summary``."""

    def __init__(self) -> None:
        super().__init__("monitor", MonitorConfig)
        config = self.config
        stages = tuple(name.strip() for name in config.stages.split(",") if name.strip())
        self.watch = StageWatch(
            stages,
            expected_rate=config.expected_rate,
            late_after=config.late_after,
            stale_after=config.stale_after,
            dead_after=config.dead_after,
            window=config.window,
            now=time.monotonic(),
        )
        self._health: dict[str, Health] = {}
        self._reported = 0.0
        self._printed = 0.0
        self.subscribe(topics.TIMING, stage_timing_from_message, self._on_timing, depth=200)
        self.subscribe(topics.DIAGNOSTICS, _identity, self._on_diagnostics, depth=50)
        self._summary = self.publisher(topics.DIAGNOSTICS)
        self.create_timer(_LOOK, self._look, clock=self.steady)

    def _on_timing(self, tick: StageTick, _received_ns: int) -> None:
        self.watch.tick(tick, time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray, _received_ns: int) -> None:
        now = time.monotonic()
        for status in message.status:
            self.watch.heartbeat(status.name, now)

    def _look(self) -> None:
        now = time.monotonic()
        statuses = self.watch.status(now)
        changed = False
        for status in statuses:
            before = self._health.get(status.stage)
            if before is not status.health:
                changed = True
                self._health[status.stage] = status.health
                self._log(status, before)
        if changed or now - self._reported >= _REPORT:
            self._reported = now
            self._publish(statuses)
        if self.config.status and now - self._printed >= 1.0:
            self._printed = now
            print(status_line(statuses), flush=True)

    def _log(self, status: StageStatus, before: Health | None) -> None:
        text = f"{status.stage} is {status.health.name}: {status.explanation}"
        if status.health in (Health.STALE, Health.DEAD):
            self.get_logger().error(text)
        elif status.health in (Health.LATE, Health.SLOW):
            self.get_logger().warning(text)
        elif before is not None:
            self.get_logger().info(text)

    def _publish(self, statuses: list[StageStatus]) -> None:
        troubled = [s for s in statuses if s.health > Health.WAITING]
        worst = max((s.health for s in statuses), default=Health.OK)
        text = "; ".join(f"{s.stage} {s.health.name}: {s.explanation}" for s in troubled) or "all stages run"
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(level=_LEVELS[worst], name="monitor/summary", message=text),
            *(
                DiagnosticStatus(
                    level=_LEVELS[s.health],
                    name=f"monitor/{s.stage}",
                    message=f"{s.health.name}: {s.explanation}",
                    values=[
                        KeyValue(key="health", value=s.health.name),
                        KeyValue(key="rate", value=f"{s.rate:.2f}"),
                        KeyValue(key="latency_ms", value=_number(s.latency * 1e3)),
                        KeyValue(key="worst_latency_ms", value=_number(s.worst_latency * 1e3)),
                        KeyValue(key="age_s", value=_number(s.age)),
                        KeyValue(key="heartbeat_age_s", value=_number(s.heartbeat_age)),
                        KeyValue(key="dropped_bad", value=str(s.dropped_bad)),
                        KeyValue(key="dropped_old", value=str(s.dropped_old)),
                    ],
                )
                for s in statuses
            ),
        ]
        self._summary.publish(message)


def status_line(statuses: list[StageStatus]) -> str:
    """All stages in one line for a terminal."""
    parts = []
    for s in statuses:
        latency = "" if math.isnan(s.latency) else f" {s.latency * 1e3:.0f} ms"
        mark = "" if s.health <= Health.WAITING else f" {s.health.name}"
        parts.append(f"{s.stage} {s.rate:.1f}/s{latency}{mark}")
    return " | ".join(parts)


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else ""


def _identity(message: Any) -> Any:
    return message


def main() -> int:
    """Run the node, after the stages of the stack where cores are few."""
    os.nice(5)
    return run_node(MonitorNode)


if __name__ == "__main__":
    raise SystemExit(main())
