"""The planner in made-up traffic."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrafficSignals
from zoox_stack.core.classes import AgentClass, PredictionSource, Rejection, SignalState, TrajectorySource, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.planner import Planner, beside_ego, relevant_agents
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork

FRONT = 1.4 + 4.8 / 2  # [m] from base_link to the front bumper of the default ego


def planner_on(network: RoadNetwork | None = None, **parameters: Any) -> Planner:
    planner = Planner(PlannerConfig(**parameters))
    if network is not None:
        planner.set_road_network(network)
    return planner


def signals(stamp_ns: int, state: SignalState, count: int = 4) -> TrafficSignals:
    return TrafficSignals(stamp_ns, np.arange(1, count + 1), np.full(count, state, np.uint8), np.ones(count))


def test_empty_road_is_driven_at_the_limit(loop: Any) -> None:
    ticks = loop(
        planner_on(straight_road(lanes=1, speed_limit=12.0)), EgoState(0, 20.0, 0.3, speed=8.0), lambda _: [], 12
    )
    assert ticks[-1].ego.speed == pytest.approx(12.0, abs=0.3)
    assert max(t.ego.speed for t in ticks) < 12.5
    assert ticks[-1].ego.y == pytest.approx(0.0, abs=0.1)
    assert all(t.trajectory.source == TrajectorySource.DECISION for t in ticks)
    assert all(t.decision.answer_status == WhatIfStatus.NOT_ASKED for t in ticks)


def test_slows_down_for_a_curve(loop: Any) -> None:
    ticks = loop(planner_on(curved_road(lanes=1, radius=25.0)), EgoState(0, 5.0, 0.0, speed=13.0), lambda _: [], 12)
    lateral = [abs(t.ego.speed * t.ego.yaw_rate) for t in ticks]
    assert max(lateral) < 2.6
    assert ticks[-1].ego.y > 30.0  # it did go round


def test_stops_behind_a_standing_car(agent: Any, loop: Any) -> None:
    ticks = loop(
        planner_on(straight_road(lanes=1)), EgoState(0, 20.0, 0.0, speed=12.0), lambda _: [agent(1, 130.0, 0.0)], 20
    )
    gap = 130.0 - 2.3 - (ticks[-1].ego.x + FRONT)
    assert ticks[-1].ego.speed < 0.1
    assert 1.0 < gap < 10.0
    assert min(t.ego.acceleration for t in ticks) > -4.0


def test_follows_a_slower_car_at_a_distance(agent: Any, loop: Any) -> None:
    ticks = loop(
        planner_on(straight_road(lanes=1, length=800.0)),
        EgoState(0, 20.0, 0.0, speed=13.0),
        lambda t: [agent(1, 60.0 + 8.0 * t, 0.0, 8.0)],
        20,
    )
    end = 60.0 + 8.0 * 19.5
    assert ticks[-1].ego.speed == pytest.approx(8.0, abs=0.5)
    assert 8.0 < end - 2.3 - (ticks[-1].ego.x + FRONT) < 30.0


def test_goes_round_a_standing_car_on_a_free_road_with_two_lanes(agent: Any, loop: Any) -> None:
    ticks = loop(
        planner_on(straight_road(lanes=2)), EgoState(0, 20.0, 0.0, speed=12.0), lambda _: [agent(1, 130.0, 0.0)], 14
    )
    assert ticks[-1].ego.x > 130.0
    assert max(t.ego.y for t in ticks) > 2.0


def test_does_not_change_lane_into_an_agent(agent: Any, loop: Any) -> None:
    def traffic(t: float) -> list[Any]:
        beside = [agent(10 + i, 4.0 + 12.0 * (i - 14) + 12.0 * t, 3.5, 12.0) for i in range(26)]
        return [agent(1, 110.0, 0.0), *beside]

    ticks = loop(planner_on(straight_road(lanes=2)), EgoState(0, 20.0, 0.0, speed=12.0), traffic, 9)
    assert max(abs(t.ego.y) for t in ticks) < 1.3
    assert ticks[-1].ego.x + FRONT < 110.0 - 2.3


def test_stops_at_red_and_goes_on_at_green(loop: Any) -> None:
    def state(stamp_ns: int) -> TrafficSignals:
        return signals(stamp_ns, SignalState.RED if stamp_ns < 18_000_000_000 else SignalState.GREEN)

    ticks = loop(planner_on(crossing()), EgoState(0, -100.0, -1.75, speed=10.0), lambda _: [], 24, signals_at=state)
    red = [t for t in ticks if t.ego.stamp_ns < 18_000_000_000]
    assert red[-1].ego.speed < 0.2
    assert -20.0 < red[-1].ego.x + FRONT < -15.0 + 0.3
    assert ticks[-1].ego.x > 0.0
    assert (red[4].decision.rejections == Rejection.SIGNAL).any()


@pytest.mark.parametrize(
    ("state", "speed", "x", "closed"),
    [
        (SignalState.RED, 10.0, -60.0, True),
        (SignalState.RED, 15.0, -25.0, False),  # cannot stop any more
        (SignalState.RED, 0.0, -18.3, True),  # stands half a metre beyond the line
        (SignalState.RED, 5.0, -18.3, False),  # has passed it
        (SignalState.YELLOW, 8.0, -60.0, True),
        (SignalState.YELLOW, 13.0, -40.0, False),  # could only stop by hard braking
        (SignalState.GREEN, 10.0, -60.0, False),
        (SignalState.UNKNOWN, 10.0, -60.0, False),
    ],
)
def test_when_a_signal_closes_its_line(state: SignalState, speed: float, x: float, closed: bool, scene: Any) -> None:
    planner = planner_on(crossing())
    proposal = planner.propose(scene(EgoState(0, x, -1.75, speed=speed), []), None, signals(1_000_000_000, state))
    assert bool((proposal.rejections == Rejection.SIGNAL).any()) == closed


def test_old_and_doubtful_signals_do_not_count(scene: Any) -> None:
    planner = planner_on(crossing())
    now = scene(EgoState(0, -60.0, -1.75, speed=10.0), [], 10_000_000_000)
    old = signals(1_000_000_000, SignalState.RED)
    doubtful = replace(signals(10_000_000_000, SignalState.RED), confidence=np.full(4, 0.2))
    for given in (old, doubtful):
        assert not (planner.propose(now, None, given).rejections == Rejection.SIGNAL).any()


def test_brakes_for_a_pedestrian_who_steps_onto_the_road(agent: Any, loop: Any) -> None:
    def walker(t: float) -> list[Any]:
        y = min(-6.0 + 1.4 * t, 8.0)
        return [agent(5, 75.0, y, 1.4 if y < 8.0 else 0.0, np.pi / 2, 0.6, 0.6, AgentClass.PEDESTRIAN)]

    ticks = loop(planner_on(straight_road(lanes=1)), EgoState(0, 20.0, 0.0, speed=12.0), walker, 8, step=0.2)
    for tick in ticks:
        walker_y = walker((tick.ego.stamp_ns - 1e9) / 1e9)[0].y
        ahead = 75.0 - (tick.ego.x + 1.4)
        assert abs(ahead) > 2.7 or abs(walker_y - tick.ego.y) > 1.25
    assert any(tick.ego.speed < 9.0 for tick in ticks)


def test_without_map_and_route_it_goes_where_it_points(loop: Any) -> None:
    ticks = loop(planner_on(cruise_speed=10.0), EgoState(0, 0.0, 0.0, yaw=0.7, speed=9.0), lambda _: [], 6)
    assert ticks[-1].ego.speed == pytest.approx(10.0, abs=0.3)
    assert np.arctan2(ticks[-1].ego.y, ticks[-1].ego.x) == pytest.approx(0.7, abs=1e-3)
    assert "without map or route" in ticks[0].decision.explanation


def test_a_logged_route_is_followed(loop: Any) -> None:
    angle = np.linspace(0.0, 1.5, 80)
    line = np.stack([80.0 * np.sin(angle), 80.0 * (1 - np.cos(angle)), np.zeros(80)], axis=1)
    planner = planner_on(cruise_speed=9.0)
    planner.set_route(Route(0, line))
    ticks = loop(planner, EgoState(0, 2.0, 1.0, speed=8.0), lambda _: [], 12)
    last = ticks[-1].ego
    assert np.hypot(last.x, last.y - 80.0) == pytest.approx(80.0, abs=0.3)
    assert last.y > 30.0
    assert "path from route" in ticks[0].decision.explanation


def test_a_route_of_lanes_turns_where_it_says(loop: Any) -> None:
    planner = planner_on(crossing(speed_limit=9.0))
    planner.set_route(Route(0, np.zeros((2, 3)), np.array([2, 123, 11])))  # west arm, left turn, north arm
    ticks = loop(planner, EgoState(0, -50.0, -1.75, speed=8.0), lambda _: [], 14)
    assert ticks[-1].ego.y > 20.0
    assert ticks[-1].ego.x == pytest.approx(1.75, abs=0.3)


def test_same_inputs_same_outputs(agent: Any, loop: Any) -> None:
    def run() -> list[Any]:
        return loop(
            planner_on(crossing()), EgoState(0, -60.0, -1.75, speed=10.0),
            lambda t: [agent(3, 1.75, -50.0 + 8.0 * t, 8.0, np.pi / 2)], 4,
        )  # fmt: skip

    for a, b in zip(run(), run(), strict=True):
        assert a.decision.explanation == b.decision.explanation
        np.testing.assert_array_equal(a.trajectory.plan.xy, b.trajectory.plan.xy)
        np.testing.assert_array_equal(a.decision.costs, b.decision.costs)


def test_a_time_jump_forgets_the_last_plan(scene: Any) -> None:
    ego, late = EgoState(0, 20.0, 0.0, speed=8.0), 100_000_000_000
    fresh = planner_on(straight_road()).propose(scene(ego, [], late), None, None)
    used = planner_on(straight_road())
    for stamp in (50_000_000_000, 50_100_000_000):
        used.decide(used.propose(scene(ego, [], stamp), None, None), None, WhatIfStatus.NOT_ASKED)
    consistent = used.propose(scene(ego, [], 50_200_000_000), None, None)
    assert not np.array_equal(consistent.costs, fresh.costs)
    np.testing.assert_array_equal(used.propose(scene(ego, [], late), None, None).costs, fresh.costs)
    used.decide(used.propose(scene(ego, [], late + 100_000_000), None, None), None, WhatIfStatus.NOT_ASKED)
    backwards = used.propose(scene(ego, [], late), None, None)
    np.testing.assert_array_equal(backwards.costs, fresh.costs)


def test_without_an_ego_there_is_no_plan(agent: Any, scene: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"scene\.ego"):
        planner_on().propose(scene(None, [agent(1, 0.0, 0.0)]), None, None)


def test_predictions_of_another_scene_are_refused(agent: Any, scene: Any) -> None:
    planner, ego = planner_on(), EgoState(0, 0.0, 0.0, speed=5.0)
    now = scene(ego, [agent(1, 30.0, 0.0)])
    with pytest.raises(InvalidInputError, match="stamp"):
        planner.propose(now, constant_velocity_prediction(scene(ego, [agent(1, 30.0, 0.0)], 5)), None)
    with pytest.raises(InvalidInputError, match="ids"):
        planner.propose(now, constant_velocity_prediction(scene(ego, [agent(2, 30.0, 0.0)])), None)
    with pytest.raises(InvalidInputError, match="steps"):
        planner.propose(now, constant_velocity_prediction(now, steps=30), None)


def test_agents_missing_from_the_predictions_still_count(agent: Any, scene: Any) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=12.0)
    both = scene(ego, [agent(1, 60.0, 0.0), agent(2, 60.0, 40.0)])
    only_far = replace(constant_velocity_prediction(scene(ego, [agent(2, 60.0, 40.0)])), source=PredictionSource.MODEL)
    proposal = planner_on(straight_road(lanes=1)).propose(both, only_far, None)
    assert (proposal.rejections == Rejection.COLLISION).any()


def test_says_where_predictions_came_from(agent: Any, scene: Any) -> None:
    planner, now = planner_on(), scene(EgoState(0, 0.0, 0.0, speed=5.0), [agent(1, 60.0, 0.0)])
    model = replace(constant_velocity_prediction(now, 6), source=PredictionSource.MODEL)
    for given, source in ((None, PredictionSource.CONSTANT_VELOCITY), (model, PredictionSource.MODEL)):
        _, decision = planner.decide(planner.propose(now, given, None), None, WhatIfStatus.TIMEOUT)
        assert decision.predictions_from == source
        assert ("constant velocities" in decision.explanation) == (given is None)


def test_a_car_close_behind_does_not_force_the_ego_on(agent: Any, scene: Any) -> None:
    ego = EgoState(0, 20.0, 0.0, speed=10.0)
    now = scene(ego, [agent(1, 12.0, 0.0, 12.0), agent(2, 50.0, 0.0)])
    planner = planner_on(straight_road(lanes=1))
    trajectory, decision = planner.decide(planner.propose(now, None, None), None, WhatIfStatus.TIMEOUT)
    assert trajectory.plan.x[-1] + FRONT < 50.0 - 2.3
    assert trajectory.source == TrajectorySource.DECISION, decision.explanation


def test_an_agent_on_top_of_the_ego_is_ignored_and_mentioned(agent: Any, scene: Any) -> None:
    planner = planner_on(straight_road(lanes=1))
    now = scene(EgoState(0, 20.0, 0.0, speed=10.0), [agent(1, 21.0, 0.2, 10.0)])
    trajectory, decision = planner.decide(planner.propose(now, None, None), None, WhatIfStatus.NOT_ASKED)
    assert trajectory.source == TrajectorySource.DECISION
    assert "inside the ego's box ignored" in decision.explanation


def test_no_acceptable_candidate_means_a_safe_stop(agent: Any, scene: Any) -> None:
    wall = [agent(i, 32.0, -6.0 + 2.0 * i, length=1.0, width=2.0) for i in range(7)]
    planner = planner_on(straight_road(lanes=1))
    trajectory, decision = planner.decide(
        planner.propose(scene(EgoState(0, 20.0, 0.0, speed=16.0), wall), None, None), None, WhatIfStatus.TIMEOUT
    )
    assert trajectory.source == TrajectorySource.SAFE_STOP
    assert (decision.rejections != Rejection.KEPT).all()
    assert trajectory.plan.acceleration.min() < -5.0
    assert "safe stop" in decision.explanation


def test_three_hundred_agents_and_none(agent: Any, scene: Any) -> None:
    rng = np.random.default_rng(5)
    crowd = [agent(i, *rng.uniform(-80, 80, 2), rng.uniform(0, 10), rng.uniform(-3, 3)) for i in range(300)]
    for agents in (crowd, []):
        planner = planner_on(crossing())
        trajectory, decision = planner.decide(
            planner.propose(scene(EgoState(0, -60.0, -1.75, speed=8.0), agents), None, None), None, WhatIfStatus.TIMEOUT
        )
        assert np.isfinite(trajectory.plan.xy).all()
        assert np.isfinite(decision.costs).all()


def test_decision_arrays_fit_together(agent: Any, scene: Any) -> None:
    planner = planner_on(straight_road(lanes=2))
    now = scene(EgoState(0, 20.0, 0.0, speed=10.0), [agent(1, 60.0, 0.0, 8.0)])
    proposal = planner.propose(now, None, None)
    trajectory, decision = planner.decide(proposal, None, WhatIfStatus.NO_SERVICE)
    c = len(decision.names)
    assert 300 <= c <= 700
    assert len(set(decision.names)) == c
    np.testing.assert_allclose(decision.costs.sum(axis=1), decision.totals, rtol=1e-5)
    assert (decision.costs >= 0).all()
    np.testing.assert_allclose(decision.positions[decision.chosen] + decision.origin, trajectory.plan.xy, atol=1e-3)
    assert proposal.request is not None
    assert [plan.id for plan in proposal.request.plans] == decision.asked.tolist()
    assert 2 <= len(decision.asked) <= planner.config.shortlist
    assert np.isnan(decision.conditional_totals).all()
    assert decision.answer_status == WhatIfStatus.NO_SERVICE
    assert not decision.conditional
    kept = decision.rejections == Rejection.KEPT
    assert decision.totals[decision.chosen] == decision.totals[kept].min()


def test_steady_decisions_on_an_unchanged_scene(agent: Any, loop: Any) -> None:
    ticks = loop(
        planner_on(straight_road(lanes=1, length=800.0)), EgoState(0, 20.0, 0.0, speed=8.0),
        lambda t: [agent(1, 50.0 + 8.0 * t, 0.0, 8.0)], 6, step=0.1,
    )  # fmt: skip
    chosen = [t.decision.names[t.decision.chosen] for t in ticks[10:]]
    changes = sum(a != b for a, b in pairwise(chosen))
    assert changes <= 4, chosen


def test_candidates_are_ready_before_the_predictions(scene: Any, agent: Any) -> None:
    ego, road = EgoState(0, 20.0, 0.0, speed=12.0), straight_road(lanes=1, length=400.0)
    now = scene(ego, [agent(1, 60.0, 0.0, 6.0)])
    planner = planner_on(road)
    prepared = planner.prepare(now, None)
    proposal = planner.judge(prepared, constant_velocity_prediction(now, modes=6))
    whole = planner_on(road).propose(now, constant_velocity_prediction(now, modes=6), None)
    np.testing.assert_array_equal(proposal.costs, whole.costs)
    assert proposal.asked.tolist() == whole.asked.tolist()
    assert any(name.startswith("follow #1") for name in prepared.candidates.names)


def test_the_last_predictions_tell_whom_to_yield_to(scene: Any, agent: Any) -> None:
    """A car that stands beside the road and was predicted to pull out is yielded to in the next scene already."""
    ego, road = EgoState(0, 20.0, 0.0, speed=8.0), straight_road(lanes=1, length=400.0)
    before = scene(ego, [agent(1, 60.0, 7.0, 0.0, -np.pi / 2)], 10_000_000_000)
    after, later = (
        scene(ego, [agent(1, 60.0, 7.0, 0.0, -np.pi / 2)], stamp) for stamp in (10_100_000_000, 11_200_000_000)
    )
    standing = constant_velocity_prediction(before, modes=6)
    positions = standing.positions.copy()
    positions[0, ..., 1] -= np.minimum(7.0, 0.1 * np.arange(1, 81))
    for predicted, expected in ((standing, False), (replace(standing, positions=positions), True)):
        planner = planner_on(road)
        planner.decide(planner.propose(before, predicted, None), None, WhatIfStatus.TIMEOUT)
        names = planner.prepare(after, None).candidates.names
        assert any(name.startswith("yield to #1") for name in names) is expected
        names = planner.prepare(later, None).candidates.names  # no predictions for a second: they are forgotten
        assert not any(name.startswith("yield to #1") for name in names)


@pytest.mark.parametrize(("x", "speed"), [(20.0, 12.0), (20.0, 0.0), (120.0, 8.0), (146.0, 0.0)])
def test_stops_at_the_goal_in_comfort_and_stays(loop: Any, x: float, speed: float) -> None:
    planner = planner_on(straight_road(lanes=2))
    planner.set_route(Route(0, np.array([[10.0, 0.0, 0.0], [150.0, 0.0, 0.0]]), np.array([0, 100])), stop_at_end=True)
    ticks = loop(planner, EgoState(0, x, 0.0, speed=speed), lambda _: [], 28)
    assert ticks[-1].ego.x == pytest.approx(149.0, abs=1.4)
    assert max(t.ego.speed for t in ticks[-6:]) < 0.1
    assert min(t.ego.acceleration for t in ticks) > -2.5


def test_a_goal_too_near_to_stop_at_is_passed_without_hard_braking(loop: Any) -> None:
    planner = planner_on(straight_road(lanes=2))
    planner.set_route(Route(0, np.array([[10.0, 0.0, 0.0], [150.0, 0.0, 0.0]]), np.array([0, 100])), stop_at_end=True)
    ticks = loop(planner, EgoState(0, 135.0, 0.0, speed=13.0), lambda _: [], 4)
    assert ticks[-1].ego.x > 170.0
    assert min(t.ego.acceleration for t in ticks) > -2.5


def test_driving_off_takes_some_decisions_in_a_row(scene: Any) -> None:
    ego = EgoState(0, 20.0, 0.0)
    for needed in (1, 3):
        planner = Planner(PlannerConfig(start_ticks=needed))
        planner.set_road_network(straight_road(lanes=1))
        moves = []
        for i in range(4):
            proposal = planner.propose(scene(ego, [], 10**9 + i * 10**8), None, None)
            trajectory, _ = planner.decide(proposal, None, WhatIfStatus.TIMEOUT)
            moves.append(bool(trajectory.plan.x[9] > ego.x + 0.1))
        assert moves == [i >= needed - 1 for i in range(4)]


def test_who_stands_askew_beside_the_ego_matters_who_is_inside_its_box_does_not(agent: Any, scene: Any) -> None:
    ego = EgoState(0, 0.0, 0.0)
    cx, cy = ego.centre
    askew = agent(1, cx + 2.3, cy - 2.4, 0.5, np.radians(14.0), 4.8, 1.7)  # only the rectangle around it overlaps
    touching = agent(2, cx - 1.0, cy + 1.8, 0.0, 0.0, 4.6, 1.9)
    inside = agent(3, cx + 0.3, cy, 0.0, 0.0, 4.6, 1.9)
    now = beside_ego(scene(ego, [askew, touching, inside]), ego)
    assert now.size[:, 1].tolist() == pytest.approx([1.7, 1.71, 1.9], abs=0.1)
    assert now.size[1, 1] < 1.9
    rows, overlapping = relevant_agents(now, ego)
    assert rows.tolist() == [0, 1]
    assert overlapping.tolist() == [2]
