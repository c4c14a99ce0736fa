"""Every check finds what is broken on purpose, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneType
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.checks import check_map
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.map_finding import Finding, Severity
from zoox_stack.road_network.network import RoadNetwork

ROAD = straight_road(lanes=2, length=300.0, segment_length=100.0, stop_line_at=150.0, signal=True)


def with_line(network: RoadNetwork, table: str, row: int, points: list[list[float]]) -> RoadNetwork:
    rows = list(getattr(network, table))
    rows[row] = np.array([[*p, 0.0] for p in points])
    return replace(network, **{table: Ragged.from_rows(rows, np.float64, 3)})


def with_links(network: RoadNetwork, table: str, row: int, links: list[int]) -> RoadNetwork:
    rows = list(getattr(network, table))
    rows[row] = np.array(links, np.int32)
    return replace(network, **{table: Ragged.from_rows(rows, np.int32)})


def with_value(network: RoadNetwork, column: str, row: int, value: float) -> RoadNetwork:
    values = getattr(network, column).copy()
    values[row] = value
    return replace(network, **{column: values})


def swapped(network: RoadNetwork) -> RoadNetwork:
    left, right = network.left_boundaries[2], network.right_boundaries[2]
    network = with_line(network, "left_boundaries", 2, right[:, :2].tolist())
    return with_line(network, "right_boundaries", 2, left[:, :2].tolist())


def middle_out(_: RoadNetwork) -> RoadNetwork:
    """A road of three segments in a row, the middle one not linked to the next, between two other roads."""
    lanes = straight_road(lanes=3, length=300.0, segment_length=100.0)
    return with_links(lanes, "successors", 4, [])


@pytest.mark.parametrize("network", [ROAD, crossing(), curved_road(lanes=3, angle=-1.5)])
def test_nothing_to_find(network: RoadNetwork) -> None:
    assert check_map(network) == []


@pytest.mark.parametrize(
    ("broken", "severity", "check", "element", "words"),
    [
        (middle_out, Severity.ERROR, "dead end", "lane 101", "ends where lane 201 begins"),
        (lambda n: with_line(n, "centre_lines", 2, [[103.0, 0], [200, 0]]), Severity.ERROR, "successor", "lane 0",
         "successor 100 begins 3.0 m away"),
        (lambda n: with_line(n, "centre_lines", 2, [[101.0, 0], [200, 0]]), Severity.WARNING, "successor", "lane 0",
         "begins 1.0 m away"),
        (lambda n: with_line(n, "centre_lines", 2, [[100.0, 0], [100, 20], [200, 20], [200, 0]]), Severity.WARNING,
         "successor", "lane 0", "turns by"),
        (lambda n: with_line(n, "centre_lines", 2, [[100.0, 0], [150, 0], [150, 1], [120, 1], [120, -1], [200, 0]]),
         Severity.ERROR, "self-crossing", "lane 100", "centre line crosses itself"),
        (lambda n: with_line(n, "left_boundaries", 2, [[100.0, 2], [150, 2], [150, 3], [120, 3], [120, 1], [200, 2]]),
         Severity.WARNING, "self-crossing", "lane 100", "left boundary crosses itself"),
        (swapped, Severity.ERROR, "boundary sides", "lane 100", "swapped"),
        (lambda n: with_line(n, "left_boundaries", 2, [[100.0, -3], [200, -3]]), Severity.ERROR, "boundary sides",
         "lane 100", "left boundary lies 3.0 m to the other side"),
        (lambda n: with_line(n, "left_boundaries", 2, [[100.0, 1.75], [190, 1.75], [200, -3]]), Severity.ERROR,
         "boundary sides", "lane 100", "cross each other"),
        (lambda n: with_line(n, "centre_lines", 2, [[100.0, 0], [100.0, 0.005]]), Severity.ERROR, "length", "lane 100",
         "0.5 cm long"),
        (lambda n: with_line(n, "centre_lines", 3, [[100.0, 0.01], [200, 0.01]]), Severity.ERROR, "duplicate",
         "lane 101", "lies on lane 100"),
        (lambda n: with_line(n, "centre_lines", 3, [[200.0, 3.5], [100, 3.5]]), Severity.ERROR, "neighbour",
         "lane 100", "left neighbour 101 runs the other way"),
        (lambda n: with_value(n, "left_neighbours", 2, 5), Severity.WARNING, "neighbour", "lane 100",
         "left neighbour 201 does not lie beside it, but before or behind"),
        (lambda n: with_value(with_value(n, "right_neighbours", 2, 3), "left_neighbours", 2, -1), Severity.WARNING,
         "neighbour", "lane 100", "right neighbour 101 does not lie beside it, but 3.5 m to the left"),
        (lambda n: with_value(n, "right_neighbours", 3, -1), Severity.NOTE, "neighbour", "lane 100",
         "left neighbour 101 does not have it as right neighbour"),
        (lambda n: with_links(n, "signal_lanes", 0, []), Severity.ERROR, "signal", "signal 1", "governs no lane"),
        (lambda n: with_line(n, "lines", 0, [[150.0, 40], [150, 47]]), Severity.WARNING, "stop line", "stop line 0",
         "no lane leads to it"),
        (lambda n: with_value(n, "lane_speed_limits", 2, np.nan), Severity.NOTE, "speed limit", "map",
         "1 of 6 driving lanes have no speed limit"),
        (lambda n: with_value(n, "lane_speed_limits", 2, 130.0), Severity.WARNING, "speed limit", "lane 100",
         "468 km/h"),
        (lambda n: with_value(n, "lane_speed_limits", 2, 0.5), Severity.WARNING, "speed limit", "lane 100", "2 km/h"),
        (lambda n: with_line(n, "areas", 0, [[0.0, 0], [10, 10], [10, 0], [0, 10]]), Severity.WARNING, "area",
         "drivable 0", "outline crosses itself"),
    ],
)  # fmt: skip
def test_what_is_broken_is_found_with_its_place(
    broken: Callable[[RoadNetwork], RoadNetwork], severity: Severity, check: str, element: str, words: str
) -> None:
    found = [f for f in check_map(broken(ROAD)) if (f.severity, f.check, f.element) == (severity, check, element)]
    assert any(words in f.text for f in found)
    for finding in found:
        assert finding.remedy
        assert np.isfinite([finding.x, finding.y]).all() or element == "map"


def test_a_lane_that_ends_inside_the_map_is_found_and_one_at_its_rim_is_not() -> None:
    network = crossing()
    # The way straight on from the west leads nowhere; the lane out to the east still begins where others end.
    findings = check_map(with_links(network, "successors", 15, []))
    assert [(f.severity, f.element, f.x) for f in findings] == [(Severity.ERROR, "lane 122", pytest.approx(14.0))]
    # Cut the lane in from the west in the middle of its arm: the rest of the map lies ahead.
    cut = with_line(network, "centre_lines", 2, [[-134.0, -1.75], [-40, -1.75]])
    findings = check_map(with_links(cut, "successors", 2, []))
    assert {(f.element, f.check) for f in findings if f.severity == Severity.WARNING} >= {("lane 2", "dead end")}
    (end,) = [f for f in findings if f.element == "lane 2" and f.check == "dead end"]
    assert (end.x, end.y) == (pytest.approx(-40.0), pytest.approx(-1.75))


def cut_short(x: float) -> list[str]:
    """Dead ends when the lane in from the west ends at x, with the crossing 28 m wide around the origin ahead."""
    cut = with_line(crossing(), "centre_lines", 2, [[-134.0, -1.75], [x, -1.75]])
    return [f.element for f in check_map(with_links(cut, "successors", 2, [])) if f.check == "dead end"]


def test_dead_ends_are_no_news_at_the_rim_or_with_nothing_ahead() -> None:
    assert "lane 2" in cut_short(-40.0)
    assert "lane 2" not in cut_short(-123.0)  # at the rim, though the oncoming lane lies beside it
    network = straight_road(lanes=1, length=300.0, segment_length=100.0)
    for gap, found in ((35.0, True), (45.0, False)):
        # Side roads reach far out, so that the gap lies well inside the map.
        apart = with_line(network, "centre_lines", 1, [[100.0 + gap, 0], [200, 0]])
        apart = with_line(apart, "centre_lines", 2, [[150.0, -200], [150, 200]])
        apart = with_links(with_links(apart, "successors", 0, []), "successors", 1, [])
        inside = {f.element for f in check_map(apart) if f.check == "dead end"}
        assert ("lane 0" in inside) == found


def test_parts_without_link_are_counted() -> None:
    network = straight_road(lanes=1, length=400.0, segment_length=100.0)
    findings = check_map(with_links(network, "successors", 2, []))
    (part,) = [f for f in findings if f.check == "parts"]
    assert part.element == "lane 300"
    assert "1 driving lane is without a link to the 3 of the largest part" in part.text


def test_a_map_without_lanes_for_vehicles() -> None:
    for network in (RoadNetwork(), replace(ROAD, lane_types=np.full(6, LaneType.BIKE, np.uint8))):
        first = check_map(network)[0]
        assert (first.severity, first.check) == (Severity.ERROR, "lanes")
        assert first.as_dict()["place"] is None


def test_errors_come_first_and_findings_travel_as_json() -> None:
    broken: Any = with_value(with_links(ROAD, "signal_lanes", 0, []), "lane_speed_limits", 2, np.nan)
    findings = check_map(broken)
    assert [f.severity for f in findings] == [Severity.ERROR, Severity.NOTE]
    assert findings[0].as_dict() == {
        "severity": "error", "check": "signal", "element": "signal 1", "place": [150.0, -1.75],
        "text": "it governs no lane", "remedy": "name the lanes it stops",
    }  # fmt: skip
    name = Finding.at(Severity.NOTE, "area", AreaType(3).name, np.array([1.234, 2.0, 9.0]), "x", "y")
    assert name.as_dict()["place"] == [1.23, 2.0]
