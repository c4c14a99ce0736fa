from __future__ import annotations

import numpy as np

from zoox_stack.core.classes import AgentClass
from zoox_stack.perception.tracking.matching import assign, match_cost

ONE = np.eye(2)[None]


def cost(gap: float, track: AgentClass = AgentClass.CAR, detection: AgentClass = AgentClass.CAR) -> float:
    classes = np.eye(10)
    return float(
        match_cost(
            np.zeros((1, 2)), ONE, classes[[track]], np.array([[gap, 0.0]]), ONE, classes[[detection]],
            gate=13.8, max_distance=6.0, class_weight=2.0,
        )[0, 0]
    )  # fmt: skip


def test_cost_is_the_squared_mahalanobis_distance() -> None:
    np.testing.assert_allclose(cost(2.0), 2.0)


def test_gates() -> None:
    assert np.isinf(cost(5.3))
    assert np.isfinite(cost(5.2))
    wide = match_cost(
        np.zeros((1, 2)), 100 * ONE, np.eye(10)[[1]], np.array([[6.1, 0.0]]), ONE, np.eye(10)[[1]],
        gate=13.8, max_distance=6.0, class_weight=2.0,
    )  # fmt: skip
    assert np.isinf(wide[0, 0])


def test_classes_that_exclude_each_other_do_not_match() -> None:
    assert np.isinf(cost(0.1, AgentClass.CAR, AgentClass.PEDESTRIAN))
    same, near, unknown = (cost(0.1, AgentClass.CAR, c) for c in (AgentClass.CAR, AgentClass.TRUCK, AgentClass.UNKNOWN))
    assert same < near < unknown < np.inf


def test_the_assignment_is_best_on_the_whole() -> None:
    rows, columns = assign(np.array([[1.0, 2.0], [1.5, np.inf]]), 10.0)
    np.testing.assert_array_equal(rows, [0, 1])
    np.testing.assert_array_equal(columns, [1, 0])


def test_bad_pairs_are_left_apart() -> None:
    table = np.array([[1.0, np.inf, np.inf], [np.inf, np.inf, np.inf]])
    before = table.copy()
    rows, columns = assign(table, 10.0)
    np.testing.assert_array_equal(rows, [0])
    np.testing.assert_array_equal(columns, [0])
    np.testing.assert_array_equal(table, before)
    assert len(assign(np.zeros((0, 3)), 10.0)[0]) == 0
