"""What the ego may do: speeds, sideways plans, refusal of plans that leave the road, different candidates."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.simulation import branch_plans
from zoox_stack.simulation.branch_plans import OFFSET, BranchPlan, PlanChooser, PlanKind, leaves_the_road, speed_at

ROAD = straight_road(length=400.0, lanes=2)
EGO = EgoState(10**9, 50.0, 0.0, speed=10.0)
NO_SIGNALS = TrafficSignals(10**9, np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.float32))


@pytest.fixture(scope="module")
def chooser() -> PlanChooser:
    return PlanChooser(ROAD)


def choose(chooser: PlanChooser, count: int, **more: bool) -> list[BranchPlan]:
    lane = chooser.index.lines[chooser.index.near(50.0, 0.0, 0.0)[0]]
    (x, y), yaw, _ = lane.at(50.0)
    ego = EgoState(10**9, float(x), float(y), yaw=float(yaw), speed=10.0)
    return chooser.choose(TrackedAgents.empty(10**9, ego), NO_SIGNALS, None, count, **more)


@pytest.mark.parametrize(
    ("kind", "start", "time", "speed"),
    [
        (PlanKind.KEEP, 8.0, 1.0, None),
        (PlanKind.STOP, 7.0, 1.0, 3.5),
        (PlanKind.STOP, 7.0, 4.0, 0.0),
        (PlanKind.GO, 5.0, 2.0, 9.4),
        (PlanKind.GO, 20.0, 2.0, 20.0),
        (PlanKind.GO_AT_RED, 5.0, 2.0, 9.4),
        (PlanKind.YIELD, 8.0, 2.0, 2.0),
        (PlanKind.YIELD, 8.0, 3.1, None),
        (PlanKind.BRAKE, 8.0, 1.0, 6.0),
        (PlanKind.BRAKE, 8.0, 5.0, 4.0),
        (PlanKind.ACCELERATE, 5.0, 2.0, 8.0),
        (PlanKind.ACCELERATE, 15.0, 8.0, 15.3),
    ],
)
def test_speeds(kind: PlanKind, start: float, time: float, speed: float | None) -> None:
    assert speed_at(kind, start, time) == pytest.approx(speed)


def test_speeds_of_plans_with_a_geometry_are_not_asked_for() -> None:
    with pytest.raises(KeyError):
        speed_at(PlanKind.LANE_LEFT, 1.0, 1.0)


@pytest.mark.parametrize(("count", "fixed"), [(1, 1), (2, 1), (4, 3), (8, 6), (14, 10), (30, 10)])
def test_seven_of_ten_plans_are_fixed(chooser: PlanChooser, count: int, fixed: int) -> None:
    plans = choose(chooser, count)
    assert [plan.kind for plan in plans[:fixed]] == list(PlanKind)[:fixed]
    assert all(plan.kind is PlanKind.CANDIDATE for plan in plans[fixed:])
    assert sum(not plan.reason for plan in plans) <= count
    assert len({plan.name for plan in plans}) == len(plans)


def test_to_go_at_red_is_a_kind_of_its_own(chooser: PlanChooser) -> None:
    plain, runs = choose(chooser, 14), choose(chooser, 14, runs_red=True)
    assert [plan.kind for plan in plain].count(PlanKind.GO_AT_RED) == 0
    assert [(a.kind, b.kind, b.name) for a, b in zip(plain, runs, strict=True) if a.kind != b.kind] == [
        (PlanKind.GO, PlanKind.GO_AT_RED, "go at red")
    ]


def test_what_the_planner_does_not_offer_has_a_reason_that_fits(
    chooser: PlanChooser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch_plans, "_row_of", lambda *_: None)
    reasons = {plan.kind: plan.reason for plan in choose(chooser, 14) if plan.reason}
    assert set(reasons) == set(list(PlanKind)[PlanKind.LEFT_OFFSET : PlanKind.CANDIDATE])
    assert {reasons[kind] for kind in (PlanKind.LANE_LEFT, PlanKind.LANE_RIGHT)} == {"there is no such lane"}
    assert "lane" in reasons[PlanKind.LEFT_OFFSET]
    assert "no such lane" not in reasons[PlanKind.LEFT_OFFSET] + reasons[PlanKind.RIGHT_OFFSET]


def test_sideways_plans_end_beside_the_lane_middle(chooser: PlanChooser) -> None:
    plans = {plan.kind: plan for plan in choose(chooser, 14) if plan.kind is not PlanKind.CANDIDATE}
    straight = plans[PlanKind.LEFT_OFFSET].states
    assert straight is not None
    assert straight.shape == (STEPS, 4)
    start = straight[0, 1]
    assert straight[-1, 1] - start == pytest.approx(OFFSET, abs=0.05)
    right = plans[PlanKind.RIGHT_OFFSET].states
    assert right is not None
    assert right[-1, 1] - start == pytest.approx(-OFFSET, abs=0.05)
    changes = [plans[kind] for kind in (PlanKind.LANE_LEFT, PlanKind.LANE_RIGHT)]
    assert sorted(plan.reason for plan in changes) == ["", "there is no such lane"]
    (driven,) = (plan.states for plan in changes if plan.states is not None)
    assert abs(driven[-1, 1] - start) == pytest.approx(3.5, abs=0.3)
    assert np.hypot(*np.diff(driven[:, :2], axis=0).T).max() < 1.5


def test_candidates_differ(chooser: PlanChooser) -> None:
    states = [plan.states for plan in choose(chooser, 24) if plan.kind is PlanKind.CANDIDATE]
    assert len(states) >= 6
    for i, one in enumerate(states):
        for other in states[:i]:
            assert one is not None
            assert other is not None
            assert np.hypot(*(one[:, :2] - other[:, :2]).T).mean() >= 0.5


def test_a_plan_that_leaves_the_road_says_where(chooser: PlanChooser) -> None:
    time = STEP * np.arange(1, STEPS + 1)
    x = EGO.centre[0] + 10.0 * time
    level = np.stack([x, np.zeros(STEPS), np.zeros(STEPS)], axis=1)
    assert leaves_the_road(level, EGO, chooser._grid) == ""
    away = level.copy()
    away[:, 1] = np.where(time > 2.95, -30.0, 0.0)
    text = leaves_the_road(away, EGO, chooser._grid)
    assert "leaves the road after 3.0 s" in text
    assert f"({x[29]:.1f}, -30.0)" in text


def test_an_ego_beside_the_road_may_stay_there(chooser: PlanChooser) -> None:
    ego = EgoState(10**9, 50.0, -40.0)
    states = np.tile([51.4, -40.0, 0.0], (STEPS, 1))
    assert leaves_the_road(states, ego, chooser._grid) == ""
