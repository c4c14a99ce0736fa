"""A town plan as the plain XML files that SUMO's netconvert reads."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.plain_connections import (
    Turns,
    add_way,
    add_ways_over_junction,
    add_ways_to_pocket,
    turns,
)
from zoox_stack.simulation.plain_edges import BUSES, CYCLED, POCKET_WIDTH, Edge
from zoox_stack.simulation.town_plan import JOINT, PROTECTED_LEFT, ZEBRA, Street, TownPlan

POCKET_LENGTH = 45.0  # [m] of a lane for left turns, from the middle of the junction
_NO_RADIUS, _WIDE_RADIUS = "1.5", "11"  # [m] of the corners of a junction
_BETWEEN_POCKETS = 10.0  # [m]
_PIECES = 12  # straight pieces of a bent street
_SUMO_KIND = {PROTECTED_LEFT: "traffic_light", ZEBRA: "priority", JOINT: "priority"}


def write_plain(plan: TownPlan, stem: Path) -> list[str]:
    """Write the files of a plan.

    Args:
        plan: The plan.
        stem: Path of the files without their endings.

    Returns:
        Arguments for netconvert that name them.
    """
    edges = [edge for street in plan.streets for edge in _edges(street, plan)]
    edges = [part for edge in edges for part in _with_pocket(edge, turns(edge, edges), plan)]
    files = {"node": _nodes(plan, edges), "edge": _edge_elements(edges), "connection": _connections(plan, edges)}
    arguments = []
    for kind, root in files.items():
        path = stem.with_name(f"{stem.name}.{kind[:3]}.xml")
        ET.indent(root)
        ET.ElementTree(root).write(path)
        arguments += [f"--{kind}-files", str(path)]
    return arguments


def _nodes(plan: TownPlan, edges: list[Edge]) -> ET.Element:
    root = ET.Element("nodes")
    for name, node in plan.nodes.items():
        element = ET.SubElement(
            root, "node", id=name, x=f"{node.x:.2f}", y=f"{node.y:.2f}", type=_SUMO_KIND.get(node.kind, node.kind)
        )
        if node.kind == ZEBRA:
            element.set("radius", _NO_RADIUS)
        elif any(edge.street.bus_lane for edge in edges if edge.end == name):
            element.set("radius", _WIDE_RADIUS)  # else the paths of opposing left turns would cross
    for edge in edges:
        if edge.pocket:  # the joint of its two parts
            x, y = edge.rim[0]
            ET.SubElement(root, "node", id=edge.start, x=f"{x:.2f}", y=f"{y:.2f}", type="priority", radius=_NO_RADIUS)
    return root


def _edge_elements(edges: list[Edge]) -> ET.Element:
    root = ET.Element("edges")
    for edge in edges:
        element = ET.SubElement(
            root, "edge", {"from": edge.start}, id=edge.name, to=edge.end, numLanes=str(len(edge.lanes)),
            speed=f"{edge.street.speed:.3f}", priority=str(edge.street.priority), spreadType="right",
            shape=" ".join(f"{x:.2f},{y:.2f}" for x, y in edge.rim),
        )  # fmt: skip
        for index, lane in enumerate(edge.lanes):
            ET.SubElement(element, "lane", {"index": str(index), **lane})
    return root


def _connections(plan: TownPlan, edges: list[Edge]) -> ET.Element:
    root = ET.Element("connections")
    by_name = {edge.name: edge for edge in edges}
    for way in plan.connections:
        add_way(root, by_name[way.start], way.start_lane, by_name[way.end], way.end_lane)
    for edge in edges:
        following = by_name.get(f"{edge.name}-pocket")
        if following:
            add_ways_to_pocket(root, edge, following)
        elif edge.pocket or ({BUSES, CYCLED} & set(edge.special_lanes) and not edge.footpath):
            add_ways_over_junction(root, edge, turns(edge, edges))
    for name, node in plan.nodes.items():
        if node.kind == ZEBRA:
            before = next(edge.start for edge in edges if edge.end == name)
            crossed = [e.name for e in edges if {e.start, e.end} == {before, name} and not e.footpath]
            ET.SubElement(root, "crossing", node=name, edges=" ".join(crossed), priority="true", width="3.5")
    return root


def _edges(street: Street, plan: TownPlan) -> list[Edge]:
    """The edges of a street, one per direction."""
    a, b = plan.nodes[street.start], plan.nodes[street.end]
    middle = _bent(np.array([a.x, a.y]), np.array([b.x, b.y]), street.bend)
    start, end = street.start, street.end
    if not street.one_way:
        rims = (_aside(middle, -street.median / 2), _aside(middle[::-1], -street.median / 2))
        return [
            Edge(f"{start}-{end}", start, end, street, rims[0]),
            Edge(f"{end}-{start}", end, start, street, rims[1]),
        ]
    rim = _aside(middle, street.lanes * street.lane_width / 2)
    back = [Edge(f"{end}-{start}", end, start, street, rim[::-1], footpath=True)] if street.sidewalk else []
    return [Edge(f"{start}-{end}", start, end, street, rim), *back]


def _with_pocket(edge: Edge, goals: Turns, plan: TownPlan) -> list[Edge]:
    """The edge, in two parts if it gets a lane for left turns at its end."""
    street = edge.street
    room = street.median >= POCKET_WIDTH and not street.one_way
    if plan.nodes[edge.end].kind != PROTECTED_LEFT or not room or not goals.left or not (goals.straight or goals.right):
        return [edge]
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(edge.rim, axis=0).T))])
    pocket = min(POCKET_LENGTH, (along[-1] - _BETWEEN_POCKETS) / 2)
    first, second = _cut(edge.rim, along, along[-1] - pocket)
    joint = f"{edge.name}-joint"
    return [
        replace(edge, end=joint, rim=first),
        replace(edge, name=f"{edge.name}-pocket", start=joint, rim=_aside(second, POCKET_WIDTH), pocket=True),
    ]


def _bent(p: NDArray[np.float64], q: NDArray[np.float64], bend: float) -> NDArray[np.float64]:
    """A parabola from p to q whose middle lies `bend` metres to the left of the straight line."""
    along = q - p
    left = np.array([-along[1], along[0]]) / np.hypot(*along)
    t = np.linspace(0, 1, _PIECES + 1)[:, None]
    return p + t * along + 4 * t * (1 - t) * bend * left


def _aside(points: NDArray[np.float64], left: float) -> NDArray[np.float64]:
    """A smooth line ``[P, 2]``, moved to its left."""
    along = np.gradient(points, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None]
    return points + left * np.stack([-along[:, 1], along[:, 0]], axis=1)


def _cut(
    points: NDArray[np.float64], along: NDArray[np.float64], at: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both parts of a line that is cut `at` metres from its start."""
    place = np.array([[np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])]])
    before, after = along < at - 0.5, along > at + 0.5
    return np.concatenate([points[before], place]), np.concatenate([place, points[after]])
