"""nuScenes scenes in ScenarioNet pickles as `RecordedDrive`.

Frames: ``map`` is the nuScenes map frame (x east, y north). The ego's position in these files is the nuScenes ego
pose, whose origin is the middle of the rear axle on the ground: it *is* base_link, not the box centre as for all other
tracks. Its length and width are stored the wrong way round; the size of the car is taken from here instead. Base_link
has z = 0 throughout, as the ego pose has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute, TriState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import to_local, wrap_angle
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.logs.importers.motion import ClassTable, LabelledTrack, VehicleSize, ego_states, scenes_from_tracks
from zoox_stack.logs.importers.restricted_pickle import load_numbers
from zoox_stack.road_network.importers.scenarionet import import_map_features

CLASSES = {
    "vehicle.car": AgentClass.CAR,
    "vehicle.emergency.ambulance": AgentClass.CAR,
    "vehicle.emergency.police": AgentClass.CAR,
    "vehicle.truck": AgentClass.TRUCK,
    "vehicle.construction": AgentClass.TRUCK,
    "vehicle.bus.rigid": AgentClass.BUS,
    "vehicle.bus.bendy": AgentClass.BUS,
    "vehicle.trailer": AgentClass.TRAILER,
    "vehicle.motorcycle": AgentClass.MOTORCYCLE,
    "vehicle.bicycle": AgentClass.BICYCLE,
    "human.pedestrian.adult": AgentClass.PEDESTRIAN,
    "human.pedestrian.child": AgentClass.PEDESTRIAN,
    "human.pedestrian.construction_worker": AgentClass.PEDESTRIAN,
    "human.pedestrian.police_officer": AgentClass.PEDESTRIAN,
    "human.pedestrian.personal_mobility": AgentClass.PEDESTRIAN,
    "human.pedestrian.stroller": AgentClass.PEDESTRIAN,
    "human.pedestrian.wheelchair": AgentClass.PEDESTRIAN,
    "animal": AgentClass.ANIMAL,
    "movable_object.trafficcone": AgentClass.HAZARD,
    "movable_object.barrier": AgentClass.HAZARD,
    "movable_object.debris": AgentClass.HAZARD,
    "movable_object.pushable_pullable": AgentClass.HAZARD,
    "static_object.bicycle_rack": AgentClass.HAZARD,
}
# Renault Zoe. Centre of the box: middle of the 2.588 m wheelbase, the overhangs taken as equal.
SIZE = VehicleSize(length=4.084, width=1.73, height=1.562, rear_axle_to_centre=1.294)
START_NS = 1_000_000_000  # the files count from 0, which as a stamp means "none"
MOTION_WINDOW = 0.5  # [s] labels come at 2 Hz with straight lines between: shorter differences would be steps
_KEYS = ("id", "length", "metadata", "tracks", "map_features")


def load_nuscenes_scene(path: Path | str) -> RecordedDrive:
    """Read one scene.

    Detections are the labels of each step without their identities: score 1, no velocity, base_link. Ground truth is
    the same boxes in the map with identities (keys in alphabetical order become 0, 1, ...) and velocities by
    differences over half a second to either side. There are no sweeps and no traffic lights in these files.

    Args:
        path: The pickle; it is read with a restricted unpickler.

    Raises:
        InvalidInputError: Not such a file, not of nuScenes, or it names something other than numpy arrays.
    """
    path = Path(path)
    scene = load_numbers(path)
    if not isinstance(scene, dict) or any(key not in scene for key in _KEYS):
        found = f"keys {', '.join(map(str, scene))}" if isinstance(scene, dict) else type(scene).__name__
        raise InvalidInputError(str(path), f"a dictionary with {', '.join(_KEYS)}", found)
    try:
        return _convert(path, scene)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        found = f"{type(error).__name__} {error}"
        raise InvalidInputError(str(path), "a ScenarioNet scene", found) from error


def _convert(path: Path, scene: dict[str, Any]) -> RecordedDrive:
    metadata, steps = scene["metadata"], int(scene["length"])
    dataset = metadata.get("dataset")
    if dataset != "nuscenes":
        raise InvalidInputError(str(path), "a nuScenes scene", f"dataset {dataset!r}")
    times = np.asarray(metadata["ts"], np.float64).reshape(-1)
    if len(times) != steps or steps < 2 or not (np.diff(times) > 0).all():
        raise InvalidInputError(f"{path}: metadata.ts", f"{steps} rising times", f"{len(times)} values")
    stamps = START_NS + np.rint(times * 1e9).astype(np.int64)
    sdc = metadata["sdc_id"]
    ego_track = scene["tracks"][sdc]["state"]
    if not np.asarray(ego_track["valid"]).astype(bool).all():
        raise InvalidInputError(f"{path}: track {sdc}", "an ego that is valid at every step", "gaps")
    position = np.asarray(ego_track["position"], np.float64)
    ego = ego_states(stamps, position, np.asarray(ego_track["heading"], np.float64), SIZE, MOTION_WINDOW)

    table, skipped = ClassTable(CLASSES), Counter[str]()
    others = sorted(str(key) for key in scene["tracks"] if key != sdc)
    tracks = []
    for number, key in enumerate(others):
        track = _track(number, scene["tracks"][key], table, skipped)
        if track is not None:
            tracks.append(track)
    truth = scenes_from_tracks(stamps, tracks, {e.stamp_ns: e for e in ego}, MOTION_WINDOW)
    imported = import_map_features(scene["map_features"], str(metadata.get("map", "")), has_height=False)
    skipped.update({f"map feature: {reason}": count for reason, count in imported.skipped.items()})
    return RecordedDrive(
        name=str(scene["id"]),
        ego=ego,
        road_network=imported.network,
        detections=tuple(without_identities(frame, e) for frame, e in zip(truth, ego, strict=True)),
        ground_truth=truth,
        unknown_classes=dict(table.unknown),
        skipped=dict(skipped),
    )


def _track(number: int, track: Mapping[str, Any], table: ClassTable, skipped: Counter[str]) -> LabelledTrack | None:
    state, category = track["state"], str(track["metadata"]["type"])
    valid = np.asarray(state["valid"]).reshape(-1).astype(bool)
    size = np.column_stack([np.asarray(state[name], np.float64).reshape(-1) for name in ("length", "width", "height")])
    position = np.asarray(state["position"], np.float64)
    yaw = np.asarray(state["heading"], np.float64).reshape(-1)
    usable = valid & (size > 0).all(axis=1) & np.isfinite(position).all(axis=1) & np.isfinite(yaw)
    if (valid & ~usable).any():
        skipped["box without size or position"] += int((valid & ~usable).sum())
    rows = np.flatnonzero(usable)
    if not len(rows):
        return None
    attributes = np.zeros(len(Attribute), np.uint8)
    if category.startswith("human.pedestrian."):
        attributes[Attribute.CHILD] = TriState.YES if category.endswith(".child") else TriState.NO
    kind = table.of(category, len(rows))
    return LabelledTrack(number, kind, rows, position[rows], yaw[rows], size[rows].astype(np.float32), attributes)


def without_identities(truth: TrackedAgents, ego: EgoState) -> DetectedAgents:
    """Labels as a perfect detector would give them: boxes in base_link, no ids, no velocities."""
    position: NDArray[np.float64] = truth.position.copy()
    position[:, :2] = to_local(truth.position[:, :2], (ego.x, ego.y), ego.yaw)
    position[:, 2] -= ego.z
    return DetectedAgents(
        stamp_ns=truth.stamp_ns,
        frame=Frame.BASE_LINK,
        class_probabilities=truth.class_probabilities,
        score=np.ones(len(truth), np.float32),
        position=position,
        yaw=wrap_angle(truth.yaw - ego.yaw),
        size=truth.size,
        attributes=truth.attributes,
    )
