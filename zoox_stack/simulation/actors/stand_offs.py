"""Drivers inside an intersection who wait for a vehicle that does not move, go on after a while if it leaves them room.

SUMO lets whoever is inside an intersection wait for a vehicle it would have to follow or to cross, for ever. A vehicle
that is driven from outside may wait for them in turn: two real drivers would not stand there until the lights fail.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.actors.traffic_view import TrafficView

_LOOK_EVERY = 10  # [steps]
_STANDS = 0.3  # [m/s]
_PATIENCE = 10.0  # [s] that both have stood
_NEAR = 30.0  # [m]
_ONWARD = 8.0  # [m] of the lane behind the intersection that must be free as well
_ASIDE = 0.3  # [m] kept
_APART = 0.5  # [m] between points looked at
_IGNORE = "junctionModel.ignoreIDs"


class StandOffs:
    """Remembers who stands, and tells SUMO's vehicles whom to wait for no longer.

    Args:
        dt: Between two steps [s].
    """

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._steps = 0
        self._stood: dict[int, float] = {}  # [s]
        self._going: dict[int, int] = {}  # who no longer waits, and for whom

    def step(self, view: TrafficView, vehicle: Any, lane: Any, controlled: Set[int]) -> None:
        """Look now and then who waits for whom.

        Args:
            view: All vehicles that SUMO knows.
            vehicle: SUMO's vehicle functions.
            lane: SUMO's lane functions.
            controlled: Ids of vehicles driven from outside.
        """
        self._steps += 1
        if not controlled or self._steps % _LOOK_EVERY:
            return
        standing = view.speed < _STANDS
        span = self._dt * _LOOK_EVERY
        self._stood = {i: self._stood.get(i, 0.0) + span for i in view.ids[standing].tolist()}
        present = set(view.ids.tolist())
        for i, other in list(self._going.items()):
            if self._stood.get(other, 0.0) < _PATIENCE or i not in present:
                if i in present:
                    vehicle.setParameter(str(i), _IGNORE, "")
                del self._going[i]
        long = np.array([self._stood.get(i, 0.0) >= _PATIENCE for i in view.ids.tolist()], bool)
        for row in np.flatnonzero(long & np.isin(view.ids, list(controlled))).tolist():
            near = np.hypot(*(view.position - view.position[row]).T) < _NEAR
            for other in np.flatnonzero(long & near & ~np.isin(view.ids, list(controlled))).tolist():
                i = int(view.ids[other])
                if i not in self._going and _has_room(view, row, float(view.size[other, 1]), str(i), vehicle, lane):
                    vehicle.setParameter(str(i), _IGNORE, str(view.ids[row]))
                    self._going[i] = int(view.ids[row])


def _has_room(view: TrafficView, row: int, width: float, name: str, vehicle: Any, lane: Any) -> bool:
    """Whether somebody inside an intersection can drive on past the vehicle at `row`."""
    lane_id = vehicle.getLaneID(name)
    if not lane_id.startswith(":"):
        return False
    ahead = _ahead(vehicle.getLanePosition(name), lane_id, lane)
    offset = ahead - view.position[row]
    c, s = np.cos(view.yaw[row]), np.sin(view.yaw[row])
    outside = np.abs(offset @ np.array([[c, -s], [s, c]])) - view.size[row] / 2
    return bool((np.hypot(*np.maximum(outside, 0.0).T) > width / 2 + _ASIDE).all())


def _ahead(position: float, lane_id: str, lane: Any) -> NDArray[np.float64]:
    """Points on the way of somebody at `position` of a lane, ``[N, 2]`` [m]: to its end, and on after it."""
    points, begin, left = [], position, np.inf
    while lane_id:
        shape = np.array(lane.getShape(lane_id))
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(shape, axis=0).T))])
        end = min(float(along[-1]), begin + left)
        places = np.append(np.arange(begin, end, _APART), end)
        points.append(np.stack([np.interp(places, along, axis) for axis in shape.T], axis=1))
        inside = lane_id.startswith(":")
        links = lane.getLinks(lane_id) if inside else ()
        # An inner lane that goes on inside the intersection names that as its way through.
        lane_id = (links[0][4] or links[0][0]) if links else ""
        begin, left = 0.0, np.inf if lane_id.startswith(":") else _ONWARD
    return np.concatenate(points)
