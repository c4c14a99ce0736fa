"""People who walk in a group: they keep their place beside the one of them who is moved by SUMO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.prediction.history import HistoryColumn


@dataclass(frozen=True)
class Companion:
    """Somebody who walks along.

    Attributes:
        id: Of the road user.
        leader: Id of the one who leads.
        ahead: Place before the leader [m].
        left: Place to the left of the leader [m].
    """

    id: int
    leader: int
    ahead: float
    left: float


class Companions:
    """All of a town's companions; they come and go with those who lead.

    Args:
        companions: Who.
    """

    def __init__(self, companions: tuple[Companion, ...]) -> None:
        ordered = sorted(companions, key=lambda c: c.id)
        self.ids = np.array([c.id for c in ordered], np.int64)
        self.leaders = np.array([c.leader for c in ordered], np.int64)
        self._offsets = np.array([(c.ahead, c.left) for c in ordered]).reshape(-1, 2)

    def places(
        self, ids: NDArray[np.int64], states: NDArray[np.float64], dt: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Where the companions of those present want to be `dt` seconds later.

        Args:
            ids: Present agents ``[N]``, rising.
            states: ``[N, 5]``, columns `HistoryColumn`.
            dt: [s].

        Returns:
            Ids ``[C]`` and x, y, yaw ``[C, 3]``.
        """
        if not len(ids) or not len(self.ids):
            return np.zeros(0, np.int64), np.zeros((0, 3))
        rows = np.searchsorted(ids, self.leaders).clip(max=len(ids) - 1)
        present = ids[rows] == self.leaders
        leader, offset = states[rows[present]], self._offsets[present]
        yaw = leader[:, HistoryColumn.YAW]
        heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        across = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
        xy = leader[:, :2] + leader[:, HistoryColumn.VX :] * dt + offset[:, :1] * heading + offset[:, 1:] * across
        return self.ids[present], np.concatenate([xy, yaw[:, None]], axis=1)
