"""Prediction errors on made-up drives whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.predictions import STEPS
from zoox_stack.evaluation.prediction_errors import matched, prediction_errors


def scene(step: int, *, ids: tuple[int, ...] = (1, 2), accelerate: float = 0.0, shift: float = 0.0) -> TrackedAgents:
    """A car at 5 m/s along x and a standing pedestrian."""
    t = 0.1 * step
    position = np.array([[5 * t + 0.5 * accelerate * t * t + shift, 0.0, 0.0], [0.0, 9.0, 0.0]])
    velocity = np.array([[5.0 + accelerate * t, 0.0], [0.0, 0.0]])
    return TrackedAgents.from_states(
        10**9 + step * 10**8, np.array(ids), np.array([1, 7], np.uint8), position, np.zeros(2), velocity,
        np.ones((2, 3), np.float32),
    )  # fmt: skip


def run(accelerate: float = 0.0) -> dict:
    scenes = [scene(step, accelerate=accelerate) for step in range(101)]
    return prediction_errors(
        [constant_velocity_prediction(s, modes=2) for s in scenes], {s.stamp_ns: s for s in scenes}, []
    )


def test_constant_velocity_is_exact_on_constant_velocity() -> None:
    errors = run()
    assert errors["truth"] == "tracks"
    assert errors["vehicle"]["3s"]["n"] == 8
    assert errors["vehicle"]["8s"]["n"] == 3
    assert errors["vehicle"]["8s"]["fde_1"] == pytest.approx(0.0, abs=1e-3)
    assert "pedestrian" not in errors  # it stands still


def test_acceleration_gives_the_known_error() -> None:
    errors = run(accelerate=1.0)["vehicle"]["3s"]
    assert errors["fde_1"] == pytest.approx(4.5, abs=0.01)
    assert errors["cv_fde"] == pytest.approx(errors["fde_1"], abs=0.01)
    assert errors["miss_rate"] == 1.0
    steps = 0.1 * np.arange(1, 31)
    assert errors["ade_1"] == pytest.approx((0.5 * steps**2).mean(), abs=0.01)


def test_best_of_modes_and_likeliest_mode_differ() -> None:
    scenes = [scene(step) for step in range(101)]
    predictions = []
    for s in scenes:
        p = constant_velocity_prediction(s, modes=2)
        positions = np.array(p.positions)
        positions[:, 0] += 3.0  # the likeliest mode is off by 3 m in x and y
        predictions.append(replace(p, positions=positions))
    errors = prediction_errors(predictions, {s.stamp_ns: s for s in scenes}, [])["vehicle"]["5s"]
    assert errors["fde_1"] == pytest.approx(3 * np.sqrt(2), abs=1e-2)
    assert errors["min_fde"] == pytest.approx(0.0, abs=1e-3)
    assert errors["miss_rate"] == 0.0


def test_labels_with_other_ids_are_matched_by_place() -> None:
    scenes = [scene(step, shift=0.4) for step in range(101)]
    labels = [scene(step, ids=(70, 90)) for step in range(101)]
    assert matched(scenes[0], labels[0]) == {1: 70, 2: 90}
    errors = prediction_errors(
        [constant_velocity_prediction(s) for s in scenes], {s.stamp_ns: s for s in scenes}, labels
    )
    assert errors["truth"] == "labels"
    assert errors["vehicle"]["3s"]["fde_1"] == pytest.approx(0.4, abs=1e-3)


def test_tracks_far_from_every_label_are_not_scored() -> None:
    scenes = [scene(step, shift=30.0) for step in range(101)]
    labels = [scene(step) for step in range(101)]
    errors = prediction_errors(
        [constant_velocity_prediction(s) for s in scenes], {s.stamp_ns: s for s in scenes}, labels
    )
    assert "vehicle" not in errors


def test_nothing_to_score() -> None:
    assert prediction_errors([], {}, []) == {"truth": "tracks"}
    short = [scene(step) for step in range(STEPS // 4)]
    assert prediction_errors([constant_velocity_prediction(s) for s in short], {s.stamp_ns: s for s in short}, []) == {
        "truth": "tracks"
    }
