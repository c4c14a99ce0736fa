"""When there is room at the side, and when there is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AreaType
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import MotionState
from zoox_stack.supervisor.pull_over import RoadMap, pull_over_path
from zoox_stack.supervisor.stops import StopPath, path_onward

SECOND = 1_000_000_000
STOP_AT, SPEED = 52.0, 10.0
EGO = EgoState(SECOND, 20.0, 0.0, speed=SPEED)


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0, 0.0], [x1, y0, 0.0], [x1, y1, 0.0], [x0, y1, 0.0]])


def road(*areas: tuple[AreaType, np.ndarray], lanes: int = 1) -> RoadMap:
    network = straight_road(lanes=lanes, length=400.0)
    every = [(AreaType.DRIVABLE, rectangle(0, 400, -1.75, 1.75 + 3.5 * (lanes - 1))), *areas]
    return RoadMap.of(
        replace(
            network,
            area_ids=np.arange(len(every)),
            area_types=np.array([kind for kind, _ in every], np.uint8),
            areas=Ragged.from_rows([ring for _, ring in every], np.float64, 3),
        )
    )


VERGE = (AreaType.PARKING, rectangle(0, 400, -6.0, -1.7))


def straight() -> StopPath:
    return path_onward(MotionState(20.0, 0.0, 0.0, SPEED, 0.0, 0.0), None, SECOND, 80.0, None)


def find(
    around: RoadMap, agents: TrackedAgents | None = None, stop_at: float = STOP_AT, **more: float
) -> StopPath | None:
    config = SupervisorConfig(**more)  # type: ignore[arg-type]
    return pull_over_path(
        straight(), stop_at, SPEED, EGO, around, TrackedAgents.empty(SECOND) if agents is None else agents, config
    )


def test_the_path_begins_as_the_vehicle_is_and_ends_beside_the_lane() -> None:
    path = find(road(VERGE))
    assert path is not None
    assert path.xy[0] == pytest.approx([20.0, 0.0])
    assert (path.yaw[0], path.curvature[0]) == pytest.approx((0.0, 0.0), abs=1e-9)
    end, yaw, _ = path.at(STOP_AT)
    assert end[1] == pytest.approx(-1.75 - 0.95 - 0.3, abs=0.13)  # clear of the lane
    assert yaw == pytest.approx(0.0, abs=1e-6)
    assert np.abs(path.curvature).max() * SPEED**2 < 1.0 * 1.1  # sideways acceleration as set
    assert np.abs(np.diff(path.yaw)).max() < 0.02


def test_where_the_side_is_narrow_it_goes_as_far_as_it_can() -> None:
    path = find(road((AreaType.PARKING, rectangle(0, 400, -3.1, -1.7))))
    assert path is not None
    assert -2.5 < path.at(STOP_AT)[0][1] < -1.75


def test_no_room() -> None:
    assert find(road()) is None  # no ground at the side
    assert find(road((AreaType.PARKING, rectangle(0, 400, -2.5, -1.7)))) is None  # too narrow
    assert find(road((AreaType.PARKING, rectangle(0, 45, -6.0, -1.7)))) is None  # ends before
    assert find(road(VERGE), stop_at=14.0) is None  # not within reach
    assert find(road(VERGE), pull_over_side=1) is None  # nothing at the other side


def test_a_second_driving_lane_is_no_side_of_the_road() -> None:
    assert find(road(lanes=2), pull_over_side=1) is None


@pytest.mark.parametrize("kind", [AreaType.INTERSECTION, AreaType.CROSSWALK])
def test_it_does_not_stop_in_intersections_or_on_crosswalks(kind: AreaType) -> None:
    assert find(road(VERGE, (kind, rectangle(68, 74, -8, 8)))) is None
    assert find(road(VERGE, (kind, rectangle(100, 110, -8, 8)))) is not None


@pytest.mark.parametrize(
    ("agent", "free"),
    [
        ((1, 60.0, -2.5, 0.0, 0.0), False),  # parked where it wants to stand
        ((1, 45.0, -1.6, 0.0, 0.0), False),  # on the way there
        ((1, 120.0, -2.5, 0.0, 0.0), True),  # parked behind it
        ((1, 5.0, -2.5, 0.0, 8.0), False),  # comes up beside it
        ((1, -40.0, -2.5, 0.0, 8.0), True),
        ((1, 50.0, 3.5, np.pi, 10.0), True),  # oncoming at the other side
        ((1, 2.0, 0.5, 0.0, 10.0), False),  # follows, but leans to that side
    ],
)
def test_agents_in_the_way(agents: Callable[..., TrackedAgents], agent: tuple[float, ...], free: bool) -> None:
    assert (find(road(VERGE), agents([agent])) is not None) == free


def test_a_map_without_ground_says_nothing_about_the_side() -> None:
    network = straight_road(lanes=1, length=400.0)
    bare = RoadMap.of(replace(network, area_ids=np.zeros(0, np.int64), area_types=np.zeros(0, np.uint8),
                              areas=Ragged.from_rows([], np.float64, 3)))  # fmt: skip
    assert find(bare) is None
