"""Camera detections: projection by hand, occlusion, attributes that can be seen, misses and false alarms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute, TriState, TurnSignal
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.sensors import CameraDetections
from zoox_stack.simulation.sensors.camera import CameraConfig, Cameras, CameraSensor
from zoox_stack.simulation.sensors.mount import Mount
from zoox_stack.simulation.sensors.projection import Pinhole, box_corners_3d, project_boxes
from zoox_stack.simulation.sensors.ray_world import RayWorld

MakeScene = Callable[..., TrackedAgents]
CLEAN = CameraConfig(
    width=1000, height=800, focal=500.0, pixel_noise=0.0, miss=0.0, miss_far=0.0, miss_hidden=0.0, false_alarms=0.0,
    confusion=0.0, attribute_error=0.0,
)  # fmt: skip
FRONT = CameraSensor("front", Mount(x=0.0, z=1.0), CLEAN)
EGO = EgoState(1_000, 0.0, 0.0)


def detect(world: RayWorld, scene: TrackedAgents, sensor: CameraSensor = FRONT, seed: int = 0) -> CameraDetections:
    (found,) = Cameras([sensor], seed).detect(scene, world.with_agents(scene, np.arange(len(scene))))
    return found


def optical_box(x: float, y: float, z: float, size: tuple[float, float, float]) -> np.ndarray:
    """Corners of a box that is upright in the optical frame."""
    return box_corners_3d(np.array([[x, y, z]]), np.eye(3)[None], np.array([size]))


def test_projection_by_hand() -> None:
    camera = Pinhole(1000, 800, 500.0)
    assert camera.project(np.array([1.0, 2.0, 10.0])).tolist() == [550.0, 500.0]
    # 2 m wide, 1 m high, near side 9 m ahead: 500 * 1 / 9 to either side, 500 * 0.5 / 9 up and down
    (box,), (part,) = project_boxes(optical_box(0, 0, 10, (2, 1, 2)), camera)
    np.testing.assert_allclose(box, [500 - 500 / 9, 400 - 250 / 9, 500 + 500 / 9, 400 + 250 / 9])
    assert part == pytest.approx(1)


def test_boxes_are_clipped_cut_and_left_out() -> None:
    camera = Pinhole(1000, 800, 500.0)
    # right side from x = 8..12 at z = 10: 900..1100, the half of it in the picture
    (box,), (part,) = project_boxes(optical_box(10, 0, 10, (4, 1, 1e-6)), camera)
    np.testing.assert_allclose(box, [900, 375, 1000, 425], atol=1e-3)
    assert part == pytest.approx(0.5, abs=1e-3)
    # from 1 m behind the camera to 5 m ahead, 0.5 m to the right: from x = 500 * 0.5 / 5 out to the edge
    (box,), _ = project_boxes(optical_box(1.0, 0, 2.0, (1, 0.2, 6)), camera)
    assert box[0] == pytest.approx(550)
    assert box[2] == 1000
    for x, z in ((0.0, -5.0), (30.0, 10.0)):
        (box,), (part,) = project_boxes(optical_box(x, 0, z, (1, 1, 1)), camera)
        assert box.tolist() == [0, 0, 0, 0]
        assert part == 0


@pytest.mark.parametrize("yaw", [0.0, 1.0, -2.5])
def test_a_car_ahead_is_where_it_should_be(bare_world: RayWorld, scene_of: MakeScene, yaw: float) -> None:
    ego = EgoState(1_000, 30.0, 7.0, yaw=yaw)
    c, s = np.cos(yaw), np.sin(yaw)
    car = (AgentClass.CAR, 30 + 20 * c - 4 * s, 7 + 20 * s + 4 * c, yaw)  # 20 m ahead, 4 m to the left
    found = detect(bare_world, scene_of(ego, car))
    assert found.camera == "front"
    near, far = 20 - 2.25, 20 + 2.25
    # the left edge is that of the near corner, the right one that of the far corner; 1.5 m high, camera at 1 m
    expected = [500 - 500 * 4.9 / near, 400 - 500 * 0.5 / near, 500 - 500 * 3.1 / far, 400 + 500 * 1.0 / near]
    np.testing.assert_allclose(found.box[0], expected, atol=0.01)
    assert found.class_probabilities[0].argmax() == AgentClass.CAR
    assert found.score[0] > 0.7


@pytest.mark.parametrize(("yaw", "x", "y"), [(90.0, 0.0, 15.0), (-90.0, 0.0, -15.0), (180.0, -15.0, 0.0)])
def test_cameras_look_where_they_are_turned(
    bare_world: RayWorld, scene_of: MakeScene, yaw: float, x: float, y: float
) -> None:
    scene = scene_of(EGO, (AgentClass.PEDESTRIAN, x, y, 0.0))
    found = detect(bare_world, scene, replace(FRONT, mount=Mount(x=0.0, z=1.0, yaw=yaw)))
    assert len(found) == 1
    assert (found.box[0, 0] + found.box[0, 2]) / 2 == pytest.approx(500, abs=1.0)
    assert len(detect(bare_world, scene)) == 0


def test_pitch_is_nose_down(bare_world: RayWorld, scene_of: MakeScene) -> None:
    scene = scene_of(EGO, (AgentClass.PEDESTRIAN, 15.0, 0.0, 0.0))
    level, down = (detect(bare_world, scene, replace(FRONT, mount=Mount(x=0.0, z=1.0, pitch=p))) for p in (0.0, 10.0))
    assert down.box[0, 1] < level.box[0, 1] - 80  # what stays where it is moves up in the picture


def test_nearer_agents_hide_farther_ones(bare_world: RayWorld, scene_of: MakeScene) -> None:
    walker, truck = (AgentClass.PEDESTRIAN, 30.0, 0.0, 0.0), (AgentClass.TRUCK, 18.0, 0.0, 0.0)
    assert len(detect(bare_world, scene_of(EGO, walker))) == 1
    found = detect(bare_world, scene_of(EGO, walker, truck))
    assert found.class_probabilities.argmax(axis=1).tolist() == [AgentClass.TRUCK]
    beside = (AgentClass.PEDESTRIAN, 30.0, 6.0, 0.0)
    assert len(detect(bare_world, scene_of(EGO, beside, truck))) == 2


def test_scenery_hides_agents(town_world: RayWorld, scene_of: MakeScene) -> None:
    """Someone put behind every building in sight is found by no camera; before it, by one."""
    ego = EgoState(1_000, 60.0, -1.75)
    empty = scene_of(ego)
    directions = np.stack([np.cos(a := np.linspace(-np.pi, np.pi, 720)), np.sin(a), 0.02 + 0 * a], axis=1)
    rays = town_world.rays(np.array([[60.0, -1.75, 1.0]]), directions)
    wall = town_world.cast_at_scenery(rays, (60.0, -1.75), 100.0).distance.clip(max=999.0)
    wide = [i for i in range(10, 710) if (np.ptp(wall[i - 6 : i + 7]) < 3) and 8 < wall[i] < 40]
    assert len(wide) > 10
    for i, sensor in ((i, replace(FRONT, mount=Mount(x=0.0, z=1.0, yaw=float(np.rad2deg(a[i]))))) for i in wide[::8]):
        for gap, count in ((-2.0, 1), (2.0, 0)):
            place = np.array([60.0, -1.75]) + (wall[i] + gap) * directions[i, :2]
            scene = scene_of(ego, (AgentClass.PEDESTRIAN, *place, 0.0))
            assert len(detect(town_world, scene, sensor)) == count
    assert len(detect(town_world, empty)) == 0


ALL_ON = {
    Attribute.TURN_SIGNAL: TurnSignal.LEFT, Attribute.BRAKE_LIGHT: TriState.YES, Attribute.EMERGENCY_LIGHT: TriState.NO,
    Attribute.DOOR_OPEN: TriState.YES, Attribute.PHONE_IN_HAND: TriState.YES, Attribute.CHILD: TriState.NO,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "x", "yaw", "known"),
    [
        (AgentClass.CAR, 12.0, 0.0, {Attribute.TURN_SIGNAL, Attribute.BRAKE_LIGHT, Attribute.EMERGENCY_LIGHT,
                                     Attribute.DOOR_OPEN}),
        (AgentClass.CAR, 12.0, np.pi, {Attribute.TURN_SIGNAL, Attribute.EMERGENCY_LIGHT, Attribute.DOOR_OPEN}),
        (AgentClass.CAR, 35.0, 0.0, {Attribute.TURN_SIGNAL, Attribute.BRAKE_LIGHT, Attribute.EMERGENCY_LIGHT}),
        (AgentClass.CAR, 80.0, 0.0, set()),
        (AgentClass.PEDESTRIAN, 12.0, np.pi, {Attribute.PHONE_IN_HAND, Attribute.CHILD}),
        (AgentClass.PEDESTRIAN, 12.0, 0.0, {Attribute.CHILD}),
        (AgentClass.PEDESTRIAN, 30.0, np.pi, {Attribute.CHILD}),
    ],
)  # fmt: skip
def test_attributes_are_known_where_they_can_be_seen(
    bare_world: RayWorld, scene_of: MakeScene, kind: AgentClass, x: float, yaw: float, known: set[Attribute]
) -> None:
    found = detect(bare_world, scene_of(EGO, (kind, x, 2.0, yaw), attributes=ALL_ON))
    expected = [int(ALL_ON[a]) if a in known else 0 for a in Attribute]
    assert found.attributes[0].tolist() == expected


def test_wrong_attributes_are_as_many_as_asked_and_unknown_stays_unknown(
    bare_world: RayWorld, scene_of: MakeScene
) -> None:
    sensor = replace(FRONT, config=replace(CLEAN, attribute_error=0.3))
    rows = [(AgentClass.CAR, 14.0, y, 0.0) for y in (-9.0, -4.5, 0.0, 4.5, 9.0)]
    seen = np.concatenate([
        detect(bare_world, scene_of(EGO, *rows, stamp_ns=i, attributes=ALL_ON), sensor).attributes for i in range(100)
    ])  # fmt: skip
    wrong = seen[:, Attribute.TURN_SIGNAL] != TurnSignal.LEFT
    assert 0.24 < wrong.mean() < 0.36
    assert (seen[:, [Attribute.TURN_SIGNAL, Attribute.BRAKE_LIGHT]] > 0).all()
    unknown = detect(bare_world, scene_of(EGO, *rows), sensor)
    assert not unknown.attributes.any()


def test_facing_is_seen_from_the_ego(bare_world: RayWorld, scene_of: MakeScene) -> None:
    scene = scene_of(EgoState(1_000, 0.0, 0.0, yaw=np.pi / 2), (AgentClass.PEDESTRIAN, 0.0, 10.0, 0.0))
    assert np.isnan(detect(bare_world, scene).facing).all()
    facing = [
        detect(bare_world, replace(scene, facing=np.array([0.0], np.float32)), seed=seed).facing[0]
        for seed in range(50)
    ]
    assert np.mean(facing) == pytest.approx(-np.pi / 2, abs=0.15)


def test_false_alarms_misses_and_confusion_are_as_many_as_asked(bare_world: RayWorld, scene_of: MakeScene) -> None:
    sensor = replace(FRONT, config=replace(CLEAN, false_alarms=2.0))
    alarms = [detect(bare_world, scene_of(EGO, stamp_ns=i), sensor) for i in range(300)]
    assert 1.75 < np.mean([len(found) for found in alarms]) < 2.25
    boxes = np.concatenate([found.box for found in alarms])
    assert (boxes >= 0).all()
    assert (boxes <= [1000, 800, 1000, 800]).all()
    sensor = replace(FRONT, config=replace(CLEAN, miss=0.3, confusion=0.25))
    rows = [(AgentClass.CAR, 20.0, y, 0.0) for y in (-9.0, -4.5, 0.0, 4.5, 9.0)]
    found = [detect(bare_world, scene_of(EGO, *rows, stamp_ns=i), sensor) for i in range(100)]
    assert 0.64 < np.mean([len(f) / 5 for f in found]) < 0.76
    top = np.concatenate([f.class_probabilities.argmax(axis=1) for f in found])
    assert 0.19 < (top != AgentClass.CAR).mean() < 0.31


def test_misses_grow_with_distance_and_hiding(bare_world: RayWorld, scene_of: MakeScene) -> None:
    sensor = replace(FRONT, config=replace(CLEAN, miss_far=0.9, miss_hidden=0.9))

    def share(*rows: tuple[object, ...]) -> float:
        scenes = [scene_of(EGO, *rows, stamp_ns=i) for i in range(60)]
        return float(np.mean([AgentClass.PEDESTRIAN in detect(bare_world, s, sensor).class_probabilities.argmax(axis=1)
                              for s in scenes]))  # fmt: skip

    near = share((AgentClass.PEDESTRIAN, 20.0, 0.0, 0.0))
    far = share((AgentClass.PEDESTRIAN, 80.0, 0.0, 0.0))
    hidden = share((AgentClass.PEDESTRIAN, 20.0, 0.0, 0.0), (AgentClass.CAR, 16.0, 0.0, np.pi / 2))
    assert near > 0.9
    assert far < 0.8
    assert hidden < 0.8


def test_boxes_are_noisy_and_repeat(bare_world: RayWorld, scene_of: MakeScene) -> None:
    sensor = replace(FRONT, config=replace(CLEAN, pixel_noise=3.0))
    car = (AgentClass.CAR, 20.0, 0.0, 0.0)
    boxes = np.concatenate([detect(bare_world, scene_of(EGO, car, stamp_ns=i), sensor).box for i in range(150)])
    assert (np.abs(boxes.std(axis=0) - 3.0) < 0.6).all()
    again = detect(bare_world, scene_of(EGO, car, stamp_ns=3), sensor)
    np.testing.assert_array_equal(again.box[0], boxes[3])


def test_who_else_is_there_changes_no_detection(bare_world: RayWorld, scene_of: MakeScene) -> None:
    sensor = replace(FRONT, config=CameraConfig(focal=800.0, false_alarms=1.0))
    rows = [(AgentClass.CAR, 20.0, y, 0.0) for y in (-9.0, -4.5, 0.0, 4.5, 9.0)]
    everyone = scene_of(EGO, (AgentClass.CAR, -30.0, 0.0, 0.0), *rows, attributes=ALL_ON)
    found, alone = (detect(bare_world, scene, sensor) for scene in (everyone, everyone.take(np.arange(1, 6))))
    assert len(alone) >= 4
    np.testing.assert_array_equal(found.box, alone.box)
    np.testing.assert_array_equal(found.class_probabilities, alone.class_probabilities)
    np.testing.assert_array_equal(found.attributes, alone.attributes)
    np.testing.assert_array_equal(found.score, alone.score)


def test_needs_an_ego(bare_world: RayWorld, scene_of: MakeScene) -> None:
    with pytest.raises(ConfigurationError, match="ego"):
        detect(bare_world, scene_of(None))
