"""Constant-velocity futures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, PredictionSource
from zoox_stack.core.constant_velocity import constant_velocity_prediction


def scene(velocity: list[list[float]], classes: list[AgentClass], ego: EgoState | None = None) -> TrackedAgents:
    n = len(velocity)
    position = np.stack([100.0 + 10.0 * np.arange(n), np.full(n, -50.0), np.zeros(n)], axis=1)
    moving = np.array(velocity)
    return TrackedAgents.from_states(
        5, np.arange(n), np.array(classes), position, np.arctan2(moving[:, 1], moving[:, 0]), moving,
        np.ones((n, 3), np.float32), ego=ego,
    )  # fmt: skip


def test_positions_go_on_from_the_first_step() -> None:
    predicted = constant_velocity_prediction(scene([[10.0, 0.0], [0.0, -2.0]], [AgentClass.CAR, AgentClass.PEDESTRIAN]))
    assert predicted.source == PredictionSource.CONSTANT_VELOCITY
    assert (len(predicted), predicted.modes, predicted.steps) == (2, 1, 80)
    np.testing.assert_allclose(predicted.map_positions[0, 0, [0, -1]], [[101.0, -50.0], [180.0, -50.0]], atol=1e-4)
    np.testing.assert_allclose(predicted.map_positions[1, 0, -1], [110.0, -66.0], atol=1e-4)
    np.testing.assert_allclose(predicted.headings[1], -np.pi / 2, atol=1e-6)


def test_covariance_grows_and_is_longest_along_the_motion() -> None:
    predicted = constant_velocity_prediction(scene([[0.0, 10.0]], [AgentClass.CAR]))
    xx, xy, yy = predicted.covariances[0, 0].T
    assert (np.diff(yy) > 0).all()
    assert (yy[10:] > xx[10:]).all()
    np.testing.assert_allclose(xy, 0.0, atol=1e-4)


def test_covariance_turns_with_the_motion() -> None:
    predicted = constant_velocity_prediction(scene([[7.0, 7.0], [7.0, -7.0]], [AgentClass.CAR] * 2))
    assert predicted.covariances[0, 0, -1, 1] > 1.0
    assert predicted.covariances[1, 0, -1, 1] < -1.0
    matrix = predicted.covariances[0, 0, -1][[0, 1, 1, 2]].reshape(2, 2)
    assert (np.linalg.eigvalsh(matrix) > 0).all()


def test_standing_agents_hardly_spread_and_pedestrians_less_than_cars() -> None:
    predicted = constant_velocity_prediction(
        scene([[0.0, 0.0], [8.0, 0.0], [1.5, 0.0]], [AgentClass.CAR, AgentClass.CAR, AgentClass.PEDESTRIAN])
    )
    spread = predicted.covariances[:, 0, -1, 0]
    assert spread[0] < spread[2] < spread[1]


def test_track_uncertainty_is_carried_forward() -> None:
    certain = scene([[5.0, 0.0]], [AgentClass.CAR])
    covariance = np.zeros((1, 6, 6), np.float32)
    covariance[0, 0, 0], covariance[0, 3, 3] = 0.5, 0.25
    more = constant_velocity_prediction(replace(certain, covariance=covariance)).covariances
    less = constant_velocity_prediction(certain).covariances
    time = 0.1 * np.arange(1, 81)
    np.testing.assert_allclose((more - less)[0, 0, :, 0], 0.5 + 0.25 * time**2, rtol=1e-3)


def test_more_modes_repeat_the_first_with_probability_zero() -> None:
    predicted = constant_velocity_prediction(scene([[5.0, 1.0]], [AgentClass.CAR]), modes=6, steps=10, step=0.5)
    assert predicted.probabilities.tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    assert predicted.positions.shape == (1, 6, 10, 2)
    assert predicted.map_positions[0, 3, -1, 0] == pytest.approx(125.0)


def test_origin_is_the_ego_so_that_large_coordinates_stay_exact() -> None:
    ego = EgoState(5, 654_321.125, 5_432_100.5)
    agents = TrackedAgents.from_states(
        5, np.array([1]), np.array([AgentClass.CAR]), np.array([[654_331.0, 5_432_100.0, 0.0]]), np.zeros(1),
        np.array([[3.0, 0.0]]), np.ones((1, 3), np.float32), ego=ego,
    )  # fmt: skip
    predicted = constant_velocity_prediction(agents)
    np.testing.assert_allclose(predicted.map_positions[0, 0, 0], [654_331.3, 5_432_100.0], atol=1e-5)


def test_nobody() -> None:
    predicted = constant_velocity_prediction(TrackedAgents.empty(5), modes=6)
    assert predicted.positions.shape == (0, 6, 80, 2)
