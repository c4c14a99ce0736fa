"""Plans, decisions, routes and predictions at the door."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.classes import PredictionSource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan, PlanDecision, Route
from zoox_stack.core.predictions import PredictedAgents


def plan(**change: object) -> EgoPlan:
    line = np.arange(4.0)
    values = dict.fromkeys(("x", "y", "yaw", "speed", "acceleration", "curvature"), line)
    return EgoPlan(**({"id": 1, "name": "go", "step": 0.1} | values | change))  # type: ignore[arg-type]


def predicted(agents: int = 2, modes: int = 3, steps: int = 4) -> PredictedAgents:
    shape = (agents, modes, steps)
    return PredictedAgents(
        0, np.arange(agents), np.full((agents, modes), 1 / modes), np.array([100.0, 200.0]), np.ones((*shape, 2)),
        np.zeros(shape), np.ones((*shape, 3)),
    )  # fmt: skip


def decision(**change: object) -> PlanDecision:
    values: dict[str, object] = {
        "stamp_ns": 0, "predictions_from": PredictionSource.MODEL, "answer_status": WhatIfStatus.OK,
        "conditional": True, "chosen": 1, "explanation": "", "names": ("a", "b"), "origin": np.zeros(2), "step": 0.1,
        "positions": np.zeros((2, 4, 2)), "speeds": np.zeros((2, 4)), "rejections": np.zeros(2, np.uint8),
        "cost_names": ("m",), "costs": np.zeros((2, 1)), "totals": np.zeros(2), "asked": np.array([1], np.uint32),
        "collision_probabilities": np.array([np.nan]), "conditional_totals": np.array([np.nan]),
    }  # fmt: skip
    return PlanDecision(**(values | change))  # type: ignore[arg-type]


def test_plan_positions() -> None:
    assert plan().xy.shape == (4, 2)
    assert len(plan()) == 4


@pytest.mark.parametrize(
    "change", [{"x": np.zeros(0)}, {"y": np.zeros(3)}, {"yaw": np.full(4, np.nan)}, {"step": 0.0}, {"step": np.inf}]
)
def test_bad_plans_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="EgoPlan"):
        plan(**change)


def test_predictions_know_their_map_positions() -> None:
    futures = predicted()
    assert (len(futures), futures.modes, futures.steps) == (2, 3, 4)
    np.testing.assert_allclose(futures.map_positions[0, 0, 0], [101.0, 201.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.full((2, 3), 0.2)}, "sum to 1"),
        ({"positions": np.full((2, 3, 4, 2), np.inf)}, "finite"),
        ({"positions": np.zeros((2, 3, 4))}, "4 axes"),
        ({"headings": np.zeros((2, 3, 5))}, "headings"),
        ({"covariances": np.zeros((2, 3, 4, 2))}, "covariances"),
        ({"agent_ids": np.arange(3)}, "agent_ids"),
        ({"step": -0.1}, "step"),
    ],
)
def test_bad_predictions_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(predicted(), **change)


def test_no_agents_is_a_valid_prediction() -> None:
    assert len(predicted(agents=0)) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"chosen": 2},
        {"asked": np.array([2], np.uint32)},
        {"costs": np.zeros((2, 2))},
        {"rejections": np.array([0, 200], np.uint8)},
        {"positions": np.zeros((3, 4, 2))},
        {"conditional_totals": np.zeros(2)},
    ],
)
def test_decisions_that_do_not_fit_together_are_refused(change: dict[str, object]) -> None:
    decision()
    with pytest.raises(InvalidInputError, match="PlanDecision"):
        decision(**change)


def test_route_needs_two_points() -> None:
    assert len(Route(0, np.zeros((2, 3))).lane_ids) == 0
    with pytest.raises(InvalidInputError, match="2 points"):
        Route(0, np.zeros((1, 3)))
