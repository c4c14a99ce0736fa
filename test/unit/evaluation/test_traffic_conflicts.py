"""Post-encroachment times and accepted gaps of two road users, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.ragged import Ragged
from zoox_stack.evaluation.traffic_conflicts import accepted_gaps, passages, post_encroachment_times
from zoox_stack.evaluation.traffic_lanes import lane_samples
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.road_network.made_up import crossing

T = np.arange(121) * 0.1
CARS, WALKERS = (AgentClass.CAR,), (AgentClass.PEDESTRIAN,)
EPS = 0.01  # keeps boxes off the borders of cells


def encroachment(traffic: TrafficRecording, second: tuple[AgentClass, ...] = CARS) -> np.ndarray:
    return post_encroachment_times(traffic, passages(traffic), CARS, second)


def test_two_cars_one_after_the_other(recording: Any, track: Any) -> None:
    """Both 4 m long at 10 m/s through the cell from (0, 0) to (2, 2).

    The first is at x = -30 + 10 t: its rear leaves at 3.4 s. The second at y = -60 + 10 t: its front arrives at 5.8 s.
    """
    times = encroachment(recording([track(-30 + 10 * T + EPS, 1.0), track(1.0, -60 + 10 * T + EPS)]))
    np.testing.assert_allclose(times, [2.4], atol=1e-6)


def test_who_walks_behind_a_car(recording: Any, track: Any) -> None:
    walker = track(1.0, -6.0 + 1.5 * T, kind=AgentClass.PEDESTRIAN, size=(0.5, 0.5, 1.7))
    times = encroachment(recording([track(-20 + 10 * T + EPS, 1.0), walker]), WALKERS)
    assert times[0] == pytest.approx(5.7 / 1.5 - 2.4, abs=0.15)  # the walker's front is at y = 0 after 3.8 s


def test_both_at_once_is_zero(recording: Any, track: Any) -> None:
    times = encroachment(recording([track(-30 + 10 * T, 1.0), track(1.0, -31 + 10 * T)]))
    np.testing.assert_array_equal(times, [0.0])


@pytest.mark.parametrize("second", ["follows", "comes towards", "much later", "stands there, crosswise"])
def test_what_is_no_encroachment(recording: Any, track: Any, second: str) -> None:
    first = track(-30 + 10 * T, 1.0)
    other = {
        "follows": track(-60 + 10 * T, 1.0),
        "comes towards": track(60 - 10 * T, 1.0),
        "much later": track(1.0, -58 + 5 * T, start=60),
        "stands there, crosswise": track(1.0, np.where(T < 8, 1.0, 1.0 + 10 * (T - 8)), yaw=np.pi / 2),
    }[second]
    assert len(encroachment(recording([first, other]))) == 0


def with_yield(give_way: int, priority: int) -> Any:
    network = crossing(signals=False)
    rows = [[priority] if lane == give_way else [] for lane in range(len(network.lane_ids))]
    return replace(network, yields=Ragged.from_rows(rows, np.int32))


# rows of the made-up crossing: 15 goes straight from the west, 18 straight from the south
FROM_WEST, FROM_SOUTH = 8 + 3 * 2 + 1, 8 + 3 * 3 + 1


def gaps(recording: Any, track: Any, network: Any, *, west_first: bool) -> np.ndarray:
    west, south = (-40.0, -70.0) if west_first else (-70.0, -40.0)
    traffic = recording([track(west + 10 * T, -1.75), track(1.75, south + 10 * T)], network)
    return accepted_gaps(traffic, passages(traffic), lane_samples(traffic))


def test_a_gap_is_accepted_by_who_gives_way_and_goes_first(recording: Any, track: Any) -> None:
    """Their ways cross in the cell from (0, -2) to (2, 0): fronts arrive from the west after 3.8, the south 6.6 s."""
    found = gaps(recording, track, with_yield(FROM_WEST, FROM_SOUTH), west_first=True)
    assert len(found) == 1
    assert found[0] == pytest.approx(2.8, abs=0.11)


def test_no_gap_is_accepted_by_who_waits_or_has_priority(recording: Any, track: Any) -> None:
    assert len(gaps(recording, track, with_yield(FROM_WEST, FROM_SOUTH), west_first=False)) == 0
    assert len(gaps(recording, track, with_yield(FROM_SOUTH, FROM_WEST), west_first=True)) == 0
    assert len(gaps(recording, track, crossing(), west_first=True)) == 0  # a map that does not say who gives way


def test_parked_cars_and_hazards_encroach_on_nobody(recording: Any, track: Any) -> None:
    parked = track(1.0 + 0 * T, 1.0, yaw=0.0)
    cone = track(1.0, -30 + 5 * T, kind=AgentClass.HAZARD)
    assert len(passages(recording([parked, cone])).first) == 0
    assert len(passages(recording([track(-30 + 10 * T, 1.0), parked])).first) == 0
