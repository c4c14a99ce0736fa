"""Putting futures together and comparing them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.planning.futures import concatenated, expected_way, later, overlay, staying, way_lost


def futures(ids: list[int], speed: float, modes: int = 1, origin: tuple[float, float] = (0.0, 0.0)) -> PredictedAgents:
    """Agents that start at (10 id, 0) and drive along y."""
    n, time = len(ids), 0.1 * np.arange(1, 81)
    xy = np.zeros((n, modes, 80, 2), np.float32)
    xy[..., 0] = 10.0 * np.array(ids)[:, None, None] - origin[0]
    xy[..., 1] = speed * time - origin[1]
    shape = (n, modes, 80)
    return PredictedAgents(
        0, np.array(ids), np.full((n, modes), 1 / modes), np.array(origin), xy, np.zeros(shape),
        np.ones((*shape, 3)),
    )  # fmt: skip


def test_overlay_replaces_only_agents_given() -> None:
    merged = overlay(futures([1, 2, 3], 5.0), futures([2], 1.0, modes=4, origin=(100.0, -50.0)))
    assert merged.agent_ids.tolist() == [1, 2, 3]
    assert merged.modes == 4
    end = merged.map_positions[:, 0, -1]
    np.testing.assert_allclose(end, [[10.0, 40.0], [20.0, 8.0], [30.0, 40.0]], atol=1e-4)
    np.testing.assert_allclose(merged.probabilities[0], [1.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(merged.probabilities[1], 0.25)


def test_concatenated_whatever_their_modes_and_origins() -> None:
    joined = concatenated([futures([1], 5.0), futures([2, 3], 1.0, modes=4, origin=(100.0, -50.0))])
    assert joined.agent_ids.tolist() == [1, 2, 3]
    np.testing.assert_allclose(joined.map_positions[:, 0, -1], [[10.0, 40.0], [20.0, 8.0], [30.0, 8.0]], atol=1e-4)
    np.testing.assert_allclose(joined.probabilities[0], [1.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(joined.probabilities.sum(axis=1), 1.0)


def test_overlay_of_all_or_of_none() -> None:
    base, other = futures([1, 2], 5.0), futures([1, 2], 1.0)
    assert overlay(base, other) is other
    nobody = other.take(np.zeros(0, np.int64))
    assert overlay(base, nobody) is base
    assert overlay(nobody, base) is nobody


def test_overlay_ignores_agents_the_base_does_not_have() -> None:
    merged = overlay(futures([1, 2], 5.0), futures([2, 9], 1.0))
    assert merged.agent_ids.tolist() == [1, 2]
    np.testing.assert_allclose(merged.map_positions[:, 0, -1, 1], [40.0, 8.0], atol=1e-4)


def test_later_futures_are_the_same_ones_shifted_and_carried_on() -> None:
    now = futures([1, 2], 5.0, modes=2)
    then = later(now, 3)
    np.testing.assert_array_equal(then.positions[:, :, :77], now.positions[:, :, 3:])
    np.testing.assert_allclose(then.map_positions[0, 0, -1], [10.0, 5.0 * 8.3], atol=1e-4)
    assert later(now, 0) is now
    assert later(now, 500).steps == now.steps


def test_concatenated_futures_share_the_first_origin() -> None:
    both = PredictedAgents.concatenate([futures([1], 5.0), futures([1, 2], 1.0, origin=(100.0, -50.0))])
    assert both.agent_ids.tolist() == [1, 1, 2]
    np.testing.assert_allclose(both.map_positions[:, 0, -1, 1], [40.0, 8.0, 8.0], atol=1e-4)


def test_expected_way_weighs_modes() -> None:
    two = futures([4], 10.0, modes=2)
    positions = two.positions.copy()
    positions[:, 1] = positions[:, 1, :1]
    two = replace(two, positions=positions, probabilities=np.array([[0.25, 0.75]], np.float32))
    way = expected_way(two, np.array([4, 5]))
    assert way[0] == pytest.approx(0.25 * 79.0, rel=1e-3)
    assert np.isnan(way[1])


def test_way_lost_is_counted_from_the_best_answer() -> None:
    lost = way_lost([futures([1, 2], 10.0), futures([1, 2], 4.0)], None, np.array([1, 2]))
    np.testing.assert_allclose(lost, [[0.0, 0.0], [47.4, 47.4]], atol=0.01)


def test_agents_left_out_lose_nothing_or_keep_the_unconditional_way() -> None:
    answers = [futures([1], 2.0), futures([1, 2], 2.0)]
    usual = futures([1, 2], 8.0)
    unknown = way_lost(answers, None, np.array([1, 2]))
    known = way_lost(answers, usual, np.array([1, 2]))
    np.testing.assert_allclose(unknown, 0.0, atol=1e-6)
    np.testing.assert_allclose(known[:, 1], [0.0, 47.4], atol=0.01)


def test_staying_takes_probability_from_the_modes_that_move() -> None:
    before = futures([1, 2], 5.0, modes=4, origin=(100.0, -50.0))
    here = np.array([[10.0, 0.0], [20.0, 0.0]])
    after = staying(before, here, np.array([0.0, 0.8]))
    assert np.array_equal(after.positions[0, :4], before.positions[0])
    stands = int(after.probabilities[1].argmax())
    assert (after.modes, stands) == (5, 4)
    assert after.probabilities[1].tolist() == pytest.approx([0.05] * 4 + [0.8])
    assert after.probabilities[0].tolist() == pytest.approx([0.25] * 4 + [0.0])
    slow = staying(futures([1], 0.1, modes=2), here[:1], np.array([0.8]))
    assert slow.probabilities[0].tolist() == pytest.approx([0.9, 0.1])
    assert after.probabilities[1].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(after.positions[1, stands] + after.origin, np.broadcast_to(here[1], (80, 2)))
    assert staying(before, here, np.zeros(2)) is before
