"""People who walk in a group: beside the one of them who is moved by SUMO, or in single file behind.

They keep their place beside the one who leads as long as it lies on a sidewalk or a crossing, on either side. Where it
does not, they walk where the leader has walked, and never step off the footway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.actors.ground import Ground

_KEPT, _ROOM = 0.15, 0.3  # [m] from the rim of the footway: who walks beside stays there, who walks behind goes there
_WAITS = 0.3  # [m/s] while the leader is slower, nobody stands on the roadway
_FILE = 0.75  # [m] between two in single file


@dataclass(frozen=True)
class Companion:
    """Somebody who walks along.

    Attributes:
        id: Of the road user.
        leader: Id of the one who leads.
        ahead: Place before the leader [m].
        left: Place to the left of the leader, or as far to the right [m].
    """

    id: int
    leader: int
    ahead: float
    left: float


class Companions:
    """All of a town's companions; they come and go with those who lead.

    Args:
        companions: Who.
        ground: Where they may walk.
    """

    def __init__(self, companions: tuple[Companion, ...], ground: Ground) -> None:
        ordered = sorted(companions, key=lambda c: c.id)
        self._ground = ground
        self.ids = np.array([c.id for c in ordered], np.int64)
        self.leaders = np.array([c.leader for c in ordered], np.int64)
        self._offsets = np.array([(c.ahead, c.left) for c in ordered]).reshape(-1, 2)
        number = [sum(c.leader == d.leader for d in ordered[: n + 1]) for n, c in enumerate(ordered)]
        self._behind = _FILE * np.array(number, np.float64)  # in single file [m]
        self._tail = np.full((len(ordered), 2), np.nan)  # places in single file
        self._side = np.ones(len(ordered))  # +1 beside the leader, -1 on the other side, 0 behind
        self._seen = np.zeros(0, np.int64)  # ids at the step before
        self._present = np.zeros(0, np.int64)  # companions whose leader was there then
        self._rows = np.zeros(0, np.int64)  # of these leaders

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
        who, leader = self._present, states[self._rows]
        yaw = leader[:, HistoryColumn.YAW]
        course = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        aside = np.stack([-course[:, 1], course[:, 0]], axis=1)
        place = leader[:, : HistoryColumn.YAW] + leader[:, HistoryColumn.VX :] * dt
        ahead, left = self._offsets[who, :1], self._offsets[who, 1:]
        behind = self._follow(who, place, course)
        beside = place + ahead * course + np.array([[[1.0]], [[-1.0]]]) * left * aside
        room = self._ground.within_footway(beside)
        side = self._side[who]
        needed = np.where(np.array([[1.0], [-1.0]]) == side, _KEPT, _ROOM)
        fits = room > needed
        kept = fits[(side < 0).astype(int), np.arange(len(who))] & (side != 0)
        side = np.where(kept, side, np.where(fits[0], 1.0, np.where(fits[1], -1.0, 0.0)))
        self._side[who] = side
        wanted = np.where(side[:, None] > 0, beside[0], np.where(side[:, None] < 0, beside[1], behind))
        waits = np.hypot(leader[:, HistoryColumn.VX], leader[:, HistoryColumn.VY]) < _WAITS
        wanted[waits] = self._ground.beside_road(wanted[waits])
        return self.ids[who], np.column_stack([wanted, yaw])

    def _follow(
        self, who: NDArray[np.int64], place: NDArray[np.float64], course: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Places ``[C, 2]`` in single file: pulled along by the leader as on a rope, so that they keep to its way."""
        length, tail = self._behind[who, None], self._tail[who]
        tail = np.where(np.isfinite(tail), tail, place - length * course)
        rope = tail - place
        self._tail[who] = place + rope * np.minimum(1.0, length / np.maximum(np.hypot(*rope.T)[:, None], 1e-9))
        return self._tail[who]
