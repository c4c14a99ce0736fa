"""Tracks that are pieces of others, or the same road user twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass
from zoox_stack.core.geometry import rotation_matrix
from zoox_stack.perception.tracking.motion import State
from zoox_stack.perception.tracking.tracks import Tracks

_ROOM = 0.3  # [m] around a vehicle in which what has no class of its own is taken for a piece of it
_CORE = 0.35  # half of the middle part of a box, in its sizes: two road users cannot both be there


def duplicates(tracks: Tracks, stamp_ns: int) -> NDArray[np.bool_]:
    """Which tracks are to be given up for others, ``[T]``.

    What is UNKNOWN and lies in the box of a vehicle is a piece of it. Of two of other classes of which one has its
    middle in the middle part of the other, the one stays that was seen now, else the better known, else the older.

    Args:
        tracks: T tracks.
        stamp_ns: Now [ns].
    """
    t, n = tracks, len(tracks)
    if n < 2:
        return np.zeros(n, bool)
    kind = t.classes.argmax(axis=1)
    vehicle, unknown = np.isin(kind, VEHICLE_CLASSES) & t.confirmed, kind == AgentClass.UNKNOWN
    near = np.abs(t.mean[:, None, :2] - t.mean[None, :, :2]).max(axis=2) < t.size[:, :2].max(axis=1) / 2 + _ROOM
    near &= vehicle[None] & ~np.eye(n, dtype=bool)
    i, j = np.nonzero(near)  # i lies about the vehicle j
    local = np.einsum("kij,ki->kj", rotation_matrix(t.mean[j, State.YAW]), t.mean[i, :2] - t.mean[j, :2])
    piece = unknown[i] & (np.abs(local) < t.size[j, :2] / 2 + _ROOM).all(axis=1)
    core = ~unknown[i] & (np.abs(local) < _CORE * t.size[j, :2]).all(axis=1)
    order = np.lexsort((t.born_ns, -t.log_odds, ~t.confirmed, t.updated_ns != stamp_ns))
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    given_up = np.zeros(n, bool)
    given_up[i[piece]] = True
    given_up[np.where(rank[i] > rank[j], i, j)[core]] = True
    return given_up
