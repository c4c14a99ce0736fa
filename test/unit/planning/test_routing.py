"""Routes over made-up networks and a town: which lanes, what they cost, and what is said where there is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.planning.lane_ends import Goal, LaneGoal, PoseGoal
from zoox_stack.planning.reference_path import PathSource, ReferencePathFinder
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.planning.routing import PlannedRoute, Router
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

WEST_IN, NORTH_OUT = 2, 11  # lane ids of `crossing`


def router(network: RoadNetwork, **config: float) -> Router:
    return Router(LaneIndex(network), RouteConfig(**config))


def ids(route: PlannedRoute) -> list[int]:
    return route.lane_ids.tolist()


def of_type(network: RoadNetwork, kind: LaneType, *rows: int) -> RoadNetwork:
    types = network.lane_types.copy()
    types[list(rows)] = kind
    return replace(network, lane_types=types)


def test_a_left_turn_through_the_crossing() -> None:
    route = router(crossing()).plan(EgoState(7, -100.0, -1.5), PoseGoal(1.5, 60.0))
    assert ids(route) == [WEST_IN, 123, NORTH_OUT]
    length = 86.0 + np.pi / 2 * 15.75 + 46.0  # of the three stretches
    assert route.length == pytest.approx(length, abs=0.5)
    assert route.travel_time == pytest.approx(length / 13.9, abs=0.05)
    assert (route.lane_changes, route.stamp_ns) == (0, 7)
    assert route.end == pytest.approx([1.75, 60.0], abs=0.01)
    assert route.path.line.xy[0] == pytest.approx([-100.0, -1.75], abs=0.01)


def test_a_lane_as_goal_is_driven_to_its_end() -> None:
    route = router(crossing()).plan(EgoState(0, -100.0, -1.75), LaneGoal(NORTH_OUT))
    assert route.end == pytest.approx([1.75, 134.0 - 3.8], abs=0.01)  # the bumper is 3.8 m ahead of base_link
    on_it = router(crossing()).plan(EgoState(0, -100.0, -1.75), LaneGoal(WEST_IN))
    assert (ids(on_it), on_it.length) == ([WEST_IN], pytest.approx(86.0 - 3.8))


def test_ways_are_the_fastest_ones() -> None:
    """Against Floyd and Warshall, with a limit of its own for every lane."""
    network = grid_of_crossings(2, 2, arm=30.0)
    rng = np.random.default_rng(3)
    network = replace(network, lane_speed_limits=rng.uniform(3.0, 30.0, len(network.lane_ids)).astype(np.float32))
    plans, lines = router(network), LaneIndex(network).lines
    seconds = np.array([lines[row].length / network.lane_speed_limits[row] for row in range(len(lines))])
    costs = np.full((len(lines), len(lines)), np.inf)  # from the end of one to the end of the other
    np.fill_diagonal(costs, 0.0)
    for row in lines:
        costs[row, network.successors[row]] = seconds[network.successors[row]]
    for middle in range(len(lines)):
        costs = np.minimum(costs, costs[:, middle, None] + costs[None, middle])
    outside = np.flatnonzero(~network.lane_in_intersection)
    found = 0
    for start, goal in rng.choice(outside, (60, 2)).tolist():
        (x, y), yaw, _ = lines[start].at(5.0)
        ego = EgoState(0, float(x), float(y), yaw=float(yaw))
        if np.isinf(costs[start, goal]):
            with pytest.raises(InvalidInputError, match="no way from lane"):
                plans.plan(ego, LaneGoal(goal))
            continue
        rows = plans.plan(ego, LaneGoal(goal)).way.rows
        assert seconds[list(rows[1:])].sum() == pytest.approx(costs[start, goal])
        assert all(after in network.successors[row] for row, after in pairwise(rows))
        found += 1
    assert found > 20


def test_a_goal_behind_needs_a_loop() -> None:
    loops = router(grid_of_crossings(2, 2, arm=30.0))
    back = loops.plan(EgoState(0, 34.0, -1.75), PoseGoal(26.0, -1.75))
    assert back.way.rows[0] == back.way.rows[-1] == 4
    assert back.length == pytest.approx(4 * (60.0 + 28.0) - 8.0, abs=40.0)  # round the block
    assert back.end == pytest.approx([26.0, -1.75], abs=0.01)
    with pytest.raises(InvalidInputError, match=r"20.0 m behind on lane 2, and no loop leads back\. Lane 2 can be"):
        router(crossing()).plan(EgoState(0, -100.0, -1.75), PoseGoal(-120.0, -1.75))


def test_in_an_intersection_the_goal_decides_on_which_lane_the_ego_is() -> None:
    plans, ego = router(crossing()), EgoState(0, -13.0, -1.75)
    ends = {goal: plans.plan(ego, LaneGoal(goal)).way.rows[-2] for goal in (10, 11, 13)}
    assert len(set(ends.values())) == 3


# --- lane changes -----------------------------------------------------------------------------------------------------


def test_a_change_begins_where_the_ego_is_and_ends_before_the_goal() -> None:
    route = router(straight_road(lanes=3)).plan(EgoState(0, 60.0, 0.0), PoseGoal(90.0, 7.0))
    assert (ids(route), route.lane_changes) == ([0, 1, 2], 2)
    xy = route.path.line.xy
    assert (np.diff(xy[:, 0]) > 0).all()
    assert xy[0] == pytest.approx([60.0, 0.0], abs=0.01)
    assert xy[-1] == pytest.approx([90.0, 7.0], abs=0.01)
    assert route.length == pytest.approx(31.0, abs=1.0)


@pytest.mark.parametrize(("x", "goal_x", "lanes"), [(60.0, 75.0, 2), (60.0, 85.0, 3)])
def test_a_change_without_room_is_not_planned(x: float, goal_x: float, lanes: int) -> None:
    road, left = straight_road(lanes=lanes, length=100.0), 3.5 * (lanes - 1)
    assert router(road, least_change_room=10.0).plan(EgoState(0, x, 0.0), PoseGoal(goal_x, left)).lane_changes > 0
    with pytest.raises(InvalidInputError, match=f"lane {lanes - 1} is reached, but not before the goal"):
        router(road, least_change_room=16.0).plan(EgoState(0, x, 0.0), PoseGoal(goal_x, left))
    with pytest.raises(InvalidInputError, match="no way from lane 0; 1 lanes are reached"):
        router(road).plan(EgoState(0, 95.0, 0.0), LaneGoal(lanes - 1))


@pytest.mark.parametrize(("cost", "changes"), [(5.0, 2), (30.0, 0)])
def test_a_faster_lane_is_worth_changes_that_cost_little(cost: float, changes: int) -> None:
    road = straight_road(lanes=2)
    limits = np.tile(np.array([10.0, 30.0], np.float32), 4)  # 400 m take 40 s on the right, 13 s on the left
    plans = router(replace(road, lane_speed_limits=limits), lane_change_cost=cost)
    assert plans.plan(EgoState(0, 0.0, 0.0), PoseGoal(400.0, 0.0)).lane_changes == changes


@pytest.mark.parametrize(("start", "goal", "lanes"), [(70.0, 195.0, [0, 100, 101]), (5.0, 130.0, [0, 1, 101])])
def test_a_change_is_made_where_there_is_more_room(start: float, goal: float, lanes: list[int]) -> None:
    assert ids(router(straight_road(lanes=2)).plan(EgoState(0, start, 0.0), PoseGoal(goal, 3.5))) == lanes


@pytest.mark.parametrize(("y", "goal", "changes"), [(1.6, 0.0, 0), (1.6, 3.5, 0), (0.3, 3.5, 1), (3.2, 0.0, 1)])
def test_between_two_lanes_the_ego_is_on_both(y: float, goal: float, changes: int) -> None:
    route = router(straight_road(lanes=2)).plan(EgoState(0, 10.0, y), PoseGoal(90.0, goal))
    assert route.lane_changes == changes


def test_behind_the_end_of_a_lane_nothing_lies_beside_it() -> None:
    """The right lane ends after 50 m, the left one after 100."""
    road = straight_road(lanes=2, length=100.0, segment_length=100.0)
    lines = [line * [0.5 if row == 0 else 1.0, 1.0, 1.0] for row, line in enumerate(road.centre_lines)]
    plans = router(replace(road, centre_lines=Ragged.from_rows(lines, np.float64, 3)))
    assert plans.plan(EgoState(0, 30.0, 0.0), LaneGoal(1)).lane_changes == 1
    with pytest.raises(InvalidInputError, match="no way from lane 0"):
        plans.plan(EgoState(0, 45.0, 0.0), LaneGoal(1))


@pytest.mark.parametrize("mark", [LineType.SOLID_WHITE, LineType.DOUBLE_SOLID, LineType.KERB])
def test_closed_lines_are_not_crossed(mark: LineType) -> None:
    road = straight_road(lanes=2, length=300.0)
    marks = road.left_boundary_types.copy()
    marks[[0, 2]] = mark
    plans = router(replace(road, left_boundary_types=marks))
    assert ids(plans.plan(EgoState(0, 0.0, 0.0), LaneGoal(201))) == [0, 100, 200, 201]
    with pytest.raises(InvalidInputError, match=r"not before|no way"):
        plans.plan(EgoState(0, 0.0, 0.0), LaneGoal(101))


def test_lanes_for_buses_are_left_but_not_entered() -> None:
    road = of_type(straight_road(lanes=3, length=300.0), LaneType.BUS, 1, 4, 7)  # the one in the middle
    plans = router(road)
    assert ids(plans.plan(EgoState(0, 10.0, 3.5), LaneGoal(202)))[-1] == 202
    with pytest.raises(InvalidInputError, match="no way"):
        plans.plan(EgoState(0, 10.0, 0.0), LaneGoal(202))


# --- bad input --------------------------------------------------------------------------------------------------------

ON_ROAD = EgoState(0, -100.0, -1.75)


@pytest.mark.parametrize(
    ("ego", "goal", "words"),
    [
        (ON_ROAD, PoseGoal(-60.0, -20.0), r"goal at x, y = -60.0, -20.0: .*lane 2 18\.\d m away"),
        (ON_ROAD, PoseGoal(-60.0, 1.75, 0.0), r"within 60 degrees of its yaw 0.00 rad, found lane 12"),
        (ON_ROAD, PoseGoal(-60.0, 1.75), r"no way from lane 2; 7 lanes are reached, nearest to the goal lane 2"),
        (ON_ROAD, LaneGoal(0), r"goal on lane 0: .*no way from lane 2"),
        (ON_ROAD, LaneGoal(99), r"lane ids: .*\[99\]"),
        (EgoState(0, -100.0, -12.0), LaneGoal(NORTH_OUT), r"start at x, y = -100.0, -12.0: .*lane 2 10\.\d m away"),
        (EgoState(0, -100.0, -1.75, yaw=3.0), LaneGoal(NORTH_OUT), r"yaw 3.00 rad on lane 2 that runs at 0.00 rad"),
        (EgoState(0, -100.0, -1.75, yaw=1.5), LaneGoal(NORTH_OUT), r"yaw 1.50 rad on lane 2"),
    ],
)  # fmt: skip
def test_ends_of_a_route_that_cannot_be(ego: EgoState, goal: Goal, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as raised:
        router(crossing()).plan(ego, goal)
    assert raised.value.remedy or "ids" in words


@pytest.mark.parametrize("kind", [LaneType.BIKE, LaneType.BUS, LaneType.OTHER])
def test_goals_on_lanes_for_others(kind: LaneType) -> None:
    road = router(of_type(straight_road(lanes=2, length=100.0), kind, 0))
    for goal in (LaneGoal(0), PoseGoal(50.0, 0.5), PoseGoal(50.0, 0.5, 0.0)):
        with pytest.raises(InvalidInputError, match=f"a lane for cars, found .*{kind.name}"):
            road.plan(EgoState(0, 5.0, 3.5), goal)
    assert road.plan(EgoState(0, 5.0, 3.5), PoseGoal(50.0, 2.0)).end[1] == pytest.approx(3.5)


@pytest.mark.parametrize("values", [(np.nan, 0.0, None), (0.0, np.inf, None), (0.0, 0.0, np.nan)])
def test_goals_that_are_no_numbers(values: tuple[float, float, float | None]) -> None:
    with pytest.raises(InvalidInputError, match=r"goal .*finite"):
        PoseGoal(*values)


def test_no_map() -> None:
    with pytest.raises(InvalidInputError, match="road network 'void': expected lanes for cars, found none among 0"):
        router(RoadNetwork("void"))
    with pytest.raises(InvalidInputError, match="none among 1"):
        router(of_type(straight_road(lanes=1, length=50.0), LaneType.BIKE, 0))


# --- what others make of it -------------------------------------------------------------------------------------------


def test_a_goal_where_the_ego_is_has_a_short_line() -> None:
    for x in (30.0, 99.9, 0.0):
        route = router(straight_road(lanes=1, length=100.0)).plan(EgoState(0, x, 0.0), PoseGoal(x, 0.0))
        assert 0.0 < route.length < 1.0


def test_the_planner_follows_it() -> None:
    network = crossing()
    finder = ReferencePathFinder()
    finder.set_index(LaneIndex(network))
    finder.set_route(router(network).plan(ON_ROAD, LaneGoal(NORTH_OUT)).as_route())
    path = finder.find(EgoState(0, -30.0, -1.75, speed=8.0), 100.0)
    assert path.source == PathSource.ROUTE
    assert path.line.xy[-1, 1] > 30.0


def test_a_plan_leaves_no_trace_in_the_next() -> None:
    plans = router(grid_of_crossings(2, 1, arm=30.0))
    fresh = router(grid_of_crossings(2, 1, arm=30.0))
    ego = EgoState(0, -30.0, -1.75)
    for goal in (4, 24, 25, 27):
        assert ids(plans.plan(ego, LaneGoal(goal))) == ids(fresh.plan(ego, LaneGoal(goal)))
        fresh = router(grid_of_crossings(2, 1, arm=30.0))


def test_parts_of_paths_run_ahead() -> None:
    index = LaneIndex(straight_road(lanes=2, length=100.0))
    assert index.path_of([0], 20.0, 50.0).line.length == pytest.approx(30.0)
    with pytest.raises(InvalidInputError, match=r"path along lane 0: .*from 50.0 to 20.0 m"):
        index.path_of([0], 50.0, 20.0)


def test_routes_through_a_town(tmp_path: Path) -> None:
    """Lines without gaps or kinks that end at the goal; most pairs of lanes have one."""
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    from zoox_stack.simulation.towns import build_town

    network = build_town("signal_grid", 3, tmp_path).net.network
    plans, rng, found = router(network), np.random.default_rng(0), 0
    lines = plans.index.lines
    streets = [row for row in lines if lines[row].length > 30 and not network.lane_in_intersection[row]]
    for start, goal in rng.choice(streets, (25, 2)).tolist():
        (x, y), yaw, _ = lines[start].at(10.0)
        place = lines[goal].at(lines[goal].length - 5.0)[0]
        try:
            route = plans.plan(EgoState(0, float(x), float(y), yaw=float(yaw)), PoseGoal(*place))
        except InvalidInputError as error:
            assert "lanes are reached" in str(error)  # noqa: PT017 - streets that end at the rim lead nowhere
            continue
        found += 1
        line = route.path.line
        assert np.hypot(*np.diff(line.xy, axis=0).T).max() < 1.5
        assert np.abs(np.diff(line.heading)).max() < 0.6
        assert np.hypot(*(line.xy[0] - [x, y])) < 0.1
        assert np.hypot(*(route.end - place)) < 0.1
        assert route.length > np.hypot(*(place - [x, y])) - 0.5
    assert found >= 8
