"""When a stage is lost, and when it is back."""

from __future__ import annotations

import pytest

from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.watch import Loss, Stage, StageHealth, StageWatch

MS = 1_000_000
CONFIG = SupervisorConfig()


class Run:
    """A watch with its clocks [ms]; stamps are 30 ms old when they are heard."""

    def __init__(self, **parameters: float) -> None:
        self.now, self.steady = 5_000, 5_000
        config = SupervisorConfig(**{"lost_periods": 1.5} | parameters)  # type: ignore[arg-type]
        self.watch = StageWatch(config, self.now * MS, self.steady * MS)

    def pass_time(self, ms: int, *, jump: int = 0) -> None:
        self.now += ms + jump
        self.steady += ms
        self.watch.advance(self.now * MS, self.steady * MS)

    def hear(self, stage: Stage = Stage.PLANNER, age: int = 30) -> bool:
        return self.watch.heard(stage, (self.now - age) * MS)

    def health(self, stage: Stage = Stage.PLANNER) -> StageHealth:
        return self.watch.health()[stage]

    def drive(self, ms: int, stage: Stage = Stage.PLANNER) -> None:
        """The stage works for a while at 10 Hz, looked at every 50 ms."""
        for i in range(ms // 50):
            self.pass_time(50)
            if i % 2 == 1:
                self.hear(stage)
            self.health(stage)


def test_a_stage_may_take_its_time_to_start_but_not_for_ever() -> None:
    run = Run(startup_time=2.0)
    run.pass_time(2_000)
    assert run.health().loss == Loss.NONE
    run.pass_time(50)
    health = run.health()
    assert health.loss == Loss.NEVER_HEARD
    assert health.since_ns == 7_050 * MS
    assert "never" in str(health)


def test_a_silent_stage_is_lost_after_one_and_a_half_periods() -> None:
    run = Run()
    run.drive(1_000)
    run.pass_time(150)
    assert not run.health().lost
    run.pass_time(1)
    health = run.health()
    assert (health.loss, health.since_ns) == (Loss.SILENT, run.steady * MS)
    assert health.silence == pytest.approx(0.151)
    assert str(health) == "planner silent for 0.15 s"


def test_it_tells_since_when_and_only_of_the_one_that_is_lost() -> None:
    run = Run()
    run.drive(500, Stage.PERCEPTION)
    run.hear(Stage.PLANNER)
    run.pass_time(160)
    run.hear(Stage.PERCEPTION)
    lost_at = run.steady
    assert run.health(Stage.PLANNER).since_ns == lost_at * MS
    run.pass_time(40)
    assert run.health(Stage.PLANNER).since_ns == lost_at * MS
    assert not run.health(Stage.PERCEPTION).lost


def test_it_is_back_only_after_five_outputs_in_a_row() -> None:
    run = Run()
    run.drive(500)
    run.pass_time(300)
    since = run.health().since_ns
    for _ in range(4):
        run.hear()
        assert run.health().loss == Loss.NOT_BACK_YET
        assert run.health().since_ns == since
        run.pass_time(100)
    run.hear()
    health = run.health()
    assert (health.loss, health.since_ns) == (Loss.NONE, None)


def test_a_stage_that_was_only_late_is_back_after_two() -> None:
    run = Run()
    run.drive(500)
    run.pass_time(220)
    assert run.health().loss == Loss.SILENT
    run.hear()
    assert run.health().loss == Loss.NOT_BACK_YET
    run.pass_time(100)
    run.hear()
    assert run.health().loss == Loss.NONE


def test_a_pause_while_it_comes_back_begins_the_count_anew() -> None:
    run = Run()
    run.drive(500)
    run.pass_time(300)
    run.health()
    for _ in range(4):
        run.hear()
        run.pass_time(100)
    run.pass_time(200)
    run.hear()
    assert run.health().loss == Loss.NOT_BACK_YET


def test_the_same_output_again_is_no_sign_of_life() -> None:
    run = Run()
    run.drive(500)
    stamp = (run.now - 30) * MS
    for _ in range(5):
        run.pass_time(50)
        assert not run.watch.heard(Stage.PLANNER, stamp)
    assert run.health().loss == Loss.SILENT


def test_outputs_about_long_ago_are_late() -> None:
    run = Run()
    run.drive(500)
    run.pass_time(100)
    run.hear(age=30)
    for extra in range(1, 5):  # it works, at its rate, but falls behind
        run.pass_time(100)
        run.hear(age=30 + 90 * extra)
    health = run.health()
    assert health.loss == Loss.LATE
    assert health.age == pytest.approx(0.39)


def test_localisation_may_miss_a_little_more() -> None:
    run = Run()
    run.hear(Stage.LOCALISATION, age=0)
    run.pass_time(150)
    assert not run.health(Stage.LOCALISATION).lost
    run.pass_time(1)
    assert run.health(Stage.LOCALISATION).lost


@pytest.mark.parametrize("jump", [-3_600_000, -600, 600, 3_600_000])
def test_a_clock_that_jumps_is_no_fault_of_any_stage(jump: int) -> None:
    run = Run()
    run.drive(500)
    run.pass_time(50, jump=jump)
    assert run.watch.clock_jumps == 1
    assert not run.health().lost
    assert run.hear()
    run.drive(500)
    assert not run.health().lost
    assert run.watch.clock_jumps == 1


def test_silence_goes_on_counting_over_a_jump() -> None:
    run = Run()
    run.drive(500)
    run.pass_time(100)
    run.pass_time(60, jump=-10_000)
    assert run.health().loss == Loss.SILENT


def test_stamps_of_a_time_to_come_are_not_believed() -> None:
    run = Run()
    run.drive(500)
    for _ in range(3):
        run.pass_time(100)
        assert not run.hear(age=-2000)
    assert run.health().loss == Loss.SILENT
    run.drive(600)  # what is true then is news at once
    assert not run.health().lost
    assert run.watch.ahead_of_time == 3


def test_small_corrections_of_the_clock_are_no_jumps() -> None:
    run = Run()
    run.pass_time(50, jump=400)
    assert run.watch.clock_jumps == 0


def test_a_steady_clock_that_runs_back_begins_anew() -> None:
    run = Run()
    run.drive(500)
    run.pass_time(300)
    assert run.health().lost
    step = run.watch.advance(100 * MS, 100 * MS)
    assert step.restarted
    assert not run.health().lost
    assert run.watch.heard(Stage.PLANNER, 90 * MS)
