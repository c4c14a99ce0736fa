"""Following routes: the way that is left, arrival, and what counts as leaving the route."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.planning.driven_route import driven_route
from zoox_stack.planning.lane_ends import LaneGoal, PoseGoal
from zoox_stack.planning.route_progress import Following, RouteFollower
from zoox_stack.planning.routing import PlannedRoute, Router
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex

TICK = 100_000_000  # [ns]


def follower(network: RoadNetwork) -> RouteFollower:
    return RouteFollower(Router(LaneIndex(network)))


def drive(following: RouteFollower, states: Iterable[EgoState]) -> list[Following]:
    return [following.update(state) for state in states]


def along(line: Polyline, start: float, end: float, *, speed: float = 10.0, stamp_ns: int = 0) -> list[EgoState]:
    """Ten states per second along a line."""
    s = np.arange(start, end, 0.1 * speed)
    at, yaw, _ = line.at(s)
    return [EgoState(stamp_ns + i * TICK, at[i, 0], at[i, 1], yaw=float(yaw[i]), speed=speed) for i in range(len(s))]


def straight(start: float, end: float, y: float, stamp_ns: int = 0) -> list[EgoState]:
    return along(
        Polyline.from_points(np.array([[start - 5, y], [end + 5, y]])), 5.0, end - start + 5.0, stamp_ns=stamp_ns
    )


def test_the_way_that_is_left_and_arrival() -> None:
    following = follower(crossing())
    route = following.set_goal(EgoState(0, -100.0, -1.75), PoseGoal(1.75, 60.0))
    told = drive(following, along(route.path.line, 0.0, route.length))
    for progress in told:
        assert progress.travelled + progress.remaining == pytest.approx(route.length)
    remaining = [progress.remaining for progress in told]
    np.testing.assert_allclose(remaining, route.length - 1.0 * np.arange(len(told)), atol=0.05)
    assert not any(progress.reached or progress.missed for progress in told)
    end = EgoState(told[-1].stamp_ns + TICK, *route.end, yaw=np.pi / 2, speed=0.0)
    before = following.update(replace(end, y=end.y - 3.0))
    assert not before.reached
    assert following.update(replace(end, stamp_ns=end.stamp_ns + TICK, y=end.y - 1.5, speed=1.0)).reached is False
    assert following.update(replace(end, stamp_ns=end.stamp_ns + 2 * TICK, y=end.y - 1.5)).reached
    assert following.update(replace(end, stamp_ns=end.stamp_ns + 3 * TICK, y=end.y + 30.0)).reached


def test_who_stands_beside_the_goal_has_not_reached_it() -> None:
    following = follower(straight_road(lanes=2))
    following.set_goal(EgoState(0, 10.0, 0.0), PoseGoal(30.0, 0.0))
    assert not following.update(EgoState(1, 30.0, 3.5)).reached
    assert following.update(EgoState(2, 30.0, 0.5)).reached


def test_lanes_beside_the_route_miss_nothing() -> None:
    following = follower(straight_road(lanes=4))
    following.set_goal(EgoState(0, 10.0, 0.0), PoseGoal(390.0, 0.0))
    weave = np.column_stack([np.arange(10.0, 380.0), 5.25 - 5.25 * np.cos(np.arange(370) / 25)])  # 0 to 10.5 m and back
    told = drive(following, along(Polyline.from_points(weave), 0.0, 360.0))
    assert not any(progress.missed or progress.rerouted for progress in told)
    assert max(progress.offset for progress in told) == pytest.approx(10.5, abs=0.1)
    remaining = np.array([progress.remaining for progress in told])
    assert (np.diff(remaining) < 0).all()


def beside(lanes: int, y: float) -> list[Following]:
    """Left of a road of `lanes` lanes, at y."""
    following = follower(straight_road(lanes=lanes))
    following.set_goal(EgoState(0, 10.0, 0.0), PoseGoal(390.0, 0.0))
    return drive(following, straight(20.0, 60.0, y))


def test_off_the_road_the_distance_counts() -> None:
    assert not any(progress.missed for progress in beside(1, 3.5))
    told = beside(1, 5.0)
    assert [progress.missed for progress in told].index(True) == 10  # after a second
    assert told[-1].missed
    assert np.isnan(told[-1].offset)
    assert "lane within 4 m" in told[-1].problem
    assert told[0].problem == ""


def planned_left(network: RoadNetwork) -> tuple[RouteFollower, PlannedRoute]:
    following = follower(network)
    return following, following.set_goal(EgoState(0, -40.0, -1.75), PoseGoal(1.75, 40.0))


def test_a_turn_that_is_not_taken_is_a_miss_and_a_new_route_begins() -> None:
    following, route = planned_left(grid_of_crossings(3, 2, arm=30.0))
    told = drive(following, straight(-40.0, 40.0, -1.75))
    (at,) = [i for i, progress in enumerate(told) if progress.rerouted]
    assert 0.0 < -40.0 + at < 15.0
    assert not any(progress.missed for progress in told)  # the new route was there at once
    assert following.route is not None
    assert following.route is not route
    assert following.route.end == pytest.approx(route.end, abs=0.01)
    assert following.route.length > 200.0  # by way of the next block but one
    assert told[-1].remaining == pytest.approx(following.route.length - told[-1].travelled)
    assert told[-1].travelled == pytest.approx(len(told) - 1 - at, abs=0.1)


def test_without_another_way_the_route_stays_missed() -> None:
    following, route = planned_left(crossing())
    told = drive(following, straight(-40.0, 60.0, -1.75))
    assert [progress.missed for progress in told].index(True) == pytest.approx(45, abs=5)
    assert told[-1].missed
    assert "no way from lane 10" in told[-1].problem
    assert following.route is route
    left = told[-1].remaining
    assert 40.0 < left < 80.0
    back = along(route.path.line, 55.0, 75.0, stamp_ns=told[-1].stamp_ns + TICK)  # as if it had been towed
    again = drive(following, back)
    assert sum(progress.rerouted for progress in again) == 1
    assert not again[-1].missed
    assert again[-1].problem == ""
    assert again[-1].remaining < left


def test_a_short_excursion_is_not_a_miss() -> None:
    following = follower(straight_road(lanes=1))
    following.set_goal(EgoState(0, 0.0, 0.0), PoseGoal(390.0, 0.0))
    told: list[Following] = []
    for place, y in ((0, 0.0), (10, 6.0), (19, 0.0), (22, 6.0), (31, 0.0)):  # twice 0.9 s
        told += drive(following, straight(place, place + 9.0, y, stamp_ns=place * TICK))
    assert not any(progress.missed for progress in told)


def test_a_goal_that_is_passed_is_missed() -> None:
    following = follower(crossing())
    following.set_goal(EgoState(0, -100.0, -1.75), PoseGoal(-60.0, -1.75))
    told = drive(following, straight(-100.0, -30.0, -1.75))
    assert [progress.missed for progress in told].index(True) == pytest.approx(42 + 11, abs=2)
    assert told[-1].remaining == pytest.approx(0.0, abs=1.0)
    assert "behind on lane 2" in told[-1].problem


def test_a_driven_route_over_the_same_lanes_is_followed_in_order() -> None:
    plans = Router(LaneIndex(grid_of_crossings(2, 2, arm=30.0)))
    block = plans.plan(EgoState(0, 34.0, -1.75), PoseGoal(32.0 - 2.0, -1.75)).path.line
    rounds = Polyline.from_points(np.concatenate([block.xy, block.xy, [[40.0, -1.75]]]))
    states = along(rounds, 0.0, rounds.length)
    route = driven_route(plans, states)
    assert route.length > 1.9 * block.length
    following = RouteFollower(plans)
    following.follow(route)
    told = drive(following, states)
    np.testing.assert_allclose([progress.travelled for progress in told], np.arange(len(told)), atol=3.0)


def test_a_driven_route_is_found_again_after_a_while() -> None:
    plans = Router(LaneIndex(crossing()))
    route = plans.plan(EgoState(0, -40.0, -1.75), PoseGoal(1.75, 130.0))
    following = RouteFollower(plans)
    following.follow(route)
    missed = drive(following, straight(-40.0, 60.0, -1.75))[-1]
    assert missed.missed
    assert missed.problem == ""
    told = drive(following, along(route.path.line, 120.0, 150.0, stamp_ns=missed.stamp_ns + TICK))
    assert [progress.missed for progress in told] == [True] * 10 + [False] * 20
    assert not any(progress.rerouted for progress in told)
    assert told[-1].travelled == pytest.approx(149.0, abs=0.1)


def test_a_driven_route_is_not_replaced_and_a_log_may_begin_again() -> None:
    plans = Router(LaneIndex(grid_of_crossings(2, 2, arm=30.0)))
    route = plans.plan(EgoState(0, -40.0, -1.75), LaneGoal(5))
    following = RouteFollower(plans)
    following.follow(route)
    states = straight(-40.0, 40.0, -1.75, stamp_ns=5 * TICK)
    first = drive(following, states)
    assert first[-1].missed
    assert not any(progress.rerouted for progress in first)
    assert drive(following, states)[0] == first[0]


def test_a_goal_that_cannot_be_keeps_the_route() -> None:
    following = follower(crossing())
    with pytest.raises(InvalidInputError, match="a goal that was set"):
        following.update(EgoState(0, 0.0, 0.0))
    route = following.set_goal(EgoState(0, -100.0, -1.75), LaneGoal(11))
    with pytest.raises(InvalidInputError, match="no way"):
        following.set_goal(EgoState(0, -90.0, -1.75), LaneGoal(0))
    assert following.route is route
    assert following.update(EgoState(1, -90.0, -1.75)).travelled == pytest.approx(10.0)
