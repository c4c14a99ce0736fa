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


@pytest.mark.parametrize(("half_size", "turn"), [(6.0, RIGHT_TURN), (6.0, LEFT_TURN), (8.0, RIGHT_TURN)])
def test_bends_are_driven_with_less_of_a_bend_and_in_their_lane(half_size: float, turn: tuple[int, ...]) -> None:
    line, path = fitted(crossing(half_size=half_size, signals=False), turn)
    assert np.abs(path.line.curvature).max() < 0.95 * np.abs(line.curvature).max()
    assert off_road(path.line, LaneIndex(crossing(half_size=half_size, signals=False))) < 0.0
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


def lap_path(laps: int, side: float = 80.0, radius: float = 5.0) -> LanePath:
    """Round a square to the left, several times."""
    turn = np.linspace(0.0, np.pi / 2, 12)
    corner = np.stack([radius * np.sin(turn), radius * (1 - np.cos(turn))], axis=1)
    points, at, heading = [np.zeros((1, 2))], np.zeros(2), 0.0
    for _ in range(4 * laps):
        rotation = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
        straight, arc = np.array([[side / 2, 0.0]]), np.array([side - 2 * radius, 0.0]) + corner
        points.append(at + np.concatenate([straight, arc]) @ rotation)
        at, heading = points[-1][-1], heading + np.pi / 2
    line = Polyline.from_points(np.concatenate(points), 1.0)
    return LanePath(line, np.arange(len(line.s)))


class NarrowRoad(DrivableGrid):
    """Ground 1.3 m to both sides of a line."""

    def __init__(self, line: Polyline) -> None:
        super().__init__(LaneIndex(crossing()))
        self._line = line

    def clearance(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1.3 - np.abs(self._line.project(points.reshape(-1, 2)).d)).reshape(points.shape[:-1])


@pytest.mark.parametrize("laps", [1, 2, 3])
def test_a_route_may_come_by_the_same_place_again(laps: int) -> None:
    path = lap_path(laps)
    line = path.line.bent_at_most(0.21).smoothed(1.5).bent_at_most(0.21)
    free = np.full(len(line.s), np.inf)
    found = fit_to_road(path, line, free, NarrowRoad(lap_path(1).line), BOX, LIMIT)
    assert found.line.length == pytest.approx(line.length, rel=0.03)
    assert (np.diff(found.lanes) >= 0).all()
    assert np.diff(found.lanes).max() <= 3


def test_long_narrow_roads_cost_no_time() -> None:
    path = LanePath(Polyline.from_points(np.array([[0.0, 0.0], [400.0, 0.0]])), np.zeros(401, np.int64))
    found = fit_to_road(path, path.line, np.full(401, 2.0), NarrowRoad(path.line), BoxShape(4.8, 2.7, 1.4), LIMIT)
    assert found.line is path.line


def test_the_same_again_is_the_same() -> None:
    network = crossing(half_size=2.5, signals=False)
    np.testing.assert_array_equal(fitted(network, RIGHT_TURN)[1].line.xy, fitted(network, RIGHT_TURN)[1].line.xy)
