"""Who follows whom and who changes lanes on a straight road, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass, LaneType
from zoox_stack.core.ragged import Ragged
from zoox_stack.evaluation.traffic_lanes import following, lane_changes, lane_samples
from zoox_stack.evaluation.traffic_statistics import collect, summarise
from zoox_stack.road_network.made_up import crossing, straight_road

T = np.arange(51) * 0.1
ROAD = straight_road(lanes=2, length=400, lane_width=3.5, segment_length=100)  # lane 0: y = 0, lane 1: y = 3.5


def test_two_cars_at_10_m_s_with_20_m_between_them(recording: Any, track: Any) -> None:
    """Cars of 4 m: 24 m from front to front, 2.4 s of time headway. They cross into the next segment on the way."""
    traffic = recording([track(60 + 10 * T, 0), track(84 + 10 * T, 0)], ROAD)
    pairs = following(lane_samples(traffic))
    assert set(zip(pairs.follower.tolist(), pairs.leader.tolist(), strict=True)) == {(0, 1)}
    assert len(pairs.gap) == 11
    np.testing.assert_allclose(pairs.gap, 20.0, atol=1e-6)
    np.testing.assert_allclose(pairs.headway / pairs.speed, 2.4, atol=1e-6)
    longer = recording([track(np.linspace(10, 210, 201), 0), track(np.linspace(34, 234, 201), 0)], ROAD)
    statistics = summarise(collect(longer))
    assert statistics["time_headway"]["n"] == 41
    assert statistics["time_headway"]["p50"] == pytest.approx(2.4, abs=1e-3)
    assert statistics["distance_gap"]["p50"] == pytest.approx(20.0, abs=1e-3)
    assert statistics["time_to_collision"]["n"] == 0


def test_lengths_count_on_the_right_side(recording: Any, track: Any) -> None:
    """Front to front is the leader's length more than the gap."""
    traffic = recording(
        [track(60 + 10 * T, 0, size=(12.0, 2.5, 3.0)), track(88 + 10 * T, 0, size=(4.0, 2.0, 1.5))], ROAD
    )
    pairs = following(lane_samples(traffic))
    np.testing.assert_allclose(pairs.gap, 20.0, atol=1e-6)
    np.testing.assert_allclose(pairs.headway, 24.0, atol=1e-6)


def test_least_time_to_collision_of_a_pair(recording: Any, track: Any) -> None:
    """15 behind 10 m/s, 20 m apart at first and 5 m less every second; at 2 s 10 m are left: 2 s."""
    t = T[:21]
    statistics = collect(recording([track(60 + 15 * t, 0), track(84 + 10 * t, 0)], ROAD))
    np.testing.assert_allclose(statistics.values["time_to_collision", ""], [2.0], atol=1e-5)
    assert statistics.totals["following_pairs", ""] == 1


def test_the_next_lane_and_the_one_beside_are_told_apart(recording: Any, track: Any) -> None:
    beside = track(70 + 10 * T, 3.5)
    rider = track(75 + 10 * T, -1.45, kind=AgentClass.BICYCLE, size=(1.8, 0.6, 1.7))  # in the lane, at its edge
    pairs = following(lane_samples(recording([track(60 + 10 * T, 0), beside, rider, track(84 + 10 * T, 0)], ROAD)))
    leaders = dict(zip(pairs.follower.tolist(), pairs.leader.tolist(), strict=True))
    assert leaders == {0: 3}


def test_nobody_far_ahead_and_nobody_oncoming_is_followed(recording: Any, track: Any) -> None:
    pairs = following(lane_samples(recording([track(10 + 10 * T, 0), track(150 + 10 * T, 0)], ROAD)))
    assert len(pairs.gap) == 0
    pairs = following(lane_samples(recording([track(10 + 10 * T, 0), track(90 - 10 * T, 0)], ROAD)))
    assert len(pairs.gap) == 0


def test_overlapping_boxes_are_counted_and_give_no_headway(recording: Any, track: Any) -> None:
    statistics = collect(recording([track(60 + 10 * T, 0), track(63 + 10 * T, 0)], ROAD))
    assert statistics.totals["overlapping_pairs", ""] == 1
    assert len(statistics.values["time_headway", ""]) == 0


