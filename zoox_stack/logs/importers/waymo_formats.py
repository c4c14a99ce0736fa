"""Waymo motion scenarios from the three kinds of file they are handed around in, as one kind of object.

Frames: ``map`` is the scenario's own frame (x east, y north); positions are box centres. Steps are 0.1 s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.importers.restricted_pickle import load_numbers
from zoox_stack.logs.importers.tfrecord import read_records
from zoox_stack.logs.importers.waymo_proto import parse_scenario

# Length, width, height [m] where the file does not say.
USUAL_SIZES = {"VEHICLE": (4.6, 1.9, 1.6), "PEDESTRIAN": (0.6, 0.6, 1.7), "CYCLIST": (1.8, 0.7, 1.7)}
_OBJECT_TYPES = {1: "VEHICLE", 2: "PEDESTRIAN", 3: "CYCLIST", 4: "OTHER"}
_LANE_TYPES = {1: "LANE_FREEWAY", 2: "LANE_SURFACE_STREET", 3: "LANE_BIKE_LANE"}
_LINE_TYPES = {
    1: "ROAD_LINE_BROKEN_SINGLE_WHITE",
    2: "ROAD_LINE_SOLID_SINGLE_WHITE",
    3: "ROAD_LINE_SOLID_DOUBLE_WHITE",
    4: "ROAD_LINE_BROKEN_SINGLE_YELLOW",
    5: "ROAD_LINE_BROKEN_DOUBLE_YELLOW",
    6: "ROAD_LINE_SOLID_SINGLE_YELLOW",
    7: "ROAD_LINE_SOLID_DOUBLE_YELLOW",
    8: "ROAD_LINE_PASSING_DOUBLE_YELLOW",
}
_EDGE_TYPES = {1: "ROAD_EDGE_BOUNDARY", 2: "ROAD_EDGE_MEDIAN"}
_LANE_STATES = (
    "UNKNOWN", "ARROW_STOP", "ARROW_CAUTION", "ARROW_GO", "STOP", "CAUTION", "GO", "FLASHING_STOP", "FLASHING_CAUTION",
)  # fmt: skip
_PERIOD = 0.1  # [s] of files without times


@dataclass(frozen=True, eq=False)
class MotionTrack:
    """One road user, T steps.

    Attributes:
        kind: VEHICLE, PEDESTRIAN, CYCLIST or another word.
        position: float64 ``[T, 3]`` box centre [m].
        yaw: float64 ``[T]`` [rad].
        size: float32 ``[T, 3]`` length, width, height [m].
        valid: bool ``[T]``.
    """

    kind: str
    position: NDArray[np.float64]
    yaw: NDArray[np.float64]
    size: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LaneLight:
    """The traffic light of one lane.

    Attributes:
        states: Step and state, for example STOP; steps rise.
        stop_point: float64 ``[3]`` [m].
    """

    states: tuple[tuple[int, str], ...]
    stop_point: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MotionScenario:
    """A scenario of T steps.

    Attributes:
        name: Its id.
        times: float64 ``[T]`` rising [s].
        tracks: Everyone, the recording car too.
        recorder: Row of the recording car, None where the file does not say.
        features: The map as ScenarioNet writes it.
        lights: By lane, as in `features`.
        has_height: Whether the third number of map points is a height.
        skipped: What of the file is not in here, counted by reason.
    """

    name: str
    times: NDArray[np.float64]
    tracks: tuple[MotionTrack, ...]
    recorder: int | None
    features: Mapping[str, Mapping[str, Any]]
    lights: Mapping[str, LaneLight]
    has_height: bool
    skipped: Mapping[str, int]


def read_scenarios(path: Path) -> Iterator[MotionScenario]:
    """Scenarios of a file, in its order.

    Args:
        path: ``.json`` as nocturne writes it, ``.pkl`` of ScenarioNet (read without running anything in it), anything
            else a TFRecord file of Scenario protos.

    Raises:
        InvalidInputError: Not such a file.
    """
    if not path.is_file():
        raise InvalidInputError(str(path), "a TFRecord, ScenarioNet .pkl or nocturne .json file", "no such file")
    try:
        if path.suffix == ".json":
            yield _of_nocturne(path)
        elif path.suffix == ".pkl":
            yield _of_scenarionet(path)
        else:
            for number, record in enumerate(read_records(path)):
                yield _of_proto(parse_scenario(record, f"{path}: record {number}"))
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(str(path), "a Waymo motion scenario", f"{type(error).__name__} {error}") from error


def _of_proto(scenario: Any) -> MotionScenario:
    steps = len(scenario.timestamps_seconds)
    tracks = []
    for track in scenario.tracks:
        if len(track.states) != steps:
            raise InvalidInputError(f"track {track.id}", f"{steps} states", str(len(track.states)))
        s = track.states
        tracks.append(
            MotionTrack(
                _OBJECT_TYPES.get(track.object_type, str(track.object_type)),
                np.array([(p.center_x, p.center_y, p.center_z) for p in s]),
                np.array([p.heading for p in s]),
                np.array([(p.length, p.width, p.height) for p in s], np.float32),
                np.array([p.valid for p in s], np.bool_),
            )
        )
    lights: dict[str, list[tuple[int, str]]] = {}
    stops: dict[str, NDArray[np.float64]] = {}
    for step, instant in enumerate(scenario.dynamic_map_states):
        for light in instant.lane_states:
            known = 0 <= light.state < len(_LANE_STATES)
            lights.setdefault(str(light.lane), []).append((step, _LANE_STATES[light.state] if known else "UNKNOWN"))
            stops[str(light.lane)] = np.array([light.stop_point.x, light.stop_point.y, light.stop_point.z])
    return MotionScenario(
        name=scenario.scenario_id or "unnamed",
        times=np.array(scenario.timestamps_seconds),
        tracks=tuple(tracks),
        recorder=scenario.sdc_track_index if scenario.HasField("sdc_track_index") else None,
        features={str(feature.id): _feature(feature) for feature in scenario.map_features},
        lights={lane: LaneLight(tuple(states), stops[lane]) for lane, states in lights.items()},
        has_height=True,
        skipped={},
    )


def _feature(feature: Any) -> dict[str, Any]:
    """A map feature as ScenarioNet writes it."""

    def points(of: Any) -> NDArray[np.float64]:
        return np.array([(p.x, p.y, p.z) for p in of]).reshape(-1, 3)

    if feature.HasField("lane"):
        lane = feature.lane
        return {
            "type": _LANE_TYPES.get(lane.type, "LANE_UNKNOWN"),
            "polyline": points(lane.polyline),
            "speed_limit_mph": lane.speed_limit_mph,
            "exit_lanes": list(lane.exit_lanes),
        }
    if feature.HasField("road_line"):
        return {
            "type": _LINE_TYPES.get(feature.road_line.type, "UNKNOWN_LINE"),
            "polyline": points(feature.road_line.polyline),
        }
    if feature.HasField("road_edge"):
        return {
            "type": _EDGE_TYPES.get(feature.road_edge.type, "ROAD_EDGE_BOUNDARY"),
            "polyline": points(feature.road_edge.polyline),
        }
    if feature.HasField("crosswalk"):
        return {"type": "CROSSWALK", "polygon": points(feature.crosswalk.polygon)}
    kinds = ("stop_sign", "speed_bump", "driveway")
    return {"type": next((kind.upper() for kind in kinds if feature.HasField(kind)), "UNKNOWN")}


def _of_scenarionet(path: Path) -> MotionScenario:
    scene = load_numbers(path)
    keys = ("id", "length", "metadata", "tracks", "map_features", "dynamic_map_states")
    if not isinstance(scene, dict) or any(key not in scene for key in keys):
        found = f"keys {', '.join(map(str, scene))}" if isinstance(scene, dict) else type(scene).__name__
        raise InvalidInputError(str(path), f"a dictionary with {', '.join(keys)}", found)
    metadata = scene["metadata"]
    if metadata.get("dataset") != "waymo":
        raise InvalidInputError(str(path), "a Waymo scene", f"dataset {metadata.get('dataset')!r}")
    recorder = None
    tracks = []
    for row, (key, track) in enumerate(scene["tracks"].items()):
        recorder = row if str(key) == str(metadata["sdc_id"]) else recorder
        state = track["state"]
        columns = [np.asarray(state[name]).reshape(-1) for name in ("length", "width", "height")]
        tracks.append(
            MotionTrack(
                str(track["type"]),
                np.asarray(state["position"], np.float64),
                np.asarray(state["heading"], np.float64).reshape(-1),
                np.column_stack(columns).astype(np.float32),
                np.asarray(state["valid"]).reshape(-1).astype(bool),
            )
        )
    lights = {}
    for key, light in scene["dynamic_map_states"].items():
        states = light["state"]["object_state"]
        lights[str(light.get("lane", key))] = LaneLight(
            tuple((step, str(s).removeprefix("LANE_STATE_")) for step, s in enumerate(states) if s is not None),
            np.asarray(light["stop_point"], np.float64),
        )
    times = np.asarray(metadata["ts"], np.float64).reshape(-1)
    return MotionScenario(str(scene["id"]), times, tuple(tracks), recorder, scene["map_features"], lights, True, {})


def _of_nocturne(path: Path) -> MotionScenario:
    try:
        scene = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInputError(str(path), "a JSON file", str(error)) from error
    if not isinstance(scene, dict) or any(key not in scene for key in ("objects", "roads")):
        raise InvalidInputError(str(path), "a JSON object with objects and roads", "something else")
    tracks = tuple(_nocturne_track(item) for item in scene["objects"])
    sizeless = sum(not (item["length"] > 0 and item["width"] > 0) for item in scene["objects"])
    features = {}
    for row, road in enumerate(scene["roads"]):
        points = road["geometry"]
        points = np.array([(p["x"], p["y"]) for p in (points if isinstance(points, list) else [points])])
        kind = {"lane": "LANE_SURFACE_STREET", "road_line": "UNKNOWN_LINE", "road_edge": "ROAD_EDGE_BOUNDARY"}
        name = kind.get(road["type"], str(road["type"]).upper())
        features[str(row)] = {"type": name, "polygon" if name == "CROSSWALK" else "polyline": points}
    skipped = {
        "size of a road user: 0 in the file, a usual one is put in": sizeless,
        "traffic light: its lane has no name in the map": len(scene.get("tl_states") or ()),
    }
    return MotionScenario(
        name=str(scene.get("name") or path.stem).removesuffix(".json"),
        times=np.array([_PERIOD * step for step in range(max((len(track.yaw) for track in tracks), default=0))]),
        tracks=tracks,
        recorder=None,
        features=features,
        lights={},
        has_height=False,
        skipped={reason: count for reason, count in skipped.items() if count},
    )


def _nocturne_track(item: Mapping[str, Any]) -> MotionTrack:
    kind = str(item["type"]).upper()
    valid = np.array(item["valid"], np.bool_)
    length, width, height = USUAL_SIZES.get(kind, USUAL_SIZES["VEHICLE"])
    if item["length"] > 0 and item["width"] > 0:
        length, width = item["length"], item["width"]
    position = item["position"]  # a list of points, or a point of lists
    if isinstance(position, list):
        position = {axis: [point[axis] for point in position] for axis in "xy"}
    return MotionTrack(
        kind=kind,
        position=np.column_stack([position["x"], position["y"], np.full(len(valid), height / 2)]),
        yaw=np.radians(np.array(item["heading"], np.float64)),
        size=np.tile(np.array([length, width, height], np.float32), (len(valid), 1)),
        valid=valid,
    )
