"""Candidates: start, limits, manoeuvres and why they fall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import Rejection
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.predictions import STEP
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.feasibility import check_motion
from zoox_stack.planning.lattice import Lateral
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork

NETWORKS: dict[str, RoadNetwork] = {
    "straight": straight_road(lanes=3),
    "left bend": curved_road(radius=30.0),
    "right bend": curved_road(radius=25.0, angle=-1.4, lanes=1),
    "crossing": crossing(),
}


def propose(network: RoadNetwork | None, now: Any) -> Proposal:
    planner = Planner()
    planner.set_road_network(network)
    return planner.propose(now, None, None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([*NETWORKS, "none"]),
    x=st.floats(-110, 110),
    d=st.floats(-2.5, 2.5),
    yaw=st.floats(-0.5, 0.5),
    speed=st.floats(-0.2, 22),
    acceleration=st.floats(-6, 3),
    yaw_rate=st.floats(-0.3, 0.3),
)
def test_plans_start_from_the_ego_and_are_sound(
    scene: Any, name: str, x: float, d: float, yaw: float, speed: float, acceleration: float, yaw_rate: float
) -> None:
    network = NETWORKS.get(name)
    if network is not None and name != "crossing":
        x = abs(x)
    ego = EgoState(0, x, d - 1.75, yaw=yaw, speed=speed, acceleration=acceleration, yaw_rate=yaw_rate)
    proposal = propose(network, scene(ego, []))
    c = proposal.candidates
    for array in (c.x, c.y, c.yaw, c.speed, c.acceleration, c.curvature, c.s, c.d):
        assert np.isfinite(array).all()
    assert (c.speed >= 0).all()
    # The first point lies where the ego can be after one step.
    first = np.hypot(c.x[:, 0] - ego.x, c.y[:, 0] - ego.y)
    assert (np.abs(first - max(speed, 0.0) * STEP) < 0.5 * 9.0 * STEP**2 + 0.02).all()
    moved = c.distance[:, 0] > 1e-3
    assert (np.abs(wrap_angle(c.yaw[moved, 0] - yaw)) < 0.02 + 0.3 * c.distance[moved, 0]).all()
    kept = proposal.rejections == Rejection.KEPT
    config = Planner().config
    assert (c.acceleration[kept] <= max(config.max_acceleration, acceleration) + 0.02).all()
    assert (c.acceleration[kept] >= min(-config.max_deceleration, acceleration) - 0.02).all()
    assert (np.abs(c.curvature[kept] * (c.speed[kept] > 0.3)) <= config.max_curvature).all()
    # Steps in space agree with the speeds.
    steps = np.hypot(np.diff(c.x[kept], axis=1), np.diff(c.y[kept], axis=1))
    means = (c.speed[kept][:, 1:] + c.speed[kept][:, :-1]) / 2 * STEP
    assert np.abs(steps - means).max(initial=0.0) < 0.03 * max(speed, 1.0)


def lane_change(c: Candidates, lateral: Lateral) -> np.ndarray:
    return np.flatnonzero(c.laterals == lateral)


def test_lane_changes_end_in_the_neighbour_lane(scene: Any) -> None:
    c = propose(NETWORKS["straight"], scene(EgoState(0, 50.0, 3.5, speed=10.0), [])).candidates
    left, right = lane_change(c, Lateral.LANE_LEFT), lane_change(c, Lateral.LANE_RIGHT)
    keep_left = [i for i in left if c.profiles[i] == "keep"]
    keep_right = [i for i in right if c.profiles[i] == "keep"]
    assert c.y[keep_left[0], -1] == pytest.approx(7.0, abs=0.05)
    assert c.y[keep_right[0], -1] == pytest.approx(0.0, abs=0.05)
    assert c.yaw[keep_left[0], -1] == pytest.approx(0.0, abs=0.01)


def test_no_lane_change_without_a_neighbour_lane(scene: Any) -> None:
    c = propose(NETWORKS["straight"], scene(EgoState(0, 50.0, 0.0, speed=10.0), [])).candidates
    assert not len(lane_change(c, Lateral.LANE_RIGHT))
    assert len(lane_change(c, Lateral.LANE_LEFT))


def test_follow_and_yield_candidates_name_the_agent(agent: Any, scene: Any) -> None:
    now = scene(EgoState(0, 20.0, 0.0, speed=10.0), [agent(8, 60.0, 0.0, 8.0), agent(9, 70.0, -15.0, 3.0, np.pi / 2)])
    names = propose(NETWORKS["straight"], now).candidates.names
    assert "follow #8" in names
    assert "yield to #9" in names


def test_standing_start_has_candidates_that_go_and_that_stay(scene: Any) -> None:
    c = propose(NETWORKS["straight"], scene(EgoState(0, 20.0, 0.0, speed=0.0), [])).candidates
    end = c.distance[:, -1]
    assert end.max() > 40.0
    assert end.min() == pytest.approx(0.0, abs=1e-6)
    still = int(end.argmin())
    np.testing.assert_allclose(c.x[still], 20.0, atol=1e-6)
    np.testing.assert_allclose(c.y[still], 0.0, atol=1e-6)


def test_off_road_candidates_fall(scene: Any) -> None:
    proposal = propose(NETWORKS["right bend"], scene(EgoState(0, 20.0, 1.2, speed=12.0, yaw=0.25), []))
    assert (proposal.rejections == Rejection.OFF_ROAD).any()


def test_too_fast_for_the_curve_falls_by_acceleration(scene: Any) -> None:
    now = scene(EgoState(0, 58.0, 0.0, speed=18.0), [])
    proposal = propose(curved_road(radius=25.0, lanes=1), now)
    fast = proposal.candidates.speed[:, 20] ** 2 / 25.0 > 5.0
    assert fast.any()
    assert (proposal.rejections[fast] != Rejection.KEPT).all()


def test_limits_do_not_count_after_the_time_that_is_judged(scene: Any) -> None:
    now = scene(EgoState(0, 35.0, 0.0, speed=18.0), [])  # in the curve after 1.4 s
    codes = {}
    for until in (1.0, 8.0):
        planner = Planner(PlannerConfig(judged_time=until))
        planner.set_road_network(curved_road(radius=25.0, lanes=1))
        proposal = planner.propose(now, None, None)
        codes[until] = proposal.rejections[proposal.candidates.speed[:, 25] ** 2 / 25.0 > 5.0]
    assert len(codes[1.0])
    assert (codes[8.0] == Rejection.ACCELERATION).any()
    assert (codes[1.0] != Rejection.ACCELERATION).all()


def test_closed_line_rejects_what_crosses_it(scene: Any) -> None:
    planner = Planner()
    planner.set_road_network(NETWORKS["straight"])
    proposal = planner.propose(scene(EgoState(0, 20.0, 0.0, speed=10.0), []), None, None)
    line = proposal.path.ego_s + 30.0
    stops = np.array([line])
    codes = check_motion(proposal.candidates, proposal.path, proposal.ego, stops, None, None, planner.config).rejections
    front = proposal.candidates.s.max(axis=1) + 1.4 + 2.4
    np.testing.assert_array_equal(codes == Rejection.SIGNAL, front > line - 0.3)
