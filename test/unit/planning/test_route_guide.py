"""What is followed: routes that were given, goals, and what becomes of them when the map or the road says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrafficSignals
from zoox_stack.core.classes import AgentClass, GoalStatus, LaneType, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.routes import RouteProgress
from zoox_stack.planning.lane_ends import LaneGoal, PoseGoal
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.planning.route_guide import RouteGuide
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

SECOND = 1_000_000_000
WEST, NORTH = [2, 123, 11], PoseGoal(1.75, 100.0)  # of `crossing`: in from the west, turn left, out to the north


def drive(guide: RouteGuide, at: Any, points: np.ndarray, start: float = 0.0) -> RouteProgress:
    """Along a line at 10 m/s."""
    yaw = np.arctan2(*np.diff(points[:, :2], axis=0).T[::-1])
    for i, (x, y) in enumerate(points[1:, :2]):
        told = guide.update(at(x, y, t=start + i / 10, yaw=yaw[i]))
    return told


def guide_on(network: RoadNetwork | None, **parameters: float) -> RouteGuide:
    guide = RouteGuide(RouteConfig(**parameters))
    if network is not None:
        guide.set_index(LaneIndex(network))
        guide.take_change()
    return guide


def lane_route(network: RoadNetwork, ids: list[int], stamp_ns: int = 5) -> Route:
    index = LaneIndex(network)
    xy = index.path_of(index.rows_of(ids)).line.xy
    return Route(stamp_ns, np.column_stack([xy, np.zeros(len(xy))]), np.array(ids))


@pytest.fixture
def at(scene: Any) -> Callable[..., Any]:
    """A scene with the ego at a place, and agents."""

    def make(x: float, y: float, *agents: Any, t: float = 0.0, yaw: float = 0.0, speed: float = 10.0) -> Any:
        return scene(EgoState(0, x, y, yaw=yaw, speed=speed), agents, SECOND + round(t * SECOND))

    return make


def test_a_goal_gives_a_route_with_a_stop_and_its_progress_falls(at: Any) -> None:
    guide = guide_on(crossing())
    told = guide.update(at(-100.0, -1.75))
    assert np.isnan(told.remaining)
    assert told.problem == ""
    answer = guide.set_goal(NORTH)
    assert answer.status is GoalStatus.ACCEPTED
    change = guide.take_change()
    assert change is not None
    assert change.route is not None
    assert (change.route.lane_ids.tolist(), change.stop_at_end, change.is_new) == (WEST, True, True)
    assert guide.take_change() is None
    first, second = (guide.update(at(x, -1.75, t=t)) for x, t in ((-90.0, 1.0), (-60.0, 4.0)))
    assert first.route_stamp_ns == answer.route_stamp_ns == change.route.stamp_ns
    assert first.has_goal
    assert first.remaining == pytest.approx(answer.length - 10.0, abs=0.1)
    assert first.remaining - second.remaining == pytest.approx(30.0, abs=0.1)
    assert first.remaining_time == pytest.approx(first.remaining / 13.9, abs=0.1)
    rest = change.route.points[change.route.points[:, 0] > -60.0]
    assert not drive(guide, at, rest, 5.0).reached
    there = guide.update(at(1.75, 99.0, t=30.0, yaw=np.pi / 2, speed=0.0))
    assert (there.reached, there.remaining) == (True, pytest.approx(1.0, abs=0.1))
    assert guide.take_change() is None


def test_its_own_route_comes_back_and_changes_nothing_another_one_does(at: Any) -> None:
    network = crossing()
    guide = guide_on(network)
    guide.update(at(-100.0, -1.75))
    guide.set_goal(NORTH)
    first = guide.take_change()
    guide.set_goal(PoseGoal(1.75, 90.0))
    guide.take_change()
    assert first is not None
    assert first.route is not None
    guide.give(replace(first.route))
    assert guide.take_change() is None
    assert guide.update(at(-90.0, -1.75, t=1.0)).has_goal
    given = lane_route(network, WEST)
    guide.give(given)
    change = guide.take_change()
    assert change is not None
    assert (change.route is given, change.stop_at_end, change.is_new) == (True, False, False)
    told = guide.update(at(-110.0, -1.75, t=2.0))
    assert (told.has_goal, told.route_stamp_ns) == (False, 5)
    assert told.travelled == pytest.approx(24.0, abs=0.2)


def miss(guide: RouteGuide, at: Any) -> RouteProgress:
    """Go straight on where the route turns left."""
    return drive(guide, at, np.column_stack([np.arange(-30.0, 40.0), np.full(70, -1.75)]), 1.0)


def test_a_missed_goal_is_reached_another_way(at: Any) -> None:
    network = grid_of_crossings(3, 2, arm=30.0)
    guide = guide_on(network)
    guide.update(at(-30.0, -1.75))
    assert guide.set_goal(PoseGoal(1.75, 40.0)).accepted
    guide.take_change()
    told = miss(guide, at)
    change = guide.take_change()
    assert told.rerouted == 1
    assert not told.off_route
    assert change is not None
    assert change.is_new
    assert change.stop_at_end
    assert change.route is not None
    assert change.route.points[-1, :2] == pytest.approx([1.75, 40.0], abs=0.1)


def test_a_given_route_that_is_missed_leads_to_its_last_lane_without_a_stop(at: Any) -> None:
    network = grid_of_crossings(3, 2, arm=30.0)
    guide = guide_on(network)
    guide.update(at(-30.0, -1.75))
    guide.set_goal(PoseGoal(1.75, 40.0))
    planned = guide.take_change()
    assert planned is not None
    assert planned.route is not None
    guide.give(replace(planned.route, stamp_ns=77))
    guide.take_change()
    told = miss(guide, at)
    change = guide.take_change()
    assert (told.rerouted, told.has_goal) == (1, False)
    assert change is not None
    assert change.route is not None
    assert not change.stop_at_end
    assert change.route.lane_ids[-1] == planned.route.lane_ids[-1]


def test_a_line_without_lanes_is_followed_and_there_is_no_other_way(at: Any) -> None:
    guide = guide_on(crossing())
    guide.give(Route(9, np.array([[-100.0, -1.75, 0.0], [100.0, -1.75, 0.0]])))
    told = guide.update(at(-60.0, -1.5))
    assert told.remaining == pytest.approx(160.0, abs=0.1)
    assert told.offset == pytest.approx(0.25, abs=0.05)
    for i in range(12):
        told = guide.update(at(1.75, 40.0 + i, t=1 + i / 10, yaw=np.pi / 2))
    assert told.off_route
    assert told.rerouted == 0


def test_refused_goals_say_why_and_change_nothing(at: Any) -> None:
    guide = guide_on(None)
    assert guide.set_goal(NORTH).status is GoalStatus.NO_MAP
    assert "/map/road_network" in guide.set_goal(NORTH).message
    network = crossing()
    types = network.lane_types.copy()
    types[7] = LaneType.BIKE
    guide.set_index(LaneIndex(replace(network, lane_types=types)))
    answer = guide.set_goal(NORTH)
    assert answer.status is GoalStatus.NO_EGO
    assert "where the ego is" in answer.message
    guide.update(at(-100.0, -1.75))
    assert guide.set_goal(NORTH).accepted
    guide.take_change()
    for goal, words in (
        (PoseGoal(50.0, 50.0), "a lane for cars within 4 m"),
        (PoseGoal(1.75, 100.0, -np.pi / 2), "a lane within 60 degrees of its yaw"),
        (PoseGoal(-1.75, -100.0), "BIKE"),
        (LaneGoal(777), "ids of the network"),
        (PoseGoal(-120.0, -1.75), "behind on lane 2, and no loop"),
        (PoseGoal(-100.0, 1.75), "no way from lane 2"),
    ):
        answer = guide.set_goal(goal)
        assert answer.status is GoalStatus.NO_ROUTE
        assert words in answer.message
        assert guide.describe()["refused"] == answer.message
        assert guide.take_change() is None
    assert guide.update(at(-90.0, -1.75, t=1.0)).has_goal
    with pytest.raises(InvalidInputError, match="finite"):
        PoseGoal(np.nan, 0.0)
    assert guide.refuse("no number").status is GoalStatus.BAD_GOAL
    assert guide.describe()["refused"] == "no number"


@pytest.mark.parametrize(
    ("yaw", "y", "words"), [(np.pi, -1.75, "a heading within 60"), (0.0, 40.0, "a lane within 4 m")]
)
def test_a_start_off_the_lanes_or_against_them(at: Any, yaw: float, y: float, words: str) -> None:
    guide = guide_on(crossing())
    guide.update(at(-100.0, y, yaw=yaw))
    answer = guide.set_goal(NORTH)
    assert answer.status is GoalStatus.NO_ROUTE
    assert words in answer.message


def test_a_map_without_lanes_for_cars(at: Any) -> None:
    network = straight_road(lanes=1)
    guide = guide_on(replace(network, lane_types=np.full_like(network.lane_types, LaneType.BUS)))
    guide.update(at(10.0, 0.0))
    answer = guide.set_goal(PoseGoal(100.0, 0.0))
    assert answer.status is GoalStatus.NO_MAP
    assert "lanes for cars" in answer.message


def test_routes_that_name_wrong_lanes_are_refused(at: Any) -> None:
    network = crossing()
    guide = guide_on(network)
    guide.give(lane_route(network, WEST))
    guide.take_change()
    for lanes in ([2, 777], [2, 11]):
        with pytest.raises(InvalidInputError, match="lane"):
            guide.give(Route(6, np.zeros((2, 3)), np.array(lanes)))
        assert guide.take_change() is None
    assert guide.update(at(-60.0, -1.75)).route_stamp_ns == 5
    assert "lane" in guide.describe()["refused"]


def test_another_map_looks_everything_up_again(at: Any) -> None:
    network = crossing()
    early = guide_on(None)
    early.give(lane_route(network, WEST))
    change = early.take_change()
    assert change is not None
    assert change.route is not None
    assert "no map" in early.update(at(-60.0, -1.75)).problem
    early.set_index(LaneIndex(network))
    assert early.take_change() is not None
    assert early.update(at(-60.0, -1.75)).remaining > 100.0
    early.set_index(LaneIndex(straight_road(lanes=1)))  # has none of these lanes
    change = early.take_change()
    assert change is not None
    assert change.route is None
    assert "lane ids" in early.update(at(10.0, 0.0)).problem

    guide = guide_on(network)
    guide.update(at(-100.0, -1.75))
    guide.set_goal(NORTH)
    guide.set_index(LaneIndex(network))
    guide.take_change()
    told = guide.update(at(-90.0, -1.75, t=1.0))
    assert told.has_goal
    assert told.remaining > 100.0
    change = guide.take_change()
    assert change is not None
    assert change.stop_at_end


def wait_behind(guide: RouteGuide, at: Any, car: Any, seconds: float, signals: Any = None, start: float = 0.0) -> Any:
    """Stand at x = 100 behind something."""
    for i in range(round(seconds * 2) + 1):
        t = start + i / 2
        told = guide.update(at(100.0, 0.0, car, t=t, speed=0.0), signals(t) if signals else None)
    return told


def test_a_blocked_lane_is_left_for_the_one_beside_it(at: Any, agent: Any) -> None:
    guide = guide_on(straight_road(lanes=2, length=600.0, segment_length=200.0))
    guide.update(at(90.0, 0.0))
    assert guide.set_goal(PoseGoal(500.0, 0.0)).accepted
    guide.take_change()
    assert wait_behind(guide, at, agent(7, 109.0, 0.4), 19.5).rerouted == 0
    assert guide.take_change() is None
    told = wait_behind(guide, at, agent(7, 109.0, 0.4), 1.0, start=20.0)
    change = guide.take_change()
    assert told.rerouted == 1
    assert change is not None
    assert change.route is not None
    assert change.stop_at_end
    assert change.route.points[0, :2] == pytest.approx([100.0, 3.5], abs=0.1)  # begins beside the ego
    assert change.route.lane_ids[0] == 1
    assert change.route.points[-1, :2] == pytest.approx([500.0, 0.0], abs=0.1)
    told = wait_behind(guide, at, agent(7, 109.0, 0.4), 5.0, start=22.0)
    assert not told.off_route


def test_where_there_is_no_other_way_the_problem_says_so_until_the_ego_drives_on(at: Any, agent: Any) -> None:
    guide = guide_on(straight_road(lanes=1, length=600.0, segment_length=600.0))
    guide.update(at(90.0, 0.0))
    guide.set_goal(PoseGoal(500.0, 0.0))
    guide.take_change()
    told = wait_behind(guide, at, agent(7, 109.0, 0.0), 21.0)
    assert "car #7 stands on lane 0 for 20 s" in told.problem
    assert "a way that avoids lane 0" in told.problem
    assert guide.take_change() is None
    assert "car #7" in guide.describe()["route problem"]
    assert guide.update(at(101.0, 0.0, t=25.0, speed=2.0)).problem == ""


def test_who_waits_for_a_signal_or_for_people_is_not_blocked(at: Any, agent: Any) -> None:
    road = straight_road(lanes=2, length=600.0, segment_length=200.0, stop_line_at=140.0, signal=True)

    def state(value: SignalState) -> Callable[[float], TrafficSignals]:
        return lambda t: TrafficSignals(
            SECOND + round(t * SECOND), np.array([1]), np.array([value], np.uint8), np.array([1.0])
        )

    def blocked(car: Any, signals: Any) -> bool:
        guide = guide_on(road)
        guide.update(at(90.0, 0.0))
        guide.set_goal(PoseGoal(500.0, 0.0))
        return bool(wait_behind(guide, at, car, 40.0, signals).rerouted)

    car = agent(7, 109.0, 0.0)
    assert not blocked(car, state(SignalState.RED))
    assert not blocked(car, None)  # nobody tells the signal
    assert blocked(car, state(SignalState.GREEN))
    assert not blocked(agent(7, 109.0, 0.0, kind=AgentClass.PEDESTRIAN), state(SignalState.GREEN))
    assert not blocked(agent(7, 109.0, 3.5), state(SignalState.GREEN))  # beside the lane


def test_a_log_that_begins_again_forgets_the_ego_and_keeps_the_goal(at: Any) -> None:
    guide = guide_on(crossing())
    guide.update(at(-90.0, -1.75, t=50.0))
    guide.set_goal(NORTH)
    guide.take_change()
    guide.reset()
    assert guide.set_goal(NORTH).status is GoalStatus.NO_EGO
    told = guide.update(at(-90.0, -1.75, t=0.0))
    assert told.has_goal
    assert told.travelled == pytest.approx(0.0, abs=0.1)
