"""Emulated camera detections: what a detector would report, without rendering pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from zoox_stack.core.agents import N_CLASSES, EgoState, TrackedAgents
from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass, Attribute, TriState, TurnSignal
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.parameters import parameter
from zoox_stack.core.sensors import CameraDetections
from zoox_stack.simulation.sensors.mount import EgoPose, Mount
from zoox_stack.simulation.sensors.projection import TO_OPTICAL, Pinhole, box_corners_3d, box_points, project_boxes
from zoox_stack.simulation.sensors.ray_world import AgentScene
from zoox_stack.simulation.sensors.seeds import dice_of, generator

_PROBES = np.array([(x, y, z) for x in (-0.38, 0.0, 0.38) for y in (-0.38, 0.0, 0.38) for z in (-0.3, 0.0, 0.3, 0.45)])
_CONFUSED_WITH = {
    AgentClass.CAR: AgentClass.TRUCK, AgentClass.TRUCK: AgentClass.BUS, AgentClass.BUS: AgentClass.TRUCK,
    AgentClass.TRAILER: AgentClass.TRUCK, AgentClass.MOTORCYCLE: AgentClass.BICYCLE,
    AgentClass.BICYCLE: AgentClass.MOTORCYCLE, AgentClass.PEDESTRIAN: AgentClass.BICYCLE,
    AgentClass.ANIMAL: AgentClass.HAZARD, AgentClass.HAZARD: AgentClass.ANIMAL, AgentClass.UNKNOWN: AgentClass.HAZARD,
}  # fmt: skip
_OTHER = np.array([_CONFUSED_WITH[kind] for kind in AgentClass])
_HIGHEST = np.array([TurnSignal.HAZARD if a is Attribute.TURN_SIGNAL else TriState.YES for a in Attribute])
_LAMP_PIXELS, _HAND_PIXELS = 14.0, 40.0  # least height in the picture at which lamps, hands and doors can be told
_BESIDE = np.deg2rad(80.0)  # seen from farther round than this, the other end's lamps are out of sight
_BEHIND = np.deg2rad(120.0)  # seen from farther round than this, hands are hidden by the body
_FACING_NOISE = np.deg2rad(15.0)
_SMALLEST_ALARM, _LARGEST_ALARM = 12.0, 160.0  # [px] height of false alarms


@dataclass(frozen=True)
class CameraConfig:
    """A camera and the detector behind it."""

    width: int = parameter(1920, "of the picture", unit="px", low=16, high=16384)
    height: int = parameter(1080, "of the picture", unit="px", low=16, high=16384)
    focal: float = parameter(1250.0, "focal length", unit="px", low=8.0, high=100000.0)
    rate: float = parameter(10.0, "pictures per second", unit="Hz", low=1.0, high=100.0)
    range_high: float = parameter(120.0, "farther road users are not found", unit="m", low=1.0, high=500.0)
    least_pixels: float = parameter(8.0, "lower boxes are not found", unit="px", low=1.0, high=500.0)
    least_visible: float = parameter(0.15, "who is hidden more than this is not found", low=0.0, high=1.0)
    pixel_noise: float = parameter(2.0, "standard deviation of every side of a box", unit="px", low=0.0, high=100.0)
    miss: float = parameter(0.02, "share of near, whole road users that are missed", low=0.0, high=1.0)
    miss_far: float = parameter(0.35, "more that are missed at the end of the range", low=0.0, high=1.0)
    miss_hidden: float = parameter(0.5, "more that are missed when almost hidden", low=0.0, high=1.0)
    false_alarms: float = parameter(0.1, "boxes per picture around nothing, mean", low=0.0, high=100.0)
    confusion: float = parameter(0.03, "share of detections with a wrong class on top", low=0.0, high=1.0)
    attribute_error: float = parameter(0.04, "share of observed attributes that are wrong", low=0.0, high=1.0)

    @cached_property
    def pinhole(self) -> Pinhole:
        """How it projects."""
        return Pinhole(self.width, self.height, self.focal)


@dataclass(frozen=True)
class CameraSensor:
    """A camera on the vehicle. Its mount looks along x; its own frame is the optical one (`SensorCalibration`)."""

    name: str
    mount: Mount
    config: CameraConfig


class Cameras:
    """The cameras of a vehicle.

    Args:
        sensors: Each with its own pose and parameters.
        seed: Of noise, misses and false alarms.
    """

    def __init__(self, sensors: Sequence[CameraSensor], seed: int = 0) -> None:
        self.sensors, self.seed = tuple(sensors), seed

    def detect(
        self, agents: TrackedAgents, scene: AgentScene, sensors: Sequence[int] | None = None
    ) -> tuple[CameraDetections, ...]:
        """What each camera that takes a picture now finds.

        Args:
            agents: Who is there, standing on the ground; `agents.ego` carries the sensors.
            scene: The same agents as rays see them: they and the scenery hide each other.
            sensors: Which cameras; all if None.

        Raises:
            ConfigurationError: The scene has no ego.
        """
        ego = agents.ego
        if ego is None:
            raise ConfigurationError("Cameras.detect: expected a scene with an ego, found none")
        chosen = range(len(self.sensors)) if sensors is None else sensors
        return tuple(self._detect_one(number, agents, ego, scene) for number in chosen)

    def _detect_one(self, number: int, agents: TrackedAgents, ego: EgoState, scene: AgentScene) -> CameraDetections:
        sensor = self.sensors[number]
        config, random = sensor.config, generator(self.seed, agents.stamp_ns, 2000 + number)
        pose = EgoPose.of(ego, scene.world.terrain)
        boxes, pixels_high, distance, visible = _in_picture(sensor, agents, pose, scene)
        dice, normal, wrong = np.split(dice_of(random, agents.ids, 9 + len(Attribute)), [4, 9], axis=1)
        noise = ndtri(normal)
        hidden = 1 - visible
        miss = config.miss + config.miss_far * (distance / config.range_high) ** 2 + config.miss_hidden * hidden**2
        found = (
            (pixels_high >= config.least_pixels)
            & (visible > config.least_visible)
            & (distance < config.range_high)
            & (dice[:, 0] >= miss)
        )
        noisy = boxes + config.pixel_noise * noise[:, :4]
        noisy = np.clip(noisy, 0.0, [config.width, config.height] * 2)
        found &= (noisy[:, :2] < noisy[:, 2:]).all(axis=1)
        rows = np.flatnonzero(found)
        score = np.clip(0.95 - 0.4 * np.minimum(miss[rows], 1.0) - 0.2 * dice[rows, 1] ** 2, 0.05, 1.0)
        attributes, facing = _attributes(config, agents, ego, pose.to_map(sensor.mount.position), pixels_high, wrong)
        facing = np.where(np.isfinite(facing), wrap_angle(facing + _FACING_NOISE * noise[:, 4]), np.nan)
        alarms = _false_alarms(config, random)
        count = len(alarms)
        probabilities = _class_scores(agents.classes[rows], dice[rows, 2] < config.confusion, dice[rows, 3])
        kinds = random.integers(0, N_CLASSES, count).astype(np.uint8)
        return CameraDetections(
            agents.stamp_ns,
            sensor.name,
            np.concatenate([probabilities, _class_scores(kinds, np.zeros(count, bool), np.zeros(count))]),
            np.concatenate([score, random.uniform(0.1, 0.6, count)]).astype(np.float32),
            np.concatenate([noisy[rows], alarms]).astype(np.float32),
            np.concatenate([attributes[rows], np.zeros((count, len(Attribute)), np.uint8)]),
            np.concatenate([facing[rows], np.full(count, np.nan)]).astype(np.float32),
        )


def _in_picture(
    sensor: CameraSensor, agents: TrackedAgents, pose: EgoPose, scene: AgentScene
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where road users are in the picture, N agents.

    Returns:
        Boxes ``[N, 4]`` [px], their heights ``[N]`` [px], distances ``[N]`` [m], and the share ``[N]`` of each that is
        in the picture and not hidden by something nearer.
    """
    config = sensor.config
    turn = scene.world.terrain.orientation(agents.position[:, :2], agents.yaw)
    size = agents.size.astype(np.float64)
    origin = pose.to_map(sensor.mount.position)

    def optical(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the map ``[..., 3]`` in the optical frame."""
        local = (pose.to_base(points) - sensor.mount.position) @ sensor.mount.rotation
        return np.asarray(local @ TO_OPTICAL.T)

    boxes, in_picture = project_boxes(optical(box_corners_3d(agents.position, turn, size)), config.pinhole)
    distance = np.linalg.norm(agents.position - origin, axis=1)
    rows = np.flatnonzero((in_picture > 0) & (distance < config.range_high))
    visible = np.zeros(len(agents))
    if len(rows):
        probes = box_points(agents.position[rows], turn[rows], size[rows], _PROBES)
        seen = optical(probes)
        pixels = config.pinhole.project(np.where(seen[..., 2:] > 0, seen, 1.0))
        inside = (
            (seen[..., 2] > 0) & (pixels >= 0).all(axis=-1) & (pixels <= [config.width, config.height]).all(axis=-1)
        )
        towards = (probes - origin).reshape(-1, 3)
        away = np.linalg.norm(towards, axis=1)
        rays = scene.world.rays(origin[None], towards / np.maximum(away, 1e-6)[:, None])
        hits = scene.cast_with_scenery(rays, pose.position[:2], config.range_high)
        own = hits.agent_rows.reshape(inside.shape) == rows[:, None]
        free = (own | (hits.distance >= away).reshape(inside.shape)) & inside
        touched = (own & inside).any(axis=1)  # else the box is seen, but nothing in it
        # a picture cuts off as a car that hides does: only what can be seen counts
        visible[rows] = free.mean(axis=1) * touched
    return boxes, boxes[:, 3] - boxes[:, 1], distance, visible


def _class_scores(
    classes: NDArray[np.uint8], confused: NDArray[np.bool_], doubt: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Class probabilities ``[D, 10]``: the class or, where confused, one like it on top.

    Args:
        classes: ``[D]`` the truth.
        confused: ``[D]``.
        doubt: ``[D]`` 0..1, how flat the probabilities are.
    """
    n = len(classes)
    top = np.where(confused, _OTHER[classes], classes).astype(np.int64)
    second = np.where(confused, classes, _OTHER[classes]).astype(np.int64)
    scores = np.full((n, N_CLASSES), 0.01)
    scores[np.arange(n), second] += 0.05 + 0.3 * doubt
    scores[np.arange(n), top] += 0.85 - 0.3 * doubt
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def _attributes(
    config: CameraConfig,
    agents: TrackedAgents,
    ego: EgoState,
    camera: NDArray[np.float64],
    pixels_high: NDArray[np.float64],
    wrong: NDArray[np.float64],
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Attributes ``[N, 6]`` as far as they can be seen, some of them wrong, and facing ``[N]`` [rad] in base_link."""
    to_camera = camera[:2] - agents.position[:, :2]
    aspect = np.abs(wrap_angle(np.arctan2(to_camera[:, 1], to_camera[:, 0]) - agents.yaw))  # 0: seen from ahead
    motor = np.isin(agents.classes, [*VEHICLE_CLASSES, AgentClass.MOTORCYCLE])
    lamps, hands = pixels_high >= _LAMP_PIXELS, pixels_high >= _HAND_PIXELS
    can_see = np.zeros((len(agents), len(Attribute)), bool)
    can_see[:, Attribute.TURN_SIGNAL] = motor & lamps
    can_see[:, Attribute.BRAKE_LIGHT] = motor & lamps & (aspect > _BESIDE)
    can_see[:, Attribute.EMERGENCY_LIGHT] = motor & lamps
    can_see[:, Attribute.DOOR_OPEN] = motor & hands
    can_see[:, Attribute.PHONE_IN_HAND] = ~motor & hands & (aspect < _BEHIND)
    can_see[:, Attribute.CHILD] = ~motor & lamps
    truth = agents.attributes
    mistaken = (wrong < config.attribute_error) & can_see & (truth > 0)
    # a wrong answer is another known one: 1 becomes 2, the highest becomes 1
    seen = np.where(mistaken, np.where(truth >= _HIGHEST, 1, truth + 1), truth)
    facing = np.where(hands, wrap_angle(agents.facing.astype(np.float64) - ego.yaw), np.nan)
    return np.where(can_see, seen, 0).astype(np.uint8), facing


def _false_alarms(config: CameraConfig, random: np.random.Generator) -> NDArray[np.float64]:
    """Boxes around nothing ``[A, 4]`` [px]."""
    count = int(random.poisson(config.false_alarms))
    high = np.minimum(random.uniform(_SMALLEST_ALARM, _LARGEST_ALARM, count), 0.9 * config.height)
    wide = np.minimum(high * random.uniform(0.4, 1.8, count), 0.9 * config.width)
    x = random.uniform(0, config.width - wide)
    y = random.uniform(0.35 * config.height, config.height, count)
    y = np.minimum(y, config.height - high)
    return np.stack([x, y, x + wide, y + high], axis=1)
