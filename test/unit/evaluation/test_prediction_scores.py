"""Scores of futures against hand-computed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.predictions import MODES, STEP, STEPS, PredictedAgents
from zoox_stack.evaluation.prediction_off_road import KnownRoad
from zoox_stack.evaluation.prediction_run import PredictionEvaluation
from zoox_stack.evaluation.prediction_scores import (
    BASELINES,
    CLASS_NAMES,
    Measure,
    PredictionScores,
    sample_rows,
    score_scene,
)
from zoox_stack.evaluation.prediction_summary import calibration_error, reliability, summarise
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn, SceneHistory
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.queries import LaneIndex

TIME = STEP * np.arange(1, STEPS + 1)
NO_ROAD = KnownRoad(None)
ALL = np.ones(1, bool)


def history_of(position: NDArray[np.float64], classes: list[int], seen: int = HISTORY_STEPS) -> SceneHistory:
    """Agents at ``[N, 2]``, of which the last has been seen for `seen` steps."""
    n = len(position)
    scene = TrackedAgents.from_states(
        1, np.arange(n) + 10, np.array(classes, np.uint8), np.column_stack([position, np.zeros(n)]), np.zeros(n),
        np.zeros((n, 2)), np.ones((n, 3), np.float32), ego=EgoState(1, 0.0, 0.0),
    )  # fmt: skip
    valid = np.ones((n, HISTORY_STEPS), bool)
    valid[-1, : HISTORY_STEPS - seen] = False
    states = np.zeros((n, HISTORY_STEPS, len(HistoryColumn)))
    states[:, :, :2] = position[:, None]
    return SceneHistory(scene, states, valid, np.zeros((HISTORY_STEPS, 5)), np.ones(HISTORY_STEPS, bool))


def moving_at(speed: float, y: float = 0.0) -> NDArray[np.float64]:
    """``[T, 3]``"""
    return np.stack([speed * TIME, np.full(STEPS, y), np.zeros(STEPS)], axis=1)


def predicted(ways: NDArray[np.float64], probabilities: list[float], variance: float = 1.0) -> PredictedAgents:
    """Modes ``[N, K, T, 2]`` with round covariances."""
    n, k, t, _ = ways.shape
    covariances = np.zeros((n, k, t, 3), np.float32)
    covariances[..., 0] = covariances[..., 2] = variance
    return PredictedAgents(
        1, np.arange(n) + 10, np.tile(np.array(probabilities, np.float32), (n, 1)), np.zeros(2), ways,
        np.zeros((n, k, t)), covariances,
    )  # fmt: skip


def scored(
    ways: NDArray[np.float64], probabilities: list[float], future: NDArray[np.float64], kind: int = AgentClass.CAR,
    variance: float = 1.0, road: KnownRoad = NO_ROAD, by_network: bool = True,
) -> PredictionScores:  # fmt: skip
    """Scores of one agent that is at the origin now; the baselines stand still."""
    history = history_of(np.zeros((1, 2)), [kind])
    still = {name: np.zeros((1, STEPS, 2)) for name in BASELINES}
    network = np.array([by_network])
    return score_scene(4, history, future[None], predicted(ways[None], probabilities, variance), network, still, road)


def modes(*speeds: float, y: float = 0.0) -> NDArray[np.float64]:
    return np.stack([moving_at(speed, y)[:, :2] for speed in speeds])


def test_who_is_a_sample_when() -> None:
    futures = np.stack([moving_at(1.0), moving_at(0.3), moving_at(5.0), moving_at(5.0), moving_at(5.0), moving_at(5.0)])
    futures[2, 45] = np.nan  # not there at 4.6 s
    classes = [AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.BUS, AgentClass.HAZARD, AgentClass.ANIMAL, 1]
    rows, counts = sample_rows(history_of(np.zeros((6, 2)), classes, seen=10), futures)
    assert rows.tolist() == [0, 1, 2, 4]  # a hazard is none, the last was not there a second ago
    assert counts.tolist() == [[True] * 3, [False, False, True], [True, False, False], [True] * 3]


def test_errors_by_hand() -> None:
    scores = scored(modes(10.0, 8.0, 6.0), [0.2, 0.7, 0.1], moving_at(9.8))
    assert (scores.scene[0], scores.agent[0], CLASS_NAMES[scores.kind[0]]) == (4, 10, "vehicle")
    assert scores.by_network[0]
    mean = TIME.mean()
    row = scores.model[0, 2]
    assert row[Measure.ADE_1] == pytest.approx(1.8 * mean, rel=1e-5)
    assert row[Measure.FDE_1] == pytest.approx(1.8 * 8, rel=1e-5)
    assert row[Measure.MISS_1] == 1
    assert row[Measure.ADE_6] == pytest.approx(0.2 * mean, rel=1e-4)
    assert row[Measure.FDE_6] == pytest.approx(1.6, rel=1e-4)
    assert row[Measure.MISS_6] == 0
    assert row[Measure.BRIER_FDE_6] == pytest.approx(1.6 + 0.8**2, rel=1e-4)
    np.testing.assert_allclose(scores.model[0, :, Measure.FDE_1], [1.8 * 3, 1.8 * 5, 1.8 * 8], rtol=1e-5)
    np.testing.assert_allclose(scores.baselines[0, :, 0, Measure.FDE_1], 9.8 * 3)
    assert scores.nearest[0] == 0


def test_the_density_of_a_mixture() -> None:
    future = moving_at(5.0)
    scores = scored(modes(5.0, 5.0), [0.25, 0.75], future, variance=4.0)
    assert scores.model[0, 0, Measure.NLL] == pytest.approx(np.log(2 * np.pi * 4.0), rel=1e-6)
    shifted = scored(modes(5.0, 5.0, y=2.0), [0.25, 0.75], future, variance=4.0)
    assert shifted.model[0, 0, Measure.NLL] == pytest.approx(np.log(2 * np.pi * 4.0) + 0.5, rel=1e-6)
    far = np.stack([future[:, :2], future[:, :2] + 1000.0])
    half = scored(far, [0.5, 0.5], future, variance=4.0)
    assert half.model[0, 0, Measure.NLL] == pytest.approx(np.log(2 * np.pi * 4.0) + np.log(2.0), rel=1e-6)


def test_the_ellipses_of_a_normal_distribution_hold_what_they_should() -> None:
    rng = np.random.default_rng(5)
    parts = []
    for _ in range(150):
        way = np.zeros((2, STEPS, 2))
        way[0] = moving_at(5.0)[:, :2] + rng.normal(0, 1.5, (STEPS, 2))
        way[1] = 500.0
        parts.append(scored(way, [0.5, 0.5], moving_at(5.0), variance=1.5**2))
    covered = PredictionScores.concatenate(parts).covered.mean(axis=0)
    np.testing.assert_allclose(covered, [0.5, 0.9, 0.95], atol=0.015)


def test_equal_modes_are_no_network() -> None:
    assert not scored(modes(*[3.0] * MODES), [1.0] + [0.0] * 5, moving_at(5.0), by_network=False).by_network[0]


def test_off_the_road_is_counted_where_the_map_is_known() -> None:
    """From the west arm of a crossing: one mode stays on it, one swerves onto the grass, one drives off the map."""
    road = KnownRoad(LaneIndex(crossing()))
    start = np.array([-110.0, -1.75, 0.0])
    history = history_of(start[None, :2], [AgentClass.CAR])
    future = moving_at(10.0) + start
    ways = modes(10.0, 10.0, -10.0) + start[:2]
    ways[1, 60:, 1] += 30.0
    still = {name: np.tile(start[:2], (1, STEPS, 1)) for name in BASELINES}
    scores = score_scene(0, history, future[None], predicted(ways[None], [0.5, 0.3, 0.2]), ALL, still, road)
    assert scores.off_road[0, 0].tolist() == pytest.approx([20 / STEPS / 3, 1 / 3])
    assert scores.off_road[0, 1:].max() == 0.0
    for case in (
        score_scene(0, history, future[None], predicted(ways[None], [0.5, 0.3, 0.2]), ALL, still, NO_ROAD),
        score_scene(0, history, future[None] + [0, 30, 0], predicted(ways[None], [0.5, 0.3, 0.2]), ALL, still, road),
        score_scene(
            0, history_of(start[None, :2], [AgentClass.PEDESTRIAN]), future[None],
            predicted(ways[None], [0.5, 0.3, 0.2]), ALL, still, road,
        ),
    ):  # no map, a truth that the map does not know, a pedestrian  # fmt: skip
        assert np.isnan(case.off_road).all()


def evaluation(parts: list[PredictionScores]) -> PredictionEvaluation:
    return PredictionEvaluation(PredictionScores.concatenate(parts), ("a",) * 5, ("one",) * 4 + ("two",), (), "m")


def test_calibration_by_hand() -> None:
    """Of four road users the mode of 0.8 is the nearest for two: the gap is 0.3 for it, and for that of 0.2 as well."""
    fast, slow = moving_at(10.0), moving_at(5.0)
    parts = [scored(modes(10.0, 5.0), [0.8, 0.2], future) for future in (fast, fast, slow, slow)]
    bins = reliability(PredictionScores.concatenate(parts))
    assert [(row["n"], row["frequency"]) for row in bins] == [(4, 0.5), (4, 0.5)]
    assert [row["probability"] for row in bins] == pytest.approx([0.2, 0.8], rel=1e-5)
    assert calibration_error(bins) == pytest.approx(0.3, abs=1e-4)


def test_what_nobody_measured_is_none() -> None:
    future = moving_at(1.0)
    future[50:] = np.nan
    result = summarise(evaluation([scored(modes(1.0, 2.0), [0.5, 0.5], future)]), per_source=True)
    entry = result["classes"]["vehicle"]
    assert (entry["n"], entry["samples"]) == (0, {"3s": 1, "5s": 1, "8s": 0})
    assert entry["model"]["minADE6_5s"] == pytest.approx(0.0, abs=1e-4)
    assert entry["model"]["minADE6_8s"] is entry["model_over_best_baseline"] is result["ece"] is None
    assert list(result["classes"]) == ["vehicle"]
    assert {name: part["scenes"] for name, part in result["sources"].items()} == {"one": 4, "two": 1}


def test_rules_take_no_part_in_calibration() -> None:
    by_rule = scored(modes(*[3.0] * 2), [1.0, 0.0], moving_at(5.0), by_network=False)
    result = summarise(evaluation([by_rule, scored(modes(5.0, 9.0), [0.5, 0.5], moving_at(5.0))]))
    assert (result["samples"], result["samples_by_rule"]) == (2, 1)
    assert sum(row["n"] for row in result["reliability"]) == 2
    assert result["classes"]["vehicle"]["n"] == 2
    assert result["classes"]["vehicle"]["model_over_best_baseline"] == pytest.approx(1.0 / 5.0, rel=1e-3)
