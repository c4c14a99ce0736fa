"""How far a driver may go before somebody is in the way."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView
from zoox_stack.simulation.anticipation import STANDOFF, free_way

LENGTH, WIDTH = 4.0, 1.8


def _way(
    obstacle: tuple[float, float, float, float], *, speed: float = 10.0, yaw_rate: float = 0.0, passable: bool = False,
    frame: float = 0.0,
) -> tuple[float, float]:  # fmt: skip
    """Way and shift of a car at the origin that drives east; the obstacle is x, y, vx, vy; all turned by `frame`."""
    turn = np.array([[np.cos(frame), np.sin(frame)], [-np.sin(frame), np.cos(frame)]])
    x, y = np.array(obstacle[:2]) @ turn
    vx, vy = np.array(obstacle[2:]) @ turn
    view = TrafficView(
        0.0, np.array([1]), np.zeros((1, 2)), np.array([frame]), np.array([[speed, 0.0]]) @ turn,
        np.array([[LENGTH, WIDTH]]),
    )  # fmt: skip
    way, aside = free_way(view, np.array([yaw_rate]), Obstacles.of([(x, y, vx, vy, 0.3, passable)]))
    return float(way[0]), float(aside[0])


@pytest.mark.parametrize("frame", [0.0, 2.0, -1.0])
def test_somebody_who_stands_in_the_lane_stops_the_car(frame: float) -> None:
    assert _way((20.0, 0.5, 0, 0), frame=frame)[0] == pytest.approx(20 - 2 - 0.3 - STANDOFF, abs=0.05)


@pytest.mark.parametrize("obstacle", [
    (20.0, 2.0, 0, 0),  # stands beside the lane
    (-10.0, 0.0, 0, 0),  # behind
    (20.0, 3.0, 0, 1.5),  # walks away
    (30.0, 8.0, 0, -1.0),  # will be there long after the car
    (40.0, -0.5, 0, 2.0),  # in the lane now, away when the car comes
])  # fmt: skip
def test_those_who_will_not_be_met_are_not_minded(obstacle: tuple[float, float, float, float]) -> None:
    assert _way(obstacle)[0] == np.inf


def test_somebody_about_to_step_into_the_lane_stops_the_car() -> None:
    assert _way((25.0, -3.5, 0, 1.5))[0] < 25
    assert _way((25.0, 3.5, 0, -1.5))[0] < 25


def test_a_bend_leads_past_or_into_somebody() -> None:
    radius, speed = 20.0, 8.0
    on_the_bend = (radius * np.sin(0.8), radius * (1 - np.cos(0.8)), 0.0, 0.0)
    straight_on = (15.0, 0.0, 0.0, 0.0)
    assert _way(on_the_bend, speed=speed, yaw_rate=speed / radius)[0] == pytest.approx(16 - 2.3 - STANDOFF, abs=0.1)
    assert _way(on_the_bend, speed=speed)[0] == np.inf
    assert _way(straight_on, speed=speed, yaw_rate=speed / radius)[0] == np.inf
    mirrored = (on_the_bend[0], -on_the_bend[1], 0.0, 0.0)
    assert np.isfinite(_way(mirrored, speed=speed, yaw_rate=-speed / radius)[0])


def test_the_side_to_steer_to_is_away_from_the_door() -> None:
    way, aside = _way((20.0, -0.9, 0, 0), passable=True)  # at the right
    assert np.isfinite(way)
    assert aside == pytest.approx(0.9 + 0.3 + 0.2 - 0.9, abs=0.03)
    assert _way((20.0, 0.9, 0, 0), passable=True)[1] < 0
    assert _way((20.0, -0.9, 0, 0))[1] == 0  # people are waited for


def test_nearest_counts_and_nobody_is_no_obstacle() -> None:
    view = TrafficView(0.0, np.arange(1), np.zeros((1, 2)), np.zeros(1), np.array([[5.0, 0]]), np.array([[4.0, 1.8]]))
    two = Obstacles.of([(30.0, 0, 0, 0, 0.3, False), (12.0, 0, 0, 0, 0.3, False)])
    assert free_way(view, np.zeros(1), two)[0][0] == pytest.approx(12 - 2.3 - STANDOFF, abs=0.05)
    assert len(Obstacles.of([])) == 0
