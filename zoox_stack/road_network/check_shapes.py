"""Checks of the shapes of a map: centre lines, boundaries, areas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import AreaType
from zoox_stack.core.geometry import arc_lengths, resample
from zoox_stack.road_network.line_shapes import evenly
from zoox_stack.road_network.map_finding import Finding, Severity
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.segments import intersections, pieces, self_crossing

SHORTEST = 0.01  # [m] a lane must be longer
_SAME = 0.05  # [m] lanes whose lines lie closer than this all along are the same
_TOUCH = 0.05  # [m] boundaries may meet this close to their ends, where lanes split and end in a point


def shape_findings(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    """Findings of all checks of shapes.

    Args:
        network: The map.
        lines: Centre line of every lane that is longer than `SHORTEST`, by row.
    """
    yield from _lanes(network, lines)
    yield from _duplicates(network)
    yield from _areas(network)


def _lanes(network: RoadNetwork, lines: dict[int, Polyline]) -> Iterator[Finding]:
    for row, lane_id in enumerate(network.lane_ids.tolist()):
        name, centre = f"lane {lane_id}", network.centre_lines[row]
        if row not in lines:
            text = f"its centre line is {arc_lengths(centre)[-1] * 100:.1f} cm long"
            yield Finding.at(Severity.ERROR, "length", name, centre[0], text, "remove it and link its neighbours")
            continue
        left, right = network.left_boundaries[row], network.right_boundaries[row]
        for what, line, severity in (
            ("centre line", centre, Severity.ERROR),
            ("left boundary", left, Severity.WARNING),
            ("right boundary", right, Severity.WARNING),
        ):
            place = self_crossing(line) if len(line) > 3 else None
            if place is not None:
                remedy = "draw the line without a loop"
                yield Finding.at(severity, "self-crossing", name, place, f"its {what} crosses itself", remedy)
        yield from _sides(name, lines[row], left, right)


def _sides(name: str, line: Polyline, left: NDArray[Any], right: NDArray[Any]) -> Iterator[Finding]:
    """Boundaries on the wrong side, or across each other."""
    offsets = [
        float(np.median(line.project(resample(b, 1.0)[:, :2]).d)) if len(b) > 1 else np.nan for b in (left, right)
    ]
    middle = line.at(line.length / 2)[0]
    if offsets[0] < 0 and offsets[1] > 0:
        text, remedy = "its left and right boundary are swapped", "swap them, or turn the lane's direction"
        yield Finding.at(Severity.ERROR, "boundary sides", name, middle, text, remedy)
        return
    for side, offset, wrong in (("left", offsets[0], offsets[0] < 0), ("right", offsets[1], offsets[1] > 0)):
        if wrong:
            text = f"its {side} boundary lies {abs(offset):.1f} m to the other side of its centre line"
            yield Finding.at(Severity.ERROR, "boundary sides", name, middle, text, "draw it on its side")
    if len(left) > 1 and len(right) > 1:
        p, step = pieces(left)
        row, _, share, _ = intersections(p, step, *pieces(right))
        places = p[row] + share[:, None] * step[row]
        ends = np.concatenate([left[[0, -1], :2], right[[0, -1], :2]])
        inner = np.hypot(*(places[:, None] - ends[None]).transpose(2, 0, 1)).min(axis=1, initial=np.inf) > _TOUCH
        if inner.any():
            text, remedy = "its left and right boundary cross each other", "draw them side by side"
            yield Finding.at(Severity.ERROR, "boundary sides", name, places[inner][0], text, remedy)


def _duplicates(network: RoadNetwork) -> Iterator[Finding]:
    """Lanes of one kind on the same line in the same direction."""
    if not len(network.lane_ids):
        return
    first = network.centre_lines.values[network.centre_lines.offsets[:-1], :2]
    last = network.centre_lines.values[network.centre_lines.offsets[1:] - 1, :2]
    pairs = cKDTree(np.concatenate([first, last], axis=1)).query_pairs(2 * _SAME, output_type="ndarray")
    for a, b in sorted(map(tuple, np.sort(pairs, axis=1).tolist())):
        one, other = network.centre_lines[a], network.centre_lines[b]
        if network.lane_types[a] != network.lane_types[b] or arc_lengths(one)[-1] < SHORTEST:
            continue
        count = 16
        samples = [evenly(line, count) for line in (one, other)]
        if np.abs(samples[0] - samples[1]).max() < _SAME:
            text = f"it lies on lane {network.lane_ids[a]}, in the same direction"
            yield Finding.at(
                Severity.ERROR, "duplicate", f"lane {network.lane_ids[b]}", first[b], text, "remove one of the two"
            )


def _areas(network: RoadNetwork) -> Iterator[Finding]:
    for row, area_id in enumerate(network.area_ids.tolist()):
        place = self_crossing(network.areas[row], closed=True)
        if place is not None:
            name = f"{AreaType(network.area_types[row]).name.lower().replace('_', ' ')} {area_id}"
            text, remedy = "its outline crosses itself", "draw its points in order around it"
            yield Finding.at(Severity.WARNING, "area", name, place, text, remedy)
