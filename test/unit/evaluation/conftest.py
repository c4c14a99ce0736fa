"""Made-up traffic recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from zoox_stack.core.classes import AgentClass
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.road_network.network import RoadNetwork

PERIOD = 0.1  # [s]
CAR_SIZE = (4.0, 2.0, 1.5)


@dataclass(frozen=True)
class Track:
    """One road user: positions over time from `start` on, headings along them unless given."""

    x: ArrayLike
    y: ArrayLike
    yaw: ArrayLike | None = None
    kind: AgentClass = AgentClass.CAR
    size: Sequence[float] = CAR_SIZE
    start: int = 0


def make_recording(
    tracks: Sequence[Track], network: RoadNetwork | None = None, signal_states: Any = None
) -> TrafficRecording:
    """Tracks with ids 10, 11, ...; velocities are differences over one step backwards, as a simulator gives them."""
    steps, ids, states = [], [], []
    users = {}
    for number, track in enumerate(tracks):
        x, y = np.broadcast_arrays(np.asarray(track.x, float), np.asarray(track.y, float))
        vx, vy = (np.diff(c, prepend=2 * c[0] - c[1]) / PERIOD for c in (x, y))
        yaw = np.arctan2(vy, vx) if track.yaw is None else np.broadcast_to(track.yaw, x.shape)
        steps.append(track.start + np.arange(len(x)))
        ids.append(np.full(len(x), 10 + number))
        states.append(np.column_stack([x, y, yaw, vx, vy]))
        users[10 + number] = int(track.kind), track.size
    count = max(int(s[-1]) + 1 for s in steps)
    return TrafficRecording.from_rows(
        "made up", np.arange(count, dtype=np.int64) * 100_000_000, np.concatenate(steps), np.concatenate(ids),
        np.concatenate(states), users, network, signal_states,
    )  # fmt: skip


@pytest.fixture
def track() -> type[Track]:
    return Track


@pytest.fixture
def recording() -> Callable[..., TrafficRecording]:
    return make_recording
