"""OSM XML as Lanelet2 uses it: read, checked, rid of what is deleted or broken; the report names each removal."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.report import ReportBuilder
from zoox_stack.road_network.importers.whole_numbers import whole_number

_KINDS = ("node", "way", "relation")
_MEMBER_KINDS = {
    **dict.fromkeys(("left", "right", "centerline", "outer", "inner", "refers", "ref_line", "cancels"), "way"),
    **dict.fromkeys(("regulatory_element", "right_of_way", "yield"), "relation"),
}  # what the roles that are read must be; other roles are not
_OUR_TAGS = {
    "node": (),
    "way": ("area_id", "line_id", "boundary_of", "side"),
    "relation": (
        "area_id", "lane_id", "signal_id", "in_intersection", "width", "successors", "left_neighbour",
        "right_neighbour", "left_boundary", "right_boundary",
    ),
}  # fmt: skip
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
        elif xml.get("action") == "delete" or xml.get("visible") == "false":
            report.leave(xml.tag, key or f"#{position}", "deleted in the file")
        else:
            try:
                number, element = whole_number(key), _element(xml)
            except (KeyError, ValueError) as error:
                report.leave(xml.tag, f"{key} (#{position})", f"attribute missing or no number: {error}")
                continue
            if number in found[xml.tag]:
                report.leave(xml.tag, f"{key} (#{position})", "id used twice, the first counts")
            else:
                found[xml.tag][number] = element
    return sound(OsmFile(found["node"], found["way"], found["relation"]), report)


def _element(xml: ET.Element) -> OsmElement:
    return OsmElement(
        tags={tag.attrib["k"]: tag.attrib["v"] for tag in xml.findall("tag")},
        place=(float(xml.attrib["lat"]), float(xml.attrib["lon"])) if xml.tag == "node" else (math.nan, math.nan),
        nodes=tuple(whole_number(nd.attrib["ref"]) for nd in xml.findall("nd")),
        members=tuple(
            (m.attrib["type"], whole_number(m.attrib["ref"]), m.get("role", "")) for m in xml.findall("member")
        ),
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
    typed = {key: _of_right_kinds(key, relation, report) for key, relation in osm.relations.items()}
    relations = keep("relation", typed, lambda relation: _relation_fault(relation, ways))
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
    try:
        height = float(node.tags.get("ele", "0"))
    except ValueError:  # "12 m": the lanelet2 library makes what it can of it
        height = 0.0
    if not math.isfinite(height):
        return f"height is no finite number: {node.tags['ele']!r}"
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


def _of_right_kinds(key: int, relation: OsmElement, report: ReportBuilder) -> OsmElement:
    """The relation without members that their role does not allow, for example a node as the bound of a lanelet."""
    right = tuple(m for m in relation.members if m[0] == _MEMBER_KINDS.get(m[2], m[0]))
    for kind, ref, role in relation.members:
        if (kind, ref, role) not in right:
            report.notes.append(f"relation {key}: its {role} must be a {_MEMBER_KINDS[role]}, not {kind} {ref}")
    return OsmElement(relation.tags, members=right)


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


def without_our_tags(osm: OsmFile, report: ReportBuilder) -> OsmFile:
    """A file that `save_lanelet2` did not write, without the tags that only mean something in files it did."""
    found: set[str] = set()

    def bare(kind: str, elements: dict[int, OsmElement]) -> dict[int, OsmElement]:
        result = {}
        for key, element in elements.items():
            foreign = {k: v for k, v in element.tags.items() if k not in _OUR_TAGS[kind]}
            found.update(element.tags.keys() - foreign.keys())
            result[key] = replace(element, tags=foreign)
        return result

    bared = OsmFile(osm.nodes, bare("way", osm.ways), bare("relation", osm.relations))
    if found:
        report.notes.append(f"tags without a meaning in a file of others passed over: {', '.join(sorted(found))}")
    return bared
