"""``zoox-stack route``: what it prints, writes and returns."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core.topics import ROAD_NETWORK
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.road_network.made_up import crossing


@pytest.fixture
def bag(tmp_path: Path) -> str:
    path = tmp_path / "crossing.mcap"
    with BagWriter(path, flush_period=None) as writer:
        writer.add_topic(ROAD_NETWORK.name, ROAD_NETWORK.type_name, ())
        writer.write(ROAD_NETWORK.name, 5, encode(crossing(), 5))
    return str(path)


@pytest.mark.parametrize("start", [["--from=-100,-1.75,0"], ["--from", "-100", "-1.75", "0"]])
@pytest.mark.parametrize("goal", [["--to", "1.75,134"], ["--to", "1.75,134,1.5"], ["--to-lane", "11"]])
def test_json(start: list[str], goal: list[str], bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["route", "--map", bag, *start, *goal, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lanes"] == [2, 123, 11]
    end = 120.0 if goal[0] == "--to" else 116.2  # of a lane: where base_link is with the bumper at its end
    assert told["length"] == pytest.approx(110.7 + end, abs=0.5)
    assert told["travel_time"] == pytest.approx(told["length"] / 13.9, abs=0.01)
    assert told["lane_changes"] == 0
    assert told["start"] == {"lane": 2, "s": 34.0}
    assert told["goal"] == {"lane": 11, "s": end, "x": 1.75, "y": 14.0 + end}


def test_text_and_picture(bag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "route.png"
    words = ["route", "--map", bag, "--from=-100,-1.75,0", "--to", "1.75,60"]
    assert cli.main([*words, "--picture", str(out)]) == 0
    told = capsys.readouterr().out
    assert "157 m, 11 s at the speed limits, 0 lane changes" in told
    assert "lanes 2 → 123 → 11" in told
    orange = (np.abs(cv2.imread(str(out)).astype(int) - [10, 160, 230]) < 30).all(axis=-1)
    assert orange.sum() > 2000
    assert cli.main([*words, "--picture", str(tmp_path / "no" / "x.png")]) == 2
    assert "a place for a PNG file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--from", "1,2", "--to", "3,4"], "--from: expected 3 numbers with commas between them, found '1,2'"),
        (["--from", "1,2,x", "--to", "3,4"], "found '1,2,x'"),
        (["--from", "1,2,nan", "--to", "3,4"], "EgoState.yaw"),
        (["--from=-100,-1.75,0", "--to", "5"], "--to: expected 2 or 3 numbers"),
        (["--from=-100,-1.75,0", "--to", "nan,0"], "goal x"),
        (["--from=-100,-1.75,0", "--to", "50,50"], "lane for cars within 4 m"),
        (["--from=-100,-1.75,0", "--to-lane", "0"], "no way from lane 2"),
    ],
)
def test_wrong_places_give_2(words: list[str], expected: str, bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["route", "--map", bag, *words]) == 2
    assert expected in capsys.readouterr().err


def test_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["route", "--map", str(tmp_path / "none.osm"), "--from", "0,0,0", "--to", "1,1"]) == 2
    assert "nothing of that name" in capsys.readouterr().err
