"""Ways along the streets of a town."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import networkx as nx


def ways_from(start: str, links: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The way with the fewest edges from `start` to every edge that can be reached; both ends belong to it."""
    ways = {start: [start]}
    queue = deque([start])
    while queue:
        edge = queue.popleft()
        for following in links.get(edge, ()):
            if following not in ways:
                ways[following] = [*ways[edge], following]
                queue.append(following)
    return ways


def quarters_on_foot(net_path: Path) -> dict[str, int]:
    """Number of the quarter of every street of a SUMO network with a sidewalk: on foot one stays within one's quarter.

    SUMO puts somebody elsewhere whose walk leads from one quarter to another.
    """
    root = ET.parse(net_path).getroot()
    corners = {edge.attrib["id"] for edge in root.iter("edge") if edge.get("function") == "walkingarea"}
    ways = nx.Graph(
        ends for link in root.iter("connection") if corners & {*(ends := (link.attrib["from"], link.attrib["to"]))}
    )
    return {edge: number for number, quarter in enumerate(nx.connected_components(ways)) for edge in quarter}
