"""Where things can stand beside the roads: off the lanes, and behind the ways of pedestrians and parked cars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import AreaType
from zoox_stack.core.geometry import arc_lengths, resample, to_local
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.network import RoadNetwork

_ROADWAY = tuple(kind for kind in AreaType if kind is not AreaType.SIDEWALK)
_SPACING = 0.5  # [m] of the points that stand for the outlines of areas
_POLE = 0.15 * np.array([(np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4])  # [m] rim of a pole
_APART = 0.5  # [m] at least between a body and an area
_PROBES = np.arange(0.1, 15.0, 0.2)  # [m] beside a lane
_GAP = 4  # probes that must lie in no area before the roadside is over


class KeptFree:
    """Lanes and areas of a map, on which nothing may stand.

    Args:
        network: The map.
        shift: ``[2]`` [m] origin of all places here, map frame.
    """

    def __init__(self, network: RoadNetwork, shift: ArrayLike) -> None:
        self._shift = np.asarray(shift, float)
        self._areas = AreaIndex(network)
        dense = [resample(line[:, :2], 2.0) for line in network.centre_lines]
        rings = [np.concatenate([ring, ring[:1]])[:, :2] for ring in network.areas]
        crossed = [ring for kind, ring in zip(network.area_types, rings, strict=True) if kind == AreaType.INTERSECTION]
        self._lanes = cKDTree(np.concatenate([np.zeros((0, 2)), *dense, *crossed]) - self._shift)
        outlines = [resample(ring, _SPACING) for ring in rings]
        self._outlines = cKDTree(np.concatenate([np.zeros((0, 2)), *outlines]) - self._shift)

    def from_lanes(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance ``[...]`` of points ``[..., 2]`` to the nearest centre line or intersection [m]."""
        return np.asarray(self._lanes.query(points)[0])

    def on_roadway(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether poles at points ``[..., 2]`` would reach into an area other than a sidewalk; shape ``[...]``."""
        around = points[..., None, :] + self._shift + _POLE
        return np.asarray(self._areas.contains(around, _ROADWAY).any(axis=-1))

    def has_room(self, middle: NDArray[np.float64], yaw: float, length: float, width: float) -> bool:
        """Whether a box meets no area."""
        half = np.array([length, width]) / 2 + _APART
        near = self._outlines.data[self._outlines.query_ball_point(middle, float(np.hypot(*half)))]
        across = (np.abs(to_local(near.reshape(-1, 2), middle, yaw)) < half).all(axis=1)
        return not across.any() and not self._areas.contains(middle + self._shift, tuple(AreaType))

    def edges(self, points: NDArray[np.float64]) -> tuple[int, int]:
        """How many points ``[P, 2]`` of a line away from a lane lie on its roadway, and on that or a sidewalk."""
        places = points + self._shift
        return _run(self._areas.contains(places, _ROADWAY)), _run(self._areas.contains(places, tuple(AreaType)))


def _run(inside: NDArray[np.bool_]) -> int:
    """Number of points up to the last one before a gap."""
    taken = np.flatnonzero(np.concatenate([[True], inside]))
    wide = np.flatnonzero(np.diff(taken) > _GAP)
    return int(taken[wide[0]] if len(wide) else taken[-1])


@dataclass(frozen=True, eq=False)
class Roadside:
    """The right side of a lane.

    Attributes:
        line: float64 ``[P, 2]`` its centre line.
        width: [m] of the lane.
        kept: What must stay free.
    """

    line: NDArray[np.float64]
    width: float
    kept: KeptFree

    @property
    def length(self) -> float:
        """[m]."""
        return float(arc_lengths(self.line)[-1])

    def place(self, at: float, right: float | NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Points ``[..., 2]`` `at` metres along and `right` metres beside the edge of the lane; its direction [rad]."""
        s = arc_lengths(self.line)
        point, ahead, back = (
            np.array([np.interp(where, s, self.line[:, d]) for d in range(2)])
            for where in (at, min(at + 1, s[-1]), max(at - 1, 0))
        )
        along = (ahead - back) / max(float(np.hypot(*(ahead - back))), 1e-6)
        aside = np.asarray(right)[..., None] + self.width / 2
        return point + aside * np.array([along[1], -along[0]]), float(np.arctan2(along[1], along[0]))

    def edges(self, at: float) -> tuple[float, float]:
        """Where the kerb is, and where the sidewalk ends: metres beside the edge of the lane."""
        kerb, end = self.kept.edges(self.place(at, _PROBES)[0])
        step = float(_PROBES[1] - _PROBES[0])
        return kerb * step, max(kerb, end) * step

    def clear(self, point: NDArray[np.float64], distance: float) -> bool:
        """No centre line within `distance` [m]."""
        return float(self.kept.from_lanes(point)) > distance
