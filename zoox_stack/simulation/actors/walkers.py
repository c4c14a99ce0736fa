"""What pedestrians do beyond SUMO's rules: they do not walk into vehicles, and step back from those that turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.actors.traffic_view import TrafficView

_AHEAD = 0.5  # [m] that somebody looks before the feet
_DRIVES = 0.5  # [m/s] out of the way of faster ones one goes to the side
_PATIENCE = 10.0  # [s] after which they find a way round it: it may be waiting for them
_APART = 0.3  # [m] between the middle of somebody and the side of a vehicle


class Walkers:
    """Stops pedestrians for vehicles right before them: SUMO's do not see one that stands on a crossing."""

    def __init__(self) -> None:
        self._held: dict[str, float] = {}  # speed with which they walk on [m/s]
        self._since: dict[str, float] = {}  # when they came to a vehicle [s]

    def step(self, view: TrafficView, names: tuple[str, ...], states: NDArray[np.float64], person: Any) -> None:
        """Let go and stop.

        Args:
            view: All vehicles that SUMO moves.
            names: SUMO's pedestrians, P of them.
            states: Theirs ``[P, 5]``.
            person: SUMO's person functions.
        """
        yaw = states[:, HistoryColumn.YAW]
        feet = states[:, : HistoryColumn.YAW]
        ahead = feet + _AHEAD * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        before = _insides(ahead, view, view.position)[0]
        self._since = {names[k]: self._since.get(names[k], view.time) for k in np.unique(before).tolist()}
        stopped = {name for name, since in self._since.items() if view.time - since < _PATIENCE}
        for name in sorted(stopped - self._held.keys()):
            self._held[name] = person.getMaxSpeed(name)
            person.setSpeed(name, 0.0)
        for name in sorted(self._held.keys() - stopped):
            speed = self._held.pop(name)
            if name in names:
                person.setSpeed(name, speed)


def beside_vehicles(xy: NDArray[np.float64], view: TrafficView, dt: float) -> NDArray[np.float64]:
    """Places ``[P, 2]`` of people, moved out of the boxes that vehicles will have `dt` seconds after `view`."""
    position = view.position + view.velocity * dt
    who, vehicle, ahead, left = _insides(xy, view, position)
    if not len(who):
        return xy
    length, width = (view.size[vehicle] / 2 + _APART).T
    aside = (width - np.abs(left) < length - np.abs(ahead)) | (view.speed[vehicle] > _DRIVES)
    ahead = np.where(aside, ahead, np.copysign(length, ahead))
    left = np.where(aside, np.copysign(width, left), left)
    c, s = np.cos(view.yaw[vehicle]), np.sin(view.yaw[vehicle])
    moved = xy.copy()
    moved[who] = position[vehicle] + np.stack([ahead * c - left * s, ahead * s + left * c], axis=1)
    return moved


def _insides(
    xy: NDArray[np.float64], view: TrafficView, position: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Which points ``[P, 2]`` lie in which vehicles at `position` ``[N, 2]`` or `_APART` from them, and where there."""
    x, y = xy[:, 0, None] - position[:, 0], xy[:, 1, None] - position[:, 1]
    who, vehicle = np.nonzero(x * x + y * y < (view.size[:, 0] / 2 + view.size[:, 1] / 2 + _APART) ** 2)
    x, y, yaw = x[who, vehicle], y[who, vehicle], view.yaw[vehicle]
    ahead, left = x * np.cos(yaw) + y * np.sin(yaw), y * np.cos(yaw) - x * np.sin(yaw)
    length, width = (view.size[vehicle] / 2 + _APART).T
    inside = (np.abs(ahead) < length) & (np.abs(left) < width)
    return who[inside], vehicle[inside], ahead[inside], left[inside]
