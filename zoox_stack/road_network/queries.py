"""Questions to a road network: which lane is here, where does it lead, where must one stop, how fast may one go."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.beside import lanes_beside
from zoox_stack.road_network.lane_search import LaneMatches, LaneSearch
from zoox_stack.road_network.network import DEFAULT_LANE_WIDTH, RoadNetwork
from zoox_stack.road_network.polyline import FrenetPoints, Polyline
from zoox_stack.road_network.segments import intersections, pieces

if TYPE_CHECKING:
    from zoox_stack.road_network.conflicts import LaneConflicts

DRIVING_TYPES = (LaneType.VEHICLE, LaneType.BUS)
_LEAST_PART = 0.1  # [m] on either side of a lane change, and for the change itself
_STOP_LINE_BEFORE = 12.0  # [m] a stop line may lie this far before the lane its signal governs


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
            if float(arc_lengths(points)[-1]) > 1e-3:
                self.lines[int(row)] = Polyline.from_points(points, spacing)
        self._ids = {int(lane): row for row, lane in enumerate(network.lane_ids)}
        self._search = LaneSearch(self.lines)
        self._paths: dict[tuple[tuple[int, ...], float, float | None], LanePath] = {}

    @cached_property
    def conflicts(self) -> LaneConflicts:
        """Lanes of this index that cross or merge, where along them, and who gives way."""
        from zoox_stack.road_network.conflicts import find_conflicts  # SciPy's matrices take a while to import

        return find_conflicts(self.network, self._search)

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
        return self._search.nearest(points, yaw, max_distance, max_heading_error)

    def near(
        self, x: float, y: float, yaw: float, *, radius: float = 4.0, max_heading_error: float = np.pi / 3
    ) -> list[int]:
        """All lanes within `radius` [m] that run within `max_heading_error` [rad] of `yaw`, the best fitting first."""
        return self._search.ordered(x, y, yaw, radius, max_heading_error)

    def project(self, points: NDArray[Any], rows: NDArray[Any]) -> FrenetPoints:
        """Frenet coordinates of N points, each along its own lane.

        Args:
            points: ``[N, 2]`` [m].
            rows: ``[N]`` lane rows, for example those of `nearest`.

        Raises:
            InvalidInputError: A row that is no lane of this index; not one row per point.
        """
        return self._search.project(points, rows)

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

    def path_of(self, rows: Iterable[int], begin: float = 0.0, end: float | None = None) -> LanePath:
        """The path along lanes in the order given; where the next lane is a neighbour the line changes over.

        Args:
            rows: Lane rows.
            begin: Where on the first lane the path begins, arc length [m].
            end: Where on the last lane it ends, arc length [m]; None: with the lane.

        Raises:
            InvalidInputError: No lane, or one without a centre line to drive on; a lane that neither follows the one
                before nor lies beside it.
        """
        chain = tuple(rows)
        if not chain or any(row not in self.lines for row in chain):
            raise InvalidInputError("lanes of a path", "rows of driving lanes", f"{list(chain)[:8]}")
        key = (chain, begin, end)
        if key not in self._paths:
            self._check_links(chain)
            if len(self._paths) > 256:
                self._paths.clear()
            self._paths[key] = self._join(chain, begin, end)
        return self._paths[key]

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

    @cached_property
    def _beside(self) -> dict[int, NDArray[np.int64]]:
        """By side: the lane beside each lane, in intersections too."""
        return {side: lanes_beside(self.network, self.predecessors, side) for side in (1, -1)}

    def neighbour_offset(self, path: LanePath, s: float, side: int, ahead: float = 30.0) -> float | None:
        """How far to the left (`side` 1, positive) or right (-1, negative) the neighbour lane lies [m].

        None unless there is a neighbour of a driving type in the same direction at `s` and at `s + ahead`.
        """
        table, offsets = self._beside[side], []
        for station in (s, min(s + ahead, path.line.length)):
            row = int(path.lanes[int(np.clip(np.searchsorted(path.line.s, station), 0, len(path.lanes) - 1))])
            other = int(table[row]) if row >= 0 else -1
            if other not in self.lines:
                return None
            point, _, _ = path.line.at(station)
            offsets.append(-float(self.lines[other].project(point[None]).d[0]))
        usual = DEFAULT_LANE_WIDTH * side
        return offsets[0] if all(0.5 * usual * side < o * side < 2 * usual * side for o in offsets) else None

    def neighbour_room(self, path: LanePath, s: float, side: int) -> float:
        """How far ahead of `s` the lane to the left (`side` 1) or right (-1) goes on beside the path [m].

        To where that lane ends, to a turn or a signal, or to where the path moves away to the other side; inf where
        the path itself moves over to it before. Where the path ends it is not known to go on.
        """
        lanes = path.lanes[max(int(np.searchsorted(path.line.s, s, side="right")) - 1, 0) :]
        beside, away = (np.where(lanes >= 0, self._beside[side * sign][lanes], -1) for sign in (1, -1))
        ends = (beside < 0) | ((lanes >= 0) & self._divides[lanes])
        changes = np.flatnonzero((lanes[1:] != lanes[:-1]) & (lanes[1:] >= 0))
        joins = changes[lanes[changes + 1] == beside[changes]]
        leaves = changes[lanes[changes + 1] == away[changes]]
        last = len(lanes) - 1
        end = min(int(ends.argmax()) if ends.any() else last, int(leaves[0]) + 1 if len(leaves) else last)
        if len(joins) and joins[0] < end:
            return float("inf")
        return float(path.line.s[len(path.lanes) - len(lanes) + end] - s)

    @cached_property
    def _divides(self) -> NDArray[np.bool_]:
        """Lanes of intersections that turn or have signals, ``[L]``."""
        network = self.network
        signals = np.array([bool(self.signals_of(row)) for row in range(len(network.lane_ids))], np.bool_)
        return np.asarray(network.lane_in_intersection & (signals | (network.lane_turns != LaneTurn.STRAIGHT)))

    def stop_points(self, path: LanePath) -> StopPoints:
        """Stop lines on a path and the signals that govern the lanes there.

        A signal governs either the lane that ends at the stop line or the lane through the intersection, depending on
        the source of the map. Its stop point is the nearest stop line crossed around the entry of the intersection,
        without such a line the entry itself.
        """
        crossed = self._stop_lines_crossed(path.line)
        governed: dict[float, set[int]] = {s: set() for s in crossed}
        for row, start, end in path.runs():
            signals = self.signals_of(row)
            if not signals:
                continue
            entry = start if self.network.lane_in_intersection[row] else end
            near = [s for s in crossed if start - _STOP_LINE_BEFORE <= s <= end + 3.0]
            stop = min(near, key=lambda s: (abs(s - entry), s)) if near else entry
            governed.setdefault(stop, set()).update(signals)
        stations = sorted(governed)
        return StopPoints(np.array(stations), tuple(tuple(sorted(governed[s])) for s in stations))

    def signals_of(self, row: int) -> tuple[int, ...]:
        """Ids of the signals that govern a lane."""
        return self._signals_of_lane.get(row, ())

    @cached_property
    def _signals_of_lane(self) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for signal, lanes in zip(self.network.signal_ids.tolist(), self.network.signal_lanes, strict=True):
            for lane in map(int, lanes):
                found[lane] = (*found.get(lane, ()), signal)
        return found

    @cached_property
    def _stop_segments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Start and step of every piece of every stop line, ``[Q, 2]`` each."""
        parts = [
            pieces(self.network.lines[int(row)]) for row in np.flatnonzero(self.network.line_types == LineType.STOP)
        ]
        none = np.zeros((0, 2))
        return np.concatenate([none, *(start for start, _ in parts)]), np.concatenate(
            [none, *(step for _, step in parts)]
        )

    def _stop_lines_crossed(self, line: Polyline) -> list[float]:
        """Arc lengths at which `line` crosses stop lines, rising, doubles within 1 m left out."""
        start, across = self._stop_segments
        low, high = line.xy.min(axis=0), line.xy.max(axis=0)
        end = start + across
        near = ((np.maximum(start, end) >= low) & (np.minimum(start, end) <= high)).all(axis=1)
        row, _, share, _ = intersections(*pieces(line.xy), start[near], across[near])
        stations = np.sort(line.s[row] + share * np.diff(line.s)[row])
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

    def _join(self, chain: tuple[int, ...], first: float, last: float | None) -> LanePath:
        points = []
        for row, begin, end in self._stretches(chain, first, last):
            line = self.lines[row]
            inner = (line.s > begin) & (line.s < end)
            points.append(np.concatenate([line.at([begin])[0], line.xy[inner], line.at([end])[0]]))
        line = Polyline.from_points(np.concatenate(points), smoothing=2.0)
        ends = arc_lengths(np.concatenate(points))[np.cumsum([len(p) for p in points]) - 1]
        share = np.searchsorted(ends * (line.length / ends[-1]), line.s, side="left")
        return LanePath(line, np.asarray(chain)[np.minimum(share, len(chain) - 1)])

    def _stretches(self, chain: tuple[int, ...], begin: float, end: float | None) -> list[tuple[int, float, float]]:
        """Each lane of a path with the stretch of it that is driven, as arc lengths [m].

        A lane change leaves early and joins the neighbour late, the line is drawn through between them: of what the
        two lanes have side by side the first third is driven on one, the last on the other. With n changes in a row
        the first takes the first fifth of the way, and so on: 1 of 2 n + 1 parts.
        """
        changes = [after not in self.network.successors[row] for row, after in pairwise(chain)]
        latest = [self.lines[row].length for row in chain]  # where each lane must be left
        latest[-1] = latest[-1] if end is None else min(end, latest[-1])
        common = {
            k: shared_stretch(self.lines[chain[k]], self.lines[chain[k + 1]])
            for k, change in enumerate(changes)
            if change
        }
        for k in reversed(common):
            place = self.lines[chain[k + 1]].at(latest[k + 1])[0]
            latest[k] = min(common[k][1], float(self.lines[chain[k]].project(place[None]).s[0]))
        stretches = []
        for k, row in enumerate(chain):
            if k not in common:
                if k == 0 and begin > latest[k]:
                    found = f"from {begin:.1f} to {latest[k]:.1f} m"
                    raise InvalidInputError(f"path along lane {self.network.lane_ids[row]}", "a way ahead", found)
                stretches.append((row, begin, latest[k]))
                begin = 0.0
                continue
            start, ahead = max(begin, common[k][0]), next(n for n in range(1, len(chain)) if k + n not in common)
            part = (latest[k] - start) / (2 * ahead + 1)
            if part < _LEAST_PART:
                a, b = (int(self.network.lane_ids[r]) for r in chain[k : k + 2])
                raise InvalidInputError(f"path from lane {a} to its neighbour {b}", "lanes side by side", "no room")
            stretches.append((row, begin, start + part))
            place = self.lines[row].at([start + 2 * part])[0]
            begin = float(self.lines[chain[k + 1]].project(place).s[0])
        return stretches

    def _check_links(self, chain: tuple[int, ...]) -> None:
        network = self.network
        for row, after in pairwise(chain):
            beside = (int(network.left_neighbours[row]), int(network.right_neighbours[row]))
            if after not in network.successors[row] and after not in beside:
                expected = "each a successor or a neighbour of the one before"
                found = f"lane {network.lane_ids[after]} after lane {network.lane_ids[row]}"
                raise InvalidInputError("lanes of a path", expected, found)


def shared_stretch(line: Polyline, other: Polyline) -> tuple[float, float]:
    """From where to where along `line` [m] another one lies beside it; the end comes before the start if nowhere."""
    start, end = line.project(other.xy[[0, -1]]).s.tolist()
    return max(start, 0.0), min(end, line.length)
