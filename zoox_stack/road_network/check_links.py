"""Checks of what belongs together in a map: successors, neighbours, signals, stop lines, limits, parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError, cKDTree

from zoox_stack.core.classes import LineType
from zoox_stack.core.geometry import resample, wrap_angle
from zoox_stack.road_network.lane_search import LaneSearch
from zoox_stack.road_network.map_finding import Finding, Severity
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import DRIVING_TYPES

RIM = 20.0  # [m] from the outline of the map within which lanes may begin and end
MEET = (0.5, 2.0)  # [m] gap between a lane and its successor: from the first a warning, from the second an error
KINK = np.radians(60)  # [rad] between a lane and its successor
MISSING_LINK = 1.0  # [m] a lane that begins so near the end of another one should follow it
MISSING_LINK_KINK = np.radians(30)
AHEAD = 40.0  # [m] looked ahead of a lane's end for other lanes
BESIDE = (1.0, 8.0)  # [m] between the centre lines of neighbours
LIMITS = (1.0, 60.0)  # [m/s] speed limits outside are absurd
STOP_LINE_REACH = 4.0  # [m] from a stop line to a lane's centre line


def link_findings(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    """Findings of all checks of links.

    Args:
        network: The map.
        lines: Centre line of every lane that has a length, of whatever type, by row.
    """
    yield from _successors(network, lines)
    yield from _dead_ends(network, lines)
    yield from _neighbours(network, lines)
    yield from _signals(network)
    yield from _stop_lines(network, lines)
    yield from _limits(network)
    yield from _parts(network, lines)


def _name(network: RoadNetwork, row: int) -> str:
    return f"lane {network.lane_ids[row]}"


def _successors(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    for row, line in lines.items():
        for following in map(int, network.successors[row]):
            if following not in lines:
                continue
            other, end = lines[following], line.xy[-1]
            gap = float(np.hypot(*(other.xy[0] - end)))
            kink = abs(float(wrap_angle(other.heading[0] - line.heading[-1])))
            name, successor = _name(network, row), network.lane_ids[following]
            if gap > MEET[0]:
                severity = Severity.ERROR if gap > MEET[1] else Severity.WARNING
                text = f"its successor {successor} begins {gap:.1f} m away from its end"
                yield Finding.at(severity, "successor", name, end, text, "let the lines meet, or remove the link")
            elif kink > KINK:
                text = f"it turns by {np.degrees(kink):.0f} degrees on the spot into its successor {successor}"
                yield Finding.at(Severity.WARNING, "successor", name, end, text, "check the directions of both lanes")


def _dead_ends(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    """Lanes that end, or begin, inside the map: not at its rim, and with other lanes further on."""
    driving = {row: line for row, line in lines.items() if network.lane_types[row] in DRIVING_TYPES}
    if not driving:
        return
    search = LaneSearch(driving)
    rim = _RimDistance(search.xy)
    followed = set(network.successors.values.tolist())
    starts = np.array([line.xy[0] for line in driving.values()])
    tree, rows = cKDTree(starts), list(driving)
    for row, line in driving.items():
        name = _name(network, row)
        if not len(network.successors[row]):
            end, heading = line.xy[-1], float(line.heading[-1])
            near = [rows[i] for i in sorted(tree.query_ball_point(end, MISSING_LINK)) if rows[i] != row]
            aligned = [o for o in near if abs(wrap_angle(driving[o].heading[0] - heading)) < MISSING_LINK_KINK]
            if aligned:
                text = f"it ends where lane {network.lane_ids[aligned[0]]} begins, but does not lead into it"
                yield Finding.at(Severity.ERROR, "dead end", name, end, text, "add it as successor")
            elif _goes_on(search, row, end, heading) and rim.of(end) > RIM:
                text = f"it ends {rim.of(end):.0f} m inside the map"
                yield Finding.at(Severity.WARNING, "dead end", name, end, text, "link it to the lanes ahead")
        if row not in followed:
            start, heading = line.xy[0], float(line.heading[0]) + np.pi
            if _goes_on(search, row, start, heading) and rim.of(start) > RIM:
                text = f"it begins {rim.of(start):.0f} m inside the map and no lane leads into it"
                yield Finding.at(Severity.WARNING, "dead end", name, start, text, "link the lanes before to it")


def _goes_on(search: LaneSearch, row: int, place: NDArray[np.float64], heading: float) -> bool:
    """Whether another lane lies ahead, within 45 degrees."""
    offset = search.xy - place
    distance = np.hypot(offset[:, 0], offset[:, 1])
    ahead = (distance > 0.5) & (distance < AHEAD) & (search.rows != row)
    direction = np.arctan2(offset[ahead, 1], offset[ahead, 0])
    return bool((np.abs(wrap_angle(direction - heading)) < np.pi / 4).any())


class _RimDistance:
    """Distance from places inside the convex outline of a map to that outline."""

    def __init__(self, xy: NDArray[np.float64]) -> None:
        try:
            self._sides = ConvexHull(xy).equations
        except QhullError:  # all on one line: everything is rim
            self._sides = np.zeros((1, 3))

    def of(self, place: NDArray[np.float64]) -> float:
        """[m]."""
        return float(-(self._sides[:, :2] @ place + self._sides[:, 2]).max())


def _neighbours(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    sides = (
        ("left", "right", network.left_neighbours, network.right_neighbours, 1.0),
        ("right", "left", network.right_neighbours, network.left_neighbours, -1.0),
    )
    for row, line in lines.items():
        for side, opposite, table, back, sign in sides:
            other = int(table[row])
            if other not in lines:
                continue
            name, neighbour = _name(network, row), network.lane_ids[other]
            middle, heading, _ = line.at(line.length / 2)
            foot = lines[other].project(middle[None])
            offset, turned = -sign * float(foot.d[0]), abs(float(wrap_angle(heading - foot.heading[0])))
            beside = -0.25 * line.length <= float(foot.s[0]) <= lines[other].length + 0.25 * line.length
            if turned > np.pi / 2:
                text = f"its {side} neighbour {neighbour} runs the other way"
                yield Finding.at(
                    Severity.ERROR, "neighbour", name, middle, text, "name lanes of the same direction only"
                )
            elif not (beside and BESIDE[0] <= offset <= BESIDE[1]):
                where = (
                    f"{abs(offset):.1f} m to the {side if offset >= 0 else opposite}" if beside else "before or behind"
                )
                text = f"its {side} neighbour {neighbour} does not lie beside it, but {where}"
                yield Finding.at(Severity.WARNING, "neighbour", name, middle, text, "name the lane next to it")
            elif back[other] != row:
                text = f"its {side} neighbour {neighbour} does not have it as {opposite} neighbour"
                yield Finding.at(Severity.NOTE, "neighbour", name, middle, text, "make the link mutual")


def _signals(network: RoadNetwork) -> Iterator[Finding]:
    for row, signal in enumerate(network.signal_ids.tolist()):
        if not len(network.signal_lanes[row]):
            place, remedy = network.signal_positions[row], "name the lanes it stops"
            yield Finding.at(Severity.ERROR, "signal", f"signal {signal}", place, "it governs no lane", remedy)


def _stop_lines(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    search = LaneSearch(lines)
    for row in np.flatnonzero(np.isin(network.line_types, [LineType.STOP, LineType.YIELD])):
        points = resample(network.lines[int(row)], 0.5)[:, :2]
        if not len(search.near(points, STOP_LINE_REACH).rows):
            kind = LineType(network.line_types[row]).name.lower()
            text, remedy = "no lane leads to it", "add the lane, or remove the line"
            place = points[len(points) // 2]
            yield Finding.at(Severity.WARNING, "stop line", f"{kind} line {network.line_ids[row]}", place, text, remedy)


def _limits(network: RoadNetwork) -> Iterator[Finding]:
    limits, driving = network.lane_speed_limits, np.isin(network.lane_types, DRIVING_TYPES)
    missing = int((np.isnan(limits) & driving).sum())
    if missing:
        text = f"{missing} of {int(driving.sum())} driving lanes have no speed limit"
        yield Finding.at(
            Severity.NOTE, "speed limit", "map", None, text, "the planner takes its own cruise speed there"
        )
    for row in np.flatnonzero(driving & ((limits < LIMITS[0]) | (limits > LIMITS[1]))):
        text = f"its speed limit is {limits[row]:.1f} m/s ({limits[row] * 3.6:.0f} km/h)"
        place = network.centre_lines[int(row)][0]
        yield Finding.at(
            Severity.WARNING, "speed limit", _name(network, int(row)), place, text, "check number and unit"
        )


def _parts(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    """Groups of driving lanes without a link to the largest group."""
    driving = np.array([row for row in lines if network.lane_types[row] in DRIVING_TYPES], np.int64)
    if not len(driving):
        return
    lanes = len(network.lane_ids)
    every = np.arange(lanes)
    start = np.concatenate([network.successors.row_of_value(), every, every])
    end = np.concatenate([network.successors.values, network.left_neighbours, network.right_neighbours])
    start, end = start[end >= 0], end[end >= 0]
    links = coo_array((np.ones(len(start)), (start, end)), shape=(lanes, lanes))
    part = connected_components(links, directed=False)[1][driving]
    names, counts = np.unique(part, return_counts=True)
    largest = names[np.argmax(counts)]
    for name, count in zip(names.tolist(), counts.tolist(), strict=True):
        if name != largest:
            row = int(driving[part == name][0])
            alone = f"{count} driving lanes are" if count > 1 else "1 driving lane is"
            text = f"{alone} without a link to the {counts.max()} of the largest part"
            place = lines[row].at(lines[row].length / 2)[0]
            remedy = "link them if vehicles may go there"
            yield Finding.at(Severity.NOTE, "parts", _name(network, row), place, text, remedy)
