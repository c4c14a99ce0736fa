"""Places where ways cross, times at them, who goes first: hand-computed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.prediction.crossings import (
    crossing_places,
    lengths,
    longest,
    probability_of_passing,
    reach_of,
    time_of_passing,
)

REACH = np.array([2.2])


def straight(start: tuple[float, float], velocity: tuple[float, float]) -> NDArray[np.float64]:
    """Way ``[T + 1, 2]`` with where it begins."""
    return np.array(start) + np.array(velocity) * STEP * np.arange(STEPS + 1)[:, None]


EGO = straight((0.0, 0.0), (8.0, 0.0))


def place(other: NDArray[np.float64], ego: NDArray[np.float64] = EGO) -> NDArray[np.float64]:
    return crossing_places(ego[None], other[None], REACH)[0, 0]


def test_ways_that_cross_at_right_angles_have_a_place_at_their_crossing() -> None:
    found = place(straight((30.0, -20.0), (0.0, 6.0)))
    assert np.hypot(found[0] - 30.0, found[1]) < 2.2
    assert found[0] < 30.0  # where the ego comes to the other's way


@pytest.mark.parametrize("angle", [0.3, 1.2, 2.8])
def test_the_place_turns_and_moves_with_the_world(angle: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    turn, shift = np.array([[c, s], [-s, c]]), np.array([3e5, -2e5])
    other = straight((30.0, -20.0), (0.0, 6.0))
    np.testing.assert_allclose(place(other @ turn + shift, EGO @ turn + shift), place(other) @ turn + shift, atol=0.6)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (straight((15.0, 0.0), (5.0, 0.0)), "ahead in the same lane"),
        (straight((-15.0, 0.0), (9.0, 0.0)), "behind in the same lane"),
        (straight((0.0, 3.5), (8.0, 0.0)), "beside it"),
        (straight((60.0, 3.5), (-8.0, 0.0)), "oncoming in its own lane"),
        (straight((30.0, 20.0), (0.0, 6.0)), "going away"),
        (straight((30.0, -20.0), (0.0, 0.0)), "standing"),
        (straight((30.0, 0.5), (0.0, 0.0)), "standing in the way"),
        (straight((-10.0, -20.0), (0.0, 6.0)), "crossing behind it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_crossing(other: NDArray[np.float64], why: str) -> None:
    assert np.isnan(place(other)).all(), why


def test_ways_that_merge_cross() -> None:
    ramp = straight((0.0, -12.0), (8.0, 3.0))
    ramp[:, 1] = np.minimum(ramp[:, 1], 0.0)  # from 4 s on in the ego's lane
    found = place(ramp)
    assert 24.0 < found[0] < 33.0
    assert -2.2 < found[1] <= 0.0


def test_a_plan_that_stops_before_the_place_does_not_cross() -> None:
    stopping = EGO.copy()
    stopping[:, 0] = np.minimum(stopping[:, 0], 20.0)
    assert np.isnan(place(straight((30.0, -20.0), (0.0, 6.0)), stopping)).all()


def test_several_ways_at_once_equal_one_at_a_time() -> None:
    rng = np.random.default_rng(3)
    ways = np.stack([straight((0.0, 0.0), (float(v), float(w))) for v, w in rng.uniform(-9, 9, (5, 2))])
    others = np.stack([straight(tuple(p[:2]), tuple(p[2:])) for p in rng.uniform(-20, 20, (30, 4))])  # type: ignore[arg-type]
    reach = rng.uniform(1.5, 2.5, 30)
    together = crossing_places(ways, others, reach)
    assert 5 < np.isfinite(together[..., 0]).sum() < 145
    for row, way in enumerate(ways):
        for column, other in enumerate(others):
            alone = crossing_places(way[None], other[None], reach[[column]])[0, 0]
            np.testing.assert_allclose(together[row, column], alone, atol=1e-3)


def test_nothing_to_compare() -> None:
    assert crossing_places(EGO[None], np.zeros((0, 81, 2)), np.zeros(0)).shape == (1, 0, 2)


def test_reach_is_half_of_both_widths_and_a_margin() -> None:
    np.testing.assert_allclose(reach_of(1.9, np.array([1.9, 0.6])), [2.2, 1.55])


def test_time_of_passing_by_hand() -> None:
    path = straight((30.0, -20.0), (0.0, 6.0))[1:]
    # within 2 m of (30, 0) from y = -2 on: 18 m at 6 m/s
    assert time_of_passing(path, np.array([30.0, 0.0]), 2.0) == pytest.approx(3.0)
    assert time_of_passing(path, np.array([90.0, 0.0]), 2.0) == np.inf
    assert time_of_passing(path, np.array([np.nan, np.nan]), 2.0) == np.inf
    assert time_of_passing(path, np.array([30.0, -20.0]), 2.0) == pytest.approx(STEP)


def test_time_of_passing_of_someone_who_leaves_before() -> None:
    path = straight((30.0, -20.0), (0.0, 6.0))[1:]
    path[25:] = np.nan
    assert time_of_passing(path, np.array([30.0, 0.0]), 2.0) == np.inf


def test_the_longest_way_and_its_length() -> None:
    short, long = straight((0.0, 0.0), (2.0, 0.0)), straight((0.0, 0.0), (5.0, 0.0))
    left = long * 3
    left[10:] = np.nan  # 13.5 m until it is gone
    np.testing.assert_allclose(lengths(np.stack([short, long, left])), [16.0, 40.0, 13.5])
    np.testing.assert_array_equal(longest(np.stack([short[None], long[None]]))[0], long)


def passing(until: float, variance: float = 1.0, stop: float = np.inf) -> float:
    path = straight((30.0, -20.0), (0.0, 6.0))[1:]
    path[:, 1] = np.minimum(path[:, 1], stop)
    covariance = np.broadcast_to(np.array([9.0, 0.0, variance]), (STEPS, 3))
    return float(probability_of_passing(path, covariance, np.array([30.0, 0.0]), np.array(2.0), np.array(until)))


def test_probability_of_passing_by_hand() -> None:
    # it comes within reach after 3 s: 6 m/s * 0.2 s before and beyond it, error 1 m along its way
    assert passing(3.0) == pytest.approx(0.5, abs=0.01)
    assert passing(3.2) == pytest.approx(0.8849, abs=0.01)
    assert passing(2.8) == pytest.approx(1 - 0.8849, abs=0.01)
    assert passing(3.2, variance=4.0) == pytest.approx(0.7257, abs=0.01)
    assert passing(6.0) > 0.999


def test_who_stops_before_the_place_hardly_passes() -> None:
    assert passing(7.9, stop=-5.0) == pytest.approx(1 - 0.99865, abs=1e-3)  # 3 m short of it, error 1 m


def test_probability_grows_with_time() -> None:
    values = [passing(float(t)) for t in np.arange(0.5, 8.0, 0.25)]
    assert np.all(np.diff(values) >= -1e-9)
