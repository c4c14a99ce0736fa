"""Physics baselines: hand-computed motion, and the numbers known for recorded data where a copy is at hand."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass, LaneType
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.datasets.bags import LoggedScenes
from zoox_stack.evaluation.prediction_scores import kinds_of, sample_rows
from zoox_stack.prediction.baselines import (
    LaneFollower,
    baseline_futures,
    constant_turn_rate,
    constant_turn_rate_of_heading,
    constant_velocity,
)
from zoox_stack.prediction.history import HISTORY_STEP, HISTORY_STEPS
from zoox_stack.road_network.made_up import curved_road, straight_road
from zoox_stack.road_network.queries import LaneIndex

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
NUSCENES = DATA / "nuscenes_mini"
PAST = HISTORY_STEP * np.arange(1 - HISTORY_STEPS, 1)
FUTURE = STEP * np.arange(1, STEPS + 1)
CAR = np.array([AgentClass.CAR], np.uint8)


def states(x: object, y: object, yaw: object = 0.0) -> NDArray[np.float64]:
    """One agent over the last second; the velocities are rubbish: no baseline may use them."""
    columns = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float), np.asarray(yaw, float), 99.0, -99.0, PAST)
    return np.stack(columns[:5], axis=-1)[None]


def circle(time: NDArray[np.float64], speed: float, rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return speed / rate * np.sin(rate * time), speed / rate * (1 - np.cos(rate * time))


def test_constant_velocity_is_the_slope_of_the_last_half_second() -> None:
    x = np.array([50.0, 40, 30, 20, 10, 0.0, 1.2, 1.9, 3.1, 3.9, 5.0])  # what was before does not matter
    tau = np.array([-0.25, -0.15, -0.05, 0.05, 0.15, 0.25])
    slope = (tau * x[-6:]).sum() / (tau**2).sum()
    future = constant_velocity(states(x, 7.0))
    assert future.shape == (1, STEPS, 2)
    np.testing.assert_allclose(future[0, :, 0], 5.0 + slope * FUTURE)
    np.testing.assert_allclose(future[0, :, 1], 7.0)


@pytest.mark.parametrize("rule", [constant_turn_rate, constant_turn_rate_of_heading])
@pytest.mark.parametrize("rate", [0.3, -0.3, 1e-6])
def test_a_circle_goes_on(rule: object, rate: float) -> None:
    future = rule(states(*circle(PAST, 6.0, rate), rate * PAST))  # type: ignore[operator]
    np.testing.assert_allclose(future[0], np.stack(circle(FUTURE, 6.0, rate), axis=1), atol=0.03)


def test_turn_rates_across_the_back_of_the_compass() -> None:
    x, y = circle(PAST, 6.0, 0.4)
    yaw = np.remainder(0.4 * PAST + np.pi + 0.05 + np.pi, 2 * np.pi) - np.pi  # jumps from pi to -pi in the window
    turned = constant_turn_rate_of_heading(states(-x, -y, yaw))
    np.testing.assert_allclose(turned[0], -np.stack(circle(FUTURE, 6.0, 0.4), axis=1), atol=0.05)


@pytest.mark.parametrize("rule", [constant_turn_rate, constant_turn_rate_of_heading])
def test_who_stands_has_no_direction(rule: object) -> None:
    jitter = states(0.01 * np.cos(9 * PAST), 0.01 * np.sin(9 * PAST), 3.0 * PAST)
    np.testing.assert_array_equal(rule(jitter), constant_velocity(jitter))  # type: ignore[operator]


def test_vehicles_follow_the_lane_at_their_distance_to_its_middle() -> None:
    """Ten metres before a left bend of radius 60 m, half a metre to the left of the middle of the lane."""
    lanes = LaneIndex(curved_road(radius=60.0, straight=60.0))
    future = LaneFollower(lanes).futures(states(50.0 + 8.0 * PAST, 0.5), CAR)[0]
    s = 50.0 + 8.0 * FUTURE - 60.0
    turned = np.maximum(s, 0.0) / 60.0
    expected = np.stack([60.0 + np.where(s < 0, s, 59.5 * np.sin(turned)), 60.0 - 59.5 * np.cos(turned)], axis=1)
    np.testing.assert_allclose(future, expected, atol=0.35)
    assert future[-1, 1] > 20.0


@pytest.mark.parametrize(
    ("kind", "yaw"), [(AgentClass.PEDESTRIAN, 0.0), (AgentClass.CAR, np.pi / 2)], ids=["pedestrian", "across"]
)
def test_the_others_keep_their_velocity(kind: AgentClass, yaw: float) -> None:
    lanes = LaneIndex(curved_road())
    x, y = lanes.lines[0].at(10.0)[0]
    given = states(x + 5.0 * PAST, y, lanes.lines[0].at(10.0)[1] + yaw)
    np.testing.assert_array_equal(
        LaneFollower(lanes).futures(given, np.array([kind], np.uint8)), constant_velocity(given)
    )
    np.testing.assert_array_equal(LaneFollower(None).futures(given, CAR), constant_velocity(given))


def test_only_cyclists_follow_bike_lanes() -> None:
    road = curved_road(lanes=1)
    network = replace(road, lane_types=np.full(len(road.lane_ids), LaneType.BIKE, np.uint8))
    line = LaneIndex(road).lines[0]
    on_line, heading, _ = line.at(8.0 + 5.0 * PAST)
    given = states(on_line[:, 0], on_line[:, 1], heading)
    follower = LaneFollower(LaneIndex(network))
    cyclist = follower.futures(given, np.array([AgentClass.BICYCLE], np.uint8))
    np.testing.assert_array_equal(follower.futures(given, CAR), constant_velocity(given))
    np.testing.assert_allclose(line.project(cyclist[0, :50]).d, 0.0, atol=0.05)


def test_on_a_straight_road_all_are_the_same() -> None:
    lanes = LaneIndex(straight_road())
    x, y = lanes.lines[0].at(50.0)[0]
    ways = baseline_futures(states(x + 12.0 * PAST, y), CAR, LaneFollower(lanes))
    assert list(ways) == ["cv", "ctrv", "ctr", "lane"]
    for way in ways.values():
        np.testing.assert_allclose(way, ways["cv"], atol=1e-6)


@pytest.mark.skipif(not NUSCENES.is_dir(), reason=f"no nuScenes scenes at {NUSCENES}; set ZOOX_STACK_DATA")
def test_numbers_known_for_recorded_scenes() -> None:
    """ADE and FDE [m] over 8 s as they were worked out independently of this project, beside the data."""
    from zoox_stack.logs.importers.scenarionet import load_nuscenes_scene

    errors: dict[tuple[int, str], list[NDArray[np.float64]]] = {}
    for path in sorted(NUSCENES.glob("*.pkl")):
        truth = load_nuscenes_scene(path).ground_truth
        scenes = [replace(scene, ego=EgoState(scene.stamp_ns, 0.0, 0.0)) for scene in truth]
        for instant in LoggedScenes(path, scenes).instants():
            rows, counts = sample_rows(instant.history, instant.futures)
            classes = instant.history.scene.classes[rows]
            ways = baseline_futures(instant.history.states[rows], classes, LaneFollower(None))
            for name, way in ways.items():
                gap = np.linalg.norm(way - instant.futures[rows, :, :2], axis=-1)[counts[:, -1]]
                for kind, distance in zip(kinds_of(classes[counts[:, -1]]).tolist(), gap, strict=True):
                    errors.setdefault((kind, name), []).append(np.array([distance.mean(), distance[-1]]))
    found = {key: (len(rows), *np.mean(rows, axis=0).round(2).tolist()) for key, rows in errors.items()}
    assert found[0, "cv"] == (292, 6.76, 17.59)
    assert found[0, "ctr"] == (292, 8.14, 21.61)
    assert found[0, "ctrv"] == (292, 6.93, 18.62)
    assert found[1, "cv"] == (30, 4.02, 10.09)
    assert found[2, "cv"] == (414, 1.00, 2.32)
    assert found[2, "ctrv"] == (414, 1.08, 2.67)
