"""Lane search, paths, stop lines and limits on made-up networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex

WEST_IN, EAST_OUT = 2, 4  # lane rows of the made-up crossing


def test_nearest_lane_takes_the_one_in_the_same_direction() -> None:
    index = LaneIndex(crossing())
    points = np.array([[-60.0, -1.0], [-60.0, 1.0], [-60.0, -1.0], [500.0, 500.0]])
    found = index.nearest(points, np.array([0.0, 0.0, np.pi, 0.0]))
    # Just left of the centre of the road but heading east: still the eastbound lane.
    assert found.rows.tolist() == [WEST_IN, WEST_IN, 6, -1]
    np.testing.assert_allclose(found.distance[:2], [0.75, 2.75], atol=0.02)
    assert np.isinf(found.distance[3])


def test_nearest_lane_without_heading_takes_the_closest() -> None:
    found = LaneIndex(crossing()).nearest(np.array([[-60.0, 1.0]]))
    assert found.rows.tolist() == [6]


def test_lanes_near_a_pose_are_ordered_by_fit() -> None:
    index = LaneIndex(straight_road(lanes=3))
    assert index.near(50.0, 3.0, 0.0)[:2] == [1, 0]
    assert index.near(50.0, 3.0, np.pi) == []


def test_path_ahead_goes_straight_on_through_a_crossing() -> None:
    path = LaneIndex(crossing()).path_ahead(-60.0, -1.75, 0.0, 150.0)
    assert path is not None
    assert [row for row, _, _ in path.runs()] == [WEST_IN, 15, EAST_OUT]
    np.testing.assert_allclose(path.line.xy[:, 1], -1.75, atol=1e-6)
    assert path.line.length >= 46.0 + 28.0 + 60.0


def test_path_ahead_prefers_the_way_taken_so_far() -> None:
    index = LaneIndex(crossing())
    path = index.path_ahead(-60.0, -1.75, 0.0, 100.0, prefer={16})
    assert path is not None
    assert [row for row, _, _ in path.runs()] == [WEST_IN, 16, 5]  # the left turn


def test_path_ahead_needs_a_lane() -> None:
    index = LaneIndex(crossing())
    assert index.path_ahead(80.0, 80.0, 0.0, 100.0) is None
    assert index.path_ahead(-60.0, -1.75, np.pi / 2, 100.0) is None


def test_path_of_ids_and_unknown_ids() -> None:
    network = crossing()
    index = LaneIndex(network)
    rows = index.rows_of([2, 122, 10])
    assert rows == [WEST_IN, 15, EAST_OUT]
    assert index.path_of(rows).line.length == pytest.approx(120.0 + 28.0 + 120.0, abs=0.5)
    with pytest.raises(InvalidInputError, match="999"):
        index.rows_of([2, 999])
    with pytest.raises(InvalidInputError):
        index.path_of([])


def test_a_connection_of_a_centimetre_is_part_of_a_path() -> None:
    network = straight_road(lanes=1, length=200.0, segment_length=100.0)
    lines = [*network.centre_lines]
    lines[1] = np.array([[100.0, 0.0, 0.0], [100.0099999, 0.0, 0.0]])  # as SUMO joins edges that lie end to end
    line = LaneIndex(replace(network, centre_lines=Ragged.from_rows(lines, np.float64, 3))).path_of([0, 1]).line
    assert line.length == pytest.approx(100.01, abs=1e-3)


def test_path_of_neighbouring_lanes_changes_over() -> None:
    index = LaneIndex(straight_road(lanes=2, length=200.0, segment_length=100.0))
    line = index.path_of([0, 1, 3]).line
    assert line.xy[0] == pytest.approx([0.0, 0.0], abs=0.05)
    assert line.xy[-1] == pytest.approx([200.0, 3.5], abs=0.05)
    assert np.abs(line.heading).max() < 0.3


def test_path_along_a_free_line_finds_the_lanes() -> None:
    index = LaneIndex(straight_road(lanes=2, length=200.0, segment_length=100.0))
    path = index.path_along(Polyline.from_points(np.array([[-20.0, 0.3], [150.0, 0.3]])))
    assert [row for row, _, _ in path.runs()] == [0, 2]
    assert path.lanes[0] == -1


def test_stop_line_belongs_to_the_signal_of_the_lane_through_the_intersection() -> None:
    index = LaneIndex(crossing(arm=120.0, half_size=14.0))
    path = index.path_ahead(-60.0, -1.75, 0.0, 150.0, behind=20.0)
    assert path is not None
    stops = index.stop_points(path)
    assert stops.signals == ((3,),)
    assert path.line.at(stops.s[0])[0][0] == pytest.approx(-15.0, abs=0.05)


def test_stop_line_belongs_to_the_signal_of_the_lane_that_ends_there() -> None:
    network = straight_road(lanes=2, length=400.0, segment_length=100.0, stop_line_at=195.0, signal=True)
    index = LaneIndex(network)
    path = index.path_ahead(20.0, 0.0, 0.0, 300.0)
    assert path is not None
    stops = index.stop_points(path)
    assert stops.signals == ((1,),)
    assert stops.s[0] == pytest.approx(195.0, abs=0.05)


def test_signal_without_stop_line_stops_at_the_entry_of_the_intersection() -> None:
    network = crossing()
    bare = replace(
        network, line_ids=network.line_ids[:0], line_types=network.line_types[:0], lines=Ragged.from_rows([], float, 3)
    )
    index = LaneIndex(bare)
    path = index.path_ahead(-60.0, -1.75, 0.0, 150.0)
    assert path is not None
    stops = index.stop_points(path)
    assert stops.signals == ((3,),)
    assert path.line.at(stops.s[0])[0][0] == pytest.approx(-14.0, abs=1.1)


def test_stop_line_without_signal_is_reported_without_signals() -> None:
    index = LaneIndex(crossing(signals=False))
    path = index.path_ahead(-60.0, -1.75, 0.0, 150.0)
    assert path is not None
    assert index.stop_points(path).signals == ((),)


def test_speed_limits_along_a_path() -> None:
    network = straight_road(lanes=1, length=200.0, segment_length=100.0)
    network = replace(network, lane_speed_limits=np.array([8.0, np.nan], np.float32))
    index = LaneIndex(network)
    path = index.path_of([0, 1])
    limits = index.speed_limits(path)
    assert limits[10] == pytest.approx(8.0)
    assert np.isnan(limits[-10])


def test_neighbour_offsets_only_where_there_is_a_neighbour() -> None:
    index = LaneIndex(curved_road(lanes=2, radius=60.0))
    path = index.path_ahead(20.0, 0.0, 0.0, 120.0)
    assert path is not None
    assert index.neighbour_offset(path, 30.0, 1) == pytest.approx(3.5, abs=0.1)
    assert index.neighbour_offset(path, 30.0, -1) is None


def test_empty_network_answers_nothing() -> None:
    index = LaneIndex(RoadNetwork())
    assert index.near(0.0, 0.0, 0.0) == []
    assert index.nearest(np.zeros((2, 2)), np.zeros(2)).rows.tolist() == [-1, -1]
    assert index.path_ahead(0.0, 0.0, 0.0, 50.0) is None
