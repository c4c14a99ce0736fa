"""Probability of collision, compared with drawing positions at random and with simple geometry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.collision import PlanArrays, agent_sizes_of, assess_collisions, collision_probability
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import box_corners
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PredictedAgents

EGO = EgoState(0, 0.0, 0.0, length=4.8, width=2.0, rear_axle_to_centre=1.4)
SIZES = np.array([[4.0, 1.8]])
STEPS = 20


def standing(x: float = -1.4, y: float = 0.0, yaw: float = 0.0, plans: int = 1) -> PlanArrays:
    """Plans that stand still; the default puts the centre of the ego's box on the origin."""
    shape = (plans, STEPS)
    return PlanArrays(np.full(shape, x), np.full(shape, y), np.full(shape, yaw), 0.1)


def driving(speed: float) -> PlanArrays:
    x = speed * 0.1 * np.arange(1, STEPS + 1)[None]
    return PlanArrays(x, np.zeros_like(x), np.zeros_like(x), 0.1)


def futures(
    xy: list[list[float]],
    *,
    yaw: float = 0.0,
    variance: float = 1e-4,
    probabilities: list[float] | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
) -> PredictedAgents:
    """One agent that stands at another place in each mode."""
    k = len(xy)
    positions = np.tile((np.array(xy) - origin)[None, :, None], (1, 1, STEPS, 1)).astype(np.float32)
    covariance = np.tile(np.array([variance, 0.0, variance], np.float32), (1, k, STEPS, 1))
    return PredictedAgents(
        0, np.array([7]), np.array([probabilities or [1.0 / k] * k], np.float32), np.array(origin), positions,
        np.full((1, k, STEPS), yaw, np.float32), covariance,
    )  # fmt: skip


def test_overlap_is_certain() -> None:
    report = assess_collisions(standing(), EGO, futures([[2.0, 0.5]]), SIZES)
    assert report.probability[0] == pytest.approx(1.0, abs=1e-3)
    assert report.certain[0] == 1.0
    assert report.time[0] == pytest.approx(0.2)


def test_apart_is_apart() -> None:
    # Half lengths 2.4 + 2.0; a gap of 0.6 m is six standard deviations.
    report = assess_collisions(standing(), EGO, futures([[5.0, 0.0]], variance=0.01), SIZES)
    assert report.probability[0] < 1e-3
    assert report.certain[0] == 0.0
    assert np.isinf(report.time[0])


