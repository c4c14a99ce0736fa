"""Every transition of the state machine, and that what it puts out is one continuous motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AreaType
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.manoeuvres import KnownScene, Manoeuvre, Manoeuvres, Need
from zoox_stack.supervisor.motion import Proposal, state_at
from zoox_stack.supervisor.pull_over import RoadMap

SECOND = 1_000_000_000
TICK = SECOND // 20
Make = Callable[..., Proposal]


def road_with_verge(width: float = 4.0, begin: float = 0.0) -> RoadNetwork:
    """One lane along +x, drivable, with ground to park on to its right from `begin` on."""
    road = straight_road(lanes=1, length=400.0)
    lane = [[0.0, -1.75, 0.0], [400.0, -1.75, 0.0], [400.0, 1.75, 0.0], [0.0, 1.75, 0.0]]
    verge = [[begin, -1.75 - width, 0.0], [400.0, -1.75 - width, 0.0], [400.0, -1.7, 0.0], [begin, -1.7, 0.0]]
    return replace(
        road,
        area_ids=np.array([1, 2]),
        area_types=np.array([AreaType.DRIVABLE, AreaType.PARKING], np.uint8),
        areas=Ragged.from_rows([np.array(lane), np.array(verge)], np.float64, 3),
    )


class Drive:
    """A vehicle that follows what the state machine says, tick by tick."""

    def __init__(self, in_force: Proposal | None, scene: KnownScene | None = None, **parameters: float | bool) -> None:
        self.config = SupervisorConfig(**parameters)  # type: ignore[arg-type]
        self.machine = Manoeuvres(self.config)
        self.in_force = in_force
        self.scene = scene or KnownScene()
        self.now = SECOND
        self.states: list[Manoeuvre] = []
        self.track: list[tuple[float, float, float, float]] = []

    def go(self, need: Need, seconds: float, *, ego: bool = True) -> Manoeuvre:
        for _ in range(round(seconds / 0.05)):
            at = state_at(self.in_force, self.now) if self.in_force is not None else None
            known = replace(self.scene, in_force=self.in_force)
            if ego and at is not None:
                known = replace(known, ego=EgoState(self.now, at.x, at.y, yaw=at.yaw, speed=at.speed))
            motion = self.machine.step(need, known, self.now, self.now)
            if motion is not None:
                self.in_force = motion
            if self.machine.motion is not None:
                s = self.machine.motion.state(self.now)
                self.track.append((s.x, s.y, s.yaw, s.speed))
            self.states.append(self.machine.state)
            self.now += TICK
        return self.machine.state


def check_continuous(drive: Drive, deceleration: float) -> None:
    track = np.array(drive.track)
    way = np.hypot(*np.diff(track[:, :2], axis=0).T)
    assert np.abs(way - (track[1:, 3] + track[:-1, 3]) / 2 * 0.05).max() < 0.02
    assert np.abs(np.diff(track[:, 3])).max() <= deceleration * 0.05 + 1e-6
    assert np.abs(np.diff(track[:, 2])).max() < 0.05


def test_without_fault_nothing_is_done(motion: Make) -> None:
    drive = Drive(motion())
    assert drive.go(Need.NONE, 1.0) == Manoeuvre.NOMINAL
    assert drive.machine.motion is None


def test_a_fault_begins_a_comfortable_stop_at_once(motion: Make) -> None:
    drive = Drive(motion())
    drive.go(Need.NONE, 0.5)
    assert drive.go(Need.COMFORT, 0.05) == Manoeuvre.COMFORT_STOP
    assert drive.machine.motion is not None
    assert drive.machine.motion.proposal(drive.now).acceleration.min() == pytest.approx(-1.0, abs=1e-6)


def test_a_comfortable_stop_ends_standing(motion: Make) -> None:
    drive = Drive(motion(speed=6.0))
    assert drive.go(Need.COMFORT, 5.0) == Manoeuvre.COMFORT_STOP
    assert drive.go(Need.COMFORT, 3.0) == Manoeuvre.STOPPED
    check_continuous(drive, 1.0)
    assert drive.track[-1][0] == pytest.approx(drive.track[-10][0], abs=1e-3)


def test_an_urgent_fault_begins_an_emergency_stop_at_once(motion: Make) -> None:
    drive = Drive(motion(speed=14.0))
    assert drive.go(Need.URGENT, 0.05) == Manoeuvre.EMERGENCY_STOP
    assert drive.go(Need.URGENT, 3.5) == Manoeuvre.STOPPED
    check_continuous(drive, 7.85)


def test_a_comfortable_stop_becomes_an_emergency_stop(motion: Make) -> None:
    drive = Drive(motion(speed=14.0))
    drive.go(Need.COMFORT, 2.0)
    assert drive.go(Need.URGENT, 0.05) == Manoeuvre.EMERGENCY_STOP
    drive.go(Need.URGENT, 3.0)
    assert drive.machine.state == Manoeuvre.STOPPED
    check_continuous(drive, 7.85)


def test_an_emergency_stop_becomes_a_comfortable_one_only_after_a_while(motion: Make) -> None:
    drive = Drive(motion(speed=20.0))
    drive.go(Need.URGENT, 0.5)
    assert drive.go(Need.COMFORT, 0.5) == Manoeuvre.EMERGENCY_STOP
    assert drive.go(Need.COMFORT, 0.1) == Manoeuvre.COMFORT_STOP
    drive.go(Need.COMFORT, 2.0)
    assert drive.machine.motion is not None
    assert drive.machine.motion.place(drive.now)[2] == pytest.approx(-1.0, abs=1e-6)
    check_continuous(drive, 7.85)


def test_an_urgent_fault_that_flickers_keeps_the_emergency_stop(motion: Make) -> None:
    drive = Drive(motion(speed=20.0))
    for _ in range(5):
        drive.go(Need.URGENT, 0.05)
        assert drive.go(Need.COMFORT, 0.3) == Manoeuvre.EMERGENCY_STOP


@pytest.mark.parametrize("need", [Need.COMFORT, Need.URGENT])
def test_the_planner_drives_again_only_after_a_time_without_fault(motion: Make, need: Need) -> None:
    drive = Drive(motion(speed=20.0))
    began = drive.go(need, 0.5)
    drive.go(Need.NONE, 0.9)
    assert drive.machine.state != Manoeuvre.NOMINAL
    drive.go(need, 0.05)  # one more fault begins the time anew
    assert drive.go(Need.NONE, 1.0) != Manoeuvre.NOMINAL
    assert drive.go(Need.NONE, 0.05) == Manoeuvre.NOMINAL
    assert drive.machine.motion is None
    assert began in (Manoeuvre.COMFORT_STOP, Manoeuvre.EMERGENCY_STOP)


def test_who_stopped_drives_again_after_a_time_without_fault(motion: Make) -> None:
    drive = Drive(motion(speed=3.0))
    drive.go(Need.URGENT, 2.0)
    assert drive.go(Need.URGENT, 60.0) == Manoeuvre.STOPPED
    assert drive.go(Need.NONE, 1.0) == Manoeuvre.STOPPED
    assert drive.go(Need.NONE, 0.1) == Manoeuvre.NOMINAL


def test_there_is_nothing_to_do_before_anything_was_known() -> None:
    drive = Drive(None)
    assert drive.go(Need.COMFORT, 0.1) == Manoeuvre.STOPPED
    assert drive.machine.motion is None


def test_a_moving_vehicle_without_trajectory_is_stopped_from_where_it_is(ego: EgoState) -> None:
    machine = Manoeuvres(SupervisorConfig())
    motion = machine.step(Need.COMFORT, KnownScene(ego=ego), SECOND, SECOND)
    assert machine.state == Manoeuvre.COMFORT_STOP
    assert motion is not None
    assert (motion.x[0], motion.speed[0]) == pytest.approx((1.0, 10.0), abs=0.02)


def test_a_vehicle_that_turns_up_moving_later_is_stopped_then(ego: EgoState) -> None:
    machine = Manoeuvres(SupervisorConfig())
    assert machine.step(Need.COMFORT, KnownScene(), SECOND, SECOND) is None
    assert machine.step(Need.COMFORT, KnownScene(ego=ego), SECOND + TICK, SECOND + TICK) is not None
    assert machine.state == Manoeuvre.COMFORT_STOP


def test_it_stops_without_knowing_where_the_ego_is(motion: Make) -> None:
    drive = Drive(motion(speed=5.0))
    drive.go(Need.COMFORT, 8.0, ego=False)
    assert drive.machine.state == Manoeuvre.STOPPED
    check_continuous(drive, 1.0)


def test_a_vehicle_that_brakes_less_than_wanted_is_followed(motion: Make, ego: EgoState) -> None:
    machine = Manoeuvres(SupervisorConfig())
    machine.step(Need.URGENT, KnownScene(in_force=motion(speed=14.0)), SECOND, SECOND)
    now_ns = SECOND + SECOND // 2
    slipping = replace(ego, stamp_ns=now_ns, x=6.9, speed=13.8)
    out = machine.step(Need.URGENT, KnownScene(ego=slipping), now_ns, now_ns)
    assert out is not None
    assert state_at(out, now_ns).speed == pytest.approx(13.8, abs=0.5)
    assert state_at(out, now_ns).x == pytest.approx(6.9, abs=0.3)
    assert machine.state == Manoeuvre.EMERGENCY_STOP


def test_the_clock_may_jump_during_a_stop(motion: Make) -> None:
    drive = Drive(motion(speed=10.0))
    drive.go(Need.COMFORT, 2.0)
    assert drive.machine.motion is not None
    before = drive.machine.motion.state(drive.now)
    drive.machine.rebase(-3600 * SECOND)
    after = drive.machine.motion.state(drive.now - 3600 * SECOND)
    assert after == before


def test_it_pulls_over_where_there_is_room(motion: Make) -> None:
    road = RoadMap.of(road_with_verge())
    drive = Drive(motion(x=20.0), KnownScene(road=road, agents=TrackedAgents.empty(SECOND)))
    assert drive.go(Need.COMFORT, 0.05) == Manoeuvre.PULL_OVER
    assert drive.go(Need.COMFORT, 15.0) == Manoeuvre.STOPPED
    check_continuous(drive, 1.0)
    x, y, yaw, _ = drive.track[-1]
    assert -4.0 < y <= -1.75 - 0.95  # off the lane, on the ground
    assert abs(yaw) < 1e-3
    assert 60.0 < x < 80.0
    assert Manoeuvre.COMFORT_STOP not in drive.states


def test_a_pull_over_becomes_an_emergency_stop_on_its_own_path(motion: Make) -> None:
    road = RoadMap.of(road_with_verge())
    drive = Drive(motion(x=20.0), KnownScene(road=road, agents=TrackedAgents.empty(SECOND)))
    drive.go(Need.COMFORT, 2.0)
    assert drive.go(Need.URGENT, 0.05) == Manoeuvre.EMERGENCY_STOP
    drive.go(Need.URGENT, 3.0)
    check_continuous(drive, 7.85)
    assert -2.0 < drive.track[-1][1] < -0.05


@pytest.mark.parametrize("switched", [True, False])
def test_it_stops_in_the_lane_if_it_cannot_see_or_may_not(motion: Make, switched: bool) -> None:
    road = RoadMap.of(road_with_verge())
    agents = TrackedAgents.empty(SECOND) if not switched else None
    drive = Drive(motion(x=20.0), KnownScene(road=road, agents=agents), pull_over=switched)
    assert drive.go(Need.COMFORT, 0.05) == Manoeuvre.COMFORT_STOP
