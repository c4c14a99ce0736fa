"""Maps of every format through one door; the format is what the contents say."""

from __future__ import annotations

import json
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.topics import ROAD_NETWORK
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.road_network.loading import FORMATS, MapFormat, kind_of, load_map
from zoox_stack.road_network.made_up import crossing

SUMO = """<?xml version="1.0"?>
<!-- made up -->
<net version="1.20"><edge id="a" from="x" to="y">
  <lane id="a_0" index="0" speed="13.89" length="90" shape="0,0 90,0"/></edge></net>"""


def av2() -> dict[str, Any]:
    def points(*xy: tuple[float, float]) -> list[dict[str, float]]:
        return [{"x": x, "y": y, "z": 0.0} for x, y in xy]

    lane = {
        "id": 5, "is_intersection": False, "lane_type": "VEHICLE", "left_lane_mark_type": "NONE",
        "right_lane_mark_type": "NONE", "left_lane_boundary": points((0, 3), (50, 3)),
        "right_lane_boundary": points((0, 0), (50, 0)), "predecessors": [], "successors": [],
        "left_neighbor_id": None, "right_neighbor_id": None,
    }  # fmt: skip
    return {"lane_segments": {"5": lane}, "pedestrian_crossings": {}, "drivable_areas": {}}


def scene(dataset: str) -> dict[str, Any]:
    lane = {"type": "LANE_SURFACE_STREET", "polyline": np.array([[0.0, 0, 7.0], [50.0, 0, 7.0]])}
    odd = {"type": "HELIPAD", "polygon": np.zeros((3, 2))}
    counts = defaultdict(int, car=3)  # as in Waymo scenes
    metadata = {"dataset": dataset, "map": "town", "counts": counts}
    return {"id": "s1", "metadata": metadata, "map_features": {"a": lane, "b": odd}}


def bag(path: Path, topics: bool = True) -> Path:
    with BagWriter(path, flush_period=None) as writer:
        if topics:
            writer.add_topic(ROAD_NETWORK.name, ROAD_NETWORK.type_name, ())
            writer.write(ROAD_NETWORK.name, 5, encode(crossing(), 5))
    return path


def test_formats_are_told_by_their_contents(tmp_path: Path) -> None:
    sumo = tmp_path / "map.txt"
    sumo.write_text(SUMO)
    network, report = load_map(sumo)
    assert (kind_of(sumo), len(network.lane_ids), report.became("VEHICLE")) == ("sumo", 1, 1)

    archive = tmp_path / "sumo.net.xml"
    archive.write_text("\n " + json.dumps(av2()))
    network, report = load_map(archive)
    assert (kind_of(archive), network.lane_ids.tolist(), report.unaccounted) == ("av2", [5], {})

    for kind, root in (("lanelet2", "osm"), ("commonroad", "commonRoad")):
        path = tmp_path / kind
        path.write_text(f'﻿<?xml version="1.0"?><{root} version="0.6"/>', encoding="utf-8")
        assert kind_of(path) == kind


@pytest.mark.parametrize(("dataset", "z"), [("nuscenes", 0.0), ("waymo", 7.0)])
def test_scenes_bring_heights_or_headings(tmp_path: Path, dataset: str, z: float) -> None:
    path = tmp_path / "scene"
    path.write_bytes(pickle.dumps(scene(dataset)))
    network, report = load_map(path)
    assert network.name == "town"
    assert network.centre_lines[0][:, 2].tolist() == [z, z]
    assert {row.reason: row.count for row in report.left_out} == {"HELIPAD": 1}


@pytest.mark.parametrize("name", ["drive.mcap", "folder"])
def test_a_bag_holds_its_map(tmp_path: Path, name: str) -> None:
    network, _ = load_map(bag(tmp_path / name))
    assert network.name == "crossing"
    np.testing.assert_array_equal(network.successors.values, crossing().successors.values)


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content, found in (
        (b"", "an empty file"),
        (b"hello", "begins with b'hello'"),
        (b"<gpx/>", "root element <gpx>"),
        (b"<osm", "readable XML"),
        (b"{}", "Argoverse 2"),
        (b"\x80\x04.", "whole pickle"),
        (pickle.dumps({"metadata": {}}), "ScenarioNet scene"),
        (pickle.dumps(scene("kitti")), "nuscenes or waymo, found 'kitti'"),
        (pickle.dumps([1]), "ScenarioNet scene"),
        (pickle.dumps(Path("/")), "numpy arrays only"),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match=found):
            load_map(path)
    with pytest.raises(InvalidInputError, match="nothing of that name"):
        load_map(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match=r"topic /map/road_network.*no topics"):
        load_map(bag(tmp_path / "empty.mcap", topics=False))


