"""Lanes under a path, speed limits inside intersections, distances off the road."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.ragged import Ragged
from zoox_stack.evaluation.closed_loop_map import FAR, DriveMap
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.event_config import EventConfig
from zoox_stack.simulation.events import EventDetector

IN_EAST, OUT_EAST = 0, 4
RIGHT_FROM_EAST, STRAIGHT_FROM_EAST, LEFT_FROM_EAST = 8, 9, 10


@pytest.fixture(scope="module")
def junction() -> DriveMap:
    return DriveMap(crossing())


def _without_areas(network: RoadNetwork) -> RoadNetwork:
    none = Ragged.from_rows([], np.float64, 3)
    return replace(network, area_ids=np.zeros(0, np.int64), area_types=np.zeros(0, np.uint8), areas=none)


@pytest.mark.parametrize(
    ("y", "yaw", "lane"),
    [
        (0.0, 0.0, 0),
        (1.7, 0.0, 0),
        (1.8, 0.0, 1),
        (5.2, 0.0, 1),
        (5.3, 0.0, None),
        (-1.8, 0.0, None),
        (0.0, np.pi, 0),  # also the lane that leads the other way
    ],
)
def test_the_lane_under_a_point_is_the_one_it_lies_in(road, y, yaw, lane):
    under = road.lanes_under(np.array([[150.0, y]]), np.array([yaw]))
    assert under.rows.tolist() == [-1 if lane is None else 2 + lane]
    assert under.heading[0] == pytest.approx(0.0)


@pytest.mark.parametrize(("y", "rows"), [(0.9, [2]), (1.1, [-1]), (1.9, [3])])
def test_each_lane_is_as_wide_as_it_is(y, rows):
    network = straight_road(lanes=2, length=400.0)
    widths = np.where(np.arange(8) % 2, 3.5, 2.0).astype(np.float32)
    place = DriveMap(replace(network, lane_widths=widths))
    assert place.lanes_under(np.array([[150.0, y]]), np.zeros(1)).rows.tolist() == rows


def test_in_an_intersection_the_lane_along_the_heading_counts(junction):
    """The middle of the crossing lies in ways of all directions."""
    points = np.array([[0.0, 1.75], [0.0, 1.75], [60.0, 1.75], [60.0, -1.75]])
    under = junction.lanes_under(points, np.array([np.pi, 0.0, np.pi, np.pi]))
    assert under.rows[0] == STRAIGHT_FROM_EAST
    assert np.cos(under.heading[1]) > 0
    assert under.rows[2:].tolist() == [IN_EAST, OUT_EAST]
    assert abs(under.heading[3]) < 1e-6


def test_no_points_are_no_lanes(road):
    assert not len(road.lanes_under(np.zeros((0, 2)), np.zeros(0)).rows)


def test_inside_an_intersection_the_highest_limit_around_counts():
    network = crossing()
    limits = np.full(len(network.lane_ids), 8.0, np.float32)
    limits[8:], limits[OUT_EAST + 1] = 3.0, 14.0  # connections; the way out to the north
    place = DriveMap(replace(network, lane_speed_limits=limits))
    assert place.limits[RIGHT_FROM_EAST] == 14.0
    assert place.limits[STRAIGHT_FROM_EAST] == 8.0
    assert place.limits[IN_EAST] == 8.0


def test_an_unknown_limit_around_an_intersection_is_unknown_inside():
    network = crossing()
    limits = network.lane_speed_limits.copy()
    limits[OUT_EAST + 1] = np.nan
    place = DriveMap(replace(network, lane_speed_limits=limits))
    assert np.isnan(place.limits[RIGHT_FROM_EAST])
    assert place.limits[STRAIGHT_FROM_EAST] == pytest.approx(13.9)


def test_connections_in_two_pieces_have_the_limit_of_the_lanes_outside():
    network = straight_road(lanes=1, length=400.0)  # rows 0..3, the middle two as an intersection
    limits = np.array([8.0, 2.0, 3.0, 9.0], np.float32)
    inside = np.array([False, True, True, False])
    place = DriveMap(replace(network, lane_speed_limits=limits, lane_in_intersection=inside))
    assert place.limits.tolist() == [8.0, 9.0, 9.0, 9.0]


@pytest.mark.parametrize("areas", [True, False])
@pytest.mark.parametrize(
    ("y", "distance"), [(0.0, 0.0), (-1.7, 0.0), (-1.95, 0.2), (-2.05, 0.3), (5.75, 0.5), (-60.0, FAR)]
)
def test_distances_off_the_road_are_exact(areas, y, distance):
    network = straight_road(lanes=2, length=400.0)
    place = DriveMap(network if areas else _without_areas(network))
    assert place.off_road(np.array([[150.0, y]]))[0] == pytest.approx(distance, abs=1e-6)


def test_many_points_give_the_same_distances_as_each_alone(junction):
    points = np.random.default_rng(1).uniform(-30, 30, (200, 2))
    together = junction.off_road(points)
    alone = [float(junction.off_road(point[None])[0]) for point in points]
    np.testing.assert_allclose(together, alone)
    assert (together > 0).sum() > 50


def test_keeping_the_lane_is_what_blame_is_given_by(make):
    """The same boxes, asked at once and one by one by the detector."""
    index = LaneIndex(crossing())
    place, detector = DriveMap(crossing()), EventDetector(index, config=EventConfig())
    random = np.random.default_rng(2)
    points, yaw = random.uniform(-25, 25, (150, 2)), random.choice([0.0, np.pi / 2, np.pi, 0.3], 150)
    together = place.keeps_lane(points, yaw, 4.8, 1.9)
    alone = [detector._keeps_lane(point, float(way), 4.8, 1.9) for point, way in zip(points, yaw, strict=True)]
    assert together.tolist() == alone
    assert 5 < together.sum() < 145
