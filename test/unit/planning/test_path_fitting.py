"""Paths whose whole box stays on the road, in turns sharper than the ego's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import box_corners
from zoox_stack.planning.path_fitting import BoxShape, fit_to_road
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex, LanePath

BOX = BoxShape.of(EgoState(0, 0.0, 0.0))
LIMIT = 0.22
RIGHT_TURN, LEFT_TURN = (2, 14, 7), (2, 16, 5)  # of crossing(): from the western arm to the southern and the northern


def ground(index: LaneIndex) -> DrivableGrid:
    return DrivableGrid(index, cell=0.25, margin=0.0)


def fitted(network: RoadNetwork, rows: tuple[int, ...], limit: float = LIMIT) -> tuple[Polyline, LanePath]:
    """The smoothed line, and the path made of it."""
    index = LaneIndex(network)
    path = index.path_of(rows)
    line = path.line.bent_at_most(0.21).smoothed(1.5).bent_at_most(0.21)
    width = np.where(network.lane_in_intersection[path.lanes], np.inf, 3.5)
    return line, fit_to_road(path, line, width, ground(index), BOX, limit)


def off_road(line: Polyline, index: LaneIndex) -> float:
    """How far a corner of the box gets off the road, along the line but its last and first metres [m]."""
    inner = slice(5, -5)
    along = np.stack([np.cos(line.heading), np.sin(line.heading)], axis=-1)
    corners = box_corners(line.xy + BOX.to_centre * along, line.heading, BOX.length, BOX.width)[inner]
    return float(-ground(index).clearance(corners).min())


@pytest.mark.parametrize("half_size", [2.0, 2.5, 3.0])
def test_a_turn_sharper_than_the_ego_turns_is_driven_on_the_road(half_size: float) -> None:
    network = crossing(half_size=half_size, signals=False)
    line, path = fitted(network, RIGHT_TURN)
    index = LaneIndex(network)
    assert off_road(line, index) > 0.1
    assert off_road(path.line, index) < 0.05
    assert np.abs(path.line.curvature).max() < LIMIT + 0.02
    assert len(path.lanes) == len(path.line.s)
    assert [int(row) for row in dict.fromkeys(path.lanes.tolist())] == list(RIGHT_TURN)


def test_it_comes_back_to_the_lane_and_points_stay_apart() -> None:
    network = crossing(half_size=2.5, signals=False)
    line, path = fitted(network, RIGHT_TURN)
    for end in (slice(0, 40), slice(-40, None)):
        np.testing.assert_allclose(line.project(path.line.xy[end]).d, 0.0, atol=0.1)
    assert np.diff(path.line.s).min() > 0.4
    assert np.diff(path.line.s).max() < 1.5


def test_bends_are_driven_with_less_of_a_bend_and_in_their_lane() -> None:
    line, path = fitted(crossing(signals=False), LEFT_TURN)
    assert np.abs(path.line.curvature).max() <= np.abs(line.curvature).max() + 1e-6
    outside = np.hypot(*path.line.xy.T) > 25.0
    assert np.abs(line.project(path.line.xy[outside]).d).max() < 0.75


def test_a_straight_road_stays_as_it_is() -> None:
    line, path = fitted(straight_road(lanes=2), (0,))
    assert path.line is line


def test_where_no_way_is_better_the_line_stays() -> None:
    line, path = fitted(crossing(half_size=2.5, signals=False), RIGHT_TURN, limit=0.02)
    assert path.line is line


def test_without_known_ground_the_line_stays() -> None:
    index = LaneIndex(crossing())
    path = index.path_of(RIGHT_TURN)
    nowhere = DrivableGrid(LaneIndex(RoadNetwork()))
    free: NDArray[np.float64] = np.full(len(path.lanes), np.inf)
    assert fit_to_road(path, path.line, free, nowhere, BOX, LIMIT).line is path.line


def test_the_same_again_is_the_same() -> None:
    network = crossing(half_size=2.5, signals=False)
    np.testing.assert_array_equal(fitted(network, RIGHT_TURN)[1].line.xy, fitted(network, RIGHT_TURN)[1].line.xy)
