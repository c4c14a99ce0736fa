"""Regulatory elements of a Lanelet2 map: traffic lights, right of way, speed limits, stop lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LaneType
from zoox_stack.road_network.importers.lanelet2_lanes import Lane, LaneTable
from zoox_stack.road_network.importers.lanelet2_tags import name_of, speed_of
from zoox_stack.road_network.importers.osm_file import OsmElement
from zoox_stack.road_network.importers.report import ReportBuilder
from zoox_stack.road_network.importers.whole_numbers import whole_number


@dataclass
class Rules:
    """What the regulatory elements say.

    Attributes:
        signal_ids: Ids of the traffic lights.
        signal_positions: Where they stand, ``[3]`` each [m].
        signal_lanes: Rows each governs.
        yields: Rows each lane gives way to.
        yield_lines: Stop lines of a right of way without traffic light (way ids).
        lights: Ways that are traffic lights of a signal.
        signs: Ways that are signs of a rule.
        speeds: [m/s] by id of a speed limit rule.
    """

    signal_ids: list[int] = field(default_factory=list)
    signal_positions: list[NDArray[np.float64]] = field(default_factory=list)
    signal_lanes: list[list[int]] = field(default_factory=list)
    yields: list[set[int]] = field(default_factory=list)
    yield_lines: set[int] = field(default_factory=set)
    lights: set[int] = field(default_factory=set)
    signs: set[int] = field(default_factory=set)
    speeds: dict[int, float] = field(default_factory=dict)


def read_rules(table: LaneTable, report: ReportBuilder) -> Rules:
    """Turn every regulatory element into what a map can hold, or name it in the report."""
    rules = Rules(yields=[set() for _ in table.lanes])
    lanes_of: dict[int, list[int]] = {}
    for row, lane in enumerate(table.lanes):
        for named in table.osm.relations[lane.relation].refs("regulatory_element"):
            lanes_of.setdefault(named, []).append(row)
    stop_lines_of_lights: set[int] = set()
    for key, rule in table.osm.of_type("regulatory_element").items():
        kind = rule.tags.get("subtype", "")
        if kind == "traffic_light":
            stop_lines_of_lights.update(rule.refs("ref_line"))
            _signal(key, rule, lanes_of.get(key, []), table, rules, report)
        elif kind == "right_of_way":
            _right_of_way(key, rule, table, rules, report)
        elif kind == "speed_limit":
            _speed_limit(key, rule, bool(lanes_of.get(key)), table, rules, report)
        elif kind == "all_way_stop":
            report.leave("relation", key, "all-way stop: first come, first served is no fixed order")
        else:
            report.leave("relation", key, f"rule of an unknown kind: {kind!r}")
    rules.yield_lines -= stop_lines_of_lights
    return rules


def _signal(
    key: int, rule: OsmElement, named: list[int], table: LaneTable, rules: Rules, report: ReportBuilder
) -> None:
    stops = [table.way_points(way) for way in rule.refs("ref_line")]
    ended = {row for stop in stops for row in table.ending_at(stop)}
    if named:
        # A two-way lanelet is governed in the direction that leads to the line.
        pairs = {row for row in named if len(table.rows[table.lanes[row].relation]) == 2}
        rows = [row for row in named if row not in pairs or not pairs & ended or row in ended]
        became = "signal"
    else:
        rows = sorted(ended)
        became = "signal, its lanes found by the stop line" if rows else "signal that governs no lane"
    lights = rule.refs("refers")
    rules.signal_ids.append(whole_number(rule.tags.get("signal_id", key)))
    rules.signal_positions.append(table.way_points(lights[0]).mean(axis=0))
    rules.signal_lanes.append(rows)
    rules.lights.update(lights)
    report.use("relation", key, name_of(rule.tags), became)


def _right_of_way(key: int, rule: OsmElement, table: LaneTable, rules: Rules, report: ReportBuilder) -> None:
    first = [row for relation in rule.refs("right_of_way") for row in table.rows.get(relation, [])]
    waiting = [row for relation in rule.refs("yield") for row in table.rows.get(relation, [])]
    if not first or not waiting:
        report.leave("relation", key, "right of way between lanelets that are not in the map")
        return
    for row in waiting:
        rules.yields[row].update(other for other in first if other != row)
    rules.yield_lines.update(rule.refs("ref_line"))
    rules.signs.update(rule.refs("refers"))
    report.use("relation", key, name_of(rule.tags), "give-way links")


def _speed_limit(
    key: int, rule: OsmElement, named: bool, table: LaneTable, rules: Rules, report: ReportBuilder
) -> None:
    signs = [table.osm.ways[way].tags for way in rule.refs("refers") if way in table.osm.ways]
    texts = [rule.tags.get("sign_type", ""), *(tags.get(k, "") for tags in signs for k in ("sign_type", "subtype"))]
    values = [value for value in map(speed_of, texts) if value == value]
    if not named:
        report.leave("relation", key, "speed limit that no lanelet refers to")
    elif not values:
        report.leave(
            "relation", key, f"speed limit without a speed: {', '.join(filter(None, texts)) or 'no sign type'}"
        )
    else:
        rules.speeds[key] = values[0]
        rules.signs.update(rule.refs("refers"))
        report.use("relation", key, name_of(rule.tags), "speed limit of lanes")


def speed_limits(table: LaneTable, rules: Rules, lanelet_map: Any, report: ReportBuilder) -> list[float]:
    """Speed limit of every lane [m/s]: of its rules, else of its tag, else of the law where the file names the place.

    The law is the lanelet2 library's, which knows Germany (``region=de``) and needs a ``location``; NaN otherwise.
    """
    from lanelet2 import traffic_rules

    law = traffic_rules.create(traffic_rules.Locations.Germany, traffic_rules.Participants.Vehicle)
    limits, by_law = [], 0
    for lane in table.lanes:
        speed = _own_limit(lane, table, rules)
        if speed != speed and lane.kind in (LaneType.VEHICLE, LaneType.BUS):
            where = lane.tags.get("region"), lane.tags.get("location") in ("urban", "nonurban")
            lanelet = lanelet_map.laneletLayer[lane.relation]
            if where == ("de", True) and law.canPass(lanelet):
                limit = law.speedLimit(lanelet)
                speed = float(limit.speedLimitMPS) if limit.isMandatory else speed
                by_law += limit.isMandatory
        limits.append(speed)
    unknown = sum(speed != speed for speed in limits)
    if by_law:
        report.notes.append(f"speed limit of {by_law} lanes from German law by region and location")
    if unknown:
        report.notes.append(f"speed limit of {unknown} lanes unknown")
    return limits


def _own_limit(lane: Lane, table: LaneTable, rules: Rules) -> float:
    for rule in table.osm.relations[lane.relation].refs("regulatory_element"):
        if rule in rules.speeds:
            return rules.speeds[rule]
    return speed_of(lane.tags.get("speed_limit", ""))
