"""Is a map whole? Every finding with its place and what to do."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.geometry import arc_lengths
from zoox_stack.road_network.check_links import link_findings
from zoox_stack.road_network.check_shapes import SHORTEST, shape_findings
from zoox_stack.road_network.map_finding import Finding, Severity
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import DRIVING_TYPES


def check_map(network: RoadNetwork) -> list[Finding]:
    """All findings, errors first, then by check and element in the order of the map."""
    findings = []
    if not np.isin(network.lane_types, DRIVING_TYPES).any():
        text, remedy = "it has no lane for vehicles", "nothing can drive on it: check the file and its format"
        findings.append(Finding.at(Severity.ERROR, "lanes", "map", None, text, remedy))
    lines = {
        row: Polyline.from_points(points)
        for row, points in enumerate(network.centre_lines)
        if arc_lengths(points)[-1] > SHORTEST
    }
    findings += [*shape_findings(network, lines), *link_findings(network, lines)]
    return sorted(findings, key=lambda finding: (finding.severity, finding.check))