def test_an_error_lists_all_formats(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    with pytest.raises(InvalidInputError) as error:
        load_map(tmp_path / "x")
    assert all(form.description in str(error.value) for form in FORMATS.values())


def test_a_format_can_be_insisted_on(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(SUMO)
    with pytest.raises(InvalidInputError, match="JSON"):
        load_map(tmp_path / "x", "av2")
    with pytest.raises(InvalidInputError, match="auto or one of"):
        load_map(tmp_path / "x", "opendrive")


def broken_av2(**changes: Any) -> str:
    archive = av2()
    archive["lane_segments"]["5"] |= changes
    return json.dumps(archive)


def second_av2(section: str, element: dict[str, Any]) -> str:
    archive = av2()
    archive[section]["6"] = element
    return json.dumps(archive)


def broken_scene(**changes: Any) -> bytes:
    scenario = scene("waymo")
    scenario["map_features"]["a"] |= changes
    return pickle.dumps(scenario)


def with_parts(**parts: Any) -> bytes:
    return pickle.dumps(scene("waymo") | parts)


LANE = av2()["lane_segments"]["5"]
LONG = "9" * 20
COMMONROAD = (
    "<commonRoad commonRoadVersion='2020a'><lanelet id='{}'><leftBound><point><x>0</x><y>3</y></point><point><x>9</x>"
    "<y>3</y></point></leftBound><rightBound><point><x>0</x><y>0</y></point><point><x>9</x><y>0</y></point>"
    "</rightBound>{}</lanelet></commonRoad>"
)
BROKEN = {
    "av2, id of letters": (broken_av2(id="abc"), "lane segment 5: .*'abc'"),
    "av2, id of twenty digits": (broken_av2(id=int(LONG)), f"lane segment 5: .*{LONG}"),
    "av2, place of letters": (broken_av2(left_lane_boundary=[{"x": "abc", "y": 0, "z": 0}] * 2), "lane segment 5"),
    "av2, place that is none": (broken_av2(left_lane_boundary=[{"x": np.nan, "y": 0, "z": 0}] * 2), "no finite number"),
    "av2, one point": (broken_av2(left_lane_boundary=LANE["left_lane_boundary"][:1]), "lane segment 5: .*2 distinct"),
    "av2, successor of letters": (broken_av2(successors=["q"]), "lane segment 5: .*'q'"),
    "av2, own neighbour": (broken_av2(left_neighbor_id=5), "lane 5 beside itself"),
    "av2, kind that is a list": (broken_av2(lane_type=["x"]), "lane segment 5: .*none of VEHICLE"),
    "av2, one id twice": (second_av2("lane_segments", LANE), "lane segment 6: .*5 a second time"),
    "av2, area of two points": (
        second_av2("drivable_areas", {"id": 1, "area_boundary": LANE["left_lane_boundary"]}),
        "drivable area 6: .*3 corners",
    ),
    "av2, nested deeply": ('{"a":' + "[" * 100_000, "JSON file, found maximum recursion"),
    "scenarionet, features in a list": (with_parts(map_features=[1]), "map_features: expected a dictionary"),
    "scenarionet, feature that is a list": (with_parts(map_features={"a": [1]}), "map feature a: .*dictionary"),
    "scenarionet, dataset in a list": (with_parts(metadata={"dataset": ["x"]}), "nuscenes or waymo"),
    "scenarionet, speed in words": (broken_scene(speed_limit_mph="fast"), "map feature a: .*fast"),
    "scenarionet, speed in a list": (broken_scene(speed_limit_mph=[30]), "map feature a: .*list"),
    "scenarionet, exits that are a number": (broken_scene(exit_lanes=5), "map feature a: .*iterable"),
    "scenarionet, polygon that is a number": (broken_scene(polygon=5), "map feature a: .*len"),
    "sumo, lane without shape": (SUMO.replace("0,0 90,0", ""), "lane a_0: .*without points"),
    "sumo, index in words": (SUMO.replace('index="0"', 'index="x"'), "lane a_0: .*'x'"),
    "sumo, no lane": ("<net/>", "vehicle lanes"),
    "commonroad, id of twenty digits": (COMMONROAD.format(LONG, ""), f"no whole number of 64 bits: '{LONG}'"),
    "commonroad, id of superscripts": (COMMONROAD.format("²", ""), "no whole number of 64 bits: '²'"),
    "commonroad, successor of letters": (COMMONROAD.format(1, "<successor ref='x'/>"), "'x'"),
    "commonroad, light of twenty digits": (
        COMMONROAD.format(1, f"<trafficLightRef ref='{LONG}'/>"), f"no whole number of 64 bits: '{LONG}'"
    ),
    "commonroad, own neighbour": (COMMONROAD.format(1, "<adjacentLeft ref='1' drivingDir='same'/>"), "beside itself"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "complaint"), BROKEN.values(), ids=BROKEN)
def test_broken_maps_end_in_an_error_that_names_file_and_place(
    tmp_path: Path, content: str | bytes, complaint: str
) -> None:
    path = tmp_path / "broken.map"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidInputError, match=rf"(?s)broken\.map.*{complaint}"):
        load_map(path)


def test_whatever_an_importer_stumbles_over_is_about_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_text(SUMO)
    for error in (ValueError("v"), KeyError("k"), TypeError("t"), IndexError("i"), AttributeError("a"),
                  OverflowError("o"), RecursionError("r"), RuntimeError("u")):  # fmt: skip

        def stumble(_: Path, error: Exception = error) -> Any:
            raise error

        monkeypatch.setitem(FORMATS, "sumo", MapFormat("made up", stumble))
        with pytest.raises(InvalidInputError, match=f"a sound made up, found {type(error).__name__}"):
            load_map(path)


OSM_NODES = "".join(
    f"<node id='{key}' lat='{lat}' lon='{lon}'/>"
    for key, lat, lon in ((1, 0, 0), (3, 0, 2e-4), (4, 4e-5, 0), (6, 4e-5, 2e-4))
)
OSM_WAYS = "".join(
    f"<way id='{key}'><nd ref='{nodes[0]}'/><nd ref='{nodes[1]}'/><tag k='type' v='{kind}'/></way>"
    for key, nodes, kind in ((11, (4, 6), "line_thin"), (12, (1, 3), "line_thin"), (15, (1, 4), "traffic_light"))
)


def lanelet2(members: str = "", left: tuple[str, str] = ("way", "11"), extra: str = "") -> str:
    """A map of the lanelets 20 and 21; of the first the left bound and more members are given."""
    tags = "<tag k='type' v='lanelet'/><tag k='subtype' v='road'/>"
    right = "<member type='way' ref='12' role='right'/>"
    lanelets = "".join(
        f"<relation id='{key}'><member type='{kind}' ref='{ref}' role='left'/>{right}{more}{tags}</relation>"
        for key, (kind, ref), more in ((20, left, members), (21, ("way", "11"), ""))
    )
    return f"<osm>{OSM_NODES}{extra}{OSM_WAYS}{lanelets}</osm>"


def rule(subtype: str, *members: tuple[str, int, str]) -> str:
    inside = "".join(f"<member type='{kind}' ref='{ref}' role='{role}'/>" for kind, ref, role in members)
    tags = f"<tag k='type' v='regulatory_element'/><tag k='subtype' v='{subtype}'/>"
    return f"<relation id='30'>{inside}{tags}</relation>"


REGULATED = "<member type='relation' ref='30' role='regulatory_element'/>"


@pytest.mark.parametrize(
    ("text", "lanes", "named"),
    [
        (lanelet2(left=("node", "4")), [21], "must be a way, not node 4"),
        (lanelet2(left=("relation", "21")), [21], "must be a way, not relation 21"),
        (lanelet2("<member type='relation' ref='21' role='centerline'/>"), [20, 21], "centerline must be a way"),
        (
            lanelet2("<member type='way' ref='15' role='regulatory_element'/>"),
            [20, 21],
            "must be a relation, not way 15",
        ),
        (
            lanelet2(REGULATED, extra=rule("traffic_light", ("relation", 21, "refers"))),
            [20, 21],
            "traffic_light without refers",
        ),
        (
            lanelet2(REGULATED, extra=rule("traffic_light", ("way", 15, "refers"), ("relation", 21, "ref_line"))),
            [20, 21],
            "ref_line must be a way",
        ),
        (lanelet2(extra="<node id='--5' lat='0' lon='0'/>"), [20, 21], "'--5'"),
        (lanelet2(extra="<node id='²' lat='0' lon='0'/>"), [20, 21], "'²'"),
        (lanelet2(extra=f"<node id='{LONG}' lat='0' lon='0'/>"), [20, 21], LONG),
        (
            lanelet2(extra="<node id='9' lat='0' lon='0'><tag k='ele' v='nan'/></node>"),
            [20, 21],
            "height is no finite number",
        ),
    ],
)
def test_odd_elements_of_lanelet2_maps_are_left_out_and_named(
    tmp_path: Path, text: str, lanes: list[int], named: str
) -> None:
    pytest.importorskip("lanelet2", reason="needs the maps extra (lanelet2)")
    (tmp_path / "x.osm").write_text(text)
    network, report = load_map(tmp_path / "x.osm")
    assert network.lane_ids.tolist() == lanes
    assert named in report.as_text()
    assert report.unaccounted == {}
