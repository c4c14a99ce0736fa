"""Many points against many lanes: the same answers as looking at every piece of every lane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.buckets import Buckets, CellGrid, expand
from zoox_stack.road_network.made_up import crossing, curved_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.queries import LaneIndex

TOWN = LaneIndex(grid_of_crossings(3, 2, arm=40.0))


def by_hand(index: LaneIndex, point: np.ndarray, yaw: float, reach: float, turn: float) -> tuple[int, float, float]:
    """Best row, distance and heading error of one point, one piece after the other."""
    best = (np.inf, -1, np.inf, 0.0)
    for row in sorted(index.lines):
        line = index.lines[row]
        for i in range(len(line.s) - 1):
            a, b = line.xy[i], line.xy[i + 1]
            share = float(np.clip((point - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1))
            distance = float(np.linalg.norm(point - a - share * (b - a)))
            error = float(wrap_angle(yaw - (line.heading[i] + share * (line.heading[i + 1] - line.heading[i]))))
            score = distance + 4.0 * abs(error)
            if distance <= reach and abs(error) <= turn and score < best[0] - 1e-12:
                best = (score, row, distance, error)
    return best[1:]


def test_nearest_is_what_looking_at_every_piece_gives() -> None:
    rng, index = np.random.default_rng(3), LaneIndex(crossing(arm=40.0))
    on_lanes = index.network.centre_lines.values
    on_lanes = on_lanes[rng.integers(0, len(on_lanes), 40), :2] + rng.normal(0, 2, (40, 2))
    # Many points lie in the middle of the crossing, where twelve lanes overlap.
    points = np.concatenate([rng.uniform(-60, 60, (20, 2)), on_lanes, rng.normal(0, 5, (20, 2))])
    yaw = rng.uniform(-4, 4, len(points))
    found = index.nearest(points, yaw, max_distance=4.0, max_heading_error=1.0)
    expected = [by_hand(index, p, float(h), 4.0, 1.0) for p, h in zip(points, yaw, strict=True)]
    assert found.rows.tolist() == [row for row, _, _ in expected]
    np.testing.assert_allclose(found.distance, [d for _, d, _ in expected], atol=1e-9)
    np.testing.assert_allclose(found.heading_error, [e for _, _, e in expected], atol=1e-9)
    assert 20 < (found.rows >= 0).sum() < len(points)


@pytest.mark.parametrize("reach", [0.5, 4.0, 30.0])
def test_reach_is_exact_for_lanes_between_the_cells(reach: float) -> None:
    index = LaneIndex(curved_road(lanes=1, radius=60.0))
    away = np.array([[30.0, -reach + 1e-6], [30.0, -reach - 1e-6]])
    found = index.nearest(away, max_distance=reach)
    assert found.rows.tolist() == [0, -1]
    assert found.distance[0] == pytest.approx(reach, abs=1e-5)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@settings(max_examples=10, deadline=None)
def test_nearest_moves_with_the_map(dx: float, dy: float) -> None:
    base, shift = crossing(), np.array([dx, dy, 0.0])

    def moved(lines: Ragged) -> Ragged:
        return Ragged(lines.values + shift, lines.offsets)

    index = LaneIndex(
        replace(base, centre_lines=moved(base.centre_lines), left_boundaries=moved(base.left_boundaries),
                right_boundaries=moved(base.right_boundaries))
    )  # fmt: skip
    point = np.array([[-60.0, -1.0], [0.3, 2.0]])
    here, there = LaneIndex(base).nearest(point), index.nearest(point + shift[:2])
    assert here.rows.tolist() == there.rows.tolist()
    np.testing.assert_allclose(here.distance, there.distance, atol=1e-6)


def test_projection_is_that_of_each_lane_alone() -> None:
    rng = np.random.default_rng(5)
    rows = rng.choice(list(TOWN.lines), 200)
    points = rng.uniform(-80, 250, (200, 2))
    found = TOWN.project(points, rows)
    for i, row in enumerate(rows):
        alone = TOWN.lines[int(row)].project(points[i : i + 1])
        assert found.s[i] == pytest.approx(alone.s[0], abs=1e-9)
        assert found.d[i] == pytest.approx(alone.d[0], abs=1e-9)
        assert found.heading[i] == pytest.approx(alone.heading[0], abs=1e-9)
        assert found.curvature[i] == pytest.approx(alone.curvature[0], abs=1e-9)


def test_projection_of_nothing_and_of_wrong_rows() -> None:
    assert len(TOWN.project(np.zeros((0, 2)), np.zeros(0, int)).s) == 0
    with pytest.raises(InvalidInputError, match="one for each of 2 points"):
        TOWN.project(np.zeros((2, 2)), [0])
    for row in (-1, 10_000):
        with pytest.raises(InvalidInputError, match=str(row)):
            TOWN.project(np.zeros((1, 2)), [row])


def test_expand_and_buckets() -> None:
    row, value = expand(np.array([5, 9, 2]), np.array([2, 0, 1]))
    assert row.tolist() == [0, 0, 2]
    assert value.tolist() == [5, 6, 2]
    buckets = Buckets(np.array([7, 3, 7, 5]), np.array([2, 0, 1, 9]))
    question, item = buckets.fetch(np.array([7, 0, 4]), np.array([7, 2, 7]))
    assert question.tolist() == [0, 0, 2, 2, 2]
    assert item.tolist() == [1, 2, 9, 1, 2]


def test_cells_left_of_and_below_the_origin_are_their_own() -> None:
    points = np.array([[-0.5, -0.5], [0.5, 0.5], [-1e7, 0.0], [1e7, 0.0]])
    grid = CellGrid.of_points(points, 1.0)
    assert [grid.near(p[None], 0.0)[1].tolist() for p in points] == [[0], [1], [2], [3]]
    assert grid.near(np.array([[0.0, 0.0]]), 0.6)[1].tolist() == [0, 1]
