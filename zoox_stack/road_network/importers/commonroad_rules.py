"""Traffic signs, lights and intersections of CommonRoad scenarios."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LaneTurn
from zoox_stack.road_network.importers.report import ReportBuilder
from zoox_stack.road_network.importers.whole_numbers import whole_number
from zoox_stack.road_network.line_shapes import clean_polyline, lines_cross

SPEED_SIGNS = {"274", "274.1", "R2-1", "maxspeed"}
GIVE_WAY_SIGNS = {"205", "206", "R1-1", "R1-2", "yield", "stop"}
YIELD_SIGNS = {"205", "R1-2", "yield"}
PRIORITY_SIGNS = {"301", "306", "priority", "right_of_way"}
RIGHT_BEFORE_LEFT_SIGNS = {"102"}
_TURN_TAGS = {
    "successorsRight": LaneTurn.RIGHT,
    "successorsStraight": LaneTurn.STRAIGHT,
    "successorsLeft": LaneTurn.LEFT,
}
_GIVES_WAY, _EQUAL, _FIRST = 0, 1, 2


@dataclass(frozen=True)
class Incoming:
    """One way into an intersection.

    Attributes:
        key: Its id.
        rank: Gives way, equal, first.
        left_of: Id of the incoming on its right-hand side (this one is left of it), -1: none.
        ways: Rows of the lanes from here through the intersection.
    """

    key: int
    rank: int
    left_of: int
    ways: tuple[int, ...]


@dataclass
class Rules:
    """What signs, lights and intersections say.

    Attributes:
        speeds: [m/s] per lane, NaN unknown.
        signal_ids: Ids of the traffic lights.
        places: Where the lights stand ``[3]``, None: not given.
        signal_lanes: Rows each governs.
        turns: Turn of the lanes that lead through intersections, by row.
        has_intersections: The file knows intersections.
        incomings: Per intersection.
        yield_signs: Ids of give-way signs that are no stop signs.
    """

    speeds: list[float] = field(default_factory=list)
    signal_ids: list[int] = field(default_factory=list)
    places: list[NDArray[np.float64] | None] = field(default_factory=list)
    signal_lanes: list[list[int]] = field(default_factory=list)
    turns: dict[int, LaneTurn] = field(default_factory=dict)
    has_intersections: bool = False
    incomings: list[list[Incoming]] = field(default_factory=list)
    yield_signs: set[int] = field(default_factory=set)

    def is_yield_line(self, stop: ET.Element) -> bool:
        """Whether the signs of a stop line make it a yield line."""
        return any(whole_number(ref.get("ref", "-1")) in self.yield_signs for ref in stop.findall("trafficSignRef"))

    def give_way(self, centres: Sequence[NDArray[np.float64]]) -> list[list[int]]:
        """Rows each lane gives way to: lanes of better rank, or of equal rank from the right, that meet it."""
        result: list[set[int]] = [set() for _ in centres]
        for incomings in self.incomings:
            for one in incomings:
                for other in incomings:
                    from_right = one.rank == other.rank == _EQUAL and one.left_of == other.key
                    if one is not other and (one.rank < other.rank or from_right):
                        for row in one.ways:
                            result[row].update(r for r in other.ways if _meet(centres[row], centres[r]))
        return [sorted(rows) for rows in result]


def read_rules(root: ET.Element, lanelets: Sequence[ET.Element], rows: dict[int, int], report: ReportBuilder) -> Rules:
    """Read everything but the lanelets.

    Args:
        root: The file.
        lanelets: Elements of the lanes, by row.
        rows: Row of each lane by lanelet id.
        report: Told what became of signs, lights and intersections.

    Returns:
        The rules; every sign, light and intersection is accounted for.
    """
    rules = Rules(speeds=[_number(lanelet.findtext("speedLimit")) for lanelet in lanelets])
    on_lanes: dict[tuple[str, int], list[int]] = {}
    for row, lanelet in enumerate(lanelets):
        for child in lanelet.iter():
            if child.tag in ("trafficSignRef", "trafficLightRef"):
                named = on_lanes.setdefault((child.tag, whole_number(child.get("ref", "-1"))), [])
                named += [row] if row not in named else []
    words = _signs(root, on_lanes, rules, report)
    _lights(root, on_lanes, rules, report)
    signs_of: dict[int, set[str]] = {}
    for (tag, key), governed in on_lanes.items():
        for row in governed if tag == "trafficSignRef" else ():
            signs_of.setdefault(row, set()).update(words.get(key, ()))
    for position, crossing in enumerate(root.findall("intersection")):
        _intersection(position, crossing, rows, signs_of, rules, report)
    return rules


def _signs(
    root: ET.Element, on_lanes: dict[tuple[str, int], list[int]], rules: Rules, report: ReportBuilder
) -> dict[int, set[str]]:
    words: dict[int, set[str]] = {}
    for position, sign in enumerate(root.findall("trafficSign")):
        key = whole_number(sign.get("id", -1 - position))
        name = _named(report, "trafficSign", key, position)
        parts = [
            ((part.findtext("trafficSignID") or "").strip(), part.findtext("additionalValue"))
            for part in sign.findall("trafficSignElement")
        ]
        words[key] = {word for word, _ in parts}
        subtype = ", ".join(word for word, _ in parts)
        lanes = on_lanes.get(("trafficSignRef", key), [])
        limits = [_number(value) for word, value in parts if word in SPEED_SIGNS]
        if words[key] & YIELD_SIGNS:
            rules.yield_signs.add(key)
        if not lanes:
            report.leave("trafficSign", name, "no lane refers to it")
        elif limits and limits[0] > 0:
            for row in lanes:
                rules.speeds[row] = limits[0]
            report.use("trafficSign", name, subtype, "speed limit of lanes")
        elif words[key] & (GIVE_WAY_SIGNS | PRIORITY_SIGNS | RIGHT_BEFORE_LEFT_SIGNS):
            report.use("trafficSign", name, subtype, "right of way")
        else:
            report.leave("trafficSign", name, f"sign the map has no place for: {subtype or 'nothing on it'}")
    return words


def _lights(root: ET.Element, on_lanes: dict[tuple[str, int], list[int]], rules: Rules, report: ReportBuilder) -> None:
    for position, light in enumerate(root.findall("trafficLight")):
        key = whole_number(light.get("id", -1 - position))
        name = _named(report, "trafficLight", key, position)
        lanes = on_lanes.get(("trafficLightRef", key), [])
        given = light.find("position/point")
        try:
            place = None if given is None else points_of(light.find("position"), least=1)[0]
        except ValueError as error:
            report.leave("trafficLight", name, str(error))
            continue
        if (light.findtext("active") or "true").strip() == "false":
            report.leave("trafficLight", name, "switched off")
        elif key in rules.signal_ids:
            report.leave("trafficLight", name, "id used twice, the first counts")
        elif not lanes and place is None:
            report.leave("trafficLight", name, "no lane refers to it and it has no position")
        else:
            rules.signal_ids.append(key)
            rules.places.append(place)
            rules.signal_lanes.append(lanes)
            report.use("trafficLight", name, "", "signal" if lanes else "signal that governs no lane")


def _intersection(
    position: int,
    crossing: ET.Element,
    rows: dict[int, int],
    signs_of: dict[int, set[str]],
    rules: Rules,
    report: ReportBuilder,
) -> None:
    incomings = []
    for number, incoming in enumerate(crossing.findall("incoming")):
        ways = []
        for tag, turn in _TURN_TAGS.items():
            for ref in incoming.findall(tag):
                row = rows.get(whole_number(ref.get("ref", "-1")), -1)
                if row >= 0:
                    rules.turns[row] = turn
                    ways.append(row)
        entries = [rows.get(whole_number(ref.get("ref", "-1")), -1) for ref in incoming.findall("incomingLanelet")]
        words = {word for row in entries for word in signs_of.get(row, ())}
        rank = _GIVES_WAY if words & GIVE_WAY_SIGNS else _FIRST if words & PRIORITY_SIGNS else _EQUAL
        beside = incoming.find("isLeftOf")
        incomings.append(
            Incoming(
                key=whole_number(incoming.get("id", -1 - number)),
                rank=rank,
                left_of=-1 if beside is None else whole_number(beside.get("ref", "-1")),
                ways=tuple(ways),
            )
        )
    key = _named(report, "intersection", crossing.get("id", ""), position)
    rules.has_intersections = True
    if any(incoming.ways for incoming in incomings):
        rules.incomings.append(incomings)
        report.use("intersection", key, "", "turns and right of way of lanes")
    else:
        report.leave("intersection", key, "no lane leads through it")


def _meet(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two lanes cross or end at one place."""
    merge = float(np.hypot(*(a[-1] - b[-1])[:2])) < 1.0
    return merge or lines_cross(a, b)


def points_of(element: ET.Element | None, least: int = 2) -> NDArray[np.float64]:
    """Points of an element ``[P, 3]``, repeated ones removed.

    Raises:
        ValueError: Fewer than `least` different points, or one that is no finite number.
    """
    if element is None:
        raise ValueError("no points")
    axes = {"x": "nan", "y": "nan", "z": "0"}
    values = [[float(p.findtext(axis, missing)) for axis, missing in axes.items()] for p in element.iter("point")]
    points = np.array(values, np.float64).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise ValueError(f"{element.tag} with a point that is no finite number")
    points = clean_polyline(points)
    if len(points) < least:
        raise ValueError(f"{element.tag} with fewer than {least} different points")
    return points


def _named(report: ReportBuilder, kind: str, key: int | str, position: int) -> str:
    """Name of an element in the report; ids used twice are told apart by their place in the file."""
    return f"{key} (#{position})" if key == "" or report.knows(kind, key) else str(key)


def _number(text: str | None) -> float:
    """A positive number, NaN if there is none."""
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and value > 0 else math.nan
