"""``zoox-stack map``: what it prints, writes and returns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core.ragged import Ragged
from zoox_stack.core.topics import ROAD_NETWORK
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork


def bag(path: Path, network: RoadNetwork) -> str:
    with BagWriter(path, flush_period=None) as writer:
        writer.add_topic(ROAD_NETWORK.name, ROAD_NETWORK.type_name, ())
        writer.write(ROAD_NETWORK.name, 5, encode(network, 5))
    return str(path)


@pytest.fixture
def good(tmp_path: Path) -> str:
    return bag(tmp_path / "good.mcap", crossing())


def test_show_writes_a_picture_and_says_what_is_in_it(
    good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.png"
    assert cli.main(["map", "show", good, "--out", str(out), "--ids", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lanes"] == {"vehicle": 20}
    assert told["areas"] == {"drivable": 3, "intersection": 1, "crosswalk": 4}
    assert (told["lines"], told["signals"], told["successors"]) == ({"stop": 4}, 4, 24)
    assert (told["low"], told["high"]) == ([-134.0, -134.0], [134.0, 134.0])
    assert told["lane_km"] == pytest.approx(8 * 0.12 + 4 * (0.028 + np.pi / 2 * (0.01225 + 0.01575)), abs=0.002)
    image = cv2.imread(str(out))
    assert min(image.shape[:2]) > 1000
    assert len(np.unique(image[::8, ::8].reshape(-1, 3), axis=0)) > 20


def test_show_names_the_picture_after_the_map(
    good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["map", "show", good, "--around", "-20", "0", "30"]) == 0
    assert (tmp_path / "good.png").exists()
    assert "20 vehicle" in capsys.readouterr().out


def test_show_into_a_folder_that_is_not_there(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["map", "show", good, "--out", "/no/such/folder/x.png"]) == 2
    assert "a place for a PNG file" in capsys.readouterr().err


def test_check_of_a_sound_map(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["map", "check", good]) == 0
    assert "20 lanes): 0 errors, 0 warnings, 0 notes" in capsys.readouterr().out


def test_check_of_a_broken_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lanes = [np.zeros(0, np.int32), *list(crossing().signal_lanes)[1:]]
    broken = bag(tmp_path / "bad.mcap", replace(crossing(), signal_lanes=Ragged.from_rows(lanes, np.int32)))
    assert cli.main(["map", "check", broken]) == 1
    out = capsys.readouterr().out
    assert "error   signal 1 at (-14.0, -1.8): it governs no lane; name the lanes it stops" in out
    assert cli.main(["map", "check", broken, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["errors"], told["warnings"], told["notes"]) == (1, 0, 0)
    assert told["findings"][0]["element"] == "signal 1"


def test_unreadable_maps_give_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.osm").write_text("<osm")
    for action in (["show"], ["check"]):
        assert cli.main(["map", *action, str(tmp_path / "x.osm")]) == 2
        assert "readable XML" in capsys.readouterr().err
    assert cli.main(["map", "convert", str(tmp_path / "nowhere"), str(tmp_path / "y.osm")]) == 2
    assert "nothing of that name" in capsys.readouterr().err


def test_convert_to_lanelet2_and_back(good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lanelet2", reason="needs the maps extra (lanelet2)")
    out = tmp_path / "crossing.osm"
    assert cli.main(["map", "convert", good, str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": str(out), "lanes": 20, "origin": [49.0, 8.4]}
    assert cli.main(["map", "show", str(out), "--out", str(tmp_path / "x.png"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["lanes"], told["successors"], told["signals"]) == ({"vehicle": 20}, 24, 4)
    assert cli.main(["map", "convert", good, str(tmp_path / "crossing.xml")]) == 2
    assert ".osm" in capsys.readouterr().err


def test_findings_name_lanes_as_the_file_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lanes = "".join(
        f'<edge id="{name}" from="x" to="y"><lane id="{name}_0" index="0" length="90" {rest}/></edge>'
        for name, rest in (("north", 'speed="13.9" shape="0,0 90,0"'), ("south", 'speed="99" shape="90,9 0,9"'))
    )
    (tmp_path / "town.net.xml").write_text(f"<net>{lanes}</net>")
    cli.main(["map", "check", str(tmp_path / "town.net.xml")])
    assert "lane 1 (south_0) at (90.0, 9.0): its speed limit is 99.0 m/s" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["nan", "inf", "1e9"])
def test_places_that_are_none(good: str, tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lanelet2", reason="needs the maps extra (lanelet2)")
    assert cli.main(["map", "convert", good, str(tmp_path / "x.osm"), "--origin", number, "8.4"]) == 2
    assert "latitude -80 to 84" in capsys.readouterr().err
    assert not (tmp_path / "x.osm").exists()
    assert cli.main(["map", "show", good, "--out", str(tmp_path / "x.png"), "--around", number, "0", "10"]) == 2
    assert "a square within" in capsys.readouterr().err


def test_a_simulated_town_is_a_map_too(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    assert cli.main(["map", "check", "town:roundabout:2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["map"], told["format"]) == ("town:roundabout:2", "simulated town")
    assert told["lanes"] > 20
    for name, named in (("town:atlantis", "roundabout"), ("town:village:two", "two")):
        assert cli.main(["map", "check", name]) == 2
        assert named in capsys.readouterr().err
