"""nuScenes scenes in ScenarioNet pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass, Attribute, TriState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.importers.scenarionet import SIZE, load_nuscenes_scene


def test_the_ego_position_is_base_link_and_its_size_that_of_the_car(scene_file: Path) -> None:
    drive = load_nuscenes_scene(scene_file)
    assert len(drive.ego) == 21
    state = drive.ego[10]
    assert (state.x, state.y, state.z) == pytest.approx((5.0, 0.0, 0.0))
    assert state.speed == pytest.approx(5.0)
    assert (state.length, state.width) == (SIZE.length, SIZE.width)
    assert state.centre[0] == pytest.approx(5.0 + SIZE.rear_axle_to_centre)
    assert drive.ego[0].stamp_ns == 1_000_000_000
    assert drive.ego[10].stamp_ns == 2_000_000_000


def test_tracks_appear_and_vanish(scene_file: Path) -> None:
    drive = load_nuscenes_scene(scene_file)
    counts = [len(scene) for scene in drive.ground_truth]
    assert counts == [2] * 5 + [3] * 6 + [2] * 10
    scene = drive.ground_truth[7]
    assert scene.ids.tolist() == [0, 1, 2]  # car, child, odd
    assert scene.classes.tolist() == [AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.UNKNOWN]
    np.testing.assert_allclose(scene.velocity, [[8, 0], [0, 0], [0, 0]], atol=1e-9)
    assert scene.age[1] == pytest.approx(0.2)
    assert scene.attributes[1, Attribute.CHILD] == TriState.YES
    assert scene.attributes[0, Attribute.CHILD] == TriState.UNKNOWN
    assert drive.unknown_classes == {"vehicle.hovercraft": 21}


def test_detections_are_in_base_link_without_identities(scene_file: Path) -> None:
    drive = load_nuscenes_scene(scene_file)
    frame = drive.detections[10]
    np.testing.assert_allclose(frame.position[0], [28.0 - 5.0, 3.0, 1.0])
    np.testing.assert_allclose(frame.size[0], [4.5, 1.9, 1.6])
    assert frame.velocity is not None
    assert np.isnan(frame.velocity).all()


def test_the_map_comes_along_and_what_does_not_is_counted(scene_file: Path) -> None:
    drive = load_nuscenes_scene(scene_file)
    assert drive.road_network is not None
    assert drive.road_network.name == "somewhere"
    assert len(drive.road_network.lane_ids) == 3
    assert drive.skipped == {"map feature: HELIPAD": 1}


def test_boxes_without_size_are_counted(tmp_path: Path, made: Any) -> None:
    content = made.scene()
    content["tracks"]["car"]["state"]["length"][4:6] = 0
    drive = load_nuscenes_scene(made.write_scene(tmp_path / "s.pkl", content))
    assert drive.skipped["box without size or position"] == 2
    assert 0 not in drive.ground_truth[4].ids
    assert 0 in drive.ground_truth[6].ids


def test_broken_scenes_are_named(tmp_path: Path, made: Any) -> None:
    def load(content: Any) -> None:
        load_nuscenes_scene(made.write_scene(tmp_path / "s.pkl", content))

    with pytest.raises(InvalidInputError, match="a dictionary with id, length"):
        load([1, 2])
    with pytest.raises(InvalidInputError, match="keys a"):
        load({"a": 1})
    with pytest.raises(InvalidInputError, match="dataset 'waymo'"):
        load(made.scene(dataset="waymo"))
    broken = made.scene()
    broken["metadata"]["ts"] = np.zeros(21)
    with pytest.raises(InvalidInputError, match="rising times"):
        load(broken)
    broken = made.scene()
    broken["tracks"]["ego"]["state"]["valid"][3] = 0
    with pytest.raises(InvalidInputError, match="valid at every step"):
        load(broken)
    broken = made.scene()
    del broken["tracks"]["car"]["state"]["heading"]
    with pytest.raises(InvalidInputError, match="heading"):
        load(broken)
    broken = made.scene()
    broken["map_features"]["a"]["polyline"] = [(0, np.nan), (1, 1)]
    with pytest.raises(InvalidInputError, match="map feature a"):
        load(broken)


REAL = {  # scene: steps, lanes, boxes of road users are counted from the file itself
    "0061": (191, 460), "0553": (201, 421), "0655": (201, 320), "0757": (201, 151),
    "0796": (196, 276), "1077": (201, 212), "1094": (196, 288), "1100": (196, 153),
}  # fmt: skip


@pytest.mark.parametrize("name", ["0061", "0757", "1100"])
def test_real_scenes_have_the_counts_of_their_description(data: Path, name: str) -> None:
    drive = load_nuscenes_scene(data / "nuscenes_mini" / f"scene-{name}.pkl")
    steps, lanes = REAL[name]
    assert len(drive.ego) == len(drive.detections) == len(drive.ground_truth) == steps
    network = drive.road_network
    assert network is not None
    assert len(network.lane_ids) == lanes
    assert drive.unknown_classes == {}
    # Nearly every lane goes on; those that do not end at the edge of the cut.
    assert (network.successors.lengths > 0).mean() > 0.85
    # base_link moves along its heading: it is the rear axle, not the box centre.
    fast = [e for e in drive.ego if e.speed > 3]
    assert not fast or np.median([abs(e.lateral_velocity) for e in fast]) < 0.15
