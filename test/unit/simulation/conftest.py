"""One small town for all tests of the simulation, and traffic as arrays; tests that need SUMO skip without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.towns import Town, build_town
from zoox_stack.simulation.world import Snapshot, TrafficWorld


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    return build_town("signal_grid", 3, tmp_path_factory.mktemp("towns"))


@dataclass(frozen=True)
class Episode:
    """Traffic over T steps with N road users in all, zero where they are not there."""

    ids: NDArray[np.int64]  # [N], rising
    classes: NDArray[np.uint8]  # [N]
    sizes: NDArray[np.float32]  # [N, 3]
    states: NDArray[np.float32]  # [T, N, 5] HistoryColumn
    valid: NDArray[np.bool_]  # [T, N]
    attributes: NDArray[np.uint8]  # [T, N, 6]
    signals: NDArray[np.uint8]  # [T, S]


def _record(world: TrafficWorld, snapshots: list[Snapshot]) -> Episode:
    ids = np.unique(np.concatenate([s.ids for s in snapshots]))
    t, n = len(snapshots), len(ids)
    states, valid = np.zeros((t, n, len(HistoryColumn)), np.float32), np.zeros((t, n), bool)
    attributes = np.zeros((t, n, 6), np.uint8)
    for i, snapshot in enumerate(snapshots):
        rows, present = snapshot.rows(ids)
        states[i, present], valid[i] = snapshot.states[rows[present]], present
        attributes[i, present] = snapshot.attributes[rows[present]]
    users = [world.users[i] for i in ids.tolist()]
    classes, sizes = np.array([u.kind for u in users], np.uint8), np.array([u.size for u in users], np.float32)
    return Episode(ids, classes, sizes, states, valid, attributes, np.array([s.signals for s in snapshots]))


@pytest.fixture(scope="session")
def record() -> Callable[[TrafficWorld, list[Snapshot]], Episode]:
    """Snapshots as arrays."""
    return _record
