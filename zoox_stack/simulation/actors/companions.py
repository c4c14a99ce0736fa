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
        self._seen = np.zeros(0, np.int64)  # ids at the step before
        self._present = np.zeros(0, np.int64)  # companions whose leader was there then
        self._rows = np.zeros(0, np.int64)  # of these leaders
        self._friends: dict[int, list[int]] = {}
        for friend in ordered:
            self._friends.setdefault(friend.leader, []).append(friend.id)

    def friends(self, leader: int) -> list[int]:
        """Ids of those who walk with somebody."""
        return self._friends.get(leader, [])

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
        if ids is not self._seen:
            rows = np.searchsorted(ids, self.leaders).clip(max=len(ids) - 1)
            self._present = np.flatnonzero(ids[rows] == self.leaders)
            self._seen, self._rows = ids, rows[self._present]
        leader, (ahead, left) = states[self._rows], self._offsets[self._present].T
        yaw = leader[:, HistoryColumn.YAW]
        c, s = np.cos(yaw), np.sin(yaw)
        places = np.empty((len(leader), 3))
        places[:, 0] = leader[:, HistoryColumn.X] + leader[:, HistoryColumn.VX] * dt + ahead * c - left * s
        places[:, 1] = leader[:, HistoryColumn.Y] + leader[:, HistoryColumn.VY] * dt + ahead * s + left * c
        places[:, 2] = yaw
        return self.ids[self._present], places
