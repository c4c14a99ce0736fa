"""Drivers inside an intersection who wait for a vehicle that does not move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.simulation.actors.stand_offs import StandOffs
from zoox_stack.simulation.actors.traffic_view import TrafficView


class Sumo:
    """SUMO's functions as far as they are used: a bend to the right inside an intersection, and the road after it."""

    def __init__(self, lane: str = ":4_2_0") -> None:
        self.lane, self.ignored = lane, {}

    def getLaneID(self, name: str) -> str:  # noqa: N802 - SUMO's names
        return self.lane

    def getLanePosition(self, name: str) -> float:  # noqa: N802
        return 2.0

    def getShape(self, lane: str) -> tuple[tuple[float, float], ...]:  # noqa: N802
        return ((0.0, 0.0), (4.0, 0.0), (6.0, -2.0)) if lane.startswith(":") else ((6.0, -2.0), (6.0, -60.0))

    def getLinks(self, lane: str) -> tuple[tuple[object, ...], ...]:  # noqa: N802
        return (("out_0", True, True, False, "", "G", "r", 5.0),)

    def setParameter(self, name: str, key: str, value: str) -> None:  # noqa: N802
        assert key == "junctionModel.ignoreIDs"
        self.ignored[name] = value


def view(ego_x: float, ego_y: float, speed: float = 0.0) -> TrafficView:
    """The ego, 9, and a car that waits, 3."""
    position = np.array([[0.0, 0.0], [ego_x, ego_y]])
    size, velocity = np.tile([4.0, 2.0], (2, 1)), np.array([[0.0, 0.0], [speed, 0.0]])
    return TrafficView(0.0, np.array([3, 9]), position, np.zeros(2), velocity, size)


def run(sumo: Sumo, stand_offs: StandOffs, seen: TrafficView, seconds: float) -> None:
    for _ in range(round(10 * seconds)):
        stand_offs.step(seen, sumo, sumo, {9})


def test_who_has_room_goes_on_after_a_while_and_minds_the_ego_again_when_it_moves() -> None:
    sumo, stand_offs, seen = Sumo(), StandOffs(0.1), view(14.0, -6.0)
    run(sumo, stand_offs, seen, 9.0)
    assert not sumo.ignored
    run(sumo, stand_offs, seen, 2.0)
    assert sumo.ignored == {"3": "9"}
    run(sumo, stand_offs, replace(seen, velocity=view(14.0, -6.0, 2.0).velocity), 1.0)
    assert sumo.ignored == {"3": ""}


@pytest.mark.parametrize("place", [(8.0, -1.0), (6.5, -8.0)], ids=["in the intersection", "on the road after it"])
def test_who_has_no_room_waits(place: tuple[float, float]) -> None:
    sumo = Sumo()
    run(sumo, StandOffs(0.1), view(*place), 30.0)
    assert not sumo.ignored


def test_who_is_not_inside_an_intersection_waits() -> None:
    sumo = Sumo(lane="in_0")
    run(sumo, StandOffs(0.1), view(14.0, -6.0), 30.0)
    assert not sumo.ignored
