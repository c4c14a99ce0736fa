"""CommonRoad traffic as a drive: which vehicle becomes the ego, and what the others are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.importers.chosen_ego import drive_seen_from, longest_present_vehicle
from zoox_stack.logs.importers.commonroad import load_commonroad_traffic
from zoox_stack.logs.importers.ngsim_commonroad import load_commonroad_drive

SIZE = "<shape><rectangle><length>4.0</length><width>1.8</width></rectangle></shape>"


def obstacle(number: int, y: float, speed: float, steps: range, kind: str = "car", x: float = 0.0) -> str:
    states = ""
    for step in steps:
        tag = "initialState" if step == steps[0] else "state"
        states += (
            f"<{tag}><position><point><x>{x + speed * 0.1 * step}</x><y>{y}</y></point></position><orientation><exact>0"
            f"</exact></orientation><time><exact>{step}</exact></time></{tag}>"
        )
        states += "<trajectory>" if step == steps[0] else ""
    return f'<obstacle id="{number}"><role>dynamic</role><type>{kind}</type>{SIZE}{states}</trajectory></obstacle>'


def lanelet(number: int, y: float) -> str:
    def bound(tag: str, at: float) -> str:
        points = "".join(f"<point><x>{x}</x><y>{at}</y></point>" for x in (-50, 0, 150))
        return f"<{tag}>{points}</{tag}>"

    return f'<lanelet id="{number}">{bound("leftBound", y + 1.75)}{bound("rightBound", y - 1.75)}</lanelet>'


def write(folder: Path, *elements: str) -> Path:
    path = folder / "made_up.xml"
    head = '<commonRoad timeStepSize="0.1" benchmarkID="MADE_UP-1" commonRoadVersion="2018b">'
    path.write_text(f"{head}{''.join(elements)}</commonRoad>")
    return path


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    """Three cars in three lanes; the pedestrian is there longest but drives nothing, 31 leaves early."""
    return write(
        tmp_path,
        *(lanelet(k, 3.5 * k) for k in range(3)),
        obstacle(20, 0.0, 10.0, range(20)),
        obstacle(30, 3.5, 8.0, range(20)),
        obstacle(31, 3.5, 8.0, range(10), x=1.0),
        obstacle(40, 7.0, 12.0, range(20), x=3.0),
        obstacle(50, 3.5, 0.0, range(22), kind="pedestrian", x=8.0),
    )


def test_the_ego_is_there_longest_and_in_the_middle(traffic: Path) -> None:
    """Cars 20, 30 and 40 are there equally long; the pedestrian is there longer but does not drive."""
    scenes = load_commonroad_traffic(traffic).scenes
    position = np.concatenate([scene.position for scene in scenes])
    ids = np.concatenate([scene.ids for scene in scenes])
    away = {car: np.hypot(*(position[ids == car].mean(axis=0) - position.mean(axis=0))[:2]) for car in (20, 30, 40)}
    assert min(away, key=away.__getitem__) == longest_present_vehicle(scenes) == 30


def test_the_others_are_labels(traffic: Path) -> None:
    drive = load_commonroad_drive(traffic)
    ego = longest_present_vehicle(load_commonroad_traffic(traffic).scenes)
    assert drive.name == "MADE_UP-1"
    assert (len(drive.ego), len(drive.detections), len(drive.ground_truth)) == (20, 20, 22)
    assert all(ego not in scene.ids for scene in drive.ground_truth)
    assert drive.ground_truth[5].ids.tolist() == sorted({20, 30, 31, 40, 50} - {ego})
    assert drive.ground_truth[21].ego is None
    assert drive.ground_truth[5].ego == drive.ego[5]
    assert (drive.ego[5].length, drive.ego[5].z) == pytest.approx((4.0, 0.0), abs=1e-6)
    assert drive.road_network is not None
    assert len(drive.road_network.lane_ids) == 3


def test_a_drive_of_nobody(traffic: Path) -> None:
    with pytest.raises(InvalidInputError, match="99"):
        drive_seen_from("x", load_commonroad_traffic(traffic).scenes, 99, None, unknown_classes={}, skipped={})


def test_the_command(traffic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["convert", "ngsim-commonroad", str(traffic), str(tmp_path / "out.mcap"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["lanes"], summary["topics"]["/ground_truth/tracked_agents"]) == (3, 22)
    (tmp_path / "bad.xml").write_text("<commonRoad")
    assert cli.main(["convert", "ngsim-commonroad", str(tmp_path / "bad.xml"), str(tmp_path / "no.mcap")]) == 1
    assert "a readable XML file" in capsys.readouterr().err
    nobody = write(tmp_path, lanelet(1, 0.0), obstacle(5, 0.0, 1.0, range(3), kind="pedestrian"))
    assert cli.main(["convert", "ngsim-commonroad", str(nobody), str(tmp_path / "no.mcap")]) == 1
    assert "a vehicle that can be the ego" in capsys.readouterr().err
    assert not (tmp_path / "no.mcap").exists()


def test_a_real_scenario(data: Path) -> None:
    drive = load_commonroad_drive(data / "ngsim_commonroad" / "sample" / "USA_US101-22_3_T-1.xml")
    assert len(drive.ego) == 167
    assert sum(len(scene) for scene in drive.ground_truth) > 3000
