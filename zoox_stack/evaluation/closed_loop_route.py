"""How far a vehicle has come along its route, and against how far a human would have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.road_network.polyline import Polyline

_START = 100.0  # [m] a drive begins on so much of its route
_BACK, _AHEAD = 5.0, 15.0  # [m] around the last known place where the next one is looked for
_ASIDE = 8.0  # [m] farther from the route a vehicle is not on it


def follow_route(line: Polyline, poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place of each pose along a route that may pass a place twice, ``[T]`` [m].

    Each is looked for around the last one. Off the route the last place is kept; as far as one drives without it, so
    much farther ahead may the way back to it lie. Poses before the first on the route have the place of that one; if
    none is on the route all have 0.

    Args:
        line: Of the route.
        poses: ``[T, 3]`` x [m], y [m], yaw [rad].
    """
    station = np.full(len(poses), np.nan)
    moved = np.concatenate([[0.0], np.hypot(*np.diff(poses[:, :2], axis=0).T)])
    at, low, high = np.nan, 0.0, _START
    for row, (x, y, yaw) in enumerate(poses.tolist()):
        found = line.project_pose(x, y, yaw, low, high + moved[row])
        if found is not None and abs(found.d[0]) < _ASIDE:
            at = float(found.s[0])
            low, high = at - _BACK, at + _AHEAD
        else:
            high += float(moved[row])
        station[row] = at
    first = station[np.isfinite(station)][:1]
    return np.where(np.isfinite(station), station, first[0] if len(first) else 0.0)
