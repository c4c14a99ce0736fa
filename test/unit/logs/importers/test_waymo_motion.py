"""Waymo motion scenarios in three formats, made up here: one drive whatever the file."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack import cli
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.importers.tfrecord import masked_crc32c, read_records
from zoox_stack.logs.importers.waymo_motion import load_waymo_scenario
from zoox_stack.logs.importers.waymo_proto import _classes

STEPS = 21
TIMES = 0.1 * np.arange(STEPS)
# kind, x and y now and their speeds, size; the second is the recording car, the third appears late
USERS = [
    ("VEHICLE", 40.0, 0.0, 5.0, 0.0, (4.5, 1.8, 1.5)),
    ("VEHICLE", 0.0, 0.0, 10.0, 0.0, (5.0, 2.0, 2.0)),
    ("PEDESTRIAN", 20.0, -6.0, 0.0, 1.0, (0.6, 0.5, 1.8)),
    ("CYCLIST", 10.0, 3.0, 4.0, 0.0, (1.8, 0.6, 1.7)),
    ("OTHER", 5.0, 9.0, 0.0, 0.0, (1.0, 1.0, 1.0)),
]
LANES = {"7": [(0.0, 0.0), (30.0, 0.0), (60.0, 0.0)], "8": [(60.0, 0.0), (90.0, 0.0), (120.0, 0.0)]}


def there(user: int, step: int) -> bool:
    return user != 2 or step >= 5


def place(user: int, step: int) -> tuple[float, float, float]:
    _, x, y, vx, vy, size = USERS[user]
    return x + vx * TIMES[step], y + vy * TIMES[step], 100.0 + size[2] / 2


def records(*payloads: bytes) -> bytes:
    """A TFRecord file; the checksums of the payloads are not looked at."""
    out = b""
    for payload in payloads:
        length = struct.pack("<Q", len(payload))
        out += length + struct.pack("<I", masked_crc32c(length)) + payload + b"\0\0\0\0"
    return out


def scenario_message(name: str = "scene-a") -> bytes:
    pytest.importorskip("google.protobuf", reason="needs protobuf")
    scenario = _classes()["Scenario"](scenario_id=name, timestamps_seconds=TIMES.tolist(), sdc_track_index=1)
    numbers = {"VEHICLE": 1, "PEDESTRIAN": 2, "CYCLIST": 3, "OTHER": 4}
    for user, (kind, *_, size) in enumerate(USERS):
        track = scenario.tracks.add(id=100 + user, object_type=numbers[kind])
        for step in range(STEPS):
            x, y, z = place(user, step)
            track.states.add(
                center_x=x, center_y=y, center_z=z, length=size[0], width=size[1], height=size[2], heading=0.0,
                valid=there(user, step),
            )  # fmt: skip
    for key, points in LANES.items():
        feature = scenario.map_features.add(id=int(key))
        feature.lane.type, feature.lane.speed_limit_mph = 2, 25.0
        feature.lane.exit_lanes.extend([8] if key == "7" else [])
        for x, y in points:
            feature.lane.polyline.add(x=x, y=y, z=100.0)
    crossing = scenario.map_features.add(id=9)
    for x, y in ((20, -4), (24, -4), (24, 4), (20, 4)):
        crossing.crosswalk.polygon.add(x=x, y=y, z=100.0)
    scenario.map_features.add(id=10).stop_sign.polygon.add(x=1, y=1, z=1)
    for step in range(STEPS):
        instant = scenario.dynamic_map_states.add()
        light = instant.lane_states.add(lane=8, state=4 if step < 10 else 6)
        light.stop_point.x = 60.0
        instant.lane_states.add(lane=77, state=1)
    return bytes(scenario.SerializeToString())


def scenarionet() -> dict[str, Any]:
    tracks = {}
    for user, (kind, *_, size) in enumerate(USERS):
        state: dict[str, Any] = {
            "position": np.array([place(user, step) for step in range(STEPS)], np.float32),
            "heading": np.zeros(STEPS, np.float32),
            "valid": np.array([there(user, step) for step in range(STEPS)]),
        }
        state |= {
            name: np.full(STEPS, value, np.float32)
            for name, value in zip(("length", "width", "height"), size, strict=True)
        }
        tracks[str(100 + user)] = {"type": kind, "state": state, "metadata": {}}
    features: dict[str, Any] = {
        key: {
            "type": "LANE_SURFACE_STREET", "polyline": np.array([(*p, 100.0) for p in points]), "speed_limit_mph": 25.0,
            "exit_lanes": [8] if key == "7" else [],
        }
        for key, points in LANES.items()
    }  # fmt: skip
    features["9"] = {
        "type": "CROSSWALK",
        "polygon": np.array([(20.0, -4, 100), (24, -4, 100), (24, 4, 100), (20, 4, 100)]),
    }
    features["10"] = {"type": "STOP_SIGN"}
    states = ["LANE_STATE_STOP"] * 10 + ["LANE_STATE_GO"] * 11
    lights = {
        "8": {"lane": "8", "state": {"object_state": states}, "stop_point": np.array([60.0, 0, 0])},
        "77": {"lane": "77", "state": {"object_state": [None] * STEPS}, "stop_point": np.zeros(3)},
    }
    return {
        "id": "scene-a", "length": STEPS, "tracks": tracks, "map_features": features, "dynamic_map_states": lights,
        "metadata": {"dataset": "waymo", "sdc_id": "101", "ts": TIMES},
    }  # fmt: skip


def nocturne(column_form: bool) -> dict[str, Any]:
    objects = []
    for user, (kind, *_, size) in enumerate(USERS[:4]):
        valid = [there(user, step) for step in range(STEPS)]
        points = [place(user, s)[:2] if valid[s] else (-10000.0, -10000.0) for s in range(STEPS)]
        position: Any = [{"x": x, "y": y} for x, y in points]
        if column_form:
            position = {"x": [x for x, _ in points], "y": [y for _, y in points]}
        length, width = size[:2] if user != 3 else (0.0, 0.0)
        objects.append(
            {"type": kind.lower(), "length": length, "width": width, "position": position, "valid": valid,
             "heading": [360.0 if ok else -10000.0 for ok in valid]}
        )  # fmt: skip
    roads: list[dict[str, Any]] = [
        {"type": "lane", "geometry": [{"x": x, "y": y} for x, y in points]} for points in LANES.values()
    ]
    roads.append({"type": "stop_sign", "geometry": {"x": 1.0, "y": 2.0}})
    return {"name": "noc.json", "objects": objects, "roads": roads, "tl_states": {"8": {}}}


@pytest.fixture(params=["scene.tfrecord-00000-of-00001", "scene.pkl"])
def marked(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that says which car recorded it."""
    path = tmp_path / request.param
    path.write_bytes(pickle.dumps(scenarionet()) if path.suffix == ".pkl" else records(scenario_message()))
    return path


