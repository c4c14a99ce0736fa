"""The whole supervisor in closed loop with a vehicle that does what it is told, under faults of every kind."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.sight import Seeing, Sight
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.manoeuvres import Manoeuvre
from zoox_stack.supervisor.motion import Proposal, state_at
from zoox_stack.supervisor.pull_over import RoadMap
from zoox_stack.supervisor.watch import Stage

if importlib.util.find_spec("ad_rss") is None:
    pytest.skip("the library ad-rss is not installed", allow_module_level=True)

from zoox_stack.supervisor.supervisor import FaultKind, Supervisor, SupervisorInputs, SupervisorOutput

SECOND = 1_000_000_000
TICK = SECOND // 20
ROAD = RoadMap.of(straight_road(lanes=1, length=800.0))
Make = Callable[..., Proposal]
Change = Callable[[SupervisorInputs], SupervisorInputs]


class Loop:
    """Ticks of 50 ms; the planner, perception and prediction speak at every second one, 30 ms after their stamp."""

    def __init__(
        self,
        motion: Make,
        agents: Callable[..., TrackedAgents],
        *,
        speed: float = 10.0,
        road: RoadMap | None = ROAD,
        **parameters: float,
    ) -> None:
        self.make, self.agents = motion, agents
        self.now, self.steady = 100 * SECOND, 7 * SECOND
        self.supervisor = Supervisor(SupervisorConfig(**parameters), self.now, self.steady)  # type: ignore[arg-type]
        self.ego = EgoState(self.now, 50.0, 0.0, speed=speed)
        self.road = road
        self.others: list[tuple[float, ...]] = []
        self.braking = 0.0
        self.outputs: list[SupervisorOutput] = []
        self.track: list[tuple[float, float]] = []
        self.count = 0

    def inputs(self) -> SupervisorInputs:
        """What comes while nothing is wrong."""
        full = self.count % 2 == 0
        stamp = self.now - 30_000_000
        then = replace(self.ego, x=self.ego.x - 0.03 * self.ego.speed)
        acceleration = self.braking if then.speed > 0 else 0.0
        proposal = self.make(stamp, x=then.x, speed=max(then.speed, 0.0), acceleration=acceleration)
        return SupervisorInputs(
            self.now,
            self.steady,
            proposal=proposal if full else None,
            ego=self.ego,
            agents=self.agents(self.others, stamp) if full else None,
            prediction_stamp_ns=stamp if full else None,
            road=self.road,
        )

    def run(self, seconds: float, change: Change | None = None) -> SupervisorOutput:
        for _ in range(round(seconds / 0.05)):
            inputs = self.inputs()
            out = self.supervisor.step(change(inputs) if change is not None else inputs)
            self.outputs.append(out)
            self.move(out)
        return self.outputs[-1]

    def move(self, out: SupervisorOutput, jump: int = 0) -> None:
        """The vehicle goes on along what came out, or rolls."""
        self.track.append((self.ego.x, self.ego.speed))
        if out.motion is not None:
            at = state_at(out.motion, self.now + TICK)
            self.ego = replace(self.ego, x=at.x, y=at.y, yaw=at.yaw, speed=at.speed, acceleration=at.acceleration)
        else:
            self.ego = replace(self.ego, x=self.ego.x + self.ego.speed * 0.05)
        self.now += TICK + jump
        self.steady += TICK
        self.ego = replace(self.ego, stamp_ns=self.now)
        self.count += 1

    @property
    def states(self) -> list[Manoeuvre]:
        return [out.state for out in self.outputs]


@pytest.fixture
def loop(motion: Make, agents: Callable[..., TrackedAgents]) -> Callable[..., Loop]:
    return lambda **more: Loop(motion, agents, **more)


Loops = Callable[..., Loop]


def without(*names: str) -> Change:
    return lambda inputs: replace(inputs, **dict.fromkeys(names))


def bad_ego(inputs: SupervisorInputs) -> SupervisorInputs:
    ego = replace(inputs.ego) if inputs.ego is not None else None
    if ego is not None:
        object.__setattr__(ego, "x", float("nan"))
    return replace(inputs, ego=ego)


def bad_agents(inputs: SupervisorInputs) -> SupervisorInputs:
    if inputs.agents is None:
        return inputs
    agents = replace(inputs.agents)
    object.__setattr__(agents, "position", np.full((len(agents), 3), np.nan))
    return replace(inputs, agents=agents)


def changed_proposal(**values: Any) -> Change:
    def change(inputs: SupervisorInputs) -> SupervisorInputs:
        if inputs.proposal is None:
            return inputs
        return replace(inputs, proposal=replace(inputs.proposal, **values))

    return change


def of_another_time(inputs: SupervisorInputs) -> SupervisorInputs:
    if inputs.proposal is None:
        return inputs
    return replace(inputs, proposal=replace(inputs.proposal, stamp_ns=inputs.proposal.stamp_ns - 2 * SECOND))


def check_smooth(loop: Loop) -> None:
    """Whatever happened: finite, no jump of place or speed beyond what tyres give."""
    for (x, v), (x_after, v_after) in pairwise(loop.track):
        assert np.isfinite([x_after, v_after]).all()
        assert abs(x_after - x - (v + v_after) / 2 * 0.05) < 0.05
        assert abs(v_after - v) < 8.3 * 0.05
    for out in loop.outputs:
        if out.motion is not None:
            assert all(np.isfinite(column).all() for column in out.motion.columns())


@pytest.mark.parametrize("road", [ROAD, None], ids=["map", "no map"])
@pytest.mark.parametrize("others", [[], [(3, 95.0, 0.0, 0.0, 10.0), (9, 140.0, 3.5, np.pi, 10.0)]], ids=["0", "2"])
def test_nothing_is_done_while_nothing_is_wrong(
    loop: Loops, road: RoadMap | None, others: list[tuple[float, ...]]
) -> None:
    drive = loop(road=road)
    for _ in range(20):
        drive.others = [(i, x + v * np.cos(yaw) * 0.1, y, yaw, v) for i, x, y, yaw, v in drive.others or others]
        out = drive.run(0.1)
    assert set(drive.states) == {Manoeuvre.NOMINAL}
    assert out.faults == ()
    assert out.source == TrajectorySource.DECISION
    assert out.counters.get("interventions", 0) == 0
    assert out.counters["trajectories passed"] == 20
    assert drive.track[-1][0] == pytest.approx(50.0 + 10.0 * 1.95, abs=1e-6)


def test_the_trajectory_of_the_planner_comes_out_as_it_was(loop: Loops) -> None:
    drive = loop()
    inputs = drive.inputs()
    assert drive.supervisor.step(inputs).motion is inputs.proposal


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (without("proposal"), FaultKind.PLANNER),
        (without("agents"), FaultKind.PERCEPTION),
        (without("ego"), FaultKind.LOCALISATION),
        (bad_ego, FaultKind.LOCALISATION),
        (changed_proposal(x=np.full(80, np.nan)), FaultKind.PLANNER),
        (changed_proposal(x=np.zeros(0)), FaultKind.PLANNER),
        (changed_proposal(speed=np.full(80, 60.0)), FaultKind.PLANNER),
        (changed_proposal(stamp_ns=100 * SECOND), FaultKind.PLANNER),  # always the same
        (of_another_time, FaultKind.PLANNER),
    ],
    ids=["planner", "perception", "localisation", "ego NaN", "NaN", "empty", "limits", "repeated", "old"],
)
def test_every_fault_is_acted_on_within_200_ms_and_ends_standing(loop: Loops, fault: Change, kind: FaultKind) -> None:
    drive = loop(speed=3.0)
    drive.run(0.5)
    began = len(drive.outputs)
    drive.run(5.0, fault)
    acted = next(i for i, out in enumerate(drive.outputs) if out.state != Manoeuvre.NOMINAL)
    assert (acted - began) * 0.05 <= 0.2
    assert drive.states[-1] == Manoeuvre.STOPPED
    named = {f.kind for f in drive.outputs[acted].faults}
    assert named == {kind}
    assert drive.outputs[acted].faults[0].text
    assert drive.outputs[-1].counters[f"interventions for {kind.name.lower()}"] == 1
    assert drive.outputs[-1].source == TrajectorySource.STANDSTILL
    check_smooth(drive)


def test_who_begins_with_nonsense_gets_a_trajectory_to_stand_by(loop: Loops) -> None:
    drive = loop(speed=0.0)
    out = drive.run(0.05, changed_proposal(yaw=np.full(80, np.nan)))
    assert "finite" in out.faults[0].text
    assert out.source.intervention
    assert out.motion is not None
    assert out.motion.speed.max() == 0.0
    drive.run(1.2)
    assert drive.states[-1] == Manoeuvre.NOMINAL


def test_bad_agents_are_no_agents(loop: Loops) -> None:
    drive = loop()
    drive.others = [(1, 300.0, 0.0, 0.0, 10.0)]
    drive.run(1.0)
    out = drive.run(1.0, bad_agents)
    assert {f.kind for f in out.faults} == {FaultKind.PERCEPTION}
    assert out.state == Manoeuvre.COMFORT_STOP
    assert out.counters["bad scenes"] == 10


def test_prediction_is_missed_but_no_reason_to_stop(loop: Loops) -> None:
    drive = loop()
    drive.run(1.0)
    out = drive.run(1.0, without("prediction_stamp_ns"))
    assert [f.kind for f in out.faults] == [FaultKind.PREDICTION]
    assert set(drive.states) == {Manoeuvre.NOMINAL}


@pytest.mark.parametrize("missing", ["agents", "ego"])
def test_who_is_blind_brakes_in_comfort_first_and_then_as_it_can(loop: Loops, missing: str) -> None:
    drive = loop(speed=14.0)
    drive.run(1.0)
    drive.run(1.8, without(missing))
    assert drive.states[-1] == Manoeuvre.COMFORT_STOP
    drive.run(0.6, without(missing))
    assert drive.states[-1] == Manoeuvre.EMERGENCY_STOP
    drive.run(3.0, without(missing))
    assert drive.states[-1] == Manoeuvre.STOPPED
    check_smooth(drive)


@pytest.mark.parametrize("missing", ["agents", "ego"])
def test_who_sees_now_and_then_is_not_blind(loop: Loops, missing: str) -> None:
    drive = loop(speed=14.0)
    drive.run(1.0)
    for _ in range(10):  # 4 s, never more than 0.4 s without
        drive.run(0.3, without(missing))
        drive.run(0.1)
    assert Manoeuvre.COMFORT_STOP in drive.states
    assert Manoeuvre.EMERGENCY_STOP not in drive.states


def test_one_bad_trajectory_is_bridged_by_the_last_good_one(loop: Loops) -> None:
    drive = loop()
    drive.run(1.0)
    last = drive.outputs[-1].motion
    out = drive.run(0.05, changed_proposal(yaw=np.full(80, np.nan)))
    assert out.motion is last
    assert out.verdict is not None
    assert not out.verdict.passed
    drive.run(1.0)
    assert set(drive.states) == {Manoeuvre.NOMINAL}
    assert out.counters["refused for finite"] == 1


def test_it_drives_again_when_the_planner_is_back(loop: Loops) -> None:
    drive = loop()
    drive.run(1.0)
    drive.run(1.0, without("proposal"))
    drive.run(1.2)
    assert drive.states[-1] == Manoeuvre.COMFORT_STOP
    out = drive.run(0.6)
    assert out.state == Manoeuvre.NOMINAL
    assert out.counters["to nominal"] == out.counters["interventions"] == 1
    check_smooth(drive)


def test_one_late_trajectory_costs_little(loop: Loops) -> None:
    """Two are missing, the next comes 0.3 s after the last: half a second later the planner drives again."""
    drive = loop(brief_silence=0.31)
    drive.run(1.0)
    drive.run(0.2, without("proposal"))
    drive.run(0.7)
    taken = [state != Manoeuvre.NOMINAL for state in drive.states]
    assert 0.3 <= 0.05 * sum(taken) <= 0.6
    assert drive.states[-1] == Manoeuvre.NOMINAL
    assert drive.ego.speed > 9.5
    check_smooth(drive)


def test_a_vehicle_that_stopped_further_on_drives_again_from_there(loop: Loops) -> None:
    drive = loop(speed=3.0)
    drive.run(0.5)
    drive.run(4.5, without("proposal"))
    assert drive.states[-1] == Manoeuvre.STOPPED
    drive.ego = replace(drive.ego, x=drive.ego.x + 1.4)
    out = drive.run(2.0)
    assert out.state == Manoeuvre.NOMINAL
    assert out.counters.get("trajectories refused", 0) == 0


def test_a_planner_that_drives_into_somebody_is_stopped(loop: Loops) -> None:
    """It keeps 14 m/s towards a standing vehicle: the ego stops before it, with some way left."""
    drive = loop(speed=14.0)
    drive.others = [(4, 110.0, 0.0, 0.0, 0.0)]
    drive.run(9.0)
    first = next(out for out in drive.outputs if out.state != Manoeuvre.NOMINAL)
    assert first.state == Manoeuvre.EMERGENCY_STOP
    assert {f.kind for f in first.faults} == {FaultKind.DANGER}
    assert "agent 4" in first.faults[0].text
    assert first.rss is not None
    assert first.rss.dangerous[0].since_ns is not None
    assert drive.ego.speed == 0.0
    gap = 110.0 - 2.3 - (drive.ego.x + 3.8)
    assert 0.3 < gap < 12.0
    check_smooth(drive)


def test_a_planner_that_brakes_in_time_is_left_alone(loop: Loops) -> None:
    drive = loop(speed=14.0)
    drive.others = [(4, 150.0, 0.0, 0.0, 0.0)]
    drive.run(2.0)
    drive.braking = -2.4  # 14^2 / 4.8 = 41 m; 147.7 - 78 - 3.8 = 66 m are left
    drive.run(8.0)
    assert set(drive.states) == {Manoeuvre.NOMINAL}
    assert drive.ego.speed == pytest.approx(0.0, abs=0.05)


def test_danger_makes_an_emergency_of_a_comfortable_stop(loop: Loops) -> None:
    drive = loop(speed=14.0)
    drive.run(1.0)
    drive.run(1.0, without("proposal"))
    assert drive.states[-1] == Manoeuvre.COMFORT_STOP
    drive.others = [(4, drive.ego.x + 22.0, 0.0, 0.0, 0.0)]
    drive.run(0.1, without("proposal"))
    assert drive.states[-1] == Manoeuvre.EMERGENCY_STOP
    drive.run(4.0, without("proposal"))
    assert drive.states[-1] == Manoeuvre.STOPPED
    assert drive.others[0][1] - 2.3 > drive.ego.x + 3.8


@pytest.mark.parametrize("jump", [-3600 * SECOND, -SECOND, SECOND, 3600 * SECOND])
def test_a_clock_that_jumps_is_no_reason_to_stop(loop: Loops, jump: int) -> None:
    drive = loop()
    drive.run(1.0)
    out = drive.run(0.05)
    drive.move(out, jump)
    drive.run(2.0)
    assert set(drive.states) == {Manoeuvre.NOMINAL}
    assert drive.outputs[-1].counters["clock jumps"] == 1
    assert drive.outputs[-1].motion is not None


def test_a_clock_that_jumps_during_a_stop_does_not_disturb_it(loop: Loops) -> None:
    drive = loop()
    drive.run(1.0)
    out = drive.run(1.0, without("proposal"))
    speed = drive.ego.speed
    drive.move(out, -1800 * SECOND)
    drive.run(1.0, without("proposal"))
    assert drive.states[-1] == Manoeuvre.COMFORT_STOP
    assert drive.ego.speed == pytest.approx(speed - 1.05, abs=0.02)


def test_a_run_that_begins_anew_begins_anew(loop: Loops) -> None:
    drive = loop()
    drive.run(1.0)
    drive.run(3.0, without("proposal"))
    drive.now, drive.steady = 10 * SECOND, SECOND
    drive.ego = EgoState(drive.now, 500.0, 0.0, speed=8.0)
    drive.track.clear()
    out = drive.run(0.5)
    assert out.state == Manoeuvre.NOMINAL
    assert out.motion is not None
    assert drive.ego.x > 503.0


def test_before_anything_came_nothing_goes_out(loop: Loops) -> None:
    drive = loop(startup_time=1.0)
    out = drive.run(1.0, without("proposal", "ego", "agents", "prediction_stamp_ns"))
    assert (out.motion, out.trajectory, out.faults) == (None, None, ())
    out = drive.run(0.5, without("proposal", "ego", "agents", "prediction_stamp_ns"))
    assert len(out.faults) == len(Stage)
    assert out.motion is None


@pytest.mark.parametrize("missing", ["agents", "ego"])
def test_nobody_drives_off_blind(loop: Loops, missing: str) -> None:
    drive = loop(speed=0.0)
    out = drive.run(0.5, without(missing))
    assert out.source.intervention
    assert Manoeuvre.NOMINAL not in drive.states


def test_who_goes_blind_in_an_emergency_stop_does_not_let_go(loop: Loops) -> None:
    drive = loop(speed=14.0)
    drive.run(0.5)
    drive.others = [(4, drive.ego.x + 28.0, 0.0, 0.0, 0.0)]
    drive.run(0.3)
    assert drive.states[-1] == Manoeuvre.EMERGENCY_STOP
    drive.run(2.5, without("agents"))
    assert Manoeuvre.COMFORT_STOP not in drive.states
    assert drive.ego.x + 3.8 < drive.others[0][1] - 2.3


def test_a_vehicle_that_rolls_and_gets_no_trajectory_is_stopped(loop: Loops) -> None:
    drive = loop(startup_time=1.0, speed=4.0)
    drive.run(8.0, without("proposal"))
    assert drive.states[-1] == Manoeuvre.STOPPED
    assert drive.ego.speed == 0.0


@pytest.mark.parametrize("seed", [1, 2])
def test_losing_a_third_of_everything_stays_smooth_and_safe(loop: Loops, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drive = loop()
    drive.others = [(4, 160.0, 0.0, 0.0, 0.0)]
    drive.run(1.0)

    def dropping(inputs: SupervisorInputs) -> SupervisorInputs:
        names = ("proposal", "agents", "ego", "prediction_stamp_ns")
        return without(*(name for name in names if rng.random() < 0.3))(inputs)

    drive.run(6.0, dropping)
    assert drive.ego.x + 3.8 < 160.0 - 2.3
    check_smooth(drive)


def test_a_safety_check_that_fails_is_a_fault_of_its_own(loop: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = loop()
    drive.run(0.5)

    def fail(*_: object) -> None:
        raise ZooxStackError("no answer")

    monkeypatch.setattr(drive.supervisor._safety._rss, "check", fail)
    out = drive.run(0.05)
    assert [f.kind for f in out.faults] == [FaultKind.UNCHECKED]
    assert out.state == Manoeuvre.COMFORT_STOP


def test_the_same_inputs_give_the_same_outputs(loop: Loops) -> None:
    def drive() -> list[tuple[float, float]]:
        one = loop()
        one.others = [(4, 120.0, 0.0, 0.0, 2.0)]
        one.run(1.0)
        one.run(1.0, without("agents"))
        one.run(0.5)
        return one.track

    assert drive() == drive()


def test_manoeuvres_are_trajectories_with_a_name(loop: Loops) -> None:
    drive = loop()
    drive.run(0.5)
    out = drive.run(1.0, without("proposal"))
    trajectory = out.trajectory
    assert trajectory is not None
    assert (trajectory.plan.name, trajectory.source) == ("comfort stop", TrajectorySource.COMFORT_STOP)
    assert trajectory.stamp_ns == drive.now - TICK


def test_a_clock_that_is_wrong_alone_is_named_and_driven_on(loop: Loops) -> None:
    drive = loop()
    drive.run(1.0)
    out = drive.run(2.0, lambda inputs: replace(inputs, clock_off_ns=-2 * SECOND))
    assert [fault.kind for fault in out.faults] == [FaultKind.CLOCK]
    assert "-2.00 s" in out.faults[0].text
    assert set(drive.states) == {Manoeuvre.NOMINAL}
    assert drive.run(0.1).faults == ()
    assert drive.supervisor.counters["clock leaps not followed"] == 1


def test_who_does_not_see_where_it_goes_stops_and_goes_on_when_it_does(loop: Loops) -> None:
    drive = loop()

    def looking(seeing: Seeing) -> Change:
        def change(inputs: SupervisorInputs) -> SupervisorInputs:
            sectors = np.full(24, Seeing.SEEN, np.uint8)
            sectors[11:13] = seeing
            sight = None if inputs.agents is None else Sight(inputs.agents.stamp_ns, sectors)
            return replace(inputs, sight=sight)

        return change

    assert drive.run(1.0, looking(Seeing.SEEN)).faults == ()
    drive.outputs.clear()
    out = drive.run(15.0, looking(Seeing.BLIND))
    assert drive.states.index(Manoeuvre.COMFORT_STOP) * 0.05 <= 0.2
    assert (out.state, [fault.kind for fault in out.faults]) == (Manoeuvre.STOPPED, [FaultKind.SIGHT])
    assert Manoeuvre.EMERGENCY_STOP not in drive.states
    assert drive.run(2.0, looking(Seeing.SEEN)).state == Manoeuvre.NOMINAL
