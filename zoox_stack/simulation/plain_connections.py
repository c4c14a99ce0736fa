"""Ways from lane to lane that netconvert does not find by itself.

It guesses well, but not where lanes for left turns begin, nor where a lane for buses lies beside those for cars.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

from zoox_stack.simulation.plain_edges import BUSES, CYCLED, Edge

_STRAIGHT = np.deg2rad(60)  # an edge that turns more is never the one straight on


@dataclass(frozen=True)
class Turns:
    """Edges that follow an edge at its end; those to a side from the sharpest turn on.

    Attributes:
        left: To the left.
        straight: At most one.
        right: To the right.
    """

    left: tuple[Edge, ...]
    straight: tuple[Edge, ...]
    right: tuple[Edge, ...]


def turns(edge: Edge, edges: list[Edge]) -> Turns:
    """Where one can go from an edge, without turning round."""
    heading = edge.rim[-1] - edge.rim[-2]
    angles: list[tuple[float, Edge]] = []
    for following in edges:
        if following.start == edge.end and following.street is not edge.street and not following.footpath:
            out = following.rim[1] - following.rim[0]
            angles.append((float(np.arctan2(heading[0] * out[1] - heading[1] * out[0], heading @ out)), following))
    angles.sort(key=lambda item: item[0])
    middle = min(angles, key=lambda item: abs(item[0]), default=None)
    ahead = middle[0] if middle is not None and abs(middle[0]) < _STRAIGHT else None
    border = ahead if ahead is not None else 0.0
    return Turns(
        left=tuple(e for angle, e in reversed(angles) if angle > border),
        straight=tuple(e for angle, e in angles if angle == ahead),
        right=tuple(e for angle, e in angles if angle < border),
    )


def add_way(root: ET.Element, start: Edge, start_lane: int, end: Edge, end_lane: int) -> None:
    """Add a way between two lanes for cars, counted from the right."""
    _add(root, start, len(start.special_lanes) + start_lane, end, len(end.special_lanes) + end_lane)


def add_ways_to_pocket(root: ET.Element, edge: Edge, pocket: Edge) -> None:
    """Lanes go on; the leftmost one also leads to the lane for left turns."""
    for lane in range(edge.car_lanes):
        add_way(root, edge, lane, pocket, lane)
    add_way(root, edge, edge.car_lanes - 1, pocket, edge.car_lanes)
    for users in (CYCLED, BUSES):
        if users in edge.special_lanes:
            _add(root, edge, edge.lane_of(users), pocket, pocket.lane_of(users))


def add_ways_over_junction(root: ET.Element, edge: Edge, goals: Turns) -> None:
    """All ways over the junction at the end of an edge.

    Left turns start on the leftmost lane, right turns on the rightmost one. A lane for left turns alone leads nowhere
    else. Buses and bicycles stay on lanes of their own; for other ways they use the lanes for cars, so that two of them
    do not meet on one lane behind the junction.
    """
    through = edge.street.lanes
    for goal in goals.right:
        add_way(root, edge, 0, goal, 0)
    for goal in goals.straight:
        for lane in range(through):
            add_way(root, edge, lane, goal, min(lane, goal.street.lanes - 1))
    for goal in goals.left:
        add_way(root, edge, edge.car_lanes - 1, goal, goal.street.lanes - 1)
    if not goals.straight:  # no lane may lead nowhere
        for lane in range(1, through if goals.right and (edge.pocket or not goals.left) else 0):
            add_way(root, edge, lane, goals.right[0], min(lane, goals.right[0].street.lanes - 1))
    ahead = (*goals.straight, *goals.right)
    for users in (CYCLED, BUSES):
        kept = [goal for goal in ahead if users in goal.special_lanes]
        if users in edge.special_lanes and not kept:
            kept = [*ahead, *goals.left][:1]
        for goal in kept:
            _add(root, edge, edge.lane_of(users), goal, goal.lane_of(users))


def _add(root: ET.Element, start: Edge, start_index: int, end: Edge, end_index: int) -> None:
    ET.SubElement(
        root, "connection", {"from": start.name}, to=end.name, fromLane=str(start_index), toLane=str(end_index)
    )