def test_touching_centre_line_of_the_error_is_one_half() -> None:
    report = assess_collisions(standing(), EGO, futures([[4.4, 0.0]], variance=0.04), SIZES)
    assert report.probability[0] == pytest.approx(0.5, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(
    x=st.floats(-9, 9), y=st.floats(-9, 9), turn=st.sampled_from([0.0, np.pi / 2]), xx=st.floats(0.1, 9),
    yy=st.floats(0.1, 9), seed=st.integers(0, 99),
)  # fmt: skip
def test_aligned_boxes_agree_with_random_draws(
    x: float, y: float, turn: float, xx: float, yy: float, seed: int
) -> None:
    predicted = futures([[x, y]], yaw=turn)
    covariance = np.tile(np.array([xx, 0.0, yy], np.float32), (1, 1, STEPS, 1))
    predicted = PredictedAgents(
        0, predicted.agent_ids, predicted.probabilities, predicted.origin, predicted.positions, predicted.headings,
        covariance,
    )  # fmt: skip
    got = collision_probability(standing(), EGO, predicted, SIZES)[0]
    drawn = np.random.default_rng(seed).normal([x, y], np.sqrt([xx, yy]), size=(20000, 2))
    half = (SIZES[0] if turn == 0.0 else SIZES[0, ::-1]) / 2 + np.array([2.4, 1.0])
    expected = (np.abs(drawn) < half).all(axis=1).mean()
    # Beyond 2.5 standard deviations of both axes together the agent counts as out of reach.
    assert got == pytest.approx(expected, abs=0.03)


@settings(max_examples=40, deadline=None)
@given(x=st.floats(-7, 7), y=st.floats(-7, 7), turn=st.floats(-3.1, 3.1), ego_yaw=st.floats(-3.1, 3.1))
def test_overlap_of_turned_boxes_agrees_with_separating_axes(x: float, y: float, turn: float, ego_yaw: float) -> None:
    plans = standing(-1.4 * np.cos(ego_yaw), -1.4 * np.sin(ego_yaw), ego_yaw)
    report = assess_collisions(plans, EGO, futures([[x, y]], yaw=turn), SIZES)
    ego_box = box_corners(np.zeros(2), np.array(ego_yaw), 4.8, 2.0)
    other = box_corners(np.array([x, y]), np.array(turn), 4.0, 1.8)
    gap = -np.inf
    for angle in (ego_yaw, ego_yaw + np.pi / 2, turn, turn + np.pi / 2):
        axis = np.array([np.cos(angle), np.sin(angle)])
        a, b = ego_box @ axis, other @ axis
        gap = max(gap, a.min() - b.max(), b.min() - a.max())
    if abs(gap) > 1e-3:
        assert (report.certain[0] > 0.5) == (gap < 0)


def test_modes_weigh_by_their_probability() -> None:
    predicted = futures([[0.0, 0.0], [60.0, 0.0]], probabilities=[0.3, 0.7])
    assert collision_probability(standing(), EGO, predicted, SIZES)[0] == pytest.approx(0.3, abs=1e-3)


def test_existence_weighs_too() -> None:
    predicted = futures([[0.0, 0.0]])
    got = collision_probability(standing(), EGO, predicted, SIZES, np.array([0.25]))
    assert got[0] == pytest.approx(0.25, abs=1e-3)


def test_agents_add_up_as_at_least_one() -> None:
    one = futures([[0.0, 0.0], [60.0, 0.0]], probabilities=[0.5, 0.5])
    both = PredictedAgents(
        0, np.array([7, 9]), np.repeat(one.probabilities, 2, 0), one.origin, np.repeat(one.positions, 2, 0),
        np.repeat(one.headings, 2, 0), np.repeat(one.covariances, 2, 0),
    )  # fmt: skip
    assert collision_probability(standing(), EGO, both, np.repeat(SIZES, 2, 0))[0] == pytest.approx(0.75, abs=1e-3)


def test_first_time_of_a_drive_into_a_standing_car() -> None:
    report = assess_collisions(driving(10.0), EGO, futures([[15.0, 0.0]]), SIZES)
    # Front at 3.8 m + 10 t reaches the rear at 13 m after 0.92 s; every second step is looked at.
    assert report.time[0] == pytest.approx(1.0, abs=0.11)


def test_an_ego_that_stands_does_not_certainly_collide() -> None:
    speeds = np.zeros((1, STEPS))
    report = assess_collisions(standing(), EGO, futures([[0.0, 0.0]]), SIZES, speeds=speeds)
    assert report.certain[0] == 0.0
    assert report.probability[0] > 0.99


def test_each_plan_is_judged_alone() -> None:
    near, far = standing(), standing(-100.0)
    plans = PlanArrays(np.concatenate([near.x, far.x, near.x]), np.zeros((3, STEPS)), np.zeros((3, STEPS)), 0.1)
    got = collision_probability(plans, EGO, futures([[0.0, 0.0]]), SIZES)
    np.testing.assert_allclose(got, [1.0, 0.0, 1.0], atol=1e-3)


def test_later_overlaps_count_less_in_risk() -> None:
    early = assess_collisions(driving(12.0), EGO, futures([[9.0, 0.0]]), SIZES, discount_time=1.0)
    late = assess_collisions(driving(12.0), EGO, futures([[22.0, 0.0]]), SIZES, discount_time=1.0)
    assert early.probability[0] == pytest.approx(late.probability[0], abs=1e-3)
    assert late.risk[0] < 0.6 * early.risk[0]


def test_large_map_coordinates_lose_nothing() -> None:
    here = collision_probability(standing(), EGO, futures([[4.4, 0.3]], variance=0.04), SIZES)
    east, north = 654_321.0, 5_432_100.0
    plans = standing(east - 1.4, north)
    moved = futures([[east + 4.4, north + 0.3]], variance=0.04, origin=(east, north))
    np.testing.assert_allclose(collision_probability(plans, EGO, moved, SIZES), here, atol=1e-3)


def test_nobody_and_nothing() -> None:
    predicted = futures([[0.0, 0.0]])
    nobody = PredictedAgents(
        0, predicted.agent_ids[:0], predicted.probabilities[:0], predicted.origin, predicted.positions[:0],
        predicted.headings[:0], predicted.covariances[:0],
    )  # fmt: skip
    assert collision_probability(standing(plans=3), EGO, nobody, np.zeros((0, 2))).tolist() == [0.0, 0.0, 0.0]
    assert collision_probability(standing(plans=0), EGO, predicted, SIZES).shape == (0,)


def test_misfits_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="1 rows"):
        collision_probability(standing(), EGO, futures([[0.0, 0.0]]), np.zeros((2, 2)))
    slow = PlanArrays(np.zeros((1, 5)), np.zeros((1, 5)), np.zeros((1, 5)), 0.5)
    with pytest.raises(InvalidInputError, match="step"):
        collision_probability(slow, EGO, futures([[0.0, 0.0]]), SIZES)
    with pytest.raises(InvalidInputError, match="one shape"):
        PlanArrays(np.zeros((1, 5)), np.zeros((1, 4)), np.zeros((1, 5)), 0.1)


