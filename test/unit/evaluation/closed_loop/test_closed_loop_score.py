"""The score of whole drives, and scored drives as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass, Blame, EventKind
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.evaluation.closed_loop_junctions import Junction, JunctionKind
from zoox_stack.evaluation.closed_loop_map import DriveMap
from zoox_stack.evaluation.closed_loop_score import ClosedLoopScore, ScoredDrive, metrics_of, score_drive
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.simulation.events import EventDetector

PERFECT = ClosedLoopScore(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_a_perfect_drive_has_the_score_1(make, road):
    far = make.other(300.0, 3.5, speed=5.0)
    scored = score_drive(make.drive(others=[far]), road)
    assert scored.score == PERFECT
    assert scored.score.total == 1.0
    assert scored.duration == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("metric", "value", "total"),
    [
        ("no_at_fault_collisions", 0.0, 0.0),
        ("no_at_fault_collisions", 0.5, 0.5),
        ("drivable_area", 0.0, 0.0),
        ("driving_direction", 0.5, 0.5),
        ("driving_direction", 0.0, 0.0),
        ("making_progress", 0.0, 0.0),
        ("time_to_collision", 0.0, 11 / 16),
        ("progress", 0.0, 11 / 16),
        ("progress", 0.5, 13.5 / 16),
        ("speed_limit", 0.0, 12 / 16),
        ("comfort", 0.0, 14 / 16),
    ],
)
def test_four_metrics_multiply_and_four_are_weighted(metric, value, total):
    assert replace(PERFECT, **{metric: value}).total == pytest.approx(total)


def _with_events(make, drive):
    """The drive with what the detector of the simulator says of it."""
    detector = EventDetector(DriveMap(drive.network).index)
    events = []
    for k in range(len(drive.ego)):
        ego, traffic = drive.ego, drive.traffic
        state = EgoState(int(ego.stamps_ns[k]), ego.x[k], ego.y[k], yaw=ego.yaw[k], speed=ego.speed[k])
        rows = traffic.step == k
        scene = make.scene(state, traffic, rows)
        events += detector.update(scene, None)
    return replace(drive, events=tuple(events + detector.finish()))


@pytest.mark.parametrize(
    ("speed", "x", "theirs", "blame", "total"),
    [
        (10.0, 40.0, 0.0, Blame.EGO, 0.0),  # into one that stands
        (0.0, -10.0, 8.0, Blame.OTHER, 1.0),  # a stationary ego hit from behind
        (5.0, -10.0, 12.0, Blame.OTHER, 1.0),
    ],
)
def test_blame_is_that_of_the_simulator(make, road, speed, x, theirs, blame, total):
    drive = make.drive(make.straight(speed=speed), others=[make.other(x, 0.0, speed=theirs)])
    drive = _with_events(make, drive)
    scored = score_drive(drive, road)
    assert scored.collisions == (("car", blame.name.lower()),)
    assert scored.at_fault_collisions == (blame is Blame.EGO)
    if blame is Blame.EGO:
        assert scored.score.total == total
    else:
        assert scored.score.no_at_fault_collisions == 1.0
        assert scored.score.time_to_collision == 1.0


def test_who_stands_while_the_human_drives_scores_nothing(make, road):
    score = score_drive(make.drive(make.straight(speed=0.0), expert=make.straight()), road).score
    assert score.progress == pytest.approx(2.0 / 50.0)
    assert (score.making_progress, score.total) == (0.0, 0.0)


def test_without_a_route_progress_is_not_judged(make, road):
    drive = make.drive(make.straight(speed=0.0), expert=make.straight(), route=None)
    assert score_drive(drive, road).score.progress == 1.0


def test_a_drive_that_broke_off_loses_its_progress(make, road):
    drive = make.drive(expert=make.straight(steps=201), duration=20.0)
    assert score_drive(drive, road).score.progress == pytest.approx(0.25)


def test_without_speed_limits_nobody_is_too_fast(make):
    network = straight_road(lanes=2, length=400.0)
    network = replace(network, lane_speed_limits=np.full_like(network.lane_speed_limits, np.nan))
    drive = make.drive(make.straight(speed=25.0), network=network)
    assert score_drive(drive, DriveMap(network)).score == PERFECT


def _event(kind: EventKind, blame: Blame) -> SimulationEvent:
    return SimulationEvent(0, kind, blame, 0.0, 0.0, 0.5, "")


def test_events_are_counted_near_misses_only_if_blamed(make, road):
    kinds = [
        (EventKind.RED_LIGHT, Blame.EGO), (EventKind.OFF_ROAD, Blame.EGO), (EventKind.NEAR_MISS, Blame.OTHER),
        (EventKind.NEAR_MISS, Blame.EGO), (EventKind.HARSH_BRAKING, Blame.NOBODY), (EventKind.RED_LIGHT, Blame.EGO),
    ]  # fmt: skip
    scored = score_drive(make.drive(events=[_event(*pair) for pair in kinds]), road)
    assert scored.events == {
        "collision": 0, "red_light": 2, "off_road": 1, "wrong_way": 0, "harsh_braking": 1, "near_miss": 1,
    }  # fmt: skip


JUNCTIONS = (Junction(0, JunctionKind.MERGE, 12.0, 30.0), Junction(1, JunctionKind.SIGNALS, 35.0, 55.0))


def test_junctions_are_scored_one_by_one(make, road):
    """The collision with a thing happens in the second."""
    events = [make.collision(30, Blame.EGO, AgentClass.HAZARD)]  # x = 40 m
    scored = score_drive(make.drive(events=events, expert=make.straight(speed=20.0)), road, JUNCTIONS)
    merge, signals = scored.passages
    assert (merge.kind, merge.number, merge.passed) == (JunctionKind.MERGE, 0, True)
    assert merge.score == pytest.approx((11 + 5 * 0.5) / 16, abs=0.01)  # half as fast as the human
    assert merge.seconds == pytest.approx(1.8)
    assert signals.score == pytest.approx(0.5 * (6 + 5 * 0.5) / 16, abs=0.01)  # no time to collision left either


def test_the_score_of_a_part_that_is_the_whole_is_the_same(make, road):
    drive = make.drive(others=[make.other(80.0, 0.0, speed=6.0)], expert=make.straight(speed=11.0))
    whole, part = metrics_of(drive, road), metrics_of(drive.part(0, len(drive.ego)), road)
    assert whole[0] == part[0]


@pytest.mark.parametrize("others", [True, False])
def test_scored_drives_survive_json(make, road, others):
    drive = make.drive(
        others=[make.other(55.0, 0.0)] if others else [],
        events=[make.collision(30, Blame.EGO, AgentClass.HAZARD)],
        latencies=np.array([0.01, 0.02]),
        interventions=2,
    )
    scored = score_drive(drive, road, JUNCTIONS)
    assert np.isfinite(scored.measures.least_time_to_collision) or not others
    assert ScoredDrive.from_values(json.loads(json.dumps(scored.to_values(), allow_nan=False))) == scored


@pytest.mark.parametrize("values", [{}, {"score": {}}, {"measures": None}])
def test_other_values_are_an_error(values):
    with pytest.raises(InvalidInputError, match="scored drive"):
        ScoredDrive.from_values(values)
