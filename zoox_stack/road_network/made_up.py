"""Small made-up road networks: a straight road, a curve, a crossing. Deterministic; for tests, benchmarks and demos.

Right-hand traffic. Every lane has both boundaries, a width and a speed limit, so that each feature of the map has data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.geometry import arc_lengths, resample
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.network import RoadNetwork

POINT_SPACING = 2.0  # [m] between points of the lines made here
_QUARTER_ARC = 0.5523  # length of the Bezier handles of a quarter circle over its radius


def straight_road(
    *,
    lanes: int = 2,
    length: float = 400.0,
    lane_width: float = 3.5,
    speed_limit: float = 13.9,
    segment_length: float = 100.0,
    stop_line_at: float | None = None,
    signal: bool = False,
) -> RoadNetwork:
    """A one-way road along +x from the origin.

    Lane 0 is the rightmost, its centre line is y = 0; lane i lies at ``y = i * lane_width``. The road is cut into
    segments; segment j of lane i is lane row ``j * lanes + i`` with id ``100 * j + i``.

    Args:
        lanes: Number of parallel lanes.
        length: [m].
        lane_width: [m].
        speed_limit: [m/s].
        segment_length: [m] about how long one lane of the network is.
        stop_line_at: x [m] of a stop line across all lanes, None for no line.
        signal: Put a traffic signal (id 1) at the stop line that governs the segments it lies on.
    """
    xy = np.array([[0.0, 0.0], [length, 0.0]])
    return _parallel_lanes("straight road", xy, lanes, lane_width, speed_limit, segment_length, stop_line_at, signal)


def curved_road(
    *,
    lanes: int = 2,
    radius: float = 60.0,
    angle: float = np.pi / 2,
    straight: float = 60.0,
    lane_width: float = 3.5,
    speed_limit: float = 13.9,
    segment_length: float = 60.0,
) -> RoadNetwork:
    """A one-way road: `straight` metres along +x, an arc, and `straight` metres again. Lanes as in `straight_road`.

    Args:
        lanes: Number of parallel lanes.
        radius: [m] of lane 0.
        angle: [rad] turned in the arc, positive to the left.
        straight: [m] before and after the arc.
        lane_width: [m].
        speed_limit: [m/s].
        segment_length: [m] about how long one lane of the network is.
    """
    turn = np.linspace(0.0, angle, max(8, int(abs(angle) * radius / POINT_SPACING)))
    side = np.sign(angle)
    arc = np.stack([straight + radius * np.sin(np.abs(turn)), side * radius * (1 - np.cos(turn))], axis=1)
    last = arc[-1] + straight * np.array([np.cos(angle), np.sin(angle)])
    xy = np.concatenate([[[0.0, 0.0]], arc, [last]])
    return _parallel_lanes("curved road", xy, lanes, lane_width, speed_limit, segment_length, None, False)


def crossing(
    *,
    arm: float = 120.0,
    half_size: float = 14.0,
    lane_width: float = 3.5,
    speed_limit: float = 13.9,
    signals: bool = True,
) -> RoadNetwork:
    """A crossing of two two-way roads centred on the origin, one lane per direction.

    Arms 0..3 point east, north, west, south. Rows 0..3 are the lanes that lead in from arm i, rows 4..7 those that
    lead out to arm i, rows 8..19 the connections in the order (from arm, right turn / straight / left turn). Stop
    lines lie 1 m before the end of the lanes in; signal ``i + 1`` governs the connections that start at arm i.

    Args:
        arm: [m] length of each arm outside the intersection.
        half_size: [m] from the centre to where the lanes in end.
        lane_width: [m].
        speed_limit: [m/s].
        signals: With four traffic signals (ids 1..4), else without any.
    """
    make = _Builder(lane_width, speed_limit)
    outward = [np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([-1.0, 0.0]), np.array([0.0, -1.0])]
    left = [np.array([-u[1], u[0]]) for u in outward]
    half = lane_width / 2
    enter = [u * half_size + n * half for u, n in zip(outward, left, strict=True)]
    leave = [u * half_size - n * half for u, n in zip(outward, left, strict=True)]
    first_connection = 8
    for i in range(4):
        connections = [first_connection + 3 * i + k for k in range(3)]
        make.lane(i, [enter[i] + outward[i] * arm, enter[i]], successors=connections)
    for i in range(4):
        make.lane(10 + i, [leave[i], leave[i] + outward[i] * arm])
    for i in range(4):
        for turn, k in ((LaneTurn.RIGHT, 1), (LaneTurn.STRAIGHT, 2), (LaneTurn.LEFT, 3)):
            j = (i + k) % 4
            handle = _QUARTER_ARC * (half_size + {1: -half, 2: 0.0, 3: half}[k])
            curve = _bezier(enter[i], enter[i] - outward[i] * handle, leave[j] - outward[j] * handle, leave[j])
            make.lane(100 + 10 * i + k, curve, turn=turn, in_intersection=True, successors=[4 + j])
    for i in range(4):
        kerb_side = enter[i] + left[i] * half + outward[i]
        make.line(i, LineType.STOP, [kerb_side, kerb_side - left[i] * lane_width])
        near, far = outward[i] * (half_size - 5.0), outward[i] * (half_size - 2.0)
        across = left[i] * lane_width
        make.area(10 + i, AreaType.CROSSWALK, [near - across, far - across, far + across, near + across])
        if signals:
            make.signal(i + 1, -enter[i], [first_connection + 3 * i + k for k in range(3)])
    reach = half_size + arm
    make.area(0, AreaType.DRIVABLE, _rectangle(reach, lane_width))
    make.area(1, AreaType.DRIVABLE, _rectangle(lane_width, reach))
    make.area(2, AreaType.DRIVABLE, _rectangle(half_size, half_size))
    make.area(3, AreaType.INTERSECTION, _rectangle(half_size, half_size))
    return make.network("crossing")


def _parallel_lanes(
    name: str,
    xy: NDArray[Any],
    lanes: int,
    lane_width: float,
    speed_limit: float,
    segment_length: float,
    stop_line_at: float | None,
    signal: bool,
) -> RoadNetwork:
    make = _Builder(lane_width, speed_limit)
    xy = resample(xy, POINT_SPACING)
    s = arc_lengths(xy)
    segments = max(1, round(s[-1] / segment_length))
    edges = np.linspace(0, s[-1], segments + 1)
    for j in range(segments):
        inside = (s > edges[j] + 1e-6) & (s < edges[j + 1] - 1e-6)
        stations = np.concatenate([[edges[j]], s[inside], [edges[j + 1]]])
        for i in range(lanes):
            shifted = _shift(xy, i * lane_width)
            points = np.stack([np.interp(stations, s, shifted[:, d]) for d in range(2)], axis=1)
            row = j * lanes + i
            make.lane(
                100 * j + i,
                points,
                turn=LaneTurn.STRAIGHT,
                successors=[row + lanes] if j + 1 < segments else [],
                left=row + 1 if i + 1 < lanes else -1,
                right=row - 1 if i > 0 else -1,
                outer=(i + 1 == lanes, i == 0),
            )
    right_edge, left_edge = _shift(xy, -lane_width / 2), _shift(xy, (lanes - 0.5) * lane_width)
    make.area(0, AreaType.DRIVABLE, np.concatenate([right_edge, left_edge[::-1]]))
    if stop_line_at is not None:
        ends = [[np.interp(stop_line_at, s, edge[:, d]) for d in range(2)] for edge in (right_edge, left_edge)]
        make.line(0, LineType.STOP, ends)
        if signal:
            j = int(np.clip(np.searchsorted(edges, stop_line_at) - 1, 0, segments - 1))
            make.signal(1, ends[0], [j * lanes + i for i in range(lanes)])
    return make.network(name)


@dataclass
class _Builder:
    """Collects rows; all its lanes share one width and one limit."""

    lane_width: float
    speed_limit: float
    lanes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[tuple[int, int, NDArray[Any]]] = field(default_factory=list)
    areas: list[tuple[int, int, NDArray[Any]]] = field(default_factory=list)
    signals: list[tuple[int, NDArray[Any], list[int]]] = field(default_factory=list)

    def lane(
        self,
        lane_id: int,
        centre: ArrayLike,
        *,
        turn: LaneTurn = LaneTurn.STRAIGHT,
        in_intersection: bool = False,
        successors: list[int] | None = None,
        left: int = -1,
        right: int = -1,
        outer: tuple[bool, bool] = (True, True),
    ) -> None:
        points = resample(np.asarray(centre, dtype=np.float64), POINT_SPACING)
        marks = [
            LineType.NONE if in_intersection else LineType.KERB if edge else LineType.DASHED_WHITE for edge in outer
        ]
        self.lanes.append(
            {
                "id": lane_id, "turn": turn, "in_intersection": in_intersection, "successors": successors or [],
                "left": left, "right": right, "centre": _with_z(points), "marks": marks,
                "left_line": _with_z(_shift(points, self.lane_width / 2)),
                "right_line": _with_z(_shift(points, -self.lane_width / 2)),
            }
        )  # fmt: skip

    def line(self, line_id: int, kind: LineType, points: ArrayLike) -> None:
        self.lines.append((line_id, kind, _with_z(points)))

    def area(self, area_id: int, kind: AreaType, ring: ArrayLike) -> None:
        self.areas.append((area_id, kind, _with_z(ring)))

    def signal(self, signal_id: int, position: ArrayLike, lanes: list[int]) -> None:
        self.signals.append((signal_id, np.append(np.asarray(position, dtype=np.float64), 5.0), lanes))

    def network(self, name: str) -> RoadNetwork:
        lanes, n = self.lanes, len(self.lanes)

        def column(key: str, dtype: type) -> NDArray[Any]:
            return np.array([lane[key] for lane in lanes], dtype=dtype)

        return RoadNetwork(
            name=name,
            lane_ids=column("id", np.int64),
            lane_types=np.full(n, LaneType.VEHICLE, np.uint8),
            lane_turns=column("turn", np.uint8),
            lane_in_intersection=column("in_intersection", np.bool_),
            lane_speed_limits=np.full(n, self.speed_limit, np.float32),
            lane_widths=np.full(n, self.lane_width, np.float32),
            centre_lines=Ragged.from_rows([lane["centre"] for lane in lanes], np.float64, 3),
            left_boundaries=Ragged.from_rows([lane["left_line"] for lane in lanes], np.float64, 3),
            left_boundary_types=np.array([lane["marks"][0] for lane in lanes], np.uint8),
            right_boundaries=Ragged.from_rows([lane["right_line"] for lane in lanes], np.float64, 3),
            right_boundary_types=np.array([lane["marks"][1] for lane in lanes], np.uint8),
            successors=Ragged.from_rows([lane["successors"] for lane in lanes], np.int32),
            left_neighbours=column("left", np.int32),
            right_neighbours=column("right", np.int32),
            line_ids=np.array([row[0] for row in self.lines], np.int64),
            line_types=np.array([row[1] for row in self.lines], np.uint8),
            lines=Ragged.from_rows([row[2] for row in self.lines], np.float64, 3),
            area_ids=np.array([row[0] for row in self.areas], np.int64),
            area_types=np.array([row[1] for row in self.areas], np.uint8),
            areas=Ragged.from_rows([row[2] for row in self.areas], np.float64, 3),
            signal_ids=np.array([row[0] for row in self.signals], np.int64),
            signal_positions=np.array([row[1] for row in self.signals], np.float64).reshape(-1, 3),
            signal_lanes=Ragged.from_rows([row[2] for row in self.signals], np.int32),
        )


def _with_z(points: ArrayLike) -> NDArray[np.float64]:
    flat = np.asarray(points, dtype=np.float64)
    return np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)


def _shift(xy: NDArray[Any], left: float) -> NDArray[np.float64]:
    """Polyline moved `left` metres to its left."""
    tangent = np.gradient(xy, axis=0)
    tangent /= np.hypot(tangent[:, 0], tangent[:, 1])[:, None]
    return np.asarray(xy + left * np.stack([-tangent[:, 1], tangent[:, 0]], axis=1))


def _rectangle(half_x: float, half_y: float) -> NDArray[np.float64]:
    return np.array([[half_x, half_y], [-half_x, half_y], [-half_x, -half_y], [half_x, -half_y]])


def _bezier(p0: NDArray[Any], p1: NDArray[Any], p2: NDArray[Any], p3: NDArray[Any]) -> NDArray[np.float64]:
    t = np.linspace(0, 1, 21)[:, None]
    return np.asarray((1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3)
