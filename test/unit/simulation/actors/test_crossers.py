"""Jaywalkers and animals cross when they can, and never in front of someone who cannot stop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.simulation.actors.crossers import Crosser, Crossers
from zoox_stack.simulation.actors.streets import CrossingPlace
from zoox_stack.simulation.actors.traffic_view import TrafficView

DT = 0.1
PLACE = CrossingPlace(start=(0.0, -6.0), end=(0.0, 6.0), kerb=1.0, far_kerb=11.0, on_foot=True)
SOMEBODY = Crosser(id=5, start=1.0, place=PLACE, side=1, speed=1.4, gap=2.0, bold=False, hesitates=0.0, radius=0.3)


def _view(time: float, x: float | None = None, speed: float = 0.0) -> TrafficView:
    """One car of 4 x 2 m that drives east on y = -2 and is at `x`, or none."""
    there = np.array([[x, -2.0]] if x is not None else []).reshape(-1, 2)
    n = len(there)
    return TrafficView(
        time, np.arange(n), there, np.zeros(n), np.tile([speed, 0.0], (n, 1)), np.tile([4.0, 2.0], (n, 1))
    )


def _walk(who: Crosser, cars: list[tuple[float, float] | None]) -> np.ndarray:
    """Way ``[T, 2]`` of somebody who sees a car (x, speed) at each step; NaN while away."""
    crossers, way = Crossers((who,)), []
    for k, car in enumerate(cars):
        crossers.step(_view(k * DT, *car) if car else _view(k * DT), DT)
        way.append(crossers.poses()[0][1:3] if crossers.poses() else (np.nan, np.nan))
    return np.array(way)


@pytest.mark.parametrize("side", [-1, 1])
def test_crosses_an_empty_street(side: int) -> None:
    way = _walk(replace(SOMEBODY, side=side), [None] * 300)
    assert np.isnan(way[:9]).all()
    there = way[~np.isnan(way[:, 0])]
    assert np.allclose(there[0], (-side * 6, -6), atol=0.2)  # comes along the kerb
    assert np.allclose(there[-1], (side * 6, 6), atol=0.2)
    assert np.isnan(way[-1]).all()
    assert np.hypot(*np.diff(there, axis=0).T).max() <= 1.4 * DT + 1e-9


def test_waits_for_the_car_and_goes_then() -> None:
    passes = [(-60.0 + k, 10.0) for k in range(300)]  # at x = 0 after 6 s
    way = _walk(SOMEBODY, passes)
    on_the_road = way[:, 1] > -5.0
    assert not on_the_road[:55].any()
    assert on_the_road[70:120].any()


def test_gives_up_where_there_is_no_gap() -> None:
    way = _walk(SOMEBODY, [(-25.0, 10.0)] * 700)  # somebody comes, always
    there = way[~np.isnan(way[:, 0])]
    assert there[:, 1].max() < -5.0
    assert np.isnan(way[-1]).all()


@pytest.mark.parametrize("speed", [5.0, 10.0, 15.0])
@pytest.mark.parametrize("hurry", [1.0, 3.0])
def test_even_the_bold_leave_drivers_room_to_stop(speed: float, hurry: float) -> None:
    """Nobody is touched by a driver who notices after 1.1 s and brakes with 6 m/s^2 until the way is free."""
    dog = replace(SOMEBODY, bold=True, gap=0.5, speed=hurry)
    braked = 0
    for start in np.arange(-120.0, 0.0, 2.5):
        crossers, x, v, noticed = Crossers((dog,)), start, speed, 0.0
        for k in range(250):
            crossers.step(_view(k * DT, x, v), DT)
            _, px, py, _ = (*crossers.poses(), (0, 0.0, 9.0, 0.0))[0]
            assert not (abs(px - x) < 2.0 and abs(py + 2.0) < 1.0)
            noticed += DT if crossers.on_the_road() else 0.0
            brakes = noticed > 1.1 and py < -0.5 and x < -2.0
            braked += brakes
            v = max(0.0, v - 6.0 * DT) if brakes else v
            x += v * DT
    assert braked


def test_the_bold_cross_where_the_careful_wait() -> None:
    cars = [(-75.0 + k * 0.8, 8.0) for k in range(160)]
    first = [np.flatnonzero(_walk(replace(SOMEBODY, bold=bold), cars)[:, 1] > -5.0)[0] for bold in (True, False)]
    assert first[0] < first[1]


def test_only_those_on_the_road_are_minded() -> None:
    crossers = Crossers((SOMEBODY,))
    minded = []
    for k in range(200):
        crossers.step(_view(k * DT), DT)
        for _, _, y, _ in crossers.poses():
            minded.append((y, bool(crossers.on_the_road())))
    assert all(on for y, on in minded if -4.5 < y < 4.5)
    assert not any(on for y, on in minded if y > 5.8)
    assert not minded[0][1]
