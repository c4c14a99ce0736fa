"""What drivers do beyond SUMO's rules."""

from __future__ import annotations

import numpy as np

from zoox_stack.simulation.actors.drivers import Drivers, Temper
from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView


class Vehicle:
    """SUMO's functions as far as they are used."""

    def __init__(self) -> None:
        self.speed = {"0": 0.1, "1": 0.0}

    def getSpeed(self, name: str) -> float:  # noqa: N802 - SUMO's names
        return self.speed[name]

    def setSpeed(self, name: str, speed: float) -> None:  # noqa: N802
        self.speed[name] = speed

    def setSpeedMode(self, name: str, mode: int) -> None:  # noqa: N802
        pass


def test_who_stands_before_a_body_for_long_squeezes_past() -> None:
    """It may be that the other one waits for this driver."""
    size = np.tile([4.0, 2.0], (2, 1))
    position, yaw = np.array([[0.0, 0.0], [3.2, 0.0]]), np.array([0.0, np.pi / 2])
    view = TrafficView(0.0, np.arange(2), position, yaw, np.zeros((2, 2)), size)
    drivers, vehicle, nothing = Drivers(0.1), Vehicle(), Obstacles.of([])
    temper = Temper(np.full(2, np.inf), np.zeros(2))
    speeds = []
    for _ in range(100):
        drivers.step(view, temper, nothing, vehicle, set(), {})
        speeds.append(vehicle.speed["0"])
    assert speeds[:78] == [0.0] * 78
    assert speeds[-1] == -1  # SUMO's own
