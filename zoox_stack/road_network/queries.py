"""Questions to a road network: which lane is here, where does it lead, where must one stop, how fast may one go."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths, wrap_angle
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline

DRIVING_TYPES = (LaneType.VEHICLE, LaneType.BUS)
DEFAULT_LANE_WIDTH = 3.5  # [m] where the map does not say
_NEIGHBOURS = 32  # centre-line points looked at per question
_METRES_PER_RADIAN = 4.0  # how much a wrong heading counts against a distance when lanes are compared
_STOP_LINE_BEFORE = 12.0  # [m] a stop line may lie this far before the lane its signal governs


@dataclass(frozen=True, eq=False)
class LaneMatches:
    """The best lane for each of N points, arrays ``[N]``.

    Attributes:
        rows: int64 lane rows, -1 where no lane fits.
        distance: To the centre line [m], inf where no lane fits.
        heading_error: Of the point's heading to the lane's [rad], -pi..pi; 0 if headings were not given.
    """

    rows: NDArray[np.int64]
    distance: NDArray[np.float64]
    heading_error: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LanePath:
    """A line to drive along and the lane under each of its P points.

    Attributes:
        line: The line.
        lanes: int64 ``[P]`` lane row under each point, -1 where none is known.
    """

    line: Polyline
    lanes: NDArray[np.int64]

    def runs(self) -> list[tuple[int, float, float]]:
        """(lane row, start, end) of each stretch of one known lane, in order; start and end are arc lengths [m]."""
        edges = np.flatnonzero(np.diff(self.lanes)) + 1
        first = np.concatenate([[0], edges])
        last = np.concatenate([edges, [len(self.lanes) - 1]])
        s = self.line.s
        return [
            (int(self.lanes[i]), float(s[i]), float(s[j]))
            for i, j in zip(first, last, strict=True)
            if self.lanes[i] >= 0
        ]


@dataclass(frozen=True, eq=False)
class StopPoints:
    """Where a path crosses stop lines; M points in driving order.

    Attributes:
        s: float64 ``[M]`` arc length along the path [m].
        signals: M tuples of the ids of the signals that govern the lane there; empty for a line without signal.
    """

    s: NDArray[np.float64]
    signals: tuple[tuple[int, ...], ...]


class LaneIndex:
    """Search structures over one road network, built once; the network and the index never change.

    Args:
        network: The map.
        spacing: [m] between the centre-line points that are searched.
        types: Kinds of lane that are looked at.
    """

    def __init__(
        self, network: RoadNetwork, *, spacing: float = 1.0, types: Collection[LaneType] = DRIVING_TYPES
    ) -> None:
        self.network = network
        self.lines: dict[int, Polyline] = {}
        for row in np.flatnonzero(np.isin(network.lane_types, [int(t) for t in types])):
            points = network.centre_lines[int(row)]
            if float(arc_lengths(points)[-1]) > 1e-2:
                self.lines[int(row)] = Polyline.from_points(points, spacing)
        self._ids = {int(lane): row for row, lane in enumerate(network.lane_ids)}
        rows = list(self.lines)
        if rows:
            self._points = np.concatenate([self.lines[r].xy for r in rows])
            self._heading = np.concatenate([self.lines[r].heading for r in rows])
            self._row = np.concatenate([np.full(len(self.lines[r].s), r) for r in rows])
        else:
            self._points, self._heading, self._row = np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int64)
        self._tree = cKDTree(self._points) if rows else None
        self._paths: dict[tuple[int, ...], LanePath] = {}

    @cached_property
    def predecessors(self) -> Ragged:
        """Lane rows that lead into each lane; L rows."""
        into: list[list[int]] = [[] for _ in range(len(self.network.lane_ids))]
        for row, following in enumerate(self.network.successors):
            for successor in following:
                into[int(successor)].append(row)
        return Ragged.from_rows(into, np.int32)

    def rows_of(self, lane_ids: Iterable[int]) -> list[int]:
        """Lane rows of lane ids.

        Raises:
            InvalidInputError: An id is not in the network.
        """
        wanted = [int(i) for i in lane_ids]
        missing = [i for i in wanted if i not in self._ids]
        if missing:
            raise InvalidInputError("lane ids", f"ids of the network '{self.network.name}'", f"{missing[:5]}")
        return [self._ids[i] for i in wanted]

    def width(self, row: int) -> float:
        """Width of a lane [m], a usual one where the map does not say."""
        width = float(self.network.lane_widths[row])
        return width if np.isfinite(width) and width > 0 else DEFAULT_LANE_WIDTH

    def nearest(
        self,
        points: NDArray[Any],
        yaw: NDArray[Any] | None = None,
        *,
        max_distance: float = 4.0,
        max_heading_error: float = np.pi / 3,
    ) -> LaneMatches:
        """The lane that fits each point best: near its centre line and along its direction.

        Args:
            points: ``[N, 2]`` [m].
            yaw: ``[N]`` [rad]; None: any direction.
            max_distance: [m] from the centre line.
            max_heading_error: [rad].
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        n = len(points)
        if self._tree is None or n == 0:
            return LaneMatches(np.full(n, -1), np.full(n, np.inf), np.zeros(n))
        k = min(_NEIGHBOURS, len(self._points))
        distance, found = self._tree.query(points, k=k, distance_upper_bound=max_distance)
        distance, found = distance.reshape(n, k), found.reshape(n, k)
        valid = np.isfinite(distance)
        found = np.where(valid, found, 0)
        error = np.zeros((n, k)) if yaw is None else wrap_angle(np.asarray(yaw)[:, None] - self._heading[found])
        valid &= np.abs(error) <= max_heading_error
        score = np.where(valid, distance + _METRES_PER_RADIAN * np.abs(error), np.inf)
        best = score.argmin(axis=1)
        pick = (np.arange(n), best)
        ok = valid[pick]
        return LaneMatches(
            np.where(ok, self._row[found[pick]], -1),
            np.where(ok, distance[pick], np.inf),
            np.where(ok, error[pick], 0.0),
        )

    def near(self, x: float, y: float, yaw: float, *, radius: float = 4.0) -> list[int]:
        """All lanes within `radius` [m] that run within 60 degrees of `yaw`, the best fitting one first."""
        if self._tree is None:
            return []
        found = np.array(self._tree.query_ball_point([x, y], radius), dtype=np.int64)
        error = np.abs(wrap_angle(yaw - self._heading[found]))
        found, error = found[error < np.pi / 3], error[error < np.pi / 3]
        score = np.hypot(*(self._points[found] - [x, y]).T) + _METRES_PER_RADIAN * error
        best: dict[int, float] = {}
        for row, value in zip(self._row[found].tolist(), score.tolist(), strict=True):
            best[row] = min(value, best.get(row, np.inf))
        return sorted(best, key=lambda row: (best[row], row))

    def reachable(self, row: int, distance: float) -> dict[int, float]:
        """Lanes that can be reached by following successors, with the distance [m] from the start of `row` to theirs.

        Lanes that begin within `distance` are given, `row` itself at 0; of several ways the shortest counts.
        """
        reached = {row: 0.0}
        waiting = [row]
        while waiting:
            current = min(waiting, key=lambda r: (reached[r], r))
            waiting.remove(current)
            start = reached[current] + (self.lines[current].length if current in self.lines else 0.0)
            for successor in map(int, self.network.successors[current]):
                if successor in self.lines and start <= distance and start < reached.get(successor, np.inf):
                    reached[successor] = start
                    waiting.append(successor)
        return reached

    def path_ahead(
        self, x: float, y: float, yaw: float, length: float, *, behind: float = 20.0, prefer: Collection[int] = ()
    ) -> LanePath | None:
        """The way ahead along the lanes from a pose: at every fork the branch that turns least.

        Args:
            x: [m].
            y: [m].
            yaw: [rad].
            length: [m] wanted ahead of the pose; less where the network ends.
            behind: [m] wanted behind it.
            prefer: Lane rows that win over others where the choice is open (the way taken so far).

        Returns:
            The path, or None where no lane fits the pose.
        """
        close = self.near(x, y, yaw)
        if not close:
            return None
        preferred = [row for row in close if row in prefer and self._inside(row, x, y)]
        start = preferred[0] if preferred else close[0]
        at = float(self.lines[start].project(np.array([[x, y]])).s[0])
        chain = [start]
        ahead = self.lines[start].length - at
        while ahead < length:
            following = self._straightest(self.network.successors[chain[-1]], prefer, chain)
            if following is None:
                break
            chain.append(following)
            ahead += self.lines[following].length
        while at < behind:
            before = self._straightest(self.predecessors[chain[0]], prefer, chain)
            if before is None:
                break
            chain.insert(0, before)
            at += self.lines[before].length
        return self.path_of(chain)

    def path_of(self, rows: Iterable[int]) -> LanePath:
        """The path along lanes in the order given; where the next lane is a neighbour the line changes over.

        Raises:
            InvalidInputError: No lane, or one without a centre line to drive on.
        """
        chain = tuple(rows)
        if not chain or any(row not in self.lines for row in chain):
            raise InvalidInputError("lanes of a path", "rows of driving lanes", f"{list(chain)[:8]}")
        if chain not in self._paths:
            if len(self._paths) > 256:
                self._paths.clear()
            self._paths[chain] = self._join(chain)
        return self._paths[chain]

    def path_along(self, line: Polyline) -> LanePath:
        """A given line with the lanes that lie under it."""
        matches = self.nearest(line.xy, line.heading, max_distance=DEFAULT_LANE_WIDTH, max_heading_error=np.pi / 4)
        return LanePath(line, matches.rows)

    def speed_limits(self, path: LanePath) -> NDArray[np.float64]:
        """Speed limit at each point of a path, ``[P]`` [m/s]; NaN where the map does not say."""
        limits = np.full(len(path.lanes), np.nan)
        known = path.lanes >= 0
        limits[known] = self.network.lane_speed_limits[path.lanes[known]]
        return np.where(limits > 0, limits, np.nan)

    def neighbour_offset(self, path: LanePath, s: float, side: int, ahead: float = 30.0) -> float | None:
        """How far to the left (`side` 1, positive) or right (-1, negative) the neighbour lane lies [m].

        None unless there is a neighbour of a driving type in the same direction at `s` and at `s + ahead`.
        """
        table = self.network.left_neighbours if side > 0 else self.network.right_neighbours
        offsets = []
        for station in (s, min(s + ahead, path.line.length)):
            row = int(path.lanes[int(np.clip(np.searchsorted(path.line.s, station), 0, len(path.lanes) - 1))])
            other = int(table[row]) if row >= 0 else -1
            if other not in self.lines:
                return None
            point, _, _ = path.line.at(station)
            offsets.append(-float(self.lines[other].project(point[None]).d[0]))
        usual = DEFAULT_LANE_WIDTH * side
        return offsets[0] if all(0.5 * usual * side < o * side < 2 * usual * side for o in offsets) else None

    def stop_points(self, path: LanePath) -> StopPoints:
        """Stop lines on a path and the signals that govern the lanes there.

        A signal governs either the lane that ends at the stop line or the lane through the intersection, depending on
        the source of the map. Its stop point is the nearest stop line crossed around the entry of the intersection,
        without such a line the entry itself.
        """
        crossed = self._stop_lines_crossed(path.line)
        governed: dict[float, set[int]] = {s: set() for s in crossed}
        for row, start, end in path.runs():
            signals = self._signals_of_lane.get(row, ())
            if not signals:
                continue
            entry = start if self.network.lane_in_intersection[row] else end
            near = [s for s in crossed if start - _STOP_LINE_BEFORE <= s <= end + 3.0]
            stop = min(near, key=lambda s: (abs(s - entry), s)) if near else entry
            governed.setdefault(stop, set()).update(signals)
        stations = sorted(governed)
        return StopPoints(np.array(stations), tuple(tuple(sorted(governed[s])) for s in stations))

    @cached_property
    def _signals_of_lane(self) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for signal, lanes in zip(self.network.signal_ids.tolist(), self.network.signal_lanes, strict=True):
            for lane in map(int, lanes):
                found[lane] = (*found.get(lane, ()), signal)
        return found

    @cached_property
    def _stop_segments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Start and end of every segment of every stop line, ``[Q, 2]`` each."""
        lines = [
            self.network.lines[int(row)][:, :2] for row in np.flatnonzero(self.network.line_types == LineType.STOP)
        ]
        none = np.zeros((0, 2))
        return np.concatenate([none, *(p[:-1] for p in lines)]), np.concatenate([none, *(p[1:] for p in lines)])

    def _stop_lines_crossed(self, line: Polyline) -> list[float]:
        """Arc lengths at which `line` crosses stop lines, rising, doubles within 1 m left out."""
        a, b = self._stop_segments
        low, high = line.xy.min(axis=0), line.xy.max(axis=0)
        near = ((np.maximum(a, b) >= low) & (np.minimum(a, b) <= high)).all(axis=1)
        a, b = a[near], b[near]
        if not len(a):
            return []
        p, step = line.xy[:-1, None], np.diff(line.xy, axis=0)[:, None]
        across = b - a
        with np.errstate(divide="ignore", invalid="ignore"):
            det = step[..., 0] * across[:, 1] - step[..., 1] * across[:, 0]
            rel = a - p
            t = (rel[..., 0] * across[:, 1] - rel[..., 1] * across[:, 0]) / det
            u = (rel[..., 0] * step[..., 1] - rel[..., 1] * step[..., 0]) / det
            row, column = np.nonzero((t >= 0) & (t < 1) & (u >= 0) & (u <= 1))
        stations = np.sort(line.s[row] + t[row, column] * np.diff(line.s)[row])
        keep = np.concatenate([[True], np.diff(stations) > 1.0])[: len(stations)]
        return [float(s) for s in stations[keep]]

    def _straightest(self, choices: Iterable[int], prefer: Collection[int], taken: Collection[int]) -> int | None:
        """The lane among `choices` that turns least; preferred ones first, dead ends last, never one twice."""
        open_rows = [int(r) for r in choices if int(r) in self.lines and int(r) not in taken]

        def order(r: int) -> tuple[bool, bool, float, int]:
            heading = self.lines[r].heading
            dead_end = not len(self.network.successors[r]) and self.lines[r].length < 30.0
            return r not in prefer, dead_end, abs(float(heading[-1] - heading[0])), r

        return min(open_rows, key=order) if open_rows else None

    def _inside(self, row: int, x: float, y: float) -> bool:
        """Whether a point lies within a lane (a little more than half its width from the centre line)."""
        return abs(float(self.lines[row].project(np.array([[x, y]])).d[0])) < 0.6 * self.width(row)

    def _join(self, chain: tuple[int, ...]) -> LanePath:
        points: list[NDArray[np.float64]] = []
        for row, following in zip(chain, (*chain[1:], -1), strict=True):
            xy = self.lines[row].xy
            if following >= 0 and following not in self.network.successors[row]:
                xy = xy[: max(2, len(xy) // 3)]  # a lane change: leave early and join the neighbour late
            elif points and row not in self.network.successors[chain[len(points) - 1]]:
                xy = xy[-max(2, len(xy) // 3) :]
            points.append(xy)
        line = Polyline.from_points(np.concatenate(points), smoothing=1.0)
        ends = arc_lengths(np.concatenate(points))[np.cumsum([len(p) for p in points]) - 1]
        share = np.searchsorted(ends * (line.length / ends[-1]), line.s, side="left")
        return LanePath(line, np.asarray(chain)[np.minimum(share, len(chain) - 1)])