def test_plans_are_stacked_if_they_fit() -> None:
    line = np.arange(5.0)
    plan = EgoPlan(0, "a", 0.1, line, line, line, line, line, line)
    short = EgoPlan(1, "b", 0.1, *([line[:3]] * 6))
    assert PlanArrays.from_plans([plan, plan]).x.shape == (2, 5)
    with pytest.raises(InvalidInputError, match="equal length"):
        PlanArrays.from_plans([plan, short])
    with pytest.raises(InvalidInputError, match="one or more"):
        PlanArrays.from_plans([])


def test_sizes_are_found_by_id() -> None:
    scene = TrackedAgents.from_states(
        0, np.array([3, 7]), np.full(2, AgentClass.CAR), np.zeros((2, 3)), np.zeros(2), np.zeros((2, 2)),
        np.array([[1.0, 1.0, 1.0], [4.0, 2.0, 1.5]], np.float32),
    )  # fmt: skip
    assert agent_sizes_of(futures([[0.0, 0.0]]), scene).tolist() == [[4.0, 2.0]]
    with pytest.raises(InvalidInputError, match=r"\[7\]"):
        agent_sizes_of(futures([[0.0, 0.0]]), TrackedAgents.empty(0))


def test_agents_of_one_plan_only_are_judged_as_if_asked_about_alone() -> None:
    plans = PlanArrays(
        *(np.concatenate([getattr(driving(v), axis) for v in (3.0, 8.0)]) for axis in ["x", "y", "yaw"]), 0.1
    )
    agents = [futures([[x, 0.4], [x + 3.0, 0.0]], variance=0.3) for x in (7.0, 12.0, 16.0)]
    every, sizes, mine = PredictedAgents.concatenate(agents), np.repeat(SIZES, 3, 0), np.array([1, 0, 1])
    together = assess_collisions(plans, EGO, every, sizes, only_plan=mine)
    for agent, plan in enumerate(mine):
        alone = assess_collisions(
            PlanArrays(plans.x[[plan]], plans.y[[plan]], plans.yaw[[plan]], 0.1), EGO, agents[agent], SIZES
        )
        for name in ("agent_probability", "agent_risk", "agent_certain", "agent_time"):
            np.testing.assert_array_equal(getattr(together, name)[plan, agent], getattr(alone, name)[0, 0], name)
        assert together.agent_probability[1 - plan, agent] == 0.0
        assert np.isinf(together.agent_time[1 - plan, agent])
    assert together.probability.max() > 0.1


def test_answers_replace_columns_of_their_plan() -> None:
    plans, predicted = standing(plans=3), PredictedAgents.concatenate([futures([[2.0, 0.0]]), futures([[30.0, 0.0]])])
    report = assess_collisions(plans, EGO, predicted, np.repeat(SIZES, 2, 0)).of_plans(np.array([0, 2]))
    away = assess_collisions(standing(plans=2), EGO, futures([[40.0, 0.0]]), SIZES, only_plan=np.array([1]))
    merged = report.with_answers(np.array([1]), np.array([0]), away)
    assert merged.certain.tolist() == [1.0, 0.0]
    assert report.certain.tolist() == [1.0, 1.0]


def test_an_unlikely_early_touch_does_not_make_a_late_overlap_count_early() -> None:
    """Someone who may not exist stands in the way at once; someone who does is reached after `certain_until`."""
    plans = driving(5.0)
    near, far = futures([[3.0, 0.0]]), futures([[11.5, 0.0]])
    both, sizes = PredictedAgents.concatenate([near, far]), np.repeat(SIZES, 2, 0)
    existence = np.array([0.05, 1.0])
    report = assess_collisions(plans, EGO, both, sizes, existence, certain_until=0.9)
    assert report.time[0] < 0.9
    assert report.certain[0] == pytest.approx(0.05, abs=1e-3)
    assert assess_collisions(plans, EGO, both, sizes, existence).certain[0] == pytest.approx(1.0)


def test_while_the_ego_stands_risk_counts_for_less() -> None:
    speeds = np.zeros((1, STEPS))
    full = assess_collisions(standing(), EGO, futures([[0.0, 0.0]]), SIZES, speeds=speeds)
    less = assess_collisions(standing(), EGO, futures([[0.0, 0.0]]), SIZES, speeds=speeds, standing_share=0.4)
    assert less.risk[0] == pytest.approx(0.4 * full.risk[0])
    assert less.probability[0] == full.probability[0]
    speeds[:] = 5.0
    moving = assess_collisions(standing(), EGO, futures([[0.0, 0.0]]), SIZES, speeds=speeds, standing_share=0.4)
    assert moving.risk[0] == full.risk[0]
