"""Where the reference path comes from and what it carries."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.planning.reference_path import PathSource, ReferencePathFinder
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex


def finder(network: RoadNetwork | None = None, route: Route | None = None) -> ReferencePathFinder:
    made = ReferencePathFinder()
    made.set_index(LaneIndex(network) if network is not None else None)
    made.set_route(route)
    return made


def line(*points: tuple[float, float]) -> Route:
    return Route(0, np.array([(x, y, 0.0) for x, y in points]))


def test_lanes_give_limit_stops_and_neighbours() -> None:
    road = straight_road(lanes=2, speed_limit=11.0, stop_line_at=150.0, signal=True)
    path = finder(road).find(EgoState(0, 50.0, 0.4, speed=10.0), 150.0)
    assert path.source == PathSource.LANES
    assert path.ego_d == pytest.approx(0.4, abs=1e-6)
    np.testing.assert_allclose(path.speed_limit, 11.0)
    assert path.stops.signals == ((1,),)
    assert path.stops.s[0] - path.ego_s == pytest.approx(100.0, abs=0.05)
    assert path.left == pytest.approx(3.5, abs=0.01)
    assert path.right is None
    assert path.line.length - path.ego_s >= 149.0


def test_stop_lines_behind_the_ego_are_left_out() -> None:
    road = straight_road(stop_line_at=150.0, signal=True)
    assert len(finder(road).find(EgoState(0, 151.0, 0.0), 100.0).stops.s) == 0


def test_a_path_goes_on_straight_where_the_map_ends() -> None:
    path = finder(straight_road(lanes=1, length=100.0)).find(EgoState(0, 80.0, 0.0, speed=10.0), 120.0)
    np.testing.assert_allclose(path.line.xy[:, 1], 0.0, atol=1e-9)
    assert path.line.xy[-1, 0] >= 199.0
    assert path.lanes[-1] == -1
    assert np.isnan(path.speed_limit[-1])


def test_without_map_and_route_the_yaw_rate_bends_the_path() -> None:
    ego = EgoState(0, 5.0, 5.0, yaw=0.3, speed=10.0, yaw_rate=0.2)
    path = finder().find(ego, 100.0)
    assert path.source == PathSource.ARC
    position, heading, curvature = path.line.at(path.ego_s)
    np.testing.assert_allclose(position, [5.0, 5.0], atol=0.05)
    assert heading == pytest.approx(0.3, abs=0.02)
    assert curvature == pytest.approx(0.02, abs=1e-3)
    assert path.line.curvature[-1] == 0.0
    slow = finder().find(EgoState(0, 5.0, 5.0, yaw=0.3, speed=0.5, yaw_rate=0.2), 100.0)
    np.testing.assert_allclose(slow.line.curvature, 0.0)


def test_a_logged_route_wins_over_the_lanes_and_knows_them() -> None:
    path = finder(straight_road(lanes=2), line((0, 0.5), (200, 0.5))).find(EgoState(0, 50.0, 0.0, speed=5.0), 80.0)
    assert path.source == PathSource.ROUTE
    assert path.ego_d == pytest.approx(-0.5, abs=1e-6)
    assert (path.lanes >= 0).all()


def test_a_route_that_ends_goes_on_along_the_lanes() -> None:
    path = finder(crossing(), line((-100, -1.75), (-40, -1.75))).find(EgoState(0, -60.0, -1.75, speed=9.0), 100.0)
    assert path.source == PathSource.ROUTE
    np.testing.assert_allclose(path.line.xy[:, 1], -1.75, atol=0.05)
    assert path.stops.signals == ((3,),)


def test_a_route_too_far_away_or_the_other_way_is_not_followed() -> None:
    ego = EgoState(0, 50.0, 0.0, speed=5.0)
    assert finder(None, line((0, 20), (200, 20))).find(ego, 80.0).source == PathSource.ARC
    assert finder(None, line((200, 0), (0, 0))).find(ego, 80.0).source == PathSource.ARC
    assert finder(straight_road(), line((0, 20), (200, 20))).find(ego, 80.0).source == PathSource.LANES


def test_a_route_that_passes_twice_is_followed_in_order() -> None:
    loop = [(x, 0.0) for x in range(0, 100, 5)]
    loop += [(100 + 30 * np.sin(a), 30 - 30 * np.cos(a)) for a in np.linspace(0, np.pi, 20)]
    loop += [(x, 60.0) for x in range(95, 0, -5)]
    loop += [(0 - 30 * np.sin(a), 30 + 30 * np.cos(a)) for a in np.linspace(0, np.pi, 20)]
    loop += [(x, 0.3) for x in range(5, 100, 5)] + [(x, 0.3 + 0.5 * (x - 100)) for x in range(100, 160, 5)]
    follower = finder(None, line(*loop))
    first = follower.find(EgoState(0, 50.0, 0.1, speed=5.0), 120.0)
    for angle in np.linspace(0.2, np.pi, 12):
        follower.find(EgoState(0, 100 + 30 * np.sin(angle), 30 - 30 * np.cos(angle), yaw=angle, speed=5.0), 50.0)
    for x in range(90, 0, -10):
        follower.find(EgoState(0, x, 60.0, yaw=np.pi, speed=5.0), 50.0)
    for angle in np.linspace(0.2, np.pi, 12):
        ego = EgoState(0, -30 * np.sin(angle), 30 + 30 * np.cos(angle), yaw=angle - np.pi, speed=5.0)
        follower.find(ego, 50.0)
    for x in range(5, 50, 5):
        follower.find(EgoState(0, x, 0.2, speed=5.0), 50.0)
    second = follower.find(EgoState(0, 50.0, 0.1, speed=5.0), 120.0)
    assert first.line.xy[-1, 1] > 20.0  # round the first bend
    assert second.line.xy[-1, 0] > 140.0  # straight out after the second passage


def test_a_standing_log_is_no_route_and_unknown_lanes_are_an_error() -> None:
    standing = Route(0, np.zeros((20, 3)))
    assert finder(None, standing).find(EgoState(0, 0.0, 0.0), 50.0).source == PathSource.ARC
    with pytest.raises(InvalidInputError, match="777"):
        finder(crossing(), Route(0, np.zeros((2, 3)), np.array([2, 777])))


def test_a_route_of_lanes_is_driven_from_its_first_point_to_its_last() -> None:
    road = straight_road(lanes=2, length=300.0, segment_length=100.0)
    change = Route(0, np.array([[60.0, 0.0, 0.0], [230.0, 3.5, 0.0]]), np.array([0, 1, 101, 201]))
    made = finder(road)
    made.set_route(change, stop_at_end=True)
    path = made.find(EgoState(0, 60.5, 0.0, speed=8.0), 120.0)
    assert path.ego_d == pytest.approx(0.0, abs=0.05)  # the change lies ahead, not in the middle of the whole lane
    assert path.goal_s is None
    path = made.find(EgoState(0, 150.0, 3.5, speed=8.0), 120.0)
    assert path.goal_s is not None
    assert path.goal_s - path.ego_s == pytest.approx(80.0, abs=0.2)
    made.set_route(change)
    assert made.find(EgoState(0, 150.0, 3.5, speed=8.0), 120.0).goal_s is None


def test_a_refused_route_leaves_the_lanes() -> None:
    found = ReferencePathFinder()
    found.set_index(LaneIndex(crossing()))
    with pytest.raises(InvalidInputError):
        found.set_route(Route(0, np.zeros((2, 3)), np.array([2, 3])))
    assert found.find(EgoState(0, -60.0, -1.75, speed=8.0), 100.0).source == PathSource.LANES


def test_a_fitted_turn_stays_fitted_near_the_end_of_the_route() -> None:
    network = crossing(arm=60.0, half_size=2.5, signals=False)
    index = LaneIndex(network)
    found = ReferencePathFinder()
    found.set_index(index, DrivableGrid(index, cell=0.25, margin=0.0))
    found.set_route(Route(0, np.zeros((2, 3)), np.array([2, 121, 13])))  # from the west to the south
    ego = EgoState(0, -40.0, -1.75, speed=8.0)
    far, near = found.find(ego, 60.0).line, found.find(ego, 150.0).line
    assert near.length > far.length + 20.0
    turn = np.flatnonzero(np.hypot(*far.xy.T) < 20.0)
    assert np.abs(near.project(far.xy[turn]).d).max() < 0.01
