"""Companions keep their place beside the one who leads, where there is room for it."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.actors.companions import Companion, Companions
from zoox_stack.simulation.actors.ground import Ground

ROAD = straight_road(lanes=1, length=100.0, lane_width=3.0)  # up to y = 1.5
SIDE, CROSSING = (1.5, 4.5), (40.0, 44.0)  # y of the sidewalk, x of the crossing [m]


def ground() -> Ground:
    def box(x: tuple[float, float], y: tuple[float, float]) -> np.ndarray:
        return np.array([[x[0], y[0], 0.0], [x[1], y[0], 0.0], [x[1], y[1], 0.0], [x[0], y[1], 0.0]])

    values = {name: getattr(ROAD, name) for name in ROAD.__dataclass_fields__}
    values |= {
        "area_ids": np.arange(2),
        "area_types": np.array([AreaType.SIDEWALK, AreaType.CROSSWALK], np.uint8),
        "areas": Ragged.from_rows([box((0.0, 100.0), SIDE), box(CROSSING, (-1.5, 1.5))], np.float64, 3),
    }
    return Ground(RoadNetwork(**values))


def walk(companions: Companions, xy: tuple[float, float], velocity: tuple[float, float]) -> np.ndarray:
    """Where the companions of agent 10 are to be."""
    states = np.array([[0.0, 50, 0, 0, 0], [*xy, np.arctan2(velocity[1], velocity[0]), *velocity]])
    who, places = companions.places(np.array([3, 10]), states, 0.1)
    assert who.tolist() == [11]
    return places[0]


def test_beside_the_leader_where_there_is_a_footway() -> None:
    companions = Companions((Companion(11, 10, -0.5, 0.8), Companion(21, 20, 0.0, 1.0)), ground())  # 20 is not there
    np.testing.assert_allclose(walk(companions, (10.0, 3.0), (2.0, 0.0)), [9.7, 3.8, 0.0])


def test_on_the_other_side_rather_than_on_the_road() -> None:
    companions = Companions((Companion(11, 10, 0.0, 1.0),), ground())
    np.testing.assert_allclose(walk(companions, (50.0, 2.4), (-1.0, 0.0))[:2], [49.9, 3.4])


def test_in_single_file_where_there_is_no_room() -> None:
    companions = Companions((Companion(11, 10, 0.0, 2.5),), ground())
    walk(companions, (20.0, 3.0), (1.0, 0.0))
    np.testing.assert_allclose(walk(companions, (22.0, 3.0), (1.0, 0.0))[:2], [21.35, 3.0], atol=1e-9)
    turned = walk(companions, (22.1, 3.4), (1.0, 0.0))  # pulled along, not swung round
    assert np.hypot(*(turned[:2] - [22.2, 3.4])) == pytest.approx(0.75)
    assert 3.0 < turned[1] < 3.1


def test_nobody_waits_on_the_road() -> None:
    companions = Companions((Companion(11, 10, -1.2, 0.3),), ground())
    crossing = walk(companions, (42.0, 2.0), (0.0, 1.0))
    np.testing.assert_allclose(crossing[:2], [41.7, 0.9])  # on the crossing, behind the leader
    waiting = walk(companions, (42.0, 2.0), (0.0, 0.01))
    assert waiting[1] > 1.8


def test_nobody_leads_nobody() -> None:
    who, places = Companions((), ground()).places(np.array([1]), np.zeros((1, 5)), 0.1)
    assert len(who) == 0
    assert places.shape == (0, 3)


def test_the_ground() -> None:
    here = ground()
    points = np.array([[42.0, 0.0], [50.0, 0.0], [50.0, 3.0], [50.0, 9.0]])
    assert here.on_roadway(points).tolist() == [True, True, False, False]
    within = here.within_footway(points)
    assert within[0] > 1.0
    assert within[1] == within[3] == 0.0
    aside = here.beside_road(np.array([[50.0, 1.4], [50.0, 3.0], [50.0, 0.0], [500.0, 500.0]]))
    assert 1.8 < aside[0, 1] < 2.3
    np.testing.assert_allclose(aside[1], [50.0, 3.0])
    np.testing.assert_allclose(aside[2:], [[50.0, aside[0, 1]], [500.0, 500.0]], atol=0.2)
