"""People do not walk into vehicles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.simulation.actors.traffic_view import TrafficView
from zoox_stack.simulation.actors.walkers import Walkers, beside_vehicles


def bus(velocity: float = 0.0) -> TrafficView:
    """12 m by 2.5 m around the origin, along x."""
    return TrafficView(
        0.0, np.array([1]), np.zeros((1, 2)), np.zeros(1), np.array([[velocity, 0.0]]), np.array([[12.0, 2.5]])
    )


class Person:
    """SUMO's functions as far as they are used."""

    def __init__(self) -> None:
        self.speed = {"7": 1.2, "8": 1.3}

    def getMaxSpeed(self, name: str) -> float:  # noqa: N802 - SUMO's names
        return self.speed[name]

    def setSpeed(self, name: str, speed: float) -> None:  # noqa: N802
        self.speed[name] = speed


def test_who_walks_towards_the_side_of_a_bus_waits_until_it_has_gone() -> None:
    walkers, person = Walkers(), Person()
    states = np.array([[0.0, -2.0, np.pi / 2, 0.0, 1.0], [0.0, -2.0, -np.pi / 2, 0.0, -1.0]])  # towards it; away
    walkers.step(bus(), ("7", "8"), states, person)
    assert person.speed == {"7": 0.0, "8": 1.3}
    walkers.step(bus(), ("7", "8"), states, person)
    gone = TrafficView(
        0.0, np.array([1]), np.array([[30.0, 0.0]]), np.zeros(1), np.zeros((1, 2)), np.array([[12, 2.5]])
    )
    walkers.step(gone, ("7", "8"), states, person)
    assert person.speed == {"7": 1.2, "8": 1.3}


def test_who_leaves_while_stopped_is_forgotten() -> None:
    walkers, person = Walkers(), Person()
    walkers.step(bus(), ("7",), np.array([[0.0, -2.0, np.pi / 2, 0.0, 1.0]]), person)
    walkers.step(bus(), (), np.zeros((0, 5)), person)
    assert person.speed["7"] == 0.0


@pytest.mark.parametrize(
    ("velocity", "place", "moved"),
    [
        (0.0, (1.0, 0.5), (1.0, 1.55)),  # to the nearer side
        (0.0, (5.9, 0.5), (6.3, 0.5)),  # out of the front of one that stands
        (5.0, (5.9, 0.5), (5.9, 1.55)),  # of one that drives to the side; it is half a metre farther by then
        (0.0, (6.4, 0.5), (6.4, 0.5)),
    ],
)
def test_people_step_aside(velocity: float, place: tuple[float, float], moved: tuple[float, float]) -> None:
    np.testing.assert_allclose(beside_vehicles(np.array([place]), bus(velocity), 0.1), [moved], atol=1e-9)


def test_nobody_waits_for_ever() -> None:
    walkers, person = Walkers(), Person()
    states = np.array([[0.0, -2.0, np.pi / 2, 0.0, 1.0]])
    for time, speed in ((0.0, 0.0), (9.0, 0.0), (11.0, 1.2), (12.0, 1.2)):
        walkers.step(replace(bus(), time=time), ("7",), states, person)
        assert person.speed["7"] == speed
