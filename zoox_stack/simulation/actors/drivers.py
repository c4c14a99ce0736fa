"""What SUMO's drivers do beyond SUMO's rules: they anticipate, and they mind those whom SUMO does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView
from zoox_stack.simulation.anticipation import BRAKING, HARDEST, free_way, must_brake

LOOK_EVERY = 3  # [steps] between two looks of anticipating drivers
_SAFE, _SAFE_AND_HARD = 31, 27  # SUMO speed modes: all checks on; may brake harder than comfortable
_COMFORTABLE = 2.5  # [m/s^2]
_STEER_AROUND = 1.1  # [m] farthest
_LOOK_AHEAD = 30.0  # [m] from where on drivers steer around something


@dataclass(frozen=True, eq=False)
class Temper:
    """How the drivers of N vehicles are.

    Attributes:
        caution: float64 ``[N]``, see `must_brake`.
        reaction: float64 ``[N]`` time until an obstacle is noticed [s].
    """

    caution: NDArray[np.float64]
    reaction: NDArray[np.float64]


class Drivers:
    """Holds the reins of those who brake.

    Args:
        dt: Between two steps [s].
    """

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._steps = 0
        self._held: set[int] = set()
        self._anticipating: set[int] = set()
        self._watching: dict[int, float] = {}  # how long somebody has had an obstacle in the way [s]
        self._ids, self._yaws = np.zeros(0, np.int64), np.zeros(0)  # seen at the step before

    def step(self, view: TrafficView, temper: Temper, obstacles: Obstacles, vehicle: Any, controlled: set[int]) -> None:
        """Set speeds for the next step.

        Args:
            view: All vehicles that SUMO moves.
            temper: Of their drivers.
            obstacles: What is on the road.
            vehicle: SUMO's vehicle functions.
            controlled: Ids of vehicles driven from outside; these are left alone.
        """
        free = ~np.isin(view.ids, list(controlled)) if controlled else np.ones(len(view.ids), bool)
        if self._steps % LOOK_EVERY == 0:
            brake = must_brake(view.position, view.velocity, np.where(free, temper.caution, np.inf))
            self._anticipating = set(view.ids[brake].tolist())
        self._steps += 1
        speeds = {i: -BRAKING for i in self._anticipating if i not in controlled}
        speeds |= self._minded(view, temper, obstacles, vehicle, free)
        if not speeds and not self._held:
            return
        present = set(view.ids.tolist())
        for i in sorted(speeds.keys() & present):
            name = str(i)
            hard = speeds[i] < -4.0
            if hard:
                vehicle.setSpeedMode(name, _SAFE_AND_HARD)
            vehicle.setSpeed(name, max(0.0, vehicle.getSpeed(name) + speeds[i] * self._dt))
        for i in sorted((self._held - speeds.keys() - controlled) & present):
            vehicle.setSpeed(str(i), -1)
            vehicle.setSpeedMode(str(i), _SAFE)
        self._held = set(speeds) & present

    def _minded(
        self, view: TrafficView, temper: Temper, obstacles: Obstacles, vehicle: Any, free: NDArray[np.bool_]
    ) -> dict[int, float]:
        """Accelerations of those who have noticed an obstacle in their way."""
        ids, yaws = self._ids, self._yaws
        self._ids, self._yaws = view.ids, view.yaw
        if not len(obstacles) or not len(view.ids):
            self._watching.clear()
            return {}
        way, aside = free_way(view, _turned(view, ids, yaws) / self._dt, obstacles)
        in_the_way = np.flatnonzero(np.isfinite(way) & free)
        watching, accelerations = {}, {}
        for row in in_the_way.tolist():
            i = int(view.ids[row])
            watching[i] = self._watching.get(i, 0.0) + self._dt
            if watching[i] < temper.reaction[row]:
                continue
            speed = float(view.speed[row])
            rest = float(way[row])
            if speed > np.sqrt(2 * _COMFORTABLE * max(rest, 0.0)):
                accelerations[i] = -min(speed**2 / (2 * max(rest, 0.1)), HARDEST)
            elif speed + 2.0 * self._dt > np.sqrt(2 * _COMFORTABLE * max(rest, 0.0)):
                accelerations[i] = 0.0
            if 0 < abs(aside[row]) < _STEER_AROUND and rest < _LOOK_AHEAD and speed > 1.0:
                vehicle.changeSublane(str(i), float(aside[row]))
        self._watching = watching
        return accelerations


def _turned(view: TrafficView, ids: NDArray[np.int64], yaws: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each vehicle has turned ``[N]`` [rad] since `ids` (rising) had `yaws`; newcomers have not."""
    if not len(ids):
        return np.zeros(len(view.ids))
    rows = np.searchsorted(ids, view.ids).clip(max=len(ids) - 1)
    turned = np.where(ids[rows] == view.ids, view.yaw - yaws[rows], 0.0)
    return np.asarray((turned + np.pi) % (2 * np.pi) - np.pi)
