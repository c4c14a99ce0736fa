"""What SUMO knows, as the scene the stack would see with perfect sensors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.world import EGO_ID, STEP, Snapshot, TrafficWorld

START_NS = 1_700_000_000_000_000_000  # stamps of real logs are of this size


def stamp_of(snapshot: Snapshot) -> int:
    """Stamp [ns] of an instant of the simulation."""
    return START_NS + round(snapshot.time * 1e9)


def signals_of(snapshot: Snapshot, network: RoadNetwork) -> TrafficSignals:
    """States of all signals at an instant."""
    certain = np.ones(len(network.signal_ids), np.float32)
    return TrafficSignals(stamp_of(snapshot), network.signal_ids, snapshot.signals, certain)


class GroundTruth:
    """Makes exact scenes of snapshots, one after the other: acceleration, yaw rate and age come from those before.

    Args:
        world: Knows who is who.
    """

    def __init__(self, world: TrafficWorld) -> None:
        self._world = world
        self._last: Snapshot | None = None
        self._ids = np.zeros(0, np.int64)
        self._born = np.zeros(0)  # [s] when each of them came
        self._kinds, self._sizes = np.zeros(0, np.uint8), np.zeros((0, 3), np.float32)

    def scene(self, snapshot: Snapshot, ego: EgoState | None) -> TrackedAgents:
        """Everyone but the ego at an instant; each must be later than the one before.

        Args:
            snapshot: The instant.
            ego: The ego then; it is left out of the agents.
        """
        acceleration, yaw_rate = self._changes(snapshot)
        if not np.array_equal(snapshot.ids, self._ids):
            self._meet(snapshot)
        self._last = snapshot
        rows = np.flatnonzero(snapshot.ids != EGO_ID)
        sizes, states = self._sizes[rows], snapshot.states[rows]
        return TrackedAgents.from_states(
            stamp_of(snapshot),
            snapshot.ids[rows],
            self._kinds[rows],
            np.column_stack([states[:, :2], sizes[:, 2] / 2]),
            np.asarray(wrap_angle(states[:, HistoryColumn.YAW])),
            states[:, HistoryColumn.VX :],
            sizes,
            ego=ego,
            acceleration=acceleration[rows],
            yaw_rate=yaw_rate[rows],
            attributes=snapshot.attributes[rows],
            age=(snapshot.time - self._born[rows]).astype(np.float32),
        )

    def _meet(self, snapshot: Snapshot) -> None:
        """Learn who is there now that somebody has come or gone."""
        born = dict(zip(self._ids.tolist(), self._born.tolist(), strict=True))
        users = [self._world.users[i] for i in snapshot.ids.tolist()]
        self._ids = snapshot.ids
        self._born = np.array([born.get(i, snapshot.time) for i in snapshot.ids.tolist()], np.float64)
        self._kinds = np.array([user.kind for user in users], np.uint8)
        self._sizes = np.array([user.size for user in users], np.float32).reshape(-1, 3)

    def _changes(self, snapshot: Snapshot) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Acceleration ``[N, 2]`` and yaw rate ``[N]`` since the last snapshot; 0 for newcomers and after a gap."""
        last = self._last
        if last is None or snapshot.time - last.time > 2.5 * STEP:
            return np.zeros((len(snapshot.ids), 2)), np.zeros(len(snapshot.ids))
        rows, known = last.rows(snapshot.ids)
        before = last.states[rows] if len(last.ids) else np.zeros_like(snapshot.states)
        dt = snapshot.time - last.time
        change = np.where(known[:, None], snapshot.states - before, 0.0)
        return change[:, HistoryColumn.VX :] / dt, np.asarray(wrap_angle(change[:, HistoryColumn.YAW])) / dt
