"""Is the way ahead seen at all? Told sweep by sweep, remembered by direction, asked for where the vehicle goes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import to_local
from zoox_stack.core.sight import Seeing, Sight
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import Proposal

_BLIND_AFTER = 2  # sweeps in a row
_NEAREST = 6.0  # [m] from base_link: nearer than this is the vehicle itself
_AHEAD = 12.0  # [m] straight ahead matters so far, wherever the way leads
_BESIDE = 0.3  # [m] that has to be seen on either side of the vehicle
_OLD = 1.0  # [s] without a word: nobody tells
_WIDTH = 2.0  # [m] of a vehicle of which nothing is known


class SightWatch:
    """Which directions are blind.

    A direction is blind after two sweeps in a row without a return, and seen again after `recovered_outputs` with some.
    One that was seen once in this drive and is unknown now, because perception began anew, is blind too.

    Args:
        config: Times and counts.
    """

    def __init__(self, config: SupervisorConfig) -> None:
        self._config = config
        self._heard_ns = 0
        self._newest: Sight | None = None
        self._known = self._blind = np.zeros(0, np.bool_)
        self._dark = self._light = np.zeros(0, np.int64)  # sweeps in a row
        self.since_ns: int | None = None  # steady time since when the way ahead is not seen [ns]

    def hear(self, sight: Sight, steady_ns: int) -> None:
        """A sweep was looked at."""
        last = self._newest
        if last is not None and sight.stamp_ns == last.stamp_ns:
            return
        if last is None or len(sight.sectors) != len(last.sectors):
            self._known = self._blind = np.zeros(len(sight.sectors), np.bool_)
            self._dark = self._light = np.zeros(len(sight.sectors), np.int64)
        self._newest, self._heard_ns = sight, steady_ns
        seen = sight.sectors == Seeing.SEEN
        self._known = self._known | (sight.sectors != Seeing.NOT_COVERED)
        dark = self._known & ~seen
        self._dark, self._light = np.where(dark, self._dark + 1, 0), np.where(seen, self._light + 1, 0)
        self._blind = (self._blind & (self._light < self._config.recovered_outputs)) | (self._dark >= _BLIND_AFTER)

    def blind_ahead(self, way: Proposal | None, ego: EgoState | None, now_ns: int, steady_ns: int) -> str:
        """What is not seen of the way ahead, for people; empty if all of it is, or nobody tells.

        Args:
            way: Where it leads from now on; the next metres straight ahead matter always.
            ego: Where the vehicle is; None: only straight ahead is looked at.
            now_ns: Clock of the stamps [ns].
            steady_ns: Steady clock [ns].
        """
        newest = self._newest
        if newest is None or (steady_ns - self._heard_ns) * 1e-9 > _OLD or not self._blind.any():
            self.since_ns = None
            return ""
        sectors = np.unique(newest.sector_of(self._bearings(way, ego, now_ns)))
        blind = sectors[self._blind[sectors]]
        if not len(blind):
            self.since_ns = None
            return ""
        self.since_ns = steady_ns if self.since_ns is None else self.since_ns
        width = 360.0 / len(self._blind)
        which = ", ".join(f"{row * width - 180:+.0f}..{(row + 1) * width - 180:+.0f}" for row in blind)
        return f"nothing is seen at {which} degrees, where the way leads"

    def _bearings(self, way: Proposal | None, ego: EgoState | None, now_ns: int) -> NDArray[np.float64]:
        """Of the strip that the vehicle needs, from base_link [rad]."""
        aside = (ego.width if ego is not None else _WIDTH) / 2 + _BESIDE
        offsets = aside * np.array([-1.0, 0.0, 1.0])
        x = np.arange(_NEAREST, _AHEAD, 1.0)
        places = [np.stack(np.broadcast_arrays(x[:, None], offsets), axis=-1).reshape(-1, 2)]
        if way is not None and ego is not None:
            first = max(0, math.ceil((now_ns - way.stamp_ns) * 1e-9 / way.step))
            rows = slice(first, first + round(self._config.sight_time / way.step))
            xy = to_local(np.stack([way.x[rows], way.y[rows]], axis=1), np.array([ego.x, ego.y]), ego.yaw)
            yaw = way.yaw[rows] - ego.yaw
            left = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
            places.append((xy[:, None] + offsets[:, None] * left[:, None]).reshape(-1, 2))
        found = np.concatenate(places)
        found = found[np.hypot(found[:, 0], found[:, 1]) >= _NEAREST - aside]
        return np.asarray(np.arctan2(found[:, 1], found[:, 0]))
