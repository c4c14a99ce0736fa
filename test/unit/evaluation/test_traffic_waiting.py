"""Stops and stuck road users of made-up traffic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.evaluation.traffic_statistics import collect, summarise
from zoox_stack.evaluation.traffic_waiting import stops, stuck_agents
from zoox_stack.road_network.made_up import straight_road

ROAD = straight_road(lanes=1, length=100, segment_length=100, stop_line_at=90, signal=True)


def stop_and_go(stand: float, before: float = 5.0, after: float = 5.0, speed: float = 10.0) -> np.ndarray:
    """Positions every 0.1 s of driving, standing, driving."""
    steps = [np.full(round(t * 10), v) for t, v in ((before, speed), (stand, 0.0), (after, speed))]
    return np.concatenate([[0.0], np.cumsum(np.concatenate(steps)) * 0.1])


def test_a_stop_within_a_drive(recording: Any, track: Any) -> None:
    found = stops(recording([track(stop_and_go(4.0), 0, yaw=0.0)]))
    np.testing.assert_allclose(found.duration, [4.0])
    assert found.whole.all()


def test_stops_at_the_ends_are_cut_off_and_short_ones_are_none(recording: Any, track: Any) -> None:
    found = stops(
        recording([track(stop_and_go(3.0, before=0.0), 0, yaw=0.0), track(stop_and_go(3.0, after=0.0), 9, yaw=0.0)])
    )
    np.testing.assert_allclose(found.duration, [3.0, 3.0], atol=0.11)
    assert not found.whole.any()
    assert len(stops(recording([track(stop_and_go(0.8), 0, yaw=0.0)])).agent) == 0


def test_shares_and_rates(recording: Any, track: Any) -> None:
    """Two cars for 10.1 s, one of which stands for 5 s; a parked car does not count."""
    cars = [track(stop_and_go(5.0, 3.0, 2.0), 0, yaw=0.0), track(stop_and_go(0.0), 5)]
    parked = track(np.full(101, 50.0), 9, yaw=0.0)
    statistics = summarise(collect(recording([*cars, parked])))
    assert statistics["agents"]["CAR"] == {"distinct": 3, "travelling": 2, "mean_present": 3.0}
    assert statistics["standing_share"]["vehicles"] == pytest.approx(50 / 202, abs=1e-4)
    assert statistics["stops_per_minute"]["vehicles"] == pytest.approx(1 / (2 * 10.1 / 60), abs=1e-3)
    assert statistics["standing_share"]["pedestrians"] is None
    samples = collect(recording([*cars, parked]))
    np.testing.assert_allclose(np.sort(samples.values["standing_per_agent", "vehicles"]), [0.0, 5.0], atol=1e-5)


def stuck(
    recording: Any, track: Any, seconds: float, y: float = 0.0, kind: AgentClass = AgentClass.CAR, red: Any = None
) -> Any:
    x = stop_and_go(seconds)
    states = None
    if red is not None:
        states = np.full((len(x), 1), SignalState.GREEN, np.uint8)
        states[: round(red * 10)] = SignalState.RED
    return stuck_agents(recording([track(x, y, yaw=0.0, kind=kind)], ROAD, states))


def test_who_stands_on_the_lane_for_too_long_is_stuck(recording: Any, track: Any) -> None:
    (one,) = stuck(recording, track, 200.0)
    assert (one.id, one.agent_class, one.x) == (10, "CAR", pytest.approx(50.0))
    assert one.seconds == pytest.approx(201.0, abs=0.2)  # with the last and the first 5 m, at 10 m/s
    assert one.since == pytest.approx(4.6)
    assert stuck(recording, track, 170.0) == ()


def test_who_jogs_forward_now_and_then_is_stuck_all_the_same(recording: Any, track: Any) -> None:
    x = 50 + 0.04 * (np.arange(4000) // 1500)  # 4 cm every 150 s
    (one,) = stuck_agents(recording([track(x, 0.0, yaw=0.0)], ROAD))
    assert one.seconds == pytest.approx(400.0)
    assert stuck_agents(recording([track(50 + 0.04 * np.arange(4000), 0.0, yaw=0.0)], ROAD)) == ()
    there_and_back = np.abs(np.arange(4000) % 1800 - 900) * 0.1  # at the same place every 180 s
    assert stuck_agents(recording([track(there_and_back, 0.0, yaw=0.0)], ROAD)) == ()


def test_who_parks_or_waits_at_red_is_not_stuck(recording: Any, track: Any) -> None:
    assert stuck(recording, track, 200.0, y=-2.2) == ()
    assert stuck(recording, track, 200.0, red=300.0) == ()
    assert stuck(recording, track, 200.0, red=60.0) == ()  # 145 s of green are not too long yet
    assert len(stuck(recording, track, 300.0, red=60.0)) == 1


def test_pedestrians_get_stuck_anywhere_cones_and_dogs_never(recording: Any, track: Any) -> None:
    assert len(stuck(recording, track, 200.0, y=-20.0, kind=AgentClass.PEDESTRIAN)) == 1
    assert stuck(recording, track, 200.0, kind=AgentClass.HAZARD) == ()
    assert stuck(recording, track, 200.0, kind=AgentClass.ANIMAL) == ()


def test_who_parks_and_pulls_out_has_not_waited(recording: Any, track: Any) -> None:
    """Beside the lane for 100 s, then 10 s of driving; on the lane the same is a wait."""
    x, y = stop_and_go(100.0, before=0.0, after=10.0), np.where(np.arange(1101) < 1005, -2.2, 0.0)
    (parked,) = stops(recording([track(x, y, yaw=0.0)], ROAD)).parked
    assert parked
    statistics = summarise(collect(recording([track(x, y, yaw=0.0)], ROAD)))
    assert statistics["standing_share"]["vehicles"] < 0.02
    assert summarise(collect(recording([track(x, 0, yaw=0.0)], ROAD)))["standing_share"]["vehicles"] > 0.9
    assert not stops(recording([track(x, y, yaw=0.0)])).parked.any()  # without a map nobody knows