def test_one_drive_whatever_the_file(marked: Path) -> None:
    drive = load_waymo_scenario(marked)
    assert drive.name == "scene-a"
    assert len(drive.ego) == len(drive.ground_truth) == len(drive.detections) == len(drive.signals) == STEPS
    ego = drive.ego[7]
    np.testing.assert_allclose([ego.x, ego.y, ego.z], [7.0 - 0.3 * 5.0, 0.0, 100.0], atol=1e-4)
    assert ego.speed == pytest.approx(10.0, abs=1e-3)
    assert (ego.length, ego.rear_axle_to_centre) == pytest.approx((5.0, 1.5))
    np.testing.assert_allclose(ego.centre, [7.0, 0.0], atol=1e-4)
    scene = drive.ground_truth[7]
    assert scene.classes.tolist() == [AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.BICYCLE, AgentClass.UNKNOWN]
    np.testing.assert_allclose(scene.velocity[:3], [[5, 0], [0, 1], [4, 0]], atol=1e-3)
    assert len(drive.ground_truth[4]) == 3
    assert drive.unknown_classes == {"OTHER": STEPS}
    network = drive.road_network
    assert network is not None
    assert [list(row) for row in network.successors] == [[1], []]
    assert network.lane_speed_limits[0] == pytest.approx(25 * 0.44704)
    assert [drive.signals[step].states.tolist() for step in (0, 9, 10)] == [
        [SignalState.RED], [SignalState.RED], [SignalState.GREEN]
    ]  # fmt: skip
    assert [list(row) for row in network.signal_lanes] == [[1]]
    assert drive.skipped["traffic light of a lane that is not in the map"] == 1
    assert drive.skipped["map feature: STOP_SIGN"] == 1


