"""Futures by rule: along the lanes, at several accelerations, for people on foot in several directions."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.predictions import MODES, STEP, STEPS, PredictedAgents
from zoox_stack.prediction.rule_futures import DRIVING, STARTING, WALKING, RuleFutures
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.queries import LaneIndex

STAMP = 10**15
TIMES = STEP * np.arange(1, STEPS + 1)


def scene(x: float, y: float, yaw: float, speed: float, kind: AgentClass) -> TrackedAgents:
    velocity = speed * np.array([[np.cos(yaw), np.sin(yaw)]])
    return TrackedAgents.from_states(
        STAMP, np.array([7]), np.array([kind], np.uint8), np.array([[x, y, 0.0]]), np.array([yaw]), velocity,
        np.float32([[4.5, 1.9, 1.6]]), ego=EgoState(STAMP, 3.0, -2.0),
    )  # fmt: skip


def futures(rules: RuleFutures, now: TrackedAgents) -> PredictedAgents:
    predicted = rules.predict(now)
    assert predicted.positions.shape == (1, MODES, STEPS, 2)
    np.testing.assert_allclose(predicted.probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert (predicted.covariances[..., 0] * predicted.covariances[..., 2] > predicted.covariances[..., 1] ** 2).all()
    assert np.isfinite(predicted.headings).all()
    return predicted


@pytest.mark.parametrize("network", [None, crossing()])
@pytest.mark.parametrize("kind", [AgentClass.CAR, AgentClass.BICYCLE, AgentClass.PEDESTRIAN, AgentClass.UNKNOWN])
@pytest.mark.parametrize("speed", [0.0, 1.4, 9.0])
def test_the_first_mode_keeps_the_velocity(network: object, kind: AgentClass, speed: float) -> None:
    now = scene(500.0, 40.0, 0.7, speed, kind)  # far from any lane
    first = futures(RuleFutures(network), now).map_positions[0, 0]  # type: ignore[arg-type]
    np.testing.assert_allclose(first, now.position[0, :2] + now.velocity[0] * TIMES[:, None], atol=1e-3)


@pytest.mark.parametrize("mode", range(1, MODES))
def test_off_the_lanes_vehicles_drive_straight_on_with_constant_acceleration(mode: int) -> None:
    way = futures(RuleFutures(None), scene(0.0, 0.0, 0.3, 8.0, AgentClass.CAR)).map_positions[0, mode]
    acceleration = DRIVING[mode, 0]
    until = (8.0 / -acceleration if acceleration < 0 else (14.0 - 8.0) / max(acceleration, 1e-9)) >= TIMES
    expected = (8.0 * TIMES + acceleration / 2 * TIMES**2)[until]
    np.testing.assert_allclose(np.hypot(*way[until].T), expected, atol=0.3)
    np.testing.assert_allclose(np.arctan2(way[:, 1], way[:, 0]), 0.3, atol=1e-3)
    assert (np.diff(np.hypot(*way.T)) >= -1e-4).all()  # nobody drives backwards


@pytest.mark.parametrize("mode", range(1, MODES))
def test_who_stands_starts_sooner_or_later(mode: int) -> None:
    way = futures(RuleFutures(None), scene(0.0, 0.0, 0.0, 0.0, AgentClass.CAR)).map_positions[0, mode, :, 0]
    delay = STARTING[mode, 1]
    assert np.abs(way[delay > TIMES]).max(initial=0.0) < 0.02
    assert way[-1] > 2.0


def test_on_a_lane_the_modes_follow_it_at_the_same_distance_to_its_middle() -> None:
    network = crossing()
    index = LaneIndex(network)
    bent = max(index.lines, key=lambda row: float(np.abs(np.diff(index.lines[row].heading)).sum()))
    line = index.lines[bent]
    (middle,), (yaw,), _ = line.at([0.5])
    start = middle + 0.4 * np.array([-np.sin(yaw), np.cos(yaw)])
    predicted = futures(RuleFutures(network), scene(start[0], start[1], float(yaw), 3.0, AgentClass.CAR))
    kept = predicted.map_positions[0, 1]
    on = line.project(kept)
    inside = (on.s > 0.1) & (on.s < line.length - 0.1)
    assert inside.sum() > 10
    np.testing.assert_allclose(on.d[inside], 0.4, atol=0.15)
    turned = np.abs(predicted.headings[0, 1] - predicted.headings[0, 0]).max()
    assert turned > 0.5  # the lane bends, the first mode does not
    ellipses = predicted.covariances[0, :, -1]
    assert np.abs(ellipses[1] - ellipses[0]).max() > 1e-3  # the errors turn with it


def test_people_on_foot_stop_and_turn_aside() -> None:
    ways = futures(RuleFutures(None), scene(0.0, 0.0, 0.0, 1.4, AgentClass.PEDESTRIAN)).map_positions[0]
    stopped, left, right = 1, int(np.argmax(WALKING[:, 1])), int(np.argmin(WALKING[:, 1]))
    assert 0.2 < ways[stopped, -1, 0] < 1.4
    assert ways[left, -1, 1] > 3.0
    np.testing.assert_allclose(ways[right, :, 1], -ways[left, :, 1], atol=1e-3)


def test_hazards_do_not_move() -> None:
    predicted = futures(RuleFutures(crossing()), scene(0.0, 0.0, 0.0, 0.0, AgentClass.HAZARD))
    assert predicted.probabilities[0, 0] == 1.0
    assert np.ptp(predicted.map_positions[0], axis=(0, 1)).max() == 0.0


def test_the_same_scene_has_the_same_futures_whatever_came_before() -> None:
    rules, now = RuleFutures(crossing()), scene(20.0, -1.8, 0.0, 6.0, AgentClass.CAR)
    first = rules.predict(now)
    rules.predict(scene(-20.0, 1.8, np.pi, 6.0, AgentClass.TRUCK))
    for again in (rules.predict(now), RuleFutures(crossing()).predict(now)):
        assert again.positions.tobytes() == first.positions.tobytes()


def test_nobody_is_nobody() -> None:
    none = scene(0.0, 0.0, 0.0, 0.0, AgentClass.CAR).take(np.zeros(0, np.int64))
    assert len(RuleFutures(crossing()).predict(none)) == 0
