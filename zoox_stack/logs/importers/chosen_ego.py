"""Drives from labelled traffic in which one of the road users becomes the ego."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import VEHICLE_CLASSES
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.logs.importers.scenarionet import without_identities
from zoox_stack.road_network.network import RoadNetwork

_REAR_AXLE = 0.3  # of the length: from the rear axle to the middle of the box, where nobody says


def longest_present_vehicle(scenes: Sequence[TrackedAgents]) -> int:
    """Id of the vehicle that is there longest; of several the one that is on average nearest to the middle of all
    traffic, then the lowest id.

    Raises:
        InvalidInputError: There is no vehicle.
    """
    ids = np.concatenate([scene.ids for scene in scenes])
    classes = np.concatenate([scene.classes for scene in scenes])
    position = np.concatenate([scene.position[:, :2] for scene in scenes])
    vehicles = np.unique(ids[np.isin(classes, [int(kind) for kind in VEHICLE_CLASSES])]).tolist()
    if not vehicles:
        raise InvalidInputError("labelled traffic", "a vehicle that can be the ego", "none")
    steps, middle = Counter(ids.tolist()), position.mean(axis=0)
    longest = max(steps[agent] for agent in vehicles)

    def off_middle(agent: int) -> float:
        return float(np.hypot(*(position[ids == agent].mean(axis=0) - middle)))

    return min((agent for agent in vehicles if steps[agent] == longest), key=lambda agent: (off_middle(agent), agent))


def drive_seen_from(
    name: str,
    scenes: Sequence[TrackedAgents],
    ego: int,
    network: RoadNetwork | None,
    *,
    signals: Sequence[TrafficSignals] = (),
    unknown_classes: dict[str, int],
    skipped: dict[str, int],
) -> RecordedDrive:
    """Labelled traffic as the drive of one of its vehicles.

    The labels of the others are the ground truth and, without identities, the detections. The rear axle of the ego is
    taken to lie 0.3 of its length behind the middle of its box.

    Args:
        name: Of the drive.
        scenes: Everyone, map frame, stamps rising.
        ego: Id of the vehicle that becomes the ego and is no agent any more.
        network: The map, None without one.
        signals: Observed traffic signals.
        unknown_classes: As in `RecordedDrive`.
        skipped: As in `RecordedDrive`.

    Raises:
        InvalidInputError: Nobody has this id.
    """
    truth = [_seen_from(scene, ego) for scene in scenes]
    egos = [scene.ego for scene in truth if scene.ego is not None]
    if not egos:
        raise InvalidInputError(f"drive {name}: ego", "the id of a road user", str(ego))
    return RecordedDrive(
        name=name,
        ego=egos,
        road_network=network,
        detections=[without_identities(scene, scene.ego) for scene in truth if scene.ego is not None],
        ground_truth=truth,
        signals=signals,
        unknown_classes=unknown_classes,
        skipped=skipped,
    )


def _seen_from(scene: TrackedAgents, ego: int) -> TrackedAgents:
    own = scene.ids == ego
    others = scene.take(np.flatnonzero(~own))
    return replace(others, ego=_ego_state(scene, int(np.argmax(own))) if own.any() else None)


def _ego_state(scene: TrackedAgents, row: int) -> EgoState:
    """An agent as the ego: base_link from the middle of its box."""
    yaw, yaw_rate = float(scene.yaw[row]), float(scene.yaw_rate[row])
    length, width, height = scene.size[row].tolist()
    along, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    reach = _REAR_AXLE * length
    x, y = (scene.position[row, :2] - reach * along).tolist()
    return EgoState(
        scene.stamp_ns,
        x=x,
        y=y,
        z=float(scene.position[row, 2]) - height / 2,
        yaw=yaw,
        speed=float(scene.velocity[row] @ along),
        lateral_velocity=float(scene.velocity[row] @ left) - reach * yaw_rate,
        acceleration=float(scene.acceleration[row] @ along),
        yaw_rate=yaw_rate,
        length=length,
        width=width,
        height=height,
        rear_axle_to_centre=reach,
    )
