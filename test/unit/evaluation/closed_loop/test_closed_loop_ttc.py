"""Time to collision: with whom, when, and its bound."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.classes import Blame
from zoox_stack.evaluation.closed_loop_map import DriveMap
from zoox_stack.evaluation.closed_loop_ttc import time_to_collision, time_to_collision_score
from zoox_stack.road_network.made_up import crossing

FRONT = 1.4 + 2.4  # [m] from the rear axle


def _times(drive, place):
    return time_to_collision(drive, place.lanes_under(drive.ego.centre, drive.ego.yaw), place)


def _gap_ahead(make, gap, speed=10.0, theirs=0.0):
    """Somebody `gap` ahead of the ego's front at the first instant; ego at x = 10."""
    other = make.other(10.0 + FRONT + gap + 2.25, 0.0, speed=theirs)
    return make.drive(make.straight(speed=speed, steps=15), others=[other])


def test_the_time_falls_as_the_gap_does(make, road):
    """Steps of 0.1 s: the first at which the boxes touch. The last step looked at is 2.9 s."""
    times = _times(_gap_ahead(make, 30.5), road)
    assert times[0] == np.inf
    assert times[2] == pytest.approx(2.9)
    assert times[14] == pytest.approx(1.7)


@pytest.mark.parametrize(("gap", "score"), [(14.0 + 9.45, 1.0), (14.0 + 8.95, 0.0)])
def test_the_bound_is_0_95_s(make, road, gap, score):
    """At the last instant the ego is 14 m farther: 9.45 m at 10 m/s take up to 1.0 s, 8.95 m up to 0.9 s."""
    assert time_to_collision_score(_times(_gap_ahead(make, gap), road)) == score


def test_the_bound_itself_is_too_short():
    assert time_to_collision_score(np.array([np.inf, 0.95])) == 0.0
    assert time_to_collision_score(np.array([np.inf, 0.951])) == 1.0


@pytest.mark.parametrize(
    ("speed", "theirs", "short"),
    [
        (10.0, 10.0, False),  # following at the same speed
        (10.0, 4.0, True),
        (0.0, -5.0, False),  # who stands drives into nobody
        (0.006, -5.0, True),
    ],
)
def test_speeds_decide(make, road, speed, theirs, short):
    times = _times(_gap_ahead(make, 5.0, speed, theirs), road)
    assert np.isfinite(times).any() == short


def test_nobody_there_means_no_time(make, road):
    assert np.isinf(_times(make.drive(), road)).all()


def test_who_is_behind_does_not_count(make, road):
    """2.95 m behind at first, and 2 m/s faster: it would touch the ego in 1.5 s."""
    faster = make.other(10.0 + 1.4 - 2.4 - 2.95 - 2.25, 0.0, speed=7.0)
    assert np.isinf(_times(make.drive(make.straight(speed=5.0, steps=15), others=[faster]), road)).all()


def _beside(make, y):
    """A car in the next lane that comes over into the ego's side; the ego `y` to the left of the middle of lane 0."""
    other = make.other(10.0 + 0.7, 3.5, yaw=-0.12, speed=10.0)
    return make.drive(make.straight(steps=15, y=y), others=[other])


@pytest.mark.parametrize(("y", "counts"), [(0.0, False), (1.0, False), (1.4, True)])
def test_who_is_beside_counts_only_if_the_ego_is_not_wholly_in_a_lane(make, road, y, counts):
    """1.9 m wide, lane 3.5 m: up to 1.1 m from its middle the ego is in it."""
    assert np.isfinite(_times(_beside(make, y), road)).any() == counts


@pytest.mark.parametrize(("x", "counts"), [(0.0, True), (-70.0, False)])
def test_in_an_intersection_who_is_beside_counts(make, x, counts):
    """Somebody comes from the right, into the ego's side; both in an intersection or far before it."""
    place = DriveMap(crossing())
    egos = make.straight(speed=3.0, steps=15, x=x - 3.0, y=-1.75)
    other = make.other(x - 1.0, -9.0, yaw=np.pi / 2, speed=4.0)
    drive = make.drive(egos, others=[other], network=crossing(), route=None)
    assert np.isfinite(_times(drive, place)).any() == counts


@pytest.mark.parametrize(("blame", "at_contact"), [(Blame.EGO, 0.0), (Blame.OTHER, np.inf)])
def test_after_a_collision_the_other_no_longer_counts(make, road, blame, at_contact):
    other = make.other(10.0 + FRONT + 3.2 + 2.25, 0.0)
    drive = make.drive(others=[other], events=[make.collision(4, blame)])
    times = _times(drive, road)
    assert times[:4] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert times[4] == at_contact
    assert np.isinf(times[5:]).all()


def test_who_is_there_now_and_then_counts_only_then(make, road):
    drive = _gap_ahead(make, 25.0)
    part = drive.part(0, 15)
    np.testing.assert_array_equal(_times(part, road), _times(drive, road))
