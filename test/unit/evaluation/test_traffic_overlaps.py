"""Boxes that overlap, and vehicles that come out of nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.evaluation.traffic_appearances import appearances
from zoox_stack.evaluation.traffic_overlaps import overlaps, pooled_overlaps
from zoox_stack.road_network.made_up import straight_road

T = np.arange(101) * 0.1  # [s]
WALKER = (0.5, 0.5, 1.8)


def test_a_car_through_somebody_who_stands(recording: Any, track: Any) -> None:
    found = overlaps(recording([track(10 * T, 0), track(50, 0 * T, yaw=0.0, kind=AgentClass.PEDESTRIAN, size=WALKER)]))
    (one,) = found.worst
    assert (one.ids, one.classes) == ((10, 11), ("CAR", "PEDESTRIAN"))
    assert one.since == pytest.approx(4.8)  # 3.8 m of car and 0.3 m of walker: 2.05 m before and after 50 m
    assert one.seconds == found.seconds == pytest.approx(0.5)
    assert found.share == pytest.approx(0.5 / 10.1)


def test_beside_each_other_and_touching_is_no_overlap(recording: Any, track: Any) -> None:
    assert overlaps(recording([track(10 * T, 0), track(10 * T, 1.85)])).pairs == 0
    assert overlaps(recording([track(10 * T, 0), track(10 * T, 1.75)])).pairs == 1


def test_who_is_parked_or_a_hazard_is_not_asked(recording: Any, track: Any) -> None:
    parked = [track(5, 0 * T, yaw=0.0), track(6, 0 * T, yaw=0.0)]
    assert overlaps(recording(parked)).pairs == 0
    assert overlaps(recording([track(10 * T, 0), track(50, 0 * T, yaw=0.0, kind=AgentClass.HAZARD)])).pairs == 0
    assert overlaps(recording([*parked, track(10 * T, 0)])).pairs == 2


def test_pooled(recording: Any, track: Any) -> None:
    crash, alone = recording([track(10 * T, 0), track(50, 0 * T, yaw=0.0)]), recording([track(10 * T, 0)])
    both = pooled_overlaps([overlaps(crash), overlaps(alone)])
    assert both.pairs == 1
    assert both.share == pytest.approx(overlaps(crash).share / 2)


def test_vehicles_come_and_go_at_the_rim_of_the_map(recording: Any, track: Any) -> None:
    road = straight_road(lanes=1, length=100.0)
    through = track(100 * T / T[-1], 0, start=5)
    sudden = track(np.linspace(45, 55, 50), 0, start=10)
    seen = appearances(recording([through, sudden, track(np.linspace(0, 99, 120), 0)], road))
    assert (seen.vehicles, seen.appear, seen.vanish) == (3, 1, 1)
