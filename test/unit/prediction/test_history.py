"""History of scenes on the 0.1 s grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryBuffer, HistoryColumn, ego_row

STEP_NS = 100_000_000


def scene(step: int, ids: list[int], ego: bool = True, offset_ns: int = 0) -> TrackedAgents:
    n = len(ids)
    position = np.array([[10.0 * i + step, 2.0 * i, 0.0] for i in ids]).reshape(n, 3)
    stamp = 10**12 + step * STEP_NS + offset_ns
    return TrackedAgents.from_states(
        stamp, np.array(ids, np.int64), np.ones(n, np.uint8), position, np.zeros(n), np.tile([10.0, 0.0], (n, 1)),
        np.ones((n, 3), np.float32), ego=EgoState(stamp_ns=stamp, x=float(step), y=0.0, speed=10.0) if ego else None,
    )  # fmt: skip


def test_first_scene_knows_only_now() -> None:
    history = HistoryBuffer().push(scene(0, [3, 7]))
    assert history.valid.sum(axis=1).tolist() == [1, 1]
    assert history.valid[:, -1].all()
    assert history.ego_valid.tolist() == [False] * (HISTORY_STEPS - 1) + [True]


def test_agents_keep_their_rows_when_others_come_and_go() -> None:
    buffer = HistoryBuffer()
    for step in range(10):
        buffer.push(scene(step, [2, 5] if step % 2 else [5, 9]))
    history = buffer.push(scene(10, [2, 5, 9]))
    assert history.valid.all(axis=1).tolist() == [False, True, False]
    x = history.states[1, :, HistoryColumn.X]
    np.testing.assert_allclose(x, 50.0 + np.arange(11))
    assert (history.states[~history.valid] == 0).all()


def test_jitter_of_a_third_of_a_step_is_bridged_and_a_gap_is_not() -> None:
    buffer = HistoryBuffer()
    for step in range(11):
        if step != 4:
            history = buffer.push(scene(step, [1], offset_ns=30_000_000 if step == 7 else 0))
    assert history.valid[0].tolist() == [step != 4 for step in range(11)]


def test_going_back_in_time_starts_anew() -> None:
    buffer = HistoryBuffer()
    for step in range(11):
        buffer.push(scene(step, [1]))
    assert buffer.push(scene(5, [1])).valid.sum() == 1


def test_ego_centre_moves_with_the_turn() -> None:
    ego = EgoState(stamp_ns=1, x=1.0, y=2.0, yaw=np.pi / 2, speed=5.0, yaw_rate=0.2, rear_axle_to_centre=1.5)
    row = ego_row(ego)
    np.testing.assert_allclose(row[:2], [1.0, 3.5], atol=1e-12)
    np.testing.assert_allclose(row[3:], [-0.3, 5.0], atol=1e-12)


def test_without_odometry_the_ego_is_unknown() -> None:
    history = HistoryBuffer().push(scene(0, [1], ego=False))
    assert not history.ego_valid.any()


@pytest.mark.parametrize("rate", [10, 20, 50, 100])
def test_a_second_is_a_second_at_any_rate(rate: int) -> None:
    buffer = HistoryBuffer()
    for step in range(2 * rate + 1):
        now = replace(scene(0, [1]), stamp_ns=10**12 + step * 1_000_000_000 // rate)
        history = buffer.push(replace(now, position=np.array([[step / rate, 0.0, 0.0]])))
    assert history.valid.all()
    assert history.ego_valid.all()
    np.testing.assert_allclose(history.states[0, :, HistoryColumn.X], 2.0 - 0.1 * np.arange(11)[::-1], atol=0.051)
