"""The lanes of a drive that was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths, wrap_angle
from zoox_stack.planning.lane_ends import LaneEnd, PoseGoal
from zoox_stack.planning.lane_graph import LaneWay
from zoox_stack.planning.routing import PlannedRoute, Router
from zoox_stack.road_network.queries import LaneIndex

_KNOT = 3.0  # [m] between the poses that are looked at
_METRES_PER_RADIAN = 4.0  # how much a wrong heading counts against a distance
_CHANGE = 4.0  # [m] of worse fit that are taken for one lane change less
_BACK = 1.0  # [m] that a projection may go back along a lane
_OVER = 6.0  # [m] that the way along lanes between two poses may exceed the driven one
_SOURCE, _SINK = (-1, -1), (-1, -2)


@dataclass(frozen=True)
class _Knot:
    """A pose of the drive on a lane that it may have driven on."""

    row: int
    s: float
    misfit: float


def driven_route(router: Router, poses: Sequence[EgoState]) -> PlannedRoute:
    """The route of a recorded drive: the lanes it was on, from its first pose to its last.

    Of all sequences of lanes that lead into each other, or lie beside each other, the one is taken that fits the poses
    best and takes way along the lanes that is as long as the driven one (Newson and Krumm, "Hidden Markov Map Matching
    Through Noise and Sparseness", 2009; distances instead of their probabilities).

    Args:
        router: Of the map.
        poses: Of the ego, in order.

    Raises:
        InvalidInputError: Fewer than two poses or no motion; the drive leaves the lanes, or goes where lanes do not
            lead; the place is named. Such a drive has a line, but no lanes.
    """
    index, knots = router.index, _knots(poses)
    trellis = [_candidates(index, pose, router.config.largest_offset) for pose in knots]
    for pose, candidates in zip(knots, trellis, strict=True):
        if not candidates:
            raise _left(poses[0], pose, "beside all lanes")
    graph: nx.DiGraph[Any] = nx.DiGraph()
    graph.add_weighted_edges_from((_SOURCE, (0, k.row), k.misfit) for k in trellis[0])
    graph.add_edges_from((((len(knots) - 1, k.row), _SINK) for k in trellis[-1]), weight=0.0)
    for place, (before, after) in enumerate(pairwise(trellis)):
        driven = float(np.hypot(knots[place + 1].x - knots[place].x, knots[place + 1].y - knots[place].y))
        for a in before:
            for rows, cost, b in _steps(index, a, after, driven):
                graph.add_edge((place, a.row), (place + 1, b.row), weight=cost + b.misfit, rows=rows)
    try:
        nodes = nx.bidirectional_dijkstra(graph, _SOURCE, _SINK, weight="weight")[1]
    except nx.NetworkXNoPath as error:
        farthest = max(place for place, _ in nx.descendants(graph, _SOURCE))
        raise _left(poses[0], knots[farthest + 1], "where no lane leads from the one before") from error
    driven_rows = [nodes[1][1]]
    for edge in pairwise(nodes[1:-1]):
        driven_rows += graph.edges[edge]["rows"]
    first = next(k for k in trellis[0] if k.row == driven_rows[0])
    last = next(k for k in trellis[-1] if k.row == driven_rows[-1])
    way = LaneWay(tuple(driven_rows), LaneEnd(first.row, first.s), LaneEnd(last.row, last.s))
    return router.along(way, poses[0].stamp_ns, PoseGoal(poses[-1].x, poses[-1].y, poses[-1].yaw))


def _knots(poses: Sequence[EgoState]) -> list[EgoState]:
    """Poses about `_KNOT` apart, the first and the last among them."""
    xy = np.array([(pose.x, pose.y) for pose in poses]).reshape(-1, 2)
    length = float(arc_lengths(xy)[-1]) if len(xy) > 1 else 0.0
    if length < _KNOT:
        raise InvalidInputError("driven route", f"at least {_KNOT:g} m of driving", f"{len(xy)} poses, {length:.1f} m")
    at = np.searchsorted(arc_lengths(xy), np.arange(0.0, length, _KNOT))
    return [poses[int(row)] for row in np.unique(np.append(at, len(xy) - 1))]


def _candidates(index: LaneIndex, pose: EgoState, reach: float) -> list[_Knot]:
    rows = index.near(pose.x, pose.y, pose.yaw, radius=reach)
    if not rows:
        return []
    foot = index.project(np.repeat([[pose.x, pose.y]], len(rows), axis=0), np.array(rows))
    s = np.clip(foot.s, 0.0, [index.lines[row].length for row in rows])
    misfit = np.abs(foot.d) + np.abs(foot.s - s) + _METRES_PER_RADIAN * np.abs(wrap_angle(pose.yaw - foot.heading))
    return [_Knot(*values) for values in zip(rows, s.tolist(), misfit.tolist(), strict=True)]


def _steps(
    index: LaneIndex, a: _Knot, after: Sequence[_Knot], driven: float
) -> Iterator[tuple[tuple[int, ...], float, _Knot]]:
    """Ways from one place to those of the next pose: rows after the first, cost [m], end."""
    network = index.network
    beside = (int(network.left_neighbours[a.row]), int(network.right_neighbours[a.row]))
    ahead = _ahead(index, a.row, driven + _OVER - (index.lines[a.row].length - a.s))
    for b in after:
        if b.row == a.row and b.s >= a.s - _BACK:
            yield (), abs(b.s - a.s - driven), b
        elif b.row in ahead:
            between = ahead[b.row]
            way = index.lines[a.row].length - a.s + sum(index.lines[row].length for row in between) + b.s
            if way <= driven + _OVER:
                yield (*between, b.row), abs(way - driven), b
        elif b.row in beside:
            yield (b.row,), _CHANGE, b


def _ahead(index: LaneIndex, row: int, reach: float) -> dict[int, tuple[int, ...]]:
    """Lanes that begin within `reach` [m] after the end of a lane, with those between."""
    found: dict[int, tuple[int, ...]] = {}
    waiting: list[tuple[int, tuple[int, ...], float]] = [(row, (), reach)]
    while waiting:
        current, between, left = waiting.pop(0)
        for following in map(int, index.network.successors[current]):
            if left >= 0 and following in index.lines and following not in found:
                found[following] = between
                waiting.append((following, (*between, following), left - index.lines[following].length))
    return found


def _left(first: EgoState, pose: EgoState, where: str) -> InvalidInputError:
    seconds = (pose.stamp_ns - first.stamp_ns) / 1e9
    found = f"x, y = {pose.x:.1f}, {pose.y:.1f}, {seconds:.1f} s after the start, {where}"
    return InvalidInputError(
        "driven route", "a drive along the lanes", found, "Follow the line of the drive, which needs no lanes."
    )