def test_the_way_through_a_junction_is_the_one_driven(recording: Any, track: Any) -> None:
    """From the west straight on: who waits in the lane out to the east is the leader, not who waits out north."""
    network = crossing()
    go = track(-100 + 10 * np.arange(111) * 0.1, -1.75)
    east, north = track(np.full(111, 20.0), -1.75, yaw=0.0), track(np.full(111, 1.75), 20.0, yaw=np.pi / 2)
    pairs = following(lane_samples(recording([go, east, north], network)))
    assert set(zip(pairs.follower.tolist(), pairs.leader.tolist(), strict=True)) == {(0, 1)}
    first = int(np.argmax(pairs.gap))
    assert pairs.gap[first] == pytest.approx(100, abs=5)
    np.testing.assert_allclose(np.diff(pairs.gap), -5.0, atol=0.2)  # 10 m/s, every half second


def changing(at: float) -> np.ndarray:
    return np.where(np.arange(101) * 0.1 < at, 0.0, 3.5)


def test_lane_changes(recording: Any, track: Any) -> None:
    x = 20 + 10 * np.arange(101) * 0.1
    once = lane_changes(lane_samples(recording([track(x, changing(4.2), yaw=0.0), track(x + 30, 3.5)], ROAD)))
    assert once.changes == 1
    assert once.minutes == pytest.approx(42 * 0.5 / 60)
    none = lane_changes(lane_samples(recording([track(x, 0)], ROAD)))
    assert (none.changes, none.minutes) == (0, pytest.approx(21 * 0.5 / 60))


def test_wobbling_on_the_line_is_no_lane_change(recording: Any, track: Any) -> None:
    x, t = 20 + 10 * np.arange(101) * 0.1, np.arange(101) * 0.1
    wobble = np.where((t > 4.1) & (t < 4.8), 2.0, 1.5)
    assert lane_changes(lane_samples(recording([track(x, wobble, yaw=0.0)], ROAD))).changes == 0


def test_a_change_at_the_end_of_a_segment_counts(recording: Any, track: Any) -> None:
    """From lane 0 of the first segment to lane 1 of the second within one half second."""
    x = 53 + 10 * np.arange(101) * 0.1
    assert lane_changes(lane_samples(recording([track(x, changing(4.7), yaw=0.0)], ROAD))).changes == 1


def test_a_lane_without_neighbour_gives_no_rate(recording: Any, track: Any) -> None:
    statistics = summarise(collect(recording([track(10 * T, 0)], straight_road(lanes=1))))
    assert statistics["lane_changes_per_minute"] is None


def test_without_a_map_or_lanes_there_are_no_headways(recording: Any, track: Any) -> None:
    traffic = [track(60 + 10 * T, 0), track(84 + 10 * T, 0)]
    none = Ragged(np.zeros(0, np.int32), np.zeros(1, np.int32))
    assert lane_samples(recording(traffic)) is None
    assert lane_samples(recording(traffic, replace(ROAD.__class__(), successors=none))) is None
    assert summarise(collect(recording(traffic)))["time_headway"]["n"] == 0


def test_parked_cars_are_no_queue(recording: Any, track: Any) -> None:
    wait = np.concatenate([np.full(30, 60.0), 60 + 10 * T[:21]])
    behind = track(wait - 7, 0, yaw=0.0)
    queue = collect(recording([behind, track(wait, 0, yaw=0.0)], ROAD))
    np.testing.assert_allclose(queue.values["standing_gap", ""], [3.0] * 7, atol=1e-5)
    parked = collect(recording([track(53 + 0 * T, 0, yaw=0.0), track(60 + 0 * T, 0, yaw=0.0)], ROAD))
    assert len(parked.values["standing_gap", ""]) == 0
    assert parked.totals["following_pairs", ""] == 0


def test_a_bus_lane_is_no_choice(recording: Any, track: Any) -> None:
    kinds = ROAD.lane_types.copy()
    kinds[1::2] = LaneType.BUS
    changes = lane_changes(lane_samples(recording([track(20 + 10 * T, 0)], replace(ROAD, lane_types=kinds))))
    assert (changes.changes, changes.minutes) == (0, 0.0)
