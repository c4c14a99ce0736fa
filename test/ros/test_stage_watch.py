"""What the monitor says about stages that work, slow down, hang and die."""

from __future__ import annotations

from zoox_stack.core.timing import StageTick
from zoox_stack.nodes.stage_watch import Health, StageStatus, StageWatch


def watch() -> StageWatch:
    return StageWatch(
        ("a", "b"), expected_rate=10.0, late_after=0.1, stale_after=0.5, dead_after=3.0, window=2.0, now=0.0
    )


def tick(stage: str, latency: float = 0.01, bad: int = 0) -> StageTick:
    return StageTick(stage, 0, 0, 0, int(latency * 1e9), 0.0, bad, 2)


def run(w: StageWatch, start: float, seconds: float, rate: float = 10.0, latency: float = 0.01) -> float:
    for i in range(int(seconds * rate)):
        now = start + i / rate
        w.heartbeat("a", now)
        w.tick(tick("a", latency), now)
    return start + seconds


def a(w: StageWatch, now: float) -> StageStatus:
    return w.status(now)[0]


def test_a_working_stage_is_ok_with_its_numbers() -> None:
    w = watch()
    now = run(w, 0.0, 5.0)
    status = a(w, now)
    assert status.health is Health.OK
    assert abs(status.rate - 10) <= 0.6
    assert abs(status.latency - 0.01) < 1e-9
    assert status.dropped_old == 2


def test_a_stage_never_heard_of_waits_and_then_is_dead() -> None:
    w = watch()
    assert a(w, 1.0).health is Health.WAITING
    assert a(w, 3.1).health is Health.DEAD
    w.heartbeat("a", 3.2)
    assert a(w, 3.3).health is Health.WAITING


def test_without_output_a_living_stage_is_stale() -> None:
    w = watch()
    now = run(w, 0.0, 3.0)
    w.heartbeat("a", now + 0.6)
    status = a(w, now + 0.6)
    assert status.health is Health.STALE
    assert "no output" in status.explanation


def test_without_heartbeat_a_stage_is_dead_and_can_come_back() -> None:
    w = watch()
    now = run(w, 0.0, 3.0)
    assert a(w, now + 4.0).health is Health.DEAD
    now = run(w, now + 5.0, 3.0)
    assert a(w, now).health is Health.OK


def test_slow_and_late_stages_are_told_apart() -> None:
    w = watch()
    assert a(w, run(w, 0.0, 5.0, rate=4.0)).health is Health.SLOW
    w = watch()
    assert a(w, run(w, 0.0, 5.0, latency=0.2)).health is Health.LATE


def test_the_rate_of_a_stage_that_has_just_begun_is_no_complaint() -> None:
    w = watch()
    assert a(w, run(w, 0.0, 0.5)).health is Health.OK


def test_other_stages_are_listed_but_may_be_idle() -> None:
    w = watch()
    w.tick(tick("what_if"), 0.0)
    names = [s.stage for s in w.status(10.0)]
    assert names == ["a", "b", "what_if"]
    assert w.status(10.0)[2].health is Health.OK
