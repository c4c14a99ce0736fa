"""Run traffic in a town and record it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.episode import Episode
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import STEP, Snapshot, TrafficWorld


def simulate_episode(
    town: Town, seed: int, *, duration: float, warm_up: float = 20.0, config: DemandConfig | None = None
) -> Episode:
    """Run SUMO and record everyone.

    Args:
        town: Where.
        seed: The same seed gives the same episode.
        duration: Length of the recording [s].
        warm_up: Traffic before the recording starts, so that the roads are filled [s].
        config: How busy; by default the default of `DemandConfig` for as long as needed.

    Raises:
        ConfigurationError: SUMO is not installed.
    """
    config = config or DemandConfig(duration=warm_up + duration)
    with tempfile.TemporaryDirectory() as folder, TrafficWorld(town, config, seed, Path(folder)) as world:
        world.run(warm_up)
        snapshots = [world.step() for _ in range(round(duration / STEP))]
        return record(town, world, snapshots)


def record(town: Town, world: TrafficWorld, snapshots: list[Snapshot]) -> Episode:
    """Join snapshots to an episode whose stamps start at 0."""
    ids = np.unique(np.concatenate([s.ids for s in snapshots])) if snapshots else np.zeros(0, np.int64)
    t, n = len(snapshots), len(ids)
    states = np.zeros((t, n, len(HistoryColumn)), np.float32)
    attributes = np.zeros((t, n, 6), np.uint8)
    valid = np.zeros((t, n), bool)
    for i, snapshot in enumerate(snapshots):
        rows, present = snapshot.rows(ids)
        states[i, present] = snapshot.states[rows[present]]
        attributes[i, present] = snapshot.attributes[rows[present]]
        valid[i] = present
    users = [world.users[i] for i in ids.tolist()]
    return Episode(
        network=town.net.network,
        stamps_ns=np.arange(t, dtype=np.int64) * round(STEP * 1e9),
        ids=ids,
        classes=np.array([u.kind for u in users], np.uint8),
        sizes=np.array([u.size for u in users], np.float32).reshape(-1, 3),
        states=states,
        valid=valid,
        attributes=attributes,
        signal_states=np.array([s.signals for s in snapshots], np.uint8).reshape(t, len(town.net.signal_links)),
    )
