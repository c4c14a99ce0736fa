"""Drives as data: made of scenes or recordings, checked, and cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import Blame, TrajectorySource
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan, Trajectory
from zoox_stack.core.timing import StageTick
from zoox_stack.evaluation.closed_loop_drive import DriveName, EgoMotion, drive_of_run, drive_of_scenes
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork

NAME = DriveName("road", 1, "what_if", 2.0, False)


def test_scenes_become_arrays_without_the_ego_among_the_others(make):
    drive = make.drive(others=[make.other(50.0, 3.5, speed=4.0)])
    assert len(drive.ego) == 51
    np.testing.assert_allclose(drive.ego.centre[:, 0], drive.ego.x + 1.4)
    np.testing.assert_allclose(drive.ego.station, drive.ego.x, atol=1e-9)
    assert drive.traffic.ids[drive.traffic.agent].tolist() == [7] * 51
    np.testing.assert_allclose(drive.traffic.states[:, 0], 50.0 + 0.4 * np.arange(51))


@pytest.mark.parametrize(("steps", "right"), [(0, False), (14, False), (15, True)])
def test_a_drive_has_at_least_15_instants(make, steps, right):
    if right:
        assert len(make.drive(make.straight(steps=steps)).ego) == steps
    else:
        with pytest.raises(InvalidInputError, match="instant"):
            make.drive(make.straight(steps=steps))


def test_a_missing_instant_is_an_error(make):
    egos = make.straight(steps=30)
    del egos[12]
    with pytest.raises(InvalidInputError, match="steps of equal length"):
        make.drive(egos)


def test_nan_is_an_error(make):
    motion = make.drive().ego
    speed = motion.speed.copy()
    speed[3] = np.nan
    with pytest.raises(InvalidInputError, match="speed"):
        replace(motion, speed=speed)


def test_a_scene_without_ego_is_an_error():
    scenes = [TrackedAgents.empty(k) for k in range(20)]
    with pytest.raises(InvalidInputError, match="the ego in each"):
        drive_of_scenes(NAME, scenes, [EgoState(0, 0.0, 0.0)], straight_road(), None, ())


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"network": RoadNetwork("empty")}, "a map with lanes"),
        ({"duration": 0.0}, "> 0 s"),
        ({"duration": float("nan")}, "> 0 s"),
        ({"latencies": np.array([0.1, np.nan])}, "latencies"),
    ],
)
def test_bad_input_is_named(make, more, match):
    with pytest.raises(InvalidInputError, match=match):
        make.drive(**more)


@pytest.mark.parametrize("step", [-60, 60])
def test_an_expert_of_another_time_is_an_error(make, step):
    late = [replace(ego, stamp_ns=make.stamp(k + step)) for k, ego in enumerate(make.straight())]
    with pytest.raises(InvalidInputError, match="in the time of the ego"):
        make.drive(expert=late)


def test_without_a_route_there_are_no_places_along_it(make):
    assert not make.drive(route=None).ego.station.any()


def test_a_part_holds_its_instants_and_events(make):
    events = [make.collision(4, Blame.EGO), make.collision(20, Blame.OTHER, agent=8)]
    drive = make.drive(others=[make.other(50.0, 3.5)], events=events)
    part = drive.part(10, 30)
    assert part.ego.stamps_ns[[0, -1]].tolist() == [make.stamp(10), make.stamp(29)]
    assert part.duration == pytest.approx(1.9)
    assert [event.agent_id for event in part.events] == [8]
    assert part.traffic.step.tolist() == list(range(20))
    np.testing.assert_array_equal(part.traffic.stamps_ns, part.ego.stamps_ns)


def test_in_a_part_the_expert_begins_where_the_part_begins(make):
    """An expert twice as fast was there earlier; its clock is that of the part."""
    drive = make.drive(expert=make.straight(speed=20.0))
    part = drive.part(20, 40)  # from x = 30 m on
    assert part.expert.station[0] == pytest.approx(30.0)
    assert part.expert.stamps_ns[0] == part.ego.stamps_ns[0]
    assert np.diff(part.expert.station)[:5] == pytest.approx(2.0)


def test_an_expert_who_never_came_there_stands(make):
    part = make.drive(expert=make.straight(speed=0.0)).part(20, 40)
    assert len(part.expert) == 1


def test_one_state_is_a_motion_but_none_is_not():
    assert np.isnan(EgoMotion.from_states([EgoState(0, 1.0, 2.0)], None).step)
    with pytest.raises(InvalidInputError, match="at least one instant"):
        EgoMotion.from_states([], None)


def _trajectory(stamp_ns: int, source: TrajectorySource) -> Trajectory:
    one = np.zeros(1)
    return Trajectory(stamp_ns, EgoPlan(0, "", 0.1, one, one, one, one, one, one), source)


def test_a_recording_tells_interventions_and_latencies(make):
    D, S = TrajectorySource.DECISION, TrajectorySource.SAFE_STOP
    egos = make.straight(steps=20)
    run = RecordedRun(network=straight_road(), true_egos=egos)
    run.labels = [TrackedAgents.empty(ego.stamp_ns) for ego in egos[1:]]  # the first was not recorded
    run.trajectories = {k: _trajectory(k, source) for k, source in enumerate([S, D, D, S, S, D, S])}
    run.timing = [StageTick("planner", 0, 0, 0, 8_000_000, 0.0), StageTick("perception", 0, 0, 0, 9_000_000, 0.0)]
    drive = drive_of_run(NAME, run, egos)
    assert len(drive.ego) == 19
    assert drive.interventions == 3
    assert drive.latencies.tolist() == [0.008]


def test_a_recording_without_map_is_an_error(make):
    with pytest.raises(InvalidInputError, match="a road network"):
        drive_of_run(NAME, RecordedRun(true_egos=make.straight()), make.straight())
