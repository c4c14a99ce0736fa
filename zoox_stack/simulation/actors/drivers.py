"""What SUMO's drivers do beyond SUMO's rules: they anticipate, and they mind those whom SUMO does not know."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView
from zoox_stack.simulation.anticipation import BRAKING, HARDEST, STOPPING, about_to_touch, free_way, must_brake

LOOK_EVERY = 3  # [steps] between two looks of anticipating drivers
_SAFE, _SAFE_AND_HARD = 31, 27  # SUMO speed modes: all checks on; may brake harder than comfortable
_COMFORTABLE = 2.5  # [m/s^2]
_STEER_AROUND = 1.1  # [m] farthest
_STANDS = 0.3  # [m/s]
_PATIENCE = 8.0  # [s] before a body that does not move: it may be waiting for this very driver
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
        self._blocked: dict[int, float] = {}  # how long somebody has stood before another vehicle's body [s]
        self._ids, self._yaws = np.zeros(0, np.int64), np.zeros(0)  # seen at the step before

    def step(
        self,
        view: TrafficView,
        temper: Temper,
        obstacles: Obstacles,
        vehicle: Any,
        controlled: Set[int],
        asked: Mapping[int, float],
    ) -> None:
        """Set speeds for the next step.

        Args:
            view: All vehicles that SUMO moves.
            temper: Of their drivers.
            obstacles: What is on the road.
            vehicle: SUMO's vehicle functions.
            controlled: Ids of vehicles driven from outside; these are left alone.
            asked: Speeds [m/s] by id that drivers are asked for: they drive no faster, but brake for what they mind.
        """
        free = ~np.isin(view.ids, list(controlled)) if controlled else np.ones(len(view.ids), bool)
        if self._steps % LOOK_EVERY == 0:
            brake = must_brake(view.position, view.velocity, np.where(free, temper.caution, np.inf))
            self._anticipating = set(view.ids[brake].tolist())
        self._steps += 1
        braking = {i: -BRAKING for i in self._anticipating if i not in controlled}
        yaw_rate = _turned(view, self._ids, self._yaws) / self._dt
        self._ids, self._yaws = view.ids, view.yaw
        braking |= self._minded(view, temper, obstacles, vehicle, free, yaw_rate)
        for i in self._touching(view, about_to_touch(view, yaw_rate) & free):
            braking[i] = min(braking.get(i, 0.0), -STOPPING)
        held = braking.keys() | asked.keys()
        if not held and not self._held:
            return
        present = set(view.ids.tolist())
        for i in sorted(held & present):
            name, speed = str(i), asked.get(i, np.inf)
            if i in braking:
                speed = min(speed, max(0.0, vehicle.getSpeed(name) + braking[i] * self._dt))
            if braking.get(i, 0.0) < -4.0:
                vehicle.setSpeedMode(name, _SAFE_AND_HARD)
            elif i in asked:
                vehicle.setSpeedMode(name, _SAFE)
            vehicle.setSpeed(name, float(speed))
        for i in sorted((self._held - held - controlled) & present):
            vehicle.setSpeed(str(i), -1)
            vehicle.setSpeedMode(str(i), _SAFE)
        self._held = held & present

    def _touching(self, view: TrafficView, touching: NDArray[np.bool_]) -> list[int]:
        """Ids of those who brake before they touch somebody; who has stood so for long squeezes past."""
        rows = np.flatnonzero(touching).tolist()
        self._blocked = {
            int(view.ids[row]): self._blocked.get(int(view.ids[row]), 0.0) + self._dt * float(view.speed[row] < _STANDS)
            for row in rows
        }
        return [i for i, waited in self._blocked.items() if waited < _PATIENCE]

    def _minded(
        self,
        view: TrafficView,
        temper: Temper,
        obstacles: Obstacles,
        vehicle: Any,
        free: NDArray[np.bool_],
        yaw_rate: NDArray[np.float64],
    ) -> dict[int, float]:
        """Accelerations of those who have noticed an obstacle in their way."""
        if not len(obstacles) or not len(view.ids):
            self._watching.clear()
            return {}
        way, aside = free_way(view, yaw_rate, obstacles)
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
