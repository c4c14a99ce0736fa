"""OSM XML as Lanelet2 uses it: read, checked, rid of what is deleted or broken; the report names each removal."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.report import ReportBuilder

_KINDS = ("node", "way", "relation")
_NEEDED_ROLES = {"traffic_light": ("refers",), "right_of_way": ("right_of_way", "yield")}


@dataclass(frozen=True)
class OsmElement:
    """One node, way or relation.

    Attributes:
        tags: Its tags.
        place: Latitude and longitude [deg] of a node, else NaN.
        nodes: Node ids of a way.
        members: (type, id, role) of a relation.
    """

    tags: dict[str, str]
    place: tuple[float, float] = (math.nan, math.nan)
    nodes: tuple[int, ...] = ()
    members: tuple[tuple[str, int, str], ...] = ()

    def refs(self, role: str) -> list[int]:
        """Ids of the members of a role."""
        return [ref for _, ref, given in self.members if given == role]


@dataclass(frozen=True)
class OsmFile:
    """Sound elements of a file by id.

    Attributes:
        nodes: Nodes.
        ways: Ways; all their nodes exist.
        relations: Relations; all their members exist.
    """

    nodes: dict[int, OsmElement]
    ways: dict[int, OsmElement]
    relations: dict[int, OsmElement]

    def of_type(self, kind: str) -> dict[int, OsmElement]:
        """Relations with ``type=kind``, by rising id."""
        return {key: self.relations[key] for key in sorted(self.relations) if self.relations[key].tags["type"] == kind}

    def write(self, path: Path) -> None:
        """The elements as OSM XML."""
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6">']
        for kind, elements in zip(_KINDS, (self.nodes, self.ways, self.relations), strict=True):
            for key, element in elements.items():
                place = f' lat="{element.place[0]!r}" lon="{element.place[1]!r}"' if kind == "node" else ""
                lines.append(f'<{kind} id="{key}"{place}>')
                lines += [f'<nd ref="{node}"/>' for node in element.nodes]
                lines += [f'<member type="{m}" ref="{ref}" role={quoteattr(r)}/>' for m, ref, r in element.members]
                lines += [f"<tag k={quoteattr(k)} v={quoteattr(v)}/>" for k, v in element.tags.items()]
                lines.append(f"</{kind}>")
        path.write_text("\n".join([*lines, "</osm>"]), encoding="utf-8")


def read_osm(path: Path, report: ReportBuilder) -> OsmFile:
    """Read a file and keep its sound elements.

    Args:
        path: OSM XML.
        report: Told the total of each kind, and every element that is dropped and why.

    Raises:
        InvalidInputError: Not a readable OSM XML file.
    """
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError, UnicodeDecodeError, ValueError) as error:
        raise InvalidInputError(f"Lanelet2 map {path}", "a readable OSM XML file", str(error)) from error
    if root.tag != "osm":
        raise InvalidInputError(f"Lanelet2 map {path}", "root element <osm>", f"<{root.tag}>")
    found: dict[str, dict[int, OsmElement]] = {kind: {} for kind in _KINDS}
    for position, xml in enumerate(root):
        report.totals[xml.tag] += 1
        key = xml.get("id", "")
        if xml.tag not in _KINDS:
            report.leave(xml.tag, f"#{position}", "no map data")
        elif not key.lstrip("-").isdigit():
            report.leave(xml.tag, f"#{position}", f"id is no whole number: {key!r}")
        elif int(key) in found[xml.tag]:
            report.leave(xml.tag, f"{key} (#{position})", "id used twice, the first counts")
        elif xml.get("action") == "delete" or xml.get("visible") == "false":
            report.leave(xml.tag, key, "deleted in the file")
        else:
            try:
                found[xml.tag][int(key)] = _element(xml)
            except (KeyError, ValueError) as error:
                report.leave(xml.tag, key, f"attribute missing or no number: {error}")
    return sound(OsmFile(found["node"], found["way"], found["relation"]), report)


def _element(xml: ET.Element) -> OsmElement:
    return OsmElement(
        tags={tag.attrib["k"]: tag.attrib["v"] for tag in xml.findall("tag")},
        place=(float(xml.attrib["lat"]), float(xml.attrib["lon"])) if xml.tag == "node" else (math.nan, math.nan),
        nodes=tuple(int(nd.attrib["ref"]) for nd in xml.findall("nd")),
        members=tuple((m.attrib["type"], int(m.attrib["ref"]), m.get("role", "")) for m in xml.findall("member")),
    )


def sound(osm: OsmFile, report: ReportBuilder) -> OsmFile:
    """The elements without what is broken, and without what depends on it; each removal is told to the report."""

    def keep(kind: str, elements: dict[int, OsmElement], fault: Callable[[OsmElement], str]) -> dict[int, OsmElement]:
        whole = {}
        for key, element in elements.items():
            reason = fault(element)
            if reason:
                report.leave(kind, key, reason)
            else:
                whole[key] = element
        return whole

    nodes = keep("node", osm.nodes, _node_fault)
    ways = keep("way", osm.ways, lambda way: _way_fault(way, nodes))
    relations = keep("relation", osm.relations, lambda relation: _relation_fault(relation, ways))
    # What rules refer to may just have been dropped; lanelets refer to rules, so rules come first.
    rules = {key: r for key, r in relations.items() if r.tags["type"] == "regulatory_element"}
    rules = {key: _without_missing(key, rule, ways, relations, report) for key, rule in rules.items()}
    rules = keep("relation", rules, _rule_fault)
    others = {key: r for key, r in relations.items() if r.tags["type"] != "regulatory_element"}
    relations = {**others, **rules}
    relations = {key: _without_missing(key, r, ways, relations, report) for key, r in relations.items()}
    return OsmFile(nodes, ways, relations)


def _node_fault(node: OsmElement) -> str:
    latitude, longitude = node.place
    inside = abs(latitude) <= 90 and abs(longitude) <= 180  # false for NaN too
    return "" if inside else f"no place on earth: {latitude}, {longitude}"


def _way_fault(way: OsmElement, nodes: dict[int, OsmElement]) -> str:
    missing = [str(node) for node in way.nodes if node not in nodes]
    if missing:
        return f"names nodes that are not there: {', '.join(missing[:3])}"
    return "" if len(set(way.nodes)) >= 2 else f"fewer than 2 different nodes: {len(set(way.nodes))}"


def _relation_fault(relation: OsmElement, ways: dict[int, OsmElement]) -> str:
    kind = relation.tags.get("type", "")
    if kind == "lanelet":
        for side in ("left", "right"):
            bounds = relation.refs(side)
            if len(bounds) != 1:
                return f"lanelet needs one {side} bound, has {len(bounds)}"
            if bounds[0] not in ways:
                return f"lanelet whose {side} bound is not there: way {bounds[0]}"
        same = relation.refs("left") == relation.refs("right")
        return "lanelet with one way as both bounds" if same else ""
    if kind == "multipolygon":
        outline = relation.refs("outer")
        missing = [ref for ref in outline if ref not in ways]
        if missing:
            return f"area whose outline is not there: way {missing[0]}"
        return "" if outline else "area without outline"
    return "" if kind == "regulatory_element" else f"relation of type {kind!r} is not of a Lanelet2 map"


def _rule_fault(rule: OsmElement) -> str:
    subtype = rule.tags.get("subtype", "")
    missing = [role for role in _NEEDED_ROLES.get(subtype, ()) if not rule.refs(role)]
    return f"{subtype} without {missing[0]}" if missing else ""


def _without_missing(
    key: int,
    relation: OsmElement,
    ways: dict[int, OsmElement],
    relations: dict[int, OsmElement],
    report: ReportBuilder,
) -> OsmElement:
    """The relation without members that do not exist."""
    known = {"way": ways, "relation": relations}
    there = tuple(m for m in relation.members if m[1] in known.get(m[0], {}))
    for kind, ref, role in relation.members:
        if (kind, ref, role) not in there:
            report.notes.append(f"relation {key}: its {role} {kind} {ref} is not there")
    return OsmElement(relation.tags, members=there)
