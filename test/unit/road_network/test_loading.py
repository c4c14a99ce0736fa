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
from zoox_stack.road_network.loading import FORMATS, kind_of, load_map
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