@pytest.mark.parametrize("column_form", [False, True])
def test_nocturne_names_no_recording_car(tmp_path: Path, column_form: bool) -> None:
    """Both cars are always there; the second is on average nearer to the middle of the traffic."""
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(nocturne(column_form)))
    drive = load_waymo_scenario(path)
    xs = np.concatenate([[place(u, s)[0] for s in range(STEPS) if there(u, s)] for u in range(4)])
    assert abs(np.mean([place(1, s)[0] for s in range(STEPS)]) - xs.mean()) < abs(
        np.mean([place(0, s)[0] for s in range(STEPS)]) - xs.mean()
    )
    np.testing.assert_allclose(drive.ego[0].centre, [0.0, 0.0], atol=1e-6)
    assert drive.ground_truth[7].classes.tolist() == [AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.BICYCLE]
    np.testing.assert_allclose(drive.ground_truth[7].yaw, 0.0, atol=1e-9)
    assert drive.skipped["size of a road user: 0 in the file, a usual one is put in"] == 1
    assert drive.skipped["traffic light: its lane has no name in the map"] == 1
    assert [list(row) for row in drive.road_network.successors] == [[1], []]  # type: ignore[union-attr]
    assert not drive.signals


def test_one_of_several_is_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.tfrecord"
    path.write_bytes(records(scenario_message("one"), scenario_message("two")))
    assert load_waymo_scenario(path, "two").name == "two"
    with pytest.raises(InvalidInputError, match=r"one, two.*--scenario"):
        load_waymo_scenario(path)
    with pytest.raises(InvalidInputError, match=r"scenario three.*one, two"):
        load_waymo_scenario(path, "three")
    out = tmp_path / "out.mcap"
    assert cli.main(["convert", "waymo-motion", str(path), str(out), "--scenario", "one", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drive"] == "one"
    with BagReader(out) as reader:
        assert {"/map/road_network", "/perception/traffic_signals", "/ground_truth/tracked_agents"} <= set(
            reader.topics
        )


def test_the_checksum_is_that_of_tfrecord() -> None:
    """A record of 3 bytes as TensorFlow writes it begins so."""
    assert masked_crc32c(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_bad_files_are_named(tmp_path: Path) -> None:
    good = records(scenario_message())
    for name, content, words in (
        ("rubbish.tfrecord", b"this is no record at all", "a TFRecord"),
        ("short.tfrecord", good[:-9], "until the end of the file"),
        ("head.tfrecord", good[:7], "a header"),
        ("other.tfrecord", records(b"\xff\xff\xff"), "protobuf message"),
        ("empty.tfrecord", b"", "none"),
        ("empty_message.tfrecord", records(b""), "0 tracks"),
        ("no.json", b"{", "a JSON file"),
        ("list.json", b"[]", "objects and roads"),
        ("part.json", json.dumps({"objects": [{"type": "vehicle"}], "roads": []}).encode(), "KeyError"),
        ("nuscenes.pkl", pickle.dumps(scenarionet() | {"metadata": {"dataset": "nuscenes"}}), "nuscenes"),
        ("keys.pkl", pickle.dumps({"id": 1}), "map_features"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            load_waymo_scenario(_write(tmp_path / name, content))
    with pytest.raises(InvalidInputError, match="no such file"):
        load_waymo_scenario(tmp_path / "nowhere")
    lonely = nocturne(False)
    lonely["objects"] = lonely["objects"][2:3]
    with pytest.raises(InvalidInputError, match="a vehicle that can be the ego"):
        load_waymo_scenario(_write(tmp_path / "lonely.json", json.dumps(lonely).encode()))


def test_records_come_in_order(tmp_path: Path) -> None:
    assert list(read_records(_write(tmp_path / "r", records(b"a", b"", b"ccc")))) == [b"a", b"", b"ccc"]


def test_real_scenarios(data: Path) -> None:
    folder = data / "waymo_motion"
    for path, egos in (
        ("waymo_open_dataset/motion_data_one_scenario.tfrecord", 91),
        ("scenarionet/sd_waymo_v1.2_eb4b91b10ca94ff2.pkl", 199),
        ("nocturne/state_test.json", 91),
    ):
        drive = load_waymo_scenario(folder / path)
        assert len(drive.ego) == egos
        assert drive.road_network is not None
        speeds = np.array([ego.speed for ego in drive.ego])
        assert np.abs(np.diff(speeds)).max() < 2.0
