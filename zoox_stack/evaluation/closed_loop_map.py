"""What a map says about a driven path: lanes under it, speed limits, being off the road, keeping to a lane."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.drivable import DRIVABLE_TYPES, DrivableGrid
from zoox_stack.road_network.lane_search import LaneSearch
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.event_config import EventConfig
from zoox_stack.simulation.events import keeps_lane

FAR = 10.0  # [m] distances off the road are not told beyond this
_AGAINST = 1000.0  # a lane of the other direction counts only where there is none of the own
_METRES_PER_RADIAN = 4.0  # how much a wrong heading counts against a distance when lanes are compared
_AT_ONCE = 64  # points whose distances are worked out together


@dataclass(frozen=True, eq=False)
class LanesUnder:
    """The lane that each of N points lies in, arrays ``[N]``.

    Attributes:
        rows: int64 lane rows, -1 for none.
        heading: Of the lane there [rad]; 0 for none.
    """

    rows: NDArray[np.int64]
    heading: NDArray[np.float64]


class DriveMap:
    """One map, prepared for scoring all drives on it. Nothing in it changes.

    Args:
        network: The map.

    Attributes:
        index: Its lanes.
    """

    def __init__(self, network: RoadNetwork) -> None:
        self.index = LaneIndex(network)
        self._search = LaneSearch(self.index.lines)
        self._half_widths = np.array([self.index.width(row) / 2 for row in range(len(network.lane_ids))])
        self._grid = DrivableGrid(self.index)

    def lanes_under(self, points: NDArray[np.float64], yaw: NDArray[np.float64]) -> LanesUnder:
        """The driving lane that each point lies in.

        Of several, as in intersections, the nearest one along the heading; one that leads the other way only where no
        other lies under the point.

        Args:
            points: ``[N, 2]`` [m].
            yaw: ``[N]`` [rad].
        """
        hits = self._search.near(points, float(self._half_widths.max(initial=0.0)))
        error = np.abs(wrap_angle(yaw[hits.points] - hits.heading))
        inside = np.flatnonzero(hits.distance <= self._half_widths[hits.rows])
        score = hits.distance + _METRES_PER_RADIAN * error + _AGAINST * (error > np.pi / 2)
        order = inside[np.lexsort((hits.rows[inside], score[inside], hits.points[inside]))]
        best = order[np.flatnonzero(np.diff(hits.points[order], prepend=-1))]
        rows, heading = np.full(len(points), -1), np.zeros(len(points))
        rows[hits.points[best]], heading[hits.points[best]] = hits.rows[best], hits.heading[best]
        return LanesUnder(rows, heading)

    def keeps_lane(
        self, points: NDArray[np.float64], yaw: NDArray[np.float64], length: float, width: float
    ) -> NDArray[np.bool_]:
        """Whether each of N boxes is in one lane, as `EventDetector` sees it when it gives blame."""
        return keeps_lane(self.index, self._grid, points, yaw, length, width, EventConfig().off_road_distance)

    def off_road(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far each of N points lies off drivable ground [m], 0 on it, never more than `FAR`.

        Drivable ground are the drivable areas of the map; where it has none, the driving lanes.
        """
        network = self.index.network
        if not (network.area_types == AreaType.DRIVABLE).any():
            hits = self._search.near(points, FAR + float(self._half_widths.max(initial=0.0)))
            distance = np.full(len(points), FAR)
            np.minimum.at(distance, hits.points, hits.distance - self._half_widths[hits.rows])
            return np.maximum(distance, 0.0)
        distance = np.zeros(len(points))
        outside = np.flatnonzero(~self._areas.contains(points, DRIVABLE_TYPES))
        for begin in range(0, len(outside), _AT_ONCE):
            rows = outside[begin : begin + _AT_ONCE]
            distance[rows] = self._to_outlines(points[rows])
        return distance

    @cached_property
    def limits(self) -> NDArray[np.float64]:
        """Speed limit of each lane, ``[L]`` [m/s], NaN where it is not known.

        Inside intersections it is the highest of the lanes that lead in and out, as nuPlan has it; unknown as soon as
        that of one of them is.
        """
        network = self.index.network
        limits = network.lane_speed_limits.astype(np.float64)
        result = limits.copy()
        for row in np.flatnonzero(network.lane_in_intersection).tolist():
            ends = [self._outside(row, table) for table in (network.successors, self.index.predecessors)]
            around = sorted(ends[0] | ends[1])
            result[row] = limits[around].max() if around else np.nan
        return result

    @cached_property
    def _areas(self) -> AreaIndex:
        return AreaIndex(self.index.network)

    @cached_property
    def _outlines(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Starts and steps ``[E, 2]`` of the edges of all drivable areas."""
        network = self.index.network
        rings = [network.areas[int(r)][:, :2] for r in np.flatnonzero(np.isin(network.area_types, DRIVABLE_TYPES))]
        return np.concatenate(rings), np.concatenate([np.roll(ring, -1, axis=0) - ring for ring in rings])

    def _to_outlines(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        start, step = self._outlines
        low, high = points.min(axis=0) - FAR, points.max(axis=0) + FAR
        end = start + step
        near = ((np.maximum(start, end) >= low) & (np.minimum(start, end) <= high)).all(axis=1)
        start, step = start[near], step[near]
        offset = points[:, None] - start
        share = (offset * step).sum(axis=-1) / np.maximum((step**2).sum(axis=-1), 1e-12)
        nearest = offset - np.clip(share, 0.0, 1.0)[..., None] * step
        return np.asarray(np.minimum(np.hypot(nearest[..., 0], nearest[..., 1]).min(axis=1, initial=FAR), FAR))

    def _outside(self, row: int, table: Ragged) -> set[int]:
        """Lanes outside of intersections that follow (or precede) one inside, over others inside."""
        inside, found, waiting = {row}, set[int](), [row]
        while waiting:
            for other in map(int, table[waiting.pop()]):
                if not self.index.network.lane_in_intersection[other]:
                    found.add(other)
                elif other not in inside:
                    inside.add(other)
                    waiting.append(other)
        return found
