"""Speed limits in turns: SUMO drives the sharpest turn as fast as the lane allows, whatever its radius."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.geometry import arc_lengths

COMFORTABLE = 2.6  # [m/s^2] across; drivers who exceed the limit by a quarter come to 4
_WINDOW = 5.0  # [m] over which a turn is measured: about a wheelbase and a half
_SLOWEST = 2.2  # [m/s]
_SPACING = 0.5  # [m]


def slow_down_turns(root: ET.Element) -> None:
    """Lower the limits of lanes in junctions of a SUMO network to what their curvature allows, in place."""
    for edge in root.iter("edge"):
        if edge.get("function") == "internal":
            for lane in edge.findall("lane"):
                points = [point.split(",")[:2] for point in lane.attrib["shape"].split()]
                limit = turn_speed(np.array(points, np.float64))
                if limit < float(lane.attrib["speed"]):
                    lane.set("speed", f"{limit:.2f}")


def turn_speed(xy: NDArray[np.float64]) -> float:
    """Speed [m/s] with which a line ``[P, 2]`` [m] can be driven in comfort; infinity for a straight one."""
    arc = arc_lengths(xy)
    s = np.arange(0.0, arc[-1], _SPACING)
    if len(s) < 3:
        return float("inf")
    x, y = np.interp(s, arc, xy[:, 0]), np.interp(s, arc, xy[:, 1])
    heading = np.unwrap(np.arctan2(np.diff(y), np.diff(x)))
    window = min(round(_WINDOW / _SPACING), len(heading) - 1)
    turned = float(np.abs(heading[window:] - heading[:-window]).max()) if window else 0.0
    curvature = turned / _WINDOW
    return max(float(np.sqrt(COMFORTABLE / curvature)), _SLOWEST) if curvature > 1e-3 else float("inf")
