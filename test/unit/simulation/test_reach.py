"""Ways along the streets, and quarters between which nobody can walk."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from zoox_stack.simulation.demand import write_demand
from zoox_stack.simulation.reach import quarters_on_foot, ways_from


def test_the_way_with_the_fewest_edges() -> None:
    links = {"a": ("b", "c"), "b": ("d",), "c": ("d",), "d": ("a",)}
    assert ways_from("a", links) == {"a": ["a"], "b": ["a", "b"], "c": ["a", "c"], "d": ["a", "b", "d"]}


def test_streets_are_joined_by_walking_areas_only(tmp_path: Path) -> None:
    net = ET.Element("net")
    for name in (":n_w0", ":m_w0"):
        ET.SubElement(net, "edge", id=name, function="walkingarea")
    for start, end in (("a", ":n_w0"), (":n_w0", "b"), ("c", ":m_w0"), ("b", "c")):
        ET.SubElement(net, "connection", {"from": start}, to=end)
    ET.ElementTree(net).write(tmp_path / "net.xml")
    quarters = quarters_on_foot(tmp_path / "net.xml")
    assert quarters["a"] == quarters["b"] != quarters["c"]


def test_nobody_walks_on_a_roundabout_nor_to_where_no_footway_leads(tmp_path: Path) -> None:
    pytest.importorskip("sumo", reason="needs the simulation extra (sumo)")
    from zoox_stack.simulation.towns import build_town

    town = build_town("roundabout", 1, tmp_path)
    for edge in ET.parse(town.net_path).getroot().iter("edge"):
        walked = [lane for lane in edge.findall("lane") if "pedestrian" in lane.get("allow", "pedestrian").split()]
        drives = [lane for lane in walked if "pedestrian" not in lane.get("disallow", "").split()]
        assert all(lane.get("allow", "").split() == ["pedestrian"] for lane in drives), edge.get("id")
    write_demand(town, town.demand, 1, tmp_path / "routes.xml")
    quarters = quarters_on_foot(town.net_path)
    walks = list(ET.parse(tmp_path / "routes.xml").getroot().iter("walk"))
    assert len(set(quarters.values())) > 1
    assert len(walks) > 20
    assert all(quarters[walk.attrib["from"]] == quarters[walk.attrib["to"]] for walk in walks)
