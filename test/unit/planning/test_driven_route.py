"""The lanes of recorded drives."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.planning.driven_route import driven_route
from zoox_stack.planning.lane_ends import PoseGoal
from zoox_stack.planning.routing import Router
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex


def driven(line: Polyline, rng: np.random.Generator | None = None) -> list[EgoState]:
    """Poses every half metre, with errors of a quarter of a metre and three degrees."""
    s = np.arange(0.0, line.length, 0.5)
    at, yaw, _ = line.at(s)
    if rng is not None:
        at, yaw = at + rng.normal(0, 0.25, at.shape), yaw + rng.normal(0, 0.05, yaw.shape)
    return [EgoState(round(i * 5e7), *at[i], yaw=float(yaw[i]), speed=10.0) for i in range(len(s))]


@pytest.mark.parametrize("goal", [(1.75, 60.0), (-1.75, -60.0), (60.0, -1.75)])
def test_a_planned_route_that_is_driven_is_found_again(goal: tuple[float, float]) -> None:
    router = Router(LaneIndex(crossing()))
    planned = router.plan(EgoState(0, -80.0, -1.75), PoseGoal(*goal))
    found = driven_route(router, driven(planned.path.line, np.random.default_rng(1)))
    assert found.way.rows == planned.way.rows
    assert found.length == pytest.approx(planned.length, abs=2.0)


def test_a_round_trip_keeps_its_order() -> None:
    router = Router(LaneIndex(grid_of_crossings(2, 2, arm=30.0)))
    planned = router.plan(EgoState(0, 34.0, -1.75), PoseGoal(26.0, -1.75))
    found = driven_route(router, driven(planned.path.line, np.random.default_rng(2)))
    assert found.way.rows == planned.way.rows
    assert found.way.rows[0] == found.way.rows[-1]


def test_a_lane_change_is_where_it_was_driven() -> None:
    x = np.arange(0.0, 395.0)
    y = 3.5 * np.clip((x - 230.0) / 40.0, 0.0, 1.0)  # in the third of four segments
    router = Router(LaneIndex(straight_road(lanes=2)))
    found = driven_route(router, driven(Polyline.from_points(np.column_stack([x, y])), np.random.default_rng(3)))
    assert found.lane_ids.tolist() == [0, 100, 200, 201, 301]
    assert found.lane_changes == 1
    assert found.path.line.xy[-1] == pytest.approx([394.0, 3.5], abs=1.0)


def test_driving_between_two_lanes_is_no_series_of_changes() -> None:
    x = np.arange(0.0, 395.0)
    middle = Polyline.from_points(np.column_stack([x, 1.75 + 0.2 * np.sin(x / 10)]))
    assert driven_route(Router(LaneIndex(straight_road(lanes=2))), driven(middle)).lane_changes <= 1


def test_lanes_too_short_to_hold_a_pose_are_part_of_the_way() -> None:
    road = straight_road(lanes=1, length=100.0, segment_length=1.0)
    found = driven_route(Router(LaneIndex(road)), driven(Polyline.from_points(np.array([[10.2, 0.1], [60.2, 0.1]]))))
    assert found.way.rows == tuple(range(10, 60))


def test_standing_for_long_changes_nothing() -> None:
    router = Router(LaneIndex(straight_road(lanes=2)))
    poses = driven(Polyline.from_points(np.array([[10.0, 0.2], [150.0, 0.2]])))
    stand = [poses[100]] * 500
    assert driven_route(router, [*poses[:100], *stand, *poses[100:]]).lane_ids.tolist() == [0, 100]


def test_drives_that_are_not_along_lanes_name_the_place() -> None:
    router = Router(LaneIndex(crossing()))
    off = Polyline.from_points(np.array([[-100.0, -1.75], [-50.0, -1.75], [-20.0, -30.0]]))
    with pytest.raises(
        InvalidInputError, match=r"found x, y = -4\d\.\d, -\d\.\d, \d\.\d s after the start, beside all"
    ):
        driven_route(router, driven(off))
    jump = driven(Polyline.from_points(np.array([[-100.0, -1.75], [-50.0, -1.75]])))
    with pytest.raises(InvalidInputError, match=r"x, y = -90.0, -1.8, .* no lane leads"):
        driven_route(router, [*jump, *jump[20:60]])
    turn = [
        (-40.0, -1.75),
        (-36.0, -1.75),
        (-34.5, 0.0),
        (-36.0, 1.75),
        (-60.0, 1.75),
    ]  # on the spot into the other lane
    with pytest.raises(InvalidInputError, match=r"x, y = -3\d\.\d, .* (no lane leads|beside all)"):
        driven_route(router, driven(Polyline.from_points(np.array(turn), 0.5)))


@pytest.mark.parametrize("count", [0, 1, 30])
def test_drives_without_motion(count: int) -> None:
    router = Router(LaneIndex(crossing()))
    with pytest.raises(InvalidInputError, match=f"at least 3 m of driving, found {count} poses, 0.0 m"):
        driven_route(router, [EgoState(i, -50.0, -1.75) for i in range(count)])
