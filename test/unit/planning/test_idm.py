"""The lane follower: keeps its distance, stops at red, slows down where it has to, and looks at nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.planning.idm import IdmPlanner
from zoox_stack.road_network.made_up import curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork

LIMIT, FRONT = 13.9, 1.4 + 2.4  # [m/s]; [m] from base_link to the front


def cars(ego: EgoState, rows: Sequence[tuple[float, float, float]]) -> TrackedAgents:
    """Cars of 4 x 2 m along +x: x and y of their middles, speed."""
    table = np.array(rows).reshape(-1, 3)
    velocity = np.column_stack([table[:, 2], 0 * table[:, 2]])
    return TrackedAgents.from_states(
        ego.stamp_ns, np.arange(len(table)), np.full(len(table), AgentClass.CAR, np.uint8),
        np.column_stack([table[:, :2], 0 * table[:, :1]]), 0 * table[:, 0], velocity,
        np.tile([4.0, 2.0, 1.5], (len(table), 1)), ego=ego,
    )  # fmt: skip


def drive(
    network: RoadNetwork,
    seconds: float,
    others: Callable[[float], Sequence[tuple[float, float, float]]] = lambda _: (),
    signal: SignalState | None = None,
    speed: float = 0.0,
    y: float = 0.0,
) -> list[EgoState]:
    """Follow every plan exactly, with a new one each 0.1 s."""
    planner = IdmPlanner()
    planner.set_road_network(network)
    ego = EgoState(0, 20.0, y, speed=speed)
    egos = [ego]
    for step in range(round(seconds / 0.1)):
        signals = None
        if signal is not None:
            signals = TrafficSignals(ego.stamp_ns, np.array([1]), np.array([signal], np.uint8), np.ones(1, np.float32))
        trajectory = planner.plan(cars(ego, others(step * 0.1)), signals)
        assert trajectory.stamp_ns == ego.stamp_ns
        plan = trajectory.plan
        ego = replace(
            ego, stamp_ns=ego.stamp_ns + 100_000_000, x=plan.x[0], y=plan.y[0], yaw=plan.yaw[0], speed=plan.speed[0],
            acceleration=plan.acceleration[0],
        )  # fmt: skip
        egos.append(ego)
    return egos


def test_alone_it_comes_to_the_limit_and_to_the_middle_of_the_lane() -> None:
    egos = drive(straight_road(), 25.0, y=0.6)
    assert egos[-1].speed == pytest.approx(LIMIT, abs=0.3)
    assert max(ego.speed for ego in egos) <= LIMIT
    assert max(ego.acceleration for ego in egos) <= 1.5 + 1e-6
    assert abs(egos[-1].y) < 0.05


def test_it_stops_behind_who_stands() -> None:
    egos = drive(straight_road(), 30.0, lambda _: [(120.0, 0.0, 0.0)], speed=10.0)
    assert egos[-1].speed < 0.05
    assert 1.5 < 118.0 - (egos[-1].x + FRONT) < 3.0
    assert min(ego.acceleration for ego in egos) > -3.5


def test_it_follows_at_its_headway() -> None:
    egos = drive(straight_road(length=900.0), 50.0, lambda time: [(60.0 + 8.0 * time, 0.0, 8.0)])
    gap = 60.0 + 8.0 * 50.0 - 2.0 - (egos[-1].x + FRONT)
    wanted = (2.0 + 1.5 * 8.0) / np.sqrt(1 - (8.0 / LIMIT) ** 4)  # where the acceleration of the model is 0
    assert egos[-1].speed == pytest.approx(8.0, abs=0.1)
    assert gap == pytest.approx(wanted, abs=1.0)


def test_who_is_beside_or_behind_does_not_matter() -> None:
    free, met = (
        drive(straight_road(), 10.0, lambda _, rows=rows: rows) for rows in ((), [(60.0, 3.5, 0.0), (5.0, 0.0, 0.0)])
    )
    assert [ego.x for ego in free] == [ego.x for ego in met]


@pytest.mark.parametrize(
    ("state", "stops"),
    [
        (SignalState.RED, True),
        (SignalState.YELLOW, True),
        (SignalState.GREEN, False),
        (SignalState.UNKNOWN, False),
    ],
)
def test_signals(state: SignalState, stops: bool) -> None:
    egos = drive(straight_road(stop_line_at=120.0, signal=True), 25.0, signal=state, speed=8.0)
    front = egos[-1].x + FRONT
    assert (114.0 < front < 120.0 and egos[-1].speed < 0.05) if stops else front > 150.0


@pytest.mark.parametrize("state", [SignalState.RED, SignalState.YELLOW])
def test_a_line_too_near_to_stop_before_is_passed(state: SignalState) -> None:
    egos = drive(straight_road(stop_line_at=32.0, signal=True), 5.0, signal=state, speed=13.0)
    assert egos[-1].x > 60.0


def test_it_slows_down_before_a_curve() -> None:
    egos = drive(curved_road(lanes=1, radius=20.0), 14.0)
    fastest = max(abs(ego.speed) for ego in egos if 0.3 < ego.yaw < 1.3)
    assert 4.0 < fastest < np.sqrt(1.8 * 20.0) + 0.7


def test_without_ego_nothing_is_planned() -> None:
    planner = IdmPlanner()
    with pytest.raises(InvalidInputError, match=r"scene\.ego"):
        planner.plan(TrackedAgents.empty(0), None)
